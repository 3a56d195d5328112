//! Starts a throw-away server for a program that is not a test.
//!
//! `throwaway-postgres [NAME=VALUE]…` takes lines of `postgresql.conf`. Once
//! the server answers, it prints its port, the superuser's password and the
//! path of `psql`, a line each; the server is gone when standard input ends.

use std::io::Read as _;

use vesicle_test_postgres::{Options, Server};

fn main() {
    let setting = |argument: String| {
        let parts = argument.split_once('=');
        let (name, value) = parts.unwrap_or_else(|| panic!("{argument:?} is not NAME=VALUE"));
        (name.to_owned(), value.to_owned())
    };
    let server = Server::start(Options {
        settings: std::env::args().skip(1).map(setting).collect(),
        ..Options::default()
    });
    println!(
        "{}\n{}\n{}",
        server.port(),
        server.password(),
        server.path_of_psql().display()
    );
    // Whoever asked for the server holds the other end.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}
