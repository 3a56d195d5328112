//! Does what its arguments say: the first is its name, the second what to do, the
//! others with what.

mod bomb;
mod bytes;
mod ends;
mod server;
mod stdio;
mod thief;
mod waits;

use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["code", code] => ExitCode::from(number(code) as u8),
        ["std-exit", code] => std::process::exit(number(code) as i32),
        ["exit", code] => vesicle_cell_sdk::exit(number(code) as u8),
        ["exit-inside", code] => ends::exit_inside(number(code)),
        ["fail"] => ends::fail(),
        ["panic"] => panic!("as it was told to"),
        ["panic-inside"] => ends::panic_inside(),
        ["spin"] => ends::spin(),
        ["grow"] => ends::grow(),
        ["deep"] => ends::deep(),
        ["sleep", milliseconds] => ends::sleep(number(milliseconds)),
        ["words"] => stdio::words(),
        ["write", bytes] => stdio::write(number(bytes)),
        ["write-and-spin", bytes] => stdio::write_and_spin(number(bytes)),
        ["count"] => stdio::count(0),
        ["count-slowly", milliseconds] => stdio::count(number(milliseconds)),
        ["cat"] => stdio::cat(),
        ["bomb"] => bomb::go_off(),
        ["orphan"] => bomb::leave_some(),
        ["steal", port] => thief::steal(number(port) as u16),
        ["lend", ..] => server::lend(),
        ["serve-echo", what] => server::echo(what),
        ["serve-bytes"] => server::bytes(),
        ["serve-membrane"] => server::membrane(),
        ["exchange", times] => bytes::exchange(number(times)),
        ["echo-within", milliseconds, bytes] => {
            waits::echo_within(number(milliseconds), number(bytes))
        }
        ["leave-unheard"] => waits::leave_unheard(),
        ["wait-within", milliseconds] => waits::wait_within(number(milliseconds)),
        ["graft-and-leave", calls] => waits::graft_and_leave(number(calls)),
        _ => panic!("cannot do {words:?}"),
    }
}

fn number(word: &str) -> u64 {
    word.parse().expect("a number")
}
