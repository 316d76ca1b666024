//! Chats of the sandbox and what they show.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::keyboard::{Button, markup_json};
use super::picture::Picture;
use super::refusal::Refusal;
use super::rich::Block;
use super::text::entities_json;
use crate::telegram::markup::Entity;
use crate::telegram::{ChatId, MessageId, TopicId};

/// What kind of chat it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChatKind {
    Private,
    Group,
    Supergroup {
        /// Whether it has topics.
        forum: bool,
    },
    Channel,
}

impl ChatKind {
    /// The Bot API's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Group => "group",
            Self::Supergroup { .. } => "supergroup",
            Self::Channel => "channel",
        }
    }
}

/// What the bot may do in a chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    #[default]
    Open,
    /// Kicked from the group, or blocked by the person.
    Kicked,
    /// Left the group, or never was in it; for a person: they never wrote to the bot.
    Outside,
    /// The group was deleted, or the person's account.
    Gone,
    /// The bot may not write texts here.
    NoRights,
    /// The group became this supergroup.
    MovedTo(ChatId),
}

/// A forum topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Topic {
    pub(super) name: String,
    pub(super) closed: bool,
}

/// A message as the chat shows it now.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "a message has that many independent marks")]
pub struct Shown {
    pub id: MessageId,
    pub chat: ChatId,
    pub topic: Option<TopicId>,
    /// False for what a person said.
    pub from_bot: bool,
    /// The parsed and cleaned text.
    pub text: String,
    pub entities: Vec<Entity>,
    /// The text as it was sent, markup and all.
    pub source: String,
    pub photo: Option<Picture>,
    /// The blocks of a rich message; `text` is what they say.
    pub rich: Option<Vec<Block>>,
    /// Sent without a sound.
    pub silent: bool,
    /// Whether the first link of the text may be previewed.
    pub preview: bool,
    pub reply_to: Option<MessageId>,
    pub buttons: Vec<Vec<Button>>,
    pub pinned: bool,
    /// How often it was edited.
    pub edits: u32,
    /// Since the sandbox started.
    pub sent_at: Duration,
    /// Since the sandbox started, the last edit.
    pub edited_at: Option<Duration>,
    /// Unix seconds.
    pub date: i64,
    /// Unix seconds.
    pub edit_date: Option<i64>,
}

impl Shown {
    /// What the sandbox's own page and control answer.
    pub fn to_json(&self) -> Value {
        json!({
            "id": self.id, "chat": self.chat, "topic": self.topic, "from_bot": self.from_bot,
            "text": self.text, "entities": entities_json(&self.entities), "source": self.source,
            "silent": self.silent, "preview": self.preview, "reply_to": self.reply_to, "buttons": self.buttons,
            "photo": self.photo.is_some(), "pinned": self.pinned,
            "blocks": self.rich.iter().flatten().map(Block::to_json).collect::<Vec<_>>(),
            "edits": self.edits, "date": self.date, "edit_date": self.edit_date,
            "sent_at_ms": millis(self.sent_at), "edited_at_ms": self.edited_at.map(millis),
        })
    }
}

/// What a new message says.
#[derive(Debug, Default)]
pub(super) struct Content {
    pub(super) text: String,
    pub(super) entities: Vec<Entity>,
    pub(super) source: String,
    pub(super) photo: Option<Picture>,
    pub(super) rich: Option<Vec<Block>>,
    pub(super) preview: bool,
}

/// Whole milliseconds, for JSON.
pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// One chat.
#[derive(Debug, Clone)]
pub(super) struct Chat {
    pub(super) id: ChatId,
    pub(super) kind: ChatKind,
    pub(super) title: String,
    pub(super) access: Access,
    /// Whether the bot may pin messages and open topics.
    pub(super) admin: bool,
    /// Opened by the first message to it, with whatever topics are named.
    pub(super) casual: bool,
    pub(super) topics: BTreeMap<TopicId, Topic>,
    pub(super) messages: BTreeMap<MessageId, Shown>,
    last_id: i32,
}

impl Chat {
    pub(super) fn new(id: ChatId, kind: ChatKind, title: &str) -> Self {
        Self {
            id,
            kind,
            title: title.to_owned(),
            access: Access::Open,
            admin: true,
            casual: false,
            topics: BTreeMap::new(),
            messages: BTreeMap::new(),
            last_id: 0,
        }
    }

    pub(super) fn next_id(&mut self) -> MessageId {
        self.last_id += 1;
        MessageId(self.last_id)
    }

    pub(super) fn is_forum(&self) -> bool {
        self.kind == ChatKind::Supergroup { forum: true }
    }

    /// Whether the bot may write here at all.
    pub(super) fn admit(&self) -> Result<(), Refusal> {
        let kind = self.kind.name();
        let private = self.kind == ChatKind::Private;
        let forbidden = |text: &str| Err(Refusal::Forbidden(text.to_owned()));
        match self.access {
            Access::Open => Ok(()),
            Access::Kicked if private => forbidden("bot was blocked by the user"),
            Access::Kicked => forbidden(&format!("bot was kicked from the {kind} chat")),
            Access::Outside if private => forbidden("bot can't initiate conversation with a user"),
            Access::Outside => forbidden(&format!("bot is not a member of the {kind} chat")),
            Access::Gone if private => forbidden("user is deactivated"),
            Access::Gone => forbidden("the group chat was deleted"),
            Access::NoRights if self.kind == ChatKind::Channel => {
                Err(Refusal::bad("need administrator rights in the channel chat"))
            }
            Access::NoRights => {
                Err(Refusal::bad("not enough rights to send text messages to the chat"))
            }
            Access::MovedTo(new) => Err(Refusal::Migrated(new)),
        }
    }

    /// Whether the bot may look at it.
    pub(super) fn admit_reader(&self) -> Result<(), Refusal> {
        match self.access {
            Access::Kicked | Access::Outside if self.kind != ChatKind::Private => self.admit(),
            _ => Ok(()),
        }
    }

    /// The topic that a message with this thread id lands in. Chats without topics ignore it;
    /// in a forum the General topic (1) may not be named.
    pub(super) fn thread(&mut self, named: Option<TopicId>) -> Result<Option<TopicId>, Refusal> {
        let Some(topic) = named.filter(|_| self.is_forum()) else {
            return Ok(None);
        };
        if self.casual && topic.0 > 1 {
            let name = format!("Topic {topic}");
            self.topics.entry(topic).or_insert(Topic { name, closed: false });
        }
        match self.topics.get(&topic) {
            None => Err(Refusal::bad("message thread not found")),
            Some(Topic { closed: true, .. }) => Err(Refusal::bad("TOPIC_CLOSED")),
            Some(_) => Ok(Some(topic)),
        }
    }

    /// The chat as a message names it.
    pub(super) fn to_json(&self) -> Value {
        let mut chat = json!({"id": self.id, "type": self.kind.name()});
        if self.kind == ChatKind::Private {
            chat["first_name"] = json!(self.title);
        } else {
            chat["title"] = json!(self.title);
        }
        if self.is_forum() {
            chat["is_forum"] = json!(true);
        }
        chat
    }

    /// The message as the Bot API writes it.
    pub(super) fn message_json(&self, shown: &Shown, bot: &Value) -> Value {
        let mut message = self.bare_message_json(shown, bot);
        if let Some(replied) = shown.reply_to.and_then(|id| self.messages.get(&id)) {
            message["reply_to_message"] = self.bare_message_json(replied, bot);
        }
        message
    }

    fn bare_message_json(&self, shown: &Shown, bot: &Value) -> Value {
        let mut message = json!({
            "message_id": shown.id, "date": shown.date, "chat": self.to_json(),
        });
        let (text, entities) = match (&shown.photo, &shown.rich) {
            (Some(photo), _) => {
                let id = format!("photo-{}-{}", shown.chat, shown.id);
                message["photo"] = json!([{
                    "file_id": id, "file_unique_id": id, "width": 1, "height": 1,
                    "file_size": photo.content.len(),
                }]);
                ("caption", "caption_entities")
            }
            (None, Some(blocks)) => {
                let blocks = blocks.iter().map(Block::to_json).collect::<Vec<_>>();
                message["rich_message"] = json!({"blocks": blocks});
                ("", "")
            }
            (None, None) => ("text", "entities"),
        };
        if !text.is_empty() && !shown.text.is_empty() {
            message[text] = json!(shown.text);
        }
        if self.kind == ChatKind::Channel {
            message["sender_chat"] = self.to_json();
        } else if shown.from_bot {
            message["from"] = bot.clone();
        } else {
            message["from"] = json!({"id": 1000, "is_bot": false, "first_name": "Someone"});
        }
        if !entities.is_empty() && !shown.entities.is_empty() {
            message[entities] = Value::Array(entities_json(&shown.entities));
        }
        if !shown.buttons.is_empty() {
            message["reply_markup"] = markup_json(&shown.buttons);
        }
        if let Some(date) = shown.edit_date {
            message["edit_date"] = json!(date);
        }
        if let Some(topic) = shown.topic {
            message["message_thread_id"] = json!(topic);
            message["is_topic_message"] = json!(true);
        }
        message
    }
}
