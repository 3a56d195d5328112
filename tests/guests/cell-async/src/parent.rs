//! Asks its host, and starts children.

use std::process::ExitCode;

use futures::future::{try_join, try_join_all};
use vesicle_cell_sdk::component::run;
use vesicle_cell_sdk::{Cell, Error};

/// So many echoes of all lengths at once.
pub async fn echo(times: u64) -> ExitCode {
    run(async move |cell: Cell| {
        let session = cell.graft().await?;
        let echoes = (0..times).map(|at| {
            let session = session.clone();
            async move {
                // From some bytes to what no pipe holds.
                let text = format!("{at}").repeat(1 << (at % 18));
                match session.echo(&text).await? == format!("Echo: {text}") {
                    true => Ok(()),
                    false => Err(Error::Other("another echo".to_owned())),
                }
            }
        });
        try_join_all(echoes).await?;
        println!("{times} echoes");
        Ok(())
    })
    .await
}

/// One echo after the other, without an end.
pub async fn echo_on() -> ExitCode {
    run(async |cell: Cell| {
        let session = cell.graft().await?;
        session.echo("first").await?;
        println!("on");
        loop {
            session.echo("again").await?;
        }
    })
    .await
}

/// Starts the component in a file, has it do something, and prints what it prints.
pub async fn spawn(file: &str, what: &[&str]) -> ExitCode {
    let wasm = std::fs::read(file).expect("a component");
    let words: Vec<String> = what.iter().map(|&word| word.to_owned()).collect();
    run(async move |cell: Cell| {
        let session = cell.graft().await?;
        let mut command = session.command(&wasm).argument("child");
        for word in words {
            command = command.argument(word);
        }
        let child = command.start().await?;
        let (stdout, stderr) = (child.stdout().await?, child.stderr().await?);
        let (out, err) = try_join(stdout.read_to_end(), stderr.read_to_end()).await?;
        print!("{}", String::from_utf8_lossy(&out));
        eprint!("{}", String::from_utf8_lossy(&err));
        println!("{:?}", child.wait().await?);
        Ok(())
    })
    .await
}
