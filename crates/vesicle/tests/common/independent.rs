//! Rows as an independent reader sees them: pyarrow, in an environment that is
//! made once under `target/venv`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

use serde_json::{Value, json};

use super::{root, target};

/// What a file or a folder of files holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// How many rows.
    pub rows: u64,
    /// A checksum over the sorted rows.
    pub sha256: String,
    /// How many rows each file has.
    pub files: BTreeMap<String, u64>,
}

impl Seen {
    /// What says which rows there are, in however many files.
    pub fn rows(&self) -> (u64, &str) {
        (self.rows, &self.sha256)
    }
}

/// The independent reader, at work until it is dropped.
pub struct Reader {
    process: Child,
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Reader {
    /// Starts it.
    pub fn start() -> Self {
        let mut process = Command::new(python())
            .arg(root().join("tests/independent/rows.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let questions = process.stdin.take();
        let answers = BufReader::new(process.stdout.take().unwrap());
        Self {
            process,
            questions,
            answers,
        }
    }

    /// Reads a file, or a folder of files.
    #[track_caller]
    pub fn read(&mut self, format: &str, path: &Path) -> Seen {
        self.read_as(format, path, &json!({}))
    }

    /// Reads a file, or a folder of files, some columns as types.
    #[track_caller]
    pub fn read_as(&mut self, format: &str, path: &Path, types: &Value) -> Seen {
        let question = json!({ "format": format, "path": path, "types": types });
        writeln!(self.questions.as_mut().unwrap(), "{question}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let error = &answer["error"];
        assert!(
            error.is_null(),
            "{} cannot be read: {error}",
            path.display()
        );
        let files = answer["files"].as_object().unwrap().iter();
        Seen {
            rows: answer["rows"].as_u64().unwrap(),
            sha256: answer["sha256"].as_str().unwrap().to_owned(),
            files: files
                .map(|(name, rows)| (name.clone(), rows.as_u64().unwrap()))
                .collect(),
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // The end of the questions is its end.
        self.questions = None;
        let _ = self.process.wait();
    }
}

/// The environment's Python.
fn python() -> PathBuf {
    static READY: OnceLock<PathBuf> = OnceLock::new();
    READY.get_or_init(make_environment).clone()
}

/// Makes the environment with what `tests/independent/requirements.txt` names,
/// unless it is there. `cargo xtask prepare` makes the same.
fn make_environment() -> PathBuf {
    let requirements = root().join("tests/independent/requirements.txt");
    let wanted = std::fs::read_to_string(&requirements).unwrap();
    let folder = target().join("venv");
    let python = folder.join("bin/python");
    // Another test may be making it.
    let lock = File::create(target().join("venv.lock")).unwrap();
    lock.lock().unwrap();
    let version = "import pyarrow; print('pyarrow==' + pyarrow.__version__)";
    let found = Command::new(&python).args(["-c", version]).output();
    if found.is_ok_and(|found| String::from_utf8_lossy(&found.stdout) == wanted) {
        return python;
    }
    let run = |command: &mut Command| {
        let done = command
            .output()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(
            done.status.success(),
            "{command:?} failed; the tests need python3 with venv, and pip with its index in \
             reach:\n{said}"
        );
    };
    run(Command::new("python3")
        .args(["-m", "venv", "--clear"])
        .arg(&folder));
    run(Command::new(&python)
        .args(["-m", "pip", "install", "--quiet", "-r"])
        .arg(&requirements));
    python
}
