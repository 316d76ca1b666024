//! `/api/v1/outbox…`: what waits, what is dead, and what a person does about it.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;

use crate::outbox::{EntryId, EntryState, EntryView, Outbox, Retried, StoreError};
use crate::routing::LaneId;

use super::{Doors, answer};

/// How many entries are listed when nobody says.
const DEFAULT_LIMIT: u32 = 100;
/// How many are listed at most: the list is made in memory, while the store does nothing else.
const HIGHEST_LIMIT: u32 = 1000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    state: Option<EntryState>,
    limit: Option<u32>,
}

pub(super) async fn list(
    State(doors): State<Arc<Doors>>,
    filter: Result<Query<Filter>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let Query(filter) = match filter {
        Ok(filter) => filter,
        Err(fault) => {
            let fault = format!("{}; known: state=waiting|dead, limit=N", fault.body_text());
            return answer::error(StatusCode::BAD_REQUEST, fault);
        }
    };
    let limit = filter.limit.unwrap_or(DEFAULT_LIMIT);
    if limit > HIGHEST_LIMIT {
        let fault = format!("limit: {limit} is too many; at most {HIGHEST_LIMIT}");
        return answer::error(StatusCode::BAD_REQUEST, fault);
    }
    match doors.outbox().list(filter.state, limit).await {
        Ok(mut entries) => {
            for entry in &mut entries {
                doors.explain(entry);
            }
            answer::ok(serde_json::json!({"entries": entries}))
        }
        Err(error) => answer::store_error(&error),
    }
}

pub(super) async fn rejected(State(doors): State<Arc<Doors>>) -> Response {
    match doors.outbox().rejected().await {
        Ok(mut rejected) => {
            // What was kept before a secret was known.
            let scrubber = &doors.intake.scrubber;
            for one in &mut rejected {
                for text in [&mut one.path, &mut one.reason, &mut one.head] {
                    *text = scrubber.clean_address(text).into_owned();
                }
            }
            answer::ok(serde_json::json!({"rejected": rejected}))
        }
        Err(error) => answer::store_error(&error),
    }
}

pub(super) async fn show(State(doors): State<Arc<Doors>>, Path(id): Path<String>) -> Response {
    let id = match entry_id(&id) {
        Ok(id) => id,
        Err(refusal) => return refusal,
    };
    match doors.outbox().show(id).await {
        Ok(mut entry) => {
            doors.explain(&mut entry);
            answer::ok(serde_json::json!({"entry": entry}))
        }
        Err(error) => answer::store_error(&error),
    }
}

pub(super) async fn retry(State(doors): State<Arc<Doors>>, Path(id): Path<String>) -> Response {
    let id = match entry_id(&id) {
        Ok(id) => id,
        Err(refusal) => return refusal,
    };
    let chat = match doors.outbox().show(id).await {
        Ok(entry) => entry.chat,
        Err(error) => return answer::store_error(&error),
    };
    // It would be a dead letter again at once.
    if !doors.intake.router.chats().contains(&chat) {
        let fault = format!(
            "chat \"{chat}\" is not configured any more; configure it again and retry, or drop the entry"
        );
        return answer::error(StatusCode::CONFLICT, fault);
    }
    match doors.outbox().retry(id).await {
        Ok(Retried { lane, entry, with }) => {
            doors.intake.wake.urge(&lane);
            tracing::info!(entry = %id, waits_as = %entry, %lane, "entry retried by a person");
            answer::ok(serde_json::json!({
                "chat": lane.chat, "topic": lane.topic, "entry": entry, "with": with
            }))
        }
        Err(error) => answer::store_error(&error),
    }
}

/// Has everything that waits tried now, whatever pause its failures have earned it.
pub(super) async fn try_now(State(doors): State<Arc<Doors>>) -> Response {
    match lanes_of_what_waits(doors.outbox()).await {
        Ok(lanes) => {
            for lane in &lanes {
                doors.intake.wake.urge(lane);
            }
            let lanes: Vec<_> = lanes
                .iter()
                .map(|lane| serde_json::json!({"chat": lane.chat, "topic": lane.topic}))
                .collect();
            tracing::info!(lanes = lanes.len(), "what waits is tried now, as a person asked");
            answer::ok(serde_json::json!({"lanes": lanes}))
        }
        Err(error) => answer::store_error(&error),
    }
}

pub(super) async fn drop_entry(
    State(doors): State<Arc<Doors>>,
    Path(id): Path<String>,
) -> Response {
    let id = match entry_id(&id) {
        Ok(id) => id,
        Err(refusal) => return refusal,
    };
    match doors.outbox().drop_entry(id).await {
        Ok(()) => {
            tracing::warn!(entry = %id, "entry dropped by a person");
            answer::ok(serde_json::Value::Null)
        }
        Err(error) => answer::store_error(&error),
    }
}

/// The lanes of the chats in which something waits. Others have no more than a storm that is not over.
async fn lanes_of_what_waits(outbox: &dyn Outbox) -> Result<Vec<LaneId>, StoreError> {
    let chats = outbox.totals().await?.chats;
    let waits = |lane: &LaneId| chats.get(&lane.chat).is_some_and(|chat| chat.waiting > 0);
    let mut lanes = outbox.lanes().await?;
    lanes.retain(waits);
    Ok(lanes)
}

impl Doors {
    /// Says of what waits, and was not tried itself, what stops its lane.
    fn explain(&self, entry: &mut EntryView) {
        if entry.state == EntryState::Waiting && entry.last_error.is_none() {
            let lane = LaneId { chat: entry.chat.clone(), topic: entry.topic.clone() };
            entry.last_error = self.delivery.hindrance(&lane).map(|hindrance| hindrance.why);
        }
        // Telegram's and Vault's own words may hold anything.
        if let Some(why) = &mut entry.last_error {
            *why = self.intake.scrubber.clean(why).into_owned();
        }
    }
}

#[expect(clippy::result_large_err, reason = "the error is the answer itself, made once")]
fn entry_id(text: &str) -> Result<EntryId, Response> {
    text.parse().map(EntryId).map_err(|_| {
        let fault = format!("{text:?} is no entry number; GET /api/v1/outbox lists them");
        answer::error(StatusCode::BAD_REQUEST, fault)
    })
}
