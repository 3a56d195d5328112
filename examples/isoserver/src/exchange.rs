//! Requests and responses, as HTTP has them and as apps have them.

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request as HttpRequest, StatusCode, header};
use axum::response::{IntoResponse, Response as HttpResponse};

use crate::bindings::{Request, Response};
use crate::{Answer, Error, Result};

/// Says how much fuel a request has used.
const FUEL: HeaderName = HeaderName::from_static("x-fuel");

/// What belongs to a connection, and is not an app's to see or to say.
const OF_THE_CONNECTION: [HeaderName; 8] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::DATE,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
];

/// Everything that a body has, up to a limit.
///
/// # Errors
///
/// [`Error::TooLarge`].
pub(crate) async fn all_of(body: Body, what: &'static str, limit: usize) -> Result<Vec<u8>> {
    let bytes = to_bytes(body, limit).await;
    let bytes = bytes.map_err(|_| Error::TooLarge { what, limit })?;
    Ok(bytes.into())
}

/// A request as an app has it, with what stands in its path behind the name.
///
/// # Errors
///
/// [`Error::TooLarge`].
pub(crate) async fn request(
    asked: HttpRequest<Body>,
    behind: &str,
    limit: usize,
) -> Result<Request> {
    let (head, body) = asked.into_parts();
    let query = head.uri.query();
    let path = match query {
        Some(query) => format!("/{behind}?{query}"),
        None => format!("/{behind}"),
    };
    Ok(Request {
        method: head.method.as_str().to_owned(),
        path,
        headers: texts(&head.headers),
        body: all_of(body, "the request", limit).await?,
    })
}

fn texts(headers: &HeaderMap) -> Vec<(String, String)> {
    let shown = headers
        .iter()
        .filter(|(name, _)| !OF_THE_CONNECTION.contains(name));
    let texts = shown.filter_map(|(name, value)| {
        let value = value.to_str().ok()?;
        Some((name.as_str().to_owned(), value.to_owned()))
    });
    texts.collect()
}

/// What an app has answered, as HTTP.
///
/// # Errors
///
/// [`Error::NotHttp`].
pub(crate) fn response(app: &str, answer: Answer) -> Result<HttpResponse> {
    let Response {
        status,
        headers,
        body,
    } = answer.response;
    let wrong = |reason: String| Error::NotHttp {
        app: app.to_owned(),
        reason,
    };
    // One that is below announces another, which an app cannot give.
    let code = StatusCode::from_u16(status).ok().filter(|_| status >= 200);
    let code = code.ok_or_else(|| wrong(format!("the status {status}")))?;
    let mut said = (code, body).into_response();
    // What axum takes a body of bytes for.
    said.headers_mut().remove(header::CONTENT_TYPE);
    for (name, value) in headers {
        let parsed: Option<(HeaderName, HeaderValue)> = name.parse().ok().zip(value.parse().ok());
        let (name, value) =
            parsed.ok_or_else(|| wrong(format!("the header {name:?}: {value:?}")))?;
        if !OF_THE_CONNECTION.contains(&name) {
            said.headers_mut().append(name, value);
        }
    }
    said.headers_mut().insert(FUEL, answer.fuel.into());
    Ok(said)
}
