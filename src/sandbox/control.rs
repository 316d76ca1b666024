//! What a test can see and cause, in the same process.

use std::time::Duration;

use serde_json::json;

use super::chat::{Access, Chat, ChatKind, Shown, Topic};
use super::faults::Fault;
use super::state::{Event, Seen};
use super::{Limits, Sandbox};
use crate::telegram::{ChatId, MessageId, TopicId};

/// Looking.
impl Sandbox {
    /// What the chat shows now, oldest first; nothing when there is no such chat.
    pub fn messages(&self, chat: ChatId) -> Vec<Shown> {
        let world = self.shared.world();
        world
            .chats
            .get(&chat)
            .map(|chat| chat.messages.values().cloned().collect())
            .unwrap_or_default()
    }

    /// How many messages the chat shows; cheaper than [`Sandbox::messages`] when there are many.
    pub fn count_messages(&self, chat: ChatId) -> usize {
        self.shared.world().chats.get(&chat).map_or(0, |chat| chat.messages.len())
    }

    /// One message, unless it was deleted.
    pub fn message(&self, chat: ChatId, id: MessageId) -> Option<Shown> {
        self.shared.world().chats.get(&chat)?.messages.get(&id).cloned()
    }

    /// Every request to the Bot API (the last 200 000), oldest first.
    pub fn requests(&self) -> Vec<Seen> {
        self.shared.world().requests.iter().cloned().collect()
    }

    /// How many requests to the Bot API there were; cheaper than [`Sandbox::requests`].
    pub fn count_requests(&self) -> u64 {
        self.shared.world().requests.back().map_or(0, |last| last.number + 1)
    }

    /// The time since the sandbox started, as [`Shown::sent_at`] counts it.
    pub fn elapsed(&self) -> Duration {
        self.shared.elapsed()
    }

    /// How many requests were answered 429, injected ones included.
    pub fn count_429(&self) -> u64 {
        self.shared.world().rate_limited
    }

    /// Waits until `holds`, looking again whenever something happens here. False when it did not
    /// hold `within` that time.
    #[must_use = "false means that it never held"]
    pub async fn wait_for(&self, within: Duration, mut holds: impl FnMut(&Self) -> bool) -> bool {
        let mut changes = self.shared.changes();
        let looking = async {
            loop {
                changes.mark_unchanged();
                if holds(self) || changes.changed().await.is_err() {
                    return;
                }
            }
        };
        tokio::time::timeout(within, looking).await.is_ok()
    }
}

/// The chats.
impl Sandbox {
    /// Declares a chat; an earlier one with this id is forgotten.
    pub fn add_chat(&self, id: ChatId, kind: ChatKind, title: &str) {
        self.shared.world().chats.insert(id, Chat::new(id, kind, title));
        self.shared.tell(Event::Chats);
    }

    /// Adds a topic to a forum.
    pub fn add_topic(&self, chat: ChatId, topic: TopicId, name: &str) {
        self.change_chat(chat, |chat| {
            chat.topics.insert(topic, Topic { name: name.to_owned(), closed: false });
        });
    }

    /// Closes a topic: what is sent there is refused.
    pub fn close_topic(&self, chat: ChatId, topic: TopicId) {
        self.change_chat(chat, |chat| {
            if let Some(topic) = chat.topics.get_mut(&topic) {
                topic.closed = true;
            }
        });
    }

    /// Deletes a topic with its messages.
    pub fn delete_topic(&self, chat: ChatId, topic: TopicId) {
        self.change_chat(chat, |chat| {
            chat.topics.remove(&topic);
            chat.messages.retain(|_, shown| shown.topic != Some(topic));
        });
    }

    /// Changes what the bot may do in a chat.
    pub fn set_access(&self, chat: ChatId, access: Access) {
        self.change_chat(chat, |chat| chat.access = access);
    }

    /// Gives or takes the bot's right to pin messages and to open topics.
    pub fn set_admin(&self, chat: ChatId, admin: bool) {
        self.change_chat(chat, |chat| chat.admin = admin);
    }

    /// The topics of a forum, with their names.
    pub fn topics(&self, chat: ChatId) -> Vec<(TopicId, String)> {
        let world = self.shared.world();
        let topics = world.chats.get(&chat).into_iter().flat_map(|chat| &chat.topics);
        topics.map(|(id, topic)| (*id, topic.name.clone())).collect()
    }

    /// Kicks the bot out of a group or channel, or blocks it as a person does.
    pub fn kick(&self, chat: ChatId) {
        self.set_access(chat, Access::Kicked);
    }

    /// Turns the group `old` into the supergroup `new`, an empty chat of the same title.
    pub fn migrate_chat(&self, old: ChatId, new: ChatId) {
        let mut title = String::new();
        self.change_chat(old, |chat| {
            chat.access = Access::MovedTo(new);
            title.clone_from(&chat.title);
        });
        self.add_chat(new, ChatKind::Supergroup { forum: false }, &title);
    }

    /// Deletes a message, as an administrator would.
    pub fn delete_message(&self, chat: ChatId, id: MessageId) {
        self.change_chat(chat, |chat| drop(chat.messages.remove(&id)));
        self.shared.tell(Event::Deleted { chat, id });
    }

    /// Lets a person write to a chat; the bot learns of it through getUpdates.
    ///
    /// Returns the message's id; nothing happens in a chat that does not exist.
    pub fn person_says(&self, chat: ChatId, text: &str) -> Option<MessageId> {
        let mut world = self.shared.world();
        let chat = world.chats.get_mut(&chat)?;
        let shown = Shown {
            id: chat.next_id(),
            chat: chat.id,
            topic: None,
            from_bot: false,
            text: text.to_owned(),
            entities: Vec::new(),
            source: text.to_owned(),
            photo: None,
            rich: None,
            silent: false,
            preview: true,
            reply_to: None,
            buttons: Vec::new(),
            pinned: false,
            edits: 0,
            sent_at: self.shared.elapsed(),
            edited_at: None,
            date: self.shared.unix_now(),
            edit_date: None,
        };
        chat.messages.insert(shown.id, shown.clone());
        let kind = if chat.kind == ChatKind::Channel { "channel_post" } else { "message" };
        let message = chat.message_json(&shown, &json!(null));
        world.push_update(json!({kind: message}));
        let id = shown.id;
        drop(world);
        self.shared.tell(Event::Message(Box::new(shown)));
        Some(id)
    }

    fn change_chat(&self, id: ChatId, change: impl FnOnce(&mut Chat)) {
        if let Some(chat) = self.shared.world().chats.get_mut(&id) {
            change(chat);
        }
        self.shared.tell(Event::Chats);
    }
}

/// The troubles.
impl Sandbox {
    /// Arms a fault. Several for the same request wait their turn.
    pub fn inject(&self, fault: Fault) {
        self.shared.world().faults.arm(fault);
        self.shared.note_change();
    }

    /// Disarms every fault.
    pub fn clear_faults(&self) {
        self.shared.world().faults.clear();
        self.shared.note_change();
    }

    /// The faults that still wait.
    pub fn armed_faults(&self) -> Vec<Fault> {
        self.shared.world().faults.armed().to_vec()
    }

    /// Revokes every token: all requests are answered 401.
    pub fn revoke_token(&self) {
        self.shared.world().tokens.clear();
    }

    /// Accepts this token and no other.
    pub fn set_token(&self, token: &str) {
        self.shared.world().tokens = [token.to_owned()].into();
    }

    /// Accepts this token as well.
    pub fn accept_token(&self, token: &str) {
        self.shared.world().tokens.insert(token.to_owned());
    }

    /// Changes the pace that the bot is held to, and forgets what was sent.
    pub fn set_limits(&self, limits: Limits) {
        self.shared.world().pace = super::limits::Pace::new(limits);
    }
}
