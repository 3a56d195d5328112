//! Places where a run can be made to die or to stand still.
//!
//! `VESICLE_FAIL_POINT=name:n` kills the process with SIGKILL the n-th time it
//! comes to the point of that name; `name:n:stop` stops it there with SIGSTOP,
//! until somebody sends SIGCONT. `vesicle certify` goes through all of them.
//! Whoever can set the variable can kill the process anyway.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::process::{Signal, getpid, kill_process};

/// The variable that names a point.
pub const VARIABLE: &str = "VESICLE_FAIL_POINT";

/// The fail points of every run, in the order in which a commit meets them.
pub const ALL: &[&str] = &[
    "begun",
    "commit-requested",
    "committed",
    "state-moved",
    "before-finish",
    "finished",
];

/// The point behind the note that a run has ended: the next one is another.
pub const ENDED: &str = "ended";

/// The point between abandoning a run and beginning another.
pub const OF_FRESH: &str = "fresh-asked";

/// The points that a commit which covers dead letters meets between those of
/// [`ALL`].
pub const OF_LETTERS: &[&str] = &["letters-stored", "commit-prepared"];

/// Where a connector has just sent something to a server: between any two
/// statements, those of one transaction among them.
pub const SESSION_WRITE: &str = "session-write";

/// The point that was asked for.
struct Wanted {
    point: String,
    passage: u64,
    signal: Signal,
    passed: AtomicU64,
}

static WANTED: LazyLock<Option<Wanted>> =
    LazyLock::new(|| Wanted::parse(&std::env::var(VARIABLE).ok()?));

impl Wanted {
    fn parse(text: &str) -> Option<Self> {
        let (point, rest) = text.split_once(':')?;
        let (passage, signal) = match rest.split_once(':') {
            None => (rest, Signal::KILL),
            Some((passage, "stop")) => (passage, Signal::STOP),
            Some(_) => return None,
        };
        Some(Self {
            point: point.to_owned(),
            passage: passage.parse().ok()?,
            signal,
            passed: AtomicU64::new(0),
        })
    }
}

/// Dies or stands still here, if asked to.
pub(crate) fn fail_point(name: &str) {
    debug_assert!(
        ALL.iter()
            .chain(OF_LETTERS)
            .chain(&[ENDED, OF_FRESH, SESSION_WRITE])
            .any(|known| *known == name),
        "{name}"
    );
    let Some(wanted) = WANTED.as_ref().filter(|wanted| wanted.point == name) else {
        return;
    };
    if wanted.passed.fetch_add(1, Ordering::SeqCst) + 1 == wanted.passage {
        // A process can always signal itself.
        let _ = kill_process(getpid(), wanted.signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_named_with_its_passage_and_what_happens_there() {
        let parsed =
            |text| Wanted::parse(text).map(|wanted| (wanted.point, wanted.passage, wanted.signal));
        assert_eq!(parsed("begun:1"), Some(("begun".into(), 1, Signal::KILL)));
        let stopped = parsed("committed:12:stop");
        assert_eq!(stopped, Some(("committed".into(), 12, Signal::STOP)));
        for wrong in ["begun", "begun:x", "begun:1:sleep", ""] {
            assert_eq!(parsed(wrong), None, "{wrong}");
        }
    }
}
