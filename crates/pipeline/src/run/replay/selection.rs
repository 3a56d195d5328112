//! Which letters a replay sends.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::AT_ONCE;
use crate::connector::bindings::types::SyncMode;
use crate::plan::{Plan, StreamPlan};
use crate::run::Progress;
use crate::state::{LetterQuery, State};
use crate::{Error, Result};

/// The letters of a stream, by the stage that they failed at.
pub(super) type ByStage = BTreeMap<String, u64>;

/// The streams that have letters which can be sent. Others stay where they are;
/// it is an error if there are no more than those.
pub(super) fn replayable(
    plan: &Plan,
    state: &Arc<dyn State>,
    query: &LetterQuery,
    progress: &Progress,
) -> Result<Vec<String>> {
    let (mut streams, mut others) = (Vec::new(), Vec::new());
    for name in by_stream(state, query)?.into_keys() {
        match find(plan, &name) {
            Ok(_) => streams.push(name),
            Err(error) => others.push(error),
        }
    }
    if streams.is_empty() && !others.is_empty() {
        return Err(others.swap_remove(0));
    }
    for error in others {
        progress.say(&format!("left where they are: {error}"));
    }
    Ok(streams)
}

/// A stream whose letters can be sent.
pub(super) fn find<'a>(plan: &'a Plan, name: &str) -> Result<&'a StreamPlan> {
    let found = plan.streams.iter().find(|one| one.request.name == name);
    let (message, help) = match found {
        None => (
            format!(
                "there are dead letters of the stream {name}, which the document does not name"
            ),
            "name the stream again, or discard its letters",
        ),
        // What has become of their rows since, only the log knows.
        Some(stream) if stream.request.sync_mode == SyncMode::Cdc => (
            format!(
                "the stream {name} is read from a log, which may have changed or deleted the rows \
                 of its dead letters since"
            ),
            "change those rows at the source, which brings them again, and discard the letters",
        ),
        Some(stream) => return Ok(stream),
    };
    let at = plan.document.source.connector.uses.position;
    let wrong = plan.document.diagnostic(at, message);
    Err(Error::Document(wrong.with_help(help).into()))
}

/// The letters that a query means, counted by stream and stage.
pub(super) fn by_stream(
    state: &Arc<dyn State>,
    query: &LetterQuery,
) -> Result<BTreeMap<String, ByStage>> {
    let mut streams: BTreeMap<String, ByStage> = BTreeMap::new();
    let mut page = LetterQuery {
        limit: AT_ONCE,
        ..query.clone()
    };
    loop {
        let letters = state.letters(&page)?;
        let Some(last) = letters.last() else { break };
        page.after = Some(last.id);
        for letter in letters {
            let stages = streams.entry(letter.stream).or_default();
            *stages.entry(letter.stage).or_default() += 1;
        }
    }
    Ok(streams)
}
