//! Waiting for what does not come, and leaving before it does.

use std::process::ExitCode;
use std::time::Duration;

use vesicle_cell_sdk::component::run;
use vesicle_cell_sdk::protocol::cell_capnp::executor;
use vesicle_cell_sdk::{Cell, Process, ok, within};

/// Has whatever it was handed say so many bytes, and waits no longer than that.
pub async fn echo_within(milliseconds: u64, bytes: u64) -> ExitCode {
    run(async move |cell: Cell| {
        let there: executor::Client = cell.bootstrap();
        let mut request = there.echo_request();
        request.get().set_text(&*"x".repeat(bytes as usize));
        within(Duration::from_millis(milliseconds), "the echo", async {
            let answer = request.send().promise.await?;
            ok(answer.get()?)?;
            Ok(())
        })
        .await
    })
    .await
}

pub async fn sleep(milliseconds: u64) -> ExitCode {
    run(async move |_: Cell| {
        vesicle_cell_sdk::sleep(Duration::from_millis(milliseconds)).await;
        Ok(())
    })
    .await
}

/// Waits without a link for what nobody does.
pub async fn wait_for_nothing() -> ExitCode {
    std::future::pending().await
}

/// Waits for the process that it was handed, and no longer than that; zero is for
/// ever.
pub async fn wait_within(milliseconds: u64) -> ExitCode {
    run(async move |cell: Cell| {
        let process = Process {
            client: cell.bootstrap(),
        };
        let exit = match milliseconds {
            0 => process.wait().await?,
            some => process.wait_within(Duration::from_millis(some)).await?,
        };
        println!("{exit:?}");
        Ok(())
    })
    .await
}

/// Ends with tasks that would go on for ever.
pub async fn leave_tasks() -> ExitCode {
    run(async |cell: Cell| {
        let session = cell.graft().await?;
        for _ in 0..10 {
            let session = session.clone();
            vesicle_cell_sdk::spawn(async move {
                while session.echo("again").await.is_ok() {}
                std::future::pending().await
            });
        }
        session.echo("once").await?;
        Ok(())
    })
    .await
}
