//! What a connector is and takes: its name, its options, its modes.
//!
//! Invariant: a spec depends on nothing, neither configuration nor
//! environment; two calls give the same.

use serde_json::Value;

/// How the value of an option is written in the document, and what the host
/// makes of it before the connector sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OptionKind {
    /// A word or any other text.
    Text,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// One of these words.
    Choice(Vec<String>),
    /// A word, or a list of words.
    Texts,
    /// Names and words.
    Mapping,
    /// A path, a glob, or a list of either, of files to read. The connector
    /// gets a list of paths it can open, sorted, never empty.
    Files,
    /// A folder to write to. The connector gets a path it can open.
    Directory,
}

/// One key of a connector's configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Opt {
    /// The key as the user writes it.
    pub name: String,
    /// How its value is written.
    pub kind: OptionKind,
    /// Whether it has to be written.
    pub required: bool,
    /// What holds where the document is silent.
    pub default: Option<Value>,
    /// Whether the value must never be shown.
    pub secret: bool,
    /// Whether another value means another source or destination.
    pub identity: bool,
    /// One sentence for people.
    pub doc: String,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident => $kind:ident;)*) => {
        impl Opt {
            $(
                $(#[$doc])*
                pub fn $name(name: impl Into<String>) -> Self {
                    Self::new(name, OptionKind::$kind)
                }
            )*
        }
    };
}

kinds! {
    /// A text.
    text => Text;
    /// A whole number.
    integer => Integer;
    /// A number.
    number => Number;
    /// `true` or `false`.
    boolean => Boolean;
    /// A word, or a list of words.
    texts => Texts;
    /// Names and words: `{ old: new }`.
    mapping => Mapping;
    /// Files to read; arrives as a list of paths.
    files => Files;
    /// A folder to write to; arrives as a path.
    directory => Directory;
}

impl Opt {
    /// An option that is neither required nor secret and has no default.
    pub fn new(name: impl Into<String>, kind: OptionKind) -> Self {
        Self {
            name: name.into(),
            kind,
            required: false,
            default: None,
            secret: false,
            identity: false,
            doc: String::new(),
        }
    }

    /// One of these words.
    pub fn choice(name: impl Into<String>, words: &[&str]) -> Self {
        let words = words.iter().map(|word| word.to_string()).collect();
        Self::new(name, OptionKind::Choice(words))
    }

    /// It has to be written.
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// What holds where the document is silent.
    pub fn default(mut self, value: impl Into<Value>) -> Self {
        self.default = Some(value.into());
        self
    }

    /// Its value must never be shown. Errors of [`Config`](crate::Config)
    /// keep it out of their messages.
    pub fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    /// Another value means another source or destination, for which state
    /// that was kept does not hold.
    pub fn identity(mut self) -> Self {
        self.identity = true;
        self
    }

    /// One sentence for people.
    pub fn doc(mut self, doc: impl Into<String>) -> Self {
        self.doc = doc.into();
        self
    }
}

/// How a stream is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SyncMode {
    /// All of it, every time.
    FullRefresh,
    /// What is new since the last cursor.
    Incremental,
    /// Every change, as the source's log has it.
    Cdc,
}

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WriteMode {
    /// Added to what is there.
    Append,
    /// Instead of what is there.
    Replace,
    /// In the place of rows with the same key, added otherwise.
    Upsert,
}

/// How the rows of a batch are written on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Encapsulated messages of an Arrow IPC stream: any dictionaries, then
    /// one record batch, without the schema.
    ArrowIpc,
    /// Tuples of PostgreSQL's binary COPY, without header and trailer.
    PostgresCopy,
}

/// What a connector is and takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// The connector's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// One sentence for people.
    pub doc: String,
    /// The keys of its configuration.
    pub options: Vec<Opt>,
    /// How a source can be read; of which reading a destination takes the rows,
    /// full refreshes if none is named.
    pub sync_modes: Vec<SyncMode>,
    /// How a destination can be written.
    pub write_modes: Vec<WriteMode>,
    /// What a source or transform can emit, best first.
    pub emits: Vec<Format>,
    /// What a destination or transform takes, best first.
    pub takes: Vec<Format>,
    /// Whether a destination brings rows of another shape to what is there.
    pub evolves: bool,
}

impl Spec {
    /// A connector without options that emits and takes Arrow.
    pub fn new(
        name: impl Into<String>,
        version: impl Into<String>,
        doc: impl Into<String>,
    ) -> Self {
        Self {
            name: name.into(),
            version: version.into(),
            doc: doc.into(),
            options: Vec::new(),
            sync_modes: Vec::new(),
            write_modes: Vec::new(),
            emits: vec![Format::ArrowIpc],
            takes: vec![Format::ArrowIpc],
            evolves: false,
        }
    }

    /// Takes this key too.
    pub fn option(mut self, option: Opt) -> Self {
        self.options.push(option);
        self
    }

    /// How it can be read, for a source; for a destination, of which reading it
    /// takes the rows. One that takes incremental loads keeps the cursors of a
    /// load that is complete, and begins the next one with them.
    pub fn sync_modes(mut self, modes: &[SyncMode]) -> Self {
        self.sync_modes = modes.to_vec();
        self
    }

    /// How it can be written, for a destination.
    pub fn write_modes(mut self, modes: &[WriteMode]) -> Self {
        self.write_modes = modes.to_vec();
        self
    }

    /// What it can emit, best first.
    pub fn emits(mut self, formats: &[Format]) -> Self {
        self.emits = formats.to_vec();
        self
    }

    /// What it takes, best first.
    pub fn takes(mut self, formats: &[Format]) -> Self {
        self.takes = formats.to_vec();
        self
    }

    /// It does what [`Evolution`](crate::Evolution) asks of a destination.
    pub fn evolves(mut self) -> Self {
        self.evolves = true;
        self
    }
}
