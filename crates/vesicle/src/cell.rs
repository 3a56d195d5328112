//! `vesicle run` of components and images.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::CommandFactory as _;
use clap::error::ErrorKind;
use vesicle_cell::granting;
use vesicle_cell::image::Image;
use vesicle_cell::{Account, Cells, Command, Config, EpochFile, Error, Exit, Limits, Node, Stdio};
use vesicle_engine::Engines;
use vesicle_pipeline::Exit as Status;

use crate::cli::{CellArgs, Cli, Format, RunArgs};
use crate::ending::Ending;
use crate::layers::{self, is_reference};
use crate::output::{Failed, plain};
use crate::register::{Entered, Register};
use crate::session;
use crate::streams::{End, Streams};

/// Whether what is to be run is a document.
pub fn is_document(args: &RunArgs) -> bool {
    let [one] = &args.what[..] else {
        return false;
    };
    // Only layers are looked for below a root.
    if args.cell.root.is_some() {
        return false;
    }
    let is_document = !has_extension(one, "wasm") && !one.is_dir();
    is_document && (!is_reference(one) || one.exists())
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension()
        .is_some_and(|it| it.eq_ignore_ascii_case(extension))
}

/// Runs a component, or an image, and returns its status.
pub async fn run(args: RunArgs) -> Result<u8, Failed> {
    refuse_others(&args);
    let ending = Ending::listen();
    let engines = Engines::new(session::engine());
    let engines = engines.map_err(|error| Failed::new(Status::Defect, error.to_string()))?;
    let cells = Cells::new(engines).map_err(failed)?;
    match args.what.split_first() {
        Some((component, rest)) if has_extension(component, "wasm") && !is_reference(component) => {
            let mut arguments = Vec::new();
            for argument in rest {
                arguments.push(argument.to_string_lossy().into_owned());
            }
            arguments.extend(args.arguments);
            component_as(&cells, component, arguments, &args.cell, &ending).await
        }
        _ => image_of(&cells, &args.what, args.arguments, args.cell, &ending).await,
    }
}

/// Ends the command where an option says something of pipelines alone: silence would
/// pass for consent.
fn refuse_others(args: &RunArgs) {
    let of_pipelines = [
        (args.pipeline.dry_run, "--dry-run"),
        (args.pipeline.fresh, "--fresh"),
        (args.pipeline.audit, "--audit"),
        (args.pipeline.output.output == Format::Json, "--output"),
    ];
    if let Some((_, option)) = of_pipelines.iter().find(|(is_given, _)| *is_given) {
        conflict(&format!(
            "{option} is for pipelines, and this is a component or an image"
        ));
    }
}

/// Ends the command as any other with options that do not go together.
fn conflict(text: &str) -> ! {
    Cli::command()
        .error(ErrorKind::ArgumentConflict, text)
        .exit()
}

async fn component_as(
    cells: &Cells,
    path: &Path,
    arguments: Vec<String>,
    args: &CellArgs,
    ending: &Ending,
) -> Result<u8, Failed> {
    // It has no boot/ that would say with whom.
    #[cfg(feature = "network")]
    if args.network || !args.listen.is_empty() || args.identity.is_some() {
        conflict("--network, --listen and --identity are for images: put the component there");
    }
    let wasm = std::fs::read(path).map_err(|error| {
        let text = format!("cannot read the component {}: {error}", path.display());
        Failed::new(Status::Component, text)
    })?;
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let mut command = Command::new(&name, wasm);
    command.arguments.extend(arguments);
    command.grants = granting::gather(&args.grants).map_err(failed)?;
    command.account = Some(Account::new(&limits(args)));
    command.stdio = stdio();
    let epochs = args.epoch_file.as_ref().map(|file| {
        let watched = EpochFile::watch(file, Arc::clone(&command.membrane));
        watched.map_err(|error| Failed::new(Status::Component, error.to_string()))
    });
    let _epochs = epochs.transpose()?;
    let _entered = enter(&name, &[path]);
    let started = match ending.unless(cells.start(command)).await {
        Ok(started) => started,
        Err(by) => return Ok(tell(&name, &End::Asked(by))),
    };
    let mut running = match started {
        Ok(running) => running,
        Err(Error::Invalid(text)) => {
            return not_begun(&name, Error::Invalid(format!("{name}: {text}")));
        }
        Err(error) => return not_begun(&name, error),
    };
    let streams = Streams::connect(&mut running);
    let end = streams.attend(running.wait(), ending).await;
    if !matches!(end, End::Itself(_)) {
        running.kill().await;
    }
    Ok(tell(&name, &streams.finish(end, ending).await))
}

async fn image_of(
    cells: &Cells,
    layers: &[PathBuf],
    arguments: Vec<String>,
    args: CellArgs,
    ending: &Ending,
) -> Result<u8, Failed> {
    let name = layers::name_of_last(layers, &args);
    let loaded = match ending.unless(layers::load(layers, &args)).await {
        Ok(loaded) => loaded?,
        Err(by) => return Ok(tell(&name, &End::Asked(by))),
    };
    let image = Image::open(loaded);
    let image = image.map_err(|error| Failed::new(Status::Component, error.to_string()))?;
    let config = Config {
        name: name.clone(),
        image,
        arguments,
        grants: granting::gather(&args.grants).map_err(failed)?,
        limits: limits(&args),
        stdio: stdio(),
        #[cfg(feature = "network")]
        network: network(&args)?,
        epoch_file: args.epoch_file,
        notice: Arc::new(|service, text| eprintln!("{}: {}", plain(service), plain(text))),
    };
    let _entered = enter(&name, layers);
    let started = match ending.unless(Node::start(cells, config)).await {
        Ok(started) => started,
        Err(by) => return Ok(tell(&name, &End::Asked(by))),
    };
    let mut node = match started {
        Ok(node) => node,
        Err(error) => return not_begun(&name, error),
    };
    #[cfg(feature = "network")]
    for address in node.network().into_iter().flat_map(|it| it.addresses()) {
        eprintln!("listening on {address}");
    }
    let streams = Streams::connect(node.running());
    let end = streams.attend(node.wait(), ending).await;
    if !matches!(end, End::Itself(_)) {
        node.kill().await;
    }
    Ok(tell(&name, &streams.finish(end, ending).await))
}

/// Lets `vesicle ps` know of a cell, for as long as what is returned is there.
fn enter(name: &str, what: &[impl AsRef<Path>]) -> Option<Entered> {
    let what = what.iter().map(|it| it.as_ref().to_string_lossy());
    let entered = Register::of_user()
        .and_then(|register| register.enter(name, what.map(String::from).collect()));
    // A cell runs no worse where nobody can see it.
    entered
        .inspect_err(|error| tracing::warn!("vesicle ps does not show {name}: {error}"))
        .ok()
}

/// The network that was asked for.
#[cfg(feature = "network")]
fn network(args: &CellArgs) -> Result<Option<vesicle_cell::network::Config>, Failed> {
    use vesicle_cell::network::{Config, Identity};
    if !args.network && args.listen.is_empty() {
        return Ok(None);
    }
    let file = args.identity.clone().or_else(Identity::default_file);
    let file = file.ok_or_else(|| {
        let text = "there is no HOME to keep the key of this host in; name a file with --identity";
        Failed::new(Status::Usage, text)
    })?;
    let identity = Identity::open(&file);
    let identity = identity.map_err(|error| Failed::new(Status::Unavailable, error.to_string()))?;
    Ok(Some(Config {
        listen: args.listen.clone(),
        ..Config::new(identity)
    }))
}

fn limits(args: &CellArgs) -> Limits {
    Limits {
        fuel: args.fuel,
        memory: args.memory.saturating_mul(1 << 20),
        memory_each: args.memory_each.saturating_mul(1 << 20),
        time: args.time.map(Duration::from_secs),
        processes: args.processes,
        ..Limits::default()
    }
}

fn stdio() -> Stdio {
    Stdio::Passed {
        stdout_is_terminal: std::io::stdout().is_terminal(),
        stderr_is_terminal: std::io::stderr().is_terminal(),
    }
}

/// Says how a cell has ended, where it did not say so itself, and its status.
fn tell(name: &str, end: &End) -> u8 {
    /// As of others, to whom a signal says that nobody reads their output.
    const BROKEN_PIPE: u8 = 128 + 13;
    let (text, status) = match end {
        End::Itself(exit @ Exit::Code(_)) => (None, exit.status()),
        End::Itself(exit) => (Some(exit.to_string()), exit.status()),
        End::Asked(by) => (Some(by.to_string()), by.status()),
        End::Unread => (None, BROKEN_PIPE),
    };
    if let Some(text) = text {
        eprintln!("error: {}: {}", plain(name), plain(&text));
    }
    status
}

/// Says why a cell has not begun. What it had too little of for that is told by the
/// same status as what it runs out of later.
fn not_begun(name: &str, error: Error) -> Result<u8, Failed> {
    let Error::Exhausted { what, .. } = error else {
        return Err(failed(error));
    };
    eprintln!("error: {}: {}", plain(name), plain(&error.to_string()));
    Ok(Exit::Exhausted(what).status())
}

fn failed(error: Error) -> Failed {
    let status = match &error {
        Error::Invalid(_) => Status::Component,
        Error::Denied(_) => Status::Denied,
        Error::Unreachable(_) => Status::Unavailable,
        _ => Status::Defect,
    };
    Failed::new(status, error.to_string())
}
