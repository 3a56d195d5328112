//! The WASI interfaces on offer, each with the function that links it.

use vesicle_engine::State;
use wasmtime::component::{HasData, Linker, ResourceTable};
use wasmtime_wasi::cli::{WasiCli, WasiCliView as _};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView as _};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView as _};
use wasmtime_wasi::random::{WasiRandom, WasiRandomView as _};
use wasmtime_wasi::sockets::{WasiSockets, WasiSocketsView as _};
use wasmtime_wasi::{p2, p3};

use super::{environment, files, network};
use crate::{Interface, InterfaceName};

type Link = fn(&mut Linker<State>) -> wasmtime::Result<()>;

struct Io;

impl HasData for Io {
    type Data<'a> = &'a mut ResourceTable;
}

macro_rules! links {
    ($($name:literal => $link:expr;)*) => {
        const LINKS: &[(&str, Link)] = &[$(($name, $link)),*];
    };
}

links! {
    "wasi:io/error@0.2.12" => |l| wasmtime_wasi_io::bindings::wasi::io::error::add_to_linker::<_, Io>(l, |s| &mut s.table);
    "wasi:io/poll@0.2.12" => |l| wasmtime_wasi_io::bindings::wasi::io::poll::add_to_linker::<_, Io>(l, |s| &mut s.table);
    "wasi:io/streams@0.2.12" => |l| wasmtime_wasi_io::bindings::wasi::io::streams::add_to_linker::<_, Io>(l, |s| &mut s.table);
    "wasi:clocks/wall-clock@0.2.12" => |l| p2::bindings::clocks::wall_clock::add_to_linker::<_, WasiClocks>(l, State::clocks);
    "wasi:clocks/monotonic-clock@0.2.12" => |l| p2::bindings::clocks::monotonic_clock::add_to_linker::<_, WasiClocks>(l, State::clocks);
    "wasi:random/random@0.2.12" => |l| p2::bindings::random::random::add_to_linker::<_, WasiRandom>(l, State::random);
    "wasi:random/insecure@0.2.12" => |l| p2::bindings::random::insecure::add_to_linker::<_, WasiRandom>(l, State::random);
    "wasi:random/insecure-seed@0.2.12" => |l| p2::bindings::random::insecure_seed::add_to_linker::<_, WasiRandom>(l, State::random);
    "wasi:cli/exit@0.2.12" => |l| p2::bindings::cli::exit::add_to_linker::<_, WasiCli>(l, State::cli);
    "wasi:cli/environment@0.2.12" => environment::link_p2;
    "wasi:cli/stdin@0.2.12" => |l| p2::bindings::cli::stdin::add_to_linker::<_, WasiCli>(l, State::cli);
    "wasi:cli/stdout@0.2.12" => |l| p2::bindings::cli::stdout::add_to_linker::<_, WasiCli>(l, State::cli);
    "wasi:cli/stderr@0.2.12" => |l| p2::bindings::cli::stderr::add_to_linker::<_, WasiCli>(l, State::cli);
    "wasi:cli/terminal-input@0.2.12" => |l| p2::bindings::cli::terminal_input::add_to_linker::<_, WasiCli>(l, State::cli);
    "wasi:cli/terminal-output@0.2.12" => |l| p2::bindings::cli::terminal_output::add_to_linker::<_, WasiCli>(l, State::cli);
    "wasi:cli/terminal-stdin@0.2.12" => |l| p2::bindings::cli::terminal_stdin::add_to_linker::<_, WasiCli>(l, State::cli);
    "wasi:cli/terminal-stdout@0.2.12" => |l| p2::bindings::cli::terminal_stdout::add_to_linker::<_, WasiCli>(l, State::cli);
    "wasi:cli/terminal-stderr@0.2.12" => |l| p2::bindings::cli::terminal_stderr::add_to_linker::<_, WasiCli>(l, State::cli);
    "wasi:filesystem/types@0.2.12" => files::link_types;
    "wasi:filesystem/preopens@0.2.12" => files::link_preopens;
    "wasi:sockets/network@0.2.12" => |l| {
        let options = p2::bindings::sockets::network::LinkOptions::default();
        p2::bindings::sockets::network::add_to_linker::<_, WasiSockets>(l, &options, State::sockets)
    };
    "wasi:sockets/instance-network@0.2.12" => |l| p2::bindings::sockets::instance_network::add_to_linker::<_, WasiSockets>(l, State::sockets);
    "wasi:sockets/ip-name-lookup@0.2.12" => network::link_names_p2;
    "wasi:sockets/tcp@0.2.12" => |l| p2::bindings::sockets::tcp::add_to_linker::<_, WasiSockets>(l, State::sockets);
    "wasi:sockets/tcp-create-socket@0.2.12" => |l| p2::bindings::sockets::tcp_create_socket::add_to_linker::<_, WasiSockets>(l, State::sockets);
    "wasi:sockets/udp@0.2.12" => |l| p2::bindings::sockets::udp::add_to_linker::<_, WasiSockets>(l, State::sockets);
    "wasi:sockets/udp-create-socket@0.2.12" => network::link_datagrams_p2;
    "wasi:clocks/types@0.3.0" => |l| p3::bindings::clocks::types::add_to_linker::<_, WasiClocks>(l, State::clocks);
    "wasi:clocks/monotonic-clock@0.3.0" => |l| p3::bindings::clocks::monotonic_clock::add_to_linker::<_, WasiClocks>(l, State::clocks);
    "wasi:clocks/system-clock@0.3.0" => |l| p3::bindings::clocks::system_clock::add_to_linker::<_, WasiClocks>(l, State::clocks);
    "wasi:random/random@0.3.0" => |l| p3::bindings::random::random::add_to_linker::<_, WasiRandom>(l, State::random);
    "wasi:random/insecure@0.3.0" => |l| p3::bindings::random::insecure::add_to_linker::<_, WasiRandom>(l, State::random);
    "wasi:random/insecure-seed@0.3.0" => |l| p3::bindings::random::insecure_seed::add_to_linker::<_, WasiRandom>(l, State::random);
    // Types alone; there is nothing to link.
    "wasi:cli/types@0.3.0" => |_| Ok(());
    "wasi:cli/exit@0.3.0" => |l| p3::bindings::cli::exit::add_to_linker::<_, WasiCli>(l, State::cli);
    "wasi:cli/environment@0.3.0" => environment::link_p3;
    "wasi:cli/stdin@0.3.0" => |l| p3::bindings::cli::stdin::add_to_linker::<_, WasiCli>(l, State::cli);
    "wasi:cli/stdout@0.3.0" => |l| p3::bindings::cli::stdout::add_to_linker::<_, WasiCli>(l, State::cli);
    "wasi:cli/stderr@0.3.0" => |l| p3::bindings::cli::stderr::add_to_linker::<_, WasiCli>(l, State::cli);
    "wasi:cli/terminal-input@0.3.0" => |l| p3::bindings::cli::terminal_input::add_to_linker::<_, WasiCli>(l, State::cli);
    "wasi:cli/terminal-output@0.3.0" => |l| p3::bindings::cli::terminal_output::add_to_linker::<_, WasiCli>(l, State::cli);
    "wasi:cli/terminal-stdin@0.3.0" => |l| p3::bindings::cli::terminal_stdin::add_to_linker::<_, WasiCli>(l, State::cli);
    "wasi:cli/terminal-stdout@0.3.0" => |l| p3::bindings::cli::terminal_stdout::add_to_linker::<_, WasiCli>(l, State::cli);
    "wasi:cli/terminal-stderr@0.3.0" => |l| p3::bindings::cli::terminal_stderr::add_to_linker::<_, WasiCli>(l, State::cli);
    "wasi:sockets/types@0.3.0" => network::link_sockets;
    "wasi:sockets/ip-name-lookup@0.3.0" => network::link_names;
}

/// Every interface, with the structure left to the engine: the implementations
/// are statically typed, and the engine compares when it links.
pub(super) fn all() -> Vec<Interface> {
    LINKS
        .iter()
        .filter_map(|(name, _)| {
            Some(Interface {
                name: name.parse().ok()?,
                structure: None,
            })
        })
        .collect()
}

/// Links one interface.
pub(super) fn link(interface: &InterfaceName, linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let wanted = interface.to_string();
    match LINKS.iter().find(|(name, _)| *name == wanted) {
        Some((_, link)) => link(linker),
        None => Err(wasmtime::Error::msg(format!("WASI has no {wanted}"))),
    }
}

/// The descriptors of files, as linked before the guard is put around them.
pub(super) fn plain_file_types(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    p2::bindings::filesystem::types::add_to_linker::<_, WasiFilesystem>(linker, State::filesystem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_interface_on_offer_has_a_name_that_parses() {
        assert_eq!(all().len(), LINKS.len());
    }
}
