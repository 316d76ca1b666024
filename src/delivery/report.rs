//! What delivery tells those who wait for a certain alert to be shown, or look at what waits.

use std::fmt;

use tokio::sync::broadcast;

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
    /// It did not; it will be tried again. `lasts`: in vain, as long as nobody acts.
    Waiting { why: String, lasts: bool },
    /// A person is needed.
    Dead { why: String },
}

/// What keeps a lane from saying what waits in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hindrance {
    pub why: String,
    /// It does not pass by itself: a person has to act.
    pub lasts: bool,
}

/// What others may know of delivery.
pub trait Insight: fmt::Debug + Send + Sync + 'static {
    /// What happens from now on.
    fn reports(&self) -> broadcast::Receiver<Report>;

    /// What keeps the lane from speaking, beside its pace; `None` when nothing is known to.
    fn hindrance(&self, lane: &LaneId) -> Option<Hindrance>;
}
