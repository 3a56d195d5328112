//! Cells under the command line: their streams, statuses and ends, and how they are
//! listed and killed.

#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use common::cells::{Cell, Host, guest, said};
use common::child::processor_time;
use rustix::process::Signal;

#[test]
fn the_status_of_a_cell_is_that_of_the_command() {
    let host = Host::new();
    for (words, status) in [
        (&["code", "0"][..], 0),
        // The standard library tells of failure, not of its number.
        (&["code", "7"], 1),
        (&["fail"], 1),
        (&["panic"], 125),
    ] {
        let output = host.act(words).output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(status),
            "{words:?}: {}",
            said(&output)
        );
    }
    let mut late = host.vesicle(&["run", "--time", "1"]);
    let output = late.arg(guest("cell-acts")).arg("spin").output().unwrap();
    assert_eq!(output.status.code(), Some(125), "{}", said(&output));
    assert!(said(&output).contains("out of time"), "{}", said(&output));
}

#[test]
fn a_cell_that_cannot_start_says_why() {
    let host = Host::new();
    let pid0 = Path::new(common::BINARY).with_file_name("images/pid0");
    let mut command = host.vesicle(&["run", "--grant", "read=."]);
    let output = command.arg(pid0).output().unwrap();
    assert_eq!(output.status.code(), Some(126), "{}", said(&output));
    let why = "a folder and a tree cannot both be the guest's root";
    assert!(said(&output).contains(why), "{}", said(&output));
}

#[test]
fn what_is_no_component_of_a_cell_does_not_run() {
    let host = Host::new();
    let output = host.vesicle(&["run"]).arg(guest("echo")).output().unwrap();
    assert_eq!(output.status.code(), Some(4), "{}", said(&output));
}

#[test]
fn input_and_output_pass_through_a_cell_without_loss() {
    let host = Host::new();
    let bytes: Vec<u8> = (0..10_u32 << 20).map(|at| (at % 251) as u8).collect();
    let mut child = host.act(&["cat"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let fed = std::thread::spawn({
        let bytes = bytes.clone();
        move || stdin.write_all(&bytes).unwrap()
    });
    let output = child.wait_with_output().unwrap();
    fed.join().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(output.stdout == bytes, "{} bytes", output.stdout.len());
}

#[test]
fn a_cell_ends_when_nobody_reads_its_output_any_more() {
    let host = Host::new();
    let mut cell = host.start(host.act(&["write-and-spin", "10000000"]));
    let mut stdout = cell.0.stdout.take().unwrap();
    stdout.read_exact(&mut [0]).unwrap();
    drop(stdout);
    assert_eq!(cell.ends_soon().code(), Some(141));
    let mut complaint = String::new();
    let mut stderr = cell.0.stderr.take().unwrap();
    stderr.read_to_string(&mut complaint).unwrap();
    assert_eq!(complaint, "");
}

#[test]
fn a_cell_rests_until_the_file_of_its_epoch_changes() {
    let (host, folder) = (Host::new(), common::folder());
    let image = folder.path().join("image");
    fs::create_dir_all(image.join("bin")).unwrap();
    for path in ["bin/main.wasm", "own.wasm"] {
        fs::copy(guest("cell-bench"), image.join(path)).unwrap();
    }
    let epoch = folder.path().join("epoch");
    // A component has itself from its input, in the place of an image.
    for (what, input) in [
        (image, Stdio::null()),
        (
            guest("cell-bench"),
            fs::File::open(guest("cell-bench")).unwrap().into(),
        ),
    ] {
        fs::write(&epoch, "1").unwrap();
        let mut command = host.vesicle(&["run", "--epoch-file"]);
        command.arg(&epoch).arg(what).args(["--", "until-revoked"]);
        command.stdin(input);
        let mut cell = host.start(command);
        let mut stdout = cell.0.stdout.take().unwrap();
        let mut ready = [0; 6];
        stdout.read_exact(&mut ready).unwrap();
        assert_eq!(&ready, b"ready\n");
        // Whoever reads the file changes nothing.
        assert_eq!(fs::read(&epoch).unwrap(), b"1");
        let before = processor_time(cell.0.id());
        std::thread::sleep(Duration::from_millis(500));
        let spent = processor_time(cell.0.id()) - before;
        assert!(spent <= Duration::from_millis(50), "{spent:?}");
        assert!(cell.0.try_wait().unwrap().is_none());
        fs::write(&epoch, "2").unwrap();
        assert_eq!(cell.ends_soon().code(), Some(0));
    }
}

#[test]
fn a_cell_is_listed_for_as_long_as_it_runs() {
    let host = Host::new();
    assert_eq!(host.listed(), serde_json::json!([]));
    let mut cell = host.start(host.act(&["spin"]));
    let listed = host.listed();
    assert_eq!(listed[0]["name"], "cell-acts.wasm", "{listed}");
    assert_eq!(listed[0]["pid"], cell.0.id());
    assert_eq!(listed[0]["what"][0], guest("cell-acts").to_str().unwrap());
    let mode = fs::metadata(host.register()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let text = String::from_utf8(host.ask(&["ps"]).stdout).unwrap();
    assert!(text.contains("cell-acts.wasm"), "{text}");
    cell.signal(Signal::TERM);
    cell.ends_soon();
    assert_eq!(common::list(&host.register()), Vec::<String>::new());
}

#[test]
fn a_cell_that_was_killed_hard_is_not_listed_and_leaves_nothing() {
    let host = Host::new();
    let mut cell = host.start(host.act(&["spin"]));
    cell.0.kill().unwrap();
    cell.0.wait().unwrap();
    assert_eq!(common::list(&host.register()).len(), 1);
    assert_eq!(host.listed(), serde_json::json!([]));
    assert_eq!(common::list(&host.register()), Vec::<String>::new());
}

#[test]
fn kill_ends_a_cell_by_name_or_process_and_returns_when_it_is_gone() {
    let host = Host::new();
    for by_name in [true, false] {
        let mut cell = host.start(host.act(&["spin"]));
        let which = if by_name {
            "cell-acts.wasm".to_owned()
        } else {
            cell.id()
        };
        // Its status is waited for, so that it is gone wholly.
        let waiting = std::thread::spawn(move || cell.0.wait().unwrap());
        let output = host.ask(&["kill", &which]);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(told.ends_with("has ended\n"), "{told}");
        assert_eq!(waiting.join().unwrap().code(), Some(143));
        assert_eq!(host.listed(), serde_json::json!([]));
    }
}

#[test]
fn kill_names_what_was_meant_and_does_not_choose() {
    let host = Host::new();
    let first = host.start(host.act(&["spin"]));
    let output = host.ask(&["kill", "cell-act.wasm"]);
    assert_eq!(output.status.code(), Some(6));
    let expected = "did you mean \"cell-acts.wasm\"?";
    assert!(said(&output).contains(expected), "{}", said(&output));
    let second = host.start(host.act(&["spin"]));
    let output = host.ask(&["kill", "cell-acts.wasm"]);
    assert_eq!(output.status.code(), Some(6));
    for cell in [&first, &second] {
        assert!(said(&output).contains(&cell.id()), "{}", said(&output));
    }
    assert_eq!(host.listed().as_array().unwrap().len(), 2);
}

#[test]
fn of_several_cells_those_are_listed_and_hit_that_still_run() {
    let host = Host::new();
    let mut cells = [(); 4].map(|()| host.start(host.act(&["spin"])));
    let ids = cells.each_ref().map(Cell::id);
    // Nothing cleans up after the first and the third.
    for gone in [0, 2] {
        cells[gone].signal(Signal::KILL);
    }
    cells[2].ends_soon();
    // Nobody waits for the first.
    let stat = format!("/proc/{}/stat", ids[0]);
    while !fs::read_to_string(&stat).unwrap().contains(") Z ") {
        std::thread::sleep(Duration::from_millis(1));
    }
    let listed = |host: &Host| -> Vec<String> {
        let listed = host.listed();
        let cells = listed.as_array().unwrap().iter();
        cells.map(|cell| cell["pid"].to_string()).collect()
    };
    let mut alive = [ids[1].clone(), ids[3].clone()];
    alive.sort_by_key(|id| id.parse::<u32>().unwrap());
    let mut seen = listed(&host);
    seen.sort_by_key(|id| id.parse::<u32>().unwrap());
    assert_eq!(seen, alive);
    let table = String::from_utf8(host.ask(&["ps"]).stdout).unwrap();
    assert_eq!(table.lines().count(), 3, "{table}");
    let gone = host.ask(&["kill", &ids[0]]);
    assert_eq!(gone.status.code(), Some(6));
    let expected = format!("no cell \"{}\" runs", ids[0]);
    assert!(said(&gone).contains(&expected), "{}", said(&gone));
    let several = host.ask(&["kill", "cell-acts.wasm"]);
    assert_eq!(several.status.code(), Some(6));
    for (at, id) in ids.iter().enumerate() {
        let is_named = said(&several).contains(id.as_str());
        assert_eq!(is_named, at % 2 == 1, "{}", said(&several));
    }
    assert_eq!(host.ask(&["kill", &ids[1]]).status.code(), Some(0));
    assert_eq!(cells[1].ends_soon().code(), Some(143));
    assert_eq!(listed(&host), [ids[3].clone()]);
    // The name is that of one again.
    let last = host.ask(&["kill", "cell-acts.wasm"]);
    let told = format!("cell-acts.wasm ({}) has ended\n", ids[3]);
    assert_eq!(String::from_utf8_lossy(&last.stdout), told);
    assert_eq!(cells[3].ends_soon().code(), Some(143));
    let none = host.ask(&["ps"]);
    assert_eq!(String::from_utf8_lossy(&none.stdout), "no cells run\n");
    assert_eq!(common::list(&host.register()), Vec::<String>::new());
}

#[test]
fn a_process_that_has_the_number_of_a_cell_s_is_not_hit() {
    let host = Host::new();
    let mut cell = host.start(host.act(&["spin"]));
    let mut other = Cell(Command::new("sleep").arg("3600").spawn().unwrap());
    let entry = host.register().join(&common::list(&host.register())[0]);
    let mut text: serde_json::Value = serde_json::from_slice(&fs::read(&entry).unwrap()).unwrap();
    let start = text["start"].as_u64().unwrap();
    text["pid"] = other.0.id().into();
    let forged = host.register().join(format!("{}-{start}", other.0.id()));
    fs::write(&forged, text.to_string()).unwrap();
    let output = host.ask(&["kill", &other.id()]);
    assert_eq!(output.status.code(), Some(6), "{}", said(&output));
    assert!(other.0.try_wait().unwrap().is_none());
    assert!(!forged.exists());
    assert!(cell.0.try_wait().unwrap().is_none());
}

#[test]
fn what_is_no_cell_s_file_is_told_and_ignored() {
    let host = Host::new();
    let cell = host.start(host.act(&["spin"]));
    let entry = host.register().join(&common::list(&host.register())[0]);
    fs::write(host.register().join("garbage"), "garbage").unwrap();
    fs::copy(&entry, host.register().join("1-1")).unwrap();
    fs::write(host.register().join("large"), vec![b' '; 1 << 20]).unwrap();
    fs::create_dir(host.register().join("folder")).unwrap();
    std::os::unix::fs::symlink(&entry, host.register().join("link")).unwrap();
    let output = host.ask(&["ps", "--output", "json"]);
    for name in ["garbage", "1-1", "large", "folder", "link"] {
        let line = format!("cells/{name} is ignored");
        assert!(said(&output).contains(&line), "{name}: {}", said(&output));
    }
    let listed: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    assert_eq!(listed[0]["pid"], cell.0.id());
}

#[test]
fn a_register_that_others_may_use_is_not_believed() {
    let host = Host::new();
    let _cell = host.start(host.act(&["spin"]));
    let open = fs::Permissions::from_mode(0o755);
    fs::set_permissions(host.register(), open).unwrap();
    let output = host.ask(&["ps"]);
    assert_eq!(output.status.code(), Some(6));
    assert!(said(&output).contains("chmod 700"), "{}", said(&output));
}
