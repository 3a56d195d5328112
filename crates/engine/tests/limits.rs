//! What ends a guest is told apart: trap, deadline, memory, fuel, exit.

#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use vesicle_engine::{Budget, Config, Engines, Error, Kind, Store};
use wasmtime::component::Linker;

/// A component that exports `run`, with this body, and a memory of one page.
fn component(body: &str) -> Vec<u8> {
    wat::parse_str(format!(
        r#"(component
            (core module $m
                (memory 1)
                (table $t 1 funcref)
                (func $deep (export "deep") (call $deep))
                (func $run (export "run") {body}))
            (core instance $i (instantiate $m))
            (func (export "run") (canon lift (core func $i "run"))))"#
    ))
    .unwrap()
}

async fn run_as(kind: Kind, body: &str, budget: Budget) -> Result<(), Error> {
    let engines = Engines::new(Config::default())?;
    let compiled = engines.compile(kind, &component(body))?;
    let mut store = Store::new(&compiled, budget);
    store
        .run(async |store| {
            let linker = Linker::new(store.engine());
            let instance = linker
                .instantiate_async(&mut *store, compiled.component())
                .await?;
            let run = instance.get_typed_func::<(), ()>(&mut *store, "run")?;
            run.call_async(store, ()).await
        })
        .await
}

async fn run(body: &str, budget: Budget) -> Result<(), Error> {
    run_as(Kind::TASK, body, budget).await
}

#[tokio::test]
async fn a_guest_that_does_its_work_is_let() {
    run("nop", Budget::default()).await.unwrap();
    run_as(Kind::CALL, "nop", Budget::default()).await.unwrap();
}

#[tokio::test]
async fn a_trap_tells_its_reason_and_where_it_was() {
    match run("unreachable", Budget::default()).await {
        Err(Error::Trap(trap)) => {
            assert!(trap.reason.contains("unreachable"), "{}", trap.reason);
            assert_eq!(trap.backtrace, ["run"]);
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn recursion_without_end_is_a_trap_and_no_crash() {
    match run("call $deep", Budget::default()).await {
        Err(Error::Trap(trap)) => assert!(trap.reason.contains("stack"), "{}", trap.reason),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_spinning_guest_meets_its_deadline() {
    let limit = Duration::from_millis(100);
    let before = Instant::now();
    let done = run("(loop br 0)", Budget::default().with_deadline(Some(limit))).await;
    assert!(
        matches!(done, Err(Error::Deadline { limit: told }) if told == limit),
        "{done:?}"
    );
    assert!(before.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn a_spinning_guest_lets_its_neighbours_run() {
    let spinning = tokio::spawn(async {
        run(
            "(loop br 0)",
            Budget::default().with_deadline(Some(Duration::from_secs(2))),
        )
        .await
    });
    // The test's runtime has one thread: this only goes on if the guest yields.
    let mut turns = 0;
    while !spinning.is_finished() {
        tokio::time::sleep(Duration::from_millis(1)).await;
        turns += 1;
    }
    assert!(turns > 10, "{turns}");
    assert!(matches!(
        spinning.await.unwrap(),
        Err(Error::Deadline { .. })
    ));
}

#[tokio::test]
async fn a_deadline_counts_waiting_too() {
    let engines = Engines::new(Config::default()).unwrap();
    let bytes = wat::parse_str(
        r#"(component
            (import "wait" (func $wait))
            (core func $wait' (canon lower (func $wait)))
            (core module $m
                (import "host" "wait" (func $wait))
                (func (export "run") call $wait))
            (core instance $i (instantiate $m
                (with "host" (instance (export "wait" (func $wait'))))))
            (func (export "run") (canon lift (core func $i "run"))))"#,
    )
    .unwrap();
    let compiled = engines.compile(Kind::TASK, &bytes).unwrap();
    let limit = Duration::from_millis(50);
    let mut store = Store::new(&compiled, Budget::default().with_deadline(Some(limit)));
    let done = store
        .run(async |store| {
            let mut linker = Linker::new(store.engine());
            linker.root().func_wrap_async("wait", |_, (): ()| {
                Box::new(async {
                    std::future::pending::<()>().await;
                    Ok(())
                })
            })?;
            let instance = linker
                .instantiate_async(&mut *store, compiled.component())
                .await?;
            let run = instance.get_typed_func::<(), ()>(&mut *store, "run")?;
            run.call_async(store, ()).await
        })
        .await;
    assert!(matches!(done, Err(Error::Deadline { .. })), "{done:?}");
}

#[tokio::test]
async fn memory_is_limited_over_memories_and_tables_and_the_error_says_so() {
    let small = Budget::default().with_memory(1 << 20);
    let grow = "(drop (memory.grow (i32.const 100)))";
    match run(grow, small).await {
        Err(Error::Memory { limit, wanted }) => {
            assert_eq!(limit, 1 << 20);
            assert!(wanted > limit);
        }
        other => panic!("{other:?}"),
    }
    let table = "(drop (table.grow $t (ref.null func) (i32.const 1000000)))";
    assert!(matches!(run(table, small).await, Err(Error::Memory { .. })));
    let little = "(drop (memory.grow (i32.const 2)))";
    run(little, small).await.unwrap();
}

#[tokio::test]
async fn a_component_that_starts_larger_than_its_limit_is_refused_by_name() {
    let done = run("nop", Budget::default().with_memory(1000)).await;
    assert!(matches!(done, Err(Error::Memory { .. })), "{done:?}");
}

#[tokio::test]
async fn fuel_runs_out_where_it_is_metered() {
    let budget = Budget::default().with_fuel(Some(10_000));
    let metered = Kind::CALL.metered(true);
    let done = run_as(metered, "(loop br 0)", budget).await;
    assert!(matches!(done, Err(Error::Fuel)), "{done:?}");
    run_as(metered, "nop", budget).await.unwrap();
}

#[tokio::test]
async fn a_small_guest_that_reaches_beyond_its_memory_traps() {
    for at in ["0x10000", "0x7fffffff", "0xfffffffc"] {
        let body = format!("(drop (i32.load offset=0xffff (i32.const {at})))");
        match run_as(Kind::CALL, &body, Budget::default()).await {
            Err(Error::Trap(trap)) => {
                assert!(trap.reason.contains("out of bounds"), "{}", trap.reason);
            }
            other => panic!("{at}: {other:?}"),
        }
    }
}

#[test]
fn where_a_process_has_few_addresses_small_guests_are_no_less_confined() {
    // One and a half TiB, where memories that need no checks take forty.
    let limited = "ulimit -v 1610612736 && exec \"$0\" a_small_guest";
    let output = std::process::Command::new("sh")
        .args(["-c", limited])
        .arg(std::env::current_exe().unwrap())
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}");
    assert!(printed.contains("1 passed"), "{printed}");
}
