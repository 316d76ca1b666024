//! The chat page: the sandbox's chats as a Telegram client would show them.

use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;

use super::{Sandbox, still};

/// The page without its messages, which it asks for.
pub(super) const INDEX: &str = include_str!("page/index.html");

/// Nothing from elsewhere, nothing inline: a hostile text has nothing to run.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
                      connect-src 'self'; img-src 'self' data:; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

/// The page's part of the router.
pub(super) fn router() -> Router<Sandbox> {
    Router::new()
        .route("/", get(async || file("text/html; charset=utf-8", INDEX)))
        .route("/sandbox/still", get(still::page))
        .route(
            "/sandbox/page.css",
            get(async || file("text/css; charset=utf-8", include_str!("page/page.css"))),
        )
        .route(
            "/sandbox/page.js",
            get(async || file("text/javascript; charset=utf-8", include_str!("page/page.js"))),
        )
        .route(
            "/sandbox/text.js",
            get(async || file("text/javascript; charset=utf-8", include_str!("page/text.js"))),
        )
        .route(
            "/sandbox/time.js",
            get(async || file("text/javascript; charset=utf-8", include_str!("page/time.js"))),
        )
        .route(
            "/sandbox/doodles.svg",
            get(async || file("image/svg+xml", include_str!("page/doodles.svg"))),
        )
        .route("/favicon.ico", get(async || file("image/svg+xml", include_str!("page/icon.svg"))))
}

/// One of the page's files.
pub(super) fn file(kind: &'static str, content: impl IntoResponse) -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, content)
}
