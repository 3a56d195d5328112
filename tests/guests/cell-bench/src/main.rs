//! Measures, and prints one line: nanoseconds of each call in the middle and in
//! the slowest hundredth, and of all together.
//!
//! What it does is its first argument, how often the second: `echo`, `flight` with
//! how many at a time, `stream` with MiB, `spawn`, `spawn-bytes`, `nothing`, `swallow`, `idle`,
//! `until-revoked`. Before it there may be `deeper` and a depth: then it has
//! itself started so deep, with what it is told to do.

use std::io::{Read as _, Write as _};
use std::process::ExitCode;
use std::time::Instant;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use vesicle_cell_sdk::{Cell, Error, Exit, Result, Session, run};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // What needs no link takes none.
    match arguments.first().map(String::as_str) {
        Some("nothing") => return ExitCode::SUCCESS,
        Some("swallow") => return swallow(),
        _ => {}
    }
    run(async move |cell: Cell| {
        let session = cell.graft().await?;
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let number = |at: usize| -> Result<usize> {
            let word = words.get(at).copied().unwrap_or_default();
            let number = word.parse();
            number.map_err(|_| Error::Other(format!("{word:?} is no number")))
        };
        match words[0] {
            "deeper" => return deeper(&session, number(1)?, &words[2..]).await,
            "echo" => echo(&session, number(1)?).await?,
            "flight" => flight(&session, number(1)?, number(2)?).await?,
            "stream" => stream(&session, number(1)?).await?,
            "spawn" => spawn(&session, number(1)?, true).await?,
            "spawn-bytes" => spawn(&session, number(1)?, false).await?,
            "idle" => futures::future::pending().await,
            "until-revoked" => until_revoked(&session).await?,
            other => return Err(Error::Other(format!("{other:?} cannot be done"))),
        }
        Ok(())
    })
}

/// Asks so often, one after the other.
async fn echo(session: &Session, times: usize) -> Result<()> {
    let mut each = Vec::with_capacity(times);
    for _ in 0..times / 10 {
        session.echo("12345678").await?;
    }
    let began = Instant::now();
    let mut before = began;
    for _ in 0..times {
        session.echo("12345678").await?;
        let now = Instant::now();
        each.push((now - before).as_nanos());
        before = now;
    }
    print(each, began);
    Ok(())
}

/// Asks so often, so many at a time.
async fn flight(session: &Session, times: usize, at_once: usize) -> Result<()> {
    let calls = |times: usize| {
        stream::iter((0..times).map(|_| session.echo("12345678")))
            .buffer_unordered(at_once)
            .try_for_each(async |_| Ok(()))
    };
    calls(times / 10).await?;
    let began = Instant::now();
    calls(times).await?;
    print(vec![began.elapsed().as_nanos()], began);
    Ok(())
}

/// Writes so many MiB to the input of a child, which reads and forgets them.
async fn stream(session: &Session, mebibytes: usize) -> Result<()> {
    let own = own()?;
    let child = session.command(&own).argument("child").argument("swallow");
    let child = child.start().await?;
    let stdin = child.stdin().await?;
    let piece = vec![7; 1 << 20];
    let began = Instant::now();
    for _ in 0..mebibytes {
        stdin.write(&piece).await?;
    }
    stdin.close().await?;
    let exit = child.wait().await?;
    let elapsed = began.elapsed().as_nanos();
    match exit {
        Exit::Code(0) => print(vec![elapsed], began),
        exit => return Err(Error::Other(format!("the child has ended: {exit:?}"))),
    }
    Ok(())
}

fn swallow() -> ExitCode {
    let mut piece = vec![0; 64 << 10];
    loop {
        match std::io::stdin().read(&mut piece) {
            Ok(0) => return ExitCode::SUCCESS,
            Ok(_) => {}
            Err(_) => return ExitCode::FAILURE,
        }
    }
}

/// Starts a child that does nothing, and waits for it, so often. Its bytes are sent
/// once, or each time.
async fn spawn(session: &Session, times: usize, is_sent_once: bool) -> Result<()> {
    let own = own()?;
    let program = session.load(&own).await?;
    let mut each = Vec::new();
    let began = Instant::now();
    for _ in 0..times {
        let began = Instant::now();
        let child = match is_sent_once {
            true => program.command(),
            false => session.command(&own),
        };
        let child = child.argument("child").argument("nothing");
        child.start().await?.wait().await?;
        each.push(began.elapsed().as_nanos());
    }
    print(each, began);
    Ok(())
}

/// Waits for a child that never ends, until that is taken back.
async fn until_revoked(session: &Session) -> Result<()> {
    let own = own()?;
    let child = session.command(&own).argument("child").argument("idle");
    let child = child.start().await?;
    println!("ready");
    match child.wait().await {
        Err(Error::StaleEpoch { .. }) => Ok(()),
        other => Err(Error::Other(format!("{other:?}"))),
    }
}

/// Has itself started, so deep, to do the rest.
async fn deeper(session: &Session, depth: usize, rest: &[&str]) -> Result<()> {
    let own = own()?;
    let mut command = session.command(&own).argument("child");
    if depth > 1 {
        command = command.argument("deeper").argument((depth - 1).to_string());
    }
    for word in rest {
        command = command.argument(*word);
    }
    let child = command.start().await?;
    let stdin = child.stdin().await?;
    if depth > 1 {
        stdin.write(&own).await?;
    }
    stdin.close().await?;
    let printed = child.stdout().await?.read_to_end().await?;
    let exit = child.wait().await?;
    let printed = std::io::stdout().write_all(&printed);
    printed.map_err(|error| Error::Other(error.to_string()))?;
    match exit {
        Exit::Code(0) => Ok(()),
        exit => Err(Error::Other(format!("the child has ended: {exit:?}"))),
    }
}

/// This component: a file that was granted, or, for a child, its input.
fn own() -> Result<Vec<u8>> {
    let read = std::fs::read("/own.wasm").or_else(|_| {
        let mut own = Vec::new();
        std::io::stdin().read_to_end(&mut own)?;
        Ok(own)
    });
    read.map_err(|error: std::io::Error| Error::Other(format!("this component: {error}")))
}

fn print(mut each: Vec<u128>, began: Instant) {
    let all = began.elapsed().as_nanos();
    each.sort_unstable();
    let at = |share: usize| each[(each.len() - 1) * share / 100];
    println!("{} {} {all}", at(50), at(99));
}
