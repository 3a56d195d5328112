//! Cells of WASI 0.3: what holds for those of WASI 0.2 holds for them.

#![allow(clippy::unwrap_used)]

mod bare;
mod common;
mod served;
mod tree;

use std::sync::Arc;
use std::time::{Duration, Instant};

use capnp::capability::FromClientHook as _;
use common::{beside_the_host, cell, cells, finish, guest, with_file};
use served::Silent;
use tree::{Answer, Child, Ended, SOON, Told, With, acts, deeper, echo, grown, lender, start};
use vesicle_cell::{Command, Error, Exit};
use vesicle_membrane::Membrane;
use vesicle_pool::Surface;
use vesicle_protocol::cell_capnp::{Trap, executor, process};
use vesicle_protocol::outcome_capnp::{Resource, Side};

const SHORT: Duration = Duration::from_millis(300);

fn concurrent() -> Vec<u8> {
    guest("cell-async")
}

/// Starts one.
async fn begin(executor: &executor::Client, arguments: &[&str], with: With) -> Answer<Child> {
    start(executor, &concurrent(), arguments, with).await
}

fn milliseconds(milliseconds: u64) -> With {
    With {
        milliseconds,
        ..With::default()
    }
}

#[tokio::test]
async fn echoes_at_once_of_all_lengths_are_answered() {
    let cells = cells();
    for times in ["1", "100"] {
        let running = cells.start(cell(concurrent(), &["guest", "echo", times]));
        let ended = finish(&running.await.unwrap()).await;
        let said = format!("{times} echoes\n");
        assert_eq!(ended, (Exit::Code(0), said, String::new()));
    }
}

#[tokio::test]
async fn one_starts_children_of_either_kind_and_prints_what_they_print() {
    let cells = cells();
    for (child, words, said, complaint) in [
        ("cell-async", &["echo", "3"][..], "3 echoes\nCode(0)\n", ""),
        ("cell-acts", &["exit", "42"], "Code(42)\n", ""),
        (
            "cell-acts",
            &["fail"],
            "Code(1)\n",
            "error: as it was told to\n",
        ),
    ] {
        let arguments = [&["guest", "spawn", "/child.wasm"][..], words].concat();
        let file = beside_the_host(&format!("test-components/{child}.wasm"));
        let command = with_file(cell(concurrent(), &arguments), "/child.wasm", file);
        let running = cells.start(command).await.unwrap();
        let (exit, stdout, stderr) = finish(&running).await;
        let expected = (Exit::Code(0), said, complaint);
        assert_eq!((exit, &*stdout, &*stderr), expected);
    }
}

#[tokio::test]
async fn how_one_has_ended_is_told_exactly() {
    let told = grown(lender(), async |session| {
        for (arguments, expected) in [
            (&["exit-inside", "0"][..], Ended::Code(0)),
            (&["exit-inside", "7"], Ended::Code(7)),
            (&["exit-inside", "255"], Ended::Code(255)),
            (&["code", "0"], Ended::Code(0)),
            (&["code", "7"], Ended::Code(1)),
            (&["fail"], Ended::Code(1)),
            (&["panic-inside"], Ended::Trap(Trap::Unreachable)),
            // The engine sees that nothing can wake it.
            (&["wait-for-nothing"], Ended::Trap(Trap::Other)),
            (&["leave-tasks"], Ended::Code(0)),
            // Not as many streams as it likes.
            (&["streams"], Ended::Exhausted(Resource::Memory)),
        ] {
            let arguments = [&["child"][..], arguments].concat();
            let child = begin(&session.executor, &arguments, With::default()).await?;
            let ended = child.wait_within(SOON.as_millis() as u64).await;
            assert_eq!(ended, Ok(expected), "{arguments:?}");
        }
        Ok(())
    });
    told.await.unwrap();
}

#[tokio::test]
async fn what_it_may_use_ends_one_that_would_go_on() {
    let told = grown(lender(), async |session| {
        let fuel = |fuel| With {
            fuel,
            ..With::default()
        };
        let memory = With {
            memory: 8 << 20,
            ..With::default()
        };
        for (what, given, resource) in [
            (&["spin"][..], fuel(300_000_000), Resource::Fuel),
            (&["echo-on"], fuel(30_000_000), Resource::Fuel),
            (&["spin"], milliseconds(500), Resource::Time),
            (&["sleep", "3600000"], milliseconds(500), Resource::Time),
            (&["deaf"], milliseconds(500), Resource::Time),
            (&["echo-on"], milliseconds(500), Resource::Time),
            (
                &["serve-echo", "yielding"],
                milliseconds(500),
                Resource::Time,
            ),
            (&["grow"], memory, Resource::Memory),
        ] {
            let arguments = [&["child"][..], what].concat();
            let child = begin(&session.executor, &arguments, given).await?;
            let ended = async {
                loop {
                    // Those beside it go on.
                    echo(&session.executor, "still there?").await.unwrap();
                    if let Ok(ended) = child.wait_within(20).await {
                        return ended;
                    }
                }
            };
            let ended = tokio::time::timeout(SOON, ended).await.unwrap();
            assert_eq!(ended, Ended::Exhausted(resource), "{what:?}");
        }
        Ok(())
    });
    told.await.unwrap();
}

#[tokio::test]
async fn one_is_killed_whatever_it_does() {
    let told = grown(lender(), async |session| {
        for (what, says) in [
            (&["sleep", "3600000"][..], None),
            (&["spin"], None),
            (&["deaf"], Some("deaf")),
            (&["echo-on"], Some("on")),
            (&["short-circuit"], Some("joined")),
            (&["serve-echo", "waiting"], None),
            (&["serve-echo", "blocking"], Some("blocks")),
            (&["serve-echo", "computing"], Some("computes")),
        ] {
            let arguments = [&["child"][..], what].concat();
            let child = begin(&session.executor, &arguments, With::default()).await?;
            if let Some(says) = says {
                child.stdout().await?.until(says).await?;
            }
            child.kill().await?;
            assert_eq!(child.wait().await?, Ended::Killed, "{what:?}");
        }
        Ok(())
    });
    told.await.unwrap();
}

#[tokio::test]
async fn what_one_serves_is_answered_while_it_waits_and_while_it_computes_and_yields() {
    let cells = cells();
    for what in ["waiting", "yielding"] {
        let command = cell(concurrent(), &["guest", "serve-echo", what]);
        let running = cells.start(command).await.unwrap();
        let answers = running.call(SOON, "the echoes", async |served| {
            let served: executor::Client = served.cast_to();
            let began = Instant::now();
            let mut answers = 0;
            while began.elapsed() < Duration::from_secs(1) {
                let text = "x".repeat(1 << (answers % 20));
                let answer = echo(&served, &text).await.unwrap();
                assert_eq!(answer, format!("Served: {text}"));
                answers += 1;
            }
            Ok(answers)
        });
        let answers = answers.await.unwrap();
        assert!(answers > 20, "{what}: {answers}");
        if what == "yielding" {
            // It has computed all the time.
            let piece = running.stdout.read(100).await;
            let said = String::from_utf8(piece.bytes).unwrap();
            let turns = said.strip_suffix(" turns\n").unwrap();
            assert!(turns.parse::<u32>().unwrap() > 20, "{said}");
        }
        assert_eq!(running.kill().await, Exit::Killed);
    }
}

#[tokio::test]
async fn one_whose_host_does_not_go_on_gives_up_in_time_and_says_why() {
    let command = cell(concurrent(), &["guest", "echo-within", "300", "1000000"]);
    let cells = cells();
    let running = cells.start_with(command, || {
        let silent: executor::Client = capnp_rpc::new_client(Silent);
        silent.client
    });
    let (exit, _, stderr) = finish(&running.await.unwrap()).await;
    assert_eq!(exit, Exit::Code(1));
    assert_eq!(
        stderr,
        "error: the echo took more than 300 ms; the host's side has it and has not answered\n"
    );
    // In the pipe, and beyond it.
    for bytes in ["10", "1000000"] {
        let arguments = ["guest", "echo-within", "300", bytes];
        let guest = bare::bare(&concurrent(), &arguments).await;
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
    for (arguments, says) in [
        (&["guest", "serve-echo", "blocking"][..], "blocks"),
        (&["guest", "serve-echo", "computing"], "computes"),
        (&["guest", "deaf"], "deaf"),
    ] {
        let running = cells.start(cell(concurrent(), arguments)).await.unwrap();
        let said = running.stdout.read(usize::MAX).await;
        assert!(String::from_utf8(said.bytes).unwrap().contains(says));
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
                "{arguments:?}: {message}"
            );
        }
        assert_eq!(running.kill().await, Exit::Killed);
    }
}

#[tokio::test]
async fn two_that_wait_for_each_other_are_told_of_the_circle() {
    let told = grown(lender(), async |session| {
        let (give, given) = futures::channel::oneshot::channel::<process::Client>();
        let later: process::Client = capnp_rpc::new_future_client(async {
            let nobody = |_| capnp::Error::failed("nobody came".into());
            given.await.map_err(nobody)
        });
        let with = |client: process::Client| With {
            hand: Some(client.client),
            ..With::default()
        };
        let there = &session.executor;
        let one = begin(there, &["a", "wait-within", "1000"], with(later)).await?;
        let two = begin(there, &["b", "wait-within", "0"], with(one.0.clone())).await?;
        let _ = give.send(two.0.clone());
        assert_eq!(one.wait().await?, Ended::Code(1));
        let complaint = one.stderr().await?.rest().await?;
        assert_eq!(
            String::from_utf8(complaint).unwrap(),
            "error: each waits for the next one to end: pid0/0 -> pid0/1 -> pid0/0\n"
        );
        assert_eq!(two.printed().await?, "Code(1)\n");
        assert_eq!(two.wait().await?, Ended::Code(0));
        Ok(())
    });
    told.await.unwrap();
}

#[tokio::test]
async fn an_epoch_that_is_over_ends_it_in_the_middle() {
    let membrane = Arc::new(Membrane::new("the test"));
    let command = Command {
        membrane: Arc::clone(&membrane),
        ..lender()
    };
    let told = grown(command, async move |session| {
        let there = &session.executor;
        let serving = begin(there, &["child", "serve-echo", "waiting"], With::default()).await?;
        let served: executor::Client = serving.exported().await?.cast_to();
        assert_eq!(echo(&served, "?").await?, "Served: ?");
        let asking = begin(there, &["child", "echo-on"], With::default()).await?;
        asking.stdout().await?.until("on").await?;
        let epoch = membrane.epoch();
        let advance = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            membrane.advance();
        };
        let (waited, asked, ()) = tokio::join!(serving.wait(), asking.wait(), advance);
        for told in [waited, asked, serving.wait().await] {
            assert!(
                matches!(told, Err(Told::Stale { issued, .. }) if issued == epoch),
                "{told:?}"
            );
        }
        // It is gone, and not only what came with the session.
        let answer = tokio::time::timeout(SOON, echo(&served, "?")).await;
        assert!(matches!(answer, Ok(Err(_))), "{answer:?}");
        Ok(())
    });
    told.await.unwrap();
}

#[tokio::test]
async fn its_standard_streams_are_what_they_are_for_others() {
    let told = grown(lender(), async |session| {
        let there = &session.executor;
        // What nobody reads never holds it up, and the gap is told.
        let child = begin(there, &["child", "write", "1000000"], With::default()).await?;
        assert_eq!(child.wait().await?, Ended::Code(0));
        let piece = child.stdout().await?.read(0).await?;
        assert_eq!(piece.lost + piece.bytes.len() as u64, 1_000_000);
        assert_eq!(piece.bytes.len(), 64 << 10);
        // What it reads goes through a pipe.
        let child = begin(there, &["child", "cat"], With::default()).await?;
        let (stdin, stdout) = (child.stdin().await?, child.stdout().await?);
        let sent: Vec<u8> = (0..20_000).map(|at| (at % 251) as u8).collect();
        let mut heard = Vec::new();
        for _ in 0..20 {
            stdin.write(&sent).await?;
            while heard.len() % sent.len() != 0 || heard.is_empty() {
                heard.extend(stdout.read(0).await?.bytes);
            }
            assert!(heard == sent);
            heard.clear();
        }
        stdin.close().await?;
        assert!(stdout.rest().await?.is_empty());
        assert_eq!(child.wait().await?, Ended::Code(0));
        // It has the words that it was given and no others.
        let with = With {
            environment: vec![("name", "value")],
            ..With::default()
        };
        let child = begin(there, &["child", "words"], with).await?;
        let said = child.printed().await?;
        assert_eq!(said, "[\"child\", \"words\"]\n[(\"name\", \"value\")]\n");
        let (session, _way) = deeper(&session, 1).await?;
        let there = &session.executor;
        let child = begin(there, &["c", "words"], With::default()).await?;
        assert_eq!(child.printed().await?, "[\"c\", \"words\"]\n[]\n");
        Ok(())
    });
    told.await.unwrap();
}

#[tokio::test]
async fn its_link_can_be_taken_once_and_holds_as_much_as_any() {
    let cells = cells();
    let running = cells.start(cell(concurrent(), &["guest", "twice"]));
    let (exit, stdout, _) = finish(&running.await.unwrap()).await;
    assert_eq!(exit, Exit::Code(0));
    assert_eq!(
        stdout,
        "a second link: false\na second input: false\na second output: false\n\
         what a second output was written: [1, 2, 3]\n"
    );
    // A host that reads nothing holds what the pipe does, and no more.
    let guest = bare::bare(&concurrent(), &["guest", "fill"]).await;
    let (stdout, (mut instance, run, link)) = (guest.stdout.clone(), guest.parts());
    let ran = tokio::time::timeout(SHORT, bare::run(&mut instance, &run)).await;
    assert!(ran.is_err());
    assert_eq!(link.input.gauge().progress().unread(), 64 << 10);
    let said = bare::text(&stdout).await;
    assert!(said.ends_with("\n65536 taken, 65536 unread\n"), "{said}");
}

#[tokio::test]
async fn one_that_has_ended_has_left_nothing_of_its_link() {
    for arguments in [&["guest", "leave-tasks"][..], &["guest", "sleep", "10"]] {
        let guest = bare::bare(&concurrent(), arguments).await;
        let (mut instance, run, link) = guest.parts();
        let served = tokio::task::LocalSet::new();
        let ran = served.run_until(async {
            let host = bare::serve(link);
            let ran = tokio::time::timeout(SOON, bare::run(&mut instance, &run)).await;
            // It learns of the end while the instance is still there.
            let heard = tokio::time::timeout(SOON, host).await;
            heard.unwrap().unwrap();
            ran.unwrap().unwrap()
        });
        assert_eq!(ran.await, Ok(()), "{arguments:?}");
        assert_eq!(bare::left(&mut instance), 0, "{arguments:?}");
    }
}

#[test]
fn a_component_of_wasi_0_2_imports_nothing_of_0_3_though_its_library_knows_both() {
    let imports = Surface::read(&acts()).unwrap().imports;
    let is_new = |name: &&String| name.contains("@0.3") || name.contains("async");
    assert_eq!(imports.keys().find(is_new), None);
    assert!(Surface::read(&concurrent()).unwrap().waits());
}
