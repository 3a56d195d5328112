//! An app of `examples/isoserver` that does what harms others, if it can:
//! `/spin` computes for ever, `/grow` takes all memory there is, `/trap` ends in
//! the middle, `/fill` writes to its store until that is full, `/lie` answers
//! what is no HTTP. Anything else it answers with how many requests this instance
//! has answered.
#![cfg(target_arch = "wasm32")]

use std::hint::black_box;
use std::sync::atomic::{AtomicU32, Ordering};

#[allow(missing_docs, reason = "generated; the interfaces document themselves")]
mod bindings {
    wit_bindgen::generate!({ path: "../../../examples/isoserver/wit", world: "app" });
}

use bindings::exports::isoserver::app::handler::{Guest, Request, Response};
use bindings::isoserver::app::{clock, kv};

/// How many requests were answered.
static ANSWERED: AtomicU32 = AtomicU32::new(0);

struct Hostile;

impl Guest for Hostile {
    fn handle(request: Request) -> Response {
        let answered = ANSWERED.fetch_add(1, Ordering::Relaxed) + 1;
        let mut answer = Response {
            status: 200,
            headers: Vec::new(),
            body: answered.to_string().into_bytes(),
        };
        match request.path.as_str() {
            "/spin" => spin(),
            "/grow" => grow(),
            "/trap" => core::arch::wasm32::unreachable(),
            "/fill" => answer.body = fill().to_string().into_bytes(),
            "/lie" => answer.headers = vec![("no header\r\n".into(), clock::now().to_string())],
            _ => {}
        }
        answer
    }
}

fn spin() {
    let mut turns = 0u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

fn grow() {
    let mut hoard = Vec::new();
    loop {
        hoard.push(black_box(vec![1u8; 1 << 20]));
    }
}

/// Writes until it is refused, and says how many KiB were taken.
fn fill() -> u32 {
    let kib = [0u8; 1 << 10];
    let taken = (0u32..).find(|key| kv::set(&key.to_string(), &kib).is_err());
    taken.unwrap_or_default()
}

bindings::export!(Hostile with_types_in bindings);
