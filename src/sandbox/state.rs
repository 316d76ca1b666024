//! Everything the sandbox knows, behind one lock.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;

use super::chat::{Chat, ChatKind, Shown};
use super::faults::Faults;
use super::limits::Pace;
use super::params::Params;
use super::refusal::Refusal;
use super::{SandboxOptions, TextParser};
use crate::clock::Clock;
use crate::telegram::{ChatId, MessageId, TopicId};

/// Requests that the log keeps.
const KEPT_REQUESTS: usize = 200_000;
/// Updates that may wait for a slow page before it is told to read everything again.
const KEPT_EVENTS: usize = 1024;

/// One request to the Bot API, as it was seen.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Seen {
    /// The number of the request, from 0.
    pub number: u64,
    pub method: String,
    pub chat: Option<ChatId>,
    /// Milliseconds since the sandbox started.
    pub at_ms: u64,
    /// The HTTP status answered; absent while there is none and when the connection was cut.
    pub status: Option<u16>,
    /// The error's text.
    pub description: Option<String>,
    /// The parameters.
    pub body: Value,
}

/// What changed, for pages that look on.
#[derive(Debug, Clone)]
pub(super) enum Event {
    Message(Box<Shown>),
    Deleted { chat: ChatId, id: MessageId },
    Chats,
}

pub(super) struct World {
    pub(super) tokens: BTreeSet<String>,
    pub(super) chats: BTreeMap<ChatId, Chat>,
    pub(super) pace: Pace,
    pub(super) faults: Faults,
    pub(super) requests: VecDeque<Seen>,
    pub(super) next_request: u64,
    pub(super) rate_limited: u64,
    pub(super) updates: VecDeque<(i64, Value)>,
    pub(super) next_update: i64,
    /// Raised by every getUpdates: an older one that still waits loses.
    pub(super) poller: u64,
}

/// What every connection shares.
pub(super) struct Shared {
    world: Mutex<World>,
    changed: watch::Sender<u64>,
    pub(super) events: broadcast::Sender<Event>,
    pub(super) parser: Arc<dyn TextParser>,
    pub(super) bot_name: String,
    clock: Arc<Clock>,
    started: Instant,
    open_to_all: bool,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("started", &self.started).finish_non_exhaustive()
    }
}

impl Shared {
    pub(super) fn new(options: SandboxOptions) -> Self {
        let world = World {
            tokens: BTreeSet::from([options.token]),
            chats: BTreeMap::new(),
            pace: Pace::new(options.limits),
            faults: Faults::default(),
            requests: VecDeque::new(),
            next_request: 0,
            rate_limited: 0,
            updates: VecDeque::new(),
            next_update: 1,
            poller: 0,
        };
        Self {
            world: Mutex::new(world),
            changed: watch::Sender::new(0),
            events: broadcast::Sender::new(KEPT_EVENTS),
            parser: options.parser,
            bot_name: options.bot_name,
            clock: options.clock,
            started: Instant::now(),
            open_to_all: options.open_to_all,
        }
    }

    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes everyone who waits for something to happen.
    pub(super) fn note_change(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    pub(super) fn tell(&self, event: Event) {
        // Nobody may be looking on.
        let _ = self.events.send(event);
        self.note_change();
    }

    /// Since the sandbox started.
    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Unix seconds.
    pub(super) fn unix_now(&self) -> i64 {
        self.clock.now().as_second()
    }

    /// The bot as a user of the Bot API.
    pub(super) fn bot(&self, token: &str) -> Value {
        let id: i64 = token.split(':').next().and_then(|id| id.parse().ok()).unwrap_or_default();
        json!({
            "id": id, "is_bot": true, "first_name": self.bot_name, "username": "nabat_sandbox_bot",
        })
    }

    /// Notes a request; the number is for [`Shared::answered`].
    pub(super) fn arrived(&self, method: &str, params: &Params) -> u64 {
        let mut world = self.world();
        let number = world.next_request;
        world.next_request += 1;
        if world.requests.len() == KEPT_REQUESTS {
            world.requests.pop_front();
        }
        world.requests.push_back(Seen {
            number,
            method: method.to_owned(),
            chat: params.chat(),
            at_ms: super::chat::millis(self.elapsed()),
            status: None,
            description: None,
            body: params.to_json(),
        });
        drop(world);
        self.note_change();
        number
    }

    /// Notes what a request was answered.
    pub(super) fn answered(&self, number: u64, status: u16, description: Option<&str>) {
        let mut world = self.world();
        if status == 429 {
            world.rate_limited += 1;
        }
        let oldest = world.requests.front().map_or(0, |seen| seen.number);
        let index = number.checked_sub(oldest).and_then(|index| usize::try_from(index).ok());
        if let Some(seen) = index.and_then(|index| world.requests.get_mut(index)) {
            seen.status = Some(status);
            seen.description = description.map(str::to_owned);
        }
        drop(world);
        self.note_change();
    }

    /// The chat that a request names, opened on the way when the sandbox is open to all.
    pub(super) fn chat<'w>(
        &self,
        world: &'w mut World,
        params: &Params,
    ) -> Result<&'w mut Chat, Refusal> {
        if params.text("chat_id").is_empty() {
            return Err(Refusal::bad("chat_id is empty"));
        }
        let Some(id) = params.chat().and_then(|id| ChatId::new(id.0)) else {
            return Err(Refusal::bad("chat not found"));
        };
        if self.open_to_all && !world.chats.contains_key(&id) {
            world.chats.insert(id, casual_chat(id, params.topic()));
            self.tell(Event::Chats);
        }
        world.chats.get_mut(&id).ok_or_else(|| Refusal::bad("chat not found"))
    }
}

/// A chat made up for a number that nobody declared.
fn casual_chat(id: ChatId, topic: Option<TopicId>) -> Chat {
    /// Supergroups and channels lie below this, basic groups above.
    const HIGHEST_SUPERGROUP: i64 = -1_000_000_000_000;
    let (kind, title) = if id.is_private() {
        (ChatKind::Private, "You")
    } else if id.0 < HIGHEST_SUPERGROUP {
        (ChatKind::Supergroup { forum: topic.is_some() }, "Alerts")
    } else {
        (ChatKind::Group, "Alerts")
    };
    let mut chat = Chat::new(id, kind, title);
    chat.casual = true;
    chat
}
