//! Debian's docker-registry, for as long as a test lasts.

use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long it may take to start.
const PATIENCE: Duration = Duration::from_secs(30);

/// A registry of its own on loopback.
pub struct Registry {
    /// Host and port.
    pub address: String,
    process: Child,
    _folder: TempDir,
}

impl Registry {
    pub fn start() -> Self {
        // Another may take a port before the registry does.
        (0..5).find_map(|_| Self::try_start()).expect("a registry")
    }

    fn try_start() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap().to_string();
        drop(free);
        let config = folder.path().join("config.yml");
        let storage = folder.path().join("storage");
        let storage = storage.display();
        let text = format!(
            "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {storage}\n\
             http:\n  addr: {address}\n"
        );
        fs::write(&config, text).unwrap();
        let log = folder.path().join("log");
        let process = Command::new("docker-registry")
            .arg("serve")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap_or_else(|error| panic!("docker-registry: {error}; run: cargo xtask prepare"));
        let mut registry = Self {
            address,
            process,
            _folder: folder,
        };
        let begun = Instant::now();
        while registry.process.try_wait().unwrap().is_none() {
            if TcpStream::connect(&registry.address).is_ok() {
                return Some(registry);
            }
            let said = || fs::read_to_string(&log).unwrap();
            assert!(begun.elapsed() < PATIENCE, "docker-registry: {}", said());
            thread::sleep(Duration::from_millis(20));
        }
        eprintln!(
            "docker-registry ended: {}",
            fs::read_to_string(&log).unwrap()
        );
        None
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}
