//! A component that the host has is started without its bytes, under all that holds
//! for one that is sent.

#![allow(clippy::unwrap_used)]

mod common;
mod tree;

use std::sync::Arc;

use tree::{Ended, Told, With, acts, deeper, grown, lender, load, start};
use vesicle_cell::{Account, Command, Limits};
use vesicle_membrane::Membrane;
use vesicle_protocol::outcome_capnp::Resource;

/// A lender on an account that can be looked at.
fn paying(memory: u64) -> (Command, Account) {
    let account = Account::new(&Limits {
        memory,
        ..Limits::default()
    });
    let command = Command {
        account: Some(account.clone()),
        ..lender()
    };
    (command, account)
}

#[tokio::test]
async fn one_is_started_any_number_of_times_and_paid_for_as_long_as_somebody_holds_it() {
    let (command, account) = paying(1 << 30);
    let told = grown(command, async move |session| {
        let free = account.left().memory;
        let program = load(&session.executor, &acts()).await?;
        assert_eq!(account.left().memory, free - acts().len() as u64);
        for status in ["7", "0"] {
            let arguments = ["child", "exit", status];
            let child = program.start(&arguments, With::default()).await?;
            assert_eq!(child.wait().await?, Ended::Code(status.parse().unwrap()));
        }
        let spins = With {
            milliseconds: 50,
            ..With::default()
        };
        let child = program.start(&["child", "spin"], spins).await?;
        assert_eq!(child.wait().await?, Ended::Exhausted(Resource::Time));
        drop((program, child));
        // It is let go of in the order of calls.
        while account.left().memory != free {
            tokio::task::yield_now().await;
        }
        Ok(())
    });
    told.await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_run_or_paid_for_is_refused_before_it_is_started() {
    let (command, account) = paying(64 << 20);
    let told = grown(command, async move |session| {
        let no_component = load(&session.executor, b"no component").await;
        assert!(matches!(no_component, Err(Told::Invalid(_))));
        let library = wat::parse_str("(component)").unwrap();
        match load(&session.executor, &library).await {
            Err(Told::Invalid(message)) => assert!(message.contains("wasi:cli/run")),
            other => panic!("{:?}", other.map(|_| "a program")),
        }
        let left = account.left().memory;
        let mut held = Vec::new();
        let refused = loop {
            match load(&session.executor, &acts()).await {
                Ok(program) => held.push(program),
                Err(told) => break told,
            }
        };
        assert_eq!(refused, Told::Exhausted(Resource::Memory));
        let each = acts().len() as u64;
        assert_eq!(held.len() as u64, left / each);
        Ok(())
    });
    told.await.unwrap();
}

#[tokio::test]
async fn one_is_over_with_the_session_that_it_came_with_at_every_depth() {
    for depth in 0..3 {
        let membrane = Arc::new(Membrane::new("the test"));
        let command = Command {
            membrane: Arc::clone(&membrane),
            ..lender()
        };
        let told = grown(command, async move |session| {
            let (session, _way) = deeper(&session, depth).await?;
            let program = load(&session.executor, &acts()).await?;
            let child = program
                .start(&["child", "sleep", "60000"], With::default())
                .await?;
            membrane.advance();
            for answer in [
                program.start(&["child"], With::default()).await.map(drop),
                child.wait().await.map(drop),
                start(&session.executor, &acts(), &[], With::default())
                    .await
                    .map(drop),
            ] {
                let over = matches!(answer, Err(Told::Stale { .. } | Told::Disconnected(_)));
                assert!(over, "{answer:?}");
            }
            Ok(())
        });
        told.await.unwrap();
    }
}
