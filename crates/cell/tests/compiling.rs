//! Who starts what takes long to compile waits no longer than it may, and holds up
//! nobody but itself.

#![allow(clippy::unwrap_used)]

mod common;
mod tree;

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use capnp::capability::Client;
use common::{cell, cells};
use tree::{Answer, Ended, Told, With, acts, graft, grown, lender, start, with};
use vesicle_cell::{Cells, Command, Error, Limits};
use vesicle_engine::{Config, Engines};
use vesicle_membrane::Membrane;
use vesicle_protocol::outcome_capnp::Resource;

/// A command that does nothing, with so much code that it does not run. Each number
/// is another one.
fn command(functions: u32, number: u64) -> Vec<u8> {
    let mut code = String::new();
    for function in 0..functions {
        let _ = write!(code, "(func (param i64) (result i64) local.get 0 ");
        for at in 0..200 {
            let what = ["i64.add", "i64.xor", "i64.rotl", "i64.mul"][at % 4];
            let constant = number + u64::from(function);
            let _ = write!(code, "i64.const {constant} {what} local.get 0 i64.sub ");
        }
        code.push_str(")\n");
    }
    let text = format!(
        r#"(component
            (core module $m {code} (func (export "run") (result i32) i32.const 0))
            (core instance $i (instantiate $m))
            (func $run (result (result)) (canon lift (core func $i "run")))
            (instance $r (export "run" (func $run)))
            (export "wasi:cli/run@0.2.0" (instance $r)))"#
    );
    wat::parse_str(text).unwrap()
}

/// One that takes seconds, whoever has compiled others before.
fn slow(number: u64) -> Vec<u8> {
    command(1_500, number)
}

fn small(number: u64) -> Vec<u8> {
    command(1, number)
}

/// Where cells run, with code that nobody has compiled before.
fn uncached() -> Cells {
    Cells::new(Engines::new(Config::default()).unwrap()).unwrap()
}

/// Does something with what a cell there was handed.
async fn anew<F: Future<Output = Answer<()>> + 'static>(
    command: Command,
    work: impl FnOnce(Client) -> F + Send + 'static,
) {
    let cells = uncached();
    let running = cells.start(command).await.unwrap();
    with(&running, work).await.unwrap();
    running.kill().await;
}

fn milliseconds(milliseconds: u64) -> With {
    With {
        milliseconds,
        ..With::default()
    }
}

#[tokio::test]
async fn who_has_no_time_left_does_not_wait_for_the_compiler_and_others_are_not_held_up() {
    let done = anew(lender(), async |handed| {
        let session = graft(&handed).await?;
        let wasm = slow(1);
        let child = start(&session.executor, &wasm, &[], With::default()).await?;
        assert_eq!(child.wait().await?, Ended::Code(0));
        let wasm = slow(2);
        let started = start(&session.executor, &wasm, &[], milliseconds(100)).await;
        assert_eq!(started.err(), Some(Told::Exhausted(Resource::Time)));
        // The compiler goes on, and what comes next waits for it.
        let wasm = small(3);
        let started = start(&session.executor, &wasm, &[], milliseconds(10)).await;
        assert_eq!(started.err(), Some(Told::Exhausted(Resource::Time)));
        // What is compiled already does not.
        let wasm = slow(1);
        let child = start(&session.executor, &wasm, &[], milliseconds(1_000)).await?;
        assert_eq!(child.wait().await?, Ended::Code(0));
        let wasm = small(3);
        let child = start(&session.executor, &wasm, &[], With::default()).await?;
        assert_eq!(child.wait().await?, Ended::Code(0));
        Ok(())
    });
    done.await;
}

#[tokio::test]
async fn who_waits_for_the_compiler_learns_at_once_that_the_epoch_is_over() {
    let membrane = Arc::new(Membrane::new("m"));
    let mut command = lender();
    command.membrane = Arc::clone(&membrane);
    let done = anew(command, async move |handed| {
        let session = graft(&handed).await?;
        let wasm = slow(6);
        let starting = start(&session.executor, &wasm, &[], With::default());
        let advancing = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            membrane.advance();
        };
        let (started, ()) = tokio::join!(starting, advancing);
        let stale = Told::Stale {
            issued: 0,
            current: 1,
        };
        assert_eq!(started.err(), Some(stale));
        // While the compiler goes on.
        let wasm = small(7);
        let session = graft(&handed).await?;
        let started = start(&session.executor, &wasm, &[], milliseconds(10)).await;
        assert_eq!(started.err(), Some(Told::Exhausted(Resource::Time)));
        Ok(())
    });
    done.await;
}

#[tokio::test]
async fn a_component_that_is_too_large_is_not_compiled_and_the_error_says_how_large_one_may_be() {
    let most = acts().len() as u64;
    let limits = Limits {
        component: most,
        ..Limits::default()
    };
    // A section of no meaning behind it.
    let larger = [acts(), vec![0, 3, 1, b'x', 0]].concat();
    let says = format!(
        "the component has {} bytes, and none of more than {most} is compiled; leave out of it \
         what it does not need, such as debug information",
        most + 5
    );
    let mut command = lender();
    command.limits = limits;
    let (wasm, expected) = (larger.clone(), says.clone());
    let told = grown(command, async move |session| {
        let started = start(&session.executor, &wasm, &[], With::default()).await;
        assert_eq!(started.err(), Some(Told::Invalid(expected)));
        let wasm = acts();
        let child = start(
            &session.executor,
            &wasm,
            &["child", "exit", "3"],
            With::default(),
        );
        assert_eq!(child.await?.wait().await?, Ended::Code(3));
        Ok(())
    });
    told.await.unwrap();
    let mut command = cell(larger, &["guest", "exit", "0"]);
    command.limits = limits;
    let started = cells().start(command).await;
    assert!(matches!(started, Err(Error::Invalid(told)) if told == says));
}
