//! A source that does one bad thing, by `mode`. It asks for everything in its
//! manifest, so that only the document stands in its way.
//!
//! Whatever it gets hold of it emits as a row and ends well: a test sees that
//! by the exit code. What it is refused it reports as the error of the mode.

#[cfg(target_arch = "wasm32")]
mod files;
#[cfg(target_arch = "wasm32")]
mod limits;
#[cfg(target_arch = "wasm32")]
mod network;

use std::sync::Arc;

use vesicle_connector::arrow_array::{RecordBatch, StringArray};
use vesicle_connector::arrow_schema::{DataType, Field, Schema, SchemaRef};
use vesicle_connector::{
    Config, Cursor, Emitter, Error, Opt, Partition, Plan, Result, Source, Spec, StreamInfo,
    StreamRequest, SyncMode,
};

/// One bad deed.
pub struct Hostile {
    mode: String,
    target: String,
}

fn schema() -> SchemaRef {
    let field = Field::new("loot", DataType::Utf8, false);
    Arc::new(Schema::new(vec![field]))
}

impl Source for Hostile {
    fn spec() -> Spec {
        Spec::new("hostile-source", "0.1.0", "Does one bad thing")
            .option(Opt::text("mode").required().doc("Which one"))
            .option(Opt::text("target").default("").doc("To what"))
            .sync_modes(&[SyncMode::FullRefresh])
    }

    fn open(config: Config) -> Result<Self> {
        Ok(Self {
            mode: config.required("mode")?,
            target: config.required("target")?,
        })
    }

    async fn discover(&self) -> Result<Vec<StreamInfo>> {
        Ok(Vec::new())
    }

    async fn plan(&self, _: &StreamRequest) -> Result<Plan> {
        #[cfg(target_arch = "wasm32")]
        if self.mode == "spin-in-plan" {
            limits::spin();
        }
        Ok(Plan::new(schema(), vec![Partition::new("all", "")]))
    }

    async fn read(
        &self,
        _: &StreamRequest,
        _: &Partition,
        _: Option<Cursor>,
        out: &mut Emitter,
    ) -> Result<()> {
        let loot = self.loot().await?;
        let rows = StringArray::from_iter_values([loot]);
        let batch = RecordBatch::try_new(schema(), vec![Arc::new(rows)])?;
        out.batch(batch, 0).await?;
        out.checkpoint("end").await
    }
}

impl Hostile {
    #[cfg(target_arch = "wasm32")]
    async fn loot(&self) -> Result<String> {
        let target = self.target.as_str();
        match self.mode.as_str() {
            "connect" => network::connect(target).await,
            "connect-blocking" => network::connect_blocking(target),
            "listen" => network::listen().await,
            "send-datagram" => network::send_datagram(target),
            "resolve" => network::resolve(target).await,
            "resolve-blocking" => network::resolve_blocking(target),
            "environment" => environment(target),
            "read" => files::read(target),
            "open" => files::open(target),
            "link" => files::link(target),
            "link-hard" => files::link_hard(target),
            "rename" => files::rename(target),
            "look" => files::look(target),
            "list" => files::list(),
            "spin" => limits::spin(),
            "wait" => futures::future::pending().await,
            "block" => limits::block(),
            "allocate" => limits::allocate(),
            "recurse" => Ok(limits::recurse(0).to_string()),
            "panic" => panic!("as asked"),
            "exit" => std::process::exit(target.parse().unwrap_or_default()),
            "flood" => limits::flood(target),
            "deceive" => Err(Error::internal("deceit\u{1b}[2K", target)),
            "spin-in-plan" => Ok("got past the plan".into()),
            other => Err(Error::configuration("no-such-mode", other)),
        }
    }

    #[cfg(not(target_arch = "wasm32"))]
    async fn loot(&self) -> Result<String> {
        let message = format!("{} {}: only in the sandbox", self.mode, self.target);
        Err(Error::unsupported("not-a-component", message))
    }
}

/// The value of a variable.
#[cfg(target_arch = "wasm32")]
fn environment(name: &str) -> Result<String> {
    std::env::var(name).map_err(|_| {
        let seen = std::env::vars().count();
        let message = format!("{name} is not to be seen among {seen} variables");
        Error::permission("no-variable", message)
    })
}

vesicle_connector::export_source!(Hostile);
