//! Input that means harm, or nothing at all.

use super::super::*;
use super::model::FULL;
use super::{environment, errors, parse};
use proptest::prelude::*;
use std::fmt::Write;
use std::time::{Duration, Instant};

#[test]
fn a_document_that_is_too_large_is_not_read() {
    let text = "a: 1\n".repeat(MAX_DOCUMENT_BYTES / 5 + 1);
    assert_eq!(
        errors(&text),
        "pipeline.yaml:1:1: the document has 1048580 bytes; 1 MiB is the limit"
    );
}

#[test]
fn aliases_that_multiply_are_stopped() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..40 {
        let below = level - 1;
        writeln!(
            text,
            "a{level}: &a{level} [*a{below}, *a{below}, *a{below}, *a{below}]"
        )
        .unwrap();
    }
    assert!(errors(&text).contains("more than 50000 values, aliases expanded"));
}

#[test]
fn aliases_of_a_long_text_are_stopped() {
    let text = format!(
        "a: &a {}\nb: [{}]\n",
        "x".repeat(500_000),
        "*a, ".repeat(1000)
    );
    assert!(errors(&text).contains("more than 8 MiB of text"));
}

#[test]
fn variables_that_multiply_are_stopped() {
    let text = format!("a: [{}]\n", "\"${BIG}\", ".repeat(10_000));
    let big = |_: &str| Some("x".repeat(10_000));
    let found = Document::parse("p.yaml", text.as_bytes(), &big).unwrap_err();
    assert!(found.to_string().contains("more than 8 MiB of text"));
}

#[test]
fn deep_nesting_is_stopped_however_it_is_written() {
    for text in [
        "[".repeat(100_000),
        "- ".repeat(100_000),
        "{a: ".repeat(1000),
        "? ".repeat(100_000),
        (0..2000)
            .map(|depth| format!("{}a:\n", " ".repeat(depth % 700)))
            .collect(),
        (0..700)
            .map(|depth| format!("{}a:\n", " ".repeat(depth)))
            .collect(),
    ] {
        let found = errors(&text);
        assert!(
            found.contains("inside one another") || found.contains("not YAML"),
            "{found}"
        );
    }
}

#[test]
fn depth_is_counted_through_aliases() {
    let mut text = format!("a0: &a0 {}x{}\n", "[".repeat(50), "]".repeat(50));
    for level in 1..400 {
        writeln!(
            text,
            "a{level}: &a{level} {}*a{}{}",
            "[".repeat(50),
            level - 1,
            "]".repeat(50)
        )
        .unwrap();
    }
    assert!(errors(&text).contains("more than 64 lists and maps inside one another"));
}

#[test]
fn a_document_full_of_errors_tells_a_hundred() {
    let text: String = (0..5000)
        .map(|number| format!("key{number}: ${{NO{number}}}\n"))
        .collect();
    let found = parse(&text).unwrap_err();
    assert_eq!(found.as_slice().len(), 101);
    assert!(
        found
            .to_string()
            .ends_with("more than 100 errors; the others are not shown")
    );
}

#[test]
fn the_largest_documents_are_read_in_bounded_time() {
    let megabyte = |part: &str| part.repeat(MAX_DOCUMENT_BYTES / part.len());
    let line = |number: usize| format!("key-{number}: {{ a: [b, \"c\", *x] }}\n");
    let many: String = std::iter::once("x: &x 1\n".to_owned())
        .chain((0..20_000).map(line))
        .collect();
    for text in [
        megabyte("a: 1\n"),
        megabyte("[a, "),
        megabyte("- - "),
        megabyte("# comment\n"),
        megabyte("a"),
        megabyte("\"${"),
        format!("a: \"{}\"", megabyte("${A} ").split_at(1_000_000).0),
        format!("a: {}", megabyte("x ").split_at(1_000_000).0),
        format!("a: |\n{}", megabyte(" x\n").split_at(1_000_000).0),
        many,
    ] {
        let began = Instant::now();
        let _ = parse(&text);
        let took = began.elapsed();
        let start: String = text.chars().take(20).collect();
        assert!(took < Duration::from_secs(20), "{start:?} took {took:?}");
    }
}

/// A generator that gives the same numbers in every run (xorshift64*).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit
    }
}

#[test]
fn a_damaged_document_never_panics() {
    let mut numbers = Numbers(0x5eed);
    let pieces = [
        "${", "}", "*", "&a ", "[", "{", "- ", "\t", "\"", "|\n", ": ", "\u{feff}", "\r", "é",
        "\0", "---\n", "!!int ", "? ",
    ];
    for _ in 0..4_000 {
        let mut bytes = FULL.as_bytes().to_vec();
        for _ in 0..=numbers.below(4) {
            if bytes.is_empty() {
                break;
            }
            let at = numbers.below(bytes.len());
            match numbers.below(4) {
                0 => bytes[at] = numbers.below(256) as u8,
                1 => drop(bytes.drain(at..(at + numbers.below(40)).min(bytes.len()))),
                2 => drop(bytes.splice(at..at, pieces[numbers.below(pieces.len())].bytes())),
                _ => bytes.truncate(at.max(1)),
            }
        }
        if let Err(found) = Document::parse("p.yaml", &bytes, &environment) {
            let shown = found.render(&String::from_utf8_lossy(&bytes));
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Document::parse("p.yaml", &bytes, &environment);
    }

    #[test]
    fn random_text_of_yaml_characters_never_panics(text in "[a-c0-9:,{}\\[\\]&*!|>'\"%@`?# \t\n$~.-]{0,200}") {
        if let Err(found) = parse(&text) {
            for one in found.as_slice() {
                prop_assert!(one.line >= 1 && one.column >= 1);
                one.render(&text);
            }
        }
    }

    #[test]
    fn a_text_between_quotes_is_read_as_it_is(text in "[^\\p{C}\"\\\\$]{1,60}") {
        let yaml = super::document(&format!("streams: [a]\nconfig: {{ key: \"{text}\" }}"), "", "");
        let document = parse(&yaml).unwrap();
        let config = document.source.connector.config.to_json();
        prop_assert_eq!(config["key"].as_str(), Some(text.as_str()));
    }
}
