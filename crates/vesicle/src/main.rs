//! The command line: parses, calls, prints; decides nothing.

mod cell;
mod certify;
mod check;
mod cli;
mod components;
mod dead_letters;
mod discover;
mod ending;
mod inspect;
mod kill;
mod layers;
mod memory;
mod new;
mod output;
mod progress;
mod ps;
mod register;
mod run;
mod schema;
mod session;
mod state;
mod streams;

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
    let status = match runtime {
        Ok(runtime) => match block_on(runtime, cli) {
            Ok(status) => status,
            Err(failed) => failed.print() as u8,
        },
        Err(error) => {
            eprintln!("error: cannot start: {error}");
            Exit::Defect as u8
        }
    };
    std::process::ExitCode::from(status)
}

fn block_on(runtime: tokio::runtime::Runtime, cli: Cli) -> Result<u8, Failed> {
    let done = runtime.block_on(dispatch(cli));
    // A thread may be reading a terminal, and would go on until a key is pressed.
    runtime.shutdown_background();
    done
}

async fn dispatch(cli: Cli) -> Result<u8, Failed> {
    let exit = match cli.command {
        Command::Run(args) if cell::is_document(&args) => {
            run::run(&args.what[0], args.pipeline).await
        }
        Command::Run(args) => return cell::run(args).await,
        Command::Ps(args) => ps::run(&args),
        Command::Kill(args) => kill::run(&args).await,
        Command::Check(args) => check::run(args).await,
        Command::Discover(args) => discover::run(args).await,
        Command::Inspect(args) => inspect::run(&args).await,
        Command::Components(args) => components::run(&args),
        Command::State(args) => state::run(args),
        Command::Certify(args) => certify::run(&args),
        Command::DeadLetters(args) => dead_letters::run(args).await,
        Command::New(args) => new::run(&args),
        Command::Schema => schema::run(),
    }?;
    Ok(exit as u8)
}
