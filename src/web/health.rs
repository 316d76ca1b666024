//! `/-/healthy`, `/-/ready` and `/-/reload`, as Prometheus has them.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;

use super::{Doors, answer};

/// The process answers.
pub(super) async fn healthy() -> &'static str {
    "nabat is healthy.\n"
}

/// A webhook would be accepted durably.
pub(super) async fn ready(State(doors): State<Arc<Doors>>) -> Response {
    match doors.readiness.check(doors.outbox()).await {
        Ok(()) => "nabat is ready.\n".into_response(),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("nabat is not ready: {why}\n"))
            .into_response(),
    }
}

/// Loads the configuration again, all or nothing.
pub(super) async fn reload(State(doors): State<Arc<Doors>>) -> Response {
    match doors.reload.reload().await {
        Ok(()) => answer::ok(serde_json::Value::Null),
        Err(faults) => answer::error(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("the configuration was not changed: {faults}"),
        ),
    }
}
