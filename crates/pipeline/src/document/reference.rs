//! The reference of every key, as it stands in `docs/pipeline.md`.

use super::keys;
use super::quantity::{show_duration, show_size};
use super::table::{Key, Kind, Presence, Section};
use std::fmt::Write;
use std::time::Duration;

/// A section for each map of the document: a table of its keys, the words that
/// they take, and an example, in Markdown.
pub fn reference() -> String {
    let mut page = String::new();
    for section in keys::SECTIONS {
        // Writing to a String cannot fail.
        let _ = write_section(&mut page, section);
    }
    page
}

fn write_section(page: &mut String, section: &Section) -> std::fmt::Result {
    let title = match section.name {
        "document" => "The top level".to_owned(),
        name => format!("`{name}`"),
    };
    writeln!(page, "### {title}\n\n{}\n", section.doc)?;
    writeln!(page, "| key | takes | default | says |\n|---|---|---|---|")?;
    for key in section.keys {
        writeln!(
            page,
            "| `{}` | {} | {} | {} |",
            key.name,
            takes(key),
            default(key),
            key.doc
        )?;
    }
    writeln!(page)?;
    for key in section.keys {
        if let Kind::Word(words) = key.kind {
            writeln!(page, "`{}`:\n", key.name)?;
            for word in words {
                writeln!(page, "- `{}`: {}", word.name, word.doc.trim())?;
            }
            writeln!(page)?;
        }
    }
    writeln!(page, "```yaml\n{}\n```\n", section.example)
}

/// What a key takes, with its bounds.
fn takes(key: &Key) -> String {
    let duration = |millis| show_duration(Duration::from_millis(millis));
    match key.kind {
        Kind::Size(least, most) => format!("a size, {} to {}", show_size(least), show_size(most)),
        Kind::Duration(least, most) => {
            format!("a duration, {} to {}", duration(least), duration(most))
        }
        Kind::Count(least, most) if most == i64::MAX as u64 => {
            format!("a whole number from {least}")
        }
        Kind::Count(least, most) => format!("a whole number from {least} to {most}"),
        Kind::Word(words) => {
            let words: Vec<_> = words
                .iter()
                .map(|word| format!("`{}`", word.name))
                .collect();
            words.join(", ")
        }
        Kind::Version => "`\"1.0\"`".to_owned(),
        Kind::Streams(_) => "`\"*\"` or a list of names and maps".to_owned(),
        Kind::Section(_) => "a map, below".to_owned(),
        Kind::Sections(_) => "a list of maps, below".to_owned(),
        Kind::Config => "a map".to_owned(),
        kind => kind.expected(),
    }
}

fn default(key: &Key) -> String {
    match key.presence {
        Presence::Required => "required".to_owned(),
        Presence::Optional => "none".to_owned(),
        Presence::Default(text) => format!("`{text}`"),
    }
}
