//! The books of the door: every answer to a webhook is counted, every refusal logged, and what
//! was refused is kept for inspection. Also what never reached the webhook's own handlers: the
//! wrong path, the wrong method, a missing password, a browser of another site; and what was not
//! answered, because nobody was there any more. No refusal repeats a secret that was sent.

use std::borrow::Cow;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::ConnectInfo;
use axum::response::Response;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use governor::{DefaultDirectRateLimiter, Quota};
use http::{Method, Request, StatusCode};
use tower::Service;

use crate::alert::Source;
use crate::outbox::Rejected;

use super::Intake;
use super::outage::Outage;
use super::refusal::refused;

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
/// Stands for the answer that nobody waited for, as nginx has it.
const HUNG_UP: &str = "499";
/// How much of a refused body is kept for inspection, in bytes.
const KEPT_HEAD: usize = 4096;
/// Refused webhooks kept a second, and at once: a flood of them must not occupy the store.
const KEPT: NonZeroU32 = NonZeroU32::new(10).expect("10 is not 0");

/// Goes with an answer: who sent the webhook.
#[derive(Debug, Clone)]
pub(super) struct Sender(pub &'static str);

/// Goes with an answer: why it is no better one, for the log.
#[derive(Debug, Clone)]
pub(super) struct Because(pub String);

/// Goes with an answer that others get too, until the store accepts again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lasting;

/// Goes with an answer: the first bytes of the refused body.
#[derive(Debug, Clone)]
pub(super) struct Head(pub Bytes);

#[derive(Debug)]
struct Books {
    intake: Arc<Intake>,
    pace: DefaultDirectRateLimiter,
    outage: Arc<Outage>,
}

/// A site whose answers to webhooks are counted.
#[derive(Debug, Clone)]
pub struct Booked<S> {
    site: S,
    books: Arc<Books>,
}

/// Has the site's answers to webhooks counted, and secrets taken out of all its refusals. It goes
/// around everything else, so that it sees every answer. The peer's address is taken from
/// [`ConnectInfo`] where the server has put it, a refusal is one that [`refused`] made.
pub fn keep_books<S>(site: S, intake: Arc<Intake>) -> Booked<S> {
    for source in [Source::Alertmanager.as_str(), Source::Grafana.as_str(), UNKNOWN] {
        for code in CODES {
            intake.metrics.webhooks_received.with_label_values(&[source, code.as_str()]);
        }
    }
    intake.metrics.webhooks_received.with_label_values(&[UNKNOWN, HUNG_UP]);
    let pace = DefaultDirectRateLimiter::direct(Quota::per_second(KEPT));
    Booked { site, books: Arc::new(Books { intake, pace, outage: Arc::default() }) }
}

impl<S, B> Service<Request<B>> for Booked<S>
where
    S: Service<Request<B>, Response = Response, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.site.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let knock = Knock::of(&request, &self.books);
        let books = Arc::clone(&self.books);
        let answering = self.site.call(request);
        Box::pin(async move {
            let response = books.without_secrets(answering.await?);
            if let Some(knock) = knock {
                knock.answered(&response);
            }
            Ok(response)
        })
    }
}

fn is_json<B>(request: &Request<B>) -> bool {
    let kind = request.headers().get(http::header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"))
}

/// Whether nabat has doors of other kinds at such paths. At `/api/v1/alerts` it has none: a Prometheus
/// posts there that takes it for an old Alertmanager.
fn is_nabats(path: &str) -> bool {
    ["/-/", "/api/v1/"].iter().any(|doors| path.starts_with(doors)) && path != "/api/v1/alerts"
}

/// A webhook that is not answered yet. When it is dropped, it never will be.
struct Knock {
    books: Option<Arc<Books>>,
    peer: Option<SocketAddr>,
    path: String,
}

impl Knock {
    /// Nothing when the request is none. What is posted as JSON to a path that there is not was meant to
    /// be one: who mistyped the URL must find it here.
    fn of<B>(request: &Request<B>, books: &Arc<Books>) -> Option<Self> {
        let path = request.uri().path();
        let is_webhook = path == "/alertmanager" || path.starts_with("/alertmanager/");
        let is_lost = || request.method() == Method::POST && is_json(request) && !is_nabats(path);
        if !is_webhook && !is_lost() {
            return None;
        }
        let peer = request.extensions().get().map(|ConnectInfo(peer)| *peer);
        let path = books.intake.scrubber.clean_address(path).into_owned();
        Some(Self { books: Some(Arc::clone(books)), peer, path })
    }

    /// The peer's address, or nothing where the server knows none.
    fn peer(&self) -> String {
        self.peer.map_or_else(String::new, |peer| peer.to_string())
    }

    fn answered(mut self, response: &Response) {
        let Some(books) = self.books.take() else { return };
        let source = response.extensions().get().map_or(UNKNOWN, |Sender(source)| *source);
        let code = response.status();
        books.count(source, code.as_str());
        if !code.is_success() {
            books.refused(response, &self);
        }
    }
}

impl Drop for Knock {
    fn drop(&mut self) {
        let Some(books) = self.books.take() else { return };
        books.count(UNKNOWN, HUNG_UP);
        let (peer, path) = (self.peer(), &self.path);
        tracing::info!(
            peer,
            path,
            "webhook not answered: its connection ended first; what it said may have been accepted"
        );
    }
}

impl Books {
    fn count(&self, source: &str, code: &str) {
        self.intake.metrics.webhooks_received.with_label_values(&[source, code]).inc();
    }

    /// A refusal may repeat what was sent: a path, a chat's name, a word of the body.
    fn without_secrets(&self, response: Response) -> Response {
        let Some(Because(reason)) = response.extensions().get() else { return response };
        let Cow::Owned(reason) = self.intake.scrubber.clean_address(reason) else {
            return response;
        };
        let clean = refused(response.status(), reason);
        let (mut parts, _) = response.into_parts();
        parts.headers.remove(http::header::CONTENT_LENGTH);
        parts.extensions.extend(clean.extensions().clone());
        Response::from_parts(parts, clean.into_body())
    }

    /// Logs a refusal, and keeps it where the sender is to blame.
    fn refused(&self, response: &Response, knock: &Knock) {
        let code = response.status();
        let reason = response.extensions().get().map_or_else(
            || code.canonical_reason().unwrap_or_default().to_owned(),
            |Because(reason)| reason.clone(),
        );
        let lasts = response.extensions().get::<Lasting>().is_some();
        self.tell(code, &reason, knock, lasts);
        if !code.is_client_error() || self.pace.check().is_err() {
            return;
        }
        let head = response.extensions().get().map_or(Bytes::new(), |Head(head)| head.clone());
        let rejected = Rejected {
            at: self.intake.clock.now(),
            peer: knock.peer(),
            path: knock.path.clone(),
            code: code.as_u16(),
            reason,
            head: self.kept(&head),
        };
        let outbox = self.intake.outbox.clone();
        // The sender does not wait for it.
        self.intake.tasks.spawn("rejected", async move {
            if let Err(error) = outbox.keep_rejected(rejected).await {
                tracing::debug!(%error, "the refused body was not kept");
            }
        });
    }

    fn tell(&self, code: StatusCode, reason: &str, knock: &Knock, lasts: bool) {
        let (code, peer, path) = (code.as_u16(), knock.peer(), &knock.path);
        if !lasts {
            tracing::warn!(peer, path, code, reason, "webhook refused");
        } else if self.outage.refused() {
            tracing::warn!(
                peer,
                path,
                code,
                reason,
                "webhook refused; until the outbox accepts again, others are logged at debug"
            );
            let (outage, outbox) = (Arc::clone(&self.outage), self.intake.outbox.clone());
            let tasks = self.intake.tasks.clone();
            self.intake.tasks.spawn("outage", async move {
                let accepts = || {
                    let outbox = Arc::clone(&outbox);
                    async move { outbox.probe().await.is_ok() }
                };
                outage.end(accepts, &tasks).await;
            });
        } else {
            tracing::debug!(peer, path, code, reason, "webhook refused");
        }
    }

    /// The body's head as it may be looked at.
    fn kept(&self, head: &[u8]) -> String {
        let text = String::from_utf8_lossy(head);
        let mut text = self.intake.scrubber.clean(&text).into_owned();
        text.truncate(text.floor_char_boundary(KEPT_HEAD));
        text
    }
}
