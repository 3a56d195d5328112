//! The text of a scenario: commands, and what they print.

use std::fmt::Write as _;

/// The commands of a transcript, and what it says about them.
pub struct Transcript {
    items: Vec<Item>,
}

enum Item {
    Comment(String),
    Command(String),
}

/// What a command printed, and how it ended.
pub struct Outcome {
    /// What it printed.
    pub stdout: String,
    /// What it said.
    pub stderr: String,
    /// How it ended.
    pub exit: i32,
}

impl Transcript {
    /// Reads the commands of a transcript; what stands below them is not kept.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let mut items = Vec::new();
        for line in text.lines() {
            if line.starts_with('#') {
                items.push(Item::Comment(line.to_owned()));
            } else if let Some(command) = line.strip_prefix("$ ") {
                items.push(Item::Command(command.to_owned()));
            }
        }
        if !matches!(items.first(), Some(Item::Comment(_))) {
            return Err("the first line of a transcript says what it shows, behind a #");
        }
        if items.iter().all(|item| matches!(item, Item::Comment(_))) {
            return Err("a transcript has a line with a command, behind a $");
        }
        Ok(Self { items })
    }

    /// The transcript with what the commands print now.
    pub fn render(&self, mut run: impl FnMut(&str) -> Outcome) -> String {
        let mut text = String::new();
        let mut printed = false;
        for item in &self.items {
            if printed {
                text.push('\n');
            }
            match item {
                Item::Comment(line) => {
                    writeln!(text, "{line}").unwrap();
                    printed = false;
                }
                Item::Command(line) => {
                    writeln!(text, "$ {line}").unwrap();
                    let outcome = run(line).render();
                    printed = !outcome.is_empty();
                    text.push_str(&outcome);
                }
            }
        }
        text
    }
}

impl Outcome {
    fn render(&self) -> String {
        let mut text = String::new();
        for (margin, printed) in [("  ", &self.stdout), ("! ", &self.stderr)] {
            for line in printed.split_terminator('\n') {
                let line = format!("{margin}{}", escape(line));
                writeln!(text, "{}", line.trim_end()).unwrap();
            }
        }
        if self.exit != 0 {
            writeln!(text, "[exit {}]", self.exit).unwrap();
        }
        text
    }
}

/// A line with its control characters as they are written in programs.
fn escape(line: &str) -> String {
    let mut text = String::new();
    for letter in line.chars() {
        if letter.is_control() || letter == '\u{feff}' {
            text.extend(letter.escape_default());
        } else {
            text.push(letter);
        }
    }
    text
}
