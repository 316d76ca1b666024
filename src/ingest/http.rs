//! `POST /alertmanager` and `POST /alertmanager/{chat}`.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::StatusCode;

use crate::alert::Source;
use crate::clock;
use crate::outbox::{Fate, Rejected};
use crate::routing::ChatAlias;

use super::refusal::Refusal;
use super::{Bodies, Intake, parse, require_json};

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

/// What the webhook's handlers work with.
#[derive(Debug)]
pub struct Door {
    pub intake: Arc<Intake>,
    pub bodies: Bodies,
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
        let (head, read) = self.bodies.read(body, &parts.headers).await;
        let mut source = UNKNOWN;
        let body = read.and_then(|body| require_json(&parts.headers).map(|()| body));
        let answer = match body {
            Ok(body) => self.accept(&body.bytes, chat.as_ref(), &mut source).await,
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
