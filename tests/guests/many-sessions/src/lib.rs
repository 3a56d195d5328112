//! A source that holds many sessions with PostgreSQL at once. All but one have
//! asked for something that the server does not answer for a long time. Over
//! the last one it reads as fast as it can, if it is to be busy; otherwise that
//! one is silent too, until the server has been told to speak.
//!
//! Its row says how many bytes came in how many microseconds.

use std::sync::Arc;
use std::time::Instant;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use vesicle_connector::arrow_array::{Int64Array, RecordBatch};
use vesicle_connector::arrow_schema::{DataType, Field, Schema, SchemaRef};
use vesicle_connector::{
    Config, Cursor, Emitter, Error, Opt, Partition, Plan, Result, Source, Spec, StreamInfo,
    StreamRequest, SyncMode,
};
use vesicle_postgres_client::{Client, Options};

/// What a silent session has asked for: a lock that somebody else has.
const SILENT: &str = "SELECT pg_advisory_lock_shared(7)";

/// Holds sessions.
pub struct ManySessions {
    server: Options,
    silent: usize,
    query: Option<String>,
}

fn schema() -> SchemaRef {
    let field = |name| Field::new(name, DataType::Int64, false);
    Arc::new(Schema::new(vec![field("bytes"), field("micros")]))
}

impl Source for ManySessions {
    fn spec() -> Spec {
        let doc = "Holds many sessions with PostgreSQL, most of them silent";
        Options::spec("many-sessions", "0.1.0", doc)
            .option(Opt::integer("silent").required().doc("How many are silent"))
            .option(Opt::text("query").doc("What the busy one copies out"))
            .sync_modes(&[SyncMode::FullRefresh])
    }

    fn open(config: Config) -> Result<Self> {
        let silent: i64 = config.required("silent")?;
        Ok(Self {
            server: Options::parse(&config)?,
            silent: usize::try_from(silent).unwrap_or(0),
            query: config.get("query")?,
        })
    }

    async fn discover(&self) -> Result<Vec<StreamInfo>> {
        Ok(Vec::new())
    }

    async fn plan(&self, _: &StreamRequest) -> Result<Plan> {
        Ok(Plan::new(schema(), vec![Partition::new("all", "")]))
    }

    async fn read(
        &self,
        _: &StreamRequest,
        _: &Partition,
        _: Option<Cursor>,
        out: &mut Emitter,
    ) -> Result<()> {
        let mut clients = Vec::new();
        for _ in 0..self.silent {
            clients.push(Client::connect(&self.server, "silent").await?);
        }
        let waiting: FuturesUnordered<_> = clients
            .iter()
            .map(|client| client.query_one(SILENT, &[]))
            .collect();
        let mut waiting = waiting.fuse();
        let read = match &self.query {
            Some(query) => {
                futures::select_biased! {
                    read = std::pin::pin!(futures::FutureExt::fuse(self.read_fast(query))) => read?,
                    _ = waiting.select_next_some() => {
                        return Err(Error::internal("spoke", "a silent session has spoken"));
                    }
                }
            }
            None => {
                while let Some(answered) = waiting.next().await {
                    answered?;
                }
                (0, 0)
            }
        };
        let columns = [read.0, read.1].map(|n| Arc::new(Int64Array::from(vec![n])) as _);
        out.batch(RecordBatch::try_new(schema(), columns.into())?, 0)
            .await?;
        out.checkpoint("end").await
    }
}

impl ManySessions {
    /// Reads what a query copies out: bytes, and microseconds.
    async fn read_fast(&self, query: &str) -> Result<(i64, i64)> {
        let client = Client::connect(&self.server, "busy").await?;
        let begin = Instant::now();
        let mut copy = client.copy_out(query).await?;
        let mut bytes = 0;
        while let Some(chunk) = copy.next().await? {
            bytes += chunk.len() as i64;
        }
        Ok((bytes, begin.elapsed().as_micros() as i64))
    }
}

vesicle_connector::export_source!(ManySessions);
