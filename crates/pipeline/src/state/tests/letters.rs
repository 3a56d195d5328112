//! Dead letters, and the commits they wait for.

use super::*;
use serde_json::json;

fn settled(fixture: &Fixture) -> Vec<String> {
    let query = LetterQuery {
        pipeline: "p".to_owned(),
        limit: 100,
        ..LetterQuery::default()
    };
    fixture
        .state
        .letters(&query)
        .unwrap()
        .into_iter()
        .map(|letter| letter.row)
        .collect()
}

/// A run with a settled letter, and one pending of each of two more commits.
fn waiting() -> (Fixture, Run) {
    let (fixture, run) = Fixture::running();
    for sequence in 1..=3 {
        let row = format!("row {sequence}");
        fixture
            .state
            .add_letters(&slice(&run), sequence, &[letter(&row)])
            .unwrap();
        fixture
            .state
            .prepare(&slice(&run), sequence, &format!("c{sequence}"))
            .unwrap();
    }
    fixture.commit(&run, 1, "c1");
    (fixture, run)
}

#[test]
fn a_letter_is_pending_until_its_commit() {
    let (fixture, run) = waiting();
    assert_eq!(settled(&fixture), ["row 1"]);
    fixture.commit(&run, 3, "c3");
    assert_eq!(settled(&fixture), ["row 1", "row 2", "row 3"]);
    assert_eq!(fixture.state.letter_count(&run.id).unwrap(), 3);
    assert_eq!(fixture.state.list().unwrap()[0].letters, 3);
}

#[test]
fn a_letter_keeps_its_row_and_its_reason() {
    let (fixture, run) = waiting();
    let query = LetterQuery {
        pipeline: "p".to_owned(),
        limit: 1,
        ..LetterQuery::default()
    };
    let found = fixture.state.letters(&query).unwrap().pop().unwrap();
    assert_eq!(
        (
            found.run.as_str(),
            found.stream.as_str(),
            found.partition.as_str()
        ),
        (run.id.as_str(), "s", "0")
    );
    assert_eq!(
        (
            found.category.as_str(),
            found.code.as_str(),
            found.message.as_str()
        ),
        ("data", "csv-bad-number", "not a number")
    );
}

#[test]
fn letters_are_listed_by_stream_run_and_page() {
    let (fixture, run) = waiting();
    fixture.commit(&run, 3, "c3");
    let all = LetterQuery {
        pipeline: "p".to_owned(),
        limit: 2,
        ..LetterQuery::default()
    };
    let first = fixture.state.letters(&all).unwrap();
    assert_eq!(first.len(), 2);
    let rest = LetterQuery {
        after: Some(first[1].id),
        ..all.clone()
    };
    assert_eq!(fixture.state.letters(&rest).unwrap()[0].row, "row 3");
    let of = |stream: &str, run: &str| {
        let (stream, run) = (Some(stream.to_owned()), Some(run.to_owned()));
        fixture
            .state
            .letters(&LetterQuery {
                stream,
                run,
                ..all.clone()
            })
            .unwrap()
            .len()
    };
    assert_eq!(
        (of("s", &run.id), of("t", &run.id), of("s", "other")),
        (2, 0, 0)
    );
}

#[test]
fn a_crash_after_the_destinations_commit_keeps_its_letters_and_drops_later_ones() {
    let (fixture, run) = waiting();
    let fixture = fixture.reopen();
    fixture.state.resume_run(&run.id, &json!("out")).unwrap();
    fixture
        .state
        .adopt(&run.id, "s", &[adopted("0", "c2")])
        .unwrap();
    assert_eq!(settled(&fixture), ["row 1", "row 2"]);
    let partition = fixture.state.partitions("p", "s").unwrap().pop().unwrap();
    assert_eq!((partition.cursor.as_str(), partition.sequence), ("c2", 2));
    fixture
        .state
        .end_run(&run.id, RunStatus::Completed, None)
        .unwrap();
}

#[test]
fn a_crash_before_the_destinations_commit_drops_its_letters() {
    let (fixture, run) = waiting();
    let fixture = fixture.reopen();
    fixture.state.resume_run(&run.id, &json!("out")).unwrap();
    fixture
        .state
        .adopt(&run.id, "s", &[adopted("0", "c1")])
        .unwrap();
    assert_eq!(settled(&fixture), ["row 1"]);
    // The rows are read again, and their letters come again.
    fixture
        .state
        .add_letters(&slice(&run), 2, &[letter("row 2")])
        .unwrap();
    fixture.commit(&run, 2, "c2");
    assert_eq!(settled(&fixture), ["row 1", "row 2"]);
}

#[test]
fn a_run_does_not_complete_while_letters_wait() {
    let (fixture, run) = waiting();
    let refused = fixture
        .state
        .end_run(&run.id, RunStatus::Completed, None)
        .unwrap_err();
    assert!(
        matches!(refused, StateError::PendingLetters { letters: 2, .. }),
        "{refused}"
    );
    assert_eq!(fixture.run(&run).status, RunStatus::Running);
    fixture
        .state
        .end_run(&run.id, RunStatus::Abandoned, None)
        .unwrap();
    assert_eq!(settled(&fixture), ["row 1"]);
}

#[test]
fn letters_of_an_abandoned_run_wait_for_what_becomes_of_its_load() {
    // The run after it finds the load under way, with its second commit.
    for (load, cursors, kept) in [
        ("its", vec![adopted("0", "c2")], vec!["row 1", "row 2"]),
        ("another", vec![], vec![]),
    ] {
        let (fixture, run) = waiting();
        let ended = fixture.state.end_run(&run.id, RunStatus::Abandoned, None);
        ended.unwrap();
        let next = fixture.state.begin_run("p", &json!("out")).unwrap();
        let (load_run, start) = match load {
            "its" => (&run.id, Start::Onward),
            _ => (&next.id, Start::Afresh),
        };
        let begin = fixture.state.begin_stream(&next.id, "s", None, start);
        begin.unwrap();
        fixture.state.take_over(&next.id, "s", load_run).unwrap();
        fixture.state.adopt(&next.id, "s", &cursors).unwrap();
        assert_eq!(settled(&fixture), kept, "{load}");
    }
}

#[test]
fn a_stream_that_starts_again_has_no_letters_of_this_run() {
    let (fixture, run) = waiting();
    fixture
        .state
        .begin_stream(&run.id, "s", None, Start::Afresh)
        .unwrap();
    assert!(settled(&fixture).is_empty());
    fixture
        .state
        .end_run(&run.id, RunStatus::Completed, None)
        .unwrap();
}

#[test]
fn letters_of_the_runs_before_stay_when_a_stream_starts_again() {
    let (fixture, run) = waiting();
    fixture.commit(&run, 3, "c3");
    fixture
        .state
        .end_run(&run.id, RunStatus::Completed, None)
        .unwrap();
    let next = fixture.state.begin_run("p", &json!("out")).unwrap();
    fixture
        .state
        .begin_stream(&next.id, "s", None, Start::Afresh)
        .unwrap();
    assert_eq!(settled(&fixture).len(), 3);
}

#[test]
fn a_reset_tells_how_many_letters_it_removes() {
    let (fixture, _) = waiting();
    assert_eq!(
        fixture.state.reset("p", None).unwrap(),
        Removed {
            runs: 1,
            cursors: 1,
            letters: 3
        }
    );
}

#[test]
fn a_thousand_letters_of_any_bytes_are_kept_in_their_order() {
    let (fixture, run) = Fixture::running();
    let rows = (0..1000).map(|n| format!("{n} \0 'é' ?1 $1 \\ \u{1f600}"));
    let rows: Vec<String> = rows.collect();
    let letters: Vec<_> = rows.iter().map(|row| letter(row)).collect();
    fixture
        .state
        .add_letters(&slice(&run), 1, &letters)
        .unwrap();
    fixture.commit(&run, 1, "c1");
    let query = LetterQuery {
        pipeline: "p".to_owned(),
        limit: 1000,
        ..LetterQuery::default()
    };
    let found = fixture.state.letters(&query).unwrap();
    // PostgreSQL's texts have no zero byte.
    let found: Vec<_> = found
        .iter()
        .map(|found| found.row.replace('\u{2400}', "\0"))
        .collect();
    assert_eq!(found, rows);
}

#[test]
fn letters_of_a_load_outlive_any_number_of_abandoned_runs_that_go_on_with_it() {
    let (fixture, first) = waiting();
    fixture.commit(&first, 2, "c2");
    let state = &fixture.state;
    let abandon = |run: &str| state.end_run(run, RunStatus::Abandoned, None).unwrap();
    let go_on = |cursor: &str| {
        let run = state.begin_run("p", &json!("out")).unwrap();
        state
            .begin_stream(&run.id, "s", None, Start::Onward)
            .unwrap();
        // Each finds the load that the first one has begun.
        state.take_over(&run.id, "s", &first.id).unwrap();
        state.adopt(&run.id, "s", &[adopted("0", cursor)]).unwrap();
        run
    };
    abandon(&first.id);
    let second = go_on("c2");
    assert_eq!(settled(&fixture), ["row 1", "row 2"]);
    state
        .add_letters(&slice(&second), 3, &[letter("row 3")])
        .unwrap();
    fixture.commit(&second, 3, "c3");
    abandon(&second.id);
    go_on("c3");
    assert_eq!(settled(&fixture), ["row 1", "row 2", "row 3"]);
}
