//! Keeps secrets out of texts that people and machines will read.

/// Replaces secrets in texts.
///
/// A value is hidden wherever it stands, also as JSON writes it, as a URL
/// writes it, and line by line if it has several. A value of less than eight
/// characters is hidden only where it is a word of its own, so that a port
/// `5432` does not punch holes into `154321`. A value of less than four
/// characters is not hidden: the text would become unreadable, and it keeps
/// nobody out; [`Redactor::add`] tells.
///
/// `Debug` does not print the secrets.
#[derive(Clone, Default)]
pub struct Redactor {
    /// What is replaced and by what, the longest first.
    secrets: Vec<(String, String)>,
}

/// What stands in the place of a secret without a name.
const HIDDEN: &str = "***";

/// Characters of the shortest value that is hidden.
const SHORTEST: usize = 4;

/// Characters from which a value is hidden within words as well.
const LONG: usize = 8;

impl Redactor {
    /// Hides a value behind `***`. Whether it is long enough for that.
    pub fn add(&mut self, secret: &str) -> bool {
        self.hide(secret, HIDDEN)
    }

    /// Hides the value of an environment variable behind `${NAME}`. Whether it
    /// is long enough for that, and not a word such as `true`.
    pub fn add_variable(&mut self, name: &str, value: &str) -> bool {
        let everyday = ["true", "false", "null", "none", "localhost"];
        !everyday.contains(&value.to_ascii_lowercase().as_str())
            && self.hide(value, &format!("${{{name}}}"))
    }

    /// Hides what `other` hides as well.
    pub fn extend(&mut self, other: &Redactor) {
        for (secret, shown) in &other.secrets {
            self.insert(secret.clone(), shown);
        }
    }

    /// The same without variables: for texts that say what is granted, which is
    /// of no use under another name.
    pub fn only_secrets(&self) -> Redactor {
        let secrets = self.secrets.iter();
        Redactor {
            secrets: secrets
                .filter(|(_, shown)| shown == HIDDEN)
                .cloned()
                .collect(),
        }
    }

    /// A text without the secrets.
    pub fn redact(&self, text: &str) -> String {
        let present: Vec<_> = self
            .secrets
            .iter()
            .filter(|(secret, _)| text.contains(secret.as_str()))
            .collect();
        if present.is_empty() {
            return text.to_owned();
        }
        let mut result = String::with_capacity(text.len());
        let mut at = 0;
        while let Some(next) = text[at..].chars().next() {
            let hit = present.iter().find(|(secret, _)| {
                text[at..].starts_with(secret.as_str()) && stands_out(text, at, secret)
            });
            match hit {
                Some((secret, shown)) => {
                    result.push_str(shown);
                    at += secret.len();
                }
                None => {
                    result.push(next);
                    at += next.len_utf8();
                }
            }
        }
        result
    }

    fn hide(&mut self, secret: &str, shown: &str) -> bool {
        let trimmed = secret.trim();
        if trimmed.chars().count() < SHORTEST {
            return false;
        }
        let lines = trimmed
            .lines()
            .map(str::trim)
            .filter(|line| line.chars().count() >= LONG);
        let mut forms: Vec<String> = lines.map(str::to_owned).collect();
        forms.push(trimmed.to_owned());
        for form in forms {
            let json = serde_json::Value::from(form.as_str()).to_string();
            self.insert(json[1..json.len() - 1].to_owned(), shown);
            self.insert(percent_encode(&form), shown);
            self.insert(form, shown);
        }
        true
    }

    /// Keeps the list sorted. A value that is known keeps its replacement,
    /// unless that was a variable's name and it is now secret.
    fn insert(&mut self, secret: String, shown: &str) {
        match self.secrets.iter_mut().find(|(known, _)| *known == secret) {
            Some((_, known)) if shown == HIDDEN => *known = shown.to_owned(),
            Some(_) => {}
            None => {
                self.secrets.push((secret, shown.to_owned()));
                self.secrets
                    .sort_by_key(|(secret, _)| std::cmp::Reverse(secret.len()));
            }
        }
    }
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Redactor({} secrets)", self.secrets.len())
    }
}

/// Whether a secret is long, or a word of its own at this place.
fn stands_out(text: &str, at: usize, secret: &str) -> bool {
    let joined = |character: Option<char>| character.is_some_and(char::is_alphanumeric);
    secret.chars().count() >= LONG
        || !(joined(text[..at].chars().next_back())
            || joined(text[at + secret.len()..].chars().next()))
}

/// As RFC 3986, 2.1 writes what is not unreserved.
fn percent_encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte))
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn redactor(secrets: &[&str]) -> Redactor {
        let mut redactor = Redactor::default();
        for secret in secrets {
            redactor.add(secret);
        }
        redactor
    }

    #[test]
    fn a_secret_is_hidden_wherever_it_stands() {
        let redactor = redactor(&["hunter2", "correct horse"]);
        assert_eq!(
            redactor.redact("postgres://u:hunter2@db"),
            "postgres://u:***@db"
        );
        assert_eq!(redactor.redact("correct horse, hunter2"), "***, ***");
        assert_eq!(redactor.redact("?key=correct%20horse"), "?key=***");
        assert_eq!(redactor.redact("nothing"), "nothing");
    }

    #[test]
    fn a_secret_is_hidden_as_json_writes_it_and_line_by_line() {
        let redactor = redactor(&["pa\"ss\\word", "-----BEGIN KEY-----\nMIIEpAIB\nabc"]);
        let json = serde_json::json!({"error": "bad pa\"ss\\word"}).to_string();
        assert_eq!(redactor.redact(&json), r#"{"error":"bad ***"}"#);
        assert_eq!(redactor.redact("read MIIEpAIB"), "read ***");
    }

    #[test]
    fn a_short_secret_is_hidden_as_a_word_only() {
        let redactor = redactor(&["5432"]);
        assert_eq!(
            redactor.redact("154321 rows from db:5432"),
            "154321 rows from db:***"
        );
    }

    #[test]
    fn a_value_too_short_to_hide_is_told() {
        let mut redactor = Redactor::default();
        assert!(!redactor.add("abc"));
        assert!(!redactor.add("   "));
        assert!(redactor.add("abcd"));
    }

    #[test]
    fn a_variable_is_shown_by_its_name_unless_it_is_secret() {
        let mut redactor = Redactor::default();
        redactor.add_variable("DIR", "/data/in");
        redactor.add_variable("PASSWORD", "hunter22");
        assert!(!redactor.add_variable("FLAG", "true"));
        redactor.add("hunter22");
        redactor.add_variable("PASSWORD", "hunter22");
        assert_eq!(redactor.redact("/data/in/x hunter22"), "${DIR}/x ***");
    }

    #[test]
    fn the_longest_secret_wins() {
        let redactor = redactor(&["secret", "secret-and-more"]);
        assert_eq!(redactor.redact("secret-and-more"), "***");
        assert!(!format!("{redactor:?}").contains("more"));
    }
}
