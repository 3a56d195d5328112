//! The program, and its end of the link.

use std::cell::RefCell;
use std::process::ExitCode;
use std::time::Duration;

use capnp::capability::{Client, FromClientHook};
use capnp::message::ReaderOptions;
use capnp_rpc::rpc_twoparty_capnp::Side;
use capnp_rpc::twoparty::VatNetwork;
use capnp_rpc::{Disconnector, RpcSystem};
use futures::io::{AsyncRead, AsyncWrite};
use vesicle_protocol::cell_capnp::session;
use vesicle_protocol::membrane_capnp::{membrane, signer};

use crate::reactor::{block_on, spawn};
use crate::streams::{Input, Outgoing, Output};
use crate::{Error, Result, Session, ok, within};

mod bindings {
    wit_bindgen::generate!({
        path: "../../wit/vesicle-cell",
        world: "cell",
        with: {
            "wasi:io/error@0.2.12": wasip2::io::error,
            "wasi:io/poll@0.2.12": wasip2::io::poll,
            "wasi:io/streams@0.2.12": wasip2::io::streams,
        },
    });
}

use bindings::vesicle::cell::streams::{Connection, create_connection};

/// Words of eight bytes that a message may have: 64 MiB.
const LARGEST_MESSAGE: usize = (64 << 20) / 8;
/// How long a program that has ended waits for the host to take what it said.
const GOODBYE: Duration = Duration::from_secs(1);

thread_local! {
    /// Looked at when something is late.
    static OUTPUT: RefCell<Option<Output>> = const { RefCell::new(None) };
}

/// Whether the host has not read what was written for it.
pub(crate) fn output_is_stuck() -> bool {
    #[cfg(feature = "wasip3")]
    if crate::component::is_running() {
        return crate::component::output_is_stuck();
    }
    OUTPUT.with_borrow(|output| output.as_ref().is_some_and(|it| it.drain().is_stuck()))
}

/// The program's end of its link.
pub struct Cell {
    bootstrap: Client,
}

impl Cell {
    /// What the program was handed: of whatever interface whoever started it has
    /// chosen.
    #[must_use]
    pub fn bootstrap<C: FromClientHook>(&self) -> C {
        self.bootstrap.clone().cast_to()
    }

    /// A session of the epoch there is now, where the program was handed the
    /// membrane of a host, as it is unless somebody has chosen otherwise.
    ///
    /// # Errors
    ///
    /// [`Error::StaleEpoch`] where the program was started from a session that is
    /// over, [`Error::Denied`] where the membrane asks for a signer.
    pub async fn graft(&self) -> Result<Session> {
        self.graft_as(None).await
    }

    /// The same for one who can show who it is.
    ///
    /// # Errors
    ///
    /// As [`Cell::graft`].
    pub async fn graft_as(&self, signer: Option<signer::Client>) -> Result<Session> {
        let membrane: membrane::Client<session::Owned> = self.bootstrap();
        let mut request = membrane.graft_request();
        if let Some(signer) = signer {
            request.get().set_signer(signer);
        }
        let answer = request.send().promise.await?;
        let graft = ok(answer.get()?)?;
        Session::new(graft)
    }
}

/// Runs a program. Its error is told on its standard error, and its status is 1.
pub fn run(main: impl AsyncFnOnce(Cell) -> Result<()> + 'static) -> ExitCode {
    start(None, main)
}

/// The same for a program that serves something itself, to whoever asks for what
/// the process exports.
pub fn serve<C: FromClientHook>(
    exported: C,
    main: impl AsyncFnOnce(Cell) -> Result<()> + 'static,
) -> ExitCode {
    start(Some(exported.cast_to()), main)
}

/// Ends the program at once, with a status that its parent sees as it is. What
/// `std::process::exit` is given comes out as 0 or 1, as the standard library for
/// WASI 0.2 has it, and so does what `main` returns.
pub fn exit(status: u8) -> ! {
    wasip2::cli::exit::exit_with_code(status);
    unreachable!("a program that was ended goes on")
}

fn start(
    exported: Option<Client>,
    main: impl AsyncFnOnce(Cell) -> Result<()> + 'static,
) -> ExitCode {
    let ended = block_on(async move {
        let (connection, cell, goodbye) = connect(exported)?;
        let ended = main(cell).await;
        see_off(goodbye).await;
        drop(connection);
        ended
    });
    OUTPUT.take();
    report(ended.unwrap_or(Err(Error::NothingToWaitFor)))
}

/// Has what was said last still sent, if the host takes it.
pub(crate) async fn see_off(goodbye: Disconnector<Side>) {
    let _ = within(GOODBYE, "the end of the link", async { Ok(goodbye.await?) }).await;
}

/// Tells how a program has ended.
pub(crate) fn report(ended: Result<()>) -> ExitCode {
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn connect(exported: Option<Client>) -> Result<(Connection, Cell, Disconnector<Side>)> {
    let connection = create_connection().map_err(|_| Error::NoLink)?;
    let input = Input::new(connection.input().map_err(|_| Error::NoLink)?);
    let output = connection.output().map_err(|_| Error::NoLink)?;
    let output = Output::new(Outgoing::new(output));
    OUTPUT.set(Some(output.clone()));
    let (cell, goodbye) = join(input, output, exported);
    Ok((connection, cell, goodbye))
}

/// Joins the two halves of the link with what drives it.
pub(crate) fn join(
    input: impl AsyncRead + Unpin + 'static,
    output: impl AsyncWrite + Unpin + 'static,
    exported: Option<Client>,
) -> (Cell, Disconnector<Side>) {
    let mut options = ReaderOptions::new();
    options.traversal_limit_in_words(Some(LARGEST_MESSAGE));
    let network = VatNetwork::new(input, output, Side::Client, options);
    let mut rpc = RpcSystem::new(Box::new(network), exported);
    let bootstrap = rpc.bootstrap(Side::Server);
    let goodbye = rpc.get_disconnector();
    spawn(async move {
        // Who waits for an answer is told by the answer's own error.
        let _ = rpc.await;
    });
    (Cell { bootstrap }, goodbye)
}
