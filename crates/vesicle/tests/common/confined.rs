//! Components of `tests/guests` at work in a folder that they must not leave.
//!
//! Beside the folder with the document lies another one, `outside`, with a
//! secret in it. Whoever runs a component here learns that nothing outside was
//! touched, and that the secret is nowhere to be found.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use serde_json::Value;
use tempfile::TempDir;

use super::child::{Ended, Running};

/// What nobody gets.
pub const SECRET: &str = "the crown jewels";
/// A variable of the host that holds it too.
pub const VARIABLE: &str = "VESICLE_TEST_SECRET";

/// The folder of components that `cargo xtask build` has built from `tests/guests`.
pub fn guests() -> PathBuf {
    let folder = Path::new(super::BINARY).with_file_name("test-components");
    for name in [
        "hostile-source",
        "many-sessions",
        "memory-search",
        "raw-source",
        "silent-socket",
        "spinning-source",
    ] {
        let path = folder.join(name).with_extension("wasm");
        assert!(
            path.is_file(),
            "{} is missing; run: cargo xtask build",
            path.display()
        );
    }
    folder
}

/// What a file was, and when it was made so.
type Seen = BTreeMap<PathBuf, (SystemTime, Vec<u8>)>;

/// A component in its folder.
pub struct Confined {
    folder: TempDir,
    component: String,
    config: String,
    permissions: String,
    limits: String,
    outside: Seen,
}

impl Confined {
    /// A source with its configuration, small limits, and nothing granted.
    pub fn new(component: &str, config: &str) -> Self {
        let folder = super::folder();
        let make = |path: &str| fs::create_dir_all(folder.path().join(path)).unwrap();
        make("outside");
        make("inside/scratch");
        let write = |path: &str, text: &str| fs::write(folder.path().join(path), text).unwrap();
        write("outside/secret.txt", SECRET);
        write("inside/granted.txt", "for everybody");
        write("inside/sibling.txt", SECRET);
        let link = folder.path().join("inside/scratch/way-out");
        std::os::unix::fs::symlink(folder.path().join("outside/secret.txt"), link).unwrap();
        let mut confined = Self {
            folder,
            component: component.to_owned(),
            config: config.to_owned(),
            permissions: String::new(),
            limits: "memory: 64 MiB, idle_timeout: 2s".to_owned(),
            outside: Seen::new(),
        };
        confined.outside = confined.look_outside();
        confined
    }

    /// One bad deed of `hostile-source`.
    pub fn hostile(mode: &str, target: &str) -> Self {
        Self::new("hostile-source", &deed(mode, target))
    }

    /// One breach of contract of `raw-source`.
    pub fn raw(mode: &str, target: &str) -> Self {
        Self::new("raw-source", &deed(mode, target))
    }

    /// The same with something granted.
    pub fn granted(mut self, permissions: &str) -> Self {
        self.permissions = permissions.to_owned();
        self
    }

    /// The same with other limits.
    pub fn limited(mut self, limits: &str) -> Self {
        self.limits = limits.to_owned();
        self
    }

    /// Something in the folder with the document.
    pub fn inside(&self, name: &str) -> PathBuf {
        self.folder.path().join("inside").join(name)
    }

    /// Something in the other folder.
    pub fn outside(&self, name: &str) -> PathBuf {
        self.folder.path().join("outside").join(name)
    }

    /// The document.
    pub fn document(&self) -> String {
        let Self {
            component,
            config,
            permissions,
            limits,
            ..
        } = self;
        format!(
            "version: \"1.0\"\n\
             pipeline: confined\n\
             source:\n  use: {component}\n  config: {{ {config} }}\n  streams: [s]\n  \
             permissions: {{ {permissions} }}\n  limits: {{ {limits} }}\n\
             destination:\n  use: dest-file\n  config: {{ path: out, format: jsonl }}\n  \
             write_mode: replace\n\
             state: {{ backend: sqlite, connection: state.db }}\n"
        )
    }

    /// `vesicle run` of the document, about to be called.
    pub fn command(&self, arguments: &[&str]) -> Command {
        fs::write(self.inside("pipeline.yaml"), self.document()).unwrap();
        let mut command = super::vesicle();
        command
            .args(["run", "pipeline.yaml", "--output", "json"])
            .args(arguments)
            .current_dir(self.folder.path().join("inside"))
            .env("VESICLE_COMPONENTS", guests())
            .env(VARIABLE, SECRET);
        command
    }

    /// Runs the document to whatever end, and makes sure that nothing outside
    /// was touched.
    #[track_caller]
    pub fn run(&self) -> Ended {
        self.run_with(&[])
    }

    /// The same with more arguments.
    #[track_caller]
    pub fn run_with(&self, arguments: &[&str]) -> Ended {
        let ended = Running::start(self.command(arguments)).wait();
        self.check_outside();
        ended
    }

    /// Makes sure that the component has got nothing: not by what was printed,
    /// and not by what was written.
    #[track_caller]
    pub fn check_empty_handed(&self, ended: &Ended) {
        for said in [&ended.stdout, &ended.stderr] {
            assert!(!said.contains(SECRET), "{ended:#?}");
        }
        let known = ["inside/sibling.txt", "outside/secret.txt"];
        let known = known.map(|path| self.folder.path().join(path));
        let link = self.inside("scratch/way-out");
        for (path, (_, bytes)) in look(self.folder.path()) {
            let found = bytes
                .windows(SECRET.len())
                .any(|part| part == SECRET.as_bytes());
            let expected = known.contains(&path) || path == link;
            assert!(!found || expected, "the secret is in {}", path.display());
        }
    }

    /// Makes sure that all is as it was outside.
    #[track_caller]
    pub fn check_outside(&self) {
        assert_eq!(self.look_outside(), self.outside);
        assert_eq!(super::list(self.folder.path()), ["inside", "outside"]);
    }

    fn look_outside(&self) -> Seen {
        look(&self.folder.path().join("outside"))
    }

    /// The only row that arrived.
    #[track_caller]
    pub fn arrived(&self) -> Value {
        let folder = self.inside("out/s");
        let names = super::list(&folder);
        let file = names.iter().find(|name| name.ends_with(".jsonl"));
        let text = fs::read_to_string(folder.join(file.unwrap_or_else(|| panic!("{names:?}"))));
        serde_json::from_str(&text.unwrap()).unwrap()
    }
}

fn deed(mode: &str, target: &str) -> String {
    // JSON's way of writing a text is one of YAML's.
    format!("mode: {mode}, target: {}", Value::from(target))
}

/// The files below a folder.
fn look(folder: &Path) -> Seen {
    let mut seen = Seen::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let found = fs::symlink_metadata(&path).unwrap();
        if found.is_dir() {
            seen.extend(look(&path));
        } else {
            seen.insert(
                path.clone(),
                (found.modified().unwrap(), fs::read(&path).unwrap()),
            );
        }
    }
    seen
}

impl Ended {
    /// Makes sure that an access was denied, and is in the audit on stderr and
    /// in the report.
    #[track_caller]
    pub fn expect_denied(self, component: &str, access: &str, target: &str) -> Self {
        let line = format!("audit: denied {component} {access} {target}");
        let told = |said: &str| said == line || said.starts_with(&format!("{line} ("));
        assert!(
            self.stderr.lines().any(told),
            "it does not say {line:?}: {self:#?}"
        );
        assert_eq!(
            self.verdict(component, access, target),
            Some(false),
            "{self:#?}"
        );
        self
    }

    /// Whether an access was let, by the audit in the report.
    #[track_caller]
    pub fn verdict(&self, component: &str, access: &str, target: &str) -> Option<bool> {
        let report = self.report();
        let entry = report["audit"].as_array().unwrap().iter().find(|entry| {
            entry["component"] == component
                && entry["access"] == access
                && entry["target"] == target
        })?;
        entry["allowed"].as_bool()
    }

    /// Makes sure that it failed with a code and an error that says something,
    /// on stderr and in the report.
    #[track_caller]
    pub fn expect_failed(self, code: i32, error: &str) -> Self {
        let ended = self
            .expect_exit(code)
            .expect_said("error: ")
            .expect_said(error);
        let report = ended.report();
        let told = report["error"].as_str().unwrap_or_default();
        assert!(told.contains(error), "{told:?} in {ended:#?}");
        assert_eq!(report["exit"], code, "{ended:#?}");
        ended
    }
}
