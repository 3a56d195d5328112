//! Starts itself again and again, as do all that it starts.

use std::io::Read as _;
use std::process::ExitCode;
use std::time::Duration;

use vesicle_cell_sdk::{Cell, run, sleep};

/// Reads its own component from its input. What ends it is printed.
pub fn go_off() -> ExitCode {
    let mut wasm = Vec::new();
    std::io::stdin().read_to_end(&mut wasm).expect("an input");
    run(async move |cell: Cell| {
        let session = cell.graft().await?;
        let mut children = Vec::new();
        let error = loop {
            let child = session.command(&wasm).argument("bomb").argument("bomb");
            match child.start().await {
                Ok(child) => {
                    let stdin = child.stdin().await?;
                    // One that is ended in the meantime reads nothing.
                    let _ = stdin.write(&wasm).await;
                    let _ = stdin.close().await;
                    children.push(child);
                }
                Err(error) => break error,
            }
        };
        println!("{} children, then {error:?}", children.len());
        loop {
            sleep(Duration::from_secs(3600)).await;
        }
    })
}

/// Starts itself to spin, and leaves that.
pub fn leave_some() -> ExitCode {
    let mut wasm = Vec::new();
    std::io::stdin().read_to_end(&mut wasm).expect("an input");
    run(async move |cell: Cell| {
        let session = cell.graft().await?;
        for _ in 0..3 {
            let child = session.command(&wasm).argument("child").argument("spin");
            child.start().await?;
        }
        Ok(())
    })
}
