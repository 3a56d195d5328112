//! What is served to whoever asks for what the process exports.

use std::cell::RefCell;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures::channel::oneshot;
use vesicle_cell_sdk::capnp::Error as Failed;
use vesicle_cell_sdk::capnp::capability::Client;
use vesicle_cell_sdk::protocol::cell_capnp::{byte_stream, executor, session};
use vesicle_cell_sdk::protocol::membrane_capnp::membrane;
use vesicle_cell_sdk::{Cell, Result, capnp_rpc, serve, sleep, yield_now};

use crate::bytes::Bytes;

async fn for_ever() -> Result<()> {
    loop {
        sleep(Duration::from_secs(3600)).await;
    }
}

/// Serves what it was handed itself.
pub fn lend() -> ExitCode {
    let (give, given) = oneshot::channel::<Client>();
    let lent: membrane::Client<session::Owned> = capnp_rpc::new_future_client(async {
        use vesicle_cell_sdk::capnp::capability::FromClientHook as _;
        let given = given.await;
        given
            .map(|client| client.cast_to())
            .map_err(|_| Failed::disconnected("it has ended".to_owned()))
    });
    serve(lent, async |cell: Cell| {
        let _ = give.send(cell.bootstrap());
        for_ever().await
    })
}

pub fn bytes() -> ExitCode {
    let served: byte_stream::Client = capnp_rpc::new_client(Bytes::default());
    serve(served, async |_: Cell| for_ever().await)
}

/// Says again what it is told.
struct Echo(RefCell<Option<oneshot::Sender<()>>>);

impl executor::Server for Echo {
    async fn run_bytes(
        self: Rc<Self>,
        _: executor::RunBytesParams,
        _: executor::RunBytesResults,
    ) -> Result<(), Failed> {
        Err(Failed::unimplemented("it starts nothing".to_owned()))
    }

    async fn echo(
        self: Rc<Self>,
        params: executor::EchoParams,
        mut results: executor::EchoResults,
    ) -> Result<(), Failed> {
        let text = params.get()?.get_text()?.to_str()?;
        results.get().set_ok(&*format!("Served: {text}"))?;
        if let Some(asked) = self.0.take() {
            let _ = asked.send(());
        }
        Ok(())
    }
}

/// Serves echoes, and does something else beside that.
pub fn echo(what: &str) -> ExitCode {
    let what = what.to_owned();
    let (asked, was_asked) = oneshot::channel();
    let served: executor::Client = capnp_rpc::new_client(Echo(RefCell::new(Some(asked))));
    serve(served, async move |_: Cell| match &*what {
        "waiting" => for_ever().await,
        // Whoever waits here lets nothing come in.
        "blocking" => {
            sleep(Duration::from_millis(10)).await;
            println!("blocks");
            std::thread::sleep(Duration::from_secs(3600));
            Ok(())
        }
        "computing" => {
            sleep(Duration::from_millis(10)).await;
            println!("computes");
            loop {
                compute();
            }
        }
        "yielding" => {
            let began = Instant::now();
            let mut turns = 0;
            while began.elapsed() < Duration::from_millis(1500) {
                compute();
                turns += 1;
                yield_now().await;
            }
            println!("{turns} turns");
            for_ever().await
        }
        // Ends with the first answer.
        "once" => {
            let _ = was_asked.await;
            Ok(())
        }
        what => panic!("cannot be {what}"),
    })
}

fn compute() {
    let mut at = 0_u64;
    for _ in 0..100_000 {
        at = std::hint::black_box(at.wrapping_mul(31) + 1);
    }
}

/// Serves a membrane that asks its signer, and gives the epoch that this says.
struct Asking;

impl membrane::Server<session::Owned> for Asking {
    async fn graft(
        self: Rc<Self>,
        params: membrane::GraftParams<session::Owned>,
        mut results: membrane::GraftResults<session::Owned>,
    ) -> Result<(), Failed> {
        let signer = params.get()?.get_signer()?;
        let mut ask = signer.sign_request();
        ask.get().set_challenge(b"how many?");
        let answer = ask.send().promise.await?;
        let key = answer.get()?.get_key()?.len();
        results.get().init_ok().set_epoch(key as u64 + 1);
        Ok(())
    }

    async fn status(
        self: Rc<Self>,
        _: membrane::StatusParams<session::Owned>,
        mut results: membrane::StatusResults,
    ) -> Result<(), Failed> {
        results.get().set_epoch(7);
        Ok(())
    }
}

pub fn membrane() -> ExitCode {
    let served: membrane::Client<session::Owned> = capnp_rpc::new_client(Asking);
    serve(served, async |_: Cell| for_ever().await)
}
