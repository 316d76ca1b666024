//! The sandbox's control over HTTP, for tests whose nabat is another process, and for the page.
//!
//! | request | answer |
//! | --- | --- |
//! | `GET /sandbox/chats` | the bot and its chats |
//! | `GET /sandbox/messages?chat=&last=` | what a chat shows, oldest first |
//! | `GET /sandbox/photo?chat=&message=` | the photo of a message |
//! | `GET /sandbox/requests?from=` | the log of requests, from that number on |
//! | `GET /sandbox/stats` | requests, 429s and messages counted |
//! | `GET`, `POST`, `DELETE /sandbox/faults` | the faults that wait; arm one; disarm all |
//! | `POST /sandbox/acts` | cause an [`Act`] |
//! | `GET /sandbox/events` | what changes, as server-sent events |
//!
//! There is no login: whoever reaches the port is the operator.

use std::convert::Infallible;

use axum::Json;
use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::Stream;
use futures_util::stream;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;

use super::chat::{Access, Chat, ChatKind};
use super::faults::Fault;
use super::state::Event;
use super::{Limits, Sandbox, Seen};
use crate::telegram::{ChatId, MessageId, TopicId};

/// Something that happens at Telegram's side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case", deny_unknown_fields)]
pub enum Act {
    AddChat { chat: ChatId, kind: ChatKind, title: String },
    AddTopic { chat: ChatId, topic: TopicId, name: String },
    CloseTopic { chat: ChatId, topic: TopicId },
    DeleteTopic { chat: ChatId, topic: TopicId },
    SetAccess { chat: ChatId, access: Access },
    SetAdmin { chat: ChatId, admin: bool },
    MigrateChat { chat: ChatId, new: ChatId },
    DeleteMessage { chat: ChatId, message: MessageId },
    PersonSays { chat: ChatId, text: String },
    RevokeToken,
    SetToken { token: String },
    SetLimits { limits: Limits },
}

impl Sandbox {
    /// Causes an act, as `POST /sandbox/acts` does.
    pub fn cause(&self, act: Act) {
        match act {
            Act::AddChat { chat, kind, title } => self.add_chat(chat, kind, &title),
            Act::AddTopic { chat, topic, name } => self.add_topic(chat, topic, &name),
            Act::CloseTopic { chat, topic } => self.close_topic(chat, topic),
            Act::DeleteTopic { chat, topic } => self.delete_topic(chat, topic),
            Act::SetAccess { chat, access } => self.set_access(chat, access),
            Act::SetAdmin { chat, admin } => self.set_admin(chat, admin),
            Act::MigrateChat { chat, new } => self.migrate_chat(chat, new),
            Act::DeleteMessage { chat, message } => self.delete_message(chat, message),
            Act::PersonSays { chat, text } => drop(self.person_says(chat, &text)),
            Act::RevokeToken => self.revoke_token(),
            Act::SetToken { token } => self.set_token(&token),
            Act::SetLimits { limits } => self.set_limits(limits),
        }
    }
}

/// The control's part of the router.
pub(super) fn router() -> Router<Sandbox> {
    Router::new()
        .route("/sandbox/chats", get(chats))
        .route("/sandbox/messages", get(messages))
        .route("/sandbox/photo", get(photo))
        .route("/sandbox/requests", get(requests))
        .route("/sandbox/stats", get(stats))
        .route("/sandbox/faults", get(faults).post(arm).delete(disarm))
        .route("/sandbox/acts", post(act))
        .route("/sandbox/events", get(events))
}

async fn chats(State(sandbox): State<Sandbox>) -> Json<Value> {
    let world = sandbox.shared.world();
    let chats: Vec<Value> = world.chats.values().map(chat_json).collect();
    Json(json!({"bot": {"name": sandbox.shared.bot_name}, "chats": chats}))
}

fn chat_json(chat: &Chat) -> Value {
    let topics = chat.topics.iter();
    let topics: Vec<Value> = topics
        .map(|(id, topic)| json!({"id": id, "name": topic.name, "closed": topic.closed}))
        .collect();
    json!({
        "id": chat.id, "kind": chat.kind.name(), "title": chat.title, "topics": topics,
        "last": chat.messages.values().next_back().map(super::Shown::to_json),
    })
}

#[derive(Deserialize)]
struct MessagesQuery {
    chat: ChatId,
    last: Option<usize>,
}

async fn messages(
    State(sandbox): State<Sandbox>,
    Query(query): Query<MessagesQuery>,
) -> Json<Vec<Value>> {
    let shown = sandbox.messages(query.chat);
    let first = query.last.map_or(0, |last| shown.len().saturating_sub(last));
    Json(shown[first..].iter().map(super::Shown::to_json).collect())
}

#[derive(Deserialize)]
struct PhotoQuery {
    chat: ChatId,
    message: MessageId,
}

async fn photo(State(sandbox): State<Sandbox>, Query(query): Query<PhotoQuery>) -> Response {
    match sandbox.message(query.chat, query.message).and_then(|shown| shown.photo) {
        Some(photo) => ([(CONTENT_TYPE, photo.content_type)], photo.content).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

#[derive(Deserialize)]
struct RequestsQuery {
    #[serde(default)]
    from: u64,
}

async fn requests(
    State(sandbox): State<Sandbox>,
    Query(query): Query<RequestsQuery>,
) -> Json<Vec<Seen>> {
    let seen = sandbox.requests();
    Json(seen.into_iter().filter(|seen| seen.number >= query.from).collect())
}

async fn stats(State(sandbox): State<Sandbox>) -> Json<Value> {
    let world = sandbox.shared.world();
    Json(json!({
        "requests": world.next_request,
        "rate_limited": world.rate_limited,
        "messages": world.chats.values().map(|chat| chat.messages.len()).sum::<usize>(),
    }))
}

async fn faults(State(sandbox): State<Sandbox>) -> Json<Vec<Fault>> {
    Json(sandbox.armed_faults())
}

async fn arm(State(sandbox): State<Sandbox>, Json(fault): Json<Fault>) -> StatusCode {
    sandbox.inject(fault);
    StatusCode::NO_CONTENT
}

async fn disarm(State(sandbox): State<Sandbox>) -> StatusCode {
    sandbox.clear_faults();
    StatusCode::NO_CONTENT
}

async fn act(State(sandbox): State<Sandbox>, Json(act): Json<Act>) -> StatusCode {
    sandbox.cause(act);
    StatusCode::NO_CONTENT
}

async fn events(State(sandbox): State<Sandbox>) -> impl IntoResponse {
    Sse::new(changes(&sandbox)).keep_alive(KeepAlive::default())
}

/// What changes from now on. A page that fell behind is told to read the chats again.
fn changes(sandbox: &Sandbox) -> impl Stream<Item = Result<sse::Event, Infallible>> + Send + use<> {
    stream::unfold(sandbox.shared.events.subscribe(), |mut events| async move {
        let event = match events.recv().await {
            Ok(Event::Message(shown)) => named("shown", &shown.to_json()),
            Ok(Event::Deleted { chat, id }) => named("deleted", &json!({"chat": chat, "id": id})),
            Ok(Event::Chats) | Err(RecvError::Lagged(_)) => named("chats", &json!({})),
            Err(RecvError::Closed) => return None,
        };
        Some((Ok(event), events))
    })
}

fn named(name: &str, data: &Value) -> sse::Event {
    sse::Event::default().event(name).data(data.to_string())
}
