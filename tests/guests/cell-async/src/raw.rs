//! What can be done with the link without any runtime.

use std::process::ExitCode;

use vesicle::cell::async_streams::{Connection, create_connection};
use wit_bindgen::{StreamReader, StreamWriter};

wit_bindgen::generate!({
    path: "../../../wit/vesicle-cell",
    world: "async-cell",
    type_section_suffix: "raw",
});

/// Takes the whole link.
fn link() -> (Connection, StreamReader<u8>, StreamWriter<u8>) {
    let connection = create_connection().expect("a link");
    let input = connection.input().expect("an input");
    let (writer, bytes) = wit_stream::new::<u8>();
    connection.output(bytes).expect("an output");
    (connection, input, writer)
}

/// Takes everything again.
pub async fn twice() -> ExitCode {
    let (connection, _input, _output) = link();
    println!("a second link: {}", create_connection().is_ok());
    println!("a second input: {}", connection.input().is_ok());
    let (mut writer, bytes) = wit_stream::new::<u8>();
    println!("a second output: {}", connection.output(bytes).is_ok());
    let left = writer.write_all(vec![1, 2, 3]).await;
    println!("what a second output was written: {left:?}");
    ExitCode::SUCCESS
}

/// Holds its link, reads nothing and waits for the clock only.
pub async fn deaf() -> ExitCode {
    let _link = link();
    println!("deaf");
    wasip3::clocks::monotonic_clock::wait_for(3_600_000_000_000).await;
    ExitCode::SUCCESS
}

/// Writes without reading what is answered, and says what was taken.
pub async fn fill() -> ExitCode {
    let (connection, _input, mut output) = link();
    let mut taken = 0;
    loop {
        let left = output.write_all(vec![0; 1 << 10]).await;
        if !left.is_empty() {
            println!("hung up on");
            return ExitCode::SUCCESS;
        }
        taken += 1 << 10;
        println!("{taken} taken, {} unread", connection.unread());
    }
}

/// Makes streams without an end.
pub async fn streams() -> ExitCode {
    let mut held = Vec::new();
    loop {
        held.push(wit_stream::new::<u8>());
    }
}

/// Joins the two halves of its link, so that the host hears itself.
pub async fn short_circuit() -> ExitCode {
    let connection = create_connection().expect("a link");
    let input = connection.input().expect("an input");
    connection.output(input).expect("an output");
    println!("joined");
    wasip3::clocks::monotonic_clock::wait_for(3_600_000_000_000).await;
    ExitCode::SUCCESS
}
