//! The network: pinned endpoints, and nothing else.
//!
//! Invariants: a name is resolved by the host when it is granted, never by the
//! guest; a guest connects to the addresses that its endpoints were pinned to,
//! on their ports, and binds and listens on nothing.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use vesicle_engine::State;
use wasmtime::component::{Accessor, Linker};
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::p3::bindings::sockets::{ip_name_lookup, types};
use wasmtime_wasi::sockets::{SocketAddrUse, WasiSockets, WasiSocketsView as _};

use super::Endpoint;
use crate::Audit;
use crate::audit::Access;

/// Lets the guest connect to its endpoints.
pub(super) fn allow(
    wasi: &mut WasiCtxBuilder,
    component: &Arc<str>,
    endpoints: &[Endpoint],
    audit: &Audit,
) {
    let pinned: HashMap<SocketAddr, String> = endpoints
        .iter()
        .flat_map(|endpoint| {
            endpoint
                .addresses
                .iter()
                .map(move |&address| (address, format!("{}:{}", endpoint.host, endpoint.port)))
        })
        .collect();
    let (component, audit) = (Arc::clone(component), audit.clone());
    wasi.allow_tcp(true)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .socket_addr_check(move |address, used_for| {
            let verdict = decide(&component, &pinned, &audit, address, used_for);
            Box::pin(async move { verdict })
        });
}

fn decide(
    component: &str,
    pinned: &HashMap<SocketAddr, String>,
    audit: &Audit,
    address: SocketAddr,
    used_for: SocketAddrUse,
) -> bool {
    // Connecting binds to no address in particular first.
    let implicit = address.ip().is_unspecified() && address.port() == 0;
    if matches!(used_for, SocketAddrUse::TcpBind) && implicit {
        return !pinned.is_empty();
    }
    let endpoint = pinned.get(&address);
    let connects = matches!(used_for, SocketAddrUse::TcpConnect);
    let allowed = connects && endpoint.is_some();
    let access = if connects {
        Access::Connect
    } else {
        Access::Listen
    };
    let target = match endpoint {
        Some(name) => format!("{name} ({address})"),
        None => address.to_string(),
    };
    audit.record(component, access, &target, allowed);
    allowed
}

/// The names that a guest can look up, with the addresses they are pinned to.
pub(super) struct Names {
    component: String,
    addresses: HashMap<String, Vec<IpAddr>>,
    audit: Audit,
}

impl Names {
    pub fn new(component: &str, endpoints: &[Endpoint], audit: &Audit) -> Self {
        let mut addresses: HashMap<String, Vec<IpAddr>> = HashMap::new();
        for endpoint in endpoints {
            let known = addresses.entry(endpoint.host.clone()).or_default();
            for address in &endpoint.addresses {
                if !known.contains(&address.ip()) {
                    known.push(address.ip());
                }
            }
        }
        Self {
            component: component.to_owned(),
            addresses,
            audit: audit.clone(),
        }
    }

    fn look_up(&self, name: &str) -> Option<Vec<IpAddr>> {
        let found = self.addresses.get(name).cloned();
        self.audit
            .record(&self.component, Access::Resolve, name, found.is_some());
        found
    }
}

type Found = Result<Vec<types::IpAddress>, ip_name_lookup::ErrorCode>;

/// Name lookup that answers for granted hosts only, from the pinned addresses.
pub(super) fn link_names(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    ip_name_lookup::add_to_linker::<_, WasiSockets>(linker, State::sockets)?;
    linker
        .instance("wasi:sockets/ip-name-lookup@0.3.0")?
        .func_wrap_concurrent(
            "resolve-addresses",
            |accessor: &Accessor<State>, (name,): (String,)| {
                let found = accessor.with(|mut store| {
                    store
                        .data_mut()
                        .extensions
                        .get::<Names>()
                        .and_then(|names| names.look_up(&name))
                });
                let answer: Found = match found {
                    Some(addresses) => Ok(addresses.into_iter().map(ip_address).collect()),
                    None => Err(ip_name_lookup::ErrorCode::AccessDenied),
                };
                Box::pin(async move { Ok((answer,)) })
            },
        )
}

fn ip_address(address: IpAddr) -> types::IpAddress {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            types::IpAddress::Ipv4((a, b, c, d))
        }
        IpAddr::V6(v6) => {
            let [a, b, c, d, e, f, g, h] = v6.segments();
            types::IpAddress::Ipv6((a, b, c, d, e, f, g, h))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(address: &str, used_for: SocketAddrUse, granted: &[&str]) -> bool {
        let pinned = granted
            .iter()
            .map(|a| (a.parse().unwrap(), (*a).to_owned()))
            .collect();
        decide(
            "x",
            &pinned,
            &Audit::default(),
            address.parse().unwrap(),
            used_for,
        )
    }

    #[test]
    fn only_pinned_addresses_and_ports_can_be_connected_to() {
        let granted = ["10.0.0.1:5432"];
        assert!(check("10.0.0.1:5432", SocketAddrUse::TcpConnect, &granted));
        assert!(!check("10.0.0.1:5433", SocketAddrUse::TcpConnect, &granted));
        assert!(!check("10.0.0.2:5432", SocketAddrUse::TcpConnect, &granted));
    }

    #[test]
    fn nothing_can_be_bound_or_listened_on() {
        let granted = ["10.0.0.1:5432"];
        assert!(
            check("0.0.0.0:0", SocketAddrUse::TcpBind, &granted),
            "implicit in connecting"
        );
        assert!(!check("0.0.0.0:0", SocketAddrUse::TcpBind, &[]));
        assert!(!check("0.0.0.0:80", SocketAddrUse::TcpBind, &granted));
        assert!(!check("10.0.0.1:5432", SocketAddrUse::TcpListen, &granted));
        assert!(!check("10.0.0.1:5432", SocketAddrUse::UdpBind, &granted));
    }
}
