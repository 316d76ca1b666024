//! The books of the door: every answer to a webhook is counted, every refusal logged, and what
//! was refused is kept for inspection. Also what never reached the webhook's own handlers: the
//! wrong path, the wrong method, a missing password, a browser of another site.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::ConnectInfo;
use axum::response::Response;
use bytes::Bytes;
use futures_util::future::{BoxFuture, Either};
use governor::{DefaultDirectRateLimiter, Quota};
use http::{Method, Request, StatusCode, Uri};
use tower::Service;

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

/// A site whose answers to webhooks are counted.
#[derive(Debug, Clone)]
pub struct Booked<S> {
    site: S,
    books: Arc<Books>,
}

/// Has the site's answers to webhooks counted. It goes around everything else, so that it sees
/// every answer. The peer's address is taken from [`ConnectInfo`] where the server has put it,
/// the reason of a refusal from [`Because`].
pub fn keep_books<S>(site: S, intake: Arc<Intake>) -> Booked<S> {
    for source in [Source::Alertmanager.as_str(), Source::Grafana.as_str(), UNKNOWN] {
        for code in CODES {
            intake.metrics.webhooks_received.with_label_values(&[source, code.as_str()]);
        }
    }
    let pace = DefaultDirectRateLimiter::direct(Quota::per_second(KEPT));
    Booked { site, books: Arc::new(Books { intake, pace }) }
}

impl<S, B> Service<Request<B>> for Booked<S>
where
    S: Service<Request<B>, Response = Response, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Either<S::Future, BoxFuture<'static, Result<Response, Infallible>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.site.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if !is_webhook(&request) {
            return Either::Left(self.site.call(request));
        }
        let peer = request.extensions().get().map(|ConnectInfo(peer)| *peer);
        let uri = request.uri().clone();
        let books = Arc::clone(&self.books);
        let answering = self.site.call(request);
        Either::Right(Box::pin(async move {
            let response = answering.await?;
            books.note(&response, peer, &uri);
            Ok(response)
        }))
    }
}

/// Whether somebody meant to send a webhook, or looks at where it would go.
fn is_webhook<B>(request: &Request<B>) -> bool {
    let path = request.uri().path();
    path == "/alertmanager"
        || path.starts_with("/alertmanager/")
        || (path == "/" && request.method() == Method::POST)
}

impl Books {
    fn note(&self, response: &Response, peer: Option<SocketAddr>, uri: &Uri) {
        let source = response.extensions().get().map_or(UNKNOWN, |Sender(source)| *source);
        let code = response.status();
        let received = &self.intake.metrics.webhooks_received;
        received.with_label_values(&[source, code.as_str()]).inc();
        if !code.is_success() {
            let peer = peer.map_or_else(String::new, |peer| peer.to_string());
            self.refused(response, peer, uri.path().to_owned());
        }
    }

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
