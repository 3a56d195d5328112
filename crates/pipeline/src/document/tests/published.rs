//! What is published of the format is what the code does.

use super::super::keys::SECTIONS;
use super::super::*;
use super::errors;
use std::path::PathBuf;

/// A file of the documentation.
fn docs(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs")).join(name)
}

/// Compares a file with what it should be; with `BLESS=1`, writes it.
fn assert_current(name: &str, expected: &str) {
    let path = docs(name);
    if std::env::var_os("BLESS").is_some_and(|bless| bless == "1") {
        std::fs::write(&path, expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap();
    assert!(
        found == expected,
        "docs/{name} is not current; run: BLESS=1 cargo test -p vesicle-pipeline document"
    );
}

#[test]
fn the_published_json_schema_is_current() {
    let schema = serde_json::to_string_pretty(&json_schema()).unwrap();
    assert_current("pipeline.schema.json", &format!("{schema}\n"));
}

#[test]
fn the_published_reference_is_current() {
    let page = std::fs::read_to_string(docs("pipeline.md")).unwrap();
    let (before, rest) = page.split_once("<!-- keys -->\n").unwrap();
    let (_, after) = rest.split_once("<!-- /keys -->").unwrap();
    let expected = format!(
        "{before}<!-- keys -->\n{}<!-- /keys -->{after}",
        reference()
    );
    assert_current("pipeline.md", &expected);
}

#[test]
fn every_key_is_in_the_published_page() {
    let page = std::fs::read_to_string(docs("pipeline.md")).unwrap();
    for section in SECTIONS {
        for key in section.names() {
            assert!(
                page.contains(&format!("| `{key}` |")),
                "{key} of {}",
                section.name
            );
        }
    }
}

#[test]
fn every_example_of_the_page_is_a_good_document_or_a_part_of_one() {
    let page = std::fs::read_to_string(docs("pipeline.md")).unwrap();
    let examples: Vec<&str> = page
        .split("```yaml\n")
        .skip(1)
        .map(|rest| rest.split_once("\n```").unwrap().0)
        .collect();
    assert!(examples.len() > SECTIONS.len());
    for example in examples {
        let text = complete(example);
        let environment = |_: &str| Some("5432".to_owned());
        if let Err(found) = Document::parse("docs/pipeline.md", text.as_bytes(), &environment) {
            panic!("{found}\n\n{text}");
        }
    }
}

/// Adds to an example what a document needs besides.
fn complete(example: &str) -> String {
    let indented = || example.replace('\n', "\n  ");
    let (source, destination) = (
        "source:\n  use: s\n  streams: [a]\n",
        "destination:\n  use: d\n",
    );
    let head = "version: \"1.0\"\npipeline: p\n";
    match example.split(':').next() {
        Some("version") => example.to_owned(),
        Some("source") => format!("{head}{example}\n{destination}"),
        Some("destination") => format!("{head}{source}{example}\n"),
        Some("streams") => format!("{head}source:\n  use: s\n  {}\n{destination}", indented()),
        Some("config") => format!("{head}{source}  {}\n{destination}", indented()),
        _ => format!("{head}{source}{destination}{example}\n"),
    }
}

#[test]
fn every_key_of_the_tables_is_read_by_the_decoder() {
    for section in SECTIONS {
        for key in section.keys {
            // A list within a list is nothing that any key takes.
            let text = with_key(section.name, key.name, "[[x]]");
            let found = errors(&text);
            assert!(
                !found.contains("unknown key"),
                "{} of {}: {found}",
                key.name,
                section.name
            );
            assert!(!found.is_empty());
        }
    }
}

/// A document in which a key of a section has a value.
fn with_key(section: &str, key: &str, value: &str) -> String {
    let entry = format!("{key}: {value}");
    let mut lines = vec![
        "version: \"1.0\"",
        "pipeline: p",
        "source:",
        "  use: s",
        "  streams: [a]",
        "destination:",
        "  use: d",
    ];
    let owned;
    match section {
        "document" => {
            let start = format!("{key}:");
            let at = lines.iter().position(|line| line.starts_with(&start));
            match at {
                Some(at) => {
                    let end = lines[at + 1..]
                        .iter()
                        .position(|line| !line.starts_with(' '))
                        .map_or(lines.len(), |next| at + 1 + next);
                    lines.splice(at..end, [entry.as_str()]);
                }
                None => lines.push(&entry),
            }
            return lines.join("\n");
        }
        "source" | "destination" => {
            let start = lines
                .iter()
                .position(|line| line.starts_with(section))
                .unwrap();
            let known = format!("  {key}:");
            owned = format!("  {entry}");
            match lines[start..]
                .iter()
                .position(|line| line.starts_with(&known))
            {
                Some(at) => lines[start + at] = &owned,
                None => lines.insert(start + 1, &owned),
            }
            return lines.join("\n");
        }
        "source.streams[]" => {
            owned = format!(
                "  streams: [{{ {}{entry} }}]",
                if key == "name" { "" } else { "name: a, " }
            );
            lines[4] = &owned;
        }
        "transforms[]" => {
            owned = format!(
                "transforms: [{{ {}{entry} }}]",
                if key == "use" { "" } else { "use: t, " }
            );
            lines.push(&owned);
        }
        "permissions" | "limits" => {
            owned = format!("  {section}: {{ {entry} }}");
            lines.push(&owned);
        }
        nested => {
            let name = nested.rsplit('.').next().unwrap();
            let indent = if nested.contains('.') { "  " } else { "" };
            owned = format!("{indent}{name}: {{ {entry} }}");
            lines.push(&owned);
        }
    }
    lines.join("\n")
}
