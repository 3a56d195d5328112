//! Documents that are wrong in ways users get wrong, and the exact messages.

use super::{document, errors, parse, stream_errors};

#[test]
fn an_unknown_key_points_at_its_place_and_suggests_the_nearest() {
    let text = document(
        "streams:\n  - name: a\n    sync_mod: incremental",
        "",
        "checkpiont: {}\n",
    );
    assert_eq!(
        errors(&text),
        "pipeline.yaml:7:7: unknown key \"sync_mod\" in streams[0]; did you mean \"sync_mode\"?\n\
         pipeline.yaml:10:1: unknown key \"checkpiont\"; did you mean \"checkpoint\"?"
    );
}

#[test]
fn an_unknown_key_like_no_other_lists_those_there_are() {
    assert_eq!(
        errors(&document("streams: [a]", "", "checkpoint: { every: 5 }\n")),
        "pipeline.yaml:8:15: unknown key \"every\" in checkpoint; the keys are bytes, rows, interval"
    );
}

#[test]
fn missing_keys_are_told_where_they_belong() {
    assert_eq!(
        errors("pipeline: p\nsource:\n  config: {}\ndestination:\n"),
        "pipeline.yaml:1:1: missing key \"version\"; it takes \"1.0\"\n\
         pipeline.yaml:2:1: missing key \"use\" in source; it takes text\n\
         pipeline.yaml:2:1: missing key \"streams\" in source; it takes \"*\" or a list of streams\n\
         pipeline.yaml:4:1: missing key \"use\" in destination; it takes text"
    );
}

#[test]
fn a_wrong_word_lists_the_words_and_suggests_the_nearest() {
    assert_eq!(
        errors(&document(
            "streams: [a]",
            "write_mode: apend\non_data_error: ignore",
            ""
        )),
        "pipeline.yaml:8:15: \"write_mode\" in destination must be append, replace or upsert, not \"apend\"; did you mean \"append\"?\n\
         pipeline.yaml:9:18: \"on_data_error\" in destination must be fail, skip or dlq, not \"ignore\""
    );
}

#[test]
fn values_of_the_wrong_kind_say_what_was_expected() {
    for (rest, expected) in [
        (
            "checkpoint: 5",
            "8:13: checkpoint must be a map of keys, not a number",
        ),
        (
            "transforms: { use: x }",
            "8:13: \"transforms\" must be a list of maps, not a map",
        ),
        (
            "transforms: [x]",
            "8:14: transforms[0] must be a map of keys, not text",
        ),
        (
            "state: { connection: [x] }",
            "8:22: \"connection\" in state must be text, not a list",
        ),
        (
            "state: { connection: true }",
            "8:22: \"connection\" in state must be text, not true (true or false); if you mean the text, write \"true\"",
        ),
        (
            "state: { connection: }",
            "8:20: \"connection\" in state must be text, not empty; give it a value, or remove the key",
        ),
        (
            "state: { connection: \"\" }",
            "8:22: \"connection\" in state is \"\": it must not be empty",
        ),
        (
            "state: { backend: postgres }",
            "8:10: \"backend: postgres\" in state needs \"connection\"; write the URL of the database: postgres://user:${PGPASSWORD}@host/database",
        ),
        (
            "resources: { parallelism: two }",
            "8:27: \"parallelism\" in resources must be a whole number, not \"two\"",
        ),
        (
            "resources: { parallelism: \"2\" }",
            "8:27: \"parallelism\" in resources must be a whole number, not \"2\"; remove the quotes",
        ),
        (
            "resources: { parallelism: 1.5 }",
            "8:27: \"parallelism\" in resources must be a whole number, not 1.5 (a number)",
        ),
        (
            "resources: { parallelism: 0 }",
            "8:27: \"parallelism\" in resources is 0: it must be at least 1",
        ),
        (
            "resources: { parallelism: -1 }",
            "8:27: \"parallelism\" in resources is -1: it must be at least 1",
        ),
        (
            "resources: { parallelism: 257 }",
            "8:27: \"parallelism\" in resources is 257: it must be at most 256",
        ),
        (
            "resources: { queue: 64 megs }",
            "8:21: \"queue\" in resources is \"64 megs\": a size is a number of bytes or a number and a unit, such as 64 MiB or 1048576",
        ),
        (
            "resources: { queue: 64M }",
            "8:21: \"queue\" in resources is \"64M\": write MB (powers of 1000) or MiB (powers of 1024)",
        ),
        (
            "resources: { queue: 5 }",
            "8:21: \"queue\" in resources is 5: it must be at least 1 MiB",
        ),
        (
            "resources: { queue: true }",
            "8:21: \"queue\" in resources must be a size, such as 64 MiB, not true (true or false)",
        ),
        (
            "checkpoint: { interval: 30 }",
            "8:25: \"interval\" in checkpoint is 30: a duration is a number and a unit, such as 500ms, 30s, 5m or 1h",
        ),
        (
            "checkpoint: { interval: 2d }",
            "8:25: \"interval\" in checkpoint is \"2d\": it must be at most 1d",
        ),
        (
            "checkpoint: { rows: 99999999999999999999 }",
            "8:21: \"rows\" in checkpoint must be a whole number, not 99999999999999999999 (a number)",
        ),
    ] {
        let found = errors(&document("streams: [a]", "", rest));
        assert_eq!(found, format!("pipeline.yaml:{expected}"), "{rest}");
    }
}

#[test]
fn streams_that_do_not_add_up_are_refused() {
    for (stream, destination, expected) in [
        (
            "{ name: a, sync_mode: incremental }",
            "",
            "6:16: sync_mode: incremental in streams[0] needs \"cursor_field\"; name the column that grows with every change",
        ),
        (
            "{ name: a, cursor_field: at }",
            "",
            "6:16: \"cursor_field\" in streams[0] goes with sync_mode: incremental only; remove it, or write sync_mode: incremental in place of full_refresh",
        ),
        (
            "{ name: a, sync_mode: cdc, tie_breaker_field: at }",
            "write_mode: replace",
            "6:32: \"tie_breaker_field\" in streams[0] goes with sync_mode: incremental only; remove it, or write sync_mode: incremental in place of cdc",
        ),
        (
            "a",
            "write_mode: upsert",
            "6:5: write_mode: upsert needs a primary_key, and streams[0] (\"a\") has none; write primary_key in the stream or in destination",
        ),
        (
            "{ name: a, sync_mode: incremental, cursor_field: at }",
            "write_mode: replace",
            "6:16: sync_mode: incremental in streams[0] does not go with write_mode: replace; replacing would leave only what changed last; use append or upsert, or full_refresh",
        ),
        (
            "{ name: a, sync_mode: cdc }",
            "write_mode: append",
            "6:16: sync_mode: cdc in streams[0] does not go with write_mode: append; rows that are changed or deleted cannot be appended; use upsert or replace",
        ),
        (
            "{ name: \"*\" }",
            "",
            "6:13: \"*\" as the name of one stream; it stands alone: streams: \"*\"",
        ),
        (
            "\"*\"",
            "",
            "6:5: \"*\" in a list of streams; it stands alone: streams: \"*\"",
        ),
        (
            "[a]",
            "",
            "6:5: streams[0] must be a name or a map of keys, not a list; write a name, or { name: …, … }",
        ),
        (
            "{ name: a, columns: [x, y, x] }",
            "",
            "6:32: \"columns\" in streams[0] is \"x\": it is in the list already, at 6:26",
        ),
        (
            "{ name: a, primary_key: { x: 1 } }",
            "",
            "6:29: \"primary_key\" in streams[0] must be a name or a list of names, not a map",
        ),
        (
            "{ name: }",
            "",
            "6:11: \"name\" in streams[0] must be text, not empty; give it a value, or remove the key",
        ),
    ] {
        assert_eq!(
            stream_errors(stream, destination),
            format!("pipeline.yaml:{expected}"),
            "{stream}"
        );
    }
}

#[test]
fn the_list_of_streams_has_to_be_one() {
    for (streams, expected) in [
        (
            "[]",
            "\"streams\" in source is an empty list; name at least one stream, or write \"*\" for all",
        ),
        (
            "flights",
            "\"streams\" in source must be \"*\" or a list of streams, not \"flights\"; write [\"flights\"]",
        ),
        (
            "{ name: a }",
            "\"streams\" in source must be \"*\" or a list of streams, not a map; write [name] or [{ name: …, … }]",
        ),
    ] {
        let found = errors(&document(&format!("streams: {streams}"), "", ""));
        assert_eq!(
            found,
            format!("pipeline.yaml:5:12: {expected}"),
            "{streams}"
        );
    }
    let found = errors(&document("streams: \"*\"", "write_mode: upsert", ""));
    assert_eq!(
        found,
        "pipeline.yaml:8:3: write_mode: upsert needs a primary_key, and streams: \"*\" names none; write primary_key in destination, or list the streams"
    );
}

#[test]
fn two_streams_or_transforms_of_one_name_are_refused() {
    assert_eq!(
        errors(&document(
            "streams: [a, { name: a }]",
            "",
            "transforms: [{ use: t, name: x }, { use: u, name: x }]"
        )),
        "pipeline.yaml:5:24: the stream \"a\" is in the list twice; the first is at 5:13\n\
         pipeline.yaml:8:51: two transforms are called \"x\"; the first is at 8:30"
    );
}

#[test]
fn permissions_name_hosts_with_ports_and_variables() {
    let text = document(
        "streams: [a]\npermissions: { connect: [db.example.com, \"*:443\"], env: A-B, files: x }",
        "",
        "",
    );
    assert_eq!(
        errors(&text),
        "pipeline.yaml:6:28: \"connect\" in source.permissions has \"db.example.com\": the port is missing: write host:port, such as db.example.com:5432\n\
         pipeline.yaml:6:44: \"connect\" in source.permissions has \"*:443\": every host has to be named; there are no wildcards\n\
         pipeline.yaml:6:59: \"env\" in source.permissions has \"A-B\": a variable's name has letters, digits and _, and does not start with a digit\n\
         pipeline.yaml:6:64: unknown key \"files\" in source.permissions; the keys are connect, read, write, env"
    );
}

#[test]
fn a_pipelines_name_can_be_part_of_a_files_name() {
    for (name, reason) in [
        (
            "a/b",
            "it may have letters (a to z), digits, \"_\", \".\" and \"-\"",
        ),
        ("..", "it must have a letter or a digit"),
        (
            "flüge",
            "it may have letters (a to z), digits, \"_\", \".\" and \"-\"",
        ),
    ] {
        let text =
            document("streams: [a]", "", "").replace("pipeline: p", &format!("pipeline: {name}"));
        assert_eq!(
            errors(&text),
            format!("pipeline.yaml:2:11: \"pipeline\" is \"{name}\": {reason}")
        );
    }
    let long = "x".repeat(129);
    let text =
        document("streams: [a]", "", "").replace("pipeline: p", &format!("pipeline: {long}"));
    assert!(errors(&text).ends_with("it must not be longer than 128 characters"));
}

#[test]
fn another_version_is_refused() {
    let text = document("streams: [a]", "", "").replace("\"1.0\"", "\"2.0\"");
    assert_eq!(
        errors(&text),
        "pipeline.yaml:1:10: \"version\" must be \"1.0\", not \"2.0\"; this build reads version 1.0 of the format"
    );
}

#[test]
fn errors_come_in_the_order_of_the_text() {
    let text = document(
        "streams: [a]\nlimits: { memory: x, fuel: y }",
        "wirte_mode: x",
        "resources: { queue: z }\nzzz: 1\n",
    );
    let found = parse(&text).unwrap_err();
    let lines: Vec<_> = found
        .as_slice()
        .iter()
        .map(|one| (one.line, one.column))
        .collect();
    assert_eq!(lines, [(6, 21), (6, 30), (9, 3), (10, 21), (11, 1)]);
}

#[test]
fn an_error_is_shown_with_its_line_and_a_caret() {
    let text = document("streams:\n  - name: a\n    sync_mod: cdc", "", "");
    let found = parse(&text).unwrap_err();
    assert_eq!(
        found.render(&text),
        "pipeline.yaml:7:7: unknown key \"sync_mod\" in streams[0]; did you mean \"sync_mode\"?\n  |\n7 |       sync_mod: cdc\n  |       ^"
    );
}

#[test]
fn a_line_with_a_password_is_not_shown() {
    let text = document("streams: [a]\nconfg: { password: hunter2 }", "", "");
    let found = parse(&text).unwrap_err().render(&text);
    assert_eq!(
        found,
        "pipeline.yaml:6:3: unknown key \"confg\" in source; did you mean \"config\"?"
    );
}

#[test]
fn control_characters_of_a_document_do_not_reach_the_terminal() {
    let text = document("streams: [a]", "\"use\\e[31m\\u202e\": x", "");
    let found = parse(&text).unwrap_err();
    let shown = found.render(&text);
    assert!(
        shown.contains("unknown key \"use\\u{1b}[31m\\u{202e}\""),
        "{shown}"
    );
    assert!(!shown.contains(['\u{1b}', '\u{202e}']), "{shown}");
}
