//! Services of an image: started beside its component, again when they fail, and
//! ended with it.

#![allow(clippy::unwrap_used)]

mod common;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{cells, command, guest, image_of};
use tempfile::TempDir;
use tokio::sync::mpsc;
use vesicle_cell::{Cells, Config, Error, Exit, Node, Stdio};

fn traps() -> Vec<u8> {
    command("", "unreachable")
}

fn spins() -> Vec<u8> {
    command("", "(loop (br 0)) (i32.const 0)")
}

/// What was told of a service.
#[derive(Debug)]
struct Told {
    service: String,
    text: String,
    when: Instant,
}

/// An image in a folder, whose component copies its input to its output.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(TempDir::new().unwrap());
        folder.with("", &guest("cell-acts"))
    }

    /// With a component in a nested image.
    fn with(self, image: &str, wasm: &[u8]) -> Self {
        let file: PathBuf = [self.0.path(), Path::new(image), Path::new("bin/main.wasm")]
            .iter()
            .collect();
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, wasm).unwrap();
        self
    }

    /// Starts it; what is told of services comes through the channel.
    async fn start(&self, cells: &Cells) -> Result<(Node, mpsc::UnboundedReceiver<Told>), Error> {
        let (tell, told) = mpsc::unbounded_channel();
        let config = Config {
            stdio: Stdio::Passed {
                stdout_is_terminal: false,
                stderr_is_terminal: false,
            },
            notice: Arc::new(move |service, text| {
                // Nobody listens any more once the test is over.
                let _ = tell.send(Told {
                    service: service.to_owned(),
                    text: text.to_owned(),
                    when: Instant::now(),
                });
            }),
            ..image_of("image", self.0.path(), &["cat"])
        };
        Ok((Node::start(cells, config).await?, told))
    }
}

/// Has the component end.
async fn finish(node: &mut Node) -> Exit {
    node.running().stdin.close();
    let ended = tokio::time::timeout(Duration::from_secs(30), node.wait()).await;
    ended.expect("it ends")
}

#[tokio::test]
async fn a_service_that_fails_is_started_again_after_pauses_that_grow() {
    let cells = cells();
    let folder = Folder::new().with("svc/frail", &traps());
    let (mut node, mut told) = folder.start(&cells).await.unwrap();
    let mut failures = Vec::new();
    for pause in ["100 ms", "200 ms", "400 ms"] {
        let Told {
            service,
            text,
            when,
        } = told.recv().await.unwrap();
        assert_eq!(service, "image/svc/frail");
        assert!(text.contains("unreachable"), "{text}");
        assert!(text.ends_with(pause), "{text}");
        failures.push(when);
    }
    assert!(failures[1] - failures[0] >= Duration::from_millis(100));
    assert!(failures[2] - failures[1] >= Duration::from_millis(200));
    assert_eq!(finish(&mut node).await, Exit::Code(0));
}

#[tokio::test]
async fn a_service_that_has_done_its_work_is_left_alone_and_what_it_says_is_passed_on() {
    let cells = cells();
    let echo = std::fs::read(common::image("pid0/usr/lib/child-echo.wasm")).unwrap();
    // Nested images have services too, which come first.
    let folder = Folder::new()
        .with("svc/outer", &echo)
        .with("svc/outer/svc/inner", &echo);
    let (mut node, mut told) = folder.start(&cells).await.unwrap();
    let mut lines = Vec::new();
    while lines.len() < 4 {
        let told = told.recv().await.unwrap();
        lines.push((told.service, told.text));
    }
    lines.sort();
    let line = |service: &str, text: &str| (format!("image/svc/{service}"), text.to_owned());
    assert_eq!(
        lines,
        [
            line("outer", "Echo: one"),
            line("outer", "Echo: two"),
            line("outer/svc/inner", "Echo: one"),
            line("outer/svc/inner", "Echo: two"),
        ]
    );
    assert_eq!(finish(&mut node).await, Exit::Code(0));
    drop(node);
    assert!(told.recv().await.is_none());
}

#[tokio::test]
async fn services_end_with_the_component_whatever_they_do() {
    let cells = cells();
    let folder = Folder::new()
        .with("svc/busy", &spins())
        .with("svc/busy/svc/busier", &spins());
    let (mut node, mut told) = folder.start(&cells).await.unwrap();
    assert_eq!(finish(&mut node).await, Exit::Code(0));
    drop(node);
    // They are not told to have failed, and whoever kept them is gone.
    assert!(told.recv().await.is_none());
}

#[tokio::test]
async fn a_service_that_cannot_be_run_is_told_before_anything_runs() {
    let cells = cells();
    let folder = Folder::new().with("svc/none", b"no component");
    let error = folder.start(&cells).await.err().unwrap();
    let text = error.to_string();
    assert!(
        text.starts_with("image/svc/none: not a component"),
        "{text}"
    );
}
