//! What the document may say of the source.

use vesicle_connector::{Config, Format, Opt, Result, Spec, SyncMode};
use vesicle_postgres::{Numeric, Options as Mapping};
use vesicle_postgres_client::Options as Server;

/// The options, read.
pub struct Options {
    /// The server.
    pub server: Server,
    /// Where streams without a schema of their own are.
    pub schema: String,
    /// What types become.
    pub mapping: Mapping,
    /// The publication that changes are read by, if not one of our own.
    pub publication: Option<String>,
    /// Whether changes are read until the host asks for an end.
    pub follow: bool,
    /// Whether rows may travel as the server writes them.
    pub may_pass_untouched: bool,
}

/// What the source is and takes.
pub fn spec() -> Spec {
    let (name, version) = ("source-postgres", env!("CARGO_PKG_VERSION"));
    let spec = Server::spec(name, version, "Reads tables and views of PostgreSQL");
    spec.option(
        Opt::text("schema")
            .default("public")
            .identity()
            .doc("Where tables without a schema of their own are"),
    )
    .option(
        Opt::choice("numeric", &["text", "decimal"])
            .default("text")
            .identity()
            .doc("What numeric becomes: text keeps NaN and every digit, decimal refuses NaN"),
    )
    .option(
        Opt::text("publication")
            .doc("For cdc: a publication that has the tables; made for each table if left out"),
    )
    .option(
        Opt::boolean("follow").default(false).doc(
            "For cdc: whether a run goes on until it is stopped, rather than to what there is",
        ),
    )
    .option(
        Opt::choice("format", &["auto", "arrow"])
            .default("auto")
            .doc("How rows travel: auto leaves them as the server writes them where the destination takes that; arrow looks at every value"),
    )
    .sync_modes(&[SyncMode::FullRefresh, SyncMode::Incremental, SyncMode::Cdc])
    .emits(&[Format::PostgresCopy, Format::ArrowIpc])
}

impl Options {
    /// Reads them.
    ///
    /// # Errors
    ///
    /// `configuration` for values that cannot be.
    pub fn parse(config: &Config) -> Result<Self> {
        let numeric = config.get::<String>("numeric")?;
        Ok(Self {
            server: Server::parse(config)?,
            schema: config.get("schema")?.unwrap_or_else(|| "public".into()),
            publication: config.get("publication")?,
            follow: config.get("follow")?.unwrap_or(false),
            may_pass_untouched: config.get::<String>("format")?.as_deref() != Some("arrow"),
            mapping: Mapping {
                numeric: match numeric.as_deref() {
                    Some("decimal") => Numeric::Decimal,
                    _ => Numeric::Text,
                },
            },
        })
    }
}
