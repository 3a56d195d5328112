//! What is held for the other end of a link, counted by the messages that pass.
//!
//! Invariants: it counts what the RPC system holds: a call from when it comes until it
//! was both answered and finished; a capability until it was released as often as it was
//! given. A call that was given up on holds no more than its place,
//! unless others were made on what it would have answered. Numbers are those that the
//! other end chooses, and may mean nothing.

use std::cell::{Cell, RefCell};
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet, VecDeque};

use capnp_rpc::rpc_capnp::{
    call, cap_descriptor, finish, message, message_target, payload, release, resolve, return_,
};
use tokio::sync::oneshot;

use crate::quota::{Overrun, Quota};

/// The count of one link.
pub(crate) struct Tally {
    counts: RefCell<Counts>,
    over: Cell<Option<oneshot::Sender<Overrun>>>,
}

/// What is held.
struct Counts {
    quota: Quota,
    calls: HashMap<u32, Call>,
    /// Those of them that were given up on.
    given_up: usize,
    bytes: u64,
    /// How often each capability was given.
    exports: HashMap<u32, u32>,
    imports: HashSet<u32>,
    /// Answers that are not written yet: where each ends among all that is written, and
    /// how long it is.
    unread: VecDeque<(u64, u64)>,
}

/// A call of the other end.
#[derive(Default)]
struct Call {
    bytes: u64,
    is_answered: bool,
    is_finished: bool,
    /// Whether others were made on what it answers.
    is_built_on: bool,
    /// What was given with the answer.
    exports: Vec<u32>,
}

type Counted = Result<(), Overrun>;

impl Tally {
    /// Nothing yet, and where it is told once there is too much.
    pub fn new(quota: Quota) -> (Self, oneshot::Receiver<Overrun>) {
        let (over, overrun) = oneshot::channel();
        let tally = Self {
            counts: RefCell::new(Counts::new(quota)),
            over: Cell::new(Some(over)),
        };
        (tally, overrun)
    }

    /// Counts a message that came, and how many bytes it has.
    ///
    /// # Errors
    ///
    /// Where there is too much: it must not be answered.
    pub fn heard(&self, message: &message::Reader<'_>, bytes: u64) -> capnp::Result<()> {
        let counted = self.counts.borrow_mut().heard(message, bytes);
        self.tell(counted)
    }

    /// Counts a message that was sent, how many bytes it has, and where it ends among
    /// all that is written.
    pub fn said(&self, message: &message::Reader<'_>, bytes: u64, end: u64) {
        let counted = self.counts.borrow_mut().said(message, bytes, end);
        // Nothing more comes, as whoever drives the link is told.
        let _ = self.tell(counted);
    }

    /// So many bytes are written in all.
    pub fn wrote(&self, end: u64) {
        self.counts.borrow_mut().wrote(end);
    }

    fn tell(&self, counted: Counted) -> capnp::Result<()> {
        counted.map_err(|overrun| {
            if let Some(over) = self.over.take() {
                // Nobody may listen any more.
                let _ = over.send(overrun);
            }
            capnp::Error::overloaded(overrun.to_string())
        })
    }
}

impl Counts {
    fn new(quota: Quota) -> Self {
        Self {
            quota,
            calls: HashMap::new(),
            given_up: 0,
            bytes: 0,
            exports: HashMap::new(),
            imports: HashSet::new(),
            unread: VecDeque::new(),
        }
    }

    /// What cannot be read is left to the RPC system, which ends the link.
    fn heard(&mut self, message: &message::Reader<'_>, bytes: u64) -> Counted {
        match message.which() {
            Ok(message::Bootstrap(Ok(bootstrap))) => self.open(bootstrap.get_question_id(), bytes),
            Ok(message::Call(Ok(call))) => self.called(&call, bytes),
            Ok(message::Return(Ok(answer))) => match answer.which() {
                Ok(return_::Results(Ok(results))) => self.take_all(&results),
                _ => Ok(()),
            },
            Ok(message::Resolve(Ok(resolve))) => match resolve.which() {
                Ok(resolve::Cap(Ok(capability))) => self.take(&capability),
                _ => Ok(()),
            },
            Ok(message::Finish(Ok(finish))) => self.finished(&finish),
            Ok(message::Release(Ok(release))) => {
                self.release(release.get_id(), release.get_reference_count());
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn called(&mut self, call: &call::Reader<'_>, bytes: u64) -> Counted {
        let kept = call.get_send_results_to().which();
        if matches!(kept, Ok(call::send_results_to::Yourself(()))) {
            return Err(Overrun::Kept);
        }
        if let Ok(target) = call.get_target()
            && let Ok(message_target::PromisedAnswer(Ok(answer))) = target.which()
        {
            self.build_on(answer.get_question_id());
        }
        if let Ok(params) = call.get_params() {
            self.take_all(&params)?;
        }
        self.open(call.get_question_id(), bytes)
    }

    fn open(&mut self, id: u32, bytes: u64) -> Counted {
        // A number that is taken ends the link.
        if let Entry::Vacant(vacant) = self.calls.entry(id) {
            vacant.insert(Call {
                bytes,
                ..Call::default()
            });
            self.bytes += bytes;
        }
        let most = self.quota.calls;
        match self.calls.len() - self.given_up > most {
            true => Err(Overrun::Calls(most)),
            false => self.weigh(),
        }
    }

    fn weigh(&self) -> Counted {
        match self.bytes > self.quota.bytes {
            true => Err(Overrun::Bytes(self.quota.bytes)),
            false => Ok(()),
        }
    }

    fn build_on(&mut self, id: u32) {
        if let Some(call) = self.calls.get_mut(&id) {
            call.is_built_on = true;
        }
    }

    fn take_all(&mut self, payload: &payload::Reader<'_>) -> Counted {
        let Ok(table) = payload.get_cap_table() else {
            return Ok(());
        };
        if table.len() as usize > self.quota.imports {
            return Err(Overrun::Imports(self.quota.imports));
        }
        table.iter().try_for_each(|each| self.take(&each))
    }

    /// A capability that came.
    fn take(&mut self, capability: &cap_descriptor::Reader<'_>) -> Counted {
        match capability.which() {
            Ok(cap_descriptor::SenderHosted(id) | cap_descriptor::SenderPromise(id)) => {
                self.imports.insert(id);
            }
            Ok(cap_descriptor::ReceiverAnswer(Ok(answer))) => {
                self.build_on(answer.get_question_id());
            }
            _ => {}
        }
        let most = self.quota.imports;
        match self.imports.len() > most {
            true => Err(Overrun::Imports(most)),
            false => Ok(()),
        }
    }

    fn finished(&mut self, finish: &finish::Reader<'_>) -> Counted {
        let id = finish.get_question_id();
        let Entry::Occupied(mut entry) = self.calls.entry(id) else {
            return Ok(());
        };
        if !entry.get().is_answered {
            let call = entry.get_mut();
            if call.is_finished {
                return Ok(());
            }
            call.is_finished = true;
            if !call.is_built_on {
                self.bytes -= std::mem::take(&mut call.bytes);
            }
            self.given_up += 1;
            let most = self.quota.given_up;
            return match self.given_up > most {
                true => Err(Overrun::GivenUp(most)),
                false => Ok(()),
            };
        }
        let call = entry.remove();
        self.bytes -= call.bytes;
        if finish.get_release_result_caps() {
            call.exports.iter().for_each(|id| self.release(*id, 1));
        }
        Ok(())
    }

    fn release(&mut self, id: u32, times: u32) {
        if let Entry::Occupied(mut entry) = self.exports.entry(id) {
            match entry.get().checked_sub(times) {
                None | Some(0) => drop(entry.remove()),
                Some(left) => drop(entry.insert(left)),
            }
        }
    }

    fn said(&mut self, message: &message::Reader<'_>, bytes: u64, end: u64) -> Counted {
        match message.which() {
            Ok(message::Return(Ok(answer))) => self.answered(&answer, bytes, end),
            Ok(message::Call(Ok(call))) => match call.get_params() {
                Ok(params) => self.give_all(&params).map(drop),
                Err(_) => Ok(()),
            },
            Ok(message::Resolve(Ok(resolve))) => match resolve.which() {
                Ok(resolve::Cap(Ok(capability))) => {
                    self.give(&capability);
                    self.look_at_exports()
                }
                _ => Ok(()),
            },
            Ok(message::Release(Ok(release))) => self.let_go(&release),
            _ => Ok(()),
        }
    }

    fn answered(&mut self, answer: &return_::Reader<'_>, bytes: u64, end: u64) -> Counted {
        // An answer with capabilities always has to be finished.
        let exports = match answer.get_no_finish_needed() {
            true => Vec::new(),
            false => match answer.which() {
                Ok(return_::Results(Ok(results))) => self.give_all(&results)?,
                _ => Vec::new(),
            },
        };
        if let Entry::Occupied(mut entry) = self.calls.entry(answer.get_answer_id()) {
            let call = entry.get_mut();
            self.bytes -= call.bytes;
            if call.is_finished || answer.get_no_finish_needed() {
                self.given_up -= usize::from(call.is_finished);
                entry.remove();
            } else {
                call.is_answered = true;
                call.bytes = bytes;
                call.exports = exports;
                self.bytes += bytes;
            }
        }
        self.unread.push_back((end, bytes));
        self.bytes += bytes;
        self.weigh()
    }

    fn wrote(&mut self, end: u64) {
        while let Some((last, bytes)) = self.unread.front().copied()
            && last <= end
        {
            self.unread.pop_front();
            self.bytes -= bytes;
        }
    }

    /// Capabilities that were given, by their numbers.
    fn give_all(&mut self, payload: &payload::Reader<'_>) -> Result<Vec<u32>, Overrun> {
        let Ok(table) = payload.get_cap_table() else {
            return Ok(Vec::new());
        };
        let given = table.iter().filter_map(|each| self.give(&each)).collect();
        self.look_at_exports().map(|()| given)
    }

    fn give(&mut self, capability: &cap_descriptor::Reader<'_>) -> Option<u32> {
        match capability.which() {
            Ok(cap_descriptor::SenderHosted(id) | cap_descriptor::SenderPromise(id)) => {
                *self.exports.entry(id).or_default() += 1;
                Some(id)
            }
            _ => None,
        }
    }

    fn look_at_exports(&self) -> Counted {
        let most = self.quota.exports;
        match self.exports.len() > most {
            true => Err(Overrun::Exports(most)),
            false => Ok(()),
        }
    }

    fn let_go(&mut self, release: &release::Reader<'_>) -> Counted {
        self.imports.remove(&release.get_id());
        Ok(())
    }
}

#[cfg(test)]
mod tests;
