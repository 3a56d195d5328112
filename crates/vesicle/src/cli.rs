//! What can be typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use vesicle_cell::granting::Granting;
#[cfg(feature = "network")]
use vesicle_cell::network::Multiaddr;
use vesicle_pipeline::Exit;

/// Moves data through connectors that run in a sandbox.
#[derive(Parser)]
#[command(name = "vesicle", version, about, propagate_version = true, after_help = exit_codes())]
pub struct Cli {
    /// Tell more on stderr; twice for everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Run a pipeline, a component or an image of cells
    #[command(after_long_help = WHAT_RUNS)]
    Run(RunArgs),
    /// Print the cells that run on this machine for this user
    Ps(OutputArgs),
    /// End a cell, with all that it has started
    Kill(KillArgs),
    /// Check a document, and print what a run would do and may touch
    Check(DocumentArgs),
    /// Print the streams that the source of a document has
    Discover(DocumentArgs),
    /// Print what a component could touch, and what it is
    Inspect(InspectArgs),
    /// Print the components on the search path
    Components(OutputArgs),
    /// Look at the state of pipelines, or reset it
    State(StateArgs),
    /// Kill and disturb runs of a connector at every boundary, and look what is left
    Certify(CertifyArgs),
    /// Look at the rows that could not be passed on, send them again, or discard them
    DeadLetters(LettersArgs),
    /// Start a pipeline or a connector of your own
    New(NewArgs),
    /// Print the JSON Schema of the document, for editors
    Schema,
}

#[derive(Args)]
pub struct OutputArgs {
    /// How the result is printed on stdout
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    pub output: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

#[derive(Args)]
pub struct DocumentArgs {
    /// The document that describes the pipeline
    #[arg(default_value = "pipeline.yaml")]
    pub document: PathBuf,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// What `run` takes.
const WHAT_RUNS: &str = "\
What is run:
  DOCUMENT.yaml                 a pipeline
  COMPONENT.wasm [ARGUMENT]...  a component with wasi:cli/run, as a process; its exit
                                status is the command's
  LAYER...                      an image: layers, each stacked on those before it; what
                                lies at bin/main.wasm runs, and sees the image read-only

A layer is a folder, ipfs://CID[/PATH], which is fetched from the gateway and compared with
its CID, or oci://HOST/NAME:TAG, which is fetched from the registry.

Arguments that begin with a dash, and those of an image, follow after --.

A component reaches nothing of this machine but its standard streams, unless it is granted
by name: --grant read=PATH, write=FOLDER, env=NAME or connect=HOST:PORT.

Statuses of a process: its own; 125 if it trapped or ran out of something, 126 if it could
not start, 130 if Ctrl-C has ended it, 143 if SIGTERM or `vesicle kill` has, 141 if nobody
reads its output any more.";

#[derive(Args)]
pub struct RunArgs {
    /// What to run: a document, a component, or the layers of an image
    #[arg(default_value = "pipeline.yaml", value_name = "WHAT")]
    pub what: Vec<PathBuf>,
    /// Arguments of the component
    #[arg(last = true, value_name = "ARGUMENT")]
    pub arguments: Vec<String>,
    #[command(flatten)]
    pub pipeline: PipelineArgs,
    #[command(flatten)]
    pub cell: CellArgs,
}

#[derive(Args)]
#[command(next_help_heading = "Pipelines")]
pub struct PipelineArgs {
    #[command(flatten)]
    pub output: OutputArgs,
    /// Abandon an interrupted run and begin anew
    #[arg(long)]
    pub fresh: bool,
    /// Print the first rows of each stream and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// How many rows --dry-run prints
    #[arg(long, default_value_t = 10, requires = "dry_run")]
    pub limit: usize,
    /// No progress on stderr
    #[arg(short, long)]
    pub quiet: bool,
    /// Print every access of the components, not only those denied
    #[arg(long)]
    pub audit: bool,
}

#[derive(Args)]
#[command(next_help_heading = "Components and images")]
pub struct CellArgs {
    /// Let it reach something: read=PATH, write=FOLDER, env=NAME, connect=HOST:PORT
    #[arg(long = "grant", value_name = "GRANT")]
    pub grants: Vec<Granting>,
    /// From where layers of IPFS are fetched
    #[arg(long, value_name = "URL", env = "VESICLE_GATEWAY")]
    pub gateway: Option<String>,
    /// Take no folder as a layer that is outside of this one
    #[arg(long, value_name = "FOLDER")]
    pub root: Option<PathBuf>,
    /// MiB of memory that all its processes may have together
    #[arg(long, value_name = "MIB", default_value_t = 1024)]
    pub memory: u64,
    /// MiB of memory that each process may have
    #[arg(long, value_name = "MIB", default_value_t = 64)]
    pub memory_each: u64,
    /// Units of fuel, about one an instruction, for all together; unlimited without it
    #[arg(long, value_name = "UNITS")]
    pub fuel: Option<u64>,
    /// Seconds after which it is ended; none without it
    #[arg(long, value_name = "SECONDS")]
    pub time: Option<u64>,
    /// How many processes there may be at a time
    #[arg(long, value_name = "COUNT", default_value_t = 1000)]
    pub processes: u32,
    /// Ends the epoch of all sessions whenever the content of this file changes
    #[arg(long, value_name = "FILE")]
    pub epoch_file: Option<PathBuf>,
    /// Connects with the peers in boot/ of the image
    #[cfg(feature = "network")]
    #[arg(long)]
    pub network: bool,
    /// The same, and listens there: a multiaddr, /ip4/0.0.0.0/tcp/4747
    #[cfg(feature = "network")]
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    pub listen: Vec<Multiaddr>,
    /// The file with the key that peers know this host by
    #[cfg(feature = "network")]
    #[arg(long, value_name = "FILE")]
    pub identity: Option<PathBuf>,
}

#[derive(Args)]
pub struct KillArgs {
    /// Its name or its process, as `vesicle ps` prints them
    #[arg(value_name = "NAME|PID")]
    pub which: String,
}

#[derive(Args)]
pub struct InspectArgs {
    /// The component: a path, or a name on the search path
    pub component: String,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Args)]
pub struct StateArgs {
    #[command(subcommand)]
    pub action: StateAction,
}

#[derive(Subcommand)]
pub enum StateAction {
    /// Print the pipelines in a state
    List(StateFrom),
    /// Print runs, streams and cursors of a pipeline
    Show(StateOf),
    /// Forget what is known of a pipeline; its data stays
    Reset(ResetArgs),
}

#[derive(Args)]
pub struct StateFrom {
    /// A document, or a state file of SQLite
    #[arg(default_value = "pipeline.yaml")]
    pub from: PathBuf,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Args)]
pub struct StateOf {
    #[command(flatten)]
    pub from: StateFrom,
    /// The pipeline, where a state file is given
    #[arg(long)]
    pub pipeline: Option<String>,
}

#[derive(Args)]
pub struct ResetArgs {
    #[command(flatten)]
    pub of: StateOf,
    /// Only this stream
    #[arg(long)]
    pub stream: Option<String>,
}

#[derive(Args)]
pub struct CertifyArgs {
    /// The connector: what the document says under `use`
    pub component: String,
    /// The document of a pipeline that uses it
    #[arg(long, default_value = "pipeline.yaml")]
    pub document: PathBuf,
    /// A shell command that puts source and destination back to the beginning
    #[arg(long, value_name = "COMMAND")]
    pub reset: String,
    /// A shell command that prints what the destination holds, the same for the same rows
    #[arg(long, value_name = "COMMAND")]
    pub check: String,
    /// A shell command that does something to the other side while a run is held
    #[arg(long, value_name = "COMMAND")]
    pub disturb: Option<String>,
    /// How many runs are killed by the clock, besides those at boundaries
    #[arg(long, default_value_t = 10)]
    pub kills: u32,
    /// Of what connectors send to servers, try every so many-th
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub stride: u64,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Args)]
pub struct LettersArgs {
    #[command(subcommand)]
    pub action: LetterAction,
}

#[derive(Subcommand)]
pub enum LetterAction {
    /// Print dead letters, the oldest first, one a line
    List(LettersOf),
    /// Print all about a dead letter
    Show(ShowArgs),
    /// Send the rows of dead letters again, from where they failed; those that
    /// succeed go
    Replay(ReplayArgs),
    /// Remove dead letters for good
    Discard(DiscardArgs),
}

#[derive(Args)]
pub struct LettersOf {
    #[command(flatten)]
    pub of: StateOf,
    /// Only of this stream
    #[arg(long)]
    pub stream: Option<String>,
    /// Only those that this run has kept
    #[arg(long)]
    pub run: Option<String>,
}

#[derive(Args)]
pub struct ShowArgs {
    #[command(flatten)]
    pub of: StateOf,
    /// Its number, as listed
    #[arg(long)]
    pub id: i64,
}

#[derive(Args)]
pub struct ReplayArgs {
    #[command(flatten)]
    pub document: DocumentArgs,
    /// Only of this stream
    #[arg(long)]
    pub stream: Option<String>,
    /// Only those that this run has kept
    #[arg(long)]
    pub run: Option<String>,
}

#[derive(Args)]
pub struct DiscardArgs {
    #[command(flatten)]
    pub of: LettersOf,
    /// Only this one, by its number
    #[arg(long)]
    pub id: Option<i64>,
    /// All of the pipeline
    #[arg(long)]
    pub all: bool,
}

#[derive(Args)]
pub struct NewArgs {
    /// What to start
    #[arg(value_enum)]
    pub kind: NewKind,
    /// Its name, which is also the folder's
    pub name: String,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum NewKind {
    /// A document with sample data
    Pipeline,
    /// A connector that reads
    Source,
    /// A connector that changes rows
    Transform,
    /// A connector that writes
    Destination,
}

/// Where to listen.
#[cfg(feature = "network")]
fn address(text: &str) -> Result<Multiaddr, String> {
    let parsed = text.parse();
    parsed.map_err(|error| format!("{error}; one looks like /ip4/127.0.0.1/tcp/4747"))
}

/// The table of exit codes, below the help.
fn exit_codes() -> String {
    let rows: Vec<_> = Exit::TABLE
        .iter()
        .map(|(exit, meaning)| format!("  {:>3}  {meaning}", *exit as u8))
        .collect();
    format!("Exit codes:\n{}", rows.join("\n"))
}
