//! Waiting for what does not come, and leaving before it does.

use std::process::ExitCode;
use std::time::Duration;

use vesicle_cell_sdk::protocol::cell_capnp::executor;
use vesicle_cell_sdk::{Cell, Process, ok, run, within};

/// Has whatever it was handed say so many bytes, and waits no longer than that.
pub fn echo_within(milliseconds: u64, bytes: u64) -> ExitCode {
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
}

/// Says more than the link holds, and ends whether or not it was heard.
pub fn leave_unheard() -> ExitCode {
    run(async |cell: Cell| {
        let there: executor::Client = cell.bootstrap();
        let mut request = there.echo_request();
        request.get().set_text(&*"x".repeat(1 << 20));
        let answer = request.send().promise;
        // In a moment it is late.
        let _ = within(Duration::from_millis(50), "the echo", async {
            Ok(answer.await?)
        })
        .await;
        Ok(())
    })
}

/// Waits for the process that it was handed, and no longer than that; zero is for
/// ever.
pub fn wait_within(milliseconds: u64) -> ExitCode {
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
}

/// Asks so many times at once, and ends when the first was answered.
pub fn graft_and_leave(calls: u64) -> ExitCode {
    run(async move |cell: Cell| {
        let session = cell.graft().await?;
        let text = "x".repeat(100_000);
        let calls = (0..calls).map(|_| Box::pin(session.echo(&text)));
        futures::future::select_all(calls).await.0?;
        vesicle_cell_sdk::spawn(async move {
            vesicle_cell_sdk::sleep(Duration::from_secs(3600)).await;
        });
        Ok(())
    })
}
