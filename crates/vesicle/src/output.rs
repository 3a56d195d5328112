//! How results and errors are printed.

use std::borrow::Cow;
use std::io::Write as _;

use serde_json::{Value as Json, json};
use tracing_subscriber::EnvFilter;
use vesicle_pipeline::document::Redactor;
use vesicle_pipeline::plan::Plan;
use vesicle_pipeline::{Error, Exit};

use crate::cli::Format;

/// A command that failed, and what there is to say about it.
pub struct Failed {
    /// What it ended with.
    pub exit: Exit,
    /// The message, without the word "error".
    pub message: String,
    /// The message with the lines of the document that it points at.
    pub shown: Option<String>,
}

impl Failed {
    /// A failure with a message.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            shown: None,
        }
    }

    /// An error of the pipeline; errors in the document show their lines where
    /// its text is given.
    pub fn of(error: &Error, source: Option<&str>) -> Self {
        let shown = match (error, source) {
            (Error::Document(wrong), Some(source)) => Some(wrong.render(source)),
            (Error::Document(wrong), None) => Some(wrong.to_string()),
            _ => None,
        };
        Self {
            shown,
            ..Self::new(error.exit(), error.to_string())
        }
    }

    /// What went wrong with a connector of a plan, with the place in the
    /// document that is at fault, if one is.
    pub fn of_plan(plan: &Plan, error: Error) -> Self {
        Self::of(&plan.place(error), Some(&plan.document.text)).redact(&plan.redactor)
    }

    /// The same without secrets.
    pub fn redact(mut self, redactor: &Redactor) -> Self {
        self.message = redactor.redact(&self.message);
        self.shown = self.shown.map(|shown| redactor.redact(&shown));
        self
    }

    /// Prints the failure on stderr.
    pub fn print(&self) -> Exit {
        match &self.shown {
            Some(shown) => eprintln!("{}", plain(shown.trim_end())),
            None => eprintln!("error: {}", plain(&self.message)),
        }
        self.exit
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::of(&error, None)
    }
}

/// Prints a value for programs.
pub fn print_json(value: &Json) {
    print_text(&format!("{value:#}"));
}

/// Prints a text and a newline; a reader that has gone away is no error.
pub fn print_text(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "{}", plain(text));
}

/// A text without commands to the terminal, which may be a component's own.
pub fn plain(text: &str) -> Cow<'_, str> {
    let obeyed = |c: char| c.is_control() && c != '\n' && c != '\t';
    if !text.contains(obeyed) {
        return text.into();
    }
    let mut shown = String::new();
    for c in text.chars() {
        match obeyed(c) {
            true => shown.extend(c.escape_default()),
            false => shown.push(c),
        }
    }
    shown.into()
}

/// What a command answers, once its failure is printed for programs, if they
/// are to read it.
pub fn answer(format: Format, done: Result<Exit, Failed>) -> Result<Exit, Failed> {
    if let (Format::Json, Err(failed)) = (format, &done) {
        print_json(&json!({ "error": failed.message, "exit": failed.exit as u8 }));
    }
    done
}

/// Logs go to stderr: warnings at first, more with each `-v`, or as
/// `VESICLE_LOG` says.
pub fn start_tracing(verbose: u8) {
    let level = match verbose {
        0 => "error",
        1 => {
            "vesicle=debug,vesicle_engine=debug,vesicle_pool=debug,vesicle_flow=debug,vesicle_pipeline=debug,warn"
        }
        _ => "trace",
    };
    let filter = EnvFilter::try_from_env("VESICLE_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()) && colour())
        .init();
}

/// Whether colours are wanted, as far as `NO_COLOR` says.
pub fn colour() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// A count with its noun.
pub fn count(n: u64, one: &str) -> String {
    match n {
        1 => format!("1 {one}"),
        _ => format!("{} {one}s", grouped(n)),
    }
}

/// A number with its thousands apart.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_s_words_command_no_terminal() {
        assert_eq!(plain("one\n\ttwo"), "one\n\ttwo");
        assert_eq!(plain("\u{1b}[2Kgone\r"), r"\u{1b}[2Kgone\r");
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(336_776), "336,776");
        assert_eq!(grouped(1_000), "1,000");
        assert_eq!(count(1, "row"), "1 row");
        assert_eq!(count(0, "row"), "0 rows");
    }
}
