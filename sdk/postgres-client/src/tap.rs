//! Rows of a COPY, taken from the connection before the driver sees them.
//!
//! A server sends each row in a message of its own. The driver makes of each
//! message a value that it hands from one task to another, which costs several
//! times what the row itself does. While the tap is open, what such messages
//! hold is taken off the connection in large pieces; all others go on to the
//! driver, which is none the wiser.
//!
//! Invariants: the bytes of a COPY come out whole and in order; a message that
//! follows them reaches the driver after they are all in the tap; no more than
//! [`HELD`] and one piece is held.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::Result as IoResult;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use futures::io::{AsyncBufRead, AsyncRead, AsyncWrite};

/// How large a piece is before it is handed out, if more comes at once.
const PIECE: usize = 192 << 10;
/// How much may wait to be taken.
const HELD: usize = 512 << 10;
/// A message's type and length.
const HEADER: usize = 5;
/// The type of a message with rows of a COPY.
const COPY_DATA: u8 = b'd';

/// Where the rows of a COPY come out. Cloning shares it.
#[derive(Clone, Default)]
pub struct Tap(Rc<RefCell<Inner>>);

#[derive(Default)]
struct Inner {
    is_open: bool,
    pieces: VecDeque<Bytes>,
    held: usize,
    /// Who waits for a piece, and who for room.
    taker: Option<Waker>,
    giver: Option<Waker>,
}

impl Tap {
    /// Opens it: from the next message on.
    pub fn open(&self) {
        self.0.borrow_mut().is_open = true;
    }

    /// Closes it, and forgets what was not taken.
    pub fn close(&self) {
        let mut inner = self.0.borrow_mut();
        inner.is_open = false;
        inner.pieces.clear();
        inner.held = 0;
        inner.taker = None;
        let giver = inner.giver.take();
        drop(inner);
        if let Some(giver) = giver {
            giver.wake();
        }
    }

    /// The next piece; none if there is none now, and then the task is woken
    /// once there is.
    pub fn take(&self, context: &Context<'_>) -> Option<Bytes> {
        let mut inner = self.0.borrow_mut();
        let Some(piece) = inner.pieces.pop_front() else {
            inner.taker = Some(context.waker().clone());
            return None;
        };
        inner.held -= piece.len();
        let giver = inner.giver.take();
        drop(inner);
        if let Some(giver) = giver {
            giver.wake();
        }
        Some(piece)
    }

    fn is_open(&self) -> bool {
        self.0.borrow().is_open
    }

    /// Waits until there is room for a piece.
    fn poll_room(&self, context: &Context<'_>) -> Poll<()> {
        let mut inner = self.0.borrow_mut();
        if inner.is_open && inner.held >= HELD {
            inner.giver = Some(context.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    fn give(&self, piece: Bytes) {
        let mut inner = self.0.borrow_mut();
        if !inner.is_open {
            return;
        }
        inner.held += piece.len();
        inner.pieces.push_back(piece);
        let taker = inner.taker.take();
        drop(inner);
        if let Some(taker) = taker {
            taker.wake();
        }
    }
}

/// A connection with a tap.
pub struct Tapped<S> {
    connection: S,
    tap: Tap,
    at: At,
    piece: Vec<u8>,
}

/// Where in the server's messages one is.
#[derive(Clone, Copy)]
enum At {
    /// In a header, of which so much is there.
    Header([u8; HEADER], usize),
    /// In a header that goes on to the driver, of which so much has; then
    /// comes so much more of the message.
    Announced([u8; HEADER], usize, usize),
    /// So much is left of a message that goes on to the driver.
    Driver(usize),
    /// So much is left of a message whose content is taken.
    Taken(usize),
}

impl At {
    const BETWEEN: Self = Self::Header([0; HEADER], 0);

    /// What follows a header.
    fn after(header: [u8; HEADER], is_open: bool) -> Self {
        let length = u32::from_be_bytes([header[1], header[2], header[3], header[4]]);
        // The length counts itself. One that claims less is passed on: the
        // driver refuses it.
        let rest = (length as usize).saturating_sub(4);
        if is_open && header[0] == COPY_DATA {
            Self::Taken(rest)
        } else {
            Self::Announced(header, 0, rest)
        }
    }
}

impl<S> Tapped<S> {
    /// A connection on which nothing has been said yet.
    pub fn new(connection: S, tap: Tap) -> Self {
        Self {
            connection,
            tap,
            at: At::BETWEEN,
            piece: Vec::new(),
        }
    }

    fn hand_out(&mut self) {
        if !self.piece.is_empty() {
            self.tap.give(std::mem::take(&mut self.piece).into());
        }
    }
}

impl<S: AsyncBufRead + Unpin> Tapped<S> {
    /// Goes through what there is up to the next byte for the driver; whether
    /// there is more.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<IoResult<bool>> {
        loop {
            if let At::Announced(..) | At::Driver(1..) = self.at {
                return Poll::Ready(Ok(true));
            }
            ready!(self.tap.poll_room(context));
            let bytes = match Pin::new(&mut self.connection).poll_fill_buf(context) {
                Poll::Ready(bytes) => bytes?,
                Poll::Pending => {
                    self.hand_out();
                    return Poll::Pending;
                }
            };
            if bytes.is_empty() {
                self.hand_out();
                return Poll::Ready(Ok(false));
            }
            let is_open = self.tap.is_open();
            let mut used = 0;
            while used < bytes.len() && self.piece.len() < PIECE {
                let rest = &bytes[used..];
                match &mut self.at {
                    At::Taken(left) if *left > 0 => {
                        let amount = rest.len().min(*left);
                        if is_open {
                            if self.piece.capacity() == 0 {
                                self.piece.reserve_exact(PIECE + PIECE / 4);
                            }
                            self.piece.extend_from_slice(&rest[..amount]);
                        }
                        *left -= amount;
                        used += amount;
                    }
                    At::Header(header, have) => {
                        let amount = rest.len().min(HEADER - *have);
                        header[*have..*have + amount].copy_from_slice(&rest[..amount]);
                        *have += amount;
                        used += amount;
                        if *have == HEADER {
                            self.at = At::after(*header, is_open);
                        }
                    }
                    At::Taken(_) | At::Driver(0) => self.at = At::BETWEEN,
                    At::Announced(..) | At::Driver(_) => break,
                }
            }
            Pin::new(&mut self.connection).consume(used);
            let is_done = matches!(self.at, At::Announced(..));
            if is_done || self.piece.len() >= PIECE {
                self.hand_out();
            }
        }
    }
}

impl<S: AsyncBufRead + Unpin> AsyncRead for Tapped<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<IoResult<usize>> {
        let this = self.get_mut();
        let mut filled = 0;
        while filled < into.len() {
            match this.poll_next(context) {
                Poll::Ready(Ok(true)) => {}
                // What was there before an error comes first.
                _ if filled > 0 => break,
                Poll::Ready(Ok(false)) => break,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
            let room = &mut into[filled..];
            match &mut this.at {
                At::Announced(header, gone, rest) => {
                    let amount = room.len().min(HEADER - *gone);
                    room[..amount].copy_from_slice(&header[*gone..*gone + amount]);
                    *gone += amount;
                    filled += amount;
                    if *gone == HEADER {
                        this.at = At::Driver(*rest);
                    }
                }
                At::Driver(left) => {
                    let bytes = match Pin::new(&mut this.connection).poll_fill_buf(context) {
                        Poll::Ready(Ok(bytes)) => bytes,
                        _ if filled > 0 => break,
                        Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                        Poll::Pending => return Poll::Pending,
                    };
                    let amount = room.len().min(*left).min(bytes.len());
                    if amount == 0 {
                        break;
                    }
                    room[..amount].copy_from_slice(&bytes[..amount]);
                    *left -= amount;
                    filled += amount;
                    Pin::new(&mut this.connection).consume(amount);
                }
                At::Header(..) | At::Taken(_) => {}
            }
        }
        Poll::Ready(Ok(filled))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tapped<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<IoResult<usize>> {
        Pin::new(&mut self.connection).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<IoResult<()>> {
        Pin::new(&mut self.connection).poll_flush(context)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<IoResult<()>> {
        Pin::new(&mut self.connection).poll_close(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::executor::block_on;
    use futures::future::poll_fn;
    use futures::io::{AsyncReadExt as _, BufReader, Cursor};

    fn message(kind: u8, content: &[u8]) -> Vec<u8> {
        let length = (content.len() as u32 + 4).to_be_bytes();
        [&[kind][..], &length, content].concat()
    }

    /// What the driver gets, and what comes out of the tap.
    fn run(stream: Vec<u8>, buffer: usize, read: usize) -> (Vec<u8>, Vec<u8>) {
        let tap = Tap::default();
        tap.open();
        let source = BufReader::with_capacity(buffer, Cursor::new(stream));
        let mut tapped = Tapped::new(source, tap.clone());
        let (mut driver, mut rows) = (Vec::new(), Vec::new());
        block_on(poll_fn(|context| {
            loop {
                let mut into = vec![0; read];
                let polled = Pin::new(&mut tapped).poll_read(context, &mut into);
                while let Some(piece) = tap.take(context) {
                    rows.extend_from_slice(&piece);
                }
                match polled {
                    Poll::Ready(read) => match read.unwrap() {
                        0 => return Poll::Ready(()),
                        read => driver.extend_from_slice(&into[..read]),
                    },
                    // There was no room; there is now.
                    Poll::Pending => {}
                }
            }
        }));
        (driver, rows)
    }

    #[test]
    fn rows_come_out_of_the_tap_and_all_else_reaches_the_driver() {
        let rows: Vec<Vec<u8>> = (0..500u32)
            .map(|n| n.to_be_bytes().repeat(n as usize))
            .collect();
        let around = [
            message(b'H', &[1, 2, 3]),
            message(b'c', &[]),
            message(b'Z', b"I"),
        ];
        let mut stream = around[0].clone();
        for row in &rows {
            stream.extend(message(b'd', row));
        }
        stream.extend(around[1..].concat());
        for (buffer, read) in [(7, 3), (1000, 8192), (1 << 20, 1 << 16)] {
            let (driver, out) = run(stream.clone(), buffer, read);
            assert_eq!(driver, around.concat(), "{buffer}, {read}");
            assert!(out == rows.concat(), "{buffer}, {read}");
        }
    }

    #[test]
    fn a_closed_tap_takes_nothing() {
        let stream = [message(b'd', b"row"), message(b'c', &[])].concat();
        let mut tapped = Tapped::new(Cursor::new(stream.clone()), Tap::default());
        let mut all = Vec::new();
        block_on(tapped.read_to_end(&mut all)).unwrap();
        assert_eq!(all, stream);
    }

    #[test]
    fn a_tap_that_is_closed_in_the_middle_holds_nobody_up() {
        let row = message(b'd', &[7; 1000]);
        let stream = [row.repeat(10_000), message(b'c', &[])].concat();
        let tap = Tap::default();
        tap.open();
        let mut tapped = Tapped::new(Cursor::new(stream), tap.clone());
        let mut driver = Vec::new();
        block_on(poll_fn(|context| {
            let mut into = [0; 4096];
            loop {
                match Pin::new(&mut tapped).poll_read(context, &mut into) {
                    Poll::Pending => tap.close(),
                    Poll::Ready(read) => match read.unwrap() {
                        0 => return Poll::Ready(()),
                        read => driver.extend_from_slice(&into[..read]),
                    },
                }
            }
        }));
        assert!(driver.ends_with(&message(b'c', &[])));
        assert!(tap.0.borrow().pieces.is_empty());
    }
}
