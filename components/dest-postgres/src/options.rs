//! What the document may say of the destination.

use vesicle_connector::{Config, Format, Opt, Result, Spec, SyncMode, WriteMode};
use vesicle_postgres_client::Options as Server;

/// The options, read.
pub struct Options {
    /// The server.
    pub server: Server,
    /// Where the tables are.
    pub schema: String,
}

/// What the destination is and takes.
pub fn spec() -> Spec {
    let (name, version) = ("dest-postgres", env!("CARGO_PKG_VERSION"));
    let spec = Server::spec(name, version, "Writes tables of PostgreSQL");
    spec.option(
        Opt::text("schema")
            .default("public")
            .identity()
            .doc("Where the tables are; made if it is not there"),
    )
    .sync_modes(&[SyncMode::FullRefresh, SyncMode::Incremental, SyncMode::Cdc])
    .write_modes(&[WriteMode::Append, WriteMode::Replace, WriteMode::Upsert])
    .takes(&[Format::PostgresCopy, Format::ArrowIpc])
    .evolves()
}

impl Options {
    /// Reads them.
    ///
    /// # Errors
    ///
    /// `configuration` for values that cannot be.
    pub fn parse(config: &Config) -> Result<Self> {
        Ok(Self {
            server: Server::parse(config)?,
            schema: config.get("schema")?.unwrap_or_else(|| "public".into()),
        })
    }
}
