//! Does what its arguments say, over the component model's async: the first is its
//! name, the second what to do, the others with what.

mod ends;
mod parent;
mod raw;
mod server;
mod stdio;
mod waits;

use std::process::ExitCode;

vesicle_cell_sdk::export!(act);

async fn act() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["echo", times] => parent::echo(number(times)).await,
        ["echo-on"] => parent::echo_on().await,
        ["spawn", file, ref what @ ..] => parent::spawn(file, what).await,
        ["serve-echo", what] => server::echo(what).await,
        ["echo-within", milliseconds, bytes] => {
            waits::echo_within(number(milliseconds), number(bytes)).await
        }
        ["sleep", milliseconds] => waits::sleep(number(milliseconds)).await,
        ["wait-for-nothing"] => waits::wait_for_nothing().await,
        ["wait-within", milliseconds] => waits::wait_within(number(milliseconds)).await,
        ["leave-tasks"] => waits::leave_tasks().await,
        ["code", code] => ExitCode::from(number(code) as u8),
        ["exit-inside", code] => ends::exit_inside(number(code)).await,
        ["fail"] => ends::fail().await,
        ["panic-inside"] => ends::panic_inside().await,
        ["spin"] => ends::spin(),
        ["grow"] => ends::grow(),
        ["words"] => stdio::words(),
        ["cat"] => stdio::cat().await,
        ["write", bytes] => stdio::write(number(bytes)).await,
        ["twice"] => raw::twice().await,
        ["deaf"] => raw::deaf().await,
        ["fill"] => raw::fill().await,
        ["streams"] => raw::streams().await,
        ["short-circuit"] => raw::short_circuit().await,
        _ => panic!("cannot do {words:?}"),
    }
}

fn number(word: &str) -> u64 {
    word.parse().expect("a number")
}
