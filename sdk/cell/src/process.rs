//! A process that was started.

use std::time::Duration;

use capnp::capability::FromClientHook;
use vesicle_protocol::cell_capnp::{Trap, byte_stream, exit, process};
use vesicle_protocol::outcome_capnp::Resource;

use crate::{Error, Result, ok};

/// A process. Cloning gives another hold of the same.
#[derive(Clone)]
pub struct Process {
    /// Its capability.
    pub client: process::Client,
}

/// How a process has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// It said so itself; 0 is success.
    Code(u8),
    /// It did what no component may.
    Trap(Trap, String),
    /// It wanted more of something than it may have.
    Exhausted(Resource),
    /// Somebody ended it.
    Killed,
    /// The epoch of the session that it was started from is over.
    Revoked {
        /// The epoch of the session.
        issued: u64,
        /// The epoch there was then.
        current: u64,
    },
    /// It never ran.
    Start(String),
}

/// A standard stream of a process.
#[derive(Clone)]
pub struct Stream {
    /// Its capability.
    pub client: byte_stream::Client,
}

/// What was read of one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Piece {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// How many before these were lost, since nobody has read them.
    pub lost: u64,
    /// Whether there will be no more.
    pub ended: bool,
}

impl Process {
    pub(crate) fn new(client: process::Client) -> Self {
        Self { client }
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    ///
    /// What the call answers with.
    pub async fn wait(&self) -> Result<Exit> {
        self.wait_for(0).await
    }

    /// The same, and no longer than that. The host looks at the time, and says why
    /// the process has not ended, as far as it can be seen from outside.
    ///
    /// # Errors
    ///
    /// [`Error::Late`] with the side of the process's own link that does not go on,
    /// or [`Error::Circle`] where the process waits for this one; and what the call
    /// answers with.
    pub async fn wait_within(&self, limit: Duration) -> Result<Exit> {
        let milliseconds = limit.as_millis().max(1);
        self.wait_for(u64::try_from(milliseconds).unwrap_or(u64::MAX))
            .await
    }

    async fn wait_for(&self, milliseconds: u64) -> Result<Exit> {
        let mut request = self.client.wait_request();
        request.get().set_milliseconds(milliseconds);
        let answer = request.send().promise.await?;
        Exit::read(ok(answer.get()?)?)
    }

    /// Ends it, with all that it has started.
    ///
    /// # Errors
    ///
    /// What the call answers with.
    pub async fn kill(&self) -> Result<()> {
        let answer = self.client.kill_request().send().promise.await?;
        ok(answer.get()?)?;
        Ok(())
    }

    /// What it reads.
    ///
    /// # Errors
    ///
    /// What the call answers with.
    pub async fn stdin(&self) -> Result<Stream> {
        let answer = self.client.stdin_request().send().promise.await?;
        Ok(Stream::new(ok(answer.get()?)?))
    }

    /// What it writes.
    ///
    /// # Errors
    ///
    /// What the call answers with.
    pub async fn stdout(&self) -> Result<Stream> {
        let answer = self.client.stdout_request().send().promise.await?;
        Ok(Stream::new(ok(answer.get()?)?))
    }

    /// What it complains of.
    ///
    /// # Errors
    ///
    /// What the call answers with.
    pub async fn stderr(&self) -> Result<Stream> {
        let answer = self.client.stderr_request().send().promise.await?;
        Ok(Stream::new(ok(answer.get()?)?))
    }

    /// What it serves itself.
    ///
    /// # Errors
    ///
    /// What the call answers with.
    pub async fn exported<C: FromClientHook>(&self) -> Result<C> {
        let answer = self.client.exported_request().send().promise.await?;
        let exported = ok(answer.get()?)?;
        Ok(exported.get_capability().get_as_capability()?)
    }
}

impl Exit {
    fn read(exit: exit::Reader<'_>) -> Result<Self> {
        use exit::Which;
        let text = |text: capnp::Result<capnp::text::Reader<'_>>| -> Result<String> {
            Ok(text?.to_string().map_err(capnp::Error::from)?)
        };
        Ok(match exit.which().map_err(capnp::Error::from)? {
            Which::Code(code) => Self::Code(code),
            Which::Trap(trap) => Self::Trap(
                trap.get_kind().map_err(capnp::Error::from)?,
                text(trap.get_message())?,
            ),
            Which::Exhausted(what) => Self::Exhausted(what.map_err(capnp::Error::from)?),
            Which::Killed(()) => Self::Killed,
            Which::Revoked(revoked) => Self::Revoked {
                issued: revoked.get_issued(),
                current: revoked.get_current(),
            },
            Which::Start(reason) => Self::Start(text(reason)?),
        })
    }
}

impl Stream {
    fn new(client: byte_stream::Client) -> Self {
        Self { client }
    }

    /// Waits for bytes.
    ///
    /// # Errors
    ///
    /// What the call answers with.
    pub async fn read(&self) -> Result<Piece> {
        let answer = self.client.read_request().send().promise.await?;
        let piece = ok(answer.get()?)?;
        Ok(Piece {
            bytes: piece.get_bytes()?.to_vec(),
            lost: piece.get_lost(),
            ended: piece.get_ended(),
        })
    }

    /// Reads to the end.
    ///
    /// # Errors
    ///
    /// What the calls answer with, and [`Error::Other`] where some of it was lost.
    pub async fn read_to_end(&self) -> Result<Vec<u8>> {
        let mut all = Vec::new();
        loop {
            let piece = self.read().await?;
            if piece.lost > 0 {
                let lost = piece.lost;
                return Err(Error::Other(format!(
                    "{lost} bytes were lost, since nobody read them"
                )));
            }
            all.extend(piece.bytes);
            if piece.ended {
                return Ok(all);
            }
        }
    }

    /// Writes all of it, as there is room.
    ///
    /// # Errors
    ///
    /// What the calls answer with.
    pub async fn write(&self, bytes: &[u8]) -> Result<()> {
        for piece in bytes.chunks(LARGEST) {
            let mut request = self.client.write_request();
            request.get().set_bytes(piece);
            let answer = request.send().promise.await?;
            ok(answer.get()?)?;
        }
        Ok(())
    }

    /// Says that no more is written.
    ///
    /// # Errors
    ///
    /// What the call answers with.
    pub async fn close(&self) -> Result<()> {
        let answer = self.client.close_request().send().promise.await?;
        ok(answer.get()?)?;
        Ok(())
    }
}

/// Bytes that one call writes.
const LARGEST: usize = 1 << 20;
