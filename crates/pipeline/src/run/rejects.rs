//! What becomes of rows that cannot be passed on, by `on_data_error`.
//!
//! Rejects of the source and the transforms are taken out of the stream where
//! their stage ends, those of the destination where it reports them. Each one
//! is covered by the commit that comes after it, whose number it is counted
//! and stored under.
//!
//! Invariant: a dead letter is stored before the commit that covers it is made,
//! with the cursor that this commit is asked for with: those of a source or
//! transform before the destination is given the request, those of the
//! destination before it learns that they were taken. So after a crash
//! [`State::adopt`] can tell which letters count.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vesicle_flow::Pass;

use super::fail_point::fail_point;
use crate::connector::bindings::Event;
use crate::connector::bindings::types::{CommitRequest, Frame, Reject};
use crate::connector::limits::within_limits;
use crate::connector::{Connector, Failure, Role, category_word};
use crate::document::{OnDataError, Redactor};
use crate::state::{NewLetter, Slice, State};

/// Letters of this many bytes are not kept waiting for others.
const ENOUGH: usize = 1 << 20;

/// A failure, and whose it is.
type Fault = (Role, String, Failure);

/// Takes the rejects of one partition.
pub(crate) struct Rejects {
    policy: OnDataError,
    state: Arc<dyn State>,
    slice: Slice,
    /// The number of the newest commit when the partition began.
    before: u64,
    redactor: Redactor,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// What ends the partition.
    fault: Option<Fault>,
    /// Letters that are not stored yet, with the commits that cover them.
    waiting: Vec<(u64, NewLetter)>,
    waiting_bytes: usize,
    /// How many rejects each commit without a receipt covers.
    counts: BTreeMap<u64, u64>,
    /// The commits that have been asked for and have no receipt, with their
    /// cursors.
    asked: BTreeMap<u64, String>,
    /// Those of them that the state knows of.
    prepared: BTreeSet<u64>,
}

impl Rejects {
    /// Takes the rejects of a partition whose newest commit has a number.
    pub fn new(
        policy: OnDataError,
        state: Arc<dyn State>,
        slice: Slice,
        before: u64,
        redactor: Redactor,
    ) -> Self {
        Self {
            policy,
            state,
            slice,
            before,
            redactor,
            inner: Mutex::default(),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What ended the partition, if a reject did.
    pub fn fault(&self) -> Option<Fault> {
        self.inner().fault.clone()
    }

    /// Takes rejects of a stage that has passed on so many commit requests.
    /// Those of the destination are stored at once.
    ///
    /// # Errors
    ///
    /// That the run fails; why is kept as the fault.
    pub fn take(
        &self,
        connector: &Connector,
        passed: u64,
        rejects: Vec<Reject>,
    ) -> Result<(), String> {
        let mut inner = self.inner();
        let covering = self.before + passed + 1;
        for reject in rejects {
            match self.policy {
                OnDataError::Fail => {
                    let failure = Failure::from(reject.reason);
                    let why = failure.to_string();
                    let fault = (connector.role, connector.name.clone(), failure);
                    inner.fault.get_or_insert(fault);
                    return Err(why);
                }
                OnDataError::Skip => {}
                OnDataError::Dlq => {
                    inner.waiting_bytes += reject.row.len() + reject.reason.message.len();
                    inner
                        .waiting
                        .push((covering, self.letter(connector, reject)));
                }
            }
            *inner.counts.entry(covering).or_default() += 1;
        }
        if connector.role == Role::Destination || inner.waiting_bytes > ENOUGH {
            self.settle(&mut inner, connector)?;
        }
        Ok(())
    }

    fn letter(&self, connector: &Connector, reject: Reject) -> NewLetter {
        let Reject { row, reason } = reject;
        NewLetter {
            stage: format!("{} {}", connector.role, connector.name),
            // No database takes that character in a text.
            row: row.replace('\0', "\\0"),
            category: category_word(reason.category).to_owned(),
            code: reason.code,
            message: self
                .redactor
                .redact(reason.message.trim_end())
                .replace('\0', "\\0"),
        }
    }

    /// Stores what waits, before a destination is given its n-th commit
    /// request.
    ///
    /// # Errors
    ///
    /// As of [`Rejects::take`].
    pub fn before_commit(
        &self,
        destination: &Connector,
        number: u64,
        request: &CommitRequest,
    ) -> Result<(), String> {
        if self.policy != OnDataError::Dlq {
            return Ok(());
        }
        let mut inner = self.inner();
        let number = self.before + number;
        inner.asked.insert(number, request.cursor.clone());
        self.settle(&mut inner, destination)
    }

    /// Stores the letters that wait, and tells the state of each commit that
    /// was asked for and may cover letters.
    fn settle(&self, inner: &mut Inner, connector: &Connector) -> Result<(), String> {
        if self.policy != OnDataError::Dlq {
            return Ok(());
        }
        let Some(first) = inner.counts.keys().next().copied() else {
            return Ok(());
        };
        let stored = self.store(inner, first);
        stored.map_err(|error| {
            let message = error.to_string();
            let failure = Failure::State {
                message: message.clone(),
            };
            let fault = (connector.role, connector.name.clone(), failure);
            inner.fault.get_or_insert(fault);
            message
        })?;
        Ok(())
    }

    fn store(&self, inner: &mut Inner, first: u64) -> Result<(), crate::state::StateError> {
        let waiting = std::mem::take(&mut inner.waiting);
        inner.waiting_bytes = 0;
        for letters in waiting.chunk_by(|one, next| one.0 == next.0) {
            let number = letters[0].0;
            let letters: Vec<_> = letters.iter().map(|(_, letter)| letter.clone()).collect();
            self.state.add_letters(&self.slice, number, &letters)?;
            fail_point("letters-stored");
        }
        let Inner {
            asked, prepared, ..
        } = inner;
        for (number, cursor) in asked.range(first..) {
            if prepared.insert(*number) {
                self.state.prepare(&self.slice, *number, cursor)?;
                fail_point("commit-prepared");
            }
        }
        Ok(())
    }

    /// Notes that a commit is durable. How many rejects it covers.
    pub fn committed(&self, sequence: u64) -> u64 {
        let mut inner = self.inner();
        let later = inner.counts.split_off(&(sequence + 1));
        let covered = std::mem::replace(&mut inner.counts, later);
        inner.asked = inner.asked.split_off(&(sequence + 1));
        inner.prepared = inner.prepared.split_off(&(sequence + 1));
        covered.values().sum()
    }

    /// What passes the end of a transform: all but rejects.
    pub fn of_transform(
        self: &Arc<Self>,
        transform: &Arc<Connector>,
    ) -> impl FnMut(Frame) -> Pass<Frame> + Send + 'static {
        let (rejects, transform) = (Arc::clone(self), Arc::clone(transform));
        let mut passed = 0;
        move |frame| match within_limits(frame) {
            Pass::On(Frame::Reject(reject)) => kept(rejects.take(&transform, passed, vec![reject])),
            Pass::On(frame) => {
                passed += u64::from(matches!(frame, Frame::Commit(_)));
                Pass::On(frame)
            }
            refused => refused,
        }
    }

    /// What passes the end of a destination: all but rejects.
    pub fn of_destination(
        self: &Arc<Self>,
        destination: &Arc<Connector>,
    ) -> impl FnMut(Event) -> Pass<Event> + Send + 'static {
        let (rejects, destination) = (Arc::clone(self), Arc::clone(destination));
        let mut passed = 0;
        move |event| match event {
            Event::Rejects(found) => kept(rejects.take(&destination, passed, found)),
            Event::Committed(_) => {
                passed += 1;
                Pass::On(event)
            }
        }
    }
}

/// What becomes of a reject that was taken, or not.
pub(crate) fn kept<T>(taken: Result<(), String>) -> Pass<T> {
    match taken {
        Ok(()) => Pass::Kept,
        Err(why) => Pass::Refused(why),
    }
}
