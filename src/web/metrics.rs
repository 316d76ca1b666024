//! `GET /metrics`: what is counted, with the store's totals as of now.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header;

use crate::outbox::Totals;

use super::Doors;

/// The Prometheus text format, version 0.0.4.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) async fn metrics(State(doors): State<Arc<Doors>>) -> Response {
    match doors.totals().await {
        Ok(totals) => doors.expose(&totals),
        Err(error) => tracing::warn!(%error, "the outbox gives no totals for /metrics"),
    }
    ([(header::CONTENT_TYPE, TEXT_FORMAT)], doors.intake.metrics.render()).into_response()
}

impl Doors {
    fn expose(&self, totals: &Totals) {
        let metrics = &self.intake.metrics;
        let now = self.clock().now();
        metrics.outbox_bytes.set(i64::try_from(totals.bytes).unwrap_or(i64::MAX));
        metrics.keep_chats(|chat| totals.chats.keys().any(|known| known.as_str() == chat));
        for (chat, of_chat) in &totals.chats {
            metrics.introduce_chat(chat.as_str());
            for (state, count) in [("waiting", of_chat.waiting), ("dead", of_chat.dead)] {
                let gauge = metrics.outbox_entries.with_label_values(&[chat.as_str(), state]);
                gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
            }
            let age = of_chat.oldest_waiting.map_or(0.0, |at| now.duration_since(at).as_secs_f64());
            let gauge = metrics.outbox_oldest_entry_age.with_label_values(&[chat.as_str()]);
            gauge.set(age.max(0.0));
        }
    }
}
