//! A scenario: a folder with a transcript, played in a copy of it.

pub mod database;
pub mod diff;
pub mod transcript;
pub mod volatile;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::child::{Ended, Running};
use crate::common::{self, BINARY};
use database::{Database, Databases};
use transcript::{Outcome, Transcript};
use volatile::Places;

/// The file in each folder.
const TRANSCRIPT: &str = "transcript";
/// The file in the folders that need a database.
const SET_UP: &str = "postgres.sql";

/// A folder with a transcript.
pub struct Scenario {
    folder: PathBuf,
}

impl Scenario {
    /// The scenario in a folder.
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }

    fn name(&self) -> String {
        format!(
            "tests/scenarios/{}",
            self.folder.file_name().unwrap().display()
        )
    }

    /// Runs the commands of the transcript and compares what they print with
    /// what it says, or writes it anew. The error says what is different.
    pub fn play(&self, databases: &Databases, bless: bool) -> Result<(), String> {
        let name = self.name();
        let path = self.folder.join(TRANSCRIPT);
        let expected = fs::read_to_string(&path)
            .map_err(|error| format!("{name}: no {TRANSCRIPT}: {error}\n"))?;
        let transcript =
            Transcript::parse(&expected).map_err(|reason| format!("{name}: {reason}\n"))?;
        let copy = common::folder();
        common::copy_folder(&self.folder, copy.path());
        fs::remove_file(copy.path().join(TRANSCRIPT)).unwrap();
        let database = match fs::read_to_string(copy.path().join(SET_UP)) {
            Ok(statements) => {
                fs::remove_file(copy.path().join(SET_UP)).unwrap();
                let folder = self.folder.file_name().unwrap().to_string_lossy();
                let made = databases.make(&folder, &statements);
                Some(made.map_err(|said| format!("{name}: {SET_UP}: {said}\n"))?)
            }
            Err(_) => None,
        };
        let places = Places::of(copy.path(), database.as_ref());
        let found = transcript.render(|command| {
            let asked = database
                .as_ref()
                .and_then(|database| database.answer(command));
            let outcome = asked.unwrap_or_else(|| {
                let shell = shell(command, copy.path(), database.as_ref());
                outcome(&Running::start(shell).wait())
            });
            places.hide_in(outcome)
        });
        if found == expected {
            return Ok(());
        }
        if bless {
            fs::write(&path, &found).unwrap();
            return Ok(());
        }
        Err(format!(
            "{name} (- as the transcript says, + as it is):\n{}",
            { diff::lines(&expected, &found) }
        ))
    }
}

fn outcome(ended: &Ended) -> Outcome {
    Outcome {
        stdout: ended.stdout.clone(),
        stderr: ended.stderr.clone(),
        // A signal is no way to end: it shows as a code that none has.
        exit: ended.status.code().unwrap_or(-1),
    }
}

/// `sh`, about to run a line of a transcript in a folder.
fn shell(line: &str, folder: &Path, database: Option<&Database<'_>>) -> Command {
    let vesicle = common::vesicle();
    let mut command = if rustix::process::geteuid().is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--bounding-set=-dac_override,-dac_read_search", "sh"]);
        command
    } else {
        Command::new("sh")
    };
    for (name, value) in vesicle.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let beside = Path::new(BINARY).parent().unwrap();
    let inherited = std::env::var("PATH").unwrap_or_default();
    command
        .env("PATH", format!("{}:{inherited}", beside.display()))
        .env("IMAGES", beside.join("images"))
        .env("LC_ALL", "C.UTF-8")
        .envs(database.map(Database::variables).unwrap_or_default())
        .current_dir(folder)
        .args(["-c", line]);
    command
}
