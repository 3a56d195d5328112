//! A source that waits for a socket that stays silent, by `mode`:
//!
//! - `two-connections`: one task reads from a first connection; another task,
//!   a while later, opens a second connection and sends the request that makes
//!   the server answer on the first.
//! - `one-connection`: one task reads, another sends on the same connection.
//! - `idle`: nobody sends; it reads until the server closes.
//! - `ticking`: as `idle`, with a task beside it that wakes now and then.
//!
//! What it has read is its only row.

use std::sync::Arc;

use vesicle_connector::arrow_array::{RecordBatch, StringArray};
use vesicle_connector::arrow_schema::{DataType, Field, Schema, SchemaRef};
use vesicle_connector::{
    Config, Cursor, Emitter, Opt, Partition, Plan, Result, Source, Spec, StreamInfo, StreamRequest,
    SyncMode,
};

/// Waits.
pub struct Silent {
    #[cfg_attr(not(target_arch = "wasm32"), expect(dead_code))]
    mode: String,
    #[cfg_attr(not(target_arch = "wasm32"), expect(dead_code))]
    address: String,
}

fn schema() -> SchemaRef {
    let field = Field::new("heard", DataType::Utf8, false);
    Arc::new(Schema::new(vec![field]))
}

impl Source for Silent {
    fn spec() -> Spec {
        let modes = ["two-connections", "one-connection", "idle", "ticking"];
        Spec::new(
            "silent-socket",
            "0.1.0",
            "Waits for a socket that stays silent",
        )
        .option(Opt::choice("mode", &modes).required().doc("Who sends"))
        .option(Opt::text("address").required().doc("host:port"))
        .sync_modes(&[SyncMode::FullRefresh])
    }

    fn open(config: Config) -> Result<Self> {
        Ok(Self {
            mode: config.required("mode")?,
            address: config.required("address")?,
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
        let heard = self.hear().await?;
        let rows = StringArray::from_iter_values([heard]);
        let batch = RecordBatch::try_new(schema(), vec![Arc::new(rows)])?;
        out.batch(batch, 0).await?;
        out.checkpoint("end").await
    }
}

#[cfg(target_arch = "wasm32")]
mod waiting {
    use std::time::Duration;

    use futures::{AsyncReadExt as _, AsyncWriteExt as _};
    use vesicle_connector::net::{self, Connection};
    use vesicle_connector::{Error, Result};

    /// How long nothing happens before a request is sent.
    const WHILE: Duration = Duration::from_millis(300);

    fn heard_by(reading: Option<std::io::Result<String>>) -> Result<String> {
        let gone = || Error::internal("task-gone", "the task that reads is gone");
        Ok(reading.ok_or_else(gone)??)
    }

    impl super::Silent {
        async fn connect(&self) -> Result<Connection> {
            let bad = || Error::configuration("bad-address", "address: not host:port");
            let (host, port) = self.address.rsplit_once(':').ok_or_else(bad)?;
            let port = port.parse().map_err(|_| bad())?;
            net::connect(host, port).await
        }

        /// What the socket says in the end.
        pub async fn hear(&self) -> Result<String> {
            let mut heard = String::new();
            let mut first = self.connect().await?;
            match self.mode.as_str() {
                "two-connections" => {
                    let reading =
                        net::spawn(
                            async move { first.read_to_string(&mut heard).await.map(|_| heard) },
                        );
                    net::sleep(WHILE).await;
                    let mut second = self.connect().await?;
                    second.write_all(b"speak\n").await?;
                    second.close().await?;
                    return heard_by(reading.await);
                }
                "one-connection" => {
                    let (mut reader, mut writer) = first.split();
                    let reading = net::spawn(async move {
                        reader.read_to_string(&mut heard).await.map(|_| heard)
                    });
                    net::sleep(WHILE).await;
                    writer.write_all(b"speak\n").await?;
                    writer.flush().await?;
                    return heard_by(reading.await);
                }
                "ticking" => {
                    let _ticks = net::spawn(async {
                        loop {
                            net::sleep(Duration::from_secs(1)).await;
                        }
                    });
                    first.read_to_string(&mut heard).await?;
                }
                _ => {
                    first.read_to_string(&mut heard).await?;
                }
            }
            Ok(heard)
        }
    }
}

#[cfg(not(target_arch = "wasm32"))]
impl Silent {
    async fn hear(&self) -> Result<String> {
        Ok("nothing, outside the sandbox".into())
    }
}

vesicle_connector::export_source!(Silent);
