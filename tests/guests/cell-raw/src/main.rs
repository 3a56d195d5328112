//! Takes its link without any runtime, and does with it what its argument says.

mod messages;
mod piles;

use std::time::Duration;

use wasip2::io::poll::poll;
use wasip2::io::streams::{InputStream, OutputStream, StreamError};

mod bindings {
    wit_bindgen::generate!({
        path: "../../../wit/vesicle-cell",
        world: "cell",
        with: {
            "wasi:io/error@0.2.12": wasip2::io::error,
            "wasi:io/poll@0.2.12": wasip2::io::poll,
            "wasi:io/streams@0.2.12": wasip2::io::streams,
        },
    });
}

use bindings::vesicle::cell::streams::create_connection;

fn main() {
    let what = std::env::args().nth(1).expect("what to do");
    if what == "nothing" {
        return;
    }
    let connection = create_connection().expect("a link");
    let (input, output) = (connection.input(), connection.output());
    let (input, output) = (input.expect("an input"), output.expect("an output"));
    match &*what {
        "twice" => {
            println!("a second link: {}", create_connection().is_ok());
            println!("a second input: {}", connection.input().is_ok());
            println!("a second output: {}", connection.output().is_ok());
        }
        "hold" => {}
        // Waits for the clock only.
        "deaf" => std::thread::sleep(Duration::from_secs(3600)),
        "flood" => flood(&output),
        "ask" => ask(&output),
        "hang-up" => {
            write(&output, &messages::bootstrap(0)).expect("an output");
            drop(output);
            rest(&input);
        }
        pile if pile.starts_with("pile-") => piles::pile(pile, &input, &output),
        junk => {
            for piece in messages::junk(junk) {
                if write(&output, &piece).is_err() {
                    break;
                }
            }
            println!("written");
            rest(&input);
            println!("hung up");
        }
    }
}

/// Writes all of it, waiting for room.
fn write(output: &OutputStream, mut bytes: &[u8]) -> Result<(), StreamError> {
    while !bytes.is_empty() {
        let room = output.check_write()? as usize;
        if room == 0 {
            poll(&[&output.subscribe()]);
            continue;
        }
        let (now, later) = bytes.split_at(room.min(bytes.len()));
        output.write(now)?;
        bytes = later;
    }
    Ok(())
}

/// Reads until the host hangs up.
fn rest(input: &InputStream) {
    while input.blocking_read(1 << 16).is_ok() {}
}

/// Asks for as much as it can, and reads no answer.
fn flood(output: &OutputStream) {
    let text = "x".repeat(1 << 20);
    write(output, &messages::bootstrap(0)).expect("an output");
    write(output, &messages::graft(1)).expect("an output");
    for number in 2..2_000 {
        if write(output, &messages::echo(number, &text)).is_err() {
            println!("hung up on");
            return;
        }
        println!("asked {}", number - 1);
    }
    println!("asked all");
}

/// Asks small things without an end, and reads no answer.
fn ask(output: &OutputStream) {
    write(output, &messages::bootstrap(0)).expect("an output");
    for number in 1..3_000_000 {
        if write(output, &messages::graft(number)).is_err() {
            println!("hung up on");
            return;
        }
        if number % 1000 == 0 {
            println!("asked {number}");
        }
    }
    println!("asked all");
}
