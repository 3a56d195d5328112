//! A component that asks for everything in its manifest reaches only what the
//! document grants, and one without a manifest reaches nothing; whatever they
//! try is denied, told, and in the audit.

#![allow(clippy::unwrap_used)]

mod common;

use std::io::ErrorKind;
use std::net::TcpListener;

use common::confined::{Confined, SECRET, VARIABLE};

const HOSTILE: &str = "hostile-source";
const DENIED: i32 = 5;

/// A server that nobody may reach, and its address.
fn server() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

/// Whether anybody has connected.
fn was_reached(listener: &TcpListener) -> bool {
    match listener.accept() {
        Ok(_) => true,
        Err(error) if error.kind() == ErrorKind::WouldBlock => false,
        Err(error) => panic!("{error}"),
    }
}

/// Runs one deed that has to be denied, with its only line in the audit.
#[track_caller]
fn denied(confined: &Confined, error: &str, access: &str, target: &str) {
    let ended = confined
        .run()
        .expect_failed(DENIED, error)
        .expect_denied(HOSTILE, access, target);
    confined.check_empty_handed(&ended);
}

#[test]
fn a_connection_that_was_not_granted_is_denied_and_never_made() {
    let (listener, address) = server();
    for mode in ["connect", "connect-blocking"] {
        let error = format!("source hostile-source, stream s: {address}: ");
        denied(
            &Confined::hostile(mode, &address),
            &error,
            "connect",
            &address,
        );
    }
    assert!(!was_reached(&listener));
    let elsewhere = "10.0.0.1:80";
    denied(
        &Confined::hostile("connect", elsewhere),
        elsewhere,
        "connect",
        elsewhere,
    );
}

#[test]
fn a_connection_that_document_and_manifest_name_is_made_and_no_other() {
    let (listener, address) = server();
    let grant = format!("connect: [{address:?}]");
    let target = format!("{address} ({address})");
    for mode in ["connect", "connect-blocking"] {
        let confined = Confined::hostile(mode, &address).granted(&grant);
        let ended = confined.run().expect_exit(0);
        assert_eq!(
            ended.verdict(HOSTILE, "connect", &target),
            Some(true),
            "{ended:#?}"
        );
        assert_eq!(
            confined.arrived()["loot"],
            format!("connected to {address}")
        );
        assert!(was_reached(&listener));
    }
    let (other, beside) = server();
    let confined = Confined::hostile("connect", &beside).granted(&grant);
    denied(&confined, &beside, "connect", &beside);
    assert!(!was_reached(&other));
}

#[test]
fn a_granted_name_is_resolved_by_the_host_and_no_other_name_is() {
    denied(
        &Confined::hostile("resolve", "localhost"),
        "localhost",
        "resolve",
        "localhost",
    );
    denied(
        &Confined::hostile("resolve-blocking", "localhost"),
        "localhost",
        "resolve",
        "localhost",
    );
    let (_listener, address) = server();
    let port = address.rsplit_once(':').unwrap().1;
    let confined = Confined::hostile("resolve", "localhost")
        .granted(&format!("connect: [\"localhost:{port}\"]"));
    let ended = confined.run().expect_exit(0);
    assert_eq!(ended.verdict(HOSTILE, "resolve", "localhost"), Some(true));
}

#[test]
fn nothing_is_listened_on_and_no_datagram_is_sent() {
    let (_listener, address) = server();
    let grant = format!("connect: [{address:?}]");
    for permissions in ["", &grant] {
        let confined = Confined::hostile("listen", "").granted(permissions);
        let ended = confined.run().expect_failed(DENIED, "listen: ");
        let line = ended
            .stderr
            .lines()
            .find(|line| line.starts_with("audit: "));
        let line = line.unwrap_or_else(|| panic!("{ended:#?}"));
        assert!(
            line.starts_with("audit: denied hostile-source listen 0.0.0.0:"),
            "{line}"
        );
        let confined = Confined::hostile("send-datagram", &address).granted(permissions);
        denied(&confined, "a datagram: ", "connect", "anything by UDP");
    }
}

#[test]
fn the_environment_of_the_host_is_not_there_to_see() {
    let error = format!("{VARIABLE} is not to be seen among 0 variables");
    let confined = Confined::hostile("environment", VARIABLE);
    denied(&confined, &error, "environment", "all variables");
    let confined = Confined::hostile("environment", "PATH").granted(&format!("env: [{VARIABLE}]"));
    let ended = confined
        .run()
        .expect_failed(DENIED, "PATH is not to be seen among 1 variables");
    confined.check_empty_handed(&ended);
}

#[test]
fn a_variable_that_document_and_manifest_name_is_seen() {
    let confined =
        Confined::hostile("environment", VARIABLE).granted(&format!("env: [{VARIABLE}]"));
    confined.run().expect_exit(0);
    assert_eq!(confined.arrived()["loot"], SECRET);
}

#[test]
fn a_file_beside_a_granted_one_is_as_far_away_as_any_other() {
    let granted = "read: [granted.txt]";
    let confined = Confined::hostile("read", "granted.txt").granted(granted);
    confined.run().expect_exit(0);
    assert_eq!(confined.arrived()["loot"], "for everybody");
    for mode in ["read", "open", "look"] {
        for target in ["sibling.txt", "../outside/secret.txt", "scratch/way-out"] {
            let confined = Confined::hostile(mode, target).granted(granted);
            denied(&confined, "[denied]", "read", target);
        }
    }
    denied(
        &Confined::hostile("list", "").granted(granted),
        "list in 1 folders",
        "read",
        ".",
    );
}

#[test]
fn a_file_is_not_reached_by_its_absolute_path() {
    let confined = Confined::hostile("read", "/etc/passwd");
    let ended = confined.run().expect_failed(DENIED, "/etc/passwd: ");
    let asked = |entry: &serde_json::Value| entry["component"] == HOSTILE;
    let report = ended.report();
    assert!(
        !report["audit"].as_array().unwrap().iter().any(asked),
        "it has no folder to ask"
    );
    for permissions in ["read: [granted.txt]", "write: [scratch]"] {
        let outside = Confined::hostile("open", "").outside("secret.txt");
        for target in [outside.to_str().unwrap(), "/etc/passwd"] {
            let confined = Confined::hostile("open", target).granted(permissions);
            denied(&confined, "not-permitted", "read", target);
        }
    }
}

#[test]
fn a_granted_folder_is_not_left_by_dots() {
    for target in [
        "../../outside/secret.txt",
        "../sibling.txt",
        "a/../../sibling.txt",
    ] {
        for mode in ["open", "look"] {
            let confined = Confined::hostile(mode, target).granted("write: [scratch]");
            denied(
                &confined,
                "not-permitted",
                "read",
                &format!("scratch/{target}"),
            );
        }
    }
}

#[test]
fn a_granted_folder_is_not_left_by_a_link_that_is_there() {
    for mode in ["open", "look"] {
        let confined = Confined::hostile(mode, "way-out").granted("write: [scratch]");
        denied(&confined, "not-permitted", "read", "scratch/way-out");
    }
}

#[test]
fn a_granted_folder_is_not_left_by_a_link_of_its_own_making() {
    for target in ["../../outside/secret.txt", "/etc/passwd", "mine"] {
        for mode in ["link", "link-hard"] {
            let confined = Confined::hostile(mode, target).granted("write: [scratch]");
            denied(&confined, "not-permitted", "write", "scratch/escape");
            assert_eq!(common::list(&confined.inside("scratch")), ["way-out"]);
        }
    }
}

#[test]
fn nothing_is_moved_out_of_a_granted_folder_or_into_it() {
    let confined = Confined::hostile("rename", "../../outside/secret.txt");
    let confined = confined.granted("write: [scratch]");
    denied(
        &confined,
        "rename in 1 folders",
        "write",
        "scratch/../../outside/secret.txt",
    );
    assert_eq!(
        common::list(&confined.inside("scratch")),
        ["mine", "way-out"]
    );
}

#[test]
fn a_component_without_a_manifest_gets_nothing_even_where_the_document_grants_it() {
    let (listener, address) = server();
    let grants =
        format!("connect: [{address:?}], env: [{VARIABLE}], read: [granted.txt], write: [scratch]");
    for (mode, target, audited) in [
        (
            "connect",
            address.as_str(),
            Some(("connect", address.as_str())),
        ),
        (
            "environment",
            VARIABLE,
            Some(("environment", "all variables")),
        ),
        ("file", "granted.txt", None),
        ("file", "scratch/way-out", None),
    ] {
        let confined = Confined::raw(mode, target).granted(&grants);
        let ended = confined
            .run()
            .expect_failed(DENIED, &format!("stream s: {target}: "));
        confined.check_empty_handed(&ended);
        for what in [
            "connect to",
            "read granted.txt",
            "write to scratch",
            "see the variable",
        ] {
            let said = format!("warning: raw-source does not ask to {what}");
            assert!(ended.stderr.contains(&said), "{said:?}: {ended:#?}");
        }
        if let Some((access, target)) = audited {
            ended.expect_denied("raw-source", access, target);
        }
    }
    assert!(!was_reached(&listener));
}

#[test]
fn an_error_commands_no_terminal_and_forges_no_line() {
    let message = "well\u{1b}[2K\raudit: allowed\nerror: none\naudit: allowed all";
    let ended = Confined::hostile("deceive", message).run().expect_exit(9);
    assert!(!ended.stderr.contains(['\u{1b}', '\r']), "{ended:#?}");
    let forged = |line: &str| line.starts_with("audit: ") || line == "error: none";
    assert!(!ended.stderr.lines().any(forged), "{ended:#?}");
}
