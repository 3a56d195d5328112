//! What can go wrong, and what whoever asked is told of it.

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use vesicle_pool::Error as PoolError;
use vesicle_pool::engine::Error as EngineError;

/// Seconds after which it is worth asking again.
const LATER: &str = "1";

/// An error of the server.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server cannot be set up.
    #[error("the server cannot be set up: {0}")]
    Setup(PoolError),
    /// A part of the server stopped in the middle.
    #[error("a defect of the server; please report it")]
    Defect,
    /// Something is not the name of an app.
    #[error("{app:?} is no name for an app: take a-z, 0-9 and -, 64 at most")]
    Name {
        /// What it is.
        app: String,
    },
    /// There is no app of that name.
    #[error("there is no app {app}")]
    Unknown {
        /// The name.
        app: String,
    },
    /// The app answers no requests; only others can call it.
    #[error("{app} does not export isoserver:app/handler, so it answers no requests")]
    NoHandler {
        /// The app.
        app: String,
    },
    /// What came is too large, or was cut off.
    #[error("{what} is larger than {limit} bytes, or was cut off")]
    TooLarge {
        /// What it is.
        what: &'static str,
        /// How large it may be.
        limit: usize,
    },
    /// There are as many apps as there can be.
    #[error("there are {limit} apps already; tear one down first")]
    TooMany {
        /// How many there can be.
        limit: usize,
    },
    /// The pool does not take the component.
    #[error("{0}")]
    Refused(PoolError),
    /// Others are wired to the app.
    #[error("{app} cannot be torn down before {}", dependants.join(", "))]
    Needed {
        /// The app.
        app: String,
        /// Those that are wired to it.
        dependants: Vec<String>,
    },
    /// As many requests wait for the app as may.
    #[error("{waiting} requests wait for {app} already; ask again later")]
    Overloaded {
        /// The app.
        app: String,
        /// How many may wait.
        waiting: usize,
    },
    /// The app did not answer.
    #[error("{0}")]
    Stopped(PoolError),
    /// What the app answered cannot be said in HTTP.
    #[error("{app} answered what is no HTTP: {reason}")]
    NotHttp {
        /// The app.
        app: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// What a request had too little of.
fn ran_out(error: &PoolError) -> Option<&'static str> {
    match error.origin() {
        PoolError::Engine(EngineError::Fuel) => Some("fuel"),
        PoolError::Engine(EngineError::Deadline { .. }) => Some("deadline"),
        PoolError::Engine(EngineError::Memory { .. }) => Some("memory"),
        _ => None,
    }
}

impl Error {
    /// The status that says it.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Setup(_) | Self::Defect => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Name { .. } => StatusCode::BAD_REQUEST,
            Self::Unknown { .. } | Self::NoHandler { .. } => StatusCode::NOT_FOUND,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooMany { .. } => StatusCode::INSUFFICIENT_STORAGE,
            Self::Refused(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Needed { .. } => StatusCode::CONFLICT,
            Self::Overloaded { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::NotHttp { .. } => StatusCode::BAD_GATEWAY,
            Self::Stopped(error) if ran_out(error).is_some() => StatusCode::SERVICE_UNAVAILABLE,
            Self::Stopped(error) => match error.origin() {
                PoolError::Gone { .. } => StatusCode::NOT_FOUND,
                PoolError::Cycle { .. } => StatusCode::LOOP_DETECTED,
                _ => StatusCode::BAD_GATEWAY,
            },
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let mut body = json!({ "error": self.to_string() });
        match &self {
            Self::Needed { dependants, .. } => body["dependants"] = json!(dependants),
            Self::Stopped(error) => {
                if let Some(what) = ran_out(error) {
                    body["ran_out"] = json!(what);
                }
            }
            _ => {}
        }
        let mut response = (self.status(), Json(body)).into_response();
        if let Self::Overloaded { .. } = self {
            let headers = response.headers_mut();
            headers.insert(RETRY_AFTER, axum::http::HeaderValue::from_static(LATER));
        }
        response
    }
}
