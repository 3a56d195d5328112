//! Ways to end, and not to.

use std::process::ExitCode;
use std::time::Duration;

use vesicle_cell_sdk::{Cell, Error, run};

pub fn exit_inside(code: u64) -> ExitCode {
    run(async move |cell: Cell| {
        cell.graft().await?;
        vesicle_cell_sdk::exit(code as u8)
    })
}

pub fn fail() -> ExitCode {
    run(async |_: Cell| Err(Error::Other("as it was told to".to_owned())))
}

pub fn panic_inside() -> ExitCode {
    run(async |cell: Cell| {
        cell.graft().await?;
        panic!("as it was told to")
    })
}

pub fn spin() -> ExitCode {
    let mut at = 0_u64;
    loop {
        at = std::hint::black_box(at.wrapping_mul(31) + 1);
    }
}

/// Takes memory until there is no more.
pub fn grow() -> ExitCode {
    let mut held = Vec::new();
    loop {
        held.push(std::hint::black_box(vec![1_u8; 1 << 20]));
    }
}

pub fn deep() -> ExitCode {
    fn down(at: u64) -> u64 {
        let here = std::hint::black_box([at; 64]);
        match here[63] {
            u64::MAX => 0,
            _ => here[(at % 64) as usize] + down(at + 1),
        }
    }
    ExitCode::from(down(0) as u8)
}

pub fn sleep(milliseconds: u64) -> ExitCode {
    run(async move |_: Cell| {
        vesicle_cell_sdk::sleep(Duration::from_millis(milliseconds)).await;
        Ok(())
    })
}
