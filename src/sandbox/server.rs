//! HTTP connections of the sandbox. A connection may be cut without an answer, which is why axum
//! does not serve them itself.

use std::io;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt;

use super::api::{self, Cut};
use super::{Sandbox, page, remote};
use crate::lifecycle::Tasks;

/// The connection was cut on purpose.
#[derive(Debug, thiserror::Error)]
#[error("cut by the sandbox")]
struct CutOff;

/// Takes connections until the program stops.
pub(super) async fn serve(listener: TcpListener, sandbox: Sandbox, tasks: Tasks) {
    let router = remote::router().merge(page::router()).fallback(api::serve).with_state(sandbox);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = tasks.stopping() => return,
        };
        match accepted {
            Ok((stream, _)) => {
                let connection = converse(stream, router.clone(), tasks.clone());
                tasks.spawn("sandbox connection", connection);
            }
            Err(error) => {
                tracing::warn!(%error, "the sandbox could not take a connection");
                // Usually too many open files; some will be closed soon.
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
    }
}

/// Serves one connection until it ends or the program stops.
async fn converse(stream: TcpStream, router: Router, tasks: Tasks) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "no TCP_NODELAY on a connection to the sandbox");
    }
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        respond(router.clone(), request.map(Body::new))
    });
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        // Clients hang up as they like, and so does the sandbox.
        _ = connection => {}
        () = tasks.stopping() => {}
    }
}

async fn respond(router: Router, request: Request) -> Result<Response, CutOff> {
    let Ok(response) = router.oneshot(request).await;
    if response.extensions().get::<Cut>().is_some() { Err(CutOff) } else { Ok(response) }
}

/// A listener on `address`, ready for the runtime.
pub(super) fn listen(address: std::net::SocketAddr) -> io::Result<TcpListener> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}
