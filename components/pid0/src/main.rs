//! Starts a component that lies in its image as a child, waits for it, and prints
//! what it has written.
//!
//! With a depth as its argument it starts itself instead, with a depth that is one
//! less. A child sees no image, so it is told on its input what to start.

use std::io::Read as _;
use std::process::ExitCode;

use vesicle_cell_sdk::{Cell, Error, Exit, Result, Session, run};

/// Where the components are in the image.
const SELF: &str = "/bin/main.wasm";
const CHILD: &str = "/usr/lib/child-echo.wasm";
/// The second argument of one that was started by another.
const NESTED: &str = "nested";

/// What there is to start.
struct Programs {
    /// This one.
    own: Vec<u8>,
    /// The one at the bottom.
    child: Vec<u8>,
}

fn main() -> ExitCode {
    run(async |cell: Cell| {
        let session = cell.graft().await?;
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let depth = arguments.first().map_or(Ok(0), |depth| depth.parse());
        let depth: u32 = depth.map_err(|_| Error::Other("the depth is a number".into()))?;
        let programs = match arguments.get(1).map(String::as_str) {
            Some(NESTED) => Programs::from_input()?,
            _ => Programs::from_image()?,
        };
        match depth {
            0 => start(&session, &programs.child, None).await,
            _ => start(&session, &programs.own, Some((depth - 1, &programs))).await,
        }
    })
}

/// Starts a child, and ends as it does.
async fn start(session: &Session, wasm: &[u8], told: Option<(u32, &Programs)>) -> Result<()> {
    let mut command = session.command(wasm).argument("child");
    if let Some((depth, _)) = told {
        command = command.argument(depth.to_string()).argument(NESTED);
    }
    let child = command.start().await?;
    let stdin = child.stdin().await?;
    if let Some((_, programs)) = told {
        stdin.write(&programs.to_bytes()).await?;
    }
    stdin.close().await?;
    let printed = child.stdout().await?.read_to_end().await?;
    let complained = child.stderr().await?.read_to_end().await?;
    let exit = child.wait().await?;
    pass_on(std::io::stdout(), &printed)?;
    pass_on(std::io::stderr(), &complained)?;
    match exit {
        Exit::Code(0) => Ok(()),
        exit => Err(Error::Other(format!("the child has ended: {exit:?}"))),
    }
}

fn pass_on(mut to: impl std::io::Write, bytes: &[u8]) -> Result<()> {
    to.write_all(bytes)
        .map_err(|error| Error::Other(error.to_string()))
}

impl Programs {
    fn from_image() -> Result<Self> {
        let read = |path: &str| {
            let read = std::fs::read(path);
            read.map_err(|error| Error::Other(format!("{path} of the image: {error}")))
        };
        Ok(Self {
            own: read(SELF)?,
            child: read(CHILD)?,
        })
    }

    /// The length of the first, and both.
    fn to_bytes(&self) -> Vec<u8> {
        let length = (self.own.len() as u64).to_le_bytes();
        [&length[..], &self.own, &self.child].concat()
    }

    fn from_input() -> Result<Self> {
        let mut all = Vec::new();
        let read = std::io::stdin().read_to_end(&mut all);
        read.map_err(|error| Error::Other(format!("the input: {error}")))?;
        let (length, rest) = all.split_first_chunk().ok_or_else(cut_off)?;
        let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| cut_off())?;
        let (own, child) = rest.split_at_checked(length).ok_or_else(cut_off)?;
        Ok(Self {
            own: own.to_vec(),
            child: child.to_vec(),
        })
    }
}

fn cut_off() -> Error {
    Error::Other("the input ends too early".into())
}
