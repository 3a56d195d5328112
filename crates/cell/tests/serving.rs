//! What cells serve: while they compute, until their end, and back and forth.

#![allow(clippy::unwrap_used)]

mod common;
mod tree;

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use capnp::capability::{Client, FromClientHook as _};
use common::{cell, cells, finish, guest};
use tree::{Ended, SOON, Told, With, acts, deeper, echo, grown, lender, ok, start};
use vesicle_cell::Exit;
use vesicle_protocol::cell_capnp::{executor, session};
use vesicle_protocol::membrane_capnp::{membrane, signer};

#[tokio::test]
async fn one_that_computes_and_yields_answers_meanwhile() {
    let cells = cells();
    let command = cell(acts(), &["guest", "serve-echo", "yielding"]);
    let running = cells.start(command).await.unwrap();
    let answers = running.call(SOON, "the echoes", async |served| {
        let served: executor::Client = served.cast_to();
        let began = Instant::now();
        let (mut answers, mut slowest) = (0, Duration::ZERO);
        while began.elapsed() < Duration::from_secs(1) {
            let asked = Instant::now();
            assert_eq!(echo(&served, "?").await.unwrap(), "Served: ?");
            slowest = slowest.max(asked.elapsed());
            answers += 1;
        }
        Ok((answers, slowest))
    });
    let (answers, slowest) = answers.await.unwrap();
    assert!(answers > 20, "{answers}");
    assert!(slowest < Duration::from_millis(500), "{slowest:?}");
    // It has computed all the time.
    let piece = running.stdout.read(100).await;
    let said = String::from_utf8(piece.bytes).unwrap();
    let turns = said.strip_suffix(" turns\n").unwrap();
    assert!(turns.parse::<u32>().unwrap() > 20, "{said}");
    running.kill().await;
}

#[tokio::test]
async fn an_answer_that_a_program_gives_as_its_last_deed_arrives() {
    let cells = cells();
    for _ in 0..20 {
        let command = cell(acts(), &["guest", "serve-echo", "once"]);
        let running = cells.start(command).await.unwrap();
        let answer = running.call(SOON, "the echo", async |served| {
            Ok(echo(&served.cast_to(), &"long".repeat(50_000)).await)
        });
        let answer = answer.await.unwrap().unwrap();
        assert_eq!(answer.len(), "Served: ".len() + 200_000);
        assert_eq!(running.wait().await, Exit::Code(0));
        let gone = running.call(SOON, "the echo", async |served| {
            Ok(echo(&served.cast_to(), "?").await.map(drop))
        });
        let gone = gone.await;
        assert!(
            gone.as_ref().is_err() || matches!(gone, Ok(Err(_))),
            "{gone:?}"
        );
    }
}

#[tokio::test]
async fn who_calls_one_that_ends_in_the_middle_learns_it() {
    let told = grown(lender(), async |session| {
        for depth in 0..2 {
            let (session, _way) = deeper(&session, depth).await?;
            for how in ["kill", "time"] {
                let with = With {
                    milliseconds: if how == "time" { 1_000 } else { 0 },
                    ..With::default()
                };
                let serves = ["child", "serve-echo", "blocking"];
                let child = start(&session.executor, &acts(), &serves, with).await?;
                let served: executor::Client = child.exported().await?.cast_to();
                child.stdout().await?.until("blocks").await?;
                let (called, ended) = tokio::join!(echo(&served, "?"), async {
                    if how == "kill" {
                        tokio::time::sleep(Duration::from_millis(50)).await;
                        child.kill().await?;
                    }
                    child.wait().await
                });
                assert!(matches!(called, Err(Told::Disconnected(_))), "{called:?}");
                assert_ne!(ended?, Ended::Code(0));
                let again = echo(&served, "?").await;
                assert!(matches!(again, Err(Told::Disconnected(_))), "{again:?}");
            }
        }
        Ok(())
    });
    told.await.unwrap();
}

/// Signs by asking back, so many times.
struct Back {
    left: Cell<usize>,
    back: membrane::Client<session::Owned>,
}

impl signer::Server for Back {
    async fn sign(
        self: Rc<Self>,
        _: signer::SignParams,
        mut results: signer::SignResults,
    ) -> Result<(), capnp::Error> {
        let left = self.left.get();
        let depth = match left {
            0 => 0,
            left => {
                let next: signer::Client = capnp_rpc::new_client(Self {
                    left: Cell::new(left - 1),
                    back: self.back.clone(),
                });
                let mut request = self.back.graft_request();
                request.get().set_signer(next);
                let answer = request.send().promise.await?;
                ok(answer.get()?).unwrap().get_epoch() as usize
            }
        };
        // As many bytes as there were calls below.
        results.get().set_key(&vec![0; depth]);
        Ok(())
    }
}

#[tokio::test]
async fn calls_that_call_back_come_to_an_end_where_both_sides_serve_while_they_wait() {
    let told = grown(lender(), async |session| {
        let (session, _way) = deeper(&session, 1).await?;
        let serves = ["child", "serve-membrane"];
        let child = start(&session.executor, &acts(), &serves, With::default()).await?;
        let back: membrane::Client<session::Owned> = child.exported().await?.cast_to();
        let signer: signer::Client = capnp_rpc::new_client(Back {
            left: Cell::new(100),
            back: back.clone(),
        });
        let mut request = back.graft_request();
        request.get().set_signer(signer);
        let answer = request.send().promise.await?;
        assert_eq!(ok(answer.get()?)?.get_epoch(), 101);
        Ok(())
    });
    told.await.unwrap();
}

#[tokio::test]
async fn who_asks_without_an_end_and_reads_no_answer_takes_none_of_the_hosts_memory() {
    let cells = cells();
    for what in ["flood", "ask"] {
        let command = cell(guest("cell-raw"), &["guest", what]);
        let running = cells.start(command).await.unwrap();
        tokio::time::sleep(Duration::from_secs(2)).await;
        let before = resident();
        tokio::time::sleep(Duration::from_secs(2)).await;
        let grown = resident().saturating_sub(before);
        assert!(grown < 32 << 20, "{what}: {grown} bytes more");
        assert!(before < 512 << 20, "{what}: {before} bytes");
        running.kill().await;
        let (exit, ..) = finish(&running).await;
        assert_ne!(exit, Exit::Code(0));
    }
}

/// Bytes of memory that this process has.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.unwrap().trim().strip_suffix(" kB").unwrap();
    kibibytes.parse::<u64>().unwrap() << 10
}

#[tokio::test]
async fn a_program_that_serves_nothing_says_so() {
    let told = grown(lender(), async |session| {
        let sleeps = ["child", "sleep", "3600000"];
        let child = start(&session.executor, &acts(), &sleeps, With::default()).await?;
        let served: Client = child.exported().await?;
        let called = echo(&served.cast_to(), "?").await;
        assert!(called.is_err());
        Ok(())
    });
    told.await.unwrap();
}
