//! JSON answers, all of one shape: `{"status":"ok",…}` or `{"status":"error","error":"…"}`.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::{Map, Value};

use crate::ingest::refused;
use crate::outbox::StoreError;

/// 200 with `status: ok` and the given fields.
pub(super) fn ok(fields: Value) -> Response {
    let mut answer = Map::from_iter([("status".to_owned(), Value::from("ok"))]);
    if let Value::Object(fields) = fields {
        answer.extend(fields);
    }
    Json(answer).into_response()
}

/// An error that a person reads.
pub(super) fn error(status: StatusCode, error: impl Into<String>) -> Response {
    refused(status, error.into())
}

/// What the store's refusal is answered with.
pub(super) fn store_error(refusal: &StoreError) -> Response {
    let status = match refusal {
        StoreError::NoSuchEntry(_) => StatusCode::NOT_FOUND,
        StoreError::LeaseLost(_) => StatusCode::CONFLICT,
        StoreError::Unreadable(_) => StatusCode::INTERNAL_SERVER_ERROR,
        StoreError::Full(_) | StoreError::Commit(_) | StoreError::Closed => {
            StatusCode::SERVICE_UNAVAILABLE
        }
    };
    error(status, refusal.to_string())
}
