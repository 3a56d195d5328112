//! Hosts on loopback.
#![allow(dead_code)]

use std::future::Future;
use std::net::TcpListener;
use std::time::Duration;

use vesicle_cell::network::{Config, Identity, Network, Pauses};

pub const TCP: &str = "/ip4/127.0.0.1/tcp/0";
pub const QUIC: &str = "/ip4/127.0.0.1/udp/0/quic-v1";
pub const TRANSPORTS: [&str; 2] = [TCP, QUIC];

/// Waits for what has to happen.
pub async fn within<T>(future: impl Future<Output = T>) -> T {
    let ends = tokio::time::timeout(Duration::from_secs(60), future);
    ends.await.expect("it happens within a minute")
}

pub async fn start(config: Config) -> Network {
    within(Network::start(config)).await.unwrap()
}

/// A host that listens, and dials nobody.
pub fn anywhere(at: &str) -> Config {
    let mut config = Config::new(Identity::passing());
    config.listen = vec![at.parse().unwrap()];
    config
}

/// A host that dials others, and listens nowhere.
pub fn node(boot: &[&Network]) -> Config {
    let mut config = Config::new(Identity::passing());
    config.boot = boot
        .iter()
        .map(|peer| (peer.id(), peer.addresses()))
        .collect();
    config.pauses = soon();
    config
}

/// Pauses that no test waits long for.
pub fn soon() -> Pauses {
    Pauses {
        first: Duration::from_millis(10),
        longest: Duration::from_millis(200),
    }
}

/// A port of TCP at which nobody listens.
pub fn port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// CPU time that the current thread has used.
pub fn cpu_of_this_thread() -> Duration {
    let spent = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    let nanoseconds = spent.split(' ').next().unwrap().parse();
    Duration::from_nanos(nanoseconds.unwrap())
}
