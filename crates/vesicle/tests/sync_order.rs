//! Nothing is acknowledged before it is durable: the order of syncs, renames
//! and acknowledgements as strace sees it.

#![allow(clippy::unwrap_used)]

mod common;

use common::small::Small;
use common::trace::{Call, check_commits, parse, trace_of};

/// Makes sure that what readers see after a call is made durable before the
/// next commit is acknowledged. The commit that the call belongs to is
/// acknowledged at the same time, before it or after.
fn check_published(calls: &[Call], renamed: &Call) {
    let folder = |path: &str| path.rsplit_once('/').unwrap().0.to_owned();
    let acknowledged = calls
        .iter()
        .filter(|call| {
            call.began > renamed.ended && call.does == "sync" && call.path.ends_with(".db-wal")
        })
        .nth(1)
        .unwrap_or_else(|| panic!("{} is not acknowledged", renamed.to));
    for folder in [folder(&renamed.to), folder(&renamed.path)] {
        let synced = calls.iter().any(|call| {
            call.syncs(&folder) && call.began > renamed.ended && call.ended < acknowledged.began
        });
        let between: Vec<_> = calls
            .iter()
            .filter(|call| call.ended > renamed.began && call.began < acknowledged.ended)
            .collect();
        assert!(
            synced,
            "{folder} is not synced after {renamed:?}: {between:#?}"
        );
    }
}

#[test]
fn part_manifest_and_their_folders_are_synced_before_a_commit_is_acknowledged() {
    for mode in ["append", "replace"] {
        let small = Small::new(mode);
        let calls = parse(&trace_of(&small.pipeline));
        let commits = check_commits(&calls).unwrap_or_else(|wrong| panic!("{mode}: {wrong}"));
        assert!(commits >= 4, "{mode}: {commits} commits");
        assert_eq!(small.seen(), small.all());
        let visible = small.pipeline.destination().visible;
        let visible = visible.canonicalize().unwrap().display().to_string();
        let published: Vec<_> = calls
            .iter()
            .filter(|call| call.does == "rename" && call.to.starts_with(&visible))
            .collect();
        assert_eq!(published.len(), if mode == "append" { 4 } else { 1 });
        for renamed in published {
            check_published(&calls, renamed);
        }
    }
}

#[test]
fn the_folders_of_the_destination_are_durable_before_the_first_commit() {
    let small = Small::without_old("append");
    let calls = parse(&trace_of(&small.pipeline));
    let folder = small
        .pipeline
        .folder
        .path()
        .canonicalize()
        .unwrap()
        .display()
        .to_string();
    let here = |path: &str| path.replacen("./", &format!("{folder}/"), 1);
    let out = format!("{folder}/out");
    let part = calls
        .iter()
        .find(|call| call.does == "write" && call.path.contains("/part-"));
    let part = part.unwrap();
    let made = calls
        .iter()
        .filter(|call| call.does == "make" && here(&call.path).starts_with(&out));
    let mut folders = 0;
    for call in made {
        let path = here(&call.path);
        let (parent, _) = path.rsplit_once('/').unwrap();
        let synced = calls
            .iter()
            .any(|sync| sync.syncs(parent) && sync.began > call.ended && sync.ended < part.began);
        assert!(synced, "{parent} is not synced after {path} was made in it");
        folders += 1;
    }
    // out, its .vesicle, the stream's two folders, the load's two.
    assert_eq!(folders, 6);
}

/// A trace of one commit, with a second thread that acknowledges it.
const COMMIT: &str = "\
1 pwrite64(9</o/load/parts/part-1.csv>, \"a\", 1, 0) = 1
1 fsync(9</o/load/parts/part-1.csv>) = 0
1 fsync(8</o/load/parts>) = 0
1 pwrite64(9</o/load/parts-all.json.tmp>, \"{\", 1, 0) = 1
1 fsync(9</o/load/parts-all.json.tmp>) = 0
1 renameat(8</o/load>, \"parts-all.json.tmp\", 7</o/load>, \"parts-all.json\") = 0
1 fsync(8</o/load> <unfinished ...>
2 pwrite64(3</s/state.db-wal>, \"b\", 1, 0) = 1
1 <... fsync resumed>) = 0
2 fsync(3</s/state.db-wal>) = 0";

#[test]
fn a_trace_in_which_any_sync_is_missing_or_late_is_refused() {
    assert_eq!(check_commits(&parse(COMMIT)), Ok(1));
    let lines: Vec<_> = COMMIT.lines().collect();
    for missing in [1, 2, 4, 9] {
        let mut without = lines.clone();
        without.remove(missing);
        check_commits(&parse(&without.join("\n"))).expect_err(lines[missing]);
    }
    let without: Vec<_> = lines
        .iter()
        .copied()
        .filter(|line| !line.starts_with("1 fsync(8</o/load> "))
        .collect();
    let without = without
        .join("\n")
        .replace("1 <... fsync resumed>) = 0\n", "");
    check_commits(&parse(&without)).expect_err("no sync of the manifest's folder");
    for (late, after) in [(1, 5), (2, 5), (4, 5), (8, 9)] {
        let mut moved = lines.clone();
        let line = moved.remove(late);
        moved.insert(after, line);
        check_commits(&parse(&moved.join("\n"))).expect_err(line);
    }
}
