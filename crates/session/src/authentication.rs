//! Signing in to the server.
//!
//! Invariants: the password goes out as it is only where nobody on the way can
//! read it; a server that checks by SCRAM has to show that it knows the
//! password too; nothing of the password is in what comes out of here.

use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{
    ChannelBinding, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramSha256,
};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use zeroize::Zeroizing;

use crate::error::{Category, Error, Refusal};
use crate::message::{self, Allowance, Message, Told, Unreadable};
use crate::secret::Secret;

/// Who signs in, and over what.
#[derive(Debug)]
pub(crate) struct Credentials {
    pub user: String,
    pub password: Option<Secret>,
    /// Whether nobody on the way can read: TLS, or this machine.
    pub is_private: bool,
    /// Whether there is TLS.
    pub is_encrypted: bool,
    /// What a certificate binds the exchange to.
    pub binding: Option<Vec<u8>>,
}

/// Signs in, and returns what the guest is to hear of it: that it is in, and
/// what else the server had to say.
pub(crate) async fn sign_in(
    server: &mut (impl AsyncRead + AsyncWrite + Unpin),
    startup: &[u8],
    credentials: &Credentials,
    place: &str,
) -> Result<Vec<u8>, Refusal> {
    let mut exchange = Exchange {
        server,
        credentials,
        place,
        allowance: Allowance::default(),
        before: Vec::new(),
        after: Vec::new(),
        reveals: false,
    };
    exchange.send(startup).await?;
    match exchange.request().await? {
        Request::Done => {}
        Request::Cleartext => exchange.cleartext().await?,
        Request::Md5(salt) => exchange.md5(salt).await?,
        Request::Sasl(mechanisms) => exchange.scram(&mechanisms).await?,
        Request::SaslContinue(_) | Request::SaslFinal(_) => return Err(exchange.disorder()),
    }
    let mut heard = exchange.before;
    message::write(&mut heard, b'R', &[&0_i32.to_be_bytes()]);
    heard.extend(exchange.after);
    Ok(heard)
}

/// What a server asks for.
enum Request {
    Done,
    Cleartext,
    Md5([u8; 4]),
    Sasl(Vec<u8>),
    SaslContinue(Vec<u8>),
    SaslFinal(Vec<u8>),
}

struct Exchange<'a, S> {
    server: &'a mut S,
    credentials: &'a Credentials,
    place: &'a str,
    allowance: Allowance,
    /// What the guest is to hear before it is in: NegotiateProtocolVersion.
    before: Vec<u8>,
    /// And after: notices, which clients do not expect earlier.
    after: Vec<u8>,
    /// Whether the server was sent the password itself.
    reveals: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Exchange<'_, S> {
    async fn send(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let sent = async {
            self.server.write_all(bytes).await?;
            self.server.flush().await
        };
        match sent.await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.unreadable(&Unreadable::Lost(error))),
        }
    }

    /// The next thing the server asks for.
    async fn request(&mut self) -> Result<Request, Refusal> {
        loop {
            let read = message::read(self.server, &mut self.allowance).await;
            let message = read.map_err(|error| self.unreadable(&error))?;
            match message.tag {
                b'R' => return self.parse(&message.body),
                b'E' => return Err(self.refused(&message)),
                b'v' => message.write(&mut self.before),
                _ => message.write(&mut self.after),
            }
        }
    }

    fn parse(&self, body: &[u8]) -> Result<Request, Refusal> {
        let (kind, data) = body
            .split_first_chunk::<4>()
            .ok_or_else(|| self.disorder())?;
        match (u32::from_be_bytes(*kind), data) {
            (0, []) => Ok(Request::Done),
            (3, []) => Ok(Request::Cleartext),
            (5, &[a, b, c, d]) => Ok(Request::Md5([a, b, c, d])),
            (10, mechanisms) => Ok(Request::Sasl(mechanisms.to_vec())),
            (11, data) => Ok(Request::SaslContinue(data.to_vec())),
            (12, data) => Ok(Request::SaslFinal(data.to_vec())),
            (0 | 3 | 5, _) => Err(self.disorder()),
            (method, _) => Err(self.unsupported(&match method {
                2 => "Kerberos 5".to_owned(),
                6 => "SCM credentials".to_owned(),
                7 | 8 => "GSSAPI".to_owned(),
                9 => "SSPI".to_owned(),
                other => format!("method {other}"),
            })),
        }
    }

    fn password(&self) -> Result<&Secret, Refusal> {
        let user = &self.credentials.user;
        self.credentials.password.as_ref().ok_or_else(|| {
            self.fail(
                Category::Authentication,
                "password-missing",
                format!("the server asks for the password of user {user:?}, and none was given"),
            )
        })
    }

    async fn cleartext(&mut self) -> Result<(), Refusal> {
        if !self.credentials.is_private {
            return Err(self.fail(
                Category::Configuration,
                "password-in-the-clear",
                "the server wants the password itself, and everybody on the way could read it: \
                 use TLS, or scram-sha-256 on the server",
            ));
        }
        let mut sent = Zeroizing::new(Vec::new());
        let password = self.password()?.expose();
        // One that grew would leave a copy behind.
        sent.reserve_exact(password.len() + 6);
        message::write(&mut sent, b'p', &[password, b"\0"]);
        self.reveals = true;
        self.send(&sent).await?;
        self.accepted().await
    }

    async fn md5(&mut self, salt: [u8; 4]) -> Result<(), Refusal> {
        let password = self.password()?.expose();
        let hash = md5_hash(self.credentials.user.as_bytes(), password, salt);
        let mut sent = Vec::new();
        message::write(&mut sent, b'p', &[hash.as_bytes(), b"\0"]);
        self.send(&sent).await?;
        self.accepted().await
    }

    async fn scram(&mut self, mechanisms: &[u8]) -> Result<(), Refusal> {
        let offers = |wanted: &str| {
            mechanisms
                .split(|&byte| byte == 0)
                .any(|offered| offered == wanted.as_bytes())
        };
        let (mechanism, binding) = match &self.credentials.binding {
            Some(hash) if offers(SCRAM_SHA_256_PLUS) => (
                SCRAM_SHA_256_PLUS,
                ChannelBinding::tls_server_end_point(hash.clone()),
            ),
            // To say that binding is possible shows a server that did offer it
            // that somebody took the offer away.
            Some(_) if offers(SCRAM_SHA_256) => (SCRAM_SHA_256, ChannelBinding::unrequested()),
            None if offers(SCRAM_SHA_256) => (SCRAM_SHA_256, ChannelBinding::unsupported()),
            _ => {
                let mechanisms = String::from_utf8_lossy(mechanisms);
                let offered: Vec<&str> = mechanisms.split_terminator('\0').take(5).collect();
                return Err(self.unsupported(&format!("SASL {}", offered.join(" "))));
            }
        };
        let scram = ScramSha256::new(self.password()?.expose(), binding);
        let first = scram.message();
        let length = i32::try_from(first.len()).unwrap_or(i32::MAX);
        let mut sent = Vec::new();
        let parts = [mechanism.as_bytes(), b"\0", &length.to_be_bytes(), first];
        message::write(&mut sent, b'p', &parts);
        self.send(&sent).await?;

        let Request::SaslContinue(data) = self.request().await? else {
            return Err(self.disorder());
        };
        let mut scram = self.derive(scram, data).await?;
        let mut sent = Vec::new();
        message::write(&mut sent, b'p', &[scram.message()]);
        self.send(&sent).await?;

        let Request::SaslFinal(data) = self.request().await? else {
            return Err(self.disorder());
        };
        scram.finish(&data).map_err(|_| self.impostor())?;
        self.accepted().await
    }

    /// Answers the server's challenge; aside, because a server can ask for
    /// 100,000 rounds of hashing.
    async fn derive(&self, mut scram: ScramSha256, data: Vec<u8>) -> Result<ScramSha256, Refusal> {
        let derived = tokio::task::spawn_blocking(move || scram.update(&data).map(|()| scram));
        match derived.await {
            Ok(Ok(scram)) => Ok(scram),
            Ok(Err(error)) => Err(self.fail(
                Category::Internal,
                "scram",
                format!("the server's part of SCRAM cannot be used: {error}"),
            )),
            Err(_) => Err(self.fail(
                Category::Internal,
                "stopping",
                "this host is stopping, or its computing of SCRAM failed",
            )),
        }
    }

    async fn accepted(&mut self) -> Result<(), Refusal> {
        match self.request().await? {
            Request::Done => Ok(()),
            _ => Err(self.disorder()),
        }
    }

    fn fail(
        &self,
        category: Category,
        code: &'static str,
        what: impl std::fmt::Display,
    ) -> Refusal {
        Error::lasting(category, code, self.place, what).into()
    }

    /// The server's own words, for the guest as they are.
    fn refused(&self, message: &Message) -> Refusal {
        let repeats = |secret: &[u8]| {
            !secret.is_empty()
                && message
                    .body
                    .windows(secret.len())
                    .any(|part| part == secret)
        };
        let password = self.credentials.password.as_ref();
        let mut told = Told::parse(&message.body);
        if self.reveals && password.is_some_and(|password| repeats(password.expose())) {
            told.message = "the server refuses, with the password in its message".to_owned();
            if !told.sqlstate.starts_with("28") {
                told.sqlstate = "28000".to_owned();
            }
            return Error::said(self.place, &told).into();
        }
        let mut response = Vec::new();
        message.write(&mut response);
        Refusal {
            error: Error::said(self.place, &told),
            response,
        }
    }

    fn unreadable(&self, error: &Unreadable) -> Refusal {
        match error {
            Unreadable::Lost(_) => Refusal::from(Error::passing(
                Category::Unavailable,
                "connection-lost",
                self.place,
                format!("before sign-in, {error}"),
            )),
            Unreadable::Foreign { .. } => self.fail(
                Category::Internal,
                "foreign-protocol",
                format!("{error}: is it the right port?"),
            ),
            Unreadable::TooMuch => self.fail(Category::Internal, "endless-sign-in", error),
        }
    }

    fn unsupported(&self, method: &str) -> Refusal {
        let method: String = method
            .chars()
            .filter(|c| !c.is_control())
            .take(80)
            .collect();
        self.fail(
            Category::Unsupported,
            "authentication-method",
            format!(
                "the server wants to authenticate by {method}; known here are scram-sha-256, \
                 md5 and password"
            ),
        )
    }

    fn disorder(&self) -> Refusal {
        self.fail(
            Category::Internal,
            "sign-in-disorder",
            "the server's messages make no sense in this order; is it PostgreSQL?",
        )
    }

    fn impostor(&self) -> Refusal {
        let advice = if self.credentials.is_encrypted {
            ""
        } else {
            " (without TLS, it could be anybody)"
        };
        self.fail(
            Category::Authentication,
            "server-unproven",
            format!("the server does not show that it knows the password{advice}"),
        )
    }
}

#[cfg(test)]
#[path = "authentication/tests.rs"]
mod tests;
