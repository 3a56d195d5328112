//! Cells that wait cost nothing. Alone in its process, whose time is measured.

#![allow(clippy::unwrap_used)]

mod common;
mod tree;

use std::time::Duration;

use common::{cells, guest};
use futures::future::join_all;
use tree::{With, acts, graft, lender, start, with};
use vesicle_cell::{Command, Limits};

#[tokio::test]
async fn cells_that_wait_take_no_time_of_the_processor() {
    let command = Command {
        limits: Limits {
            memory: 64 << 30,
            processes: 2_000,
            ..Limits::default()
        },
        ..lender()
    };
    let cells = cells();
    let running = cells.start(command).await.unwrap();
    let started = with(&running, async |handed| {
        let session = graft(&handed).await?;
        // Of WASI 0.2, and of 0.3.
        for wasm in [acts(), guest("cell-async")] {
            let sleeping = (0..250).map(|_| {
                let arguments = ["child", "sleep", "3600000"];
                start_one(&session, &wasm, arguments)
            });
            let serving = (0..250).map(|_| {
                let arguments = ["child", "serve-echo", "waiting"];
                start_one(&session, &wasm, arguments)
            });
            for started in join_all(sleeping.chain(serving)).await {
                // They go on without anybody who holds them.
                started?;
            }
        }
        // Each has come to where it waits.
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok(())
    });
    started.await.unwrap();
    let before = processor_time();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let used = processor_time() - before;
    assert!(used <= Duration::from_millis(100), "{used:?} of 2 s");
    running.kill().await;
}

async fn start_one(
    session: &tree::Session,
    wasm: &[u8],
    arguments: [&str; 3],
) -> tree::Answer<tree::Child> {
    start(&session.executor, wasm, &arguments, With::default()).await
}

/// What all threads of this process have used.
fn processor_time() -> Duration {
    let mut nanoseconds = 0;
    for thread in std::fs::read_dir("/proc/self/task").unwrap() {
        let folder = thread.unwrap().path();
        let used = std::fs::read_to_string(folder.join("schedstat"));
        let used = used.unwrap_or_default();
        let used = used.split(' ').next().unwrap_or_default().parse::<u64>();
        nanoseconds += used.unwrap_or_default();
    }
    Duration::from_nanos(nanoseconds)
}
