//! Two network namespaces with a cable between them. They take root and `ip`, and
//! fail without.

#![allow(dead_code)]

use std::path::Path;
use std::process::{Command, Stdio};

/// Two namespaces with a cable between them, which go with this.
pub struct Cable {
    pub namespaces: [String; 2],
}

impl Cable {
    pub fn new(name: &str) -> Self {
        let own = std::process::id();
        let cable = Self {
            namespaces: ["a", "b"].map(|side| format!("vesicle-{own}-{name}-{side}")),
        };
        let [a, b] = &cable.namespaces;
        ip(&["netns", "add", a]);
        ip(&["netns", "add", b]);
        let ends = ["type", "veth", "peer", "name", "cable", "netns", b];
        ip(&[["link", "add", "cable", "netns", a].as_slice(), &ends].concat());
        for (side, namespace) in cable.namespaces.iter().enumerate() {
            let address = format!("10.47.0.{}/24", side + 1);
            ip(&["-n", namespace, "address", "add", &address, "dev", "cable"]);
            ip(&["-n", namespace, "link", "set", "lo", "up"]);
            cable.set(side, "up");
        }
        cable
    }

    /// Plugs one end in, or pulls it.
    pub fn set(&self, side: usize, state: &str) {
        let namespace = &self.namespaces[side];
        ip(&["-n", namespace, "link", "set", "cable", state]);
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        for namespace in &self.namespaces {
            remove(namespace);
        }
    }
}

fn remove(namespace: &str) {
    // It may not be there yet.
    let _ = Command::new("ip")
        .args(["netns", "delete", namespace])
        .stderr(Stdio::null())
        .status();
}

/// Removes the namespaces of tests that were killed.
pub fn remove_left_behind() {
    let names = Command::new("ip").args(["netns", "list"]).output();
    let names = names.map(|output| output.stdout).unwrap_or_default();
    for line in String::from_utf8_lossy(&names).lines() {
        let name = line.split(' ').next().unwrap_or_default();
        let process = name.strip_prefix("vesicle-");
        let process = process.and_then(|rest| rest.split('-').next());
        if process.is_some_and(|id| !Path::new("/proc").join(id).exists()) {
            remove(name);
        }
    }
}

fn ip(arguments: &[&str]) {
    let ran = Command::new("ip").args(arguments).output();
    let output = ran.unwrap_or_else(|error| {
        panic!("`ip` cannot be run: {error}; `cargo xtask prepare` installs it")
    });
    assert!(
        output.status.success(),
        "`ip {}` failed, which takes root: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
}
