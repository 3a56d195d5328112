//! The options that a source and a destination have in common.

use vesicle_connector::{Config, Error, Opt, Result, Spec};

/// The port that PostgreSQL listens on by default.
const PORT: u16 = 5432;

/// Which database to connect to, and as whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The host, in the document's words.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The user.
    pub user: String,
    /// The database.
    pub database: String,
}

impl Options {
    /// What a connector is, with these keys. The host takes the password, and
    /// what is said of encryption, for itself.
    pub fn spec(name: &str, version: &str, doc: &str) -> Spec {
        let spec = Spec::new(name, version, doc);
        Self::keys().into_iter().fold(spec, Spec::option)
    }

    fn keys() -> Vec<Opt> {
        let sslmode = ["disable", "require", "verify-ca", "verify-full"];
        vec![
            Opt::text("host")
                .required()
                .identity()
                .doc("The server's name or address"),
            Opt::integer("port")
                .default(PORT)
                .identity()
                .doc("The port it listens on"),
            Opt::text("user").required().doc("Who to sign in as"),
            Opt::text("password")
                .secret()
                .doc("What proves it; stays with the host"),
            Opt::text("database")
                .identity()
                .doc("The database; the user's name if left out"),
            Opt::choice("sslmode", &sslmode).doc(
                "How the connection is secured; verify-full if left out, disable on this machine",
            ),
            Opt::text("sslrootcert")
                .doc("A PEM file with the authorities to trust instead of this machine's"),
        ]
    }

    /// Reads them.
    ///
    /// # Errors
    ///
    /// `configuration` for a port that is none.
    pub fn parse(config: &Config) -> Result<Self> {
        let port = config.get::<i64>("port")?.unwrap_or(PORT.into());
        let port = u16::try_from(port).ok().filter(|port| *port > 0);
        let user: String = config.required("user")?;
        Ok(Self {
            host: config.required("host")?,
            port: port.ok_or_else(|| {
                let message = "port: it must be a number from 1 to 65535";
                Error::configuration("bad-port", message)
            })?,
            database: config.get("database")?.unwrap_or_else(|| user.clone()),
            user,
        })
    }

    /// `host:port/database`, for messages.
    pub fn place(&self) -> String {
        format!("{}:{}/{}", self.host, self.port, self.database)
    }
}
