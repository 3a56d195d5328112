//! Using without end what there is an end of.

use std::hint::black_box;
use std::io::Write as _;
use std::time::Duration;

use vesicle_connector::{Error, Result};

pub fn spin() -> ! {
    let mut n = 0_u64;
    loop {
        n = black_box(n).wrapping_add(1);
    }
}

/// Sleeps in a call of the host, as a blocking library would.
pub fn block() -> Result<String> {
    std::thread::sleep(Duration::from_secs(3600));
    Ok("slept".into())
}

pub fn allocate() -> Result<String> {
    let mut all = Vec::new();
    loop {
        all.push(black_box(vec![1_u8; 1 << 20]));
    }
}

#[expect(unconditional_recursion, reason = "that is the deed")]
pub fn recurse(depth: u64) -> u64 {
    let here = black_box([depth; 16]);
    recurse(black_box(depth + 1)) + here[3]
}

/// Prints so many MiB, and ends well.
pub fn flood(mebibytes: &str) -> Result<String> {
    let count = mebibytes.parse::<usize>();
    let count = count.map_err(|error| Error::configuration("bad-count", error.to_string()))?;
    let line = [b'!'; 64 << 10];
    for n in 0..count * 16 {
        std::io::stderr().write_all(&line)?;
        if n % 2 == 0 {
            std::io::stdout().write_all(&line)?;
        }
    }
    eprintln!("\nthat was all");
    Ok("flooded".into())
}
