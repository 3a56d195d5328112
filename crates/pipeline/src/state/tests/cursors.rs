//! Commits, and the destination's cursors.

use super::*;
use serde_json::json;

#[test]
fn a_commit_moves_the_cursor_and_adds_to_the_totals() {
    let (fixture, run) = Fixture::running();
    fixture.commit(&run, 1, "c1");
    fixture
        .state
        .commit(&Receipt {
            last: true,
            ..receipt(&run, 2, "c2")
        })
        .unwrap();
    let fixture = fixture.reopen();
    let partition = fixture.state.partitions("p", "s").unwrap().pop().unwrap();
    assert_eq!((partition.cursor.as_str(), partition.last), ("c2", true));
    assert_eq!(
        (partition.sequence, partition.rows, partition.bytes),
        (2, 20, 200)
    );
    assert_eq!((fixture.run(&run).rows, fixture.run(&run).bytes), (20, 200));
    assert_eq!(fixture.state.streams(&run.id).unwrap()[0].rows, 20);
}

#[test]
fn the_same_receipt_again_counts_once() {
    let (fixture, run) = Fixture::running();
    fixture.commit(&run, 1, "c1");
    fixture.commit(&run, 2, "c2");
    fixture.commit(&run, 2, "c2");
    fixture.commit(&run, 1, "c1");
    let partition = fixture.state.partitions("p", "s").unwrap().pop().unwrap();
    assert_eq!(
        (
            partition.cursor.as_str(),
            partition.rows,
            fixture.run(&run).rows
        ),
        ("c2", 20, 20)
    );
}

#[test]
fn a_commit_of_a_stream_that_was_not_begun_changes_nothing() {
    let (fixture, run) = Fixture::running();
    let stray = Receipt {
        slice: Slice {
            stream: "t".to_owned(),
            ..slice(&run)
        },
        ..receipt(&run, 1, "c1")
    };
    assert!(matches!(
        fixture.state.commit(&stray),
        Err(StateError::WrongStatus { .. })
    ));
    assert!(fixture.state.partitions("p", "t").unwrap().is_empty());
    assert_eq!(fixture.run(&run).rows, 0);
}

#[test]
fn a_stream_begun_afresh_forgets_its_cursors_and_its_totals() {
    let (fixture, run) = Fixture::running();
    fixture
        .state
        .begin_stream(&run.id, "t", None, Start::Afresh)
        .unwrap();
    fixture.commit(&run, 1, "c1");
    let other = Receipt {
        slice: Slice {
            stream: "t".to_owned(),
            ..slice(&run)
        },
        ..receipt(&run, 1, "d1")
    };
    fixture.state.commit(&other).unwrap();
    let stream = fixture
        .state
        .begin_stream(&run.id, "s", Some("snap2"), Start::Afresh)
        .unwrap();
    assert_eq!(
        (stream.rows, stream.snapshot.as_deref()),
        (0, Some("snap2"))
    );
    assert!(fixture.state.partitions("p", "s").unwrap().is_empty());
    assert_eq!(fixture.state.partitions("p", "t").unwrap().len(), 1);
    assert_eq!(fixture.run(&run).rows, 10);
}

#[test]
fn a_stream_that_goes_on_keeps_its_cursors_and_its_totals() {
    let (fixture, run) = Fixture::running();
    fixture.commit(&run, 1, "c1");
    let stream = fixture
        .state
        .begin_stream(&run.id, "s", Some("snap"), Start::Onward)
        .unwrap();
    assert_eq!(stream.rows, 10);
    fixture
        .state
        .end_stream(&run.id, "s", StreamStatus::Completed)
        .unwrap();
    assert_eq!(
        fixture.state.streams(&run.id).unwrap()[0].status,
        StreamStatus::Completed
    );
    assert!(
        fixture
            .state
            .end_stream(&run.id, "t", StreamStatus::Completed)
            .is_err()
    );
}

#[test]
fn a_cursor_outlives_its_run_and_the_next_one_counts_from_nothing() {
    let (fixture, run) = Fixture::running();
    fixture.commit(&run, 7, "c1");
    fixture
        .state
        .end_run(&run.id, RunStatus::Completed, None)
        .unwrap();
    let next = fixture.state.begin_run("p", &json!("out")).unwrap();
    fixture
        .state
        .begin_stream(&next.id, "s", None, Start::Onward)
        .unwrap();
    assert_eq!(fixture.state.partitions("p", "s").unwrap()[0].cursor, "c1");
    fixture.commit(&next, 1, "c2");
    let partition = fixture.state.partitions("p", "s").unwrap().pop().unwrap();
    assert_eq!(
        (partition.run, partition.cursor.as_str(), partition.rows),
        (next.id, "c2", 10)
    );
}

#[test]
fn the_destinations_cursor_is_adopted_when_the_state_is_behind() {
    let (fixture, run) = Fixture::running();
    fixture.commit(&run, 1, "c1");
    let moved = fixture
        .state
        .adopt(&run.id, "s", &[adopted("0", "c2")])
        .unwrap();
    let (before, now) = (Some("c1".to_owned()), Some("c2".to_owned()));
    assert_eq!(
        moved,
        [MovedCursor {
            partition: "0".to_owned(),
            before,
            now
        }]
    );
    let partition = fixture.state.partitions("p", "s").unwrap().pop().unwrap();
    assert_eq!(
        (
            partition.cursor.as_str(),
            partition.sequence,
            partition.rows
        ),
        ("c2", 1, 10)
    );
    assert!(
        fixture
            .state
            .adopt(&run.id, "s", &[adopted("0", "c2")])
            .unwrap()
            .is_empty()
    );
}

#[test]
fn the_destinations_cursors_are_adopted_when_the_state_was_lost() {
    let (fixture, run) = Fixture::running();
    let cursors = [
        adopted("0", "c9"),
        AdoptedCursor {
            last: true,
            ..adopted("1", "d9")
        },
    ];
    let moved = fixture.state.adopt(&run.id, "s", &cursors).unwrap();
    assert!(moved.iter().all(|one| one.before.is_none()));
    let partitions = fixture.state.partitions("p", "s").unwrap();
    assert_eq!(
        (partitions[0].cursor.as_str(), partitions[0].last),
        ("c9", false)
    );
    assert_eq!(
        (partitions[1].cursor.as_str(), partitions[1].last),
        ("d9", true)
    );
}

#[test]
fn a_partition_that_the_destination_does_not_know_is_forgotten() {
    let (fixture, run) = Fixture::running();
    fixture.commit(&run, 1, "c1");
    let moved = fixture.state.adopt(&run.id, "s", &[]).unwrap();
    assert_eq!(
        moved,
        [MovedCursor {
            partition: "0".to_owned(),
            before: Some("c1".to_owned()),
            now: None
        }]
    );
    assert!(fixture.state.partitions("p", "s").unwrap().is_empty());
    assert_eq!(fixture.run(&run).rows, 0);
}
