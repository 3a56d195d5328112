//! The network: pinned endpoints, and nothing else.
//!
//! Invariants: a name is resolved by the host when it is granted, never by the
//! guest; a guest connects to the addresses that its endpoints were pinned to,
//! on their ports, listens on nothing and sends no datagrams; whatever it tries
//! beside that is in the audit.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use vesicle_engine::State;
use wasmtime::StoreContextMut;
use wasmtime::component::{Accessor, Linker, Resource};
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::p2::bindings::sockets as p2;
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
    // Connecting binds to no address in particular first. What the socket is
    // then used for is decided on its own.
    let implicit = address.ip().is_unspecified() && address.port() == 0;
    if matches!(used_for, SocketAddrUse::TcpBind) && implicit {
        return true;
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

/// The names that a guest can look up, with the addresses they are pinned to;
/// and what it is refused by name or by kind.
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

    /// Records a lookup that is refused whatever the name.
    fn refuse(&self, name: &str) {
        self.audit
            .record(&self.component, Access::Resolve, name, false);
    }

    /// Records a datagram socket that is refused.
    fn refuse_datagrams(&self) {
        self.audit
            .record(&self.component, Access::Connect, "anything by UDP", false);
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

type NotFound = Result<Resource<p2::ip_name_lookup::ResolveAddressStream>, p2::network::ErrorCode>;

/// Name lookup of WASI 0.2, which answers for no host.
pub(super) fn link_names_p2(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    p2::ip_name_lookup::add_to_linker::<_, WasiSockets>(linker, State::sockets)?;
    type Params = (Resource<p2::network::Network>, String);
    linker
        .instance("wasi:sockets/ip-name-lookup@0.2.12")?
        .func_wrap(
            "resolve-addresses",
            |mut store: StoreContextMut<'_, State>, (_, name): Params| {
                if let Some(names) = store.data_mut().extensions.get::<Names>() {
                    names.refuse(&name);
                }
                let answer: NotFound = Err(p2::network::ErrorCode::AccessDenied);
                Ok((answer,))
            },
        )
}

fn refuse_datagrams(store: &mut StoreContextMut<'_, State>) {
    if let Some(names) = store.data_mut().extensions.get::<Names>() {
        names.refuse_datagrams();
    }
}

/// Datagram sockets of WASI 0.2: there are none.
pub(super) fn link_datagrams_p2(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    p2::udp_create_socket::add_to_linker::<_, WasiSockets>(linker, State::sockets)?;
    linker
        .instance("wasi:sockets/udp-create-socket@0.2.12")?
        .func_wrap(
            "create-udp-socket",
            |mut store: StoreContextMut<'_, State>, (_,): (p2::network::IpAddressFamily,)| {
                refuse_datagrams(&mut store);
                let answer: Result<Resource<p2::udp::UdpSocket>, _> =
                    Err(p2::network::ErrorCode::AccessDenied);
                Ok((answer,))
            },
        )
}

/// Sockets of WASI 0.3, without those for datagrams.
pub(super) fn link_sockets(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    types::add_to_linker::<_, WasiSockets>(linker, State::sockets)?;
    linker.instance("wasi:sockets/types@0.3.0")?.func_wrap(
        "[static]udp-socket.create",
        |mut store: StoreContextMut<'_, State>, (_,): (types::IpAddressFamily,)| {
            refuse_datagrams(&mut store);
            let answer: Result<Resource<types::UdpSocket>, _> = Err(types::ErrorCode::AccessDenied);
            Ok((answer,))
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
    fn no_address_can_be_bound_and_nothing_listened_on() {
        let granted = ["10.0.0.1:5432"];
        assert!(
            check("0.0.0.0:0", SocketAddrUse::TcpBind, &[]),
            "implicit in connecting, which is decided on next"
        );
        assert!(!check("0.0.0.0:80", SocketAddrUse::TcpBind, &granted));
        assert!(!check("10.0.0.1:5432", SocketAddrUse::TcpListen, &granted));
        assert!(!check("10.0.0.1:5432", SocketAddrUse::UdpBind, &granted));
    }
}
