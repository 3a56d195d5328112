//! Messages of Cap'n Proto's protocol for calls, and what looks like them.

use capnp::message::{Builder, HeapAllocator};
use capnp::traits::HasTypeId;
use capnp_rpc::rpc_capnp::message;
use vesicle_protocol::cell_capnp::{executor, session};
use vesicle_protocol::membrane_capnp::membrane;

type Made = Builder<HeapAllocator>;

fn bytes(made: &Made) -> Vec<u8> {
    capnp::serialize::write_message_to_words(made)
}

/// Asks for what is on the link.
pub fn bootstrap(question: u32) -> Vec<u8> {
    let mut made = Builder::new_default();
    let root: message::Builder<'_> = made.init_root();
    root.init_bootstrap().set_question_id(question);
    bytes(&made)
}

/// Calls `graft` of what question 0 will give.
pub fn graft(question: u32) -> Vec<u8> {
    let mut made = Builder::new_default();
    let root: message::Builder<'_> = made.init_root();
    let mut call = root.init_call();
    call.set_question_id(question);
    call.set_interface_id(<membrane::Client<session::Owned> as HasTypeId>::TYPE_ID);
    call.set_method_id(0);
    let target = call.reborrow().init_target();
    target.init_promised_answer().set_question_id(0);
    call.init_params();
    bytes(&made)
}

/// Calls `echo` of the executor that question 1 will give.
pub fn echo(question: u32, text: &str) -> Vec<u8> {
    let mut made = Builder::new_default();
    let root: message::Builder<'_> = made.init_root();
    let mut call = root.init_call();
    call.set_question_id(question);
    call.set_interface_id(executor::Client::TYPE_ID);
    call.set_method_id(1);
    let target = call.reborrow().init_target();
    let mut promised = target.init_promised_answer();
    promised.set_question_id(1);
    // The outcome's `ok`, the graft's session, the session's executor.
    let mut way = promised.init_transform(3);
    for (at, field) in [(0, 0), (1, 0), (2, 1)] {
        way.reborrow().get(at).set_get_pointer_field(field);
    }
    let content = call.init_params().init_content();
    content
        .init_as::<executor::echo_params::Builder<'_>>()
        .set_text(text);
    bytes(&made)
}

/// Calls `echo` of what question 0 gave.
pub fn echo_there(question: u32, text: &str) -> Vec<u8> {
    one(|root| {
        let mut call = root.init_call();
        call.set_question_id(question);
        call.set_interface_id(executor::Client::TYPE_ID);
        call.set_method_id(1);
        let target = call.reborrow().init_target();
        target.init_promised_answer().set_question_id(0);
        let content = call.init_params().init_content();
        content
            .init_as::<executor::echo_params::Builder<'_>>()
            .set_text(text);
    })
}

/// The same with capabilities of its own, from this number on.
pub fn hand_over(question: u32, first: u32, count: u32) -> Vec<u8> {
    one(|root| {
        let mut call = root.init_call();
        call.set_question_id(question);
        call.set_interface_id(executor::Client::TYPE_ID);
        call.set_method_id(1);
        let target = call.reborrow().init_target();
        target.init_promised_answer().set_question_id(0);
        let mut table = call.init_params().init_cap_table(count);
        for at in 0..count {
            table.reborrow().get(at).set_sender_hosted(first + at);
        }
    })
}

/// Calls `graft` of what question 0 gave, and has the answer kept.
pub fn graft_kept(question: u32) -> Vec<u8> {
    one(|root| {
        let mut call = root.init_call();
        call.set_question_id(question);
        call.set_interface_id(<membrane::Client<session::Owned> as HasTypeId>::TYPE_ID);
        let target = call.reborrow().init_target();
        target.init_promised_answer().set_question_id(0);
        call.reborrow().init_params();
        call.init_send_results_to().set_yourself(());
    })
}

/// Is done with a question, and keeps what came with its answer.
pub fn finish(question: u32) -> Vec<u8> {
    one(|root| {
        let mut finish = root.init_finish();
        finish.set_question_id(question);
        finish.set_release_result_caps(false);
    })
}

/// One message, filled by the caller.
fn one(fill: impl FnOnce(message::Builder<'_>)) -> Vec<u8> {
    let mut made = Builder::new_default();
    fill(made.init_root());
    bytes(&made)
}

/// What is not said in any protocol.
pub fn junk(kind: &str) -> Vec<Vec<u8>> {
    match kind {
        "noise" => {
            let byte = |at: u32| (at.wrapping_mul(2_654_435_761) >> 24) as u8;
            vec![(0..100_000).map(byte).collect()]
        }
        "many-segments" => vec![vec![0xff; 4096]],
        "large-segment" => vec![vec![0, 0, 0, 0, 0xff, 0xff, 0xff, 0x7f], vec![0; 4096]],
        "half" => {
            let mut made = bootstrap(0);
            made.truncate(made.len() - 3);
            vec![made]
        }
        "empty" => vec![vec![0; 8], vec![0; 8], vec![0; 8]],
        "unknown-import" => vec![one(|root| {
            let mut call = root.init_call();
            call.set_question_id(0);
            call.reborrow().init_target().set_imported_cap(99);
            call.init_params();
        })],
        "unknown-answer" => vec![one(|root| {
            let mut call = root.init_call();
            call.set_question_id(0);
            let target = call.reborrow().init_target();
            target.init_promised_answer().set_question_id(99);
            call.init_params();
        })],
        "odd-return" => vec![one(|root| {
            let mut answer = root.init_return();
            answer.set_answer_id(77);
            answer.init_results();
        })],
        "odd-finish" => vec![one(|root| root.init_finish().set_question_id(99))],
        "odd-release" => vec![
            bootstrap(0),
            one(|root| {
                let mut release = root.init_release();
                release.set_id(0);
                release.set_reference_count(u32::MAX);
            }),
        ],
        "odd-resolve" => vec![one(|root| {
            let mut resolve = root.init_resolve();
            resolve.set_promise_id(5);
            resolve.init_cap().set_sender_hosted(4_000_000_000);
        })],
        "question-twice" => vec![bootstrap(0), bootstrap(0), graft(0), graft(0)],
        "disembargo" => vec![
            bootstrap(0),
            one(|root| {
                let mut embargo = root.init_disembargo();
                embargo.reborrow().init_target().set_imported_cap(0);
                embargo.init_context().set_sender_loopback(3);
            }),
            one(|root| {
                let mut embargo = root.init_disembargo();
                embargo.reborrow().init_target().set_imported_cap(0);
                embargo.init_context().set_receiver_loopback(3);
            }),
        ],
        "third-party" => vec![
            one(|root| root.init_provide().set_question_id(1)),
            one(|root| root.init_accept().set_question_id(2)),
            one(|root| root.init_join().set_question_id(3)),
        ],
        "abort" => vec![one(|root| root.init_abort().set_reason("enough"))],
        "forged" => vec![
            bootstrap(0),
            one(|root| {
                let mut call = root.init_call();
                call.set_question_id(1);
                call.set_interface_id(<membrane::Client<session::Owned> as HasTypeId>::TYPE_ID);
                call.reborrow().init_target().set_imported_cap(0);
                let mut params = call.init_params();
                let mut table = params.reborrow().init_cap_table(3);
                table.reborrow().get(0).set_receiver_hosted(1234);
                table.reborrow().get(1).set_sender_hosted(4_000_000_000);
                let mut promised = table.get(2).init_receiver_answer();
                promised.set_question_id(55);
            }),
        ],
        kind => panic!("no such junk: {kind}"),
    }
}
