//! The standard streams of this process, as those of a cell.
//!
//! Invariant: all that a cell has written is out before its end is told, unless
//! nobody takes it, or it was ended and nobody takes it soon.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use vesicle_cell::pipe::{Reader, Writer};
use vesicle_cell::{Exit, Running};

use crate::ending::{Asked, Ending};

/// How long whoever reads has for what a cell wrote before it was ended.
const LAST_WORDS: Duration = Duration::from_millis(200);
/// Bytes that are passed on at once.
const PIECE: usize = 64 << 10;

/// What ends a cell.
pub enum End {
    /// It has ended.
    Itself(Exit),
    /// The user.
    Asked(Asked),
    /// Nobody reads its output any more.
    Unread,
}

/// What carries a cell's standard streams.
pub struct Streams {
    outputs: Vec<JoinHandle<()>>,
    unread: watch::Receiver<bool>,
}

impl Streams {
    /// Connects a cell with the standard streams of this process.
    pub fn connect(running: &mut Running) -> Self {
        tokio::spawn(feed(Arc::clone(&running.stdin)));
        let (tell, unread) = watch::channel(false);
        let mut outputs = Vec::new();
        if let Some((out, err)) = running.passed.take() {
            outputs.push(tokio::spawn(async move {
                if !print(&out, tokio::io::stdout()).await {
                    tell.send_replace(true);
                    discard(&out).await;
                }
            }));
            outputs.push(tokio::spawn(async move {
                if !print(&err, tokio::io::stderr()).await {
                    discard(&err).await;
                }
            }));
        }
        Self { outputs, unread }
    }

    /// Waits for what ends a cell.
    pub async fn attend(&self, ended: impl Future<Output = Exit>, ending: &Ending) -> End {
        tokio::select! {
            exit = ended => End::Itself(exit),
            by = ending.asked() => End::Asked(by),
            () = self.is_unread() => End::Unread,
        }
    }

    /// Returns when nobody reads the output any more.
    async fn is_unread(&self) {
        if self
            .unread
            .clone()
            .wait_for(|unread| *unread)
            .await
            .is_err()
        {
            std::future::pending().await
        }
    }

    /// Has what an ended cell has written printed, and says what has ended it after
    /// all.
    pub async fn finish(self, end: End, ending: &Ending) -> End {
        let Self { outputs, unread } = self;
        let all = async {
            for output in outputs {
                // One that has panicked has told so.
                let _ = output.await;
            }
        };
        let End::Itself(exit) = end else {
            // What nobody takes holds nothing up.
            let _ = tokio::time::timeout(LAST_WORDS, all).await;
            return end;
        };
        match ending.unless(all).await {
            Err(by) => End::Asked(by),
            Ok(()) if *unread.borrow() && exit == Exit::Code(0) => End::Unread,
            Ok(()) => End::Itself(exit),
        }
    }
}

/// Gives it what this process reads. Ends with whoever reads it.
async fn feed(stdin: Arc<Writer>) {
    let mut input = tokio::io::stdin();
    let mut bytes = vec![0; PIECE];
    loop {
        match input.read(&mut bytes).await {
            Ok(read @ 1..) => {
                if stdin.put_all(&bytes[..read]).await.is_err() {
                    return;
                }
            }
            Ok(0) | Err(_) => return stdin.close(),
        }
    }
}

/// Prints what it writes to the end. Says whether all of it was taken.
async fn print(from: &Reader, mut to: impl AsyncWrite + Unpin) -> bool {
    let mut bytes = vec![0; PIECE];
    loop {
        let read = from.fill(&mut bytes).await;
        if read == 0 {
            return true;
        }
        if to.write_all(&bytes[..read]).await.is_err() || to.flush().await.is_err() {
            return false;
        }
    }
}

/// Takes what it writes for nobody, to the end.
async fn discard(from: &Reader) {
    let mut bytes = vec![0; PIECE];
    while from.fill(&mut bytes).await > 0 {}
}
