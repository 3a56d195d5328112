//! Its arguments, variables and standard streams, by WASI 0.3.

use std::process::ExitCode;

use futures::future::join;
use wasip3::cli::{environment, stdin, stdout};
use wasip3::wit_stream;

/// Prints its arguments and variables.
pub fn words() -> ExitCode {
    println!("{:?}", environment::get_arguments());
    println!("{:?}", environment::get_environment());
    ExitCode::SUCCESS
}

/// Writes what it reads.
pub async fn cat() -> ExitCode {
    let (bytes, ended) = stdin::read_via_stream();
    let written = stdout::write_via_stream(bytes);
    let (read, written) = join(ended.into_future(), written.into_future()).await;
    match read.and(written) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Writes so many bytes.
pub async fn write(bytes: u64) -> ExitCode {
    let (mut writer, reader) = wit_stream::new::<u8>();
    let written = stdout::write_via_stream(reader);
    let all = (0..bytes).map(|at| b'a' + (at % 26) as u8).collect();
    let left = writer.write_all(all).await;
    drop(writer);
    match written.await.is_ok() && left.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
