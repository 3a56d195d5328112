//! A server serves, comes back after it was killed, and leaves nothing behind.

use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use vesicle_test_postgres::{Auth, Options, Server};

#[test]
fn what_was_committed_is_there_after_the_server_was_killed() {
    let mut server = Server::start(Options::default());
    server.sql("create table t (a int); insert into t select generate_series(1, 1000)");
    server.kill();
    assert!(server.try_sql("select 1").is_err());
    server.restart();
    assert_eq!(server.sql("select count(*), sum(a) from t"), "1000|500500");
    assert!(
        server.log().contains("automatic recovery"),
        "{}",
        server.log()
    );
}

#[test]
fn a_panic_takes_the_server_and_its_folder_along() {
    let (port, folder) = std::thread::spawn(|| {
        let server = Server::start(Options {
            auth: Auth::Md5,
            ..Options::default()
        });
        let at = (
            server.port(),
            server.root_certificate().parent().unwrap().to_owned(),
        );
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _server = server;
            panic!("as a test that fails does");
        }));
        assert!(caught.is_err());
        at
    })
    .join()
    .unwrap();
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    assert!(!folder.exists());
}

/// Where it runs in a process of its own, it is the test that gets killed.
#[test]
fn a_test_that_is_killed_takes_the_server_and_its_folder_along() {
    const VICTIM: &str = "VESICLE_TEST_POSTGRES_VICTIM";
    if std::env::var_os(VICTIM).is_some() {
        let server = Server::start(Options::default());
        let folder = server.root_certificate().parent().unwrap().to_owned();
        println!("\nholds {} {}", server.port(), folder.display());
        std::thread::sleep(Duration::from_secs(600));
        return;
    }
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture"])
        .arg("a_test_that_is_killed_takes_the_server_and_its_folder_along")
        .env(VICTIM, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(victim.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix("holds ").map(str::to_owned));
    victim.kill().unwrap();
    victim.wait().unwrap();
    let said = said.expect("it starts a server");
    let (port, folder) = said.split_once(' ').unwrap();
    let port: u16 = port.parse().unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while Path::new(folder).exists() || TcpStream::connect(("127.0.0.1", port)).is_ok() {
        assert!(Instant::now() < deadline, "{folder} is still there");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn each_way_to_sign_in_is_the_one_asked_for() {
    for (auth, kept) in [(Auth::ScramSha256, "SCRAM"), (Auth::Md5, "md5")] {
        let server = Server::start(Options {
            auth,
            tls: vec!["localhost".to_owned(), "127.0.0.1".to_owned()],
            settings: vec![("work_mem".to_owned(), "5MB".to_owned())],
        });
        let stored = server.sql("select rolpassword from pg_authid where rolname = 'postgres'");
        assert!(stored.starts_with(kept), "{stored}");
        assert_eq!(server.sql("show work_mem"), "5MB");
        let tls = server.sql("select ssl from pg_stat_ssl where pid = pg_backend_pid()");
        assert_eq!(tls, "t", "psql takes TLS where it is offered");
    }
}
