//! A component that waits for a socket: the other tasks in it go on, and
//! waiting costs nothing.

#![allow(clippy::unwrap_used)]

mod common;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use common::child::{PATIENCE, Running};
use common::confined::Confined;

/// How long a waiting process is watched.
const WATCHED: Duration = Duration::from_secs(10);
/// The processor time that it may use meanwhile.
const ALLOWED: Duration = Duration::from_millis(50);

/// A server at an address, which does one thing.
fn server(serve: impl FnOnce(&Listener) + Send + 'static) -> (String, JoinHandle<()>) {
    let listener = Listener(TcpListener::bind("127.0.0.1:0").unwrap());
    let address = listener.0.local_addr().unwrap().to_string();
    (address, std::thread::spawn(move || serve(&listener)))
}

struct Listener(TcpListener);

impl Listener {
    /// The next connection, on which nobody waits forever.
    fn accept(&self) -> TcpStream {
        self.0.set_nonblocking(true).unwrap();
        let begin = Instant::now();
        loop {
            match self.0.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(false).unwrap();
                    stream.set_read_timeout(Some(PATIENCE)).unwrap();
                    return stream;
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) => panic!("{error}"),
            }
            assert!(begin.elapsed() < PATIENCE, "nobody connects");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Waits for the request.
fn hear(stream: &TcpStream) {
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    assert_eq!(line, "speak\n");
}

/// A source that waits for the server at an address.
fn silent(mode: &str, address: &str) -> Confined {
    let config = format!("mode: {mode}, address: {address:?}");
    Confined::new("silent-socket", &config).limited("idle_timeout: 60s")
}

#[test]
fn a_task_that_waits_for_a_silent_socket_does_not_stop_the_one_that_makes_it_speak() {
    let (address, serving) = server(|listener| {
        let mut silent = listener.accept();
        let asking = listener.accept();
        hear(&asking);
        silent.write_all(b"spoken").unwrap();
    });
    let confined = silent("two-connections", &address);
    confined.run().expect_exit(0);
    assert_eq!(confined.arrived()["heard"], "spoken");
    serving.join().unwrap();
}

#[test]
fn a_task_that_reads_does_not_stop_the_one_that_writes_on_the_same_connection() {
    let (address, serving) = server(|listener| {
        let mut silent = listener.accept();
        hear(&silent);
        silent.write_all(b"spoken").unwrap();
    });
    let confined = silent("one-connection", &address);
    confined.run().expect_exit(0);
    assert_eq!(confined.arrived()["heard"], "spoken");
    serving.join().unwrap();
}

#[test]
fn ten_idle_seconds_cost_less_than_fifty_milliseconds_of_processor_time() {
    let cases = ["idle", "ticking"].map(|mode| {
        let (connected, is_connected) = std::sync::mpsc::channel();
        let (enough, is_enough) = std::sync::mpsc::channel::<()>();
        let (address, serving) = server(move |listener| {
            let mut silent = listener.accept();
            connected.send(()).unwrap();
            is_enough.recv().unwrap();
            silent.write_all(b"at last").unwrap();
        });
        let confined = silent(mode, &address);
        let process = Running::start(confined.command(&[]));
        (mode, confined, process, is_connected, enough, serving)
    });
    for (_, _, _, is_connected, ..) in &cases {
        is_connected.recv_timeout(PATIENCE).unwrap();
    }
    // What ends with starting, such as the epoch's thread going to sleep.
    std::thread::sleep(Duration::from_secs(1));
    let before = cases
        .each_ref()
        .map(|(_, _, process, ..)| process.processor_time());
    std::thread::sleep(WATCHED);
    let after = cases
        .each_ref()
        .map(|(_, _, process, ..)| process.processor_time());
    for (case, (mode, confined, process, _, enough, serving)) in cases.into_iter().enumerate() {
        assert!(
            !before[case].is_zero(),
            "starting takes time, and none was measured"
        );
        let used = after[case] - before[case];
        println!("{mode}: {} ms in {} s", used.as_millis(), WATCHED.as_secs());
        assert!(used < ALLOWED, "{mode}: {used:?}");
        enough.send(()).unwrap();
        process.wait().expect_exit(0);
        assert_eq!(confined.arrived()["heard"], "at last");
        serving.join().unwrap();
    }
}
