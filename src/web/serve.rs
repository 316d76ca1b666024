//! The HTTP server: HTTP/1.1 and HTTP/2 (with TLS, or by prior knowledge), bounded in
//! connections and in every wait, stopped gracefully.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::ConnectInfo;
use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower::Service;

use crate::lifecycle::Tasks;

use super::Tls;
use super::patience::{Activity, AtWork, Patience, Patient};

/// After an accept that failed for want of resources (too many open files).
const ACCEPT_BACKOFF: Duration = Duration::from_millis(200);

/// The server's limits.
#[derive(Debug, Clone, Copy)]
pub struct ServeOptions {
    pub patience: Patience,
    /// Further connections wait in the kernel's queue. Fewer when the process may not have so
    /// many files open.
    pub max_connections: u32,
    /// How long requests in flight may take once the server is asked to stop.
    pub grace: Duration,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            patience: Patience::default(),
            max_connections: 4096,
            grace: Duration::from_secs(10),
        }
    }
}

/// What is served: a router, or one with something around it. Cloned for every request.
pub trait Site:
    Service<Request<Incoming>, Response = Response<Body>, Error = Infallible, Future: Send>
    + Clone
    + Send
    + Sync
    + 'static
{
}

impl<S> Site for S where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static
{
}

/// Serves `site` until `stop` is cancelled: then no connection is accepted any more, requests in
/// flight are finished within the grace time, and the rest is dropped. Returns when the last
/// connection is closed.
///
/// Handlers find the peer's address in [`ConnectInfo`].
pub async fn serve<S: Site>(
    listener: TcpListener,
    site: S,
    options: ServeOptions,
    tls: Option<Tls>,
    tasks: Tasks,
    stop: CancellationToken,
) {
    let most = super::files::connections(options.max_connections);
    let places = Arc::new(Semaphore::new(most as usize));
    let server = Arc::new(Server { site, options, tls, stop, http: protocol(tasks.clone()) });
    loop {
        let accepted = tokio::select! {
            () = server.stop.cancelled() => break,
            accepted = accept(&listener, &places) => accepted,
        };
        match accepted {
            Ok((stream, peer, place)) => {
                let server = server.clone();
                tasks.spawn("connection", async move {
                    server.attend(stream, peer).await;
                    drop(place);
                });
            }
            Err(error) => accept_failed(&error).await,
        }
    }
    drop(listener);
    // Every connection task ends by itself after the grace time at the latest.
    let _all = places.acquire_many(most).await;
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let place = places.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, place))
}

async fn accept_failed(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    // These concern the one connection that was not accepted.
    if !matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        tracing::error!(%error, "can't accept a connection");
        tokio::time::sleep(ACCEPT_BACKOFF).await;
    }
}

fn protocol(tasks: Tasks) -> auto::Builder<Spawner> {
    let mut http = auto::Builder::new(Spawner(tasks));
    // The waits for heads are watched by `Patient`. A sender that has said everything may close its
    // half of the connection and still wait for the answer.
    http.http1().timer(TokioTimer::new()).header_read_timeout(None).half_close(true);
    http.http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(128)
        .max_header_list_size(16 << 10)
        .keep_alive_interval(Duration::from_mins(1))
        .keep_alive_timeout(Duration::from_secs(20));
    http
}

/// Gives the streams of HTTP/2 connections an owner.
#[derive(Debug, Clone)]
struct Spawner(Tasks);

impl<F> hyper::rt::Executor<F> for Spawner
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, stream: F) {
        self.0.spawn("stream", stream);
    }
}

struct Server<S> {
    site: S,
    options: ServeOptions,
    tls: Option<Tls>,
    stop: CancellationToken,
    http: auto::Builder<Spawner>,
}

impl<S: Site> Server<S> {
    async fn attend(&self, stream: TcpStream, peer: SocketAddr) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%peer, %error, "can't set TCP_NODELAY");
        }
        let Some(tls) = &self.tls else { return self.talk(stream, peer).await };
        let handshake = tls.acceptor().accept(stream);
        let handshake = tokio::time::timeout(self.options.patience.head, handshake);
        let handshake = tokio::select! {
            handshake = handshake => handshake,
            () = self.stop.cancelled() => return,
        };
        match handshake {
            Ok(Ok(stream)) => self.talk(stream, peer).await,
            Ok(Err(error)) => tracing::info!(%peer, %error, "TLS handshake failed"),
            Err(_) => tracing::info!(%peer, "TLS handshake took too long"),
        }
    }

    async fn talk<IO>(&self, io: IO, peer: SocketAddr)
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let activity = Activity::new();
        let patient = Patient::new(io, activity.clone(), self.options.patience);
        let site = self.site.clone();
        let service = hyper::service::service_fn(move |request: Request<Incoming>| {
            answer(site.clone(), activity.clone(), peer, request)
        });
        let connection = self.http.serve_connection(TokioIo::new(patient), service);
        tokio::pin!(connection);
        let end = tokio::select! {
            end = connection.as_mut() => end,
            () = self.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                match tokio::time::timeout(self.options.grace, connection).await {
                    Ok(end) => end,
                    Err(_) => return tracing::warn!(%peer, "connection dropped: out of grace time"),
                }
            }
        };
        if let Err(error) = end {
            tracing::debug!(%peer, %error, "connection ended");
        }
    }
}

async fn answer<S: Site>(
    mut site: S,
    activity: Arc<Activity>,
    peer: SocketAddr,
    mut request: Request<Incoming>,
) -> Result<Response<AnswerBody>, Infallible> {
    let at_work = activity.request(request.version());
    request.extensions_mut().insert(ConnectInfo(peer));
    let response = site.call(request).await?;
    Ok(response.map(|body| AnswerBody { body, _at_work: at_work }))
}

/// An answer's body; its request is at work until it is sent.
struct AnswerBody {
    body: Body,
    _at_work: AtWork,
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
