//! What nabat is measured against: the same server and parser, and no store.

use axum::body::Bytes;
use axum::routing::post;
use http::StatusCode;
use nabat::clock::Clock;
use nabat::lifecycle::Tasks;
use nabat::web::{self, ServeOptions};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

async fn parse_only(body: Bytes) -> StatusCode {
    match nabat::ingest::parse(&body, Clock::system().now()) {
        Ok(notification) => {
            std::hint::black_box(notification);
            StatusCode::OK
        }
        Err(_) => StatusCode::BAD_REQUEST,
    }
}

/// Serves until killed; says its address on stdout.
pub async fn serve() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    println!("address={}", listener.local_addr().expect("bound"));
    let app = axum::Router::new().route("/alertmanager", post(parse_only));
    let stop = CancellationToken::new();
    web::serve(listener, app, ServeOptions::default(), None, Tasks::default(), stop).await;
}
