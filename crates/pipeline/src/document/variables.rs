//! `${NAME}` and `${NAME:-default}` in the texts of a document.
//!
//! `${NAME:-default}` holds the default where the variable is not set or empty,
//! as in a POSIX shell. `$${` stands for `${` itself. A `$` before anything but
//! a brace is an ordinary character. A default is taken as it is, up to the
//! first `}`.

use std::collections::BTreeMap;

/// Looks up an environment variable.
pub type Environment<'e> = dyn Fn(&str) -> Option<String> + 'e;

/// A text with its variables replaced.
#[derive(Debug, PartialEq)]
pub(super) struct Substituted {
    /// The text.
    pub(super) text: String,
    /// Whether it was a single reference and nothing else.
    pub(super) whole: bool,
    /// The variables that were replaced by what the environment has.
    pub(super) used: BTreeMap<String, String>,
}

/// A reference that cannot be replaced.
#[derive(Debug, PartialEq)]
pub(super) struct Unresolved {
    /// Where in the text it begins, in bytes.
    pub(super) offset: usize,
    pub(super) message: String,
    pub(super) help: Option<String>,
}

/// Replaces the variables of a text; `None` if it has none. What is longer than
/// `most` bytes is cut short somewhere beyond that.
pub(super) fn substitute(
    text: &str,
    environment: &Environment<'_>,
    most: usize,
) -> Option<Result<Substituted, Vec<Unresolved>>> {
    if !text.contains("${") {
        return None;
    }
    let mut result = Substituted {
        text: String::new(),
        whole: false,
        used: BTreeMap::new(),
    };
    let mut unresolved = Vec::new();
    let mut rest = text;
    while let Some(dollar) = rest.find("${") {
        if result.text.len() > most {
            break;
        }
        let offset = text.len() - rest.len() + dollar;
        if rest[..dollar].ends_with('$') {
            result.text.push_str(&rest[..dollar - 1]);
            result.text.push_str("${");
            rest = &rest[dollar + 2..];
            continue;
        }
        result.text.push_str(&rest[..dollar]);
        let Some(end) = rest[dollar..].find('}') else {
            let message = "\"${\" is never closed".to_owned();
            let help = "write ${NAME}, or $${ for the characters themselves".to_owned();
            unresolved.push(Unresolved {
                offset,
                message,
                help: Some(help),
            });
            return Some(Err(unresolved));
        };
        let inner = &rest[dollar + 2..dollar + end];
        rest = &rest[dollar + end + 1..];
        result.whole = text.len() == end + 1;
        match resolve(inner, environment) {
            Ok(Resolved::Set(name, value)) => {
                result.text.push_str(&value);
                result.used.insert(name.to_owned(), value);
            }
            Ok(Resolved::Default(value)) => result.text.push_str(value),
            Err((message, help)) => unresolved.push(Unresolved {
                offset,
                message,
                help,
            }),
        }
    }
    result.text.push_str(rest);
    Some(if unresolved.is_empty() {
        Ok(result)
    } else {
        Err(unresolved)
    })
}

enum Resolved<'t> {
    Set(&'t str, String),
    Default(&'t str),
}

/// What stands for `${inner}`.
fn resolve<'t>(
    inner: &'t str,
    environment: &Environment<'_>,
) -> Result<Resolved<'t>, (String, Option<String>)> {
    let (name, default) = match inner.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inner, None),
    };
    if !is_variable(name) {
        let message = format!("{} is not the name of a variable", super::quote(name));
        let help = "a name has letters, digits and _, and does not start with a digit; write $${ for the characters themselves";
        return Err((message, Some(help.to_owned())));
    }
    if default.is_some_and(|default| default.contains("${")) {
        let message = format!("the default of ${{{name}:-…}} has a variable in it");
        return Err((message, Some("a default is plain text".to_owned())));
    }
    match (environment(name), default) {
        (Some(value), None) => Ok(Resolved::Set(name, value)),
        (Some(value), Some(_)) if !value.is_empty() => Ok(Resolved::Set(name, value)),
        (_, Some(default)) => Ok(Resolved::Default(default)),
        (None, None) => {
            let help = format!("set it, or write ${{{name}:-default}}");
            Err((
                format!("the environment variable {name} is not set"),
                Some(help),
            ))
        }
    }
}

/// Whether a text can name an environment variable (POSIX.1-2017, 8.1).
pub(super) fn is_variable(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name
            .chars()
            .all(|character| character.is_ascii_alphanumeric() || character == '_')
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn environment(name: &str) -> Option<String> {
        match name {
            "HOST" => Some("db.example".to_owned()),
            "EMPTY" => Some(String::new()),
            "NESTED" => Some("${HOST}".to_owned()),
            _ => None,
        }
    }

    fn text(input: &str) -> String {
        match substitute(input, &environment, 1000) {
            None => input.to_owned(),
            Some(Ok(result)) => result.text,
            Some(Err(errors)) => panic!("{errors:?}"),
        }
    }

    #[test]
    fn variables_are_replaced_and_defaults_stand_in() {
        assert_eq!(
            text("postgres://${HOST}:5432"),
            "postgres://db.example:5432"
        );
        assert_eq!(text("${PORT:-5432}"), "5432");
        assert_eq!(text("${EMPTY:-x}${EMPTY}"), "x");
        assert_eq!(text("${HOST:-x}"), "db.example");
        assert_eq!(text("${NOPE:-}"), "");
    }

    #[test]
    fn a_doubled_dollar_escapes_and_a_lone_one_is_a_dollar() {
        assert_eq!(
            text("$${HOST} costs 5$ $HOST $$"),
            "${HOST} costs 5$ $HOST $$"
        );
        assert_eq!(text("$$${HOST}"), "$${HOST}");
    }

    #[test]
    fn a_value_is_not_substituted_again() {
        assert_eq!(text("${NESTED}"), "${HOST}");
    }

    #[test]
    fn all_missing_variables_are_found_at_once() {
        let errors = substitute("${A} and ${HOST} and ${B}", &environment, 1000)
            .unwrap()
            .unwrap_err();
        let found: Vec<_> = errors
            .iter()
            .map(|one| (one.offset, one.message.as_str()))
            .collect();
        let expected = [
            (0, "the environment variable A is not set"),
            (21, "the environment variable B is not set"),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_no_reference_is_refused() {
        for bad in [
            "${",
            "${HOST",
            "${}",
            "${1A}",
            "${A B}",
            "${A:-${B}}",
            "${config.host}",
        ] {
            assert!(
                matches!(substitute(bad, &environment, 1000), Some(Err(_))),
                "{bad}"
            );
        }
    }

    #[test]
    fn only_a_single_reference_is_whole() {
        let whole = |text| substitute(text, &environment, 1000).unwrap().unwrap().whole;
        assert!(whole("${HOST}"));
        assert!(whole("${PORT:-1}"));
        assert!(!whole("${HOST}x"));
        assert!(!whole("${HOST}${HOST}"));
        assert!(!whole("x${HOST}"));
    }
}
