//! A source that signs in to PostgreSQL, asks it something, and then looks
//! through the whole of its memory for words. Their halves are in its
//! configuration, so that looking for them does not put them there. Its rows
//! say how often each word was found.

use std::sync::Arc;

use vesicle_connector::arrow_array::{Int64Array, RecordBatch};
use vesicle_connector::arrow_schema::{DataType, Field, Schema, SchemaRef};
use vesicle_connector::{
    Config, Cursor, Emitter, Opt, Partition, Plan, Result, Source, Spec, StreamInfo, StreamRequest,
    SyncMode,
};
use vesicle_postgres_client::{Client, Options};

/// Searches.
pub struct MemorySearch {
    server: Options,
    /// How often the secret was in memory before anything was opened.
    before: i64,
    /// The halves of the words.
    secret: [String; 2],
    known: [String; 2],
}

fn schema() -> SchemaRef {
    let field = |name| Field::new(name, DataType::Int64, false);
    Arc::new(Schema::new(vec![
        field("secret"),
        field("known"),
        field("bytes"),
    ]))
}

/// How often two halves stand one after the other in this component's memory,
/// and how many bytes that has.
#[cfg(target_arch = "wasm32")]
fn search(halves: &[String; 2]) -> (i64, i64) {
    let end = core::arch::wasm32::memory_size::<0>() * 65_536;
    // SAFETY: all of a linear memory can be read, and nobody else writes to it.
    let byte = |at: usize| unsafe { core::ptr::read_volatile(at as *const u8) };
    let is_at = |at: usize, word: &[u8]| word.iter().enumerate().all(|(n, b)| byte(at + n) == *b);
    let [first, second] = [halves[0].as_bytes(), halves[1].as_bytes()];
    let places = 1..end - first.len() - second.len();
    let found = places.filter(|at| is_at(*at, first) && is_at(at + first.len(), second));
    (found.count() as i64, end as i64)
}

#[cfg(not(target_arch = "wasm32"))]
fn search(_: &[String; 2]) -> (i64, i64) {
    (0, 0)
}

impl Source for MemorySearch {
    fn spec() -> Spec {
        let half = |name| Opt::text(name).required().doc("Half of a word");
        Options::spec("memory-search", "0.1.0", "Looks for words in its memory")
            .option(half("secret_1"))
            .option(half("secret_2"))
            .option(half("known_1"))
            .option(half("known_2"))
            .option(Opt::text("leak").doc("A word that gets into memory"))
            .sync_modes(&[SyncMode::FullRefresh])
    }

    fn open(config: Config) -> Result<Self> {
        let secret = [config.required("secret_1")?, config.required("secret_2")?];
        Ok(Self {
            server: Options::parse(&config)?,
            // The configuration is still there.
            before: search(&secret).0,
            secret,
            known: [config.required("known_1")?, config.required("known_2")?],
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
        let client = Client::connect(&self.server, "memory-search").await?;
        // What the server says of the user passes through this memory too.
        client.query("SELECT current_user::text", &[]).await?;
        let (secret, bytes) = search(&self.secret);
        let (known, _) = search(&self.known);
        let columns =
            [self.before + secret, known, bytes].map(|n| Arc::new(Int64Array::from(vec![n])) as _);
        out.batch(RecordBatch::try_new(schema(), columns.into())?, 0)
            .await?;
        out.checkpoint("end").await
    }
}

vesicle_connector::export_source!(MemorySearch);
