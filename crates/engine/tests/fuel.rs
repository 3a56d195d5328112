//! What a metered guest uses: exactly the same, however it comes by it.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use vesicle_engine::{
    Budget, Compiled, Config, Engines, Error, Fuel, Kind, Purse, Store, WhenEmpty,
};
use wasmtime::component::Linker;

/// Counts down from the number it is given.
const COUNTDOWN: &str = r#"(component
    (core module $m
        (func (export "run") (param i32)
            (loop $l
                (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
                (br_if $l (local.get 0)))))
    (core instance $i (instantiate $m))
    (func (export "run") (param "n" u32) (canon lift (core func $i "run"))))"#;

fn compiled() -> Compiled {
    let engines = Engines::new(Config::default()).unwrap();
    let bytes = wat::parse_str(COUNTDOWN).unwrap();
    engines.compile(Kind::CALL.metered(true), &bytes).unwrap()
}

async fn count_down(compiled: &Compiled, from: u32, fuel: Fuel) -> Result<(), Error> {
    count_down_within(compiled, from, fuel, Budget::default()).await
}

async fn count_down_within(
    compiled: &Compiled,
    from: u32,
    fuel: Fuel,
    budget: Budget,
) -> Result<(), Error> {
    let mut store = Store::new(compiled, budget);
    store.draw_on(fuel);
    store
        .run(async |store| {
            let linker = Linker::new(store.engine());
            let instance = linker
                .instantiate_async(&mut *store, compiled.component())
                .await?;
            let run = instance.get_typed_func::<(u32,), ()>(&mut *store, "run")?;
            run.call_async(store, (from,)).await
        })
        .await
}

fn own(purse: &Purse, when_empty: WhenEmpty) -> Fuel {
    Fuel {
        grant: None,
        own: purse.clone(),
        when_empty,
    }
}

#[tokio::test]
async fn a_call_that_was_paused_uses_what_it_uses_unpaused() {
    let compiled = compiled();
    for from in [1, 1_000, 77_777, 1_000_000] {
        let plenty = Purse::new(1 << 40);
        let fuel = own(&plenty, WhenEmpty::Trap);
        count_down(&compiled, from, fuel).await.unwrap();
        let unpaused = plenty.amounts().spent;
        // One for what is at the beginning of the loop, some for what is in it.
        assert!(unpaused > u64::from(from), "{unpaused}");

        for portion in [997, 123_456] {
            let little = Purse::new(portion);
            let fuel = own(&little, WhenEmpty::Wait);
            let fill = async {
                loop {
                    little.emptied().await;
                    little.fill(portion);
                }
            };
            tokio::select! {
                done = count_down(&compiled, from, fuel) => done.unwrap(),
                () = fill => unreachable!("it fills for ever"),
            }
            let amounts = little.amounts();
            assert_eq!(
                (amounts.spent, amounts.drawn),
                (unpaused, 0),
                "{from} by {portion}"
            );
        }
    }
}

#[tokio::test]
async fn a_grant_is_used_before_what_the_instance_has_and_then_nothing_is_left() {
    let compiled = compiled();
    let (grant, own) = (Purse::new(5_000), Purse::new(5_000));
    let fuel = Fuel {
        grant: Some(grant.clone()),
        own: own.clone(),
        when_empty: WhenEmpty::Trap,
    };
    let done = count_down(&compiled, 1_000_000, fuel).await;
    assert!(matches!(done, Err(Error::Fuel)), "{done:?}");
    for purse in [grant, own] {
        let amounts = purse.amounts();
        assert_eq!((amounts.left, amounts.drawn, amounts.spent), (0, 0, 5_000));
    }
}

#[tokio::test]
async fn who_waits_for_fuel_waits_no_longer_than_its_deadline() {
    let compiled = compiled();
    let budget = Budget::default().with_deadline(Some(Duration::from_millis(50)));
    let fuel = own(&Purse::new(100), WhenEmpty::Wait);
    let done = count_down_within(&compiled, 1_000, fuel, budget).await;
    assert!(matches!(done, Err(Error::Deadline { .. })), "{done:?}");
}

#[tokio::test]
async fn what_computes_nothing_needs_no_fuel_and_anything_else_does() {
    let compiled = compiled();
    let mut store = Store::new(&compiled, Budget::default());
    store.draw_on(own(&Purse::default(), WhenEmpty::Trap));
    store.run(async |_| Ok(())).await.unwrap();
    let done = count_down(&compiled, 1, own(&Purse::default(), WhenEmpty::Trap)).await;
    assert!(matches!(done, Err(Error::Fuel)), "{done:?}");
}
