//! Sessions with servers: the host dials, secures the connection and signs in;
//! the guest gets what is left to say.
//!
//! Invariants: a guest opens sessions only with the endpoints it was granted,
//! under the user it was granted; no password is ever in a guest's memory, in
//! its configuration or in an error that reaches it; a session ends with the
//! instance that opened it.

mod bytes;
mod grant;

pub use grant::{Endpoints, SessionGrant};

use tokio_util::task::AbortOnDropHandle;
use vesicle_engine::State;
use vesicle_pool::{Audit, Interface, InterfaceName, Provider};
use vesicle_session::{Error as SessionError, Traffic};
use wasmtime::component::{Accessor, FutureReader, Linker, StreamReader};

use crate::connector::bindings::types::{Error as GuestError, ErrorCategory};
use bytes::{Incoming, Outgoing};

/// The interface, as guests import it.
const INTERFACE: &str = "vesicle:connector/session@0.1.0";
/// Bytes under way between a guest and its session, for each direction.
const UNDER_WAY: usize = 256 << 10;

/// The provider of sessions for one component.
pub struct Sessions(Endpoints);

impl Sessions {
    /// Sessions with these endpoints for the component of that name.
    #[must_use]
    pub fn new(component: &str, grants: Vec<SessionGrant>, audit: Audit) -> Self {
        Self(Endpoints::new(component, grants, audit))
    }

    /// No sessions at all.
    #[must_use]
    pub fn deny_all(component: &str) -> Self {
        Self::new(component, Vec::new(), Audit::default())
    }

    /// The interface that this provider offers.
    #[must_use]
    pub fn offered() -> Interface {
        Interface {
            // A constant with the form of a name.
            #[allow(clippy::expect_used)]
            name: INTERFACE.parse().expect("the name of an interface"),
            structure: None,
        }
    }
}

impl Provider for Sessions {
    fn name(&self) -> &str {
        "sessions"
    }

    fn interfaces(&self) -> Vec<Interface> {
        vec![Self::offered()]
    }

    fn link(&self, _: &InterfaceName, linker: &mut Linker<State>) -> wasmtime::Result<()> {
        linker.instance(INTERFACE)?.func_wrap_concurrent(
            "open",
            |accessor, (endpoint, outgoing)| {
                Box::pin(async move { Ok((open(accessor, endpoint, outgoing).await,)) })
            },
        )
    }

    fn attach(&self, state: &mut State) -> vesicle_pool::Result<()> {
        state.extensions.insert(self.0.clone());
        Ok(())
    }
}

/// What a guest gets: what comes in, and how the session ends.
type Opened = (StreamReader<u8>, FutureReader<Result<(), GuestError>>);

async fn open(
    accessor: &Accessor<State>,
    endpoint: String,
    outgoing: StreamReader<u8>,
) -> Result<Opened, GuestError> {
    let endpoints = accessor.with(|mut store| {
        let endpoints = store.data_mut().extensions.get::<Endpoints>();
        endpoints.cloned()
    });
    let server = endpoints
        .and_then(|endpoints| endpoints.find(&endpoint))
        .ok_or_else(|| denied(&endpoint))?;
    let session = server.open().await.map_err(guest_error)?;
    let (ours, theirs) = tokio::io::duplex(UNDER_WAY);
    let serving = AbortOnDropHandle::new(tokio::spawn(session.serve(theirs)));
    let (incoming, sent) = tokio::io::split(ours);
    let opened: wasmtime::Result<Opened> = accessor.with(|mut store| {
        outgoing.pipe(&mut store, Outgoing(sent))?;
        let incoming = StreamReader::new(&mut store, Incoming(incoming))?;
        let ending = FutureReader::new(&mut store, async move {
            Ok::<_, wasmtime::Error>(ended(serving.await))
        })?;
        Ok((incoming, ending))
    });
    opened.map_err(|error| GuestError {
        category: ErrorCategory::Internal,
        code: "session-streams".into(),
        message: format!("{endpoint}: no streams for the session: {error}"),
        retryable: false,
        retry_after: None,
    })
}

/// How a session has ended, as its guest learns it.
fn ended(
    outcome: Result<Result<Traffic, SessionError>, tokio::task::JoinError>,
) -> Result<(), GuestError> {
    match outcome {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(guest_error(error)),
        Err(_) => Err(GuestError {
            category: ErrorCategory::Internal,
            code: "session-defect".into(),
            message: "the host's side of the session has failed".into(),
            retryable: false,
            retry_after: None,
        }),
    }
}

fn denied(endpoint: &str) -> GuestError {
    GuestError {
        category: ErrorCategory::Permission,
        code: "session-denied".into(),
        message: format!(
            "{endpoint}: this component was not granted a session there; a session has to be \
             asked for in its manifest, and its host and port to be written in the document"
        ),
        retryable: false,
        retry_after: None,
    }
}

fn guest_error(error: SessionError) -> GuestError {
    use vesicle_session::Category;
    let category = match error.category {
        Category::Configuration => ErrorCategory::Configuration,
        Category::Authentication => ErrorCategory::Authentication,
        Category::Permission => ErrorCategory::Permission,
        Category::NotFound => ErrorCategory::NotFound,
        Category::Unavailable => ErrorCategory::Unavailable,
        Category::Timeout => ErrorCategory::Timeout,
        Category::Unsupported => ErrorCategory::Unsupported,
        Category::Exhausted => ErrorCategory::Exhausted,
        Category::Internal => ErrorCategory::Internal,
    };
    GuestError {
        category,
        code: error.code.into(),
        message: error.message,
        retryable: error.retryable,
        retry_after: None,
    }
}
