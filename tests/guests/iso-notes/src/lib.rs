//! An app of `examples/isoserver` that keeps notes in the store that it was
//! given: `PUT /KEY` writes one, `GET /KEY` reads it, `DELETE /KEY` takes it
//! away, `GET /` lists them. Beside its answers it says what time it is, and how
//! many requests this instance has answered.
#![cfg(target_arch = "wasm32")]

use std::sync::atomic::{AtomicU32, Ordering};

#[allow(missing_docs, reason = "generated; the interfaces document themselves")]
mod bindings {
    wit_bindgen::generate!({ path: "../../../examples/isoserver/wit", world: "app" });
}

use bindings::exports::isoserver::app::handler::{Guest, Request, Response};
use bindings::isoserver::app::{clock, kv};

/// How many requests were answered.
static ANSWERED: AtomicU32 = AtomicU32::new(0);

struct Notes;

impl Guest for Notes {
    fn handle(request: Request) -> Response {
        let key = request.path.trim_start_matches('/');
        let (status, body) = match (request.method.as_str(), key) {
            ("GET", "") => (200, (kv::keys().join("\n") + "\n").into_bytes()),
            ("GET", key) => match kv::get(key) {
                Some(value) => (200, value),
                None => (404, format!("there is no note {key}\n").into_bytes()),
            },
            ("PUT", key) => match kv::set(key, &request.body) {
                Ok(()) => (204, Vec::new()),
                Err(kv::Refusal::Full) => (507, b"the store is full\n".to_vec()),
            },
            ("DELETE", key) if kv::remove(key) => (204, Vec::new()),
            ("DELETE", key) => (404, format!("there is no note {key}\n").into_bytes()),
            _ => (405, Vec::new()),
        };
        let answered = ANSWERED.fetch_add(1, Ordering::Relaxed) + 1;
        let headers = vec![
            ("x-now".to_owned(), clock::now().to_string()),
            ("x-answered".to_owned(), answered.to_string()),
        ];
        Response {
            status,
            headers,
            body,
        }
    }
}

bindings::export!(Notes with_types_in bindings);
