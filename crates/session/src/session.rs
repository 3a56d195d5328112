//! A connection that a guest is let in to.
//!
//! Invariants: the guest hears of its session when the server has let it in,
//! and not a byte of it before; until then, what either side sends is bounded;
//! after that, what either side sends is passed on as it is.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;

use crate::authentication::{self, Credentials};
use crate::error::{Category, Error, Refusal};
use crate::relay::{self, Traffic};
use crate::startup::{self, Startup};
use crate::stream::Stream;

/// How long a guest may take to hear why it is not let in.
const FAREWELL: Duration = Duration::from_secs(1);

/// A connection with a server, dialled and encrypted, where nobody has signed
/// in yet.
pub struct Session {
    server: Stream,
    credentials: Credentials,
    place: String,
    patience: Duration,
}

impl fmt::Debug for Session {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Session")
            .field("place", &self.place)
            .field("user", &self.credentials.user)
            .field("is_encrypted", &self.credentials.is_encrypted)
            .finish_non_exhaustive()
    }
}

impl Session {
    pub(crate) fn new(
        server: Stream,
        credentials: Credentials,
        place: String,
        patience: Duration,
    ) -> Self {
        Self {
            server,
            credentials,
            place,
            patience,
        }
    }

    /// Plays the server towards the guest until it is signed in, then passes
    /// bytes both ways until the server ends; where the guest ends first, the
    /// server is told and heard out.
    ///
    /// The guest is refused encryption and is asked for no password. Its
    /// startup parameters go on to the server, `user` being the granted one
    /// whether it says so or not. What goes wrong, the guest hears as an
    /// ErrorResponse too: the server's own where it has one. Cancelling queries
    /// by a second connection is not possible. To drop the future closes both
    /// connections, also while the server is busy for a guest that is gone.
    ///
    /// # Errors
    ///
    /// A guest that is not granted what it asks for, breaks the protocol or
    /// leaves before it is in; a server that does not let it in, breaks the
    /// protocol, takes too long or is lost, also later.
    pub async fn serve(
        self,
        mut guest: impl AsyncRead + AsyncWrite + Unpin + Send,
    ) -> Result<Traffic, Error> {
        let Self {
            mut server,
            credentials,
            place,
            patience,
        } = self;
        let door = Door {
            credentials,
            place: &place,
            patience,
        };
        let welcome = match door.enter(&mut guest, &mut server).await {
            Ok(welcome) => welcome,
            Err(refusal) => {
                // Whether it listens or not, it is over.
                let _ = timeout(FAREWELL, say(&mut guest, &refusal.response, true)).await;
                return Err(refusal.error);
            }
        };
        // The password is of no use any more.
        drop(door);
        match timeout(patience, say(&mut guest, &welcome, false)).await {
            Ok(Ok(())) => relay::relay(guest, server, &place).await,
            Ok(Err(_)) => Err(left(&place)),
            Err(_) => Err(Error::lasting(
                Category::Internal,
                "guest-silent",
                &place,
                format!("the guest does not listen, for {patience:?}"),
            )),
        }
    }
}

/// Where a guest is let in or not.
struct Door<'a> {
    credentials: Credentials,
    place: &'a str,
    patience: Duration,
}

impl Door<'_> {
    /// Returns what the guest is to hear first.
    async fn enter(
        &self,
        guest: &mut (impl AsyncRead + AsyncWrite + Unpin),
        server: &mut Stream,
    ) -> Result<Vec<u8>, Refusal> {
        let startup = self.introduction(guest).await?;
        let message = startup.write(&self.credentials.user);
        let signing_in = authentication::sign_in(server, &message, &self.credentials, self.place);
        let mut early = [0];
        // First the server: a guest that has just been let in may speak.
        tokio::select! {
            biased;
            signed_in = self.in_time(signing_in) => signed_in,
            read = guest.read(&mut early) => Err(match read {
                Ok(1) => Error::lasting(
                    Category::Internal,
                    "guest-early",
                    self.place,
                    "the guest sent something before it was signed in; it is asked for nothing, \
                     no password either",
                ),
                _ => left(self.place),
            }
            .into()),
        }
    }

    async fn introduction(
        &self,
        guest: &mut (impl AsyncRead + AsyncWrite + Unpin),
    ) -> Result<Startup, Refusal> {
        let received = startup::receive(guest, &self.credentials.user);
        match timeout(self.patience, received).await {
            Ok(Ok(startup)) => Ok(startup),
            Ok(Err(unstartable)) => Err(unstartable.at(self.place).into()),
            Err(_) => Err(Error::lasting(
                Category::Internal,
                "guest-silent",
                self.place,
                format!(
                    "the guest does not say within {:?} who it is",
                    self.patience
                ),
            )
            .into()),
        }
    }

    async fn in_time<T>(
        &self,
        signing_in: impl Future<Output = Result<T, Refusal>>,
    ) -> Result<T, Refusal> {
        let patience = self.patience;
        timeout(patience, signing_in).await.unwrap_or_else(|_| {
            Err(Error::passing(
                Category::Timeout,
                "sign-in-timeout",
                self.place,
                format!("the server does not let us in within {patience:?}"),
            )
            .into())
        })
    }
}

fn left(place: &str) -> Error {
    Error::lasting(
        Category::Internal,
        "guest-left",
        place,
        "the guest left before it was signed in",
    )
}

async fn say(
    guest: &mut (impl AsyncWrite + Unpin),
    bytes: &[u8],
    is_last: bool,
) -> std::io::Result<()> {
    guest.write_all(bytes).await?;
    guest.flush().await?;
    if is_last {
        guest.shutdown().await?;
    }
    Ok(())
}
