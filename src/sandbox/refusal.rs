//! Telegram's refusals, in its own words and shape.

use serde_json::{Value, json};

use crate::telegram::ChatId;

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    BadRequest(String),
    Unauthorized,
    Forbidden(String),
    /// The address names no bot.
    NotFound,
    /// The bot exists, the method does not.
    NoSuchMethod,
    MethodNotAllowed,
    Conflict,
    /// Retry after so many seconds.
    TooMany(u64),
    /// The group became this supergroup.
    Migrated(ChatId),
}

impl Refusal {
    pub(super) fn bad(text: impl Into<String>) -> Self {
        Self::BadRequest(text.into())
    }

    pub(super) fn status(&self) -> u16 {
        match self {
            Self::BadRequest(_) | Self::Migrated(_) => 400,
            Self::Unauthorized => 401,
            Self::Forbidden(_) => 403,
            Self::NotFound | Self::NoSuchMethod => 404,
            Self::MethodNotAllowed => 405,
            Self::Conflict => 409,
            Self::TooMany(_) => 429,
        }
    }

    pub(super) fn description(&self) -> String {
        match self {
            Self::BadRequest(text) => format!("Bad Request: {text}"),
            Self::Migrated(_) => {
                "Bad Request: group chat was upgraded to a supergroup chat".to_owned()
            }
            Self::Unauthorized => "Unauthorized".to_owned(),
            Self::Forbidden(text) => format!("Forbidden: {text}"),
            Self::NotFound => "Not Found".to_owned(),
            Self::NoSuchMethod => "Not Found: method not found".to_owned(),
            Self::MethodNotAllowed => "Method Not Allowed".to_owned(),
            Self::Conflict => "Conflict: terminated by other getUpdates request; make sure that \
                               only one bot instance is running"
                .to_owned(),
            Self::TooMany(seconds) => format!("Too Many Requests: retry after {seconds}"),
        }
    }

    /// The answer's body.
    pub(super) fn body(&self) -> Value {
        let mut body = json!({
            "ok": false, "error_code": self.status(), "description": self.description(),
        });
        match self {
            Self::TooMany(seconds) => body["parameters"] = json!({"retry_after": seconds}),
            Self::Migrated(to) => body["parameters"] = json!({"migrate_to_chat_id": to}),
            _ => {}
        }
        body
    }
}
