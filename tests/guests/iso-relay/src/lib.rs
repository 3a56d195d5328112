//! An app of `examples/isoserver` that asks another, whichever it was wired to,
//! and says so in a header.
#![cfg(target_arch = "wasm32")]

#[allow(missing_docs, reason = "generated; the interfaces document themselves")]
mod bindings {
    wit_bindgen::generate!({ path: "../../../examples/isoserver/wit", world: "relay" });
}

use bindings::exports::isoserver::app::handler::{Guest, Request, Response};
use bindings::isoserver::app::handler;

struct Relay;

impl Guest for Relay {
    fn handle(request: Request) -> Response {
        let mut answer = handler::handle(&handler::Request {
            method: request.method,
            path: request.path,
            headers: request.headers,
            body: request.body,
        });
        answer.headers.push(("via".to_owned(), "relay".to_owned()));
        Response {
            status: answer.status,
            headers: answer.headers,
            body: answer.body,
        }
    }
}

bindings::export!(Relay with_types_in bindings);
