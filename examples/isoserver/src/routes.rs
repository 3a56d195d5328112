//! Which path leads where.
//!
//! | | |
//! |---|---|
//! | `PUT /apps/NAME?store-of=APP&uses=APP,APP` | uploads a component |
//! | `DELETE /apps/NAME` | ends an app |
//! | `GET /apps` | what there is |
//! | anything `/run/NAME/…` | is the app's to answer |

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{Request as HttpRequest, StatusCode};
use axum::response::Response as HttpResponse;
use axum::routing::{any, get, put};
use axum::{Json, Router};

use crate::hosted::Listed;
use crate::{Apps, Error, Result, Uploaded, Wiring, exchange};

/// The routes to some apps, for a server of the embedder's own.
pub fn router(apps: Arc<Apps>) -> Router {
    Router::new()
        .route("/apps", get(list))
        .route("/apps/{name}", put(upload).delete(remove))
        .route("/run/{*rest}", any(run))
        .with_state(apps)
}

async fn list(State(apps): State<Arc<Apps>>) -> Json<Vec<Listed>> {
    Json(apps.list())
}

async fn upload(
    State(apps): State<Arc<Apps>>,
    Path(name): Path<String>,
    Query(wiring): Query<Wiring>,
    body: Body,
) -> Result<StatusCode> {
    let limit = apps.limits().component;
    let bytes = exchange::all_of(body, "the component", limit).await?;
    let upload = async move { apps.upload(&name, bytes, wiring).await };
    Ok(match to_its_end(upload).await? {
        Uploaded::New => StatusCode::CREATED,
        Uploaded::Replaced => StatusCode::NO_CONTENT,
    })
}

async fn remove(State(apps): State<Arc<Apps>>, Path(name): Path<String>) -> Result<StatusCode> {
    to_its_end(async move { apps.remove(&name).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Does it also if whoever asked hangs up, so that hanging up does not let the
/// next one in while the one before is still being compiled.
async fn to_its_end<T: Send + 'static>(
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    tokio::spawn(work).await.map_err(|_| Error::Defect)?
}

async fn run(State(apps): State<Arc<Apps>>, asked: HttpRequest<Body>) -> Result<HttpResponse> {
    // As it came: what is behind the name is the app's to decode.
    let path = asked.uri().path().to_owned();
    let behind = path.strip_prefix("/run/").unwrap_or_default();
    let (name, behind) = behind.split_once('/').unwrap_or((behind, ""));
    let limit = apps.limits().body;
    let request = exchange::request(asked, behind, limit).await?;
    let answer = apps.handle(name, request).await?;
    exchange::response(name, answer)
}
