#![allow(clippy::unwrap_used)]

use std::rc::Rc;

use capnp::capability::Client;
use capnp::message::{Builder, HeapAllocator, ReaderOptions};
use capnp_rpc::RpcSystem;
use capnp_rpc::rpc_twoparty_capnp::Side;
use capnp_rpc::twoparty::VatNetwork;
use futures::FutureExt as _;
use vesicle_protocol::cell_capnp::{byte_stream, process};

use super::*;
use crate::backlog::Backlog;
use crate::pipe::pipe;
use crate::watched::Network;

const SMALL: Quota = Quota {
    calls: 2,
    bytes: 1_000,
    exports: 3,
    imports: 3,
    given_up: 2,
};

/// Counts messages as if they had come or gone, of 100 bytes each.
struct Link(Counts);

fn made(fill: impl FnOnce(message::Builder<'_>)) -> Builder<HeapAllocator> {
    let mut made = Builder::new_default();
    fill(made.init_root());
    made
}

impl Link {
    fn new() -> Self {
        Self(Counts::new(SMALL))
    }

    fn hears(&mut self, bytes: u64, fill: impl FnOnce(message::Builder<'_>)) -> Counted {
        let made = made(fill);
        self.0.heard(&made.get_root_as_reader().unwrap(), bytes)
    }

    fn says(&mut self, fill: impl FnOnce(message::Builder<'_>)) -> Counted {
        let made = made(fill);
        self.0.said(&made.get_root_as_reader().unwrap(), 100, 100)
    }

    fn called(&mut self, id: u32) -> Counted {
        self.hears(100, |root| root.init_call().set_question_id(id))
    }

    fn called_on(&mut self, id: u32, on: u32) -> Counted {
        self.hears(100, |root| {
            let mut call = root.init_call();
            call.set_question_id(id);
            let target = call.init_target();
            target.init_promised_answer().set_question_id(on);
        })
    }

    fn finished(&mut self, id: u32, with_capabilities: bool) -> Counted {
        self.hears(100, |root| {
            let mut finish = root.init_finish();
            finish.set_question_id(id);
            finish.set_release_result_caps(with_capabilities);
        })
    }

    fn released(&mut self, id: u32, times: u32) -> Counted {
        self.hears(100, |root| {
            let mut release = root.init_release();
            release.set_id(id);
            release.set_reference_count(times);
        })
    }

    /// Answers with these capabilities, and reads it.
    fn answers(&mut self, id: u32, exports: &[u32]) -> Counted {
        let said = self.says(|root| {
            let mut answer = root.init_return();
            answer.set_answer_id(id);
            answer.set_no_finish_needed(exports.is_empty());
            let mut table = answer.init_results().init_cap_table(exports.len() as u32);
            for (at, id) in (0..).zip(exports) {
                table.reborrow().get(at).set_sender_hosted(*id);
            }
        });
        self.0.wrote(100);
        said
    }

    fn fails(&mut self, id: u32) {
        let said = self.says(|root| {
            let mut answer = root.init_return();
            answer.set_answer_id(id);
            answer.init_exception();
        });
        self.0.wrote(100);
        said.unwrap();
    }

    /// Calls with as many capabilities of its own, from that number on.
    fn hands(&mut self, id: u32, first: u32, count: u32) -> Counted {
        self.hears(100, |root| {
            let mut call = root.init_call();
            call.set_question_id(id);
            let mut table = call.init_params().init_cap_table(count);
            for at in 0..count {
                table.reborrow().get(at).set_sender_hosted(first + at);
            }
        })
    }

    fn assert_holds(&self, calls: usize, bytes: u64, exports: usize, imports: usize) {
        let Counts {
            calls: held,
            exports: given,
            imports: taken,
            ..
        } = &self.0;
        let holds = (held.len(), self.0.bytes, given.len(), taken.len());
        assert_eq!(holds, (calls, bytes, exports, imports));
    }
}

#[test]
fn a_call_is_held_until_it_is_answered_and_finished_and_one_too_many_is_told() {
    let mut link = Link::new();
    for id in 0..100 {
        link.called(id).unwrap();
        link.answers(id, &[]).unwrap();
    }
    link.assert_holds(0, 0, 0, 0);
    link.called(1).unwrap();
    link.called(2).unwrap();
    link.answers(1, &[7]).unwrap();
    link.fails(2);
    link.assert_holds(2, 200, 1, 0);
    assert_eq!(link.called(3), Err(Overrun::Calls(2)));
    let mut link = Link::new();
    link.hears(1, |root| root.init_bootstrap().set_question_id(0))
        .unwrap();
    link.answers(0, &[1]).unwrap();
    link.called(1).unwrap();
    link.finished(0, false).unwrap();
    link.called(0).unwrap();
    link.fails(0);
    link.finished(0, true).unwrap();
    link.assert_holds(1, 100, 1, 0);
}

#[test]
fn the_bytes_of_calls_and_answers_count_until_they_are_let_go_of() {
    let mut link = Link::new();
    link.hears(1_000, |root| root.init_call().set_question_id(0))
        .unwrap();
    let more = link.hears(1, |root| root.init_call().set_question_id(1));
    assert_eq!(more, Err(Overrun::Bytes(1_000)));
    // Answers that nobody reads.
    let mut link = Link::new();
    for id in 0..10 {
        link.called(id).unwrap();
        let said = link.says(|root| {
            let mut answer = root.init_return();
            answer.set_answer_id(id);
            answer.set_no_finish_needed(true);
        });
        said.unwrap();
    }
    link.assert_holds(0, 1_000, 0, 0);
    assert_eq!(link.called(10), Err(Overrun::Bytes(1_000)));
}

#[test]
fn a_call_that_was_given_up_on_keeps_its_place_only_and_there_is_an_end_of_them() {
    let mut link = Link::new();
    for id in 0..2 {
        link.called(id).unwrap();
        link.finished(id, true).unwrap();
        // A second time means nothing.
        link.finished(id, true).unwrap();
    }
    link.assert_holds(2, 0, 0, 0);
    // They are no longer open.
    link.called(2).unwrap();
    link.called(3).unwrap();
    assert_eq!(link.finished(2, true), Err(Overrun::GivenUp(2)));
    // One that is answered all the same counts no more.
    let mut link = Link::new();
    for id in 0..100 {
        link.called(id).unwrap();
        link.finished(id, true).unwrap();
        link.answers(id, &[]).unwrap();
    }
    link.assert_holds(0, 0, 0, 0);
    assert_eq!(link.0.given_up, 0);
}

#[test]
fn a_call_that_others_were_made_on_keeps_its_bytes_when_it_is_given_up_on() {
    let mut link = Link::new();
    link.called(0).unwrap();
    link.called_on(1, 0).unwrap();
    link.finished(0, true).unwrap();
    link.assert_holds(2, 200, 0, 0);
    link.answers(0, &[]).unwrap();
    link.assert_holds(1, 100, 0, 0);
}

#[test]
fn a_capability_counts_once_until_it_is_released_as_often_as_it_was_given() {
    let mut link = Link::new();
    for id in 0..3 {
        link.called(id).unwrap();
        link.answers(id, &[7, 7]).unwrap();
        link.finished(id, false).unwrap();
    }
    link.assert_holds(0, 0, 1, 0);
    link.released(7, 5).unwrap();
    link.assert_holds(0, 0, 1, 0);
    // More often than it was given ends the link, which is up to others.
    link.released(7, 9).unwrap();
    link.released(8, 1).unwrap();
    link.assert_holds(0, 0, 0, 0);
    link.called(0).unwrap();
    link.answers(0, &[1, 2, 3]).unwrap();
    link.finished(0, true).unwrap();
    link.assert_holds(0, 0, 0, 0);
    link.called(0).unwrap();
    assert_eq!(link.answers(0, &[1, 2, 3, 4]), Err(Overrun::Exports(3)));
}

#[test]
fn capabilities_of_the_other_end_count_until_this_end_lets_them_go() {
    let mut link = Link::new();
    for id in 0..100 {
        link.hands(id, 3 * id, 3).unwrap();
        link.answers(id, &[]).unwrap();
        for each in 0..3 {
            let said = link.says(|root| {
                let mut release = root.init_release();
                release.set_id(3 * id + each);
                release.set_reference_count(1);
            });
            said.unwrap();
        }
    }
    link.assert_holds(0, 0, 0, 0);
    link.hands(0, 0, 3).unwrap();
    assert_eq!(link.hands(1, 3, 1), Err(Overrun::Imports(3)));
    // Nor more than that in one message, whatever they are.
    let mut link = Link::new();
    let table = link.hears(100, |root| {
        let call = root.init_call();
        call.init_params().init_cap_table(4);
    });
    assert_eq!(table, Err(Overrun::Imports(3)));
}

#[test]
fn answers_that_would_be_kept_are_not_asked_for() {
    let mut link = Link::new();
    let kept = link.hears(100, |root| {
        let call = root.init_call();
        call.init_send_results_to().set_yourself(());
    });
    assert_eq!(kept, Err(Overrun::Kept));
}

/// Never ends, and gives a stream whenever it is asked.
struct Endless;

impl process::Server for Endless {
    async fn wait(
        self: Rc<Self>,
        _: process::WaitParams,
        _: process::WaitResults,
    ) -> capnp::Result<()> {
        std::future::pending().await
    }

    async fn stdin(
        self: Rc<Self>,
        _: process::StdinParams,
        mut results: process::StdinResults,
    ) -> capnp::Result<()> {
        let stream: byte_stream::Client = capnp_rpc::new_client(Stream);
        results.get().set_ok(stream)
    }
}

struct Stream;

impl byte_stream::Server for Stream {}

/// A link to it, the caller of which has a quota, and what tells that it has too much.
fn linked(quota: Quota) -> (process::Client, oneshot::Receiver<Overrun>) {
    let (to_server, from_caller) = pipe();
    let (to_caller, from_server) = pipe();
    let (tally, overrun) = Tally::new(quota);
    let options = ReaderOptions::new();
    let (side, ends) = (Side::Server, (from_caller, to_caller));
    let counted = Network::new(ends, side, options, Backlog::of_guest(), tally);
    let served: process::Client = capnp_rpc::new_client(Endless);
    let server = RpcSystem::new(Box::new(counted), Some(served.client));
    let plain = VatNetwork::new(from_server, to_server, Side::Client, options);
    let mut caller = RpcSystem::new(Box::new(plain), None);
    let there: Client = caller.bootstrap(Side::Server);
    tokio::task::spawn_local(server.map(drop));
    tokio::task::spawn_local(caller.map(drop));
    (capnp::capability::FromClientHook::new(there.hook), overrun)
}

async fn local<T>(work: impl Future<Output = T>) -> T {
    tokio::task::LocalSet::new().run_until(work).await
}

#[tokio::test]
async fn who_lets_go_of_what_it_has_calls_for_ever() {
    local(async {
        let (there, mut overrun) = linked(Quota {
            exports: 4,
            given_up: 1,
            ..SMALL
        });
        // Both ways of a call that has been answered: read, and dropped before.
        for _ in 0..1_000 {
            let answer = there.stdin_request().send().promise.await.unwrap();
            assert!(answer.get().unwrap().has_ok());
        }
        for _ in 0..1_000 {
            let error = there.kill_request().send().promise.await.err().unwrap();
            assert_eq!(error.kind, capnp::ErrorKind::Unimplemented);
        }
        assert_eq!(overrun.try_recv(), Err(oneshot::error::TryRecvError::Empty));
    })
    .await;
}

#[tokio::test]
async fn who_gives_up_on_calls_is_told_when_that_were_too_many() {
    local(async {
        let (there, mut overrun) = linked(Quota {
            given_up: 100,
            ..Quota::of_peer()
        });
        for _ in 0..100 {
            drop(there.wait_request().send());
            // It has been heard when a later one is answered.
            let answer = there.stdin_request().send().promise.await.unwrap();
            drop(answer);
        }
        assert!(overrun.try_recv().is_err());
        drop(there.wait_request().send());
        assert_eq!(overrun.await.unwrap(), Overrun::GivenUp(100));
        let later = there.stdin_request().send().promise.await;
        assert!(later.is_err());
    })
    .await;
}

#[tokio::test]
async fn who_waits_too_often_at_once_is_hung_up_on_and_told_why() {
    local(async {
        let (there, overrun) = linked(Quota {
            calls: 10,
            ..Quota::of_peer()
        });
        let waits = (0..20).map(|_| there.wait_request().send().promise);
        let waits: Vec<_> = waits.collect();
        assert_eq!(overrun.await.unwrap(), Overrun::Calls(10));
        for wait in waits {
            let error = wait.await.err().unwrap();
            assert!(error.extra.contains("more than 10 calls"), "{error}");
        }
    })
    .await;
}
