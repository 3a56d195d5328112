//! Whoever waits for what cannot come is told so, and by whose fault: the host
//! that drives no link, the guest that drives none, both that wait for room, and
//! processes that wait for each other.

#![allow(clippy::unwrap_used)]

mod bare;
mod common;
mod served;
mod tree;

use std::rc::Rc;
use std::time::{Duration, Instant};

use capnp::capability::FromClientHook as _;
use common::{cell, cells, finish, guest};
use futures::future::try_join_all;
use served::{Bytes, SIZES, Silent, of};
use tree::{Child, Ended, SOON, Told, With, acts, deeper, echo, grown, lender, ok, start};
use vesicle_cell::{Error, Exit, Limits};
use vesicle_protocol::cell_capnp::{byte_stream, executor, process};
use vesicle_protocol::outcome_capnp::Side;

const SHORT: Duration = Duration::from_millis(300);

#[tokio::test]
async fn a_guest_whose_host_takes_what_it_says_and_answers_nothing_gives_up_in_time() {
    let command = cell(acts(), &["guest", "echo-within", "300", "1000000"]);
    let cells = cells();
    let running = cells.start_with(command, || {
        let silent: executor::Client = capnp_rpc::new_client(Silent);
        silent.client
    });
    let running = running.await.unwrap();
    let (exit, _, stderr) = finish(&running).await;
    assert_eq!(exit, Exit::Code(1));
    assert_eq!(
        stderr,
        "error: the echo took more than 300 ms; the host's side has it and has not answered\n"
    );
}

#[tokio::test]
async fn a_guest_whose_host_drives_no_link_gives_up_in_time_and_says_that_it_is_the_host() {
    // In the pipe, and beyond it.
    for bytes in ["10", "1000000"] {
        let guest = bare::bare(&acts(), &["guest", "echo-within", "300", bytes]).await;
        let stderr = guest.stderr.clone();
        let (mut instance, run, link) = guest.parts();
        let ran = tokio::time::timeout(SOON, bare::run(&mut instance, &run)).await;
        assert_eq!(ran.unwrap().unwrap(), Err(()));
        assert_eq!(
            bare::text(&stderr).await,
            "error: the echo took more than 300 ms; the host does not read its side of the link\n"
        );
        drop(link);
    }
}

#[tokio::test]
async fn a_host_whose_guest_drives_no_link_gives_up_in_time_and_says_that_it_is_the_guest() {
    let cells = cells();
    for (wasm, arguments, says) in [
        (acts(), ["guest", "serve-echo", "blocking"], Some("blocks")),
        (
            acts(),
            ["guest", "serve-echo", "computing"],
            Some("computes"),
        ),
        (guest("cell-raw"), ["guest", "deaf", ""], None),
    ] {
        let running = cells.start(cell(wasm, &arguments)).await.unwrap();
        if says.is_some() {
            running.stdout.read(usize::MAX).await;
        }
        for text in ["short", &"long".repeat(100_000)] {
            let text = text.to_owned();
            let called = running.call(SHORT, "the echo", async move |served| {
                Ok(echo(&served.cast_to(), &text).await)
            });
            let error = called.await.unwrap_err();
            let Error::Late { side, limit, .. } = &error else {
                panic!("{error}");
            };
            assert_eq!((*side, *limit), (Side::Guest, SHORT));
            let message = error.to_string();
            assert!(
                message.starts_with("pid0 does not read its link: "),
                "{message}"
            );
        }
        assert_eq!(running.kill().await, Exit::Killed);
    }
}

#[tokio::test]
async fn a_parent_whose_child_drives_no_link_learns_that_it_is_the_child() {
    let told = grown(lender(), async |session| {
        let (session, _way) = deeper(&session, 1).await?;
        let arguments = ["child", "serve-echo", "blocking"];
        let child = start(&session.executor, &acts(), &arguments, With::default()).await?;
        child.stdout().await?.until("blocks").await?;
        let served: executor::Client = child.exported().await?.cast_to();
        let called = tokio::time::timeout(SHORT, echo(&served, "?")).await;
        assert!(called.is_err());
        // What the parent can ask, the host answers.
        match child.wait_within(100).await {
            Err(Told::Late(Side::Guest, message)) => {
                assert!(message.contains("does not read its link"), "{message}");
            }
            other => panic!("{other:?}"),
        }
        child.kill().await
    });
    told.await.unwrap();
}

/// Calls what is served with all sizes at once, so many times each.
async fn exchange(there: byte_stream::Client, times: usize) -> capnp::Result<()> {
    let sizes = SIZES.repeat(times);
    let calls = sizes.into_iter().map(|size| {
        let there = there.clone();
        async move {
            let mut write = there.write_request();
            write.get().set_bytes(&of(size));
            let mut read = there.read_request();
            read.get().set_most(size as u32);
            let (wrote, read) =
                futures::future::try_join(write.send().promise, read.send().promise).await?;
            ok(wrote.get()?).unwrap();
            assert!(ok(read.get()?).unwrap().get_bytes()? == of(size));
            Ok(())
        }
    });
    try_join_all(calls).await.map(drop)
}

#[tokio::test]
async fn both_sides_send_at_once_what_no_pipe_holds_and_neither_waits_for_ever() {
    const TIMES: usize = 3;
    let mut command = cell(acts(), &["guest", "exchange", "3"]);
    command.limits = Limits {
        memory_each: 1 << 30,
        ..Limits::default()
    };
    let (tell, told) = std::sync::mpsc::channel();
    let cells = cells();
    let running = cells.start_with(command, move || {
        let bytes = Rc::new(Bytes::default());
        let served: byte_stream::Client = capnp_rpc::new_client_from_rc(Rc::clone(&bytes));
        let may_close = Rc::clone(&bytes);
        tokio::task::spawn_local(async move {
            // The calls of the other way end when the test does.
            let told: tokio::sync::oneshot::Receiver<()> = {
                let (done, told) = tokio::sync::oneshot::channel();
                tell.send(done).unwrap();
                told
            };
            told.await.unwrap();
            may_close.may_close.notify_one();
        });
        served.client
    });
    let running = running.await.unwrap();
    let called = running.call(SOON, "the exchange", async |served| {
        exchange(served.cast_to(), TIMES).await
    });
    called.await.unwrap();
    told.recv().unwrap().send(()).unwrap();
    let (exit, stdout, stderr) = finish(&running).await;
    assert_eq!(stderr, "");
    let taken: usize = SIZES.iter().sum::<usize>() * TIMES;
    assert_eq!(stdout, format!("exchanged\n{taken}\n"));
    assert_eq!(exit, Exit::Code(0));
}

#[tokio::test]
async fn what_no_pipe_holds_goes_both_ways_over_three_links() {
    let told = grown(lender(), async |session| {
        let (session, _way) = deeper(&session, 2).await?;
        let child = start(
            &session.executor,
            &acts(),
            &["child", "serve-bytes"],
            With::default(),
        )
        .await?;
        let served = child.exported().await?;
        exchange(served.cast_to(), 1).await?;
        Ok(())
    });
    told.await.unwrap();
}

/// Two children, each of which was handed the other's process.
async fn entwined(
    executor: &executor::Client,
    first: &str,
    second: &str,
) -> Result<(Child, Child), Told> {
    let (give, given) = futures::channel::oneshot::channel::<process::Client>();
    let later: process::Client = capnp_rpc::new_future_client(async {
        given
            .await
            .map_err(|_| capnp::Error::failed("nobody came".into()))
    });
    let wasm = acts();
    let with = |client: process::Client| With {
        hand: Some(client.client),
        ..With::default()
    };
    let one = start(executor, &wasm, &["a", "wait-within", first], with(later)).await?;
    let two = start(
        executor,
        &wasm,
        &["b", "wait-within", second],
        with(one.0.clone()),
    )
    .await?;
    let _ = give.send(two.0.clone());
    Ok((one, two))
}

#[tokio::test]
async fn processes_that_wait_for_each_other_are_told_of_the_circle() {
    let told = grown(lender(), async |session| {
        let began = Instant::now();
        let (one, two) = entwined(&session.executor, "1000", "0").await?;
        assert_eq!(one.wait().await?, Ended::Code(1));
        let complaint = one.stderr().await?.rest().await?;
        let complaint = String::from_utf8(complaint).unwrap();
        let expected = "error: each waits for the next one to end: pid0/0 -> pid0/1 -> pid0/0\n";
        assert_eq!(complaint, expected);
        // Which lets the other one go on.
        assert_eq!(two.printed().await?, "Code(1)\n");
        assert_eq!(two.wait().await?, Ended::Code(0));
        assert!(began.elapsed() < Duration::from_secs(10));
        Ok(())
    });
    told.await.unwrap();
}

#[tokio::test]
async fn who_waits_for_itself_is_told_so() {
    let told = grown(lender(), async |session| {
        let (give, given) = futures::channel::oneshot::channel::<process::Client>();
        let later: process::Client = capnp_rpc::new_future_client(async {
            given
                .await
                .map_err(|_| capnp::Error::failed("nobody came".into()))
        });
        let with = With {
            hand: Some(later.client),
            ..With::default()
        };
        let arguments = ["a", "wait-within", "300"];
        let child = start(&session.executor, &acts(), &arguments, with).await?;
        let _ = give.send(child.0.clone());
        assert_eq!(child.wait().await?, Ended::Code(1));
        let complaint = child.stderr().await?.rest().await?;
        assert_eq!(
            String::from_utf8(complaint).unwrap(),
            "error: each waits for the next one to end: pid0/0 -> pid0/0\n"
        );
        Ok(())
    });
    told.await.unwrap();
}

#[tokio::test]
async fn who_waits_for_one_that_goes_on_for_long_is_told_that_it_is_late() {
    let told = grown(lender(), async |session| {
        let arguments = ["child", "sleep", "3600000"];
        let child = start(&session.executor, &acts(), &arguments, With::default()).await?;
        for _ in 0..2 {
            match child.wait_within(100).await {
                Err(Told::Late(Side::Guest, message)) => assert_eq!(
                    message,
                    "pid0/0 has read all that was written for it, and has not ended within 100 ms; \
                     the guest's side does not go on"
                ),
                other => panic!("{other:?}"),
            }
        }
        child.kill().await?;
        assert_eq!(child.wait_within(60_000).await?, Ended::Killed);
        Ok(())
    });
    told.await.unwrap();
}
