//! Sessions with servers that the host has signed in to.

use std::io::{Error as IoError, ErrorKind};

use futures::FutureExt as _;

use super::connection::Connection;
use crate::error::{Category, Error, Result};

#[allow(missing_docs, clippy::all, reason = "generated")]
mod bindings {
    wit_bindgen::generate!({
        path: "../../wit/vesicle-connector",
        world: "session-client",
        with: {
            "vesicle:connector/types@0.1.0":
                crate::wasm::source::bindings::vesicle::connector::types,
        },
    });
}

/// Opens a session with the server at `host:port`, as the manifest asks for it
/// under `[[session]]`. It speaks the server's protocol, begun as with a server
/// that asks for no password.
///
/// # Errors
///
/// `permission` if the connector was not granted it; what the host says of a
/// server that it cannot reach or that does not let it in.
pub async fn open_session(host: &str, port: u16) -> Result<Connection> {
    let (writer, outgoing) = bindings::wit_stream::new::<u8>();
    let endpoint = format!("{host}:{port}");
    let (incoming, ending) = bindings::vesicle::connector::session::open(endpoint, outgoing)
        .await
        .map_err(Error::from)?;
    let received = async { ending.await.map_err(|error| broken(&error.into())) };
    // What goes out has no ending of its own: the session has one.
    let sent = std::future::ready(Ok(()));
    Ok(Connection::new(
        (incoming, received.boxed_local()),
        (writer, sent.boxed_local()),
        None,
    ))
}

fn broken(error: &Error) -> IoError {
    let kind = match error.category {
        Category::Timeout => ErrorKind::TimedOut,
        Category::Permission | Category::Authentication => ErrorKind::PermissionDenied,
        _ => ErrorKind::ConnectionAborted,
    };
    IoError::new(kind, error.message.clone())
}
