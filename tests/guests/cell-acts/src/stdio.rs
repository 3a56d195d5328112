//! What is done with standard streams.

use std::io::{Read as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;

/// Prints its arguments and variables.
pub fn words() -> ExitCode {
    println!("{:?}", std::env::args().collect::<Vec<_>>());
    println!("{:?}", std::env::vars().collect::<Vec<_>>());
    ExitCode::SUCCESS
}

/// The byte at a place of what is written.
fn byte(at: u64) -> u8 {
    (at % 251) as u8
}

fn put(bytes: u64) {
    let mut stdout = std::io::stdout().lock();
    let mut at = 0;
    while at < bytes {
        let end = bytes.min(at + 4096);
        let piece: Vec<u8> = (at..end).map(byte).collect();
        stdout.write_all(&piece).expect("it never fails");
        at = end;
    }
    stdout.flush().expect("it never fails");
}

pub fn write(bytes: u64) -> ExitCode {
    put(bytes);
    ExitCode::SUCCESS
}

pub fn write_and_spin(bytes: u64) -> ExitCode {
    put(bytes);
    crate::ends::spin()
}

/// Reads to the end, and prints how much it was and what it comes to.
pub fn count(pause: u64) -> ExitCode {
    let mut stdin = std::io::stdin().lock();
    let mut buffer = vec![0; 100_000];
    let (mut bytes, mut sum) = (0_u64, 0_u64);
    loop {
        if pause > 0 {
            std::thread::sleep(Duration::from_millis(pause));
        }
        let read = stdin.read(&mut buffer).expect("an input");
        if read == 0 {
            println!("{bytes} {sum}");
            return ExitCode::SUCCESS;
        }
        bytes += read as u64;
        for byte in &buffer[..read] {
            sum = sum.wrapping_mul(31).wrapping_add(u64::from(*byte));
        }
    }
}

/// Writes what it reads.
pub fn cat() -> ExitCode {
    let (mut stdin, mut stdout) = (std::io::stdin().lock(), std::io::stdout().lock());
    let mut buffer = vec![0; 16 << 10];
    loop {
        let read = stdin.read(&mut buffer).expect("an input");
        if read == 0 {
            return ExitCode::SUCCESS;
        }
        stdout.write_all(&buffer[..read]).expect("it never fails");
        stdout.flush().expect("it never fails");
    }
}
