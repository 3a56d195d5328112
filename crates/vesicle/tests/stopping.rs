//! What becomes of a run that is asked to stop, and of the one after it.

#![allow(clippy::unwrap_used)]

mod common;

use common::child::{Ended, Running};
use common::document::{Document, Pipeline};
use common::independent::Reader;
use common::small::Small;
use common::trace::slow_syncs;
use common::{FLIGHTS, flights};
use rustix::process::Signal;

/// All flights, to be appended to CSV files with a commit every 20,000 rows.
fn pipeline() -> Pipeline {
    let pipeline = Pipeline::new(Document::new("csv", "append").commit_after(20_000));
    pipeline.link("in.csv", &flights());
    pipeline
}

/// Makes sure that all flights are there once.
fn check_flights(pipeline: &Pipeline) {
    let mut reader = Reader::start();
    let seen = reader.read("csv", &pipeline.destination().visible);
    assert_eq!(seen.rows(), reader.read("csv", &flights()).rows());
}

/// Stops a run of all flights after three commits with a signal; then goes on.
fn stop_and_go_on(signal: Signal) {
    let pipeline = pipeline();
    let destination = pipeline.destination();
    let mut running = pipeline.start();
    assert!(running.wait_until(|| destination.committed().len() >= 3));
    running.signal(signal);
    let ended = running
        .wait()
        .expect_exit(130)
        .expect_said("finishing the commit under way; Ctrl-C again ends at once")
        .expect_said("were committed; run the same command to go on");
    let report = ended.report();
    assert_eq!(
        (&report["status"], &report["exit"]),
        (&"interrupted".into(), &130.into())
    );
    let committed: u64 = destination.committed().values().map(|part| part.rows).sum();
    assert!((60_000..FLIGHTS).contains(&committed), "{committed} rows");
    assert_eq!(ended.figure("rows_written"), committed);
    assert_eq!(pipeline.last_status(), "interrupted");

    let again = pipeline.complete().expect_said("going on with run");
    assert_eq!(again.figure("rows_read"), FLIGHTS - committed);
    check_flights(&pipeline);
}

#[test]
fn an_interrupted_run_keeps_what_it_has_read_and_the_next_one_goes_on() {
    stop_and_go_on(Signal::INT);
}

#[test]
fn a_terminated_run_stops_as_an_interrupted_one() {
    stop_and_go_on(Signal::TERM);
}

#[test]
fn an_interrupted_run_ends_with_the_commit_under_way_however_much_waits_behind_it() {
    let pipeline = pipeline();
    let destination = pipeline.destination();
    // The source is far ahead: all flights have room in the queue.
    let mut running = Running::start(slow_syncs(&pipeline, 100));
    assert!(running.wait_until(|| destination.committed().len() >= 3));
    let before = destination.committed().len();
    running.signal_child(Signal::INT);
    let ended = running.wait().expect_exit(130);
    let after = destination.committed().len();
    assert!(
        after <= before + 2,
        "{after} commits, {before} before the interruption"
    );
    let committed: u64 = destination.committed().values().map(|part| part.rows).sum();
    assert_eq!(ended.figure("rows_written"), committed);
    pipeline.complete().expect_said("going on with run");
    check_flights(&pipeline);
}

#[test]
fn a_run_interrupted_twice_ends_at_once_and_the_next_one_goes_on() {
    let pipeline = pipeline();
    let destination = pipeline.destination();
    // A commit takes long enough to be interrupted twice.
    let mut running = Running::start(slow_syncs(&pipeline, 200));
    assert!(running.wait_until(|| !destination.committed().is_empty()));
    running.signal_child(Signal::INT);
    running.wait_until_said("finishing the commit under way");
    running.signal_child(Signal::INT);
    running
        .wait()
        .expect_exit(130)
        .expect_said("ended at once")
        .expect_said("run the same command to go on");
    let committed: u64 = destination.committed().values().map(|part| part.rows).sum();
    let again = pipeline.complete().expect_said("going on with run");
    assert_eq!(again.figure("rows_read"), FLIGHTS - committed);
    check_flights(&pipeline);
}

#[test]
fn a_second_run_of_a_pipeline_is_refused_while_one_is_under_way() {
    let pipeline = pipeline();
    let destination = pipeline.destination();
    let mut running = pipeline.start();
    assert!(running.wait_until(|| !destination.committed().is_empty()));
    pipeline
        .run()
        .expect_exit(10)
        .expect_said("pipeline test is being run by another process (process ")
        .expect_said("wait for it to end, or stop it");
    running.wait().expect_exit(0);
    check_flights(&pipeline);
}

/// Kills a run at a fail point.
fn kill_at(small: &Small, point: &str) -> Ended {
    let mut command = small.pipeline.command();
    command.env("VESICLE_FAIL_POINT", point);
    Running::start(command).wait().expect_killed()
}

#[test]
fn a_run_whose_state_is_lost_goes_on_from_the_destinations_cursor_and_says_so() {
    for mode in ["append", "replace"] {
        for point in ["committed:1", "state-moved:2", "committed:4"] {
            let small = Small::new(mode);
            kill_at(&small, point);
            let committed = small.pipeline.destination().committed();
            let rows: u64 = committed.values().map(|part| part.rows).sum();
            small.pipeline.lose_state();
            let ended = small.go_on(point);
            let ended = ended.expect_said("in: adopted the destination's cursor for partition all");
            assert_eq!(ended.figure("rows_read"), 12 - rows, "{mode} {point}");
            assert_eq!(ended.report()["resumed"], false);
        }
    }
}

#[test]
fn a_run_whose_state_is_lost_before_it_finished_has_only_to_finish() {
    for mode in ["append", "replace"] {
        let small = Small::new(mode);
        kill_at(&small, "before-finish:1");
        small.pipeline.lose_state();
        assert_eq!(small.go_on(mode).figure("rows_read"), 0);
    }
}

#[test]
fn a_run_that_adopted_a_load_and_died_before_noting_its_end_repeats_nothing() {
    for mode in ["append", "replace"] {
        let small = Small::new(mode);
        kill_at(&small, "committed:2");
        small.pipeline.lose_state();
        kill_at(&small, "finished:1");
        let ended = small.go_on(mode).expect_said("was complete already");
        assert_eq!(ended.figure("rows_read"), 0);
    }
}

#[test]
fn a_run_whose_source_has_changed_starts_again_and_says_so() {
    for mode in ["append", "replace"] {
        let mut small = Small::new(mode);
        kill_at(&small, "committed:2");
        small.change_source();
        let ended = small.go_on(mode);
        let ended = ended.expect_said("the source has changed since this load began");
        ended.expect_said("starting again");
    }
}

#[test]
fn a_run_whose_source_has_lost_a_file_starts_again_and_says_so() {
    for mode in ["append", "replace"] {
        let mut small = Small::new(mode);
        kill_at(&small, "committed:2");
        small.remove_file_of_source();
        let ended = small.go_on(mode);
        ended.expect_said("the source has changed since this load began");
    }
}

#[test]
fn fresh_abandons_the_interrupted_run_and_what_it_has_written() {
    for mode in ["append", "replace"] {
        let small = Small::new(mode);
        kill_at(&small, "committed:2");
        let mut command = small.pipeline.command();
        command.arg("--fresh");
        let ended = Running::start(command).wait().expect_exit(0);
        let ended = ended.expect_said("abandoned run");
        assert_eq!(ended.report()["resumed"], false);
        assert_eq!(ended.figure("rows_read"), 12);
        assert_eq!(small.seen(), small.all());
        small.pipeline.destination().expect_clean();
        assert_eq!(small.pipeline.last_status(), "completed");
    }
}

#[test]
fn a_completed_run_is_followed_by_another_one_that_copies_again() {
    let (append, replace) = (Small::without_old("append"), Small::without_old("replace"));
    for small in [&append, &replace] {
        small.pipeline.complete();
        let again = small.pipeline.complete();
        assert_eq!(again.report()["resumed"], false);
        assert_eq!(again.figure("rows_read"), 12);
    }
    let mut twice = [append.all(), append.all()].concat();
    twice.sort();
    assert_eq!(append.seen(), twice);
    assert_eq!(replace.seen(), replace.all());
}

#[test]
fn a_pipelines_name_with_another_source_is_refused() {
    let mut small = Small::new("append");
    small.pipeline.document.path = "other/*.csv".into();
    std::fs::create_dir(small.pipeline.path("other")).unwrap();
    small
        .pipeline
        .write("other/1.csv", "number,text\n99,other\n");
    small.pipeline.write_document();
    small
        .pipeline
        .run()
        .expect_exit(10)
        .expect_said("pipeline test has read from")
        .expect_said("give the pipeline another name");
    assert_eq!(small.seen(), small.old());
}

#[test]
fn a_run_interrupted_before_its_first_commit_says_that_the_next_begins_again() {
    // The signal may arrive behind the first commit, which is said then.
    for _ in 0..20 {
        let pipeline = pipeline();
        let mut command = pipeline.command();
        command.env("VESICLE_FAIL_POINT", "begun:1:stop");
        let running = Running::start(command).wait_until_stopped();
        running.signal(Signal::INT);
        running.signal(Signal::CONT);
        let ended = running.wait().expect_exit(130);
        if ended.figure("rows_written") > 0 {
            ended.expect_said("were committed; run the same command to go on");
            continue;
        }
        ended.expect_said("before anything was committed; run the same command to begin again");
        pipeline.complete();
        check_flights(&pipeline);
        return;
    }
    panic!("it has always committed something before it was interrupted");
}
