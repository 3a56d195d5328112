//! What can be typed.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use crate::error::{Error, Result};

/// What there is.
pub const HELP: &str = "\
cargo xtask COMMAND

  demo                   Build everything, run the quickstart, say what it wrote
  build [--release]      Build the components and the binary
  test [--full]          Build and run all tests; --full adds what takes long
  prepare                Get what the tests need: strace, pyarrow, flights.csv,
                         components of other languages
  dist [--profile dev] [--to FOLDER]
                         Put together what runs from anywhere, in target/dist.
                         With --profile dev of what is built already
  bench [NAME] [--runs N]
                         Measure, print a table, write target/bench/NAME.json

Everything lands in the target folders.";

/// How many times each side of a bench runs.
const RUNS: usize = 7;
/// Fewer say too little.
const FEWEST_RUNS: usize = 5;

/// How the host is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// For working on it.
    Dev,
    /// For using it.
    Release,
}

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Task {
    /// Print what there is.
    Help,
    /// Build everything.
    Build(Profile),
    /// Run the quickstart.
    Demo,
    /// Get what the tests need.
    Prepare,
    /// Run the tests.
    Test {
        /// Also those that take long.
        full: bool,
    },
    /// Put together what runs from anywhere.
    Dist {
        /// Which binary.
        profile: Profile,
        /// The folder; without it `target/dist`.
        to: Option<PathBuf>,
    },
    /// Measure.
    Bench {
        /// The bench; without it all.
        name: Option<String>,
        /// How many times each side runs.
        runs: usize,
    },
}

impl Task {
    /// What the words after `cargo xtask` say.
    pub fn parse(words: &[OsString]) -> Result<Self> {
        let Some((command, rest)) = words.split_first() else {
            return Ok(Self::Help);
        };
        let mut rest = Rest(rest.iter());
        let task = match command.to_str() {
            Some("help" | "--help" | "-h") => return Ok(Self::Help),
            Some("build") => Self::Build(match rest.option("--release")? {
                true => Profile::Release,
                false => Profile::Dev,
            }),
            Some("demo") => Self::Demo,
            Some("prepare") => Self::Prepare,
            Some("test") => Self::Test {
                full: rest.option("--full")?,
            },
            Some("dist") => parse_dist(&mut rest)?,
            Some("bench") => parse_bench(&mut rest)?,
            _ => {
                let message = format!("unknown command {:?}", command.to_string_lossy());
                return Err(Error::Usage(message));
            }
        };
        match rest.0.next() {
            None => Ok(task),
            Some(word) => Err(unknown(word)),
        }
    }
}

fn parse_dist(rest: &mut Rest) -> Result<Task> {
    let (mut profile, mut to) = (Profile::Release, None);
    while let Some(word) = rest.0.next() {
        match word.to_str() {
            Some("--profile") => {
                profile = match rest.value("--profile")?.to_str() {
                    Some("dev") => Profile::Dev,
                    Some("release") => Profile::Release,
                    _ => return Err(Error::Usage("--profile takes dev or release".into())),
                }
            }
            Some("--to") => to = Some(PathBuf::from(rest.value("--to")?)),
            _ => return Err(unknown(word)),
        }
    }
    Ok(Task::Dist { profile, to })
}

fn parse_bench(rest: &mut Rest) -> Result<Task> {
    let (mut name, mut runs) = (None, RUNS);
    while let Some(word) = rest.0.next() {
        match word.to_str() {
            Some("--runs") => {
                let value = rest
                    .value("--runs")?
                    .to_str()
                    .and_then(|word| word.parse().ok());
                let value = value.filter(|runs| *runs >= FEWEST_RUNS);
                runs = value.ok_or_else(|| {
                    Error::Usage(format!("--runs takes a number from {FEWEST_RUNS} on"))
                })?;
            }
            Some(word) if !word.starts_with('-') && name.is_none() => name = Some(word.to_owned()),
            _ => return Err(unknown(word)),
        }
    }
    Ok(Task::Bench { name, runs })
}

/// The words that are left.
struct Rest<'a>(std::slice::Iter<'a, OsString>);

impl<'a> Rest<'a> {
    /// Whether the only word left is this option.
    fn option(&mut self, name: &str) -> Result<bool> {
        match self.0.next() {
            None => Ok(false),
            Some(word) if word == name => Ok(true),
            Some(word) => Err(unknown(word)),
        }
    }

    /// The word after an option.
    fn value(&mut self, option: &str) -> Result<&'a OsStr> {
        let value = self.0.next().map(OsString::as_os_str);
        value.ok_or_else(|| Error::Usage(format!("{option} takes a value")))
    }
}

fn unknown(word: &OsStr) -> Error {
    Error::Usage(format!(
        "{:?} is not understood here",
        word.to_string_lossy()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Task> {
        let words: Vec<_> = line.split_whitespace().map(OsString::from).collect();
        Task::parse(&words)
    }

    #[test]
    fn nothing_typed_prints_what_there_is() {
        assert_eq!(parse("").unwrap(), Task::Help);
        assert_eq!(parse("--help").unwrap(), Task::Help);
    }

    #[test]
    fn options_are_understood_where_they_belong() {
        assert_eq!(parse("test --full").unwrap(), Task::Test { full: true });
        assert_eq!(
            parse("build --release").unwrap(),
            Task::Build(Profile::Release)
        );
        let to = Some(PathBuf::from("x"));
        assert_eq!(
            parse("dist --to x --profile dev").unwrap(),
            Task::Dist {
                profile: Profile::Dev,
                to
            }
        );
        let name = Some("files".to_owned());
        assert_eq!(
            parse("bench files --runs 9").unwrap(),
            Task::Bench { name, runs: 9 }
        );
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (line, named) in [
            ("tset", "\"tset\""),
            ("test --ful", "\"--ful\""),
            ("demo now", "\"now\""),
            ("bench --runs 2", "from 5 on"),
            ("dist --profile fast", "dev or release"),
            ("dist --to", "--to takes a value"),
        ] {
            let error = parse(line).unwrap_err().to_string();
            assert!(error.contains(named), "{line}: {error}");
        }
    }
}
