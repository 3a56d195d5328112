//! Dead letters as the first stage of a flow: rows that go to the stage that
//! could not pass them on, and a commit request after so many.
//!
//! Invariant: a cursor is the number of a letter, and covers all letters of the
//! query up to it, those of other stages among them.

use std::sync::Arc;

use vesicle_flow::{Counters, Flow, Sender};

use super::fail_point::fail_point;
use super::partition::StageError;
use super::rejects::Rejects;
use crate::connector::bindings::types::{
    Batch, CommitRequest, Error as Reason, ErrorCategory, Format, Frame, Reject,
};
use crate::connector::{Connector, Failure};
use crate::letter_rows::LetterRows;
use crate::state::{Letter, LetterQuery, State};

/// The letters of one partition, on their way to a stage.
pub(super) struct Letters {
    /// Where they are kept.
    pub state: Arc<dyn State>,
    /// Which they are, from where on, and how many go at once.
    pub query: LetterQuery,
    /// The stage that they failed at, as letters name it.
    pub stage: String,
    /// That of the stage's input.
    pub schema: Vec<u8>,
    /// The stage.
    pub to: Arc<Connector>,
}

impl Letters {
    /// Sends them, as a stage of the flow.
    pub fn spawn(self, flow: &mut Flow<StageError>, frames: Sender<Frame>, rejects: &Arc<Rejects>) {
        let counters = Counters::new("dead letters");
        let (rejects, idle_timeout) = (Arc::clone(rejects), self.to.idle_timeout);
        flow.spawn(&counters, idle_timeout, async move {
            let to = Arc::clone(&self.to);
            self.send(&frames, &rejects)
                .await
                .map_err(|failure| (to.role, to.name.clone(), failure))
        });
    }

    async fn send(mut self, frames: &Sender<Frame>, rejects: &Rejects) -> Result<(), Failure> {
        let mut rows = LetterRows::new(&self.schema).map_err(crashed)?;
        let mut commits = 0;
        let mut newest = self.query.after.unwrap_or(0);
        // Whoever does not listen any more has failed, and says so.
        let _ = frames.send(Frame::Schema(self.schema.clone())).await;
        loop {
            let letters = self
                .state
                .letters(&self.query)
                .map_err(|error| Failure::State {
                    message: error.to_string(),
                })?;
            let Some(last) = letters.last().map(|letter| letter.id) else {
                break;
            };
            self.query.after = Some(last);
            let own = letters.iter().filter(|letter| letter.stage == self.stage);
            let (payload, count, refused) = rows.encode(own).map_err(crashed)?;
            for (letter, why) in refused {
                rejects
                    .take(&self.to, commits, vec![again(letter, why)])
                    .map_err(crashed)?;
            }
            if count > 0 {
                let batch = Batch {
                    format: Format::ArrowIpc,
                    rows: count,
                    source_bytes: 0,
                    payload,
                };
                let _ = frames.send(Frame::Batch(batch)).await;
            }
            newest = last;
            commits += 1;
            fail_point("commit-requested");
            let request = CommitRequest {
                cursor: newest.to_string(),
                last: false,
            };
            if frames.send(Frame::Commit(request)).await.is_err() {
                return Ok(());
            }
        }
        let request = CommitRequest {
            cursor: newest.to_string(),
            last: true,
        };
        let _ = frames.send(Frame::Commit(request)).await;
        Ok(())
    }
}

fn crashed(message: String) -> Failure {
    Failure::Crashed { message }
}

/// A letter that is no row of the stage's input any more.
fn again(letter: &Letter, why: String) -> Reject {
    Reject {
        row: letter.row.clone(),
        reason: Reason {
            category: ErrorCategory::Data,
            code: "not-a-row".into(),
            message: why,
            retryable: false,
            retry_after: None,
        },
    }
}
