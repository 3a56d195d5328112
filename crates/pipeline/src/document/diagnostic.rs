//! What is wrong with a document, and where.
//!
//! A diagnostic names a position in the text that the user wrote. Its message
//! quotes the user's own words with control characters escaped, and never a
//! value that came from the environment: whoever builds one passes text through
//! [`quote`], and values through [`Value::shown`](super::Value::shown).

use std::cell::{Cell, RefCell};
use std::fmt;

/// A place in a document: line and column, both counted from one, the column
/// in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The line, from one.
    pub line: usize,
    /// The character within the line, from one.
    pub column: usize,
}

impl Position {
    /// The first character of a document.
    pub const START: Position = Position { line: 1, column: 1 };
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// A value and where it stands in the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it is written.
    pub position: Position,
}

impl<T> Spanned<T> {
    /// Puts a value and its place together.
    pub fn new(value: T, position: Position) -> Self {
        Spanned { value, position }
    }
}

impl<T> std::ops::Deref for Spanned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// What has to change for a diagnostic to go away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cause {
    /// The document.
    #[default]
    Document,
    /// The component that it names: it is missing, or was refused.
    Component,
    /// A file or host that it names: it is missing.
    Missing,
    /// A permission to what it names.
    Denied,
}

/// One thing that is wrong with a document, or with what it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The document's name, as the user gave it.
    pub path: String,
    /// The line, from one.
    pub line: usize,
    /// The character within the line, from one.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// What has to change.
    pub cause: Cause,
}

/// Characters of a source line that [`Diagnostic::render`] shows at most.
const EXCERPT: usize = 100;

impl Diagnostic {
    /// A diagnostic without advice.
    pub fn new(path: &str, position: Position, message: impl Into<String>) -> Self {
        Diagnostic {
            path: path.to_owned(),
            line: position.line,
            column: position.column,
            message: message.into(),
            help: None,
            cause: Cause::Document,
        }
    }

    /// The same diagnostic of something that the document names.
    pub fn because(mut self, cause: Cause) -> Self {
        self.cause = cause;
        self
    }

    /// The same diagnostic with advice.
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Where it is.
    pub fn position(&self) -> Position {
        Position {
            line: self.line,
            column: self.column,
        }
    }

    /// The diagnostic, and below it the line of `source` with a caret.
    ///
    /// A line that looks as if it held a password is left out, and control
    /// characters of the source do not reach the terminal.
    pub fn render(&self, source: &str) -> String {
        let source = source.strip_prefix('\u{feff}').unwrap_or(source);
        let line = source.lines().nth(self.line.saturating_sub(1));
        match line.filter(|line| !line.trim().is_empty() && !holds_secret(line)) {
            None => self.to_string(),
            Some(line) => {
                let (excerpt, caret) = excerpt(line, self.column.saturating_sub(1));
                let margin = " ".repeat(self.line.to_string().len());
                format!(
                    "{self}\n{margin} |\n{} | {excerpt}\n{margin} | {}^",
                    self.line,
                    " ".repeat(caret)
                )
            }
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}:{}: {}",
            self.path, self.line, self.column, self.message
        )?;
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

/// All that is wrong with a document, in the order of the text. Never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", list.iter().map(Diagnostic::to_string).collect::<Vec<_>>().join("\n"))]
pub struct Diagnostics {
    list: Vec<Diagnostic>,
}

impl Diagnostics {
    /// Sorts what was found by position; `None` if nothing was.
    pub fn new(mut list: Vec<Diagnostic>) -> Option<Self> {
        list.sort_by_key(Diagnostic::position);
        list.dedup();
        (!list.is_empty()).then_some(Diagnostics { list })
    }

    /// The diagnostics, sorted by position.
    pub fn as_slice(&self) -> &[Diagnostic] {
        &self.list
    }

    /// The cause that all of them have; the document's where they differ.
    pub fn cause(&self) -> Cause {
        let mut causes = self.list.iter().map(|one| one.cause);
        let first = causes.next().unwrap_or_default();
        match causes.all(|cause| cause == first) {
            true => first,
            false => Cause::Document,
        }
    }

    /// All of them with the lines they point at; see [`Diagnostic::render`].
    pub fn render(&self, source: &str) -> String {
        let parts: Vec<_> = self.list.iter().map(|one| one.render(source)).collect();
        parts.join("\n\n")
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(one: Diagnostic) -> Self {
        Diagnostics { list: vec![one] }
    }
}

/// Diagnostics that one document gives at most.
const MOST: usize = 100;

/// Gathers the problems of one document.
pub(super) struct Problems<'d> {
    document: &'d str,
    list: RefCell<Vec<Diagnostic>>,
    /// Places whose value is not known, so that nothing more is said of it.
    silent: RefCell<Vec<Position>>,
    overflow: Cell<bool>,
}

impl<'d> Problems<'d> {
    pub(super) fn new(document: &'d str) -> Self {
        Problems {
            document,
            list: RefCell::default(),
            silent: RefCell::default(),
            overflow: Cell::new(false),
        }
    }

    /// Notes a problem.
    pub(super) fn add(&self, position: Position, message: impl Into<String>) {
        self.push(Diagnostic::new(self.document, position, message));
    }

    /// Notes a problem, and advice.
    pub(super) fn advise(
        &self,
        position: Position,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        let mut diagnostic = Diagnostic::new(self.document, position, message);
        diagnostic.help = help;
        self.push(diagnostic);
    }

    /// Notes nothing more about a place: the value there could not be found.
    pub(super) fn silence(&self, position: Position) {
        self.silent.borrow_mut().push(position);
    }

    /// Whether no more can be noted.
    pub(super) fn full(&self) -> bool {
        self.overflow.get()
    }

    fn push(&self, diagnostic: Diagnostic) {
        if self.silent.borrow().contains(&diagnostic.position()) {
            return;
        }
        let mut list = self.list.borrow_mut();
        if list.len() < MOST {
            list.push(diagnostic);
        } else {
            self.overflow.set(true);
        }
    }

    /// What was noted, if anything.
    pub(super) fn finish(self) -> Option<Diagnostics> {
        let overflow = self.overflow.get();
        let mut found = Diagnostics::new(self.list.into_inner())?;
        if overflow && let Some(last) = found.list.last() {
            let more = format!("more than {MOST} errors; the others are not shown");
            let more = Diagnostic::new(self.document, last.position(), more);
            found.list.push(more);
        }
        Some(found)
    }
}

/// Characters that [`quote`] shows at most.
const QUOTED: usize = 80;

/// A user's text between quotation marks, short and without control
/// characters.
pub fn quote(text: &str) -> String {
    let mut shown = String::from('"');
    for (index, character) in text.chars().enumerate() {
        if index == QUOTED {
            shown.push('…');
            break;
        }
        match character {
            '"' | '\\' => shown.extend(['\\', character]),
            _ if unprintable(character) => shown.extend(character.escape_default()),
            _ => shown.push(character),
        }
    }
    shown.push('"');
    shown
}

/// Control characters, and the marks that turn the direction of a line.
fn unprintable(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The part of a line around a column, and where the column is in it.
fn excerpt(line: &str, column: usize) -> (String, usize) {
    let printable = |character| {
        if unprintable(character) {
            ' '
        } else {
            character
        }
    };
    let length = line.chars().count();
    let column = column.min(length);
    if length <= EXCERPT {
        return (line.chars().map(printable).collect(), column);
    }
    let start = column.saturating_sub(EXCERPT / 2);
    let middle: String = line
        .chars()
        .skip(start)
        .take(EXCERPT)
        .map(printable)
        .collect();
    let head = if start > 0 { "…" } else { "" };
    let tail = if start + EXCERPT < length { "…" } else { "" };
    (
        format!("{head}{middle}{tail}"),
        column - start + usize::from(start > 0),
    )
}

/// Whether a line has a key that usually goes with a secret, or a URL with a
/// password.
fn holds_secret(line: &str) -> bool {
    let line = line.to_ascii_lowercase();
    let words = [
        "passw",
        "passphrase",
        "secret",
        "token",
        "credential",
        "api_key",
        "apikey",
        "private",
    ];
    let url = line
        .split_once("://")
        .is_some_and(|(_, rest)| rest.contains('@'));
    url || words.iter().any(|word| line.contains(word))
}
