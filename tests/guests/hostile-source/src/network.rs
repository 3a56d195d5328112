//! Reaching over the network: by WASI 0.3, and by what the standard library
//! does, which is WASI 0.2.

use std::net::{TcpStream, ToSocketAddrs, UdpSocket};

use vesicle_connector::{Error, Result, net};
use wasip3::sockets::types::{IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, TcpSocket};

fn denied(what: impl std::fmt::Display) -> Error {
    Error::permission("denied", what.to_string())
}

pub async fn connect(target: &str) -> Result<String> {
    let (host, port) = target.rsplit_once(':').ok_or_else(|| denied(target))?;
    let port = port.parse().map_err(denied)?;
    net::connect(host, port).await?;
    Ok(format!("connected to {target}"))
}

pub fn connect_blocking(target: &str) -> Result<String> {
    TcpStream::connect(target).map_err(|error| denied(format!("{target}: {error}")))?;
    Ok(format!("connected to {target}"))
}

pub async fn listen() -> Result<String> {
    let socket = TcpSocket::create(IpAddressFamily::Ipv4).map_err(|e| denied(format!("{e:?}")))?;
    let anywhere = IpSocketAddress::Ipv4(Ipv4SocketAddress {
        port: 0,
        address: (0, 0, 0, 0),
    });
    socket
        .bind(anywhere)
        .map_err(|e| denied(format!("bind: {e:?}")))?;
    let _clients = socket
        .listen()
        .map_err(|e| denied(format!("listen: {e:?}")))?;
    Ok(format!("listens on {:?}", socket.get_local_address()))
}

pub fn send_datagram(target: &str) -> Result<String> {
    let socket = UdpSocket::bind("0.0.0.0:0").map_err(|e| denied(format!("a datagram: {e}")))?;
    socket
        .send_to(b"loot", target)
        .map_err(|e| denied(format!("a datagram: {e}")))?;
    Ok(format!("sent to {target}"))
}

pub async fn resolve(target: &str) -> Result<String> {
    let addresses = net::resolve(target).await?;
    Ok(format!("{target} is {addresses:?}"))
}

pub fn resolve_blocking(target: &str) -> Result<String> {
    let mut addresses = (target, 80)
        .to_socket_addrs()
        .map_err(|error| denied(format!("{target}: {error}")))?;
    Ok(format!("{target} is {:?}", addresses.next()))
}
