//! What the document may say of the destination.

use vesicle_connector::{Config, Format, Opt, Result, Spec, WriteMode};
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
    let mut spec = Spec::new(
        "dest-postgres",
        env!("CARGO_PKG_VERSION"),
        "Writes tables of PostgreSQL",
    );
    for key in Server::keys() {
        spec = spec.option(key);
    }
    spec.option(
        Opt::text("schema")
            .default("public")
            .identity()
            .doc("Where the tables are; made if it is not there"),
    )
    .write_modes(&[WriteMode::Append, WriteMode::Replace, WriteMode::Upsert])
    .takes(&[Format::PostgresCopy, Format::ArrowIpc])
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
