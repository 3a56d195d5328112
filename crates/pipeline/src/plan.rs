//! What a run does: connectors resolved, permissions granted, streams laid out.
//!
//! Invariant: a plan holds nothing that the document, the manifests or the
//! connectors' own specs rule out.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value as Json, json};
use vesicle_pool::Audit;
use vesicle_pool::wasi::FileGrant;

use crate::connector::bindings::StreamRequest;
use crate::connector::bindings::types::Format;
use crate::connector::{Connector, Role};
use crate::document::{
    self, Diagnostics, Document, NewColumn, Nullability, Redactor, RemovedColumn, SchemaEvolution,
    StateStore, TypeChange,
};
use crate::layout::{accepted, lay_out, sync_word};
use crate::state::StateAt;
use crate::workshop::{Made, Setting, Workshop};
use crate::{Error, Result};

/// A pipeline that can run.
pub struct Plan {
    /// The document.
    pub document: Document,
    /// The folder that relative paths start from.
    pub base: PathBuf,
    /// Where the state is kept.
    pub state: StateAt,
    /// Where rows come from.
    pub source: Arc<Connector>,
    /// What they pass through.
    pub transforms: Vec<Arc<Connector>>,
    /// Where they go.
    pub destination: Arc<Connector>,
    /// What tells this pipeline's source from another.
    pub identity: Json,
    /// What tells its destination from another.
    pub destination_identity: Json,
    /// The streams.
    pub streams: Vec<StreamPlan>,
    /// Hides secrets in whatever is printed or stored.
    pub redactor: Redactor,
    /// What the connectors have reached for.
    pub audit: Audit,
    /// What the user should know.
    pub warnings: Vec<String>,
    /// How long compiling took, or loading from the cache.
    pub compiling: Duration,
}

/// One stream of a plan.
#[derive(Debug, Clone)]
pub struct StreamPlan {
    /// What the source is asked for.
    pub request: StreamRequest,
    /// The columns that identify a row at the destination.
    pub primary_key: Vec<String>,
}

impl Plan {
    /// Makes the plan of a document. No data moves; the components run only to
    /// say what they are, and the source to name its streams where the document
    /// says `"*"`.
    ///
    /// # Errors
    ///
    /// [`Error::Document`] with everything that is wrong in the document, and
    /// whatever stands in the way.
    pub async fn make(
        workshop: &Workshop,
        document: Document,
        base: &Path,
        environment: &document::Environment<'_>,
    ) -> Result<Self> {
        let audit = Audit::default();
        let mut redactor = document.redactor();
        let state = StateAt::of(&document.state, base)
            .map_err(|wrong| document.diagnostic(state_position(&document), wrong))
            .map_err(|wrong| Error::Document(wrong.into()))?;
        if let Some(password) = state.password() {
            redactor.add(password);
        }
        let setting = Setting {
            document: &document,
            base,
            environment,
            audit: &audit,
        };
        let mut wrong = Vec::new();
        let (source, destination) = (&document.source, &document.destination);
        let mut parts = vec![(
            &source.connector,
            &source.connector.uses.value,
            Role::Source,
        )];
        let transforms = document.transforms.iter();
        parts.extend(transforms.map(|t| (&t.connector, &t.name, Role::Transform)));
        let connector = &destination.connector;
        parts.push((connector, &connector.uses.value, Role::Destination));
        let mut made = Vec::new();
        // Loading takes most of the time that a short run has.
        let fetched = join_all(parts.iter().map(|(part, ..)| workshop.fetch(setting, part))).await;
        for ((part, called, role), fetched) in parts.into_iter().zip(fetched) {
            let making = fetched.and_then(|introduced| {
                workshop.make(setting, part, introduced, (role, called), &mut redactor)
            });
            match making {
                Ok(one) => made.push(one),
                Err(Error::Document(errors)) => wrong.extend_from_slice(errors.as_slice()),
                Err(other) => return Err(other),
            }
        }
        if let Some(errors) = Diagnostics::new(wrong) {
            return Err(errors.into());
        }
        let warnings = made.iter().flat_map(|m| m.warnings.clone()).collect();
        let compiling = made.iter().map(|m| m.compiling).max().unwrap_or_default();
        let (Some(source), Some(destination)) = take_ends(&mut made) else {
            return Err(Error::Defect("a pipeline without ends".into()));
        };
        let accepts = accepted(&made, &destination.connector);
        let streams = lay_out(
            &document,
            &source.connector,
            &destination.connector,
            accepts,
        )
        .await?;
        let plan = Self {
            identity: source.identity,
            source: source.connector,
            transforms: made.into_iter().map(|m| m.connector).collect(),
            destination_identity: destination.identity,
            destination: destination.connector,
            base: base.to_owned(),
            state,
            streams,
            redactor,
            audit,
            warnings,
            compiling,
            document,
        };
        plan.check_supported()?;
        Ok(plan)
    }

    fn check_supported(&self) -> Result<()> {
        let destination = &self.document.destination;
        let strict = SchemaEvolution {
            new_column: NewColumn::Fail,
            removed_column: RemovedColumn::Fail,
            type_change: TypeChange::Fail,
            nullability: Nullability::Fail,
        };
        if destination.schema_evolution != strict && !self.destination.spec.evolves {
            let message = format!(
                "{} does not change the columns of what it has written, and schema_evolution \
                 asks for it",
                self.destination.name
            );
            return Err(self.unsupported(message, "use fail on each axis, or leave it out"));
        }
        let takes = |connector: &Connector| connector.spec.takes.contains(&Format::ArrowIpc);
        if !self.source.spec.emits.contains(&Format::ArrowIpc) || !takes(&self.destination) {
            let message = format!(
                "{} and {} have no format in common",
                self.source.name, self.destination.name
            );
            return Err(self.unsupported(message, "choose connectors that speak Arrow"));
        }
        Ok(())
    }

    /// What the document asks of its destination, and nobody does.
    fn unsupported(&self, message: String, help: &str) -> Error {
        let at = self.document.destination.connector.uses.position;
        let wrong = self.document.diagnostic(at, message).with_help(help);
        Error::Document(wrong.into())
    }

    /// The plan, for people.
    #[must_use]
    pub fn describe(&self) -> String {
        let mut lines = vec![format!("pipeline {}", self.document.pipeline.value)];
        for connector in self.connectors() {
            let alias = match connector.name == connector.component {
                true => String::new(),
                false => format!("{} = ", connector.name),
            };
            lines.push(format!(
                "  {:<12} {alias}{} {} ({} MiB memory, stuck after {})",
                connector.role.to_string(),
                connector.component,
                connector.spec.version,
                connector.budget.memory >> 20,
                document::show_duration(connector.idle_timeout),
            ));
            lines.extend(
                may(connector)
                    .into_iter()
                    .map(|line| format!("    may {line}")),
            );
        }
        let checkpoint = &self.document.checkpoint;
        let rows = checkpoint
            .rows
            .map(|rows| format!(", {rows} rows"))
            .unwrap_or_default();
        lines.push(format!(
            "  commits      after {}{rows} or {}",
            document::show_size(checkpoint.bytes),
            document::show_duration(checkpoint.interval)
        ));
        lines.push(format!(
            "  queues       {} for a stream",
            document::show_size(self.document.resources.queue)
        ));
        for stream in &self.streams {
            lines.push(format!(
                "  stream       {} ({}, {})",
                stream.request.name,
                sync_word(stream.request.sync_mode),
                self.document.destination.write_mode.value
            ));
        }
        lines.push(format!("  state        {}", self.state));
        self.redactor.only_secrets().redact(&lines.join("\n"))
    }

    /// The plan, for programs.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let connectors: Vec<_> = self
            .connectors()
            .map(|connector| {
                json!({
                    "role": connector.role,
                    "name": connector.name,
                    "use": connector.component,
                    "version": connector.spec.version,
                    "memory_bytes": connector.budget.memory,
                    "may": may(connector),
                })
            })
            .collect();
        let streams: Vec<_> = self
            .streams
            .iter()
            .map(|stream| {
                json!({
                    "name": stream.request.name,
                    "sync_mode": sync_word(stream.request.sync_mode),
                    "write_mode": self.document.destination.write_mode.value.to_string(),
                })
            })
            .collect();
        json!({
            "pipeline": self.document.pipeline.value,
            "connectors": connectors,
            "streams": streams,
            "warnings": self.warnings,
        })
    }

    /// All connectors, in the order in which rows meet them.
    pub fn connectors(&self) -> impl Iterator<Item = &Arc<Connector>> {
        std::iter::once(&self.source)
            .chain(&self.transforms)
            .chain(std::iter::once(&self.destination))
    }
}

/// Where the document says where the state is.
fn state_position(document: &Document) -> document::Position {
    match &document.state {
        StateStore::Sqlite(at) | StateStore::Postgres(at) => at.position,
    }
}

/// What a connector may do, one line each.
fn may(connector: &Connector) -> Vec<String> {
    let grants = &connector.grants;
    let mut lines = Vec::new();
    const SHOWN: usize = 5;
    lines.extend(
        grants
            .files
            .iter()
            .take(SHOWN)
            .map(|file| format!("read {}", as_linked(file))),
    );
    if grants.files.len() > SHOWN {
        lines.push(format!("read {} more files", grants.files.len() - SHOWN));
    }
    lines.extend(
        grants
            .folders
            .iter()
            .map(|f| format!("read and write in {}", f.guest)),
    );
    lines.extend(grants.connect.iter().map(|e| {
        let addresses: Vec<_> = e.addresses.iter().map(|a| a.ip().to_string()).collect();
        format!(
            "connect to {}:{} ({})",
            e.host,
            e.port,
            addresses.join(", ")
        )
    }));
    lines.extend(
        connector
            .sessions
            .iter()
            .map(|session| format!("have sessions with {session}, signed in by the host")),
    );
    lines.extend(
        grants
            .env
            .iter()
            .map(|(name, _)| format!("see the variable {name}")),
    );
    if lines.is_empty() {
        lines.push("reach nothing".into());
    }
    lines
}

/// A file as the guest opens it, and what it is a link to.
fn as_linked(file: &FileGrant) -> String {
    let written = Path::new(&file.guest);
    if file.host.ends_with(written.file_name().unwrap_or_default()) {
        return file.guest.clone();
    }
    format!("{}, a link to {}", file.guest, file.host.display())
}

/// The first and the last.
fn take_ends(made: &mut Vec<Made>) -> (Option<Made>, Option<Made>) {
    let destination = made.pop();
    if made.is_empty() {
        return (None, destination);
    }
    (Some(made.remove(0)), destination)
}
