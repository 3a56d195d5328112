//! What is served to whoever asks for what the process exports.

use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};

use vesicle_cell_sdk::capnp::Error as Failed;
use vesicle_cell_sdk::component::serve;
use vesicle_cell_sdk::protocol::cell_capnp::executor;
use vesicle_cell_sdk::{Cell, Result, capnp_rpc, sleep, yield_now};

/// Says again what it is told.
struct Echo;

impl executor::Server for Echo {
    async fn echo(
        self: Rc<Self>,
        params: executor::EchoParams,
        mut results: executor::EchoResults,
    ) -> Result<(), Failed> {
        let text = params.get()?.get_text()?.to_str()?;
        results.get().set_ok(&*format!("Served: {text}"))
    }
}

/// Serves echoes, and does something else beside that.
pub async fn echo(what: &str) -> ExitCode {
    let what = what.to_owned();
    let served: executor::Client = capnp_rpc::new_client(Echo);
    serve(served, async move |_: Cell| match &*what {
        "waiting" => loop {
            sleep(Duration::from_secs(3600)).await;
        },
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
            loop {
                sleep(Duration::from_secs(3600)).await;
            }
        }
        what => panic!("cannot be {what}"),
    })
    .await
}

fn compute() {
    let mut at = 0_u64;
    for _ in 0..100_000 {
        at = std::hint::black_box(at.wrapping_mul(31) + 1);
    }
}
