//! A pipeline in a folder: its document, its source, its state.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::child::{Ended, Running};
use super::destination::Destination;

/// What the document of a test says.
#[derive(Clone, Debug)]
pub struct Document {
    /// The pipeline.
    pub name: String,
    /// The source's `path`.
    pub path: String,
    /// More of the source's `config`: `, columns: { … }`.
    pub source: String,
    /// The stream.
    pub stream: String,
    /// The destination's `path`.
    pub out: String,
    /// The destination's `format`.
    pub format: String,
    /// The `write_mode`.
    pub mode: String,
    /// More of the destination: lines that end and are indented.
    pub destination: String,
    /// The `checkpoint`, if not the default.
    pub checkpoint: Option<String>,
}

impl Document {
    /// A pipeline from `in.csv` to `out`, its state in `state.db`.
    pub fn new(format: &str, mode: &str) -> Self {
        Self {
            name: "test".into(),
            path: "in.csv".into(),
            source: String::new(),
            stream: "in".into(),
            out: "out".into(),
            format: format.into(),
            mode: mode.into(),
            destination: String::new(),
            checkpoint: None,
        }
    }

    /// Commits after so many rows.
    pub fn commit_after(mut self, rows: u64) -> Self {
        self.checkpoint = Some(format!("{{ rows: {rows} }}"));
        self
    }

    /// Its text.
    pub fn text(&self) -> String {
        let mut text = format!(
            "version: \"1.0\"\n\
             pipeline: {}\n\
             source:\n  use: source-file\n  config: {{ path: {:?}{} }}\n  streams: [{}]\n\
             destination:\n  use: dest-file\n  config: {{ path: {}, format: {} }}\n  \
             write_mode: {}\n{}\
             state: {{ backend: sqlite, connection: state.db }}\n",
            self.name,
            self.path,
            self.source,
            self.stream,
            self.out,
            self.format,
            self.mode,
            self.destination
        );
        if let Some(checkpoint) = &self.checkpoint {
            writeln!(text, "checkpoint: {checkpoint}").unwrap();
        }
        text
    }
}

/// A folder with a document in it.
pub struct Pipeline {
    /// The folder, which goes when this does.
    pub folder: TempDir,
    /// What the document says.
    pub document: Document,
}

impl Pipeline {
    /// A folder with nothing but the document.
    pub fn new(document: Document) -> Self {
        Self::within(super::folder(), document)
    }

    /// A folder with what is in another one, and the document.
    pub fn copy_of(folder: &Path, document: Document) -> Self {
        let copy = super::folder();
        super::copy_folder(folder, copy.path());
        Self::within(copy, document)
    }

    fn within(folder: TempDir, document: Document) -> Self {
        let pipeline = Self { folder, document };
        pipeline.write_document();
        pipeline
    }

    /// Writes the document anew, after a change.
    pub fn write_document(&self) {
        fs::write(self.path("pipeline.yaml"), self.document.text()).unwrap();
    }

    /// Something in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file of the source.
    pub fn write(&self, name: &str, contents: &str) {
        fs::write(self.path(name), contents).unwrap();
    }

    /// Puts a link to a large file in the place of one.
    pub fn link(&self, name: &str, to: &Path) {
        let path = self.path(name);
        if path.exists() {
            fs::remove_file(&path).unwrap();
        }
        fs::hard_link(to, path).unwrap();
    }

    /// `vesicle run`, about to be called.
    pub fn command(&self) -> Command {
        self.command_of(&["run", "pipeline.yaml", "--output", "json"])
    }

    /// `vesicle` with other arguments, about to be called.
    pub fn command_of(&self, arguments: &[&str]) -> Command {
        let mut command = super::vesicle();
        command.args(arguments).current_dir(self.folder.path());
        command
    }

    /// Starts a run.
    pub fn start(&self) -> Running {
        Running::start(self.command())
    }

    /// Runs to the end.
    pub fn run(&self) -> Ended {
        self.start().wait()
    }

    /// Runs to the end, which has to be a good one.
    pub fn complete(&self) -> Ended {
        self.run().expect_exit(0)
    }

    /// Removes the state file and what belongs to it.
    pub fn lose_state(&self) {
        let names = super::list(self.folder.path());
        let state: Vec<_> = names
            .iter()
            .filter(|name| name.starts_with("state.db"))
            .collect();
        assert!(!state.is_empty(), "{names:?}");
        for name in state {
            fs::remove_file(self.path(name)).unwrap();
        }
    }

    /// How the newest run of the pipeline ended, as the state says.
    pub fn last_status(&self) -> String {
        let show = ["state", "show", "pipeline.yaml", "--output", "json"];
        let ended = Running::start(self.command_of(&show)).wait();
        if !ended.status.success() {
            return "unknown".into();
        }
        let runs = &ended.report()["runs"];
        runs[0]["status"].as_str().unwrap_or("unknown").to_owned()
    }

    /// What the destination has of the stream.
    pub fn destination(&self) -> Destination {
        Destination::new(&self.path(&self.document.out), &self.document.stream)
    }
}
