//! What a test hands a cell of its own.

#![allow(dead_code)]

use std::cell::Cell;
use std::rc::Rc;

use capnp::Error;
use vesicle_protocol::cell_capnp::{byte_stream, executor};

/// Around the size of the pipes, and far from it.
pub const SIZES: [usize; 7] = [
    0,
    1,
    (64 << 10) - 1,
    64 << 10,
    (64 << 10) + 1,
    1 << 20,
    8 << 20,
];

pub fn of(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at % 251) as u8).collect()
}

/// Takes and gives as many bytes as anybody wants; `close` returns when the test
/// says so.
#[derive(Default)]
pub struct Bytes {
    pub taken: Cell<u64>,
    pub may_close: tokio::sync::Notify,
}

impl byte_stream::Server for Bytes {
    async fn read(
        self: Rc<Self>,
        params: byte_stream::ReadParams,
        mut results: byte_stream::ReadResults,
    ) -> Result<(), Error> {
        let most = params.get()?.get_most() as usize;
        results.get().init_ok().set_bytes(&of(most));
        Ok(())
    }

    async fn write(
        self: Rc<Self>,
        params: byte_stream::WriteParams,
        mut results: byte_stream::WriteResults,
    ) -> Result<(), Error> {
        let bytes = params.get()?.get_bytes()?;
        assert!(*bytes == of(bytes.len()));
        self.taken.set(self.taken.get() + bytes.len() as u64);
        results.get().init_ok();
        Ok(())
    }

    async fn close(
        self: Rc<Self>,
        _: byte_stream::CloseParams,
        mut results: byte_stream::CloseResults,
    ) -> Result<(), Error> {
        self.may_close.notified().await;
        results.get().init_ok();
        Ok(())
    }
}

/// Takes every call, and answers none.
pub struct Silent;

impl executor::Server for Silent {
    async fn run_bytes(
        self: Rc<Self>,
        _: executor::RunBytesParams,
        _: executor::RunBytesResults,
    ) -> Result<(), Error> {
        std::future::pending().await
    }

    async fn echo(
        self: Rc<Self>,
        _: executor::EchoParams,
        _: executor::EchoResults,
    ) -> Result<(), Error> {
        std::future::pending().await
    }
}
