//! `serve`: serves a membrane of its own to peers, and says how they use it; it ends
//! after the second epoch was used. `visit` and a peer: grafts there, ends the
//! epoch in between, and says what it sees. `stay` and a peer: grafts there once,
//! and ends by nothing.

use std::cell::Cell as Counter;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use vesicle_cell_sdk::capnp_rpc::new_client;
use vesicle_cell_sdk::protocol::cell_capnp::{executor, session};
use vesicle_cell_sdk::protocol::membrane_capnp::membrane;
use vesicle_cell_sdk::{
    Cell, Error, Membrane, Result, Seal, Session, capnp, run, serve, sleep, within,
};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// What ends the epoch.
const ADVANCE: &str = "advance";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["serve"] => serving(),
        ["visit", peer] => {
            let peer = peer.to_owned();
            run(async move |cell: Cell| visit(&cell.graft().await?, &peer).await)
        }
        ["stay", peer] => {
            let peer = peer.to_owned();
            run(async move |cell: Cell| stay(&cell.graft().await?, &peer).await)
        }
        _ => {
            eprintln!("serve, visit PEER, or stay PEER");
            ExitCode::FAILURE
        }
    }
}

/// What peers find here.
struct Gate {
    membrane: Membrane,
    used: Rc<Counter<u64>>,
}

/// What they are given.
struct Greeter {
    seal: Seal,
    gate: Membrane,
    used: Rc<Counter<u64>>,
}

fn serving() -> ExitCode {
    let used = Rc::new(Counter::new(0));
    let gate = Gate {
        membrane: Membrane::new(),
        used: Rc::clone(&used),
    };
    let gate: membrane::Client<session::Owned> = new_client(gate);
    serve(gate, async move |_| {
        println!("serving");
        let used_again = async {
            while used.get() < 2 {
                sleep(Duration::from_millis(5)).await;
            }
            // The last answer is still on its way.
            sleep(Duration::from_millis(200)).await;
            Ok(())
        };
        within(PATIENCE, "the visit", used_again).await
    })
}

impl membrane::Server<session::Owned> for Gate {
    async fn graft(
        self: Rc<Self>,
        _: membrane::GraftParams<session::Owned>,
        mut results: membrane::GraftResults<session::Owned>,
    ) -> Result<(), capnp::Error> {
        let seal = self.membrane.seal();
        println!("grafted in epoch {}", seal.issued());
        let mut graft = results.get().init_ok();
        graft.set_epoch(seal.issued());
        let greeter: executor::Client = new_client(Greeter {
            seal,
            gate: self.membrane.clone(),
            used: Rc::clone(&self.used),
        });
        graft.init_session().set_executor(greeter);
        Ok(())
    }
}

impl executor::Server for Greeter {
    async fn echo(
        self: Rc<Self>,
        params: executor::EchoParams,
        mut results: executor::EchoResults,
    ) -> Result<(), capnp::Error> {
        if let Err(error) = self.seal.check() {
            println!("refused: {error}");
            error.tell(results.get());
            return Ok(());
        }
        let text = params.get()?.get_text()?.to_string()?;
        results
            .get()
            .set_ok(&*format!("a neighbour heard {text}"))?;
        match text == ADVANCE {
            true => self.gate.advance(),
            false => self.used.set(self.used.get() + 1),
        }
        Ok(())
    }
}

/// What a peer serves, once it is there.
async fn reach(session: &Session, peer: &str) -> Result<membrane::Client<session::Owned>> {
    let found = async {
        while !session.peers().await?.iter().any(|id| id == peer) {
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    };
    within(PATIENCE, "the peer", found).await?;
    session.connect(peer).await
}

async fn stay(session: &Session, peer: &str) -> Result<()> {
    let gate = reach(session, peer).await?;
    let there = within(PATIENCE, "the graft", Session::of(&gate)).await?;
    println!("{}", there.echo("hello").await?);
    std::future::pending().await
}

async fn visit(session: &Session, peer: &str) -> Result<()> {
    let gate = reach(session, peer).await?;
    let there = within(PATIENCE, "the graft", Session::of(&gate)).await?;
    println!("epoch {}: {}", there.epoch(), there.echo("hello").await?);
    there.echo(ADVANCE).await?;
    match there.echo("hello").await {
        Err(Error::StaleEpoch { issued, current }) => println!("stale: {issued} of {current}"),
        other => return Err(Error::Other(format!("not stale: {other:?}"))),
    }
    let there = within(PATIENCE, "the graft", Session::of(&gate)).await?;
    println!(
        "epoch {}: {}",
        there.epoch(),
        there.echo("hello again").await?
    );
    Ok(())
}
