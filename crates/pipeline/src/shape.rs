//! What a stream looks like on its way, before a row of it moves.

use std::sync::Arc;

use crate::connector::{Connector, Failure, HeldPlan, SourceCalls, TransformCalls};
use crate::plan::{Plan, StreamPlan};
use crate::{Error, Result};

/// A stream that has been laid out.
pub struct Shape {
    /// How the source reads it, and what must stay open meanwhile.
    pub held: HeldPlan,
    /// The schema of what reaches the destination.
    pub schema: Vec<u8>,
}

impl Plan {
    /// Asks the source how it reads a stream, and the transforms what becomes
    /// of its columns.
    ///
    /// # Errors
    ///
    /// What a connector says.
    pub async fn shape(&self, stream: &StreamPlan) -> Result<Shape> {
        let name = &stream.request.name;
        let held = SourceCalls(&self.source)
            .plan(&stream.request)
            .await
            .map_err(|failure| by(&self.source, name, failure))?;
        let mut schema = held.plan.schema.clone();
        for transform in &self.transforms {
            schema = TransformCalls(transform)
                .plan(name, &schema)
                .await
                .map_err(|failure| by(transform, name, failure))?;
        }
        Ok(Shape { held, schema })
    }
}

/// The error of a connector, at a stream.
pub(crate) fn by(connector: &Arc<Connector>, stream: &str, failure: Failure) -> Error {
    Error::Connector {
        role: connector.role,
        component: connector.name.clone(),
        stream: Some(stream.to_owned()),
        failure,
    }
}
