//! What a project may be called: its name is a folder's, a package's and a
//! connector's at the same time.

use super::project::NewError;

/// The longest name, in characters.
const LONGEST: usize = 64;

/// Words that Rust keeps for itself, or that a crate beside the standard
/// library and the SDK cannot have.
const TAKEN: &[&str] = &[
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "core",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc-macro",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "union",
    "unsafe",
    "unsized",
    "use",
    "vesicle-connector",
    "virtual",
    "where",
    "while",
    "yield",
];

/// Refuses what is no name, with what would be one.
pub fn check(name: &str) -> Result<(), NewError> {
    let refuse = |why: String| {
        Err(NewError::Name(format!(
            "{name:?} cannot be the name: {why}"
        )))
    };
    let allowed =
        |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    if let Some(letter) = name.chars().find(|letter| !allowed(*letter)) {
        let hint = suggestion(name).map_or(String::new(), |name| format!("; try {name:?}"));
        return refuse(format!(
            "it has {letter:?}, and a name is of lowercase letters, digits and dashes{hint}"
        ));
    }
    if !name.starts_with(|letter: char| letter.is_ascii_lowercase()) {
        return refuse("it does not start with a letter".into());
    }
    if name.ends_with('-') || name.contains("--") {
        return refuse("a dash stands between two other characters".into());
    }
    if name.len() > LONGEST {
        return refuse(format!("it is longer than {LONGEST} characters"));
    }
    if TAKEN.contains(&name) {
        return refuse("the word is taken; put another in front of it, as in \"source-…\"".into());
    }
    Ok(())
}

/// The same name with what is not allowed made a dash, if that is a name.
fn suggestion(name: &str) -> Option<String> {
    let lower = name.to_lowercase();
    let words = lower.split(|letter: char| !letter.is_ascii_alphanumeric());
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    let name = words.join("-");
    let allowed = lower.is_ascii() && check(&name).is_ok();
    allowed.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lowercase_words_joined_by_dashes_are_names() {
        for name in ["orders", "source-weather", "s3", "a-1-b"] {
            check(name).unwrap();
        }
    }

    #[test]
    fn what_is_no_name_is_refused_with_the_reason() {
        for (name, reason) in [
            (
                "Source_Weather",
                r#"it has 'S', and a name is of lowercase letters, digits and dashes; try "source-weather""#,
            ),
            ("../out", "it has '.'"),
            ("Київ", "digits and dashes"),
            ("7up", "does not start with a letter"),
            ("", "does not start with a letter"),
            ("a--b", "a dash stands between"),
            ("a-", "a dash stands between"),
            ("match", "the word is taken"),
            (&"a".repeat(65), "longer than 64"),
        ] {
            let error = check(name).unwrap_err().to_string();
            assert!(error.contains(reason), "{name}: {error}");
        }
    }
}
