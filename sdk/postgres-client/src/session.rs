//! What carries a connection, and what runs its driver.

#[cfg(target_arch = "wasm32")]
pub use vesicle_connector::net::{sleep, spawn};

use vesicle_connector::Result;

use crate::Options;

/// Opens a session with the server.
#[cfg(target_arch = "wasm32")]
pub async fn open(options: &Options) -> Result<vesicle_connector::net::Connection> {
    vesicle_connector::net::open_session(&options.host, options.port).await
}

/// There is no host to open one.
#[cfg(not(target_arch = "wasm32"))]
pub async fn open(options: &Options) -> Result<futures::io::Cursor<Vec<u8>>> {
    let message = format!(
        "{}: sessions are opened by the host of a sandbox",
        options.place()
    );
    Err(vesicle_connector::Error::unsupported("no-host", message))
}

/// Nothing was opened that needs a driver.
#[cfg(not(target_arch = "wasm32"))]
pub fn spawn(driver: impl Future<Output = ()>) {
    drop(driver);
}

/// Waits this long. Without a host there is no clock: for ever.
#[cfg(not(target_arch = "wasm32"))]
pub async fn sleep(duration: std::time::Duration) {
    let _ = duration;
    std::future::pending().await
}
