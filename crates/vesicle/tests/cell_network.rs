//! Two hosts on loopback, each a `vesicle run --listen`, that know each other from
//! `boot/` of their images.

#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{ChildStdout, Command};

use common::cells::{Cell, Host, guest, said};
use rustix::process::Signal;
use tempfile::TempDir;

/// A free port of loopback.
const TCP: &str = "/ip4/127.0.0.1/tcp/0";
const QUIC: &str = "/ip4/127.0.0.1/udp/0/quic-v1";

/// An image whose component serves peers and visits them, and knows those.
fn image(peers: &[(&str, &str)]) -> TempDir {
    let folder = common::folder();
    for part in ["bin", "boot"] {
        fs::create_dir(folder.path().join(part)).unwrap();
    }
    fs::copy(guest("cell-neighbour"), folder.path().join("bin/main.wasm")).unwrap();
    for (id, address) in peers {
        let text = format!("# where it listens\n{address}\n");
        fs::write(folder.path().join("boot").join(id), text).unwrap();
    }
    folder
}

fn run(host: &Host, listen: &[&str], image: &Path, words: &[&str]) -> Command {
    let mut command = host.vesicle(&["run"]);
    for address in listen {
        command.args(["--listen", address]);
    }
    command.arg(image).arg("--").args(words);
    command
}

/// What a cell prints.
struct Printed(BufReader<ChildStdout>);

impl Printed {
    fn of(cell: &mut Cell) -> Self {
        Self(BufReader::new(cell.0.stdout.take().unwrap()))
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line
    }

    fn rest(mut self) -> String {
        let mut rest = String::new();
        self.0.read_to_string(&mut rest).unwrap();
        rest
    }
}

/// Where a cell says that it listens, and the id at the end of that.
fn told(cell: &mut Cell) -> (String, String) {
    let line = cell.says();
    let address = line.strip_prefix("listening on ").expect(&line);
    let (at, id) = address.rsplit_once("/p2p/").expect(&line);
    (at.to_owned(), id.to_owned())
}

#[test]
fn a_cell_reaches_what_a_cell_of_another_host_serves_and_both_end_well() {
    // Keys are of a user.
    let (one, other) = (Host::new(), Host::new());
    let alone = image(&[]);
    let mut serving = one.start(run(&one, &[TCP, QUIC], alone.path(), &["serve"]));
    let mut printed = Printed::of(&mut serving);
    assert_eq!(printed.line(), "serving\n");
    let mut listening = [told(&mut serving), told(&mut serving)];
    listening.sort();
    let [(tcp, id), (quic, id_again)] = listening;
    assert_eq!(id, id_again);
    assert!(tcp.starts_with("/ip4/127.0.0.1/tcp/"), "{tcp}");
    assert!(quic.starts_with("/ip4/127.0.0.1/udp/"), "{quic}");
    let knowing = image(&[(&id, &tcp)]);
    let visit = run(&other, &[TCP], knowing.path(), &["visit", &id]).output();
    let visit = visit.unwrap();
    assert_eq!(visit.status.code(), Some(0), "{}", said(&visit));
    assert_eq!(
        String::from_utf8_lossy(&visit.stdout),
        "epoch 0: a neighbour heard hello\nstale: 0 of 1\nepoch 1: a neighbour heard hello again\n"
    );
    assert_eq!(said(&visit).lines().count(), 1, "{}", said(&visit));
    assert_eq!(
        printed.rest(),
        "grafted in epoch 0\n\
         refused: the session was of epoch 0, and this is epoch 1; graft again\n\
         grafted in epoch 1\n"
    );
    assert_eq!(serving.0.wait().unwrap().code(), Some(0));
    assert_eq!(serving.said(), "");
}

#[test]
fn ctrl_c_ends_connected_hosts_at_once() {
    for transport in [TCP, QUIC] {
        let (one, other) = (Host::new(), Host::new());
        let alone = image(&[]);
        let mut serving = one.start(run(&one, &[transport], alone.path(), &["serve"]));
        let (at, id) = told(&mut serving);
        let knowing = image(&[(&id, &at)]);
        let command = run(&other, &[transport], knowing.path(), &["stay", &id]);
        let mut visiting = other.start(command);
        let mut printed = Printed::of(&mut visiting);
        assert_eq!(printed.line(), "a neighbour heard hello\n");
        for cell in [&serving, &visiting] {
            cell.signal(Signal::INT);
        }
        assert_eq!(serving.ends_soon().code(), Some(130));
        assert_eq!(visiting.ends_soon().code(), Some(130));
        assert_eq!(
            Printed::of(&mut serving).rest(),
            "serving\ngrafted in epoch 0\n"
        );
        assert_eq!(printed.rest(), "");
        let last = |cell: &mut Cell| cell.said().lines().last().map(str::to_owned);
        let ended = |image: &TempDir| {
            let name = image.path().file_name().unwrap().to_string_lossy();
            Some(format!("error: {name}: interrupted"))
        };
        assert_eq!(last(&mut serving), ended(&alone));
        assert_eq!(last(&mut visiting), ended(&knowing));
        for host in [&one, &other] {
            assert_eq!(host.listed(), serde_json::json!([]));
        }
    }
}

#[test]
fn a_host_has_its_name_for_as_long_as_its_key() {
    let host = Host::new();
    let image = image(&[]);
    let ids = [(); 2].map(|()| {
        let mut cell = host.start(run(&host, &[TCP], image.path(), &["serve"]));
        let (_, id) = told(&mut cell);
        cell.signal(Signal::TERM);
        assert_eq!(cell.ends_soon().code(), Some(143));
        id
    });
    assert_eq!(ids[0], ids[1]);
}

#[test]
fn an_address_that_is_none_or_taken_is_told_before_anything_runs() {
    let host = Host::new();
    let image = image(&[]);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let taken = format!("/ip4/127.0.0.1/tcp/{port}");
    for (address, status, says) in [
        (
            "127.0.0.1:4747",
            2,
            "one looks like /ip4/127.0.0.1/tcp/4747",
        ),
        ("/dns4/localhost/tcp/4747", 6, "write /ip4/ADDRESS/tcp/PORT"),
        (&taken, 6, "another program listens there"),
    ] {
        let output = run(&host, &[address], image.path(), &["serve"]).output();
        let output = output.unwrap();
        assert!(said(&output).contains(says), "{}", said(&output));
        assert_eq!(output.status.code(), Some(status), "{}", said(&output));
        assert_eq!(output.stdout, b"");
    }
}
