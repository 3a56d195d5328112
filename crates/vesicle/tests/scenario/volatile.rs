//! What differs from run to run, and what stands for it in a transcript:
//!
//! | in the output | in the transcript |
//! |---|---|
//! | the folder of the scenario | `<here>` |
//! | the folder of the built components | `<components>` |
//! | the id of a run, and its digits in the names of parts | `<run>` |
//! | a time of 2026 or later; data of scenarios is older | `<time>` |
//! | `(0.8 s)` | `(<seconds> s)` |
//! | figures in JSON under `times` and keys that end in `_ms`, `_rss_bytes`, `_peak_bytes` | `<n>` |
//! | the port of the scenario's PostgreSQL server | `<port>` |
//! | a place in its log: `0/16B3748` | `<lsn>` |
//! | lines of progress, which slow machines print | nothing |

use std::path::Path;

use super::database::Database;
use super::transcript::Outcome;
use crate::common::BINARY;

/// The places that a scenario may name.
pub struct Places {
    paths: Vec<(String, &'static str)>,
    port: Option<String>,
}

impl Places {
    /// The places of a scenario that is played in a folder, and with a database.
    pub fn of(folder: &Path, database: Option<&Database<'_>>) -> Self {
        let components = Path::new(BINARY).with_file_name("components");
        let mut places = Vec::new();
        for (path, name) in [(folder, "<here>"), (&components, "<components>")] {
            let canonical = path.canonicalize().unwrap();
            places.push((canonical.display().to_string(), name));
            places.push((path.display().to_string(), name));
        }
        Self {
            paths: places,
            port: database.map(|database| database.port().to_string()),
        }
    }

    /// What a command printed with what is volatile replaced.
    pub fn hide_in(&self, outcome: Outcome) -> Outcome {
        Outcome {
            stdout: self.hide(&outcome.stdout),
            stderr: self.hide(&outcome.stderr),
            exit: outcome.exit,
        }
    }

    /// A text with what is volatile replaced.
    fn hide(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (path, name) in &self.paths {
            text = text.replace(path.as_str(), name);
        }
        if let Some(port) = &self.port {
            text = hide_number(&text, port);
        }
        text.split_inclusive('\n')
            .filter(|line| !is_progress(line))
            .map(hide_in_line)
            .collect()
    }
}

fn is_progress(line: &str) -> bool {
    line.contains(" rows/s, ") && line.contains(" MB/s, ") && line.contains(" committed")
}

/// A text in which a number, where it stands alone, is that of a port.
fn hide_number(text: &str, number: &str) -> String {
    let mut hidden = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(number) {
        let (before, found) = rest.split_at(at);
        let after = &found[number.len()..];
        let alone = !before.ends_with(|c: char| c.is_ascii_alphanumeric())
            && !after.starts_with(|c: char| c.is_ascii_alphanumeric());
        hidden.push_str(before);
        hidden.push_str(if alone { "<port>" } else { number });
        rest = after;
    }
    hidden + rest
}

fn hide_in_line(line: &str) -> String {
    let mut text = String::new();
    let mut rest = line;
    while let Some(letter) = rest.chars().next() {
        let found = [run, part, time, seconds, figure]
            .iter()
            .find_map(|find| find(rest))
            .or_else(|| place_in_log(&text, rest));
        let (length, stands_for) = found.unwrap_or((letter.len_utf8(), ""));
        match stands_for {
            "" => text.push(letter),
            stands_for => text.push_str(stands_for),
        }
        rest = &rest[length..];
    }
    text
}

/// How much of the beginning of a text it is, and what stands for it.
type Found = Option<(usize, &'static str)>;

/// How long a beginning is in which `9` stands for a digit, `f` for a
/// hexadecimal one and all else for itself.
fn matching(text: &str, pattern: &str) -> Option<usize> {
    let bytes = text.as_bytes().get(..pattern.len())?;
    let fits = |(byte, wanted): (&u8, u8)| match wanted {
        b'9' => byte.is_ascii_digit(),
        b'f' => byte.is_ascii_hexdigit(),
        wanted => *byte == wanted,
    };
    bytes
        .iter()
        .zip(pattern.bytes())
        .all(fits)
        .then_some(pattern.len())
}

fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

fn run(text: &str) -> Found {
    Some((
        matching(text, "ffffffff-ffff-7fff-ffff-ffffffffffff")?,
        "<run>",
    ))
}

fn part(text: &str) -> Found {
    Some((matching(text, "part-ffffffffff-")?, "part-<run>-"))
}

fn time(text: &str) -> Found {
    let mut length = matching(text, "2099-99-99T99:99:99")?;
    if text < "2026" {
        return None;
    }
    if text[length..].starts_with('.') {
        length += 1 + digits(&text[length + 1..]);
    }
    text[length..]
        .starts_with('Z')
        .then_some((length + 1, "<time>"))
}

fn seconds(text: &str) -> Found {
    let after = text.strip_prefix('(')?;
    let whole = digits(after);
    let length = whole + matching(&after[whole..], ".9 s)")?;
    (whole > 0).then_some((1 + length, "(<seconds> s)"))
}

fn figure(text: &str) -> Found {
    for (key, stands_for) in [
        ("_ms\": ", "_ms\": <n>"),
        ("_rss_bytes\": ", "_rss_bytes\": <n>"),
        ("_peak_bytes\": ", "_peak_bytes\": <n>"),
        ("\"times\": ", "\"times\": <n>"),
    ] {
        if let Some(value) = text.strip_prefix(key)
            && digits(value) > 0
        {
            return Some((key.len() + digits(value), stands_for));
        }
    }
    None
}

/// A place in the server's log, which no word is part of.
fn place_in_log(before: &str, text: &str) -> Found {
    let hexadecimal = |text: &str| {
        text.bytes()
            .take_while(|b| matches!(b, b'0'..=b'9' | b'A'..=b'F'))
            .count()
    };
    let high = hexadecimal(text);
    let low = hexadecimal(text[high..].strip_prefix('/')?);
    let length = high + 1 + low;
    let word = |c: char| c.is_ascii_alphanumeric() || c == '/';
    let alone = !before.ends_with(word) && !text[length..].starts_with(word);
    (alone && (1..=8).contains(&high) && (6..=8).contains(&low)).then_some((length, "<lsn>"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_from_run_to_run_is_replaced_and_nothing_else() {
        let same = "people: 2 rows in out/people/ (1 file), 2013-01-01T05:00:00Z, part-all\n";
        assert_eq!(hide_in_line(same), same);
        assert_eq!(hide_in_line("in out (0.8 s)"), "in out (<seconds> s)");
        assert_eq!(
            hide_in_line("run 01a1fdad-6c4a-7473-8ec5-cfdeea985039 since 2026-11-21T10:36:03.53Z,"),
            "run <run> since <time>,"
        );
        assert_eq!(
            hide_in_line("part-3879511216-all-000001.csv"),
            "part-<run>-all-000001.csv"
        );
        assert_eq!(hide_in_line("\"busy_ms\": 12,"), "\"busy_ms\": <n>,");
        assert_eq!(hide_in_line("\"exit\": 12,"), "\"exit\": 12,");
        assert_eq!(hide_in_line("from 0/16B3748 on"), "from <lsn> on");
        assert_eq!(hide_in_line("in out/DEADBEEF/"), "in out/DEADBEEF/");
        let ports = "127.0.0.1:5433 port 5433, 15433";
        assert_eq!(
            hide_number(ports, "5433"),
            "127.0.0.1:<port> port <port>, 15433"
        );
    }
}
