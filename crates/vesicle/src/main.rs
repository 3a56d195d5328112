//! The command line: parses, calls, prints; decides nothing.

mod certify;
mod check;
mod cli;
mod components;
mod dead_letters;
mod discover;
mod inspect;
mod memory;
mod new;
mod output;
mod progress;
mod run;
mod schema;
mod session;
mod state;

use clap::Parser as _;
use vesicle_pipeline::Exit;

use cli::{Cli, Command};
use output::Failed;

fn main() -> std::process::ExitCode {
    memory::return_large_blocks();
    let cli = Cli::parse();
    output::start_tracing(cli.verbose);
    let workers = std::thread::available_parallelism().map_or(4, |cores| cores.get().max(4));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        // Files are read where the guest runs, so a worker may block for a
        // moment; there are enough for that.
        .worker_threads(workers)
        .enable_all()
        .build();
    let exit = match runtime {
        Ok(runtime) => match runtime.block_on(dispatch(cli)) {
            Ok(exit) => exit,
            Err(failed) => failed.print(),
        },
        Err(error) => {
            eprintln!("error: cannot start: {error}");
            Exit::Defect
        }
    };
    std::process::ExitCode::from(exit as u8)
}

async fn dispatch(cli: Cli) -> Result<Exit, Failed> {
    match cli.command {
        Command::Run(args) => run::run(args).await,
        Command::Check(args) => check::run(args).await,
        Command::Discover(args) => discover::run(args).await,
        Command::Inspect(args) => inspect::run(&args).await,
        Command::Components(args) => components::run(&args),
        Command::State(args) => state::run(args),
        Command::Certify(args) => certify::run(&args),
        Command::DeadLetters(args) => dead_letters::run(args).await,
        Command::New(args) => new::run(&args),
        Command::Schema => schema::run(),
    }
}
