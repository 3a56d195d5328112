//! Hosts with networks of their own, joined by a cable that can be cut.
//!
//! Each host is a process in a network namespace of its own: this program again,
//! as `node`. It needs root and `ip`, and fails without. Its own `main`, since a
//! test that starts itself as something else is no plain one.
#![allow(clippy::unwrap_used)]

mod cable;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use cable::{Cable, remove_left_behind};
use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use tempfile::TempDir;
use vesicle_cell::network::{Config, Identity, Multiaddr, Network, Pauses, PeerId};

type Test = (&'static str, fn());
const TESTS: [Test; 2] = [
    (
        "hosts_find_each_other_over_tcp_and_again_after_the_cable_was_cut",
        || hosts_find_each_other("tcp/4747"),
    ),
    (
        "hosts_find_each_other_over_quic_and_again_after_the_cable_was_cut",
        || hosts_find_each_other("udp/4747/quic-v1"),
    ),
];

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if let [node, identity, listen, peer, at] = arguments.as_slice()
        && node == "node"
    {
        run_node(identity, listen, peer, at);
        return ExitCode::SUCCESS;
    }
    if arguments.iter().any(|argument| argument == "--list") {
        TESTS.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    let filter = arguments.iter().find(|argument| !argument.starts_with('-'));
    let wanted = |name: &str| filter.is_none_or(|filter| name.contains(filter));
    remove_left_behind();
    // A thread that panics takes its namespaces with it like one that does not.
    let tests = TESTS.iter().filter(|(name, _)| wanted(name));
    let tests: Vec<_> = tests
        .map(|(name, test)| (name, thread::spawn(test)))
        .collect();
    let mut failed = 0;
    for (name, test) in tests {
        let passed = test.join().is_ok();
        println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
        failed += u8::from(!passed);
    }
    ExitCode::from(failed)
}

fn hosts_find_each_other(carrier: &str) {
    let folder = TempDir::new().unwrap();
    let cable = Cable::new(carrier.split('/').next().unwrap());
    let ids = cable.namespaces.each_ref().map(|name| {
        let identity = Identity::open(&folder.path().join(name)).unwrap();
        identity.id().to_string()
    });
    let at = |side| format!("/ip4/10.47.0.{}/{carrier}", side + 1);
    let start = |side: usize| {
        let identity = folder.path().join(&cable.namespaces[side]);
        let other = 1 - side;
        Node::start(
            &cable,
            side,
            &identity,
            [&at(side), &ids[other], &at(other)],
        )
    };
    let mut nodes = [start(0), start(1)];
    for (side, node) in nodes.iter_mut().enumerate() {
        node.says(&format!("listens on {}/p2p/{}", at(side), ids[side]));
    }
    let both_say = |nodes: &mut [Node; 2], lines: [&str; 2]| {
        for node in nodes.iter_mut() {
            lines.iter().for_each(|line| node.says(line));
        }
    };
    both_say(&mut nodes, ["connected", "answered"]);
    // No packet says that the other is gone.
    cable.set(0, "down");
    nodes.iter_mut().for_each(|node| node.says("lost"));
    cable.set(0, "up");
    both_say(&mut nodes, ["connected", "answered"]);
}

/// A host in a namespace, which ends with this.
struct Node {
    process: Child,
    lines: mpsc::Receiver<String>,
    name: String,
}

impl Node {
    fn start(cable: &Cable, side: usize, identity: &Path, arguments: [&str; 3]) -> Self {
        let mut process = Command::new("ip")
            .args(["netns", "exec", &cable.namespaces[side]])
            .arg(std::env::current_exe().unwrap())
            .arg("node")
            .arg(identity)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(process.stdout.take().unwrap());
        let (to_lines, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in said.lines() {
                if to_lines.send(line.unwrap()).is_err() {
                    break;
                }
            }
        });
        Self {
            process,
            lines,
            name: cable.namespaces[side].clone(),
        }
    }

    /// Waits until it says something, which has to be this.
    fn says(&mut self, expected: &str) {
        let line = self.lines.recv_timeout(Duration::from_secs(60));
        assert_eq!(line.as_deref(), Ok(expected), "what {} says", self.name);
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What runs inside: says when it is connected, answered, and alone again.
#[tokio::main(flavor = "current_thread")]
async fn run_node(identity: &str, listen: &str, peer: &str, at: &str) {
    // Nobody is left behind, however the test ended.
    thread::spawn(|| {
        let _ = std::io::stdin().read_line(&mut String::new());
        std::process::exit(0);
    });
    let peer: PeerId = peer.parse().unwrap();
    let mut config = Config::new(Identity::open(Path::new(identity)).unwrap());
    config.listen = vec![listen.parse().unwrap()];
    config.boot = vec![(peer, vec![at.parse::<Multiaddr>().unwrap()])];
    config.pulse = Duration::from_millis(250);
    config.limits.handshake = Duration::from_secs(1);
    config.pauses = Pauses {
        first: Duration::from_millis(50),
        longest: Duration::from_millis(500),
    };
    let network = Network::start(config).await.unwrap();
    println!("listens on {}", network.addresses()[0]);
    let echo = echo(network.clone());
    tokio::spawn(echo);
    loop {
        network.connected(&peer).await.unwrap();
        println!("connected");
        while ask(&network, &peer).await.is_none() {}
        println!("answered");
        network.disconnected(&peer).await.unwrap();
        assert!(network.peers().is_empty());
        println!("lost");
    }
}

/// Sends each who opens a stream back what it sends.
async fn echo(network: Network) {
    let mut incoming = network.incoming().unwrap();
    while let Some((_, stream)) = incoming.next().await {
        tokio::spawn(async move {
            let (from, mut to) = stream.split();
            let _ = futures::io::copy(from, &mut to).await;
            let _ = to.close().await;
        });
    }
}

/// Whether the peer sends back what it is sent. A connection that two made at once
/// may end meanwhile.
async fn ask(network: &Network, peer: &PeerId) -> Option<()> {
    let mut stream = network.connect(peer).await.ok()?;
    stream.write_all(b"are you there?").await.ok()?;
    stream.close().await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    assert_eq!(answer, "are you there?");
    Some(())
}
