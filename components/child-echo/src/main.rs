//! Makes two calls at once over its own link, and prints the answers.

use std::process::ExitCode;

use futures::future::try_join;
use vesicle_cell_sdk::{Cell, run};

fn main() -> ExitCode {
    run(async |cell: Cell| {
        let session = cell.graft().await?;
        let (one, two) = try_join(session.echo("one"), session.echo("two")).await?;
        println!("{one}\n{two}");
        Ok(())
    })
}
