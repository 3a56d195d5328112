//! What processes use is what they were given, at every depth, and all of it comes
//! back.

#![allow(clippy::unwrap_used)]

mod common;
mod tree;

use std::time::{Duration, Instant};

use capnp::capability::FromClientHook as _;
use common::{cell, cells, command};
use futures::future::join_all;
use tree::{Ended, Told, With, acts, deeper, echo, graft, grown, lender, start};
use vesicle_cell::{Account, Command, Exit, Left, Limits};
use vesicle_protocol::cell_capnp::executor;
use vesicle_protocol::outcome_capnp::Resource;

/// A command that spins before it could run, or where it runs.
fn spinning(at_start: bool) -> Vec<u8> {
    let (start, run) = match at_start {
        true => ("(start $spin)", ""),
        false => ("", "call $spin"),
    };
    let spin = format!("(func $spin (loop $l (br $l))) {start}");
    command(&spin, &format!("{run} i32.const 0"))
}

fn fuel(fuel: u64) -> With {
    With {
        fuel,
        ..With::default()
    }
}

fn milliseconds(milliseconds: u64) -> With {
    With {
        milliseconds,
        ..With::default()
    }
}

#[tokio::test]
async fn one_that_spins_ends_with_its_budget_and_those_beside_it_answer_meanwhile() {
    for (wasm, arguments) in [
        (acts(), &["child", "spin"][..]),
        (spinning(false), &[]),
        (spinning(true), &[]),
    ] {
        let told = grown(lender(), async move |session| {
            let serves = ["beside", "serve-echo", "waiting"];
            let beside = start(&session.executor, &acts(), &serves, With::default()).await?;
            let served: executor::Client = beside.exported().await?.cast_to();
            let begin = async |with| start(&session.executor, &wasm, arguments, with).await;
            for (given, what) in [
                (fuel(300_000_000), Resource::Fuel),
                (milliseconds(1_000), Resource::Time),
            ] {
                let child = begin(given).await?;
                let began = Instant::now();
                let mut answers = 0;
                let mut slowest = Duration::ZERO;
                let answering = async {
                    loop {
                        let asked = Instant::now();
                        echo(&served, "still there?").await.unwrap();
                        slowest = slowest.max(asked.elapsed());
                        answers += 1;
                    }
                };
                let ended = tokio::select! {
                    ended = child.wait() => ended?,
                    () = answering => unreachable!(),
                };
                assert_eq!(ended, Ended::Exhausted(what));
                assert!(began.elapsed() < Duration::from_secs(20));
                assert!(answers > 5, "{answers} answers");
                assert!(slowest < Duration::from_secs(1), "{slowest:?}");
            }
            // And one without a budget is ended by whoever started it.
            let child = begin(With::default()).await?;
            child.kill().await?;
            assert_eq!(child.wait().await?, Ended::Killed);
            Ok(())
        });
        told.await.unwrap();
    }
}

#[tokio::test]
async fn one_that_takes_memory_without_an_end_ends_with_what_it_may_have() {
    let told = grown(lender(), async |session| {
        for depth in 0..2 {
            let (session, _way) = deeper(&session, depth).await?;
            let with = With {
                memory: 8 << 20,
                ..With::default()
            };
            let child = start(&session.executor, &acts(), &["child", "grow"], with).await?;
            assert_eq!(child.wait().await?, Ended::Exhausted(Resource::Memory));
        }
        Ok(())
    });
    told.await.unwrap();
}

#[tokio::test]
async fn time_that_is_over_ends_a_process_with_all_that_it_started() {
    let account = Account::new(&Limits::default());
    let command = Command {
        account: Some(account.clone()),
        ..lender()
    };
    let told = grown(command, async move |session| {
        let before = account.left().processes;
        let with = milliseconds(500);
        let child = start(&session.executor, &acts(), &["child", "lend"], with).await?;
        let inner = graft(&child.exported().await?).await?;
        // It may ask for longer than its parent has.
        let sleeps = ["grandchild", "sleep", "3600000"];
        let grandchild = start(&inner.executor, &acts(), &sleeps, milliseconds(3_600_000)).await?;
        assert_eq!(account.left().processes, before - 2);
        assert_eq!(child.wait().await?, Ended::Exhausted(Resource::Time));
        // What it was asked for is the host's, and outlives its parent.
        let ended = grandchild.wait().await?;
        let expected = [Ended::Killed, Ended::Exhausted(Resource::Time)];
        assert!(expected.contains(&ended), "{ended:?}");
        assert_eq!(account.left().processes, before);
        Ok(())
    });
    told.await.unwrap();
}

#[tokio::test]
async fn no_child_uses_more_than_its_parent_was_given_whatever_it_asks_for() {
    let account = Account::new(&Limits {
        fuel: Some(100_000_000_000),
        ..Limits::default()
    });
    let command = Command {
        account: Some(account.clone()),
        ..lender()
    };
    let told = grown(command, async move |session| {
        let all = With {
            fuel: u64::MAX,
            memory: u64::MAX,
            milliseconds: u64::MAX,
            processes: u32::MAX,
            ..With::default()
        };
        let some = With {
            fuel: 2_000_000_000,
            memory: 64 << 20,
            processes: 3,
            ..With::default()
        };
        let child = start(&session.executor, &acts(), &["child", "lend"], some).await?;
        let handed = child.exported().await?;
        let inner = graft(&handed).await?;
        let before = account.left();
        // All that its parent has, and not more.
        let greedy = start(&inner.executor, &acts(), &["grandchild", "spin"], all).await?;
        assert_eq!(account.left().memory, before.memory);
        assert_eq!(greedy.wait().await?, Ended::Exhausted(Resource::Fuel));
        // Its parent has none either, which it finds when it does something.
        assert!(graft(&handed).await.is_err());
        assert_eq!(child.wait().await?, Ended::Exhausted(Resource::Fuel));
        let used = 100_000_000_000 - account.left().fuel.unwrap();
        assert!(used < 4_000_000_000, "{used} units");
        Ok(())
    });
    told.await.unwrap();
}

#[tokio::test]
async fn a_child_has_no_more_children_than_its_parent_lets_it() {
    let told = grown(lender(), async |session| {
        let with = With {
            processes: 3,
            ..With::default()
        };
        let child = start(&session.executor, &acts(), &["child", "lend"], with).await?;
        let inner = graft(&child.exported().await?).await?;
        let one = async || {
            let sleeps = ["grandchild", "sleep", "3600000"];
            start(&inner.executor, &acts(), &sleeps, With::default()).await
        };
        let (first, _second) = (one().await?, one().await?);
        let third = one().await.map(|_| ());
        assert_eq!(third, Err(Told::Exhausted(Resource::Processes)));
        // Its parent has places for others.
        let _beside = deeper(&session, 2).await?;
        // One that has ended makes room at once.
        for _ in 0..20 {
            let ended = first.kill().await;
            ended?;
            let next = one().await?;
            assert_eq!(
                one().await.map(|_| ()),
                Err(Told::Exhausted(Resource::Processes))
            );
            next.kill().await?;
        }
        Ok(())
    });
    told.await.unwrap();
}

#[tokio::test]
async fn one_that_starts_itself_without_an_end_is_held_by_its_budget_and_gone_with_its_root() {
    let account = Account::new(&Limits {
        processes: 40,
        ..Limits::default()
    });
    let all = account.left();
    for depth in 0..3 {
        let command = Command {
            account: Some(account.clone()),
            ..lender()
        };
        let counted = account.clone();
        let told = grown(command, async move |session| {
            let (session, _way) = deeper(&session, depth).await?;
            let (beside, _beside) = deeper(&session, 1).await?;
            // What it needs for an answer it has from here on.
            assert_eq!(echo(&beside.executor, "?").await?, "Echo: ?");
            let with = With {
                processes: 20,
                ..With::default()
            };
            let before = counted.left();
            let bomb = start(&session.executor, &acts(), &["bomb", "bomb"], with).await?;
            let stdin = bomb.stdin().await?;
            stdin.write(&acts()).await?;
            stdin.close().await?;
            let said = bomb.stdout().await?.until("Exhausted(Processes").await;
            let said = said.unwrap_or_else(|told| panic!("{told:?}"));
            assert!(said.contains("children, then"), "{said}");
            assert_eq!(counted.left().processes, before.processes - 20);
            assert_eq!(echo(&beside.executor, "?").await?, "Echo: ?");
            bomb.kill().await?;
            assert_eq!(counted.left().processes, before.processes);
            assert_eq!(counted.left().memory, before.memory);
            Ok(())
        });
        told.await.unwrap();
        assert_eq!(account.left(), all);
    }
}

#[tokio::test]
async fn all_but_what_was_spent_comes_back_when_processes_end_however_they_do() {
    let account = Account::new(&Limits {
        fuel: Some(1_000_000_000_000),
        ..Limits::default()
    });
    let all = account.left();
    let command = Command {
        account: Some(account.clone()),
        ..lender()
    };
    let counted = account.clone();
    let told = grown(command, async move |session| {
        let before = counted.left();
        for _ in 0..10 {
            let acts = acts();
            let shares = || With {
                fuel: 5_000_000_000,
                memory: 32 << 20,
                milliseconds: 2_000,
                processes: 4,
                ..With::default()
            };
            let ways = [
                &["child", "code", "0"][..],
                &["child", "exit", "3"],
                &["child", "panic"],
                &["child", "grow"],
                &["child", "deep"],
                &["child", "write", "1000000"],
                &["child", "lend"],
                &["child", "sleep", "3600000"],
            ];
            let children = ways.map(async |way| {
                let child = start(&session.executor, &acts, way, shares()).await?;
                match way[1] {
                    "lend" => {
                        let inner = graft(&child.exported().await?).await?;
                        let (_inner, _way) = deeper(&inner, 2).await?;
                        child.kill().await
                    }
                    "sleep" => child.kill().await,
                    _ => child.wait().await.map(drop),
                }
            });
            for ended in join_all(children).await {
                ended?;
            }
            let not_fuel = |left: Left| (left.memory, left.processes);
            assert_eq!(not_fuel(counted.left()), not_fuel(before));
        }
        Ok(())
    });
    told.await.unwrap();
    let left = account.left();
    assert_eq!((left.memory, left.processes), (all.memory, all.processes));
    let spent = all.fuel.unwrap() - left.fuel.unwrap();
    assert!(spent > 1_000_000, "{spent} units");
    assert!(spent < 100_000_000_000, "{spent} units");
}

#[tokio::test]
async fn a_capability_of_one_that_has_ended_keeps_nothing_of_its_budget() {
    let account = Account::new(&Limits::default());
    let command = Command {
        account: Some(account.clone()),
        ..lender()
    };
    let told = grown(command, async move |session| {
        let before = account.left();
        let with = With {
            memory: 16 << 20,
            processes: 5,
            ..With::default()
        };
        let child = start(&session.executor, &acts(), &["child", "lend"], with).await?;
        let handed = child.exported().await?;
        let inner = graft(&handed).await?;
        child.kill().await?;
        assert_eq!(account.left(), before);
        // They are still held, and do nothing any more.
        let told = start(
            &inner.executor,
            &acts(),
            &["x", "code", "0"],
            With::default(),
        )
        .await;
        assert!(told.is_err());
        assert!(graft(&handed).await.is_err());
        Ok(())
    });
    told.await.unwrap();
}

#[tokio::test]
async fn the_first_of_a_tree_is_held_by_its_own_limits() {
    for (arguments, limits, exit) in [
        (
            ["pid0", "spin"],
            Limits {
                fuel: Some(1_000_000_000),
                ..Limits::default()
            },
            Exit::Exhausted(Resource::Fuel),
        ),
        (
            ["pid0", "spin"],
            Limits {
                time: Some(Duration::from_millis(300)),
                ..Limits::default()
            },
            Exit::Exhausted(Resource::Time),
        ),
        (
            ["pid0", "grow"],
            Limits {
                memory_each: 8 << 20,
                ..Limits::default()
            },
            Exit::Exhausted(Resource::Memory),
        ),
        (
            ["pid0", "grow"],
            Limits {
                memory: 8 << 20,
                ..Limits::default()
            },
            Exit::Exhausted(Resource::Memory),
        ),
    ] {
        let command = Command {
            limits,
            ..cell(acts(), &arguments)
        };
        let running = cells().start(command).await.unwrap();
        assert_eq!(running.wait().await, exit);
    }
}
