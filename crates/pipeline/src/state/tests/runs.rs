//! Pipelines and their runs.

use super::*;
use serde_json::json;

#[test]
fn a_name_belongs_to_the_source_that_took_it() {
    let Fixture {
        state,
        keeper: _keeper,
    } = Fixture::new();
    let source = json!({"use": "source-file", "config": {"path": "a.csv", "format": "csv"}});
    assert_eq!(state.claim("p", &source).unwrap(), Claim::New);
    let same = json!({"config": {"format": "csv", "path": "a.csv"}, "use": "source-file"});
    assert_eq!(state.claim("p", &same).unwrap(), Claim::Known);
    // Until a stream was begun, the document may have been wrong.
    let wrong = json!({"use": "source-file", "config": {"path": "b.csv"}});
    assert_eq!(state.claim("p", &wrong).unwrap(), Claim::Known);
    assert_eq!(state.claim("p", &source).unwrap(), Claim::Known);
    let run = state.begin_run("p", &json!("out")).unwrap();
    state
        .begin_stream(&run.id, "s", None, Start::Afresh)
        .unwrap();
    let refused = state
        .claim("p", &json!({"use": "source-postgres"}))
        .unwrap_err();
    assert_eq!(
        refused.to_string(),
        "pipeline p has read from source-file (path: a.csv, format: csv) before, and now reads from source-postgres; give the pipeline another name, or forget its state with: vesicle state reset DOCUMENT"
    );
    state.reset("p", None).unwrap();
    assert_eq!(
        state
            .claim("p", &json!({"use": "source-postgres"}))
            .unwrap(),
        Claim::New
    );
}

#[test]
fn a_run_begins_ends_and_is_listed() {
    let (fixture, run) = Fixture::running();
    assert_eq!(
        (run.status, run.attempts, run.ended),
        (RunStatus::Running, 1, None)
    );
    assert_eq!(uuid::Uuid::parse_str(&run.id).unwrap().get_version_num(), 7);
    fixture.commit(&run, 1, "c1");
    let ended = fixture
        .state
        .end_run(&run.id, RunStatus::Completed, None)
        .unwrap();
    assert_eq!(
        (ended.status, ended.rows, ended.bytes),
        (RunStatus::Completed, 10, 100)
    );
    assert!(ended.ended.unwrap() >= ended.started);
    assert_eq!(fixture.state.unfinished("p").unwrap(), None);
    let next = fixture.state.begin_run("p", &json!("out")).unwrap();
    let summary = fixture.state.list().unwrap().pop().unwrap();
    assert_eq!(summary.last_run.unwrap().id, next.id);
    assert_eq!(
        (summary.pipeline.as_str(), summary.cursors, summary.letters),
        ("p", 1, 0)
    );
}

#[test]
fn a_run_whose_process_was_killed_is_found_running_and_resumed() {
    let (fixture, run) = Fixture::running();
    fixture.commit(&run, 1, "c1");
    let fixture = fixture.reopen();
    let found = fixture.state.unfinished("p").unwrap().unwrap();
    assert_eq!(
        (found.id.as_str(), found.status, found.rows),
        (run.id.as_str(), RunStatus::Running, 10)
    );
    let resumed = fixture.state.resume_run(&found.id, &json!("out")).unwrap();
    assert_eq!((resumed.status, resumed.attempts), (RunStatus::Running, 2));
    let partition = fixture.state.partitions("p", "s").unwrap().pop().unwrap();
    assert_eq!((partition.cursor.as_str(), partition.sequence), ("c1", 1));
}

#[test]
fn failed_and_interrupted_runs_are_open_and_no_other_can_begin() {
    for status in [RunStatus::Failed, RunStatus::Interrupted] {
        let (fixture, run) = Fixture::running();
        let ended = fixture
            .state
            .end_run(&run.id, status, Some("the disk is full"))
            .unwrap();
        assert_eq!(ended.error.as_deref(), Some("the disk is full"));
        let refused = fixture.state.begin_run("p", &json!("out")).unwrap_err();
        assert!(
            matches!(refused, StateError::Unfinished { .. }),
            "{refused}"
        );
        let resumed = fixture.state.resume_run(&run.id, &json!("out")).unwrap();
        assert_eq!(
            (resumed.status, resumed.error, resumed.ended),
            (RunStatus::Running, None, None)
        );
    }
}

#[test]
fn an_abandoned_run_makes_room_for_another_and_is_not_resumed() {
    let (fixture, run) = Fixture::running();
    fixture
        .state
        .end_run(&run.id, RunStatus::Abandoned, None)
        .unwrap();
    let refused = fixture
        .state
        .resume_run(&run.id, &json!("out"))
        .unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!("run {} is abandoned, so it cannot be resumed", run.id)
    );
    assert_ne!(
        fixture.state.begin_run("p", &json!("out")).unwrap().id,
        run.id
    );
}

#[test]
fn what_is_not_there_is_told() {
    let Fixture {
        state,
        keeper: _keeper,
    } = Fixture::new();
    assert!(matches!(
        state.begin_run("p", &json!("out")),
        Err(StateError::UnknownPipeline { .. })
    ));
    assert!(matches!(
        state.show("p"),
        Err(StateError::UnknownPipeline { .. })
    ));
    assert!(matches!(
        state.reset("p", None),
        Err(StateError::UnknownPipeline { .. })
    ));
    assert!(matches!(
        state.resume_run("r", &json!("out")),
        Err(StateError::WrongStatus { .. })
    ));
    assert_eq!(state.unfinished("p").unwrap(), None);
    assert!(state.list().unwrap().is_empty());
}

#[test]
fn a_run_that_has_ended_takes_no_commit() {
    let (fixture, run) = Fixture::running();
    fixture
        .state
        .end_run(&run.id, RunStatus::Completed, None)
        .unwrap();
    let refused = fixture.state.commit(&receipt(&run, 1, "c1")).unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!("run {} is completed, so it cannot commit", run.id)
    );
    assert!(
        fixture
            .state
            .end_run(&run.id, RunStatus::Failed, None)
            .is_err()
    );
    assert!(fixture.state.partitions("p", "s").unwrap().is_empty());
}

#[test]
fn a_reset_forgets_a_stream_or_the_whole_pipeline() {
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
    let removed = fixture.state.reset("p", Some("s")).unwrap();
    assert_eq!(
        removed,
        Removed {
            runs: 0,
            cursors: 1,
            letters: 0
        }
    );
    assert!(fixture.state.partitions("p", "s").unwrap().is_empty());
    assert_eq!(fixture.state.partitions("p", "t").unwrap().len(), 1);
    let removed = fixture.state.reset("p", None).unwrap();
    assert_eq!(
        removed,
        Removed {
            runs: 1,
            cursors: 1,
            letters: 0
        }
    );
    assert!(fixture.state.list().unwrap().is_empty());
}

#[test]
fn all_about_a_pipeline_is_shown_and_goes_into_json() {
    let (fixture, run) = Fixture::running();
    fixture.commit(&run, 1, "c1");
    let shown = fixture.state.show("p").unwrap();
    assert_eq!(shown.streams[0].snapshot.as_deref(), Some("snap"));
    assert_eq!((shown.streams[0].rows, shown.partitions[0].rows), (10, 10));
    let json = serde_json::to_value(&shown).unwrap();
    assert_eq!(json["identity"], json!({"use": "source-file"}));
    assert_eq!(json["runs"][0]["status"], "running");
    let updated = json["partitions"][0]["updated"].as_str().unwrap();
    assert!(
        updated.ends_with('Z') && updated.parse::<jiff::Timestamp>().is_ok(),
        "{updated}"
    );
}

#[test]
fn an_open_run_is_not_gone_on_with_at_another_destination() {
    let (fixture, run) = Fixture::running();
    let other = json!({"use": "dest-file", "config": {"path": "elsewhere"}});
    let refused = fixture.state.resume_run(&run.id, &other).unwrap_err();
    let message = refused.to_string();
    assert!(
        message.contains("wrote to \"out\"") && message.contains("dest-file (path: elsewhere)"),
        "{message}"
    );
    assert_eq!(fixture.run(&run).attempts, 1);
    let next = fixture
        .state
        .end_run(&run.id, RunStatus::Abandoned, None)
        .and_then(|_| fixture.state.begin_run("p", &other))
        .unwrap();
    fixture.state.resume_run(&next.id, &other).unwrap();
}
