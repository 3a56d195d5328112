//! The files of a new project, as they lie in `templates/` of this crate.
//!
//! In them, `{{name}}` stands for the project's name, `{{crate}}` for the same
//! as Rust writes it, `{{sdk}}` for the path of the SDK as a TOML string, and
//! `{{dependencies}}` and `{{dev-dependencies}}` for lines of a Cargo.toml.

/// What can be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A document with sample data.
    Pipeline,
    /// A connector that reads.
    Source,
    /// A connector that changes rows.
    Transform,
    /// A connector that writes.
    Destination,
}

/// A file: where it goes, and what it holds.
pub type File = (&'static str, &'static str);

/// A file of `templates/`, under the name that it gets.
macro_rules! file {
    ($to:literal, $from:literal) => {
        ($to, include_str!(concat!("../../templates/", $from)))
    };
}

const CARGO: File = file!("Cargo.toml", "common/Cargo.toml.in");
const CARGO_CONFIG: File = file!(".cargo/config.toml", "common/cargo-config.toml");
const IGNORED: File = file!(".gitignore", "common/gitignore");
const SAMPLE: File = file!("sample.csv", "common/sample.csv");

impl Kind {
    /// Whether it is Rust, built on the SDK.
    pub fn is_connector(self) -> bool {
        self != Self::Pipeline
    }

    /// Its word on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pipeline => "pipeline",
            Self::Source => "source",
            Self::Transform => "transform",
            Self::Destination => "destination",
        }
    }

    /// Its files.
    pub fn files(self) -> &'static [File] {
        match self {
            Self::Pipeline => &[
                file!("pipeline.yaml", "pipeline/pipeline.yaml"),
                file!("data/people.csv", "pipeline/data/people.csv"),
                file!("README.md", "pipeline/README.md"),
                file!(".gitignore", "pipeline/gitignore"),
            ],
            Self::Source => &[
                CARGO,
                CARGO_CONFIG,
                IGNORED,
                file!("manifest.toml", "source/manifest.toml"),
                file!("src/lib.rs", "source/src/lib.rs"),
                file!("pipeline.yaml", "source/pipeline.yaml"),
                file!("README.md", "source/README.md"),
            ],
            Self::Transform => &[
                CARGO,
                CARGO_CONFIG,
                IGNORED,
                SAMPLE,
                file!("manifest.toml", "transform/manifest.toml"),
                file!("src/lib.rs", "transform/src/lib.rs"),
                file!("pipeline.yaml", "transform/pipeline.yaml"),
                file!("README.md", "transform/README.md"),
            ],
            Self::Destination => &[
                CARGO,
                CARGO_CONFIG,
                IGNORED,
                SAMPLE,
                file!("manifest.toml", "destination/manifest.toml"),
                file!("src/lib.rs", "destination/src/lib.rs"),
                file!("src/ledger.rs", "destination/src/ledger.rs"),
                file!("src/tests.rs", "destination/src/tests.rs"),
                file!("pipeline.yaml", "destination/pipeline.yaml"),
                file!("README.md", "destination/README.md"),
            ],
        }
    }

    /// What it depends on beyond the SDK.
    pub fn dependencies(self) -> &'static str {
        match self {
            Self::Pipeline | Self::Source | Self::Transform => "",
            Self::Destination => {
                "arrow-json = { version = \"60.1\", default-features = false }\n\
                 serde = { version = \"1\", features = [\"derive\"] }\n\
                 serde_json = \"1\"\n"
            }
        }
    }

    /// What its tests depend on beyond that.
    pub fn dev_dependencies(self) -> &'static str {
        match self {
            Self::Pipeline => "",
            Self::Source | Self::Transform => "serde_json = \"1\"\n",
            Self::Destination => "tempfile = \"3\"\n",
        }
    }
}
