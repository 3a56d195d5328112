//! Files that are no document, or no YAML.

use super::super::*;
use super::{document, errors};

#[test]
fn keys_written_twice_are_refused() {
    let text = document("streams: [a]\nuse: t", "", "");
    assert_eq!(
        errors(&text),
        "pipeline.yaml:6:3: the key \"use\" is here twice; the first is on line 4"
    );
}

#[test]
fn merge_keys_are_explained() {
    let text = document("streams: [a]", "<<: { config: {} }", "");
    assert_eq!(
        errors(&text),
        "pipeline.yaml:8:3: unknown key \"<<\" in destination; YAML 1.2 has no merge keys; write the alias as the value of a key"
    );
}

#[test]
fn what_is_no_map_is_no_document() {
    for (text, expected) in [
        (
            "",
            "1:1: the document is empty; it starts with: version: \"1.0\"",
        ),
        (
            "# nothing\n",
            "1:1: the document is empty; it starts with: version: \"1.0\"",
        ),
        (
            "- a\n",
            "1:1: a pipeline document is a map of keys, not a list; it starts with: version: \"1.0\"",
        ),
        (
            "hello",
            "1:1: a pipeline document is a map of keys, not text; it starts with: version: \"1.0\"",
        ),
        (
            "---\n",
            "2:1: a pipeline document is a map of keys, not an empty value; it starts with: version: \"1.0\"",
        ),
        (
            "a: 1\n---\nb: 2\n",
            "2:1: a second document starts here; a file holds one pipeline; put the other into a file of its own",
        ),
    ] {
        assert_eq!(errors(text), format!("pipeline.yaml:{expected}"), "{text}");
    }
}

#[test]
fn what_is_no_yaml_is_explained_in_plain_words() {
    for (text, expected) in [
        (
            "source:\n\tuse: x\n",
            "2:1: not YAML: a tab cannot indent; use spaces",
        ),
        (
            "source:\n  use: x\n\tconfig: y\n",
            "3:1: not YAML: a tab cannot indent; use spaces",
        ),
        (
            "streams: *\n",
            "1:10: not YAML: a \"*\" or \"&\" without a name; put it between quotes: \"*\"",
        ),
        (
            "a: *b\n",
            "1:4: not YAML: an alias of an anchor that is not there; put text that starts with \"*\" between quotes",
        ),
        (
            "a: \"b\nc: d\n",
            "1:4: not YAML: text between quotes that goes on at the margin; close the quotes",
        ),
        (
            "a: [1, 2\nb: c\n",
            "2:2: not YAML: a \":\" where no key can stand; close the bracket above, or put the text between quotes",
        ),
        (
            "a: [1, 2\n",
            "1:9: not YAML: a list that began with \"[\" goes on without \",\" or \"]\"",
        ),
        (
            "a: {b: 1\n",
            "1:9: not YAML: a map that began with \"{\" goes on without \",\" or \"}\"",
        ),
        (
            "a: b: c\n",
            "1:5: not YAML: a \":\" where no key can stand; put text that has \": \" in it between quotes, and line keys up with the others of their map",
        ),
        (
            "path: \"C:\\data\"\n",
            "1:7: not YAML: a \"\\\" before a character that it does not go with; double the backslash, or use single quotes",
        ),
        (
            "a: @b\n",
            "1:4: not YAML: a character that no value can start with; put the text between quotes",
        ),
        (
            "a: 1\n}\n",
            "2:1: not YAML: a closing bracket that closes nothing",
        ),
        (
            "a: &a [*a]\n",
            "1:8: the alias stands inside the value that it names",
        ),
        (
            "!foo b\n",
            "1:1: a tag that says nothing here; only !!str, !!int, !!float, !!bool, !!null, !!seq and !!map are known, and the value must fit",
        ),
    ] {
        let found = errors(text);
        let first = found.lines().next().unwrap_or_default();
        assert_eq!(first, format!("pipeline.yaml:{expected}"), "{text}");
    }
}

#[test]
fn what_is_no_utf8_is_refused_where_it_begins() {
    let refuse = |bytes: &[u8]| {
        Document::parse("p.yaml", bytes, &|_| None)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        refuse(b"a: b\nc: d\xff"),
        "p.yaml:2:5: the document is not UTF-8, it looks like another encoding; save it as UTF-8"
    );
    assert_eq!(
        refuse(b"\xff\xfea\0"),
        "p.yaml:1:1: the document is not UTF-8, it looks like UTF-16; save it as UTF-8"
    );
}
