//! Tries whatever it was not given, and prints what it got.

use std::fs;
use std::io::Read as _;
use std::net::{TcpListener, TcpStream, ToSocketAddrs as _, UdpSocket};
use std::process::ExitCode;

use vesicle_cell_sdk::capnp::capability::{Client, FromClientHook};
use vesicle_cell_sdk::protocol::cell_capnp::session;
use vesicle_cell_sdk::protocol::cell_capnp::{byte_stream, executor, host, process, program};
use vesicle_cell_sdk::protocol::membrane_capnp::{epochs, membrane};
use vesicle_cell_sdk::{Cell, Result, run};

/// What was tried, and what came of it.
#[derive(Default)]
struct Tries(u32);

impl Tries {
    fn see<T, E>(&mut self, what: &str, tried: Result<T, E>) {
        self.0 += 1;
        if tried.is_ok() {
            println!("got {what}");
        }
    }

    fn see_some(&mut self, what: &str, found: impl std::fmt::Debug, is_some: bool) {
        self.0 += 1;
        if is_some {
            println!("got {what}: {found:?}");
        }
    }
}

pub fn steal(port: u16) -> ExitCode {
    run(async move |cell: Cell| {
        let mut tries = Tries::default();
        files(&mut tries);
        surroundings(&mut tries);
        network(&mut tries, port);
        calls(&mut tries, &cell).await;
        println!("{} tries", tries.0);
        Ok(())
    })
}

fn files(tries: &mut Tries) {
    for path in [
        "/",
        ".",
        "..",
        "/..",
        "/etc",
        "/usr",
        "/usr/lib",
        "/proc",
        "/tmp",
        "/dev",
        "/home",
        "/root",
        "../../../../etc",
        "/usr/lib/../../..",
    ] {
        tries.see(&format!("the list of {path}"), fs::read_dir(path));
    }
    for path in [
        "/etc/passwd",
        "../../../../etc/passwd",
        "/proc/self/environ",
        "/proc/self/cmdline",
        "/proc/self/root/etc/passwd",
        "/proc/self/fd/0",
        "/dev/tty",
        "/dev/stdin",
        "/dev/null",
        "/self.wasm",
        "/usr/lib/child-echo.wasm",
        "etc/passwd",
        "",
    ] {
        tries.see(&format!("what is in {path:?}"), fs::read(path));
        tries.see(&format!("the kind of {path:?}"), fs::metadata(path));
    }
    for path in ["/tmp/stolen", "stolen", "/stolen", "/dev/shm/stolen"] {
        tries.see(&format!("to write {path}"), fs::write(path, "x"));
        tries.see(&format!("to make {path}"), fs::create_dir(path));
        tries.see(&format!("to remove {path}"), fs::remove_file(path));
        tries.see(
            &format!("to rename {path}"),
            fs::rename("/etc/passwd", path),
        );
        tries.see(
            &format!("to link {path}"),
            fs::hard_link("/etc/passwd", path),
        );
    }
    tries.see("a folder to go to", std::env::set_current_dir("/etc"));
}

fn surroundings(tries: &mut Tries) {
    let variables: Vec<_> = std::env::vars().collect();
    let is_some = !variables.is_empty();
    tries.see_some("variables", variables, is_some);
    let arguments: Vec<_> = std::env::args().skip(3).collect();
    let is_some = !arguments.is_empty();
    tries.see_some("arguments", arguments, is_some);
    let mut input = Vec::new();
    let _ = std::io::stdin().read_to_end(&mut input);
    let is_some = !input.is_empty();
    tries.see_some("input", input, is_some);
    use std::io::IsTerminal as _;
    tries.see_some("a terminal", (), std::io::stdin().is_terminal());
    tries.see_some("a terminal to write", (), std::io::stdout().is_terminal());
}

fn network(tries: &mut Tries, port: u16) {
    for host in [
        "127.0.0.1",
        "[::1]",
        "localhost",
        "0.0.0.0",
        "[::ffff:127.0.0.1]",
    ] {
        let address = format!("{host}:{port}");
        tries.see(&format!("to {address}"), TcpStream::connect(&*address));
        tries.see(
            &format!("to listen at {host}"),
            TcpListener::bind(format!("{host}:0")),
        );
        tries.see(
            &format!("to listen at {address}"),
            TcpListener::bind(&*address),
        );
        let sent = UdpSocket::bind(format!("{host}:0"))
            .and_then(|socket| socket.send_to(b"stolen", &*address));
        tries.see(&format!("to send to {address}"), sent);
    }
    for name in ["localhost", "example.com", "metadata.google.internal"] {
        tries.see(
            &format!("the address of {name}"),
            (name, port).to_socket_addrs(),
        );
    }
}

/// Calls what it was handed by methods that it was not.
async fn calls(tries: &mut Tries, cell: &Cell) {
    let handed: Client = cell.bootstrap();
    every("what it was handed", tries, &handed, &[]).await;
    match cell.graft().await {
        Ok(session) => {
            every(
                "the host",
                tries,
                &session.host.client,
                &["id", "addresses", "peers"],
            )
            .await;
            every("the executor", tries, &session.executor.client, &["echo"]).await;
            println!("grafted");
        }
        Err(error) => println!("not grafted: {error}"),
    }
}

async fn every(name: &str, tries: &mut Tries, client: &Client, expected: &[&str]) {
    let cast = |client: &Client| client.clone();
    let hosts: host::Client = cast(client).cast_to();
    let executors: executor::Client = cast(client).cast_to();
    let processes: process::Client = cast(client).cast_to();
    let programs: program::Client = cast(client).cast_to();
    let streams: byte_stream::Client = cast(client).cast_to();
    let advancing: epochs::Client = cast(client).cast_to();
    let membranes: membrane::Client<session::Owned> = cast(client).cast_to();
    macro_rules! try_call {
        ($what:literal, $request:expr) => {
            let called = $request.send().promise.await.map(drop);
            if !expected.contains(&$what) {
                tries.see(&format!("{} of {name}", $what), called);
            }
        };
    }
    try_call!("id", hosts.id_request());
    try_call!("addresses", hosts.addresses_request());
    try_call!("peers", hosts.peers_request());
    try_call!("echo", executors.echo_request());
    try_call!("start", programs.start_request());
    try_call!("wait", processes.wait_request());
    try_call!("kill", processes.kill_request());
    try_call!("exported", processes.exported_request());
    try_call!("read", streams.read_request());
    try_call!("write", streams.write_request());
    try_call!("current", advancing.current_request());
    try_call!("advance", advancing.advance_request());
    if name != "what it was handed" {
        try_call!("status", membranes.status_request());
        try_call!("graft", membranes.graft_request());
    }
}
