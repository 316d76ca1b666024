//! Telegram's identifiers as types, so that none is taken for another.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A chat's number: positive for a private chat, negative for a group or channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChatId(pub i64);

impl ChatId {
    /// The smallest id a bot can meet (tdlib's lowest channel id).
    const LOWEST: i64 = -1_997_852_516_352;

    /// Takes `raw` when Telegram could have given it to a chat.
    pub fn new(raw: i64) -> Option<Self> {
        (raw != 0 && (Self::LOWEST..1 << 52).contains(&raw)).then_some(Self(raw))
    }

    /// Whether this is a one-to-one chat; groups and channels have another pace.
    pub fn is_private(self) -> bool {
        self.0 > 0
    }
}

/// A forum topic (`message_thread_id`) inside a supergroup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TopicId(pub i32);

/// A message inside one chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MessageId(pub i32);

impl fmt::Display for ChatId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
