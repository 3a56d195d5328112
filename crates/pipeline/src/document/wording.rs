//! What the YAML scanner complains about, in plain words.

use super::diagnostic::{Position, Problems};
use super::syntax::position;
use saphyr_parser::ScanError;

/// A part of the scanner's message, what it means, and what to do.
type Wording = (&'static str, &'static str, Option<&'static str>);

const WORDINGS: &[Wording] = &[
    ("tab", "a tab cannot indent", Some("use spaces")),
    (
        "mapping values are not allowed",
        "a \":\" where no key can stand",
        Some(
            "put text that has \": \" in it between quotes, and line keys up with the others of their map",
        ),
    ),
    (
        "simple key expect",
        "a line that is neither a key with a value nor part of the value before",
        Some("write \"key: value\""),
    ),
    (
        "did not find expected key",
        "a line that is not a key of this map",
        Some("line it up with the keys above, each as \"key: value\""),
    ),
    (
        "did not find expected '-'",
        "a line that is not an item of this list",
        Some("line it up with the \"-\" above"),
    ),
    (
        "expected ',' or '}'",
        "a map that began with \"{\" goes on without \",\" or \"}\"",
        None,
    ),
    (
        "expected ',' or ']'",
        "a list that began with \"[\" goes on without \",\" or \"]\"",
        None,
    ),
    (
        "misplaced bracket",
        "a closing bracket that closes nothing",
        None,
    ),
    (
        "illegal placement of ':'",
        "a \":\" where no key can stand",
        Some("close the bracket above, or put the text between quotes"),
    ),
    (
        "indentation in quoted",
        "text between quotes that goes on at the margin",
        Some("close the quotes"),
    ),
    (
        "indentation in flow",
        "a list or map in brackets that goes on at the margin",
        Some("close the bracket"),
    ),
    (
        "unexpected end of stream",
        "text between quotes that never ends",
        Some("close the quotes"),
    ),
    ("unexpected eof", "the document ends inside a value", None),
    (
        "unknown escape character",
        "a \"\\\" before a character that it does not go with",
        Some("double the backslash, or use single quotes"),
    ),
    (
        "hexadecimal",
        "an escape that is not followed by hexadecimal digits",
        Some("double the backslash, or use single quotes"),
    ),
    (
        "invalid Unicode character escape",
        "an escape that names no character",
        None,
    ),
    (
        "unknown anchor",
        "an alias of an anchor that is not there",
        Some("put text that starts with \"*\" between quotes"),
    ),
    (
        "scanning an anchor or alias",
        "a \"*\" or \"&\" without a name",
        Some("put it between quotes: \"*\""),
    ),
    (
        "trailing content after double-quoted",
        "text after the closing quotes",
        None,
    ),
    (
        "block sequence entries are not allowed",
        "a \"-\" where no list item can stand",
        Some("start the list on a line of its own"),
    ),
    (
        "recursion limit",
        "too many lists and maps inside one another",
        None,
    ),
    (
        "unexpected character",
        "a character that no value can start with",
        Some("put the text between quotes"),
    ),
    (
        "cannot start with '-'",
        "a \"-\" before a bracket or comma",
        Some("put the text between quotes"),
    ),
    (
        "indentation",
        "a line that is not indented like its neighbours",
        Some("line it up with the lines of the same map or list"),
    ),
    ("unprintable", "a character that cannot be printed", None),
    (
        "byte order mark",
        "a byte order mark inside the document",
        Some("remove it"),
    ),
    ("document start", "text after the end of the document", None),
    ("expected node content", "a value is missing here", None),
];

/// Notes what the scanner complains about.
pub(super) fn explain(error: &ScanError, source: &str, problems: &Problems<'_>) {
    let info = error.info();
    let mut place = within(position(error.marker()), source);
    if info.contains("tab") {
        place = indenting_tab(place, source).unwrap_or(place);
    }
    if is_bare_variable(place, source) {
        let help = "put it between quotes: \"${NAME}\"";
        let message = "not YAML: inside { } and [ ] the braces of ${…} are taken for a map";
        problems.advise(place, message, Some(help.to_owned()));
        return;
    }
    match WORDINGS.iter().find(|(part, ..)| info.contains(part)) {
        Some((_, message, help)) => {
            let message = format!("not YAML: {message}");
            problems.advise(place, message, help.map(str::to_owned));
        }
        None => problems.add(place, format!("not YAML: {}", info.trim_end_matches('.'))),
    }
}

/// The end of the last line with text, for a place beyond it.
fn within(place: Position, source: &str) -> Position {
    let text = source.trim_end();
    let last = text.lines().count();
    if place.line <= last {
        return place;
    }
    let line = text.lines().last().unwrap_or_default();
    Position {
        line: last.max(1),
        column: line.chars().count() + 1,
    }
}

/// The first tab that indents a line, from a place on.
fn indenting_tab(place: Position, source: &str) -> Option<Position> {
    let lines = source.lines().enumerate().skip(place.line - 1);
    lines.take(2).find_map(|(index, line)| {
        let blank = line.len() - line.trim_start().len();
        let column = line[..blank].find('\t')? + 1;
        Some(Position {
            line: index + 1,
            column,
        })
    })
}

/// Whether a place is the `{` of a variable.
fn is_bare_variable(place: Position, source: &str) -> bool {
    let line = source.lines().nth(place.line - 1).unwrap_or_default();
    let mut around = line.chars().skip(place.column.saturating_sub(2));
    (around.next(), around.next()) == (Some('$'), Some('{'))
}
