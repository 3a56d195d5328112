//! An image whose component starts others, which talk to the host over links of
//! their own.

#![allow(clippy::unwrap_used)]

mod common;

use common::{beside_the_host, cells, image_of, text};
use vesicle_cell::{Config, Exit, Limits, Node};

/// Runs the image that ships, and returns what it has printed.
async fn run(arguments: &[&str], limits: Limits) -> (Exit, String, String) {
    let config = Config {
        limits,
        ..image_of("pid0", &beside_the_host("images/pid0"), arguments)
    };
    let cells = cells();
    let mut node = Node::start(&cells, config).await.unwrap();
    let exit = node.wait().await;
    let running = node.running();
    (
        exit,
        text(&running.stdout).await,
        text(&running.stderr).await,
    )
}

#[tokio::test]
async fn a_child_makes_calls_at_once_over_its_own_link_and_its_parent_prints_the_answers() {
    let (exit, stdout, stderr) = run(&[], Limits::default()).await;
    assert_eq!((exit, &*stderr), (Exit::Code(0), ""));
    assert_eq!(stdout, "Echo: one\nEcho: two\n");
}

#[tokio::test]
async fn so_does_a_child_three_levels_deep_and_deeper() {
    for depth in ["2", "5"] {
        let (exit, stdout, stderr) = run(&[depth], Limits::default()).await;
        assert_eq!((exit, &*stderr), (Exit::Code(0), ""), "depth {depth}");
        assert_eq!(stdout, "Echo: one\nEcho: two\n");
    }
}

#[tokio::test]
async fn where_there_may_be_no_more_processes_the_one_that_wanted_another_says_so() {
    let limits = Limits {
        processes: 6,
        ..Limits::default()
    };
    // The first, and five below it, of which the last is not started.
    let (exit, _, stderr) = run(&["5"], limits).await;
    assert_eq!(exit, Exit::Code(1));
    assert!(stderr.contains("no more processes"), "{stderr}");
}
