//! Fuel that flows with calls: what a grant pays, what an instance pays itself,
//! and that nothing is lost or made between them.

#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::{COUNTER, Fixture};
use vesicle_engine::{Error as EngineError, Purse, WhenEmpty};
use vesicle_pool::{Account, Error, Grant, Resident, Value};

fn granted(purse: &Purse, fuel: u64) -> Grant {
    Grant {
        fuel: Some(purse.grant(fuel)),
        ..Grant::default()
    }
}

async fn call(fixture: &Fixture, of: &Resident, n: u32, grant: Grant) -> Result<Value, Error> {
    let token = &of.tokens()[0];
    let function = match token.interface().interface() {
        "front" => "bump",
        _ => "add",
    };
    let arguments = [Value::U32(n)];
    let answer = fixture.pool.call(token, function, &arguments, grant);
    Ok(answer.await?.into_iter().next().unwrap())
}

async fn keep(fixture: &Fixture, account: &Account) -> Resident {
    let kept = fixture
        .pool
        .keep("counter", &fixture.counter, &[], account.clone());
    kept.await.unwrap()
}

fn saved(fuel: u64, when_empty: WhenEmpty) -> Account {
    Account {
        fuel: Purse::new(fuel),
        when_empty,
        ..Account::default()
    }
}

#[tokio::test]
async fn a_grant_pays_for_what_the_callee_calls_and_what_is_unused_comes_back() {
    let fixture = Fixture::metered();
    let tenant = Purse::new(1_000_000);
    let counter = fixture.counter().await;
    let front = fixture
        .keep("front", &fixture.front, &counter.tokens())
        .await;
    let back = fixture.keep("back", &fixture.back, &front.tokens()).await;
    let alone = granted(&tenant, 500_000);
    call(&fixture, &counter, 1, alone).await.unwrap();
    let of_one = tenant.amounts().spent;
    assert!(of_one > 0);
    call(&fixture, &back, 1, granted(&tenant, 500_000))
        .await
        .unwrap();
    let amounts = tenant.amounts();
    assert!(amounts.spent > 2 * of_one, "{amounts:?}");
    assert_eq!(
        (amounts.left + amounts.spent, amounts.drawn),
        (1_000_000, 0)
    );
}

#[tokio::test]
async fn a_small_grant_fails_its_caller_at_once_and_the_shared_provider_finishes() {
    let fixture = Fixture::metered();
    let account = saved(1 << 40, WhenEmpty::Trap);
    let counter = keep(&fixture, &account).await;
    let tenant = Purse::new(10_000);
    let error = call(&fixture, &counter, 77, granted(&tenant, 10_000)).await;
    let error = error.unwrap_err();
    assert!(matches!(error, Error::Engine(EngineError::Fuel)), "{error}");
    // The next one comes after it, and sees what it has written.
    let grant = granted(&Purse::new(10_000), 10_000);
    assert_eq!(
        call(&fixture, &counter, 1, grant).await.unwrap(),
        Value::U32(78)
    );
    assert!(account.fuel.amounts().spent > 100_000_000);
    assert_eq!(tenant.amounts().spent, 10_000);
}

#[tokio::test]
async fn what_has_nothing_of_its_own_ends_with_the_grant() {
    let fixture = Fixture::metered();
    let counter = fixture.counter().await;
    let tenant = Purse::new(10_000);
    call(&fixture, &counter, 77, granted(&tenant, 10_000))
        .await
        .unwrap_err();
    let error = call(&fixture, &counter, 1, granted(&Purse::new(10_000), 10_000)).await;
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("since a call before has failed: out of fuel"),
        "{error}"
    );
}

#[tokio::test]
async fn what_waits_for_fuel_goes_on_where_it_stood() {
    let fixture = Fixture::metered();
    let account = saved(1_000, WhenEmpty::Wait);
    let counter = keep(&fixture, &account).await;
    let refill = async {
        account.fuel.emptied().await;
        account.fuel.fill(1 << 40);
    };
    let (answer, ()) = tokio::join!(call(&fixture, &counter, 77, Grant::default()), refill);
    assert_eq!(answer.unwrap(), Value::U32(77));
}

#[tokio::test]
async fn nothing_that_a_metered_app_calls_is_free() {
    let fixture = Fixture::metered();
    let bytes = wat::parse_str(COUNTER).unwrap();
    let free = fixture.pool.admit("free", &bytes).unwrap();
    let free = fixture.keep("free", &free, &[]).await;
    let wired = fixture.pool.wire(&fixture.front, &free.tokens());
    let error = wired.err().unwrap().to_string();
    assert!(
        error.contains("front is metered and free is not"),
        "{error}"
    );
}

#[tokio::test]
async fn instances_of_one_tenant_hold_no_more_together_than_it_has() {
    let fixture = Fixture::new();
    let tenant = Purse::new(5 << 16);
    // Each holds a page; one of two grants has room for two of them.
    let account = |pages: u64| Account {
        bytes: Some(tenant.grant(pages << 16)),
        ..Account::default()
    };
    let (two, rest) = (account(2), account(3));
    let one = keep(&fixture, &two).await;
    let other = keep(&fixture, &two).await;
    let third = fixture
        .pool
        .keep("third", &fixture.counter, &[], two.clone());
    let error = third.await.unwrap_err();
    let is_full = matches!(error, Error::Engine(EngineError::Memory { .. }));
    assert!(is_full, "{error}");
    keep(&fixture, &rest).await;
    fixture.pool.tear_down(&one).await.unwrap();
    let third = keep(&fixture, &two).await;
    for resident in [other, third] {
        fixture.pool.tear_down(&resident).await.unwrap();
    }
    drop((one, two));
    let amounts = tenant.amounts();
    assert_eq!(
        (amounts.left, amounts.drawn, amounts.spent),
        (2 << 16, 3 << 16, 0)
    );
}

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % bound
    }
}

#[tokio::test]
async fn whatever_calls_whatever_and_ends_however_no_fuel_is_lost_or_made() {
    for seed in 0..8 {
        let mut dice = Dice(seed);
        let fixture = Fixture::metered();
        let mut accounts = Vec::new();
        let mut residents: Vec<Resident> = Vec::new();
        // A forest: each passes on to one before it, or counts itself.
        for number in 0..12 {
            let account = saved(dice.below(300_000), WhenEmpty::Trap);
            let below = match residents.len() as u64 {
                0 => None,
                count => residents.get(dice.below(count + 2) as usize),
            };
            let (app, tokens) = match below.map(|it| (it, it.tokens())) {
                None => (&fixture.counter, Vec::new()),
                Some((_, tokens)) if tokens[0].interface().interface() == "counter" => {
                    (&fixture.front, tokens)
                }
                Some((_, tokens)) => (&fixture.back, tokens),
            };
            let name = format!("number {number}");
            let kept = fixture.pool.keep(&name, app, &tokens, account.clone());
            if let Ok(resident) = kept.await {
                residents.push(resident);
            }
            accounts.push(account.fuel);
        }
        let before: u64 = accounts.iter().map(|it| it.amounts().left).sum();
        let spent_before: u64 = accounts.iter().map(|it| it.amounts().spent).sum();
        let tenant = Purse::new(50_000_000);
        for _ in 0..30 {
            let of = &residents[dice.below(residents.len() as u64) as usize];
            // Some trap, some take more than they are granted, some give up.
            let n = [1, 2, 13, 77][dice.below(4) as usize];
            let mut grant = granted(&tenant, dice.below(100_000));
            grant.deadline = Duration::from_millis([2, 2_000][dice.below(2) as usize]);
            let _ = call(&fixture, of, n, grant).await;
        }
        // Those that were given up on have ended when their turn is had.
        for resident in residents.into_iter().rev() {
            fixture.pool.tear_down(&resident).await.unwrap();
        }
        let amounts = tenant.amounts();
        assert_eq!(amounts.drawn, 0, "{seed}: {amounts:?}");
        assert_eq!(
            amounts.left + amounts.spent,
            50_000_000,
            "{seed}: {amounts:?}"
        );
        let left: u64 = accounts.iter().map(|it| it.amounts().left).sum();
        let spent: u64 = accounts.iter().map(|it| it.amounts().spent).sum();
        assert_eq!(left + spent, before + spent_before, "{seed}");
    }
}
