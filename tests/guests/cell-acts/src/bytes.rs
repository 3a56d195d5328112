//! Bytes both ways at once.

use std::cell::Cell as Value;
use std::process::ExitCode;
use std::rc::Rc;

use futures::future::try_join_all;
use vesicle_cell_sdk::capnp::Error as Failed;
use vesicle_cell_sdk::protocol::cell_capnp::byte_stream;
use vesicle_cell_sdk::{Cell, Error, Result, capnp_rpc, ok, serve};

/// Around the size of the pipes, and far from it.
const SIZES: [usize; 7] = [
    0,
    1,
    (64 << 10) - 1,
    64 << 10,
    (64 << 10) + 1,
    1 << 20,
    8 << 20,
];

/// Takes and gives as many bytes as anybody wants.
#[derive(Default)]
pub struct Bytes {
    taken: Rc<Value<u64>>,
}

pub fn of(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at % 251) as u8).collect()
}

fn is_of(bytes: &[u8]) -> bool {
    (0..)
        .zip(bytes)
        .all(|(at, byte): (usize, _)| *byte == (at % 251) as u8)
}

impl byte_stream::Server for Bytes {
    async fn read(
        self: Rc<Self>,
        params: byte_stream::ReadParams,
        mut results: byte_stream::ReadResults,
    ) -> Result<(), Failed> {
        let most = params.get()?.get_most() as usize;
        results.get().init_ok().set_bytes(&of(most));
        Ok(())
    }

    async fn write(
        self: Rc<Self>,
        params: byte_stream::WriteParams,
        mut results: byte_stream::WriteResults,
    ) -> Result<(), Failed> {
        let bytes = params.get()?.get_bytes()?;
        if !is_of(bytes) {
            return Err(Failed::failed("other bytes than were written".to_owned()));
        }
        self.taken.set(self.taken.get() + bytes.len() as u64);
        results.get().init_ok();
        Ok(())
    }

    async fn close(
        self: Rc<Self>,
        _: byte_stream::CloseParams,
        mut results: byte_stream::CloseResults,
    ) -> Result<(), Failed> {
        results.get().init_ok();
        Ok(())
    }
}

/// Writes to what it was handed, and reads from it, all sizes so many times at
/// once; serves the same meanwhile.
pub fn exchange(times: u64) -> ExitCode {
    let taken = Rc::new(Value::new(0));
    let served: byte_stream::Client = capnp_rpc::new_client(Bytes {
        taken: Rc::clone(&taken),
    });
    serve(served, async move |cell: Cell| {
        let there: byte_stream::Client = cell.bootstrap();
        let mut calls = Vec::new();
        for _ in 0..times {
            for size in SIZES {
                calls.push(once(there.clone(), size));
            }
        }
        try_join_all(calls).await?;
        println!("exchanged");
        // Others may still want something.
        there.close_request().send().promise.await?;
        println!("{}", taken.get());
        Ok(())
    })
}

async fn once(there: byte_stream::Client, size: usize) -> Result<()> {
    let mut write = there.write_request();
    write.get().set_bytes(&of(size));
    let mut read = there.read_request();
    read.get().set_most(size as u32);
    let (wrote, read) =
        futures::future::try_join(write.send().promise, read.send().promise).await?;
    ok(wrote.get()?)?;
    let read = ok(read.get()?)?.get_bytes()?;
    match read.len() == size && is_of(read) {
        true => Ok(()),
        false => Err(Error::Other(format!("other bytes than {size} were read"))),
    }
}
