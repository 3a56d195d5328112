//! What a guest says before it is signed in, and what becomes of it.
//!
//! Invariants: the user is the granted one; everything else goes on to the
//! server in the order in which it came; what the guest may say is bounded as
//! PostgreSQL bounds it.

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::error::{Category, Error};
use crate::message;

/// The longest startup packet that PostgreSQL takes (`MAX_STARTUP_PACKET_LENGTH`).
const LONGEST: usize = 10_000;

/// Requests in the place of a startup message, by their number.
const CANCEL: u32 = 80_877_102;
const TLS: u32 = 80_877_103;
const GSS: u32 = 80_877_104;

/// A guest's startup message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Startup {
    version: u32,
    /// Names and values, without `user`.
    parameters: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Why a guest cannot start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unstartable {
    #[error("the guest left before it said who it is")]
    Left,
    #[error("the guest sent a startup packet of {0} bytes; 8 to 10000 are possible")]
    Length(u32),
    #[error(
        "the guest speaks protocol {}.{}; only 3.x is spoken here",
        version >> 16,
        version & 0xffff
    )]
    Version { version: u32 },
    #[error("the guest's startup parameters are not names and values that end with a zero")]
    Parameters,
    #[error("the guest asked for encryption again and again; there is none inside this host")]
    Encryption,
    #[error(
        "the guest asked to cancel a query; that cannot be done through this host: end the \
         connection instead"
    )]
    Cancel,
    #[error("the guest wants to be user {wanted:?}; this session is for user {granted:?}")]
    User { wanted: String, granted: String },
}

impl Unstartable {
    pub(crate) fn at(&self, place: &str) -> Error {
        let (category, code) = match self {
            Self::Left => (Category::Internal, "guest-left"),
            Self::Length(_) | Self::Parameters | Self::Encryption => {
                (Category::Internal, "guest-startup")
            }
            Self::Version { .. } => (Category::Unsupported, "guest-version"),
            Self::Cancel => (Category::Unsupported, "guest-cancel"),
            Self::User { .. } => (Category::Permission, "guest-user"),
        };
        Error::lasting(category, code, place, self)
    }
}

/// Hears the guest out: refuses encryption, and returns its startup message.
pub(crate) async fn receive(
    guest: &mut (impl AsyncRead + AsyncWrite + Unpin),
    user: &str,
) -> Result<Startup, Unstartable> {
    // TLS and GSS may each be asked for once.
    for _ in 0..3 {
        let packet = read(guest).await?;
        let (code, rest) = split(&packet)?;
        match code {
            TLS | GSS => {
                guest.write_all(b"N").await.map_err(|_| Unstartable::Left)?;
                guest.flush().await.map_err(|_| Unstartable::Left)?;
            }
            CANCEL => return Err(Unstartable::Cancel),
            version => return Startup::parse(version, rest, user),
        }
    }
    Err(Unstartable::Encryption)
}

/// Reads one packet, without its length, and no byte more.
async fn read(guest: &mut (impl AsyncRead + Unpin)) -> Result<Vec<u8>, Unstartable> {
    let length = guest.read_u32().await.map_err(|_| Unstartable::Left)?;
    let size = usize::try_from(length)
        .ok()
        .filter(|size| (8..=LONGEST).contains(size))
        .ok_or(Unstartable::Length(length))?
        - 4;
    let mut packet = Vec::new();
    let read = guest.take(size as u64).read_to_end(&mut packet).await;
    match read {
        Ok(read) if read == size => Ok(packet),
        _ => Err(Unstartable::Left),
    }
}

fn split(packet: &[u8]) -> Result<(u32, &[u8]), Unstartable> {
    match packet.split_first_chunk::<4>() {
        Some((code, rest)) => Ok((u32::from_be_bytes(*code), rest)),
        None => Err(Unstartable::Parameters),
    }
}

impl Startup {
    fn parse(version: u32, mut rest: &[u8], user: &str) -> Result<Self, Unstartable> {
        if version >> 16 != 3 {
            return Err(Unstartable::Version { version });
        }
        let mut parameters = Vec::new();
        loop {
            let name = text(&mut rest)?;
            if name.is_empty() {
                break;
            }
            let value = text(&mut rest)?;
            if name != b"user" {
                parameters.push((name.to_vec(), value.to_vec()));
            } else if value != user.as_bytes() {
                return Err(Unstartable::User {
                    wanted: String::from_utf8_lossy(value).into_owned(),
                    granted: user.to_owned(),
                });
            }
        }
        if !rest.is_empty() {
            return Err(Unstartable::Parameters);
        }
        Ok(Self {
            version,
            parameters,
        })
    }

    /// The message for the server.
    pub(crate) fn write(&self, user: &str) -> Vec<u8> {
        let version = self.version.to_be_bytes();
        let mut parts: Vec<&[u8]> = vec![&version, b"user\0", user.as_bytes(), b"\0"];
        for (name, value) in &self.parameters {
            parts.extend([&name[..], b"\0", value, b"\0"]);
        }
        parts.push(b"\0");
        let mut out = Vec::new();
        message::write_untagged(&mut out, &parts);
        out
    }
}

/// Takes bytes up to a zero, and the zero.
fn text<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], Unstartable> {
    let end = rest
        .iter()
        .position(|&byte| byte == 0)
        .ok_or(Unstartable::Parameters)?;
    let text = &rest[..end];
    *rest = &rest[end + 1..];
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const V3: u32 = 3 << 16;

    #[test]
    fn the_granted_user_is_put_in_and_the_rest_keeps_its_order() {
        let sent = b"database\0d\0options\0-c a=b\0replication\0database\0x\0\0\0";
        let startup = Startup::parse(V3 + 2, sent, "u").unwrap();
        let written = startup.write("u");
        let (length, rest) = written.split_first_chunk::<4>().unwrap();
        assert_eq!(u32::from_be_bytes(*length) as usize, written.len());
        let mut expected = (V3 + 2).to_be_bytes().to_vec();
        expected.extend_from_slice(b"user\0u\0");
        expected.extend_from_slice(sent);
        assert_eq!(rest, expected);
    }

    #[test]
    fn another_user_is_refused_wherever_it_is_said() {
        for sent in [&b"user\0v\0\0"[..], b"user\0u\0user\0v\0\0", b"user\0\0\0"] {
            let parsed = Startup::parse(V3, sent, "u");
            assert!(
                matches!(parsed, Err(Unstartable::User { .. })),
                "{parsed:?}"
            );
        }
    }

    #[test]
    fn a_message_cut_anywhere_or_with_more_behind_is_refused() {
        let whole = b"user\0u\0database\0d\0\0";
        for cut in 0..whole.len() {
            assert_eq!(
                Startup::parse(V3, &whole[..cut], "u"),
                Err(Unstartable::Parameters),
                "{cut}"
            );
        }
        assert!(Startup::parse(V3, whole, "u").is_ok());
        let more = [&whole[..], b"Q"].concat();
        assert_eq!(Startup::parse(V3, &more, "u"), Err(Unstartable::Parameters));
    }

    #[test]
    fn protocols_2_and_4_are_refused() {
        for version in [2 << 16, 4 << 16, 0, u32::MAX] {
            assert_eq!(
                Startup::parse(version, b"\0", "u"),
                Err(Unstartable::Version { version })
            );
        }
    }

    #[tokio::test]
    async fn a_length_that_cannot_be_is_refused_without_reading_on() {
        for length in [0, 7, 10_001, 1 << 30, u32::MAX] {
            let mut guest = std::io::Cursor::new(length.to_be_bytes().to_vec());
            assert_eq!(
                receive(&mut guest, "u").await,
                Err(Unstartable::Length(length))
            );
        }
    }
}
