//! TCP, tasks and time inside the sandbox, over WASI 0.3.
//!
//! There is neither a thread nor a blocking call here: while one task waits,
//! the connector's others run, and when all wait the component sleeps in the
//! host. Only in components: natively, use what the platform has.

mod connection;
mod session;
mod tcp;

use std::io::{Error as IoError, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use wasip3::clocks::monotonic_clock;
use wasip3::sockets::ip_name_lookup::{ErrorCode as LookupError, resolve_addresses};
use wasip3::sockets::types::{
    ErrorCode, IpAddress, IpSocketAddress, Ipv4SocketAddress, Ipv6SocketAddress,
};

use crate::error::{Category, Error, Result};

pub use connection::Connection;
pub use session::open_session;
pub use tcp::connect;
pub use wit_bindgen::{JoinHandle, spawn_local as spawn};

/// Waits this long.
pub async fn sleep(duration: Duration) {
    let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    monotonic_clock::wait_for(nanos).await;
}

/// The addresses of a host, which may be an address itself.
///
/// # Errors
///
/// `permission` if the connector may not ask, `not-found` if there is no such
/// host, `unavailable` if nobody can say now.
pub async fn resolve(host: &str) -> Result<Vec<IpAddr>> {
    if let Ok(address) = host.parse() {
        return Ok(vec![address]);
    }
    let addresses = resolve_addresses(host.to_owned()).await;
    let addresses = addresses.map_err(|code| {
        let (category, name, why) = match code {
            LookupError::AccessDenied => {
                let why = "this connector may not look it up; it has to be granted";
                (Category::Permission, "lookup-denied", why)
            }
            LookupError::InvalidArgument => (
                Category::Configuration,
                "bad-host-name",
                "it is not a host's name",
            ),
            LookupError::NameUnresolvable => {
                (Category::NotFound, "no-such-host", "there is no such host")
            }
            _ => (
                Category::Unavailable,
                "lookup-failed",
                "the name server does not say",
            ),
        };
        Error::new(
            category,
            name,
            format!("{host:?} cannot be resolved: {why}"),
        )
    })?;
    Ok(addresses.into_iter().map(address_in).collect())
}

fn address_in(address: IpAddress) -> IpAddr {
    match address {
        IpAddress::Ipv4((a, b, c, d)) => IpAddr::from([a, b, c, d]),
        IpAddress::Ipv6((a, b, c, d, e, f, g, h)) => IpAddr::from([a, b, c, d, e, f, g, h]),
    }
}

fn address_out(address: SocketAddr) -> IpSocketAddress {
    match address {
        SocketAddr::V4(v4) => {
            let [a, b, c, d] = v4.ip().octets();
            IpSocketAddress::Ipv4(Ipv4SocketAddress {
                port: v4.port(),
                address: (a, b, c, d),
            })
        }
        SocketAddr::V6(v6) => {
            let [a, b, c, d, e, f, g, h] = v6.ip().segments();
            IpSocketAddress::Ipv6(Ipv6SocketAddress {
                port: v6.port(),
                flow_info: v6.flowinfo(),
                address: (a, b, c, d, e, f, g, h),
                scope_id: v6.scope_id(),
            })
        }
    }
}

/// A socket's error as the standard library would have it.
fn io_error(code: ErrorCode) -> IoError {
    let kind = match &code {
        ErrorCode::AccessDenied => ErrorKind::PermissionDenied,
        ErrorCode::NotSupported => ErrorKind::Unsupported,
        ErrorCode::InvalidArgument => ErrorKind::InvalidInput,
        ErrorCode::OutOfMemory => ErrorKind::OutOfMemory,
        ErrorCode::Timeout => ErrorKind::TimedOut,
        ErrorCode::AddressInUse => ErrorKind::AddrInUse,
        ErrorCode::AddressNotBindable => ErrorKind::AddrNotAvailable,
        ErrorCode::RemoteUnreachable => ErrorKind::HostUnreachable,
        ErrorCode::ConnectionRefused => ErrorKind::ConnectionRefused,
        ErrorCode::ConnectionReset => ErrorKind::ConnectionReset,
        ErrorCode::ConnectionBroken => ErrorKind::BrokenPipe,
        ErrorCode::ConnectionAborted => ErrorKind::ConnectionAborted,
        _ => ErrorKind::Other,
    };
    match code {
        ErrorCode::Other(Some(message)) => IoError::new(kind, message),
        _ => IoError::from(kind),
    }
}
