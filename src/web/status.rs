//! `GET /api/v1/status`: the program at a glance.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use jiff::Timestamp;
use serde::Serialize;

use crate::heartbeats::HeartbeatView;
use crate::routing::ChatAlias;

use super::{Doors, answer};

#[derive(Debug, Serialize)]
struct Status {
    version: &'static str,
    started_at: Timestamp,
    uptime_seconds: i64,
    ready: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_ready_because: Option<String>,
    outbox_bytes: u64,
    chats: Vec<ChatStatus>,
    heartbeats: Vec<HeartbeatView>,
}

#[derive(Debug, Serialize)]
struct ChatStatus {
    chat: ChatAlias,
    waiting: u64,
    dead: u64,
    oldest_waiting: Option<Timestamp>,
    /// When Telegram last took a call for the chat, since the start.
    last_success: Option<Timestamp>,
}

pub(super) async fn status(State(doors): State<Arc<Doors>>) -> Response {
    let totals = match doors.totals().await {
        Ok(totals) => totals,
        Err(error) => return answer::store_error(&error),
    };
    let not_ready_because = doors.readiness.check(doors.outbox()).await.err();
    let now = doors.clock().now();
    let status = Status {
        version: doors.version,
        started_at: doors.started_at,
        uptime_seconds: now.duration_since(doors.started_at).as_secs().max(0),
        ready: not_ready_because.is_none(),
        not_ready_because,
        outbox_bytes: totals.bytes,
        chats: totals
            .chats
            .into_iter()
            .map(|(chat, of_chat)| ChatStatus {
                waiting: of_chat.waiting,
                dead: of_chat.dead,
                oldest_waiting: of_chat.oldest_waiting,
                last_success: doors.last_success(&chat),
                chat,
            })
            .collect(),
        heartbeats: doors.intake.heartbeats.views(),
    };
    answer::ok(serde_json::json!(status))
}

impl Doors {
    fn last_success(&self, chat: &ChatAlias) -> Option<Timestamp> {
        let gauge = self.intake.metrics.last_success.with_label_values(&[chat.as_str()]);
        #[expect(clippy::cast_possible_truncation, reason = "seconds of this era fit an i64")]
        let seconds = gauge.get() as i64;
        (seconds > 0).then(|| Timestamp::from_second(seconds).ok()).flatten()
    }
}
