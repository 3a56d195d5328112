//! Starts a component that lies in its image as a child, waits for it, and prints
//! what it has written. With a depth as its argument it starts itself first, so
//! many times, each the child of the one before.

use std::io::Write as _;
use std::process::ExitCode;

use vesicle_cell_sdk::{Cell, Error, Exit, Result, run};

fn main() -> ExitCode {
    run(async |cell: Cell| {
        let session = cell.graft().await?;
        let child = std::fs::read("/usr/lib/child-echo.wasm");
        let child = child.map_err(|error| Error::Other(format!("the child: {error}")))?;
        let child = session
            .command(&child)
            .argument("child-echo")
            .start()
            .await?;
        let printed = child.stdout().await?.read_to_end().await?;
        let exit = child.wait().await?;
        print(&printed)?;
        match exit {
            Exit::Code(0) => Ok(()),
            exit => Err(Error::Other(format!("the child has ended: {exit:?}"))),
        }
    })
}

fn print(bytes: &[u8]) -> Result<()> {
    let printed = std::io::stdout().write_all(bytes);
    printed.map_err(|error| Error::Other(error.to_string()))
}
