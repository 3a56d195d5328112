//! How results and errors are printed.

use std::borrow::Cow;
use std::io::Write as _;

use serde_json::{Value as Json, json};
use tracing_subscriber::EnvFilter;
use vesicle_pipeline::{Error, Exit};

/// A command that failed, and what there is to say about it.
pub struct Failed {
    /// What it ended with.
    pub exit: Exit,
    /// The message, without the word "error".
    pub message: String,
    /// Whether the message stands for itself, each line with its place.
    pub placed: bool,
}

impl Failed {
    /// A failure with a message.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            placed: false,
        }
    }

    /// An error of the pipeline; errors in the document show their lines.
    pub fn of(error: &Error, source: Option<&str>) -> Self {
        match (error, source) {
            (Error::Document(wrong), Some(source)) => Self {
                exit: Exit::Document,
                message: wrong.render(source).trim_end().to_owned(),
                placed: true,
            },
            _ => Self::new(error.exit(), error.to_string()),
        }
    }

    /// Prints the failure on stderr.
    pub fn print(&self) -> Exit {
        let message = plain(&self.message);
        if self.placed {
            eprintln!("{message}");
        } else {
            eprintln!("error: {message}");
        }
        self.exit
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::of(&error, None)
    }
}

/// Prints a value for programs.
pub fn print_json(value: &Json) {
    print_text(&format!("{value:#}"));
}

/// Prints a text and a newline; a reader that has gone away is no error.
pub fn print_text(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "{}", plain(text));
}

/// A text without commands to the terminal, which may be a component's own.
pub fn plain(text: &str) -> Cow<'_, str> {
    let obeyed = |c: char| c.is_control() && c != '\n' && c != '\t';
    if !text.contains(obeyed) {
        return text.into();
    }
    let mut shown = String::new();
    for c in text.chars() {
        match obeyed(c) {
            true => shown.extend(c.escape_default()),
            false => shown.push(c),
        }
    }
    shown.into()
}

/// An error, for programs.
pub fn error_json(failed: &Failed) -> Json {
    json!({ "error": failed.message, "exit": failed.exit as u8 })
}

/// Logs go to stderr: warnings at first, more with each `-v`, or as
/// `VESICLE_LOG` says.
pub fn start_tracing(verbose: u8) {
    let level = match verbose {
        0 => "error",
        1 => {
            "vesicle=debug,vesicle_engine=debug,vesicle_pool=debug,vesicle_flow=debug,vesicle_pipeline=debug,warn"
        }
        _ => "trace",
    };
    let filter = EnvFilter::try_from_env("VESICLE_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()) && colour())
        .init();
}

/// Whether colours are wanted, as far as `NO_COLOR` says.
pub fn colour() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// A count with its noun.
pub fn count(n: u64, one: &str) -> String {
    match n {
        1 => format!("1 {one}"),
        _ => format!("{} {one}s", grouped(n)),
    }
}

/// A number with its thousands apart.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_s_words_command_no_terminal() {
        assert_eq!(plain("one\n\ttwo"), "one\n\ttwo");
        assert_eq!(plain("\u{1b}[2Kgone\r"), r"\u{1b}[2Kgone\r");
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(336_776), "336,776");
        assert_eq!(grouped(1_000), "1,000");
        assert_eq!(count(1, "row"), "1 row");
        assert_eq!(count(0, "row"), "0 rows");
    }
}
