//! Programs of WASI 0.3, which the component model's own async drives.
//!
//! What such a program does is what every cell does, with the same functions; only
//! how it begins differs. It is a library of type `cdylib`, and its main function
//! is async:
//!
//! ```ignore
//! use std::process::ExitCode;
//! use vesicle_cell_sdk::Cell;
//! use vesicle_cell_sdk::component::run;
//!
//! vesicle_cell_sdk::export!(main);
//!
//! async fn main() -> ExitCode {
//!     run(async |cell: Cell| {
//!         let session = cell.graft().await?;
//!         println!("{}", session.echo("hello").await?);
//!         Ok(())
//!     })
//!     .await
//! }
//! ```
//!
//! Where it waits it sleeps with all that it has asked its host for, its own imports
//! included. One that waits for what can never come is ended by the host, as one
//! that has trapped.
//!
//! Invariant: a program of WASI 0.2 that is built with this module calls nothing of
//! it, and so imports nothing of WASI 0.3: all ways here lead through `hooks.rs`.

mod hooks;
mod streams;
mod tasks;

use std::process::ExitCode;
use std::rc::Rc;

use capnp::capability::{Client, FromClientHook};

use crate::cell::{Cell, join, report, see_off};
use crate::{Error, Result};
use bindings::vesicle::cell::async_streams::{Connection, create_connection};
use streams::{Input, Outgoing, Output};

pub(crate) use hooks::{is_running, output_is_stuck, sleep, spawn};

mod bindings {
    wit_bindgen::generate!({
        path: "../../wit/vesicle-cell",
        world: "async-cell",
        // A program may make bindings of its own for the same world.
        type_section_suffix: "of-the-sdk",
    });
}

/// Runs a program. Its error is told on its standard error, and its status is 1.
pub async fn run(main: impl AsyncFnOnce(Cell) -> Result<()> + 'static) -> ExitCode {
    start(None, main).await
}

/// The same for a program that serves something itself, to whoever asks for what
/// the process exports.
pub async fn serve<C: FromClientHook>(
    exported: C,
    main: impl AsyncFnOnce(Cell) -> Result<()> + 'static,
) -> ExitCode {
    start(Some(exported.cast_to()), main).await
}

async fn start(
    exported: Option<Client>,
    main: impl AsyncFnOnce(Cell) -> Result<()> + 'static,
) -> ExitCode {
    let _hooks = hooks::set();
    let ended = tasks::drive(async move {
        let connection = create_connection().map_err(|_| Error::NoLink)?;
        let (input, output) = connect(Rc::new(connection))?;
        hooks::watch(output.clone());
        let (cell, goodbye) = join(input, output, exported);
        let ended = main(cell).await;
        see_off(goodbye).await;
        ended
    });
    report(ended.await)
}

fn connect(connection: Rc<Connection>) -> Result<(Input, Output)> {
    let input = connection.input().map_err(|_| Error::NoLink)?;
    let (writer, bytes) = bindings::wit_stream::new::<u8>();
    connection.output(bytes).map_err(|_| Error::NoLink)?;
    let output = Output::new(Outgoing::new(writer, connection));
    Ok((Input::new(input), output))
}

/// What the host is told of how the program has ended.
#[doc(hidden)]
#[allow(clippy::result_unit_err, reason = "the form of `wasi:cli/run`")]
pub fn status(code: ExitCode) -> std::result::Result<(), ()> {
    match code == ExitCode::SUCCESS {
        true => Ok(()),
        false => Err(()),
    }
}

/// Makes a function the program's main: one without parameters, async, that gives
/// an [`ExitCode`]. A program has one.
#[macro_export]
macro_rules! export {
    ($main:path) => {
        const _: () = {
            struct Program;

            impl $crate::wasip3::exports::cli::run::Guest for Program {
                async fn run() -> ::std::result::Result<(), ()> {
                    $crate::component::status($main().await)
                }
            }

    $crate::wasip3::cli::command::export!(Program with_types_in $crate::wasip3);
        };
    };
}
