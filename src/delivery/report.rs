//! What delivery tells those who wait for a certain alert to be shown.

use crate::alert::GroupId;
use crate::routing::LaneId;
use crate::telegram::{ChatId, MessageId};

/// What happened to a group in a lane just now; sent over a broadcast channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub lane: LaneId,
    pub group: GroupId,
    pub outcome: Outcome,
}

/// How one attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Telegram took the message.
    Shown { chat: ChatId, message: MessageId },
    /// It did not; it will be tried again.
    Waiting { why: String },
    /// A person is needed.
    Dead { why: String },
}
