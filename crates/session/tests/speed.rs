//! A session is as fast as tokio's own copy of bytes, which knows nothing of it.
//! What it prints also tells how near it is to a copy with buffers as large as
//! its own.

#![allow(clippy::unwrap_used)]

mod common;

use std::time::{Duration, Instant};

use common::{WELCOME, fake, read_startup, startup};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use vesicle_session::Postgres;

/// How much goes through, once, from the server to the guest.
const BYTES: usize = 256 << 20;

/// How many times each way is tried at least and at most; the best counts,
/// because what disturbs a measurement makes it slower only.
const ROUNDS: std::ops::RangeInclusive<usize> = 5..=25;

/// A server that sends all it has at once.
async fn flood(mut stream: TcpStream) {
    read_startup(&mut stream).await;
    stream.write_all(WELCOME).await.unwrap();
    let chunk = vec![7; 1 << 20];
    for _ in 0..BYTES / chunk.len() {
        stream.write_all(&chunk).await.unwrap();
    }
}

#[derive(Clone, Copy)]
enum Way {
    Session,
    /// `copy_bidirectional` of tokio, with buffers of this size.
    Copy(usize),
}

/// How long it takes from asking until all is there.
async fn time(way: Way, postgres: &Postgres) -> Duration {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let postgres = postgres.clone();
    tokio::spawn(async move {
        let (mut guest, _) = listener.accept().await.unwrap();
        match way {
            Way::Session => {
                postgres.open().await.unwrap().serve(guest).await.unwrap();
            }
            Way::Copy(size) => {
                let address = postgres.endpoint.addresses[0];
                let mut server = TcpStream::connect(address).await.unwrap();
                tokio::io::copy_bidirectional_with_sizes(&mut guest, &mut server, size, size)
                    .await
                    .unwrap();
            }
        }
    });
    let mut guest = TcpStream::connect(address).await.unwrap();
    guest.write_all(&startup(&["user", "u"])).await.unwrap();
    let mut buffer = vec![0; 1 << 20];
    let began = Instant::now();
    let mut heard = 0;
    while heard < WELCOME.len() + BYTES {
        let read = guest.read(&mut buffer).await.unwrap();
        assert_ne!(read, 0, "it ended after {heard} bytes");
        heard += read;
    }
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_as_fast_as_tokios_own_copy() {
    let postgres = Postgres {
        connect_timeout: Duration::from_secs(10),
        ..fake(flood).await
    };
    let ways = [Way::Session, Way::Copy(256 * 1024), Way::Copy(8 * 1024)];
    let mut best = [Duration::MAX; 3];
    let speed = |time: Duration| (BYTES >> 20) as f64 / time.as_secs_f64();
    let mut said = String::new();
    for round in 1..=*ROUNDS.end() {
        // In turn, so that what else this machine does hits all alike.
        for (best, way) in best.iter_mut().zip(ways) {
            *best = (*best).min(time(way, &postgres).await);
        }
        let [session, large, small] = best.map(speed);
        said =
            format!("MiB/s: session {session:.0}, copy by 256 KiB {large:.0}, by 8 KiB {small:.0}");
        if round >= *ROUNDS.start() && session > small {
            println!("{said}");
            return;
        }
    }
    panic!("{said}");
}
