//! A state that lasts as long as a test.

use super::*;
use serde_json::json;
use std::sync::Arc;

/// What keeps a state for a test.
pub(super) trait Keeps {
    /// A place of its own, where nothing is.
    fn new() -> Self;

    /// Where it is.
    fn name(&self) -> String;

    /// The state at such a place.
    fn open(name: &str) -> Arc<dyn State>;
}

/// A state, and what keeps it.
pub(super) struct Kept<K> {
    pub(super) state: Arc<dyn State>,
    pub(super) keeper: K,
}

impl<K: Keeps> Kept<K> {
    pub(super) fn new() -> Self {
        let keeper = K::new();
        let state = K::open(&keeper.name());
        Kept { state, keeper }
    }

    /// Where it is, for [`Kept::open`].
    pub(super) fn name(&self) -> String {
        self.keeper.name()
    }

    /// The state at a place.
    pub(super) fn open(name: &str) -> Arc<dyn State> {
        K::open(name)
    }

    /// The same state, as another process has it.
    pub(super) fn another(&self) -> Arc<dyn State> {
        K::open(&self.name())
    }

    /// What a process that starts after a crash sees: nothing of the memory of
    /// the one before.
    pub(super) fn reopen(self) -> Self {
        let Kept { state, keeper } = self;
        // The connection is not closed, as after kill -9.
        std::mem::forget(state);
        let state = K::open(&keeper.name());
        Kept { state, keeper }
    }

    /// A running run of pipeline `p` that has begun stream `s`.
    pub(super) fn running() -> (Self, Run) {
        let fixture = Self::new();
        fixture
            .state
            .claim("p", &json!({"use": "source-file"}))
            .unwrap();
        let run = fixture.state.begin_run("p", &json!("out")).unwrap();
        fixture
            .state
            .begin_stream(&run.id, "s", Some("snap"), Start::Afresh)
            .unwrap();
        (fixture, run)
    }

    /// Commits a cursor of partition `0` of stream `s`.
    pub(super) fn commit(&self, run: &Run, sequence: u64, cursor: &str) {
        self.state.commit(&receipt(run, sequence, cursor)).unwrap();
    }

    pub(super) fn run(&self, run: &Run) -> Run {
        let shown = self.state.show("p").unwrap();
        shown
            .runs
            .into_iter()
            .find(|found| found.id == run.id)
            .unwrap()
    }
}
