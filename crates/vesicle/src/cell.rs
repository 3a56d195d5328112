//! `vesicle run` of components and images.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use vesicle_cell::granting;
use vesicle_cell::image::{Image, Layer};
use vesicle_cell::pipe::{Reader, Writer};
use vesicle_cell::{Account, Cells, Command, Config, Error, Exit, Limits, Node, Running, Stdio};
use vesicle_engine::Engines;
use vesicle_pipeline::Exit as Status;

use crate::cli::{CellArgs, RunArgs};
use crate::output::{Failed, plain};
use crate::session;

/// Whether what is to be run is a document.
pub fn is_document(what: &[PathBuf]) -> bool {
    let [one] = what else {
        return false;
    };
    !has_extension(one, "wasm") && !one.is_dir()
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension()
        .is_some_and(|it| it.eq_ignore_ascii_case(extension))
}

/// Runs a component, or an image, and returns its status.
pub async fn run(args: RunArgs) -> Result<u8, Failed> {
    let engines = Engines::new(session::engine());
    let engines = engines.map_err(|error| Failed::new(Status::Defect, error.to_string()))?;
    let cells = Cells::new(engines).map_err(failed)?;
    match args.what.split_first() {
        Some((component, rest)) if has_extension(component, "wasm") => {
            let mut arguments = Vec::new();
            for argument in rest {
                arguments.push(argument.to_string_lossy().into_owned());
            }
            arguments.extend(args.arguments);
            component_as(&cells, component, arguments, &args.cell).await
        }
        _ => image_of(&cells, &args.what, args.arguments, args.cell).await,
    }
}

async fn component_as(
    cells: &Cells,
    path: &Path,
    arguments: Vec<String>,
    args: &CellArgs,
) -> Result<u8, Failed> {
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
    let mut running = cells.start(command).await.map_err(failed)?;
    let streams = connect(&mut running);
    let exit = tokio::select! {
        exit = running.wait() => exit,
        () = asked_to_end() => running.kill().await,
    };
    streams.finish().await;
    Ok(tell(&name, &exit))
}

async fn image_of(
    cells: &Cells,
    layers: &[PathBuf],
    arguments: Vec<String>,
    args: CellArgs,
) -> Result<u8, Failed> {
    let mut opened = Vec::new();
    for layer in layers {
        opened.push(Layer::open(layer).map_err(|error| {
            let text = format!(
                "cannot open {} as a layer of an image: {error}; what is run is a document \
                 (.yaml), a component (.wasm), or folders",
                layer.display()
            );
            Failed::new(Status::Component, text)
        })?);
    }
    let image = Image::open(opened);
    let image = image.map_err(|error| Failed::new(Status::Component, error.to_string()))?;
    let name = match layers.last().and_then(|layer| layer.canonicalize().ok()) {
        Some(layer) => layer
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
        None => "image".to_owned(),
    };
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
    let mut node = Node::start(cells, config).await.map_err(failed)?;
    #[cfg(feature = "network")]
    for address in node.network().into_iter().flat_map(|it| it.addresses()) {
        eprintln!("listening on {address}");
    }
    let streams = connect(node.running());
    let ended = tokio::select! {
        exit = node.wait() => Some(exit),
        () = asked_to_end() => None,
    };
    let exit = match ended {
        Some(exit) => exit,
        None => node.kill().await,
    };
    streams.finish().await;
    Ok(tell(&name, &exit))
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
    }
}

fn stdio() -> Stdio {
    Stdio::Passed {
        stdout_is_terminal: std::io::stdout().is_terminal(),
        stderr_is_terminal: std::io::stderr().is_terminal(),
    }
}

/// Says how a process has ended, where it did not say so itself.
fn tell(name: &str, exit: &Exit) -> u8 {
    if !matches!(exit, Exit::Code(_)) {
        eprintln!("error: {}: {}", plain(name), plain(&exit.to_string()));
    }
    exit.status()
}

fn failed(error: Error) -> Failed {
    let status = match &error {
        Error::Invalid(_) => Status::Component,
        Error::Denied(_) => Status::Denied,
        Error::Exhausted { .. } => Status::Limit,
        Error::Unreachable(_) => Status::Unavailable,
        _ => Status::Defect,
    };
    Failed::new(status, error.to_string())
}

/// Returns when the user wants it to end.
async fn asked_to_end() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

/// What carries a cell's standard streams.
struct Streams {
    outputs: Vec<tokio::task::JoinHandle<()>>,
}

impl Streams {
    /// Returns when all that the cell has written is out.
    async fn finish(self) {
        for output in self.outputs {
            // One that has panicked has told so.
            let _ = output.await;
        }
    }
}

/// Connects a cell with the standard streams of this process.
fn connect(running: &mut Running) -> Streams {
    let stdin = Arc::clone(&running.stdin);
    tokio::spawn(feed(stdin));
    let mut outputs = Vec::new();
    if let Some((out, err)) = running.passed.take() {
        outputs.push(tokio::spawn(print(out, tokio::io::stdout())));
        outputs.push(tokio::spawn(print(err, tokio::io::stderr())));
    }
    Streams { outputs }
}

/// Gives it what this process reads. Ends with whoever reads it.
async fn feed(stdin: Arc<Writer>) {
    let mut input = tokio::io::stdin();
    let mut bytes = vec![0; 64 << 10];
    loop {
        match input.read(&mut bytes).await {
            Ok(read @ 1..) => {
                if stdin.put_all(&bytes[..read]).await.is_err() {
                    return;
                }
            }
            Ok(0) | Err(_) => return stdin.close(),
        }
    }
}

/// Prints what it writes. Where nobody takes it any more, it is told so.
async fn print(from: Reader, mut to: impl tokio::io::AsyncWrite + Unpin) {
    let mut bytes = vec![0; 64 << 10];
    loop {
        let read = from.fill(&mut bytes).await;
        if read == 0 || to.write_all(&bytes[..read]).await.is_err() || to.flush().await.is_err() {
            return;
        }
    }
}
