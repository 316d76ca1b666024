//! `POST /alertmanager` and `POST /alertmanager/{chat}`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt;

use crate::alert::Source;
use crate::clock;
use crate::outbox::{Fate, Rejected};
use crate::routing::ChatAlias;

use super::refusal::Refusal;
use super::{BodyTrouble, Intake, parse};

/// How much of a refused body is kept for inspection, in bytes.
const KEPT_HEAD: usize = 4096;
/// How long, and how many caps' worth of bytes, a body that is too large is still read, so that
/// the sender sees the answer instead of a reset connection.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_FACTOR: usize = 8;
/// The sender, as far as it is known when a body is refused.
const UNKNOWN: &str = "unknown";
/// What a webhook can be answered with.
const CODES: [StatusCode; 7] = [
    StatusCode::OK,
    StatusCode::BAD_REQUEST,
    StatusCode::NOT_FOUND,
    StatusCode::REQUEST_TIMEOUT,
    StatusCode::PAYLOAD_TOO_LARGE,
    StatusCode::UNSUPPORTED_MEDIA_TYPE,
    StatusCode::SERVICE_UNAVAILABLE,
];

/// What a request's body may be.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimits {
    /// In bytes.
    pub size: usize,
    /// From the head's end to the body's.
    pub timeout: Duration,
}

impl Default for BodyLimits {
    fn default() -> Self {
        Self { size: 8 << 20, timeout: Duration::from_secs(30) }
    }
}

/// What the webhook's handlers work with.
#[derive(Debug)]
pub struct Door {
    pub intake: Arc<Intake>,
    pub limits: BodyLimits,
}

/// The webhook's routes. The peer's address is taken from [`ConnectInfo`] where the server has
/// put it.
pub fn router(door: Door) -> axum::Router {
    for source in [Source::Alertmanager.as_str(), Source::Grafana.as_str(), UNKNOWN] {
        for code in CODES {
            let received = &door.intake.metrics.webhooks_received;
            received.with_label_values(&[source, code.as_str()]);
        }
    }
    axum::Router::new()
        .route("/alertmanager", post(by_tree))
        .route("/alertmanager/", post(by_tree))
        .route("/alertmanager/{chat}", post(to_chat))
        .with_state(Arc::new(door))
}

async fn by_tree(State(door): State<Arc<Door>>, request: Request) -> Response {
    door.receive(request, None).await
}

async fn to_chat(
    State(door): State<Arc<Door>>,
    Path(chat): Path<String>,
    request: Request,
) -> Response {
    door.receive(request, Some(ChatAlias(chat))).await
}

impl Door {
    async fn receive(&self, request: Request, chat: Option<ChatAlias>) -> Response {
        let began = clock::monotonic();
        let (parts, body) = request.into_parts();
        let (head, read) = read_body(body, &parts.headers, self.limits).await;
        let mut source = UNKNOWN;
        let body = read.and_then(|body| require_json(&parts.headers).map(|()| body));
        let answer = match body {
            Ok(body) => self.accept(&body, chat.as_ref(), &mut source).await,
            Err(trouble) => Err(trouble.into()),
        };
        let response = match answer {
            Ok(response) => response,
            Err(refusal) => {
                let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
                let peer = peer.map_or_else(String::new, |ConnectInfo(peer)| peer.to_string());
                self.refused(&refusal, peer, parts.uri.path(), &head).await
            }
        };
        let metrics = &self.intake.metrics;
        metrics.webhooks_received.with_label_values(&[source, response.status().as_str()]).inc();
        metrics.webhook_duration.observe(began.elapsed().as_secs_f64());
        response
    }

    async fn accept(
        &self,
        body: &[u8],
        chat: Option<&ChatAlias>,
        source: &mut &'static str,
    ) -> Result<Response, Refusal> {
        let notification = parse(body, self.intake.clock.now())?;
        *source = notification.group.source.as_str();
        let accepted = self.intake.take(notification, chat).await?;
        let lanes: Vec<_> = accepted
            .lanes
            .iter()
            .map(|(lane, fate)| {
                let fate = match fate {
                    Fate::Queued => "queued",
                    Fate::Merged => "merged",
                    Fate::Duplicate => "duplicate",
                };
                serde_json::json!({"chat": lane.chat, "topic": lane.topic, "fate": fate})
            })
            .collect();
        Ok(Json(serde_json::json!({"status": "ok", "lanes": lanes})).into_response())
    }

    /// Logs a refusal, keeps the body's head where the sender is to blame, and answers.
    async fn refused(&self, refusal: &Refusal, peer: String, path: &str, head: &[u8]) -> Response {
        let status = refusal.status();
        let reason = refusal.to_string();
        tracing::warn!(peer, path, code = status.as_u16(), reason, "webhook refused");
        if status.is_client_error() {
            let kept = self
                .intake
                .outbox
                .keep_rejected(Rejected {
                    at: self.intake.clock.now(),
                    peer,
                    path: path.to_owned(),
                    code: status.as_u16(),
                    reason: reason.clone(),
                    head: String::from_utf8_lossy(head).into_owned(),
                })
                .await;
            if let Err(error) = kept {
                tracing::debug!(%error, "the refused body was not kept");
            }
        }
        (status, Json(serde_json::json!({"status": "error", "error": reason}))).into_response()
    }
}

/// Reads a body within its limits. The first value is its head, at most 4 KiB, whatever became
/// of the rest.
pub async fn read_body(
    body: Body,
    headers: &HeaderMap,
    limits: BodyLimits,
) -> (Bytes, Result<Bytes, BodyTrouble>) {
    let mut buffer = BytesMut::new();
    let read = tokio::time::timeout(limits.timeout, collect(body, headers, limits, &mut buffer));
    let read = read.await.unwrap_or(Err(BodyTrouble::TooSlow(limits.timeout)));
    let body = buffer.freeze();
    let head = body.slice(..body.len().min(KEPT_HEAD));
    (head, read.map(|()| body))
}

async fn collect(
    mut body: Body,
    headers: &HeaderMap,
    limits: BodyLimits,
    buffer: &mut BytesMut,
) -> Result<(), BodyTrouble> {
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if let Some(length) = announced {
        buffer.reserve(length.min(limits.size).min(64 << 10));
    }
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| BodyTrouble::Cut(error.to_string()))?;
        let Ok(data) = frame.into_data() else { continue };
        let room = limits.size - buffer.len();
        buffer.extend_from_slice(&data[..data.len().min(room)]);
        if data.len() > room || announced.is_some_and(|length| length > limits.size) {
            let _ = tokio::time::timeout(LINGER, discard(body, limits.size)).await;
            return Err(BodyTrouble::TooLarge { limit: limits.size });
        }
    }
    Ok(())
}

async fn discard(mut body: Body, size: usize) {
    let mut left = size.saturating_mul(LINGER_FACTOR);
    while let Some(Ok(frame)) = body.frame().await {
        let length = frame.data_ref().map_or(0, Bytes::len);
        let Some(rest) = left.checked_sub(length) else { return };
        left = rest;
    }
}

/// Checks that the headers announce plain JSON.
///
/// # Errors
/// [`BodyTrouble::NoJson`] or [`BodyTrouble::Encoded`].
pub fn require_json(headers: &HeaderMap) -> Result<(), BodyTrouble> {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    for encoding in headers.get_all(header::CONTENT_ENCODING) {
        if !encoding.as_bytes().eq_ignore_ascii_case(b"identity") {
            return Err(BodyTrouble::Encoded(text(encoding)));
        }
    }
    match headers.get(header::CONTENT_TYPE) {
        Some(kind) if is_json(kind.as_bytes()) => Ok(()),
        Some(kind) => Err(BodyTrouble::NoJson(format!("{:?}", text(kind)))),
        None => Err(BodyTrouble::NoJson("missing".into())),
    }
}

/// `application/json` or `application/…+json`, with any parameters.
fn is_json(kind: &[u8]) -> bool {
    let essence = kind.split(|b| *b == b';').next().unwrap_or_default().trim_ascii();
    let essence = essence.to_ascii_lowercase();
    essence == b"application/json"
        || (essence.starts_with(b"application/") && essence.ends_with(b"+json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_recognised_with_parameters_and_suffixes_and_nothing_else_is() {
        for json in ["application/json", "Application/JSON; charset=utf-8", "application/x+json"] {
            assert!(is_json(json.as_bytes()), "{json}");
        }
        for other in ["", "text/plain", "application/jsonp", "text/json", "application/x-json"] {
            assert!(!is_json(other.as_bytes()), "{other}");
        }
    }
}
