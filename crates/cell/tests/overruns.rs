//! What a guest can have the host hold over its link has an end, whichever way it goes
//! about it, and the process is told which.

#![allow(clippy::unwrap_used)]

mod common;
mod served;
mod tree;

use common::{cell, cells, finish, guest};
use served::Silent;
use tree::{Ended, With, acts, echo, grown, lender, start};
use vesicle_cell::{Exit, Limits, Quota};
use vesicle_protocol::cell_capnp::{Trap, executor};

/// How a guest ends that piles something up over what answers nothing.
async fn with_silence(pile: &str) -> Exit {
    let cells = cells();
    let command = cell(guest("cell-raw"), &["guest", pile]);
    let running = cells.start_with(command, || {
        let silent: executor::Client = capnp_rpc::new_client(Silent);
        silent.client
    });
    let (exit, stdout, stderr) = finish(&running.await.unwrap()).await;
    assert_eq!((&*stdout, &*stderr), ("", ""));
    exit
}

/// The same with a membrane.
async fn with_membrane(pile: &str) -> Exit {
    let cells = cells();
    let command = cell(guest("cell-raw"), &["guest", pile]);
    let running = cells.start(command).await.unwrap();
    let (exit, stdout, stderr) = finish(&running).await;
    assert_eq!((&*stdout, &*stderr), ("", ""));
    exit
}

fn told(message: &str) -> Exit {
    Exit::Trap {
        kind: Trap::Other,
        message: message.to_owned(),
    }
}

#[tokio::test]
async fn calls_that_nobody_answers_have_an_end() {
    let expected = "more than 8192 calls are open on its link; it has to wait for answers, and \
                    let go of those it has, before it calls on";
    assert_eq!(with_silence("pile-calls").await, told(expected));
    let expected = "more than 134217728 bytes of calls and answers wait on its link; it has to \
                    read answers, and let go of those it has, before it calls on";
    assert_eq!(with_silence("pile-bytes").await, told(expected));
}

#[tokio::test]
async fn calls_that_are_given_up_on_have_an_end() {
    let expected = "it gave up on more than 131072 calls before they were answered; it has to \
                    wait for answers, or start anew";
    assert_eq!(with_silence("pile-given-up").await, told(expected));
}

#[tokio::test]
async fn capabilities_that_are_handed_to_the_host_have_an_end() {
    let expected = "more than 16384 capabilities of its own were handed over its link and are in \
                    use; it has to hand out fewer at a time";
    assert_eq!(with_silence("pile-capabilities").await, told(expected));
    assert_eq!(with_silence("pile-in-one").await, told(expected));
}

#[tokio::test]
async fn answers_that_are_read_and_not_let_go_of_have_an_end() {
    let expected = "more than 8192 calls are open on its link; it has to wait for answers, and \
                    let go of those it has, before it calls on";
    assert_eq!(with_membrane("pile-answers").await, told(expected));
}

#[tokio::test]
async fn sessions_that_are_never_released_have_an_end() {
    let expected = "more than 65536 capabilities were given over its link and are not released; \
                    it has to let go of those it no longer uses";
    assert_eq!(with_membrane("pile-sessions").await, told(expected));
}

#[tokio::test]
async fn answers_that_the_host_would_keep_are_not_asked_for() {
    let expected = "it asked for an answer to be kept and not sent (sendResultsTo.yourself), \
                    which no link does; it has to be sent to the caller";
    assert_eq!(with_membrane("pile-kept").await, told(expected));
}

#[tokio::test]
async fn a_child_has_the_quota_of_whoever_started_it_and_ends_alone() {
    let mut command = lender();
    command.limits = Limits {
        link: Quota {
            calls: 100,
            ..Quota::default()
        },
        ..Limits::default()
    };
    let told = grown(command, async |session| {
        let silent: executor::Client = capnp_rpc::new_client(Silent);
        let with = With {
            hand: Some(silent.client),
            ..With::default()
        };
        let wasm = guest("cell-raw");
        let child = start(&session.executor, &wasm, &["child", "pile-calls"], with).await?;
        assert_eq!(child.wait().await?, Ended::Trap(Trap::Other));
        // Those beside it have what they had.
        let wasm = acts();
        let arguments = ["child", "exit", "3"];
        let beside = start(&session.executor, &wasm, &arguments, With::default());
        assert_eq!(beside.await?.wait().await?, Ended::Code(3));
        assert_eq!(echo(&session.executor, "!").await?, "Echo: !");
        Ok(())
    });
    told.await.unwrap();
}
