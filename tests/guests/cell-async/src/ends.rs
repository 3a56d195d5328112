//! Ways to end, and not to.

use std::process::ExitCode;

use vesicle_cell_sdk::component::run;
use vesicle_cell_sdk::{Cell, Error};

pub async fn exit_inside(code: u64) -> ExitCode {
    run(async move |cell: Cell| {
        cell.graft().await?;
        vesicle_cell_sdk::exit(code as u8)
    })
    .await
}

pub async fn fail() -> ExitCode {
    run(async |_: Cell| Err(Error::Other("as it was told to".to_owned()))).await
}

pub async fn panic_inside() -> ExitCode {
    run(async |cell: Cell| {
        cell.graft().await?;
        panic!("as it was told to")
    })
    .await
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
