//! Apps that do harm, to themselves alone.

#![allow(clippy::unwrap_used)]

mod common;

use std::time::{Duration, Instant};

use common::{Answer, Server, patient};
use futures::StreamExt;
use futures::future::join_all;
use futures::stream::FuturesUnordered;
use isoserver::Limits;

/// More fuel than a test can use up.
const ENDLESS: u64 = 1 << 50;

async fn with_hostile(limits: Limits) -> Server {
    let server = Server::start(limits).await;
    server.upload("hostile", "iso-hostile").await;
    server
}

#[track_caller]
fn assert_ran_out(answer: &Answer, what: &str, told: &str) {
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(answer.json()["ran_out"], what, "{answer:?}");
    assert!(answer.body.contains(told), "{answer:?}");
}

/// It answers, and is the first time that this instance does.
async fn assert_is_fresh(server: &Server) {
    let answer = server.get("/run/hostile/").await;
    assert_eq!((answer.status.as_u16(), &*answer.body), (200, "1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fuel_bomb_is_told_that_its_fuel_ran_out() {
    let limits = Limits {
        fuel: 1_000_000,
        ..patient()
    };
    let server = with_hostile(limits).await;
    assert_is_fresh(&server).await;
    let answer = server.get("/run/hostile/spin").await;
    assert_ran_out(&answer, "fuel", "out of fuel");
    assert_is_fresh(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_spins_is_told_that_its_time_ran_out() {
    let limits = Limits {
        fuel: ENDLESS,
        deadline: 1_000,
        ..Limits::default()
    };
    let server = with_hostile(limits).await;
    let began = Instant::now();
    let answer = server.get("/run/hostile/spin").await;
    assert_ran_out(&answer, "deadline", "not finished within 1000 ms");
    assert!(began.elapsed() >= Duration::from_millis(1_000));
    assert_is_fresh(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_allocates_without_end_is_told_that_its_memory_ran_out() {
    let limits = Limits {
        fuel: ENDLESS,
        ..patient()
    };
    let server = with_hostile(limits).await;
    let answer = server.get("/run/hostile/grow").await;
    assert_ran_out(&answer, "memory", "32 MiB are allowed");
    assert_is_fresh(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_traps_is_a_fresh_instance_at_its_next_request() {
    let server = with_hostile(patient()).await;
    assert_is_fresh(&server).await;
    assert_eq!(server.get("/run/hostile/").await.body, "2");
    let answer = server.get("/run/hostile/trap").await;
    assert_eq!(answer.status, 502, "{answer:?}");
    assert!(answer.body.contains("unreachable"), "{answer:?}");
    let listed = server.get("/apps").await.json();
    let failure = listed[0]["failure"].as_str().unwrap_or_default();
    assert!(failure.contains("unreachable"), "{listed}");
    assert_is_fresh(&server).await;
    assert!(server.get("/apps").await.json()[0].get("failure").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trap_behind_another_app_is_told_and_both_are_well_again() {
    let server = with_hostile(patient()).await;
    server.upload("front?uses=hostile", "iso-relay").await;
    let answer = server.get("/run/front/trap").await;
    assert_eq!(answer.status, 502, "{answer:?}");
    assert!(answer.body.contains("handle of hostile"), "{answer:?}");
    let answer = server.get("/run/front/").await;
    assert_eq!((answer.status.as_u16(), &*answer.body), (200, "1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_another_app_pays_for_what_it_does() {
    let limits = Limits {
        fuel: 1_000_000,
        ..patient()
    };
    let server = with_hostile(limits).await;
    server.upload("front?uses=hostile", "iso-relay").await;
    let answer = server.get("/run/front/spin").await;
    assert_ran_out(&answer, "fuel", "out of fuel");
    let answer = server.get("/run/front/").await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_too_many_requests_some_are_sent_away_while_other_apps_answer() {
    let limits = Limits {
        fuel: ENDLESS,
        deadline: 3_000,
        waiting: 2,
        ..Limits::default()
    };
    let server = with_hostile(limits).await;
    server.upload("notes", "iso-notes").await;
    let spins = || {
        let server = server.clone();
        tokio::spawn(async move { server.get("/run/hostile/spin").await })
    };
    let mut spinning: FuturesUnordered<_> = (0..6).map(|_| spins()).collect();
    // One is answered and two wait; the others are sent away at once.
    for _ in 0..3 {
        let sent_away = spinning.next().await.unwrap().unwrap();
        assert_eq!(sent_away.status, 429, "{sent_away:?}");
        assert_eq!(sent_away.header("retry-after"), "1");
        assert!(sent_away.body.contains("2 requests wait for hostile"));
    }
    let others = (0..20).map(|_| server.get("/run/notes"));
    for answer in join_all(others).await {
        // Each is served, or finds three before it; nobody waits for the other app.
        assert!([200, 429].contains(&answer.status.as_u16()), "{answer:?}");
    }
    assert_eq!(server.get("/run/notes").await.status, 200);
    let spin_on = spinning.iter().all(|it| !it.is_finished());
    assert!(spin_on, "nobody else waited for them");
    while let Some(answer) = spinning.next().await {
        assert_ran_out(&answer.unwrap(), "deadline", "not finished within");
    }
    // One whose turn came at the last moment is carried out, for as long as an app
    // may take, though nobody waits for it; who comes then may find its time gone.
    let mut answer = server.get("/run/hostile/").await;
    if answer.status == 503 {
        assert_ran_out(&answer, "deadline", "waiting included");
        answer = server.get("/run/hostile/").await;
    }
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_app_keeps_and_what_it_answers_is_bounded() {
    let server = with_hostile(patient()).await;
    // A MiB of values of a KiB, with what each entry counts for.
    let filled = server.get("/run/hostile/fill").await;
    let taken: u32 = filled.body.parse().unwrap();
    assert!((900..1024).contains(&taken), "{filled:?}");
    let answer = server.get("/run/hostile/lie").await;
    assert_eq!(answer.status, 502, "{answer:?}");
    assert!(answer.body.contains("no HTTP"), "{answer:?}");
    let large = vec![b'x'; (1 << 20) + 1];
    let answer = server.ask("POST", "/run/hostile/", large).await;
    assert_eq!(answer.status, 413, "{answer:?}");
}
