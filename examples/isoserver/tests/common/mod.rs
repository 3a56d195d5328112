//! A server on a port of its own, in this process, and a client of it.

#![allow(dead_code)]

use std::path::Path;
use std::sync::Arc;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use isoserver::{Apps, Limits};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};

/// A server; it ends with the test's runtime.
#[derive(Clone)]
pub struct Server {
    address: std::net::SocketAddr,
}

/// Limits with time enough for a busy machine.
pub fn patient() -> Limits {
    Limits {
        deadline: 30_000,
        ..Limits::default()
    }
}

/// What a server has answered.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: hyper::HeaderMap,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }
}

/// A component that `cargo xtask build` or `test` has made.
pub fn guest(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_BIN_EXE_isoserver")).with_file_name("test-components");
    let file = folder.join(format!("{name}.wasm"));
    let read = std::fs::read(&file);
    read.unwrap_or_else(|e| panic!("{}: {e}; `cargo xtask build` makes it", file.display()))
}

impl Server {
    pub async fn start(limits: Limits) -> Self {
        let apps = Arc::new(Apps::new(limits).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(isoserver::serve(listener, apps));
        Self { address }
    }

    /// Asks over a connection of its own.
    pub async fn ask(&self, method: &str, path: &str, body: impl Into<Bytes>) -> Answer {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let asked = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, self.address.to_string())
            .body(Full::new(body.into()))
            .unwrap();
        let (head, body) = sender.send_request(asked).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: head.status,
            headers: head.headers,
            body: String::from_utf8(body.into()).unwrap(),
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "").await
    }

    /// Uploads a component that has to be taken.
    pub async fn upload(&self, name_and_wiring: &str, component: &str) {
        let path = format!("/apps/{name_and_wiring}");
        let answer = self.ask("PUT", &path, guest(component)).await;
        assert_eq!(answer.status, 201, "{answer:?}");
    }
}
