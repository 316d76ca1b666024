//! Where things are said, and how.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Topic;
use crate::rendering::ButtonKind;

/// The configured name of a chat (`ops`), also used as the metric label.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChatAlias(pub String);

impl ChatAlias {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ChatAlias {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The order in which things are said: a chat, or one topic of it.
///
/// A lane is named by the chat's alias, not by its number: the number may be a secret that is
/// not known yet when an alert must already be accepted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LaneId {
    pub chat: ChatAlias,
    pub topic: Option<Topic>,
}

impl fmt::Display for LaneId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.topic {
            Some(topic) => write!(f, "{}/{topic}", self.chat),
            None => self.chat.fmt(f),
        }
    }
}

/// How a group's later notifications are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Updates {
    /// A card that is edited, and replies to it for what a person must notice.
    #[default]
    Thread,
    /// Only the card changes.
    Edit,
    /// Every notification is a message of its own.
    New,
}

/// One place a notification goes to, with the settings of the route that chose it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destination {
    pub lane: LaneId,
    /// Whether a label chose the topic by which the group is not grouped: its next notification
    /// may choose another one. While the group is open in a topic of the chat, it stays there.
    pub by_label: bool,
    /// The template's name; `default` is built in.
    pub template: String,
    pub updates: Updates,
    /// The buttons to show, if not those of the chat.
    pub buttons: Option<Vec<ButtonKind>>,
}
