//! TCP over WASI 0.3.

use std::net::SocketAddr;

use futures::FutureExt as _;
use wasip3::sockets::types::{ErrorCode, IpAddressFamily, TcpSocket};
use wasip3::wit_stream;
use wit_bindgen::FutureReader;

use super::connection::{Connection, Ending};
use super::{address_out, io_error, resolve};
use crate::error::{Error, Result};

/// Connects to a host, trying its addresses in their order.
///
/// # Errors
///
/// `permission` if the connector may not connect there, `not-found` if
/// there is no such host, `unavailable` if it refuses or cannot be reached.
pub async fn connect(host: &str, port: u16) -> Result<Connection> {
    let place = format!("{host}:{port}");
    let nowhere = || Error::not_found("no-such-host", "the host has no address");
    let mut failure = nowhere();
    for address in resolve(host).await? {
        match connect_to(SocketAddr::new(address, port)).await {
            Ok(connection) => return Ok(connection),
            Err(code) => failure = Error::from(io_error(code)),
        }
    }
    Err(failure.context(place))
}

async fn connect_to(address: SocketAddr) -> Result<Connection, ErrorCode> {
    let family = match address {
        SocketAddr::V4(_) => IpAddressFamily::Ipv4,
        SocketAddr::V6(_) => IpAddressFamily::Ipv6,
    };
    let socket = TcpSocket::create(family)?;
    socket.connect(address_out(address)).await?;
    let (incoming, received) = socket.receive();
    let (writer, outgoing) = wit_stream::new::<u8>();
    let sent = socket.send(outgoing);
    Ok(Connection::new(
        (incoming, ending(received)),
        (writer, ending(sent)),
        Some(socket),
    ))
}

fn ending(future: FutureReader<Result<(), ErrorCode>>) -> Ending {
    async { future.await.map_err(io_error) }.boxed_local()
}
