//! What carries a connection, and what runs its driver.

#[cfg(all(not(target_arch = "wasm32"), feature = "native"))]
pub use native::{open, sleep, spawn};
#[cfg(all(not(target_arch = "wasm32"), not(feature = "native")))]
pub use nowhere::{open, sleep, spawn};
#[cfg(target_arch = "wasm32")]
pub use sandbox::{open, sleep, spawn};

/// Sessions that the host opens.
#[cfg(target_arch = "wasm32")]
mod sandbox {
    use vesicle_connector::Result;
    use vesicle_connector::net::{Connection, open_session};

    pub use vesicle_connector::net::{sleep, spawn};

    use crate::Options;

    /// Opens a session with the server.
    pub async fn open(options: &Options) -> Result<Connection> {
        open_session(&options.host, options.port).await
    }
}

/// Natively there is no host, and nobody that opens sessions.
#[cfg(all(not(target_arch = "wasm32"), not(feature = "native")))]
mod nowhere {
    use std::time::Duration;

    use futures::io::Cursor;
    use vesicle_connector::{Error, Result};

    use crate::Options;

    /// There is no host to open one.
    pub async fn open(options: &Options) -> Result<Cursor<Vec<u8>>> {
        let message = format!(
            "{}: sessions are opened by the host of a sandbox",
            options.place()
        );
        Err(Error::unsupported("no-host", message))
    }

    /// Without a host there is no clock: for ever.
    pub async fn sleep(_: Duration) {
        std::future::pending().await
    }

    /// Nothing was opened that needs a driver.
    pub fn spawn(driver: impl Future<Output = ()>) {
        drop(driver);
    }
}

/// Without a sandbox: connections of the process's own.
#[cfg(all(not(target_arch = "wasm32"), feature = "native"))]
mod native {
    use std::time::Duration;

    use futures::io::BufReader;
    use tokio::net::TcpStream;
    use tokio_util::compat::{Compat, TokioAsyncReadCompatExt as _};
    use vesicle_connector::{Error, Result};

    use crate::Options;

    /// As much as a session reads at once.
    const BUFFER: usize = 256 << 10;

    /// Connects, in the clear.
    pub async fn open(options: &Options) -> Result<BufReader<Compat<TcpStream>>> {
        let unreachable = |error: std::io::Error| {
            Error::unavailable("unreachable", format!("{}: {error}", options.place()))
        };
        let stream = TcpStream::connect((&*options.host, options.port))
            .await
            .map_err(unreachable)?;
        stream.set_nodelay(true).map_err(unreachable)?;
        Ok(BufReader::with_capacity(BUFFER, stream.compat()))
    }

    /// Waits this long.
    pub async fn sleep(duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    /// Beside the client, on the same thread.
    pub fn spawn(driver: impl Future<Output = ()> + 'static) {
        tokio::task::spawn_local(driver);
    }
}
