//! How a process has ended is told exactly, to whoever asks and whenever.

#![allow(clippy::unwrap_used)]

mod bare;
mod common;
mod tree;

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use common::{cell, cells, command, guest};
use futures::future::{join_all, try_join_all};
use tree::{Ended, SOON, Told, With, acts, deeper, graft, grown, lender, start};
use vesicle_cell::{Account, Command, Error, Limits};
use vesicle_protocol::cell_capnp::{Trap, executor};

/// A command of these instructions, which leave an `i32`; with a table of one place
/// that is empty.
fn doing(instructions: &str) -> Vec<u8> {
    let fields = "(memory 1)
        (table 1 funcref)
        (type $nothing (func))
        (func $deep (result i32) call $deep i32.const 1 i32.add)";
    command(fields, instructions)
}

#[tokio::test]
async fn exit_codes_are_those_that_the_process_said() {
    let told = grown(lender(), async |session| {
        let ended = async |arguments: &[&str]| {
            let child = start(&session.executor, &acts(), arguments, With::default()).await?;
            child.wait().await
        };
        for code in [0, 1, 7, 42, 255] {
            let word = code.to_string();
            for way in ["exit", "exit-inside"] {
                let ended = ended(&["child", way, &word]).await?;
                assert_eq!(ended, Ended::Code(code), "{way} {code}");
            }
            // The standard library for WASI 0.2 says success or not, and no number.
            for way in ["std-exit", "code"] {
                let ended = ended(&["child", way, &word]).await?;
                assert_eq!(ended, Ended::Code(code.min(1)), "{way} {code}");
            }
        }
        assert_eq!(ended(&["child", "fail"]).await?, Ended::Code(1));
        for way in ["panic", "panic-inside"] {
            assert_eq!(
                ended(&["child", way]).await?,
                Ended::Trap(Trap::Unreachable)
            );
        }
        Ok(())
    });
    told.await.unwrap();
}

#[tokio::test]
async fn what_a_component_did_that_none_may_is_told_by_its_kind() {
    let told = grown(lender(), async |session| {
        for (instructions, kind) in [
            ("unreachable", Trap::Unreachable),
            ("i32.const 65536 i32.load", Trap::MemoryOutOfBounds),
            ("i32.const -1 i32.load", Trap::MemoryOutOfBounds),
            (
                "i32.const 5 table.get drop i32.const 0",
                Trap::TableOutOfBounds,
            ),
            (
                "i32.const 5 call_indirect (type $nothing) i32.const 0",
                Trap::TableOutOfBounds,
            ),
            (
                "i32.const 0 call_indirect (type $nothing) i32.const 0",
                Trap::IndirectCall,
            ),
            (
                "i32.const 1 i32.const 0 i32.div_s",
                Trap::IntegerDivisionByZero,
            ),
            (
                "i32.const 1 i32.const 0 i32.rem_u",
                Trap::IntegerDivisionByZero,
            ),
            (
                "i32.const -2147483648 i32.const -1 i32.div_s",
                Trap::IntegerOverflow,
            ),
            ("f32.const nan i32.trunc_f32_s", Trap::IntegerOverflow),
            ("call $deep", Trap::StackOverflow),
            // Neither `ok` nor `err`.
            ("i32.const 2", Trap::Other),
        ] {
            let wasm = doing(instructions);
            let child = start(&session.executor, &wasm, &[], With::default()).await?;
            assert_eq!(child.wait().await?, Ended::Trap(kind), "{instructions}");
        }
        for (instructions, code) in [("i32.const 0", 0), ("i32.const 1", 1)] {
            let wasm = doing(instructions);
            let child = start(&session.executor, &wasm, &[], With::default()).await?;
            assert_eq!(child.wait().await?, Ended::Code(code));
        }
        let child = start(
            &session.executor,
            &acts(),
            &["child", "deep"],
            With::default(),
        )
        .await?;
        let ended = child.wait().await?;
        let of_a_stack = [
            Trap::StackOverflow,
            Trap::MemoryOutOfBounds,
            Trap::Unreachable,
        ];
        assert!(
            matches!(ended, Ended::Trap(kind) if of_a_stack.contains(&kind)),
            "{ended:?}"
        );
        Ok(())
    });
    told.await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_run_is_refused_with_the_reason() {
    let told = grown(lender(), async |session| {
        let begin = async |wasm: Vec<u8>| {
            let started = start(&session.executor, &wasm, &[], With::default()).await;
            match started.map(drop) {
                Err(Told::Invalid(reason)) => reason,
                other => panic!("{other:?}"),
            }
        };
        let wat = |text: &str| wat::parse_str(text).unwrap();
        for (wasm, reason) in [
            (Vec::new(), ""),
            (b"not a component".to_vec(), ""),
            (wat("(module)"), "component"),
            (wat("(component)"), "wasi:cli/run"),
            (guest("echo"), ""),
            (
                wat(r#"(component
                    (import "example:not/there@1.0.0" (instance (export "f" (func)))))"#),
                "example:not/there",
            ),
        ] {
            let told = begin(wasm).await;
            assert!(told.contains(reason), "{told}");
        }
        let mut half = acts();
        half.truncate(half.len() / 2);
        begin(half).await;
        // By the name of `run`, but no function that can be run.
        let odd = wat(r#"(component
            (core module $m (func (export "run") (param i32)))
            (core instance $i (instantiate $m))
            (func $run (param "a" u32) (canon lift (core func $i "run")))
            (instance $r (export "run" (func $run)))
            (export "wasi:cli/run@0.2.0" (instance $r)))"#);
        let child = start(&session.executor, &odd, &[], With::default()).await?;
        let ended = child.wait().await?;
        assert!(matches!(ended, Ended::Start(_)), "{ended:?}");
        Ok(())
    });
    told.await.unwrap();
    let refused = cells().start(cell(b"nothing".to_vec(), &["pid0"])).await;
    assert!(matches!(refused.map(drop), Err(Error::Invalid(_))));
}

#[tokio::test]
async fn any_number_of_callers_are_told_the_same_also_after_the_end() {
    let told = grown(lender(), async |session| {
        let (session, _way) = deeper(&session, 1).await?;
        let child = start(
            &session.executor,
            &acts(),
            &["child", "sleep", "100"],
            With::default(),
        )
        .await?;
        let waits = (0..50).map(|_| child.wait());
        assert!(
            try_join_all(waits)
                .await?
                .iter()
                .all(|it| *it == Ended::Code(0))
        );
        for _ in 0..3 {
            assert_eq!(child.wait().await?, Ended::Code(0));
            assert_eq!(child.wait_within(1).await?, Ended::Code(0));
        }
        // Who ends what has ended changes nothing.
        child.kill().await?;
        assert_eq!(child.wait().await?, Ended::Code(0));
        assert!(matches!(
            child.exported().await.map(drop),
            Err(Told::Gone(_))
        ));
        Ok(())
    });
    told.await.unwrap();
}

#[tokio::test]
async fn who_is_ended_goes_with_all_that_it_started_before_that_is_told() {
    let account = Account::new(&Limits::default());
    let command = Command {
        account: Some(account.clone()),
        ..lender()
    };
    let told = grown(command, async move |session| {
        let before = account.left();
        for ways in [["grandchild", "lend", ""], ["grandchild", "spin", ""]] {
            let arguments = &["child", "lend"];
            let child = start(&session.executor, &acts(), arguments, With::default()).await?;
            let inner = graft(&child.exported().await?).await?;
            let (deepest, _way) = deeper(&inner, 2).await?;
            let arguments: Vec<_> = ways.into_iter().filter(|it| !it.is_empty()).collect();
            let last = start(&deepest.executor, &acts(), &arguments, With::default()).await?;
            let (killed, ended, again) = tokio::join!(child.kill(), child.wait(), child.kill());
            killed?;
            again?;
            assert_eq!(ended?, Ended::Killed);
            assert_eq!(account.left(), before);
            assert_eq!(last.wait().await?, Ended::Killed);
        }
        Ok(())
    });
    told.await.unwrap();
}

#[tokio::test]
async fn one_that_ends_by_itself_takes_with_it_what_it_started() {
    let account = Account::new(&Limits::default());
    let command = Command {
        account: Some(account.clone()),
        ..lender()
    };
    let told = grown(command, async move |session| {
        let before = account.left();
        let arguments = &["child", "orphan"];
        let child = start(&session.executor, &acts(), arguments, With::default()).await?;
        let stdin = child.stdin().await?;
        stdin.write(&acts()).await?;
        stdin.close().await?;
        assert_eq!(child.wait().await?, Ended::Code(0));
        assert_eq!(account.left(), before);
        Ok(())
    });
    told.await.unwrap();
}

/// Tells when it is let go.
struct Held(Rc<Cell<u32>>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl executor::Server for Held {}

#[tokio::test]
async fn what_a_process_was_handed_is_let_go_when_it_has_ended_however_it_did() {
    let told = grown(lender(), async |session| {
        let held = Rc::new(Cell::new(0));
        for ways in [
            &["child", "exit", "1"][..],
            &["child", "code", "0"],
            &["child", "exit-inside", "1"],
            &["child", "panic-inside"],
            &["child", "echo-within", "50", "100000"],
            &["child", "lend"],
        ] {
            let mut children = Vec::new();
            for _ in 0..5 {
                held.set(held.get() + 1);
                let handed: executor::Client = capnp_rpc::new_client(Held(Rc::clone(&held)));
                let with = With {
                    hand: Some(handed.client),
                    ..With::default()
                };
                let child = start(&session.executor, &acts(), ways, with).await?;
                if ways[1] == "lend" {
                    let _lent = child.exported().await?;
                    child.kill().await?;
                }
                children.push(child);
            }
            for ended in join_all(children.iter().map(tree::Child::wait)).await {
                ended?;
            }
            // Its way back goes over the link of the first.
            let let_go = async {
                while held.get() > 0 {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            let let_go = tokio::time::timeout(Duration::from_secs(5), let_go).await;
            assert!(let_go.is_ok(), "{ways:?}: {} are held", held.get());
        }
        Ok(())
    });
    told.await.unwrap();
}

#[tokio::test]
async fn a_program_that_has_ended_has_left_nothing_of_its_link() {
    for arguments in [
        &["guest", "graft-and-leave", "50"][..],
        &["guest", "leave-unheard"],
        &["guest", "sleep", "10"],
    ] {
        let guest = bare::bare(&acts(), arguments).await;
        let stderr = guest.stderr.clone();
        let (mut instance, run, link) = guest.parts();
        let served = tokio::task::LocalSet::new();
        let ran = served.run_until(async {
            // One host reads nothing.
            let (host, _unread) = match arguments[1] {
                "leave-unheard" => (None, Some(link)),
                _ => (Some(bare::serve(link)), None),
            };
            let ran = tokio::time::timeout(SOON, bare::run(&mut instance, &run)).await;
            drop(host);
            ran.unwrap().unwrap()
        });
        let ran = ran.await;
        let complaint = bare::text(&stderr).await;
        assert_eq!(ran.is_ok(), complaint.is_empty(), "{complaint}");
        let left = bare::left(&mut instance);
        assert_eq!(left, 0, "{arguments:?}");
    }
}
