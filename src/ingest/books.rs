//! The books of the door: every answer to a webhook is counted, every refusal logged, and what
//! was refused is kept for inspection. Also what never reached the webhook's own handlers: the
//! wrong path, the wrong method, a missing password, a browser of another site.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use governor::{DefaultDirectRateLimiter, Quota};
use http::{Method, StatusCode};

use crate::alert::Source;
use crate::outbox::Rejected;

use super::Intake;

/// The sender, as far as it is known when a body is refused.
pub(super) const UNKNOWN: &str = "unknown";
/// What a webhook can be answered with.
const CODES: [StatusCode; 10] = [
    StatusCode::OK,
    StatusCode::BAD_REQUEST,
    StatusCode::UNAUTHORIZED,
    StatusCode::FORBIDDEN,
    StatusCode::NOT_FOUND,
    StatusCode::METHOD_NOT_ALLOWED,
    StatusCode::REQUEST_TIMEOUT,
    StatusCode::PAYLOAD_TOO_LARGE,
    StatusCode::UNSUPPORTED_MEDIA_TYPE,
    StatusCode::SERVICE_UNAVAILABLE,
];
/// Refused webhooks kept a second, and at once: a flood of them must not occupy the store.
const KEPT: NonZeroU32 = NonZeroU32::new(10).expect("10 is not 0");

/// Goes with an answer: who sent the webhook.
#[derive(Debug, Clone)]
pub(super) struct Sender(pub &'static str);

/// Goes with an answer: why it is no better one, for the log.
#[derive(Debug, Clone)]
pub struct Because(pub String);

/// Goes with an answer: the first bytes of the refused body.
#[derive(Debug, Clone)]
pub(super) struct Head(pub Bytes);

#[derive(Debug)]
struct Books {
    intake: Arc<Intake>,
    pace: DefaultDirectRateLimiter,
}

/// Has the site's answers to webhooks counted. It goes around everything else, so that it sees
/// every answer. The peer's address is taken from [`ConnectInfo`] where the server has put it,
/// the reason of a refusal from [`Because`].
pub fn keep_books(site: axum::Router, intake: Arc<Intake>) -> axum::Router {
    for source in [Source::Alertmanager.as_str(), Source::Grafana.as_str(), UNKNOWN] {
        for code in CODES {
            intake.metrics.webhooks_received.with_label_values(&[source, code.as_str()]);
        }
    }
    let pace = DefaultDirectRateLimiter::direct(Quota::per_second(KEPT));
    site.layer(axum::middleware::from_fn_with_state(Arc::new(Books { intake, pace }), note))
}

/// Whether somebody meant to send a webhook, or looks at where it would go.
fn is_webhook(request: &Request) -> bool {
    let path = request.uri().path();
    path == "/alertmanager"
        || path.starts_with("/alertmanager/")
        || (path == "/" && request.method() == Method::POST)
}

async fn note(State(books): State<Arc<Books>>, request: Request, next: Next) -> Response {
    if !is_webhook(&request) {
        return next.run(request).await;
    }
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let peer = peer.map_or_else(String::new, |ConnectInfo(peer)| peer.to_string());
    let path = request.uri().path().to_owned();
    let response = next.run(request).await;
    let source = response.extensions().get().map_or(UNKNOWN, |Sender(source)| *source);
    let code = response.status();
    let received = &books.intake.metrics.webhooks_received;
    received.with_label_values(&[source, code.as_str()]).inc();
    if !code.is_success() {
        books.refused(&response, peer, path);
    }
    response
}

impl Books {
    /// Logs a refusal, and keeps it where the sender is to blame.
    fn refused(&self, response: &Response, peer: String, path: String) {
        let code = response.status();
        let reason = response.extensions().get().map_or_else(
            || code.canonical_reason().unwrap_or_default().to_owned(),
            |Because(reason)| reason.clone(),
        );
        tracing::warn!(peer, path, code = code.as_u16(), reason, "webhook refused");
        if !code.is_client_error() || self.pace.check().is_err() {
            return;
        }
        let head = response.extensions().get().map_or(Bytes::new(), |Head(head)| head.clone());
        let rejected = Rejected {
            at: self.intake.clock.now(),
            peer,
            path,
            code: code.as_u16(),
            reason,
            head: String::from_utf8_lossy(&head).into_owned(),
        };
        let outbox = self.intake.outbox.clone();
        // The sender does not wait for it.
        self.intake.tasks.spawn("rejected", async move {
            if let Err(error) = outbox.keep_rejected(rejected).await {
                tracing::debug!(%error, "the refused body was not kept");
            }
        });
    }
}
