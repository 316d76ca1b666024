//! Why a webhook is not answered 200, and with which code instead.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use bytes::Bytes;
use http::StatusCode;

use super::books::{Because, Head, Lasting, Sender};
use super::{BodyError, IntakeError};
use crate::outbox::StoreError;

/// What can go wrong while a request's body is read.
#[derive(Debug, thiserror::Error)]
pub enum BodyTrouble {
    #[error("the body is larger than {limit} bytes")]
    TooLarge { limit: usize },
    #[error("the body did not arrive within {} s", .0.as_secs_f64())]
    TooSlow(Duration),
    #[error("too many bodies are being read at this time; send it again later")]
    NoRoom,
    #[error("the body broke off: {0}")]
    Cut(String),
    #[error("the Content-Type is {0}, expected application/json")]
    NoJson(String),
    #[error("the Content-Encoding is {0:?}; send the body uncompressed")]
    Encoded(String),
}

impl BodyTrouble {
    /// The status that says it.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow(_) => StatusCode::REQUEST_TIMEOUT,
            Self::NoRoom => StatusCode::SERVICE_UNAVAILABLE,
            Self::Cut(_) => StatusCode::BAD_REQUEST,
            Self::NoJson(_) | Self::Encoded(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        }
    }
}

/// Why one webhook was refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("the chat's name in the path is not UTF-8")]
    Path,
    #[error("{0}{advice}", advice = advice(.0))]
    Trouble(#[from] BodyTrouble),
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error(transparent)]
    Intake(#[from] IntakeError),
    #[error("nabat is stopping; send it again")]
    Stopping,
}

/// What a webhook's sender can do about it.
fn advice(trouble: &BodyTrouble) -> &'static str {
    match trouble {
        BodyTrouble::TooLarge { .. } => {
            "; lower max_alerts in Alertmanager's webhook_configs, or raise nabat's \
             --web.max-body-bytes"
        }
        _ => "",
    }
}

impl Refusal {
    /// The status it is answered with. Never 429: Alertmanager does not retry that.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Trouble(trouble) => trouble.status(),
            Self::Body(BodyError::TooManyAlerts) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Path | Self::Body(_) => StatusCode::BAD_REQUEST,
            Self::Intake(IntakeError::UnknownChat { .. }) => StatusCode::NOT_FOUND,
            Self::Intake(IntakeError::Nowhere | IntakeError::Store(_)) | Self::Stopping => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
    }

    /// Whether other webhooks are refused for the same reason, until the store accepts again.
    fn lasts(&self) -> bool {
        use StoreError::{Commit, Full};
        matches!(self, Self::Intake(IntakeError::Store(Full(_) | Commit(_))))
    }

    /// The answer to `sender`, whose body began with `head`. It keeps a copy of that: the rest of the
    /// body need not stay until the answer is gone.
    pub(super) fn answer(&self, sender: &'static str, head: &[u8]) -> Response {
        let notes = (Extension(Sender(sender)), Extension(Head(Bytes::copy_from_slice(head))));
        let response = (notes, refused(self.status(), self.to_string())).into_response();
        if self.lasts() { (Extension(Lasting), response).into_response() } else { response }
    }
}

/// The answer to whoever asked for what is not done, in the one shape that all of them have.
pub fn refused(status: StatusCode, reason: String) -> Response {
    let body = Json(serde_json::json!({"status": "error", "error": reason}));
    (status, Extension(Because(reason)), body).into_response()
}
