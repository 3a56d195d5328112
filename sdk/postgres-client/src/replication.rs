//! A connection that reads the server's log of changes.
//!
//! Format: PostgreSQL's documentation, "Streaming Replication Protocol". There
//! is no driver task: whoever asks for the next message reads it, and what was
//! read of one is kept when the asking is given up.
//!
//! Invariant: after `START_REPLICATION` nothing is written but status updates,
//! whole.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::{Buf as _, Bytes, BytesMut};
use futures::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use postgres_protocol::message::{backend, frontend};
use vesicle_connector::{Category, Error, Result};

use crate::client::SETTINGS;
use crate::error::{Said, said};
use crate::{Lsn, Options, session};

/// The longest message that is taken: a row that can be passed on, before and
/// after a change.
const LONGEST: usize = 129 << 20;

/// What is read at once.
const PIECE: usize = 64 << 10;

/// The tag of the answer to `START_REPLICATION`.
const COPY_BOTH: u8 = b'W';

/// Microseconds from 1970 to 2000, where PostgreSQL's time begins.
const EPOCH: i64 = 946_684_800_000_000;

/// Both directions of a session.
trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Stream for T {}

/// A connection in replication mode.
pub struct Replication {
    stream: Box<dyn Stream>,
    place: String,
    /// What was read and belongs to no message yet.
    buffer: BytesMut,
}

/// What the server says while it streams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Streamed {
    /// A part of the log, as the output plugin writes it.
    Data(Bytes),
    /// The server is alive.
    Alive {
        /// What lies before has been sent, as far as it was to be sent.
        sent: Lsn,
        /// Whether it wants to hear of us.
        asks: bool,
    },
}

/// A message: its tag and what follows its length.
struct Message(u8, Bytes);

impl Replication {
    /// Connects, as [`Client::connect`](crate::Client::connect) does.
    ///
    /// # Errors
    ///
    /// What the host or the server says.
    pub async fn connect(options: &Options, name: &str) -> Result<Self> {
        let mut this = Self {
            stream: Box::new(session::open(options).await?),
            place: options.place(),
            buffer: BytesMut::new(),
        };
        let parameters = [
            ("user", &*options.user),
            ("database", &*options.database),
            ("replication", "database"),
            ("application_name", name),
            ("client_encoding", "UTF8"),
            ("options", SETTINGS),
        ];
        let mut out = BytesMut::new();
        frontend::startup_message(parameters, &mut out).map_err(|error| this.broken(&error))?;
        this.send(&out).await?;
        loop {
            let Message(tag, body) = this.message().await?;
            match tag {
                backend::READY_FOR_QUERY_TAG => return Ok(this),
                // The session's host has signed in.
                backend::AUTHENTICATION_TAG if body.as_ref() != [0; 4] => {
                    let what = "the server asks for a password inside the session";
                    return Err(this.internal(what));
                }
                _ => {}
            }
        }
    }

    /// Carries out a command. The rows it gives, as text.
    ///
    /// # Errors
    ///
    /// What the server says.
    pub async fn command(&mut self, command: &str) -> Result<Vec<Vec<Option<String>>>> {
        self.ask(command).await?;
        let mut rows = Vec::new();
        let mut failure = None;
        loop {
            match self.message().await {
                Ok(Message(backend::DATA_ROW_TAG, body)) => rows.push(self.row(body)?),
                Ok(Message(backend::READY_FOR_QUERY_TAG, _)) => break,
                Ok(_) => {}
                // The server gets ready again after what it refuses.
                Err(error) if failure.is_none() && error.category != Category::Unavailable => {
                    failure = Some(error);
                }
                Err(error) => return Err(failure.unwrap_or(error)),
            }
        }
        failure.map_or(Ok(rows), Err)
    }

    /// Begins to stream what a slot has, from a position on, with options of
    /// its plugin.
    ///
    /// # Errors
    ///
    /// What the server says.
    pub async fn start(&mut self, slot: &str, from: Lsn, options: &str) -> Result<()> {
        let slot = crate::identifier(slot);
        let command = format!("START_REPLICATION SLOT {slot} LOGICAL {from} ({options})");
        self.ask(&command).await?;
        loop {
            if self.message().await?.0 == COPY_BOTH {
                return Ok(());
            }
        }
    }

    /// What comes next. Nothing is lost if the waiting is given up.
    ///
    /// # Errors
    ///
    /// What the server says; `unavailable` if it ends.
    pub async fn next(&mut self) -> Result<Streamed> {
        loop {
            let Message(tag, mut body) = self.message().await?;
            match tag {
                backend::COPY_DATA_TAG => {}
                backend::COPY_DONE_TAG => {
                    let message = format!("{}: the server ends the stream of changes", self.place);
                    return Err(Error::unavailable("stream-ended", message));
                }
                _ => continue,
            }
            match (body.first(), body.len()) {
                // Two positions and a time come before the data.
                (Some(b'w'), 25..) => return Ok(Streamed::Data(body.split_off(25))),
                (Some(b'k'), 18) => {
                    body.advance(1);
                    let sent = Lsn(body.get_u64());
                    return Ok(Streamed::Alive {
                        sent,
                        asks: body[8] != 0,
                    });
                }
                _ => return Err(self.internal("a replication message is not understood")),
            }
        }
    }

    /// What has come already; none if that is nothing whole.
    ///
    /// # Errors
    ///
    /// As of [`Replication::next`].
    pub async fn ready(&mut self) -> Result<Option<Streamed>> {
        let mut next = std::pin::pin!(self.next());
        std::future::poll_fn(|context| match next.as_mut().poll(context) {
            Poll::Ready(streamed) => Poll::Ready(streamed.map(Some)),
            Poll::Pending => Poll::Ready(Ok(None)),
        })
        .await
    }

    /// Tells the server that everything before a position is durable; with
    /// `asks`, also to answer.
    ///
    /// # Errors
    ///
    /// `unavailable` if it cannot be told.
    pub async fn status(&mut self, durable: Lsn, asks: bool) -> Result<()> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = since.map_or(0, |since| since.as_micros() as i64) - EPOCH;
        let mut out = Vec::with_capacity(39);
        out.push(backend::COPY_DATA_TAG);
        out.extend(38_i32.to_be_bytes());
        out.push(b'r');
        // Written, flushed, applied: only what is durable counts as any.
        for _ in 0..3 {
            out.extend(durable.0.to_be_bytes());
        }
        out.extend(now.to_be_bytes());
        out.push(u8::from(asks));
        self.send(&out).await
    }

    /// Ends the stream, once the server has heard all that it was told.
    ///
    /// # Errors
    ///
    /// What the server says.
    pub async fn finish(mut self) -> Result<()> {
        let mut out = BytesMut::new();
        frontend::copy_done(&mut out);
        self.send(&out).await?;
        while self.message().await?.0 != backend::READY_FOR_QUERY_TAG {}
        Ok(())
    }

    /// `host:port/database`, for messages.
    pub fn place(&self) -> &str {
        &self.place
    }

    async fn ask(&mut self, command: &str) -> Result<()> {
        let mut out = BytesMut::new();
        frontend::query(command, &mut out).map_err(|error| self.broken(&error))?;
        self.send(&out).await
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        let sent = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        sent.await.map_err(|error| self.broken(&error))
    }

    /// The next message that is neither a notice nor an error.
    async fn message(&mut self) -> Result<Message> {
        std::future::poll_fn(|context| self.poll_message(context)).await
    }

    fn poll_message(&mut self, context: &mut Context<'_>) -> Poll<Result<Message>> {
        loop {
            if let Some(Message(tag, body)) = self.whole()? {
                match tag {
                    backend::ERROR_RESPONSE_TAG => return Poll::Ready(Err(self.refusal(&body))),
                    backend::NOTICE_RESPONSE_TAG => continue,
                    _ => return Poll::Ready(Ok(Message(tag, body))),
                }
            }
            let mut piece = [0; PIECE];
            let read = Pin::new(&mut self.stream).poll_read(context, &mut piece);
            match ready!(read).map_err(|error| self.broken(&error))? {
                0 => {
                    let message = format!("{}: the connection was closed", self.place);
                    return Poll::Ready(Err(Error::unavailable("connection", message)));
                }
                read => self.buffer.extend_from_slice(&piece[..read]),
            }
        }
    }

    /// The first message of the buffer, if it is whole.
    fn whole(&mut self) -> Result<Option<Message>> {
        let header = backend::Header::parse(&self.buffer).map_err(|error| self.broken(&error))?;
        let Some(header) = header else {
            return Ok(None);
        };
        // A length of less than its own four bytes is refused above.
        let size = header.len() as usize + 1;
        if size > LONGEST {
            let message = format!(
                "{}: the log has a row of {size} bytes; no more than 64 MiB can be passed on",
                self.place
            );
            return Err(Error::data("row-too-large", message));
        }
        if self.buffer.len() < size {
            self.buffer.reserve(size - self.buffer.len());
            return Ok(None);
        }
        let body = self.buffer.split_to(size).split_off(5).freeze();
        Ok(Some(Message(header.tag(), body)))
    }

    fn row(&self, body: Bytes) -> Result<Vec<Option<String>>> {
        let malformed = || self.internal("a row is not understood");
        let mut body = &body[..];
        let count = body.try_get_u16().map_err(|_| malformed())?;
        let mut row = Vec::new();
        for _ in 0..count {
            let length = body.try_get_i32().map_err(|_| malformed())?;
            let Ok(length) = usize::try_from(length) else {
                row.push(None);
                continue;
            };
            let (value, rest) = body.split_at_checked(length).ok_or_else(malformed)?;
            row.push(Some(String::from_utf8_lossy(value).into_owned()));
            body = rest;
        }
        Ok(row)
    }

    /// What an error response says: fields, each a letter and a text.
    fn refusal(&self, body: &[u8]) -> Error {
        let mut what = Said::default();
        for field in body.split(|byte| *byte == 0) {
            let Some((letter, text)) = field.split_first() else {
                break;
            };
            let text = String::from_utf8_lossy(text).into_owned();
            match letter {
                b'C' => what.code = text,
                b'M' => what.message = text,
                b'D' => what.more.push(("detail", text)),
                b'H' => what.more.push(("hint", text)),
                b'W' => what.more.push(("where", text)),
                _ => {}
            }
        }
        said(&self.place, &what)
    }

    fn broken(&self, error: &std::io::Error) -> Error {
        Error::unavailable("connection", format!("{}: {error}", self.place))
    }

    fn internal(&self, what: &str) -> Error {
        Error::internal("replication", format!("{}: {what}", self.place))
    }
}
