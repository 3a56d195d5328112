//! Messages of PostgreSQL's protocol, as far as signing in needs them.
//!
//! Invariant: nothing is allocated on the word of a length; no message before
//! sign-in is longer than [`LONGEST`], and all of them together are not longer
//! than an [`Allowance`].
//!
//! The formats: PostgreSQL's manual, "Message Formats".

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// The longest message that a server may send before sign-in. libpq takes
/// 30,000 bytes of an error.
const LONGEST: usize = 64 * 1024;

/// How much a server may still send before sign-in.
#[derive(Debug)]
pub(crate) struct Allowance(usize);

impl Default for Allowance {
    fn default() -> Self {
        Self(256 * 1024)
    }
}

/// A message of a server.
#[derive(Debug)]
pub(crate) struct Message {
    pub tag: u8,
    pub body: Vec<u8>,
}

impl Message {
    /// As it was on the wire.
    pub fn write(&self, out: &mut Vec<u8>) {
        write(out, self.tag, &[&self.body]);
    }
}

/// Why there is no message.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("the connection was lost ({0})")]
    Lost(#[from] io::Error),
    #[error("it does not speak PostgreSQL's protocol (message {}, {length} bytes)", tag.escape_ascii())]
    Foreign { tag: u8, length: i32 },
    #[error("it says too much without letting us in")]
    TooMuch,
}

/// Reads one message, and no byte more.
pub(crate) async fn read(
    server: &mut (impl AsyncRead + Unpin),
    allowance: &mut Allowance,
) -> Result<Message, Unreadable> {
    let tag = server.read_u8().await?;
    let length = server.read_i32().await?;
    let known = matches!(tag, b'R' | b'E' | b'N' | b'v');
    let size = usize::try_from(length)
        .ok()
        .and_then(|length| length.checked_sub(4))
        .filter(|&size| known && size <= LONGEST)
        .ok_or(Unreadable::Foreign { tag, length })?;
    // A message counts for more than its body, or empty ones would be free.
    allowance.0 = allowance
        .0
        .checked_sub(size + 64)
        .ok_or(Unreadable::TooMuch)?;
    let mut body = Vec::new();
    server.take(size as u64).read_to_end(&mut body).await?;
    if body.len() < size {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    Ok(Message { tag, body })
}

/// Appends a message made of parts.
pub(crate) fn write(out: &mut Vec<u8>, tag: u8, parts: &[&[u8]]) {
    out.push(tag);
    write_untagged(out, parts);
}

/// Appends a message as those before sign-in are, without a tag.
pub(crate) fn write_untagged(out: &mut Vec<u8>, parts: &[&[u8]]) {
    let size = 4 + parts.iter().map(|part| part.len()).sum::<usize>();
    // What is written is made of what was read, which is bounded, and of names
    // and passwords; the protocol has no way to say more than this.
    let length = i32::try_from(size).unwrap_or(i32::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    for part in parts {
        out.extend_from_slice(part);
    }
}

/// A fatal ErrorResponse.
pub(crate) fn error_response(sqlstate: &str, message: &str) -> Vec<u8> {
    let message = message.replace('\0', "?");
    let body = format!("SFATAL\0VFATAL\0C{sqlstate}\0M{message}\0\0");
    let mut out = Vec::new();
    write(&mut out, b'E', &[body.as_bytes()]);
    out
}

/// What an ErrorResponse says.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub sqlstate: String,
    pub message: String,
}

impl Told {
    /// Takes what can be read of it.
    pub fn parse(body: &[u8]) -> Self {
        let field = |kind: u8| {
            let found = body
                .split(|&byte| byte == 0)
                .find(|field| field.first() == Some(&kind))?;
            let text = String::from_utf8_lossy(&found[1..]);
            // It may end up on a terminal.
            Some(text.replace(char::is_control, " "))
        };
        Self {
            sqlstate: field(b'C').unwrap_or_default(),
            message: field(b'M').unwrap_or_else(|| "the server refuses without a reason".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_response_is_read_as_it_was_written() {
        let written = error_response("28P01", "no\0thing\u{1b}[2J");
        let told = Told::parse(&written[5..]);
        assert_eq!(told.sqlstate, "28P01");
        assert_eq!(told.message, "no?thing [2J");
    }

    #[test]
    fn an_error_response_of_rubbish_is_still_an_error() {
        for body in [&b""[..], b"\0", b"M", b"C\0M\xff\0", b"xyz"] {
            let told = Told::parse(body);
            assert!(told.sqlstate.is_empty());
        }
    }

    #[tokio::test]
    async fn lengths_that_cannot_be_are_refused_without_reading_on() {
        for length in [0, 3, -1, i32::MIN, 1 << 30, i32::MAX] {
            let mut sent = vec![b'R'];
            sent.extend_from_slice(&i32::to_be_bytes(length));
            let read = read(&mut &sent[..], &mut Allowance::default()).await;
            assert!(
                matches!(read, Err(Unreadable::Foreign { .. })),
                "{length}: {read:?}"
            );
        }
    }
}
