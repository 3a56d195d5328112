//! The same calls between two sides that are both native, over the same pipes and
//! on one thread.

use std::rc::Rc;
use std::time::Instant;

use capnp_rpc::RpcSystem;
use capnp_rpc::rpc_twoparty_capnp::Side;
use capnp_rpc::twoparty::VatNetwork;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use vesicle_cell::pipe::pipe;
use vesicle_protocol::cell_capnp::{byte_stream, executor};
use vesicle_protocol::outcome_capnp::outcome;

use crate::Measured;

/// Answers as the host does, and looks at nothing.
struct Echo;

impl executor::Server for Echo {
    async fn echo(
        self: Rc<Self>,
        params: executor::EchoParams,
        mut results: executor::EchoResults,
    ) -> Result<(), capnp::Error> {
        let text = params.get()?.get_text()?.to_str()?;
        results.get().set_ok(&*format!("Echo: {text}"))
    }
}

/// Takes what is written.
struct Swallow;

impl byte_stream::Server for Swallow {
    async fn write(
        self: Rc<Self>,
        params: byte_stream::WriteParams,
        mut results: byte_stream::WriteResults,
    ) -> Result<(), capnp::Error> {
        let bytes = params.get()?.get_bytes()?;
        // A process's input is read from a pipe, which is one copy.
        std::hint::black_box(bytes.to_vec());
        results.get().init_ok();
        Ok(())
    }
}

/// Two sides, and what one finds at the other.
fn connected<C: capnp::capability::FromClientHook>(served: capnp::capability::Client) -> C {
    let (to_server, from_client) = pipe();
    let (to_client, from_server) = pipe();
    let options = || {
        let mut options = capnp::message::ReaderOptions::new();
        options.traversal_limit_in_words(Some(8 << 20));
        options
    };
    let server = VatNetwork::new(from_client, to_client, Side::Server, options());
    tokio::task::spawn_local(RpcSystem::new(Box::new(server), Some(served)));
    let client = VatNetwork::new(from_server, to_server, Side::Client, options());
    let mut client = RpcSystem::new(Box::new(client), None);
    let bootstrap: capnp::capability::Client = client.bootstrap(Side::Server);
    tokio::task::spawn_local(client);
    capnp::capability::FromClientHook::cast_to(bootstrap)
}

fn echoing() -> executor::Client {
    let served: executor::Client = capnp_rpc::new_client(Echo);
    connected(capnp::capability::FromClientHook::cast_to(served))
}

async fn ask(echo: &executor::Client) -> Result<String, capnp::Error> {
    let mut request = echo.echo_request();
    request.get().set_text("12345678");
    let answer = request.send().promise.await?;
    let outcome::Which::Ok(text) = answer.get()?.which()? else {
        panic!("it has answered with an error");
    };
    Ok(text?.to_string()?)
}

/// Asks so often, one after the other.
pub async fn echo(times: usize) -> Measured {
    let echo = echoing();
    let mut each = Vec::with_capacity(times);
    for _ in 0..times / 10 {
        ask(&echo).await.expect("an answer");
    }
    let began = Instant::now();
    let mut before = began;
    for _ in 0..times {
        ask(&echo).await.expect("an answer");
        let now = Instant::now();
        each.push((now - before).as_nanos());
        before = now;
    }
    Measured::of(each, began.elapsed().as_nanos())
}

/// Asks so often, so many at a time.
pub async fn flight(times: usize, at_once: usize) -> Measured {
    let echo = echoing();
    let calls = |times: usize| {
        stream::iter((0..times).map(|_| ask(&echo)))
            .buffer_unordered(at_once)
            .try_for_each(async |_| Ok(()))
    };
    calls(times / 10).await.expect("answers");
    let began = Instant::now();
    calls(times).await.expect("answers");
    let all = began.elapsed().as_nanos();
    Measured::of(vec![all], all)
}

/// Writes so many MiB.
pub async fn stream(mebibytes: usize) -> Measured {
    let served: byte_stream::Client = capnp_rpc::new_client(Swallow);
    let out: byte_stream::Client = connected(capnp::capability::FromClientHook::cast_to(served));
    let piece = vec![7; 1 << 20];
    let began = Instant::now();
    for _ in 0..mebibytes {
        let mut request = out.write_request();
        request.get().set_bytes(&piece);
        request.send().promise.await.expect("it takes it");
    }
    let all = began.elapsed().as_nanos();
    Measured::of(vec![all], all)
}
