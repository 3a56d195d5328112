//! YAML text to a tree of [`Value`]s.
//!
//! The text may be hostile: its size, the depth of the tree, the number of
//! values and the length of all texts together are bounded, also after aliases
//! and variables are expanded, and nothing here recurses over the input.
//! Variables are substituted while the tree is built, so that a node and its
//! aliases share one value.

use super::diagnostic::{Position, Problems, quote};
use super::scalars::{self, FromEnvironment, Scalars};
use super::value::{Entry, Meaning, Node, Scalar, Value};
use super::variables::Environment;
use super::wording;
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span, Tag};
use std::collections::HashMap;

/// Bytes that a document may have.
pub const MAX_DOCUMENT_BYTES: usize = 1 << 20;

/// Lists and maps inside one another.
const MAX_DEPTH: usize = 64;

/// Values in a document, aliases expanded.
const MAX_VALUES: usize = 50_000;

/// Bytes of all texts together, aliases and variables expanded.
pub(super) const MAX_TEXT: usize = 8 << 20;

/// Reads a document. Problems are noted; without a tree there is at least one.
pub(super) fn read(
    source: &str,
    environment: &Environment<'_>,
    problems: &Problems<'_>,
) -> Option<(Value, FromEnvironment)> {
    let source = source.strip_prefix('\u{feff}').unwrap_or(source);
    let mut builder = Builder {
        scalars: Scalars::new(source, environment, problems),
        problems,
        open: Vec::new(),
        anchors: HashMap::new(),
        root: None,
        values: 0,
        text: 0,
        finished: false,
    };
    let mut parser = Parser::new_from_str(source);
    while let Some(event) = parser.next_event() {
        let going = match event {
            Ok((event, span)) => builder.take(event, span).is_some(),
            Err(error) => {
                wording::explain(&error, source, problems);
                false
            }
        };
        if !going || problems.full() {
            return None;
        }
    }
    if builder.root.is_none() {
        let help = "it starts with: version: \"1.0\"";
        problems.advise(
            Position::START,
            "the document is empty",
            Some(help.to_owned()),
        );
    }
    builder.root.map(|root| (root, builder.scalars.used()))
}

/// A list or map whose end has not come yet.
struct Open {
    position: Position,
    anchor: usize,
    content: Content,
    /// Values and bytes that were counted before it began.
    before: (usize, usize),
}

enum Content {
    List(Vec<Value>),
    Map {
        entries: Vec<Entry>,
        seen: HashMap<String, Position>,
        key: Option<(String, Position)>,
    },
}

/// A node that an alias can repeat, and what it costs to do so.
struct Anchored {
    value: Value,
    depth: usize,
    values: usize,
    text: usize,
}

struct Builder<'b> {
    scalars: Scalars<'b>,
    problems: &'b Problems<'b>,
    open: Vec<Open>,
    anchors: HashMap<usize, Anchored>,
    root: Option<Value>,
    values: usize,
    text: usize,
    finished: bool,
}

impl Builder<'_> {
    /// Takes one event; `None` ends the reading, after a problem was noted.
    fn take(&mut self, event: Event<'_>, span: Span) -> Option<()> {
        let position = position(&span.start);
        match event {
            Event::DocumentStart(_) if self.finished => {
                let message = "a second document starts here";
                let help = "a file holds one pipeline; put the other into a file of its own";
                self.problems
                    .advise(position, message, Some(help.to_owned()));
                None
            }
            Event::DocumentEnd => {
                self.finished = true;
                Some(())
            }
            Event::Scalar(text, style, anchor, tag) => {
                let before = (self.values, self.text);
                let scalar = match self.awaits_key() {
                    true => Scalar::plain(&text, style == ScalarStyle::Plain),
                    false => self.scalars.read(&text, style, tag.as_deref(), span),
                };
                self.count(1, scalar.text.len(), position)?;
                let value = Value::new(position, Node::Scalar(scalar));
                self.place(value, anchor, before)
            }
            Event::Alias(anchor) => self.alias(anchor, position),
            Event::SequenceStart(anchor, tag) => {
                self.start(anchor, tag.as_deref(), position, Content::List(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                let content = Content::Map {
                    entries: Vec::new(),
                    seen: HashMap::new(),
                    key: None,
                };
                self.start(anchor, tag.as_deref(), position, content)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            _ => Some(()),
        }
    }

    fn start(
        &mut self,
        anchor: usize,
        tag: Option<&Tag>,
        position: Position,
        content: Content,
    ) -> Option<()> {
        if self.open.len() == MAX_DEPTH {
            self.too_deep(position);
            return None;
        }
        let usual = match content {
            Content::List(_) => "seq",
            Content::Map { .. } => "map",
        };
        if tag.is_some_and(|tag| !(tag.is_yaml_core_schema() && tag.suffix == usual)) {
            scalars::tag_problem(position, self.problems);
        }
        let before = (self.values, self.text);
        self.count(1, 0, position)?;
        self.open.push(Open {
            position,
            anchor,
            content,
            before,
        });
        Some(())
    }

    fn too_deep(&self, position: Position) {
        let message = format!("more than {MAX_DEPTH} lists and maps inside one another");
        self.problems.add(position, message);
    }

    fn end(&mut self) -> Option<()> {
        let open = self.open.pop()?;
        let node = match open.content {
            Content::List(items) => Node::List(items),
            Content::Map { entries, .. } => Node::Map(entries),
        };
        self.place(Value::new(open.position, node), open.anchor, open.before)
    }

    /// Repeats the node that an alias names.
    fn alias(&mut self, anchor: usize, position: Position) -> Option<()> {
        let Some(anchored) = self.anchors.get(&anchor) else {
            self.problems
                .add(position, "the alias stands inside the value that it names");
            return None;
        };
        let before = (self.values, self.text);
        let (values, text) = (anchored.values, anchored.text);
        if self.open.len() + anchored.depth > MAX_DEPTH {
            self.too_deep(position);
            return None;
        }
        self.count(values, text, position)?;
        let value = self.anchors.get(&anchor)?.value.clone().moved(position);
        self.place(value, 0, before)
    }

    /// Counts values and bytes of text against the bounds.
    fn count(&mut self, values: usize, text: usize, position: Position) -> Option<()> {
        self.values += values;
        self.text += text;
        if self.values > MAX_VALUES {
            let message =
                format!("the document has more than {MAX_VALUES} values, aliases expanded");
            self.problems.add(position, message);
            return None;
        }
        if self.text > MAX_TEXT {
            let limit = super::quantity::show_size(MAX_TEXT as u64);
            let message = format!(
                "the document has more than {limit} of text, aliases and variables expanded"
            );
            self.problems.add(position, message);
            return None;
        }
        Some(())
    }

    /// Puts a finished value where it belongs.
    fn place(&mut self, value: Value, anchor: usize, before: (usize, usize)) -> Option<()> {
        if anchor != 0 {
            let anchored = Anchored {
                depth: value.depth(),
                value: value.clone(),
                values: self.values - before.0,
                text: self.text - before.1,
            };
            // A copy for the aliases to come is a copy all the same.
            self.count(anchored.values, anchored.text, value.position())?;
            self.anchors.insert(anchor, anchored);
        }
        let Some(parent) = self.open.last_mut() else {
            self.root = Some(value);
            return Some(());
        };
        match &mut parent.content {
            Content::List(items) => items.push(value),
            Content::Map { entries, seen, key } => match key.take() {
                Some((key, position)) => entries.push(Entry {
                    key,
                    position,
                    value,
                }),
                None => *key = Some(key_of(&value, seen, self.problems)),
            },
        }
        Some(())
    }

    /// Whether the next value is the key of a map.
    fn awaits_key(&self) -> bool {
        matches!(
            self.open.last(),
            Some(Open {
                content: Content::Map { key: None, .. },
                ..
            })
        )
    }
}

/// The key that a value makes. What cannot be one is noted.
fn key_of(
    value: &Value,
    seen: &mut HashMap<String, Position>,
    problems: &Problems<'_>,
) -> (String, Position) {
    let position = value.position();
    let Some(scalar) = value.scalar() else {
        problems.add(position, "a key must be a word, not a list or a map");
        return (String::new(), position);
    };
    let key = scalar.text.clone();
    if scalar.meaning == Meaning::Null && key.is_empty() {
        problems.add(position, "there is no key before the colon");
    } else if let Some(first) = seen.get(&key) {
        let message = format!("the key {} is here twice", quote(&key));
        let help = format!("the first is on line {}", first.line);
        problems.advise(position, message, Some(help));
    } else {
        seen.insert(key.clone(), position);
    }
    (key, position)
}

pub(super) fn position(marker: &Marker) -> Position {
    Position {
        line: marker.line().max(1),
        column: marker.col() + 1,
    }
}
