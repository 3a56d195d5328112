//! What stands behind a guard is reached for as long as the seal is whole, and so is
//! all that came through it, either way and over a link.

#![allow(clippy::unwrap_used)]

mod link;

use std::rc::Rc;

use capnp::capability::FromClientHook as _;
use capnp::{Error, ErrorKind};
use link::{Desk, across, given, hand, local, name};
use vesicle_graft::guard;
use vesicle_membrane::Membrane;
use vesicle_protocol::cell_capnp::{executor, host};

/// A desk, and the capability of it.
fn desk(desk: Desk) -> (Rc<Desk>, host::Client) {
    let desk = Rc::new(desk);
    (Rc::clone(&desk), capnp_rpc::new_client_from_rc(desk))
}

fn assert_stale(error: &Error) {
    assert_eq!(error.kind, ErrorKind::Disconnected, "{error}");
    let says = "the session was of epoch 0, and this is epoch 1; graft again to go on";
    assert!(error.extra.contains(says), "{error}");
}

#[tokio::test]
async fn calls_go_through_until_the_seal_breaks_and_come_to_what_they_would() {
    local(async {
        let membrane = Membrane::new("m");
        let (_, plain) = desk(Desk::default());
        let there = across(guard(plain, &membrane.seal()));
        assert_eq!(name(&there).await.unwrap(), "the desk");
        // An exception of what stands behind comes through as well.
        let error = given(&there).await.err().unwrap();
        assert!(error.extra.contains("it has nothing to give"), "{error}");
        let unknown = there.addresses_request().send().promise.await;
        assert_eq!(unknown.err().unwrap().kind, ErrorKind::Unimplemented);
        membrane.advance();
        assert_stale(&name(&there).await.unwrap_err());
        // And never again.
        membrane.advance();
        assert!(name(&there).await.is_err());
    })
    .await;
}

#[tokio::test]
async fn what_an_answer_gives_ends_with_the_seal_at_any_depth() {
    local(async {
        let membrane = Membrane::new("m");
        let (_, last) = desk(Desk::default());
        let (middle, middle_client) = desk(Desk::default());
        middle.gives.replace(Some(last.client));
        let (first, first_client) = desk(Desk::default());
        first.gives.replace(Some(middle_client.client.clone()));
        let there = across(guard(first_client, &membrane.seal()));
        let second = given(&there).await.unwrap();
        let third = given(&second).await.unwrap();
        assert_eq!(name(&third).await.unwrap(), "the desk");
        membrane.advance();
        assert_stale(&name(&second).await.unwrap_err());
        assert_stale(&name(&third).await.unwrap_err());
        // Who was never behind it is still there.
        assert_eq!(name(&middle_client).await.unwrap(), "the desk");
    })
    .await;
}

#[tokio::test]
async fn what_is_handed_in_ends_with_the_seal_too() {
    local(async {
        let membrane = Membrane::new("m");
        let (inside, _) = desk(Desk::default());
        let plain: executor::Client = capnp_rpc::new_client_from_rc(Rc::clone(&inside));
        let there = across(guard(plain, &membrane.seal()));
        let (_, own) = desk(Desk::default());
        hand(&there, &own).await.unwrap();
        let handed: host::Client = inside.handed.borrow().clone().unwrap().cast_to();
        assert_eq!(name(&handed).await.unwrap(), "the desk");
        membrane.advance();
        assert_stale(&name(&handed).await.unwrap_err());
    })
    .await;
}

#[tokio::test]
async fn what_comes_home_through_its_own_guard_is_itself_again() {
    local(async {
        let membrane = Membrane::new("m");
        let (_, treasure) = desk(Desk::default());
        let (inside, plain) = desk(Desk::default());
        inside.gives.replace(Some(treasure.client.clone()));
        let seal = membrane.seal();
        let executor: executor::Client = capnp_rpc::new_client_from_rc(Rc::clone(&inside));
        // Both behind one guard: the one gives the other.
        let (outer, outer_client) = desk(Desk::default());
        outer.gives.replace(Some(executor.client));
        let there = across(guard(outer_client, &seal));
        let executor: executor::Client = given(&there).await.unwrap().client.cast_to();
        let giver: host::Client = {
            outer.gives.replace(Some(plain.client));
            given(&there).await.unwrap()
        };
        let treasured = given(&giver).await.unwrap();
        hand(&executor, &treasured).await.unwrap();
        let home = inside.handed.borrow().clone().unwrap();
        assert_eq!(home.hook.get_ptr(), treasure.client.hook.get_ptr());
        // Somebody else's comes in as what it is not.
        let (_, own) = desk(Desk::default());
        hand(&executor, &own).await.unwrap();
        let handed = inside.handed.borrow().clone().unwrap();
        assert_ne!(handed.hook.get_ptr(), own.client.hook.get_ptr());
    })
    .await;
}

#[tokio::test]
async fn a_call_under_way_ends_when_the_seal_breaks_on_both_sides_of_the_guard() {
    local(async {
        let membrane = Membrane::new("m");
        let (inside, plain) = desk(Desk::default());
        let there = across(guard(across(plain), &membrane.seal()));
        let waiting = there.peers_request().send().promise;
        let ending = async {
            while inside.waiting.get() == 0 {
                tokio::task::yield_now().await;
            }
            membrane.advance();
        };
        let (waited, ()) = tokio::join!(waiting, ending);
        assert_stale(&waited.err().unwrap());
        while inside.waiting.get() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_call_that_its_caller_gives_up_on_ends_behind_the_guard() {
    local(async {
        let membrane = Membrane::new("m");
        let (inside, plain) = desk(Desk::default());
        let there = across(guard(across(plain), &membrane.seal()));
        let waiting = there.peers_request().send();
        while inside.waiting.get() == 0 {
            tokio::task::yield_now().await;
        }
        drop(waiting);
        while inside.waiting.get() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn nothing_is_held_of_what_is_behind_once_a_call_found_the_seal_broken() {
    local(async {
        let membrane = Membrane::new("m");
        let desk = Desk::default();
        let is_gone = Rc::clone(&desk.is_gone);
        let plain: host::Client = capnp_rpc::new_client(desk);
        let there = across(guard(plain, &membrane.seal()));
        assert_eq!(name(&there).await.unwrap(), "the desk");
        membrane.advance();
        assert!(!is_gone.get());
        assert_stale(&name(&there).await.unwrap_err());
        assert!(is_gone.get());
    })
    .await;
}

#[tokio::test]
async fn guards_of_two_seals_in_a_row_end_with_the_first_that_breaks() {
    local(async {
        let (one, two) = (Membrane::new("one"), Membrane::new("two"));
        let (_, plain) = desk(Desk::default());
        let there = across(guard(guard(plain.clone(), &one.seal()), &two.seal()));
        assert_eq!(name(&there).await.unwrap(), "the desk");
        one.advance();
        assert_stale(&name(&there).await.unwrap_err());
        let one = Membrane::new("one");
        let there = across(guard(guard(plain, &one.seal()), &two.seal()));
        assert_eq!(name(&there).await.unwrap(), "the desk");
        two.advance();
        assert_stale(&name(&there).await.unwrap_err());
    })
    .await;
}
