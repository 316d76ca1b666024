//! What Telegram tells of the bot and of chats, as far as people are shown it.

use serde::Deserialize;

use super::TopicId;

/// The bot that a token belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Me {
    /// Without the `@`.
    pub username: String,
}

/// A chat as the bot sees it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ChatInfo {
    /// `private`, `group`, `supergroup` or `channel`.
    #[serde(rename = "type")]
    pub kind: String,
    /// A group's or channel's name.
    #[serde(default)]
    pub title: Option<String>,
    /// A person's name.
    #[serde(default)]
    pub first_name: Option<String>,
    /// Whether the group has topics.
    #[serde(default)]
    pub is_forum: bool,
}

impl ChatInfo {
    /// What people call the chat.
    pub fn name(&self) -> &str {
        self.title.as_deref().or(self.first_name.as_deref()).unwrap_or_default()
    }
}

/// A forum topic that was just created.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct NewTopic {
    #[serde(rename = "message_thread_id")]
    pub id: TopicId,
    /// As Telegram keeps it.
    pub name: String,
}
