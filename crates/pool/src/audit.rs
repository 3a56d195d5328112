//! What a component reached for, and whether it was let.
//!
//! Invariants: every access that a provider of this crate decides on is
//! recorded before the guest learns of the decision; the log is bounded, and
//! says so when it is full.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

/// How many different accesses are told apart.
const MAX_ENTRIES: usize = 10_000;
/// How many characters of a target are kept.
const MAX_TARGET: usize = 1_000;

/// What was done, or tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// A file or folder was opened or looked at.
    Read,
    /// A file was created, changed, renamed or removed.
    Write,
    /// A connection was opened.
    Connect,
    /// A session was opened with a server that the host signs in to.
    Session,
    /// A socket was bound or listened on.
    Listen,
    /// A name was looked up.
    Resolve,
    /// The environment was asked for.
    Environment,
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Connect => "connect",
            Self::Session => "session",
            Self::Listen => "listen",
            Self::Resolve => "resolve",
            Self::Environment => "environment",
        })
    }
}

/// One line of the audit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Which component.
    pub component: String,
    /// What it did.
    pub access: Access,
    /// To what: a path, an address, a name. What a terminal would obey in it
    /// is escaped.
    pub target: String,
    /// Whether it was let.
    pub allowed: bool,
    /// How often.
    pub times: u64,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.allowed { "allowed" } else { "denied" };
        write!(
            f,
            "{verdict} {} {} {}",
            self.component, self.access, self.target
        )?;
        match self.times {
            1 => Ok(()),
            n => write!(f, " ({n} times)"),
        }
    }
}

/// Collects entries from all instances of a run. Cloning shares the log.
#[derive(Debug, Clone, Default)]
pub struct Audit(Arc<Mutex<Log>>);

#[derive(Debug, Default)]
struct Log {
    times: BTreeMap<(String, Access, String, bool), u64>,
    dropped: u64,
}

impl Audit {
    /// Records an access. Refused ones are also logged as a warning.
    pub fn record(&self, component: &str, access: Access, target: &str, allowed: bool) {
        let target = &*printable(target);
        let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (component.to_owned(), access, target.to_owned(), allowed);
        if let Some(times) = log.times.get_mut(&key) {
            *times += 1;
            return;
        }
        if !allowed {
            tracing::warn!(component, %access, target, "denied");
        }
        if log.times.len() < MAX_ENTRIES {
            log.times.insert(key, 1);
        } else {
            log.dropped += 1;
        }
    }

    /// Everything recorded so far, sorted by component, access and target.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        let log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        log.times
            .iter()
            .map(|((component, access, target, allowed), &times)| Entry {
                component: component.clone(),
                access: *access,
                target: target.clone(),
                allowed: *allowed,
                times,
            })
            .collect()
    }

    /// How many accesses were not recorded because the log was full.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .dropped
    }
}

/// A name that a guest chose, on one line and without commands to a terminal.
fn printable(target: &str) -> Cow<'_, str> {
    let end = target.char_indices().nth(MAX_TARGET).map(|(end, _)| end);
    if end.is_none() && !target.contains(char::is_control) {
        return target.into();
    }
    let mut shown = String::new();
    for c in target[..end.unwrap_or(target.len())].chars() {
        match c.is_control() {
            true => shown.extend(c.escape_default()),
            false => shown.push(c),
        }
    }
    if end.is_some() {
        shown.push('…');
    }
    shown.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_forges_no_line_of_the_audit_and_commands_no_terminal() {
        let audit = Audit::default();
        let name = format!("a\naudit: allowed\u{1b}[2K{}", "b".repeat(5000));
        audit.record("x", Access::Read, &name, false);
        let line = audit.entries()[0].to_string();
        assert!(
            line.starts_with(r"denied x read a\naudit: allowed\u{1b}[2Kbb"),
            "{line}"
        );
        assert!(line.len() < 1200, "{}", line.len());
    }

    #[test]
    fn the_same_access_is_one_line_with_a_count() {
        let audit = Audit::default();
        for _ in 0..3 {
            audit.record("source-x", Access::Read, "/etc/passwd", false);
        }
        let lines: Vec<_> = audit.entries().iter().map(Entry::to_string).collect();
        assert_eq!(lines, ["denied source-x read /etc/passwd (3 times)"]);
    }

    #[test]
    fn a_flood_of_accesses_is_bounded_and_counted() {
        let audit = Audit::default();
        for n in 0..MAX_ENTRIES + 5 {
            audit.record("x", Access::Read, &n.to_string(), true);
        }
        assert_eq!(audit.entries().len(), MAX_ENTRIES);
        assert_eq!(audit.dropped(), 5);
    }
}
