//! The words of the store contract: what goes into a store and comes out of it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::alert::{Forgotten, GroupId, Notification};
use crate::rendering::Glance;
use crate::routing::{ChatAlias, Destination, LaneId, Topic};
use crate::telegram::{ChatId, MessageId};

/// An entry's number, never used twice in one store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EntryId(pub i64);

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What kind of message comes next for an entry; lower is sent first.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Something fires that people may not know of.
    #[default]
    News,
    /// A reminder that it still fires.
    Repeat,
    /// The group ended.
    End,
    /// A card that only has to be brought up to date, or pinned.
    Edit,
}

impl Class {
    pub const ALL: [Self; 4] = [Self::News, Self::Repeat, Self::End, Self::Edit];
}

/// The order within a lane: class, then severity, then age. The class comes first because only
/// news tell people what they do not know: no reminder, end, edit or pin delays them, however
/// severe its own group is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Priority {
    pub class: Class,
    /// Position of the worst severity in the configured order; 0 is the worst.
    pub severity: u8,
}

/// A notification on its way into the store.
#[derive(Debug, Clone)]
pub struct Submission {
    pub notification: Arc<Notification>,
    /// At least one; no lane twice. One whose topic a label chose leads to the topic of the chat in
    /// which the group is open, if there is one: something waits for it there, or a card shows it
    /// that has not ended.
    pub destinations: Vec<Destination>,
    pub priority: Priority,
    pub at: Timestamp,
}

/// What became of a submission, lane by lane, in the order of its destinations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    pub lanes: Vec<(LaneId, Fate)>,
}

impl Accepted {
    /// Whether every lane knew the event already.
    pub fn is_duplicate(&self) -> bool {
        self.lanes.iter().all(|(_, fate)| *fate == Fate::Duplicate)
    }
}

/// What became of a submission in one lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// A new entry waits.
    Queued,
    /// It was merged into an entry that waits already.
    Merged,
    /// The same event was accepted within the dedup window; nothing waits for it.
    Duplicate,
}

/// What a lane still has to say about a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub id: EntryId,
    pub lane: LaneId,
    pub template: String,
    pub updates: crate::routing::Updates,
    /// The buttons to show, if not those of the chat.
    pub buttons: Option<Vec<crate::rendering::ButtonKind>>,
    /// The merged state of the group, as far as it is not shown.
    pub state: Notification,
    /// How many notifications were merged into it; 1 when none was. Those that people were told of
    /// count until another comes.
    pub merged: u32,
    /// Alerts that it had, does not hold any more and nobody was told of.
    pub forgotten: Forgotten,
    /// Grows with every merge, so that what came during a send is not lost at its end.
    pub version: u64,
    pub first_accepted_at: Timestamp,
    pub last_accepted_at: Timestamp,
    /// How many times a send of this entry was tried and did not end well.
    pub attempts: u32,
}

/// One message of a card, as it was last shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownPart {
    pub id: MessageId,
    /// Hash of the text it shows, so that an edit that changes nothing is not sent.
    pub digest: u64,
}

/// The message (or numbered messages) that show a group in a lane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    /// The chat it stands in; a card of another chat can't be edited.
    pub chat: ChatId,
    pub parts: Vec<ShownPart>,
    /// What people have been told about the group.
    pub state: Notification,
    /// The entry and version that people were last told about by a message that can ring.
    pub told: Option<(EntryId, u64)>,
    /// The entry and version whose state the card itself shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown: Option<(EntryId, u64)>,
    /// The digest that has a line about the group, and whether the line says that it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<(MessageId, bool)>,
    /// Earlier digests whose lines about the group are not true any more, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stale: Vec<MessageId>,
    /// The message that nabat pinned for the group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned: Option<MessageId>,
    /// How many parts of an unfinished reply were sent for which entry and version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unfinished: Option<(EntryId, u64, u32)>,
    /// When it was last sent or edited.
    pub updated_at: Timestamp,
    /// When the whole group had ended and that was shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<Timestamp>,
}

/// The right to speak for one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    pub entry: EntryId,
    /// The entry's version when it was leased.
    pub version: u64,
    /// Tells this lease from an earlier one of the same entry.
    pub token: u64,
}

/// An entry to speak for, with the card that shows its group so far.
#[derive(Debug, Clone)]
pub struct Leased {
    pub lease: Lease,
    pub entry: Entry,
    pub card: Option<Card>,
    /// To be waited for before anybody is told anything.
    pub durable: Durable,
}

/// Whether the commit in which something was handed out has been made.
#[derive(Debug, Clone)]
pub struct Durable(Option<watch::Receiver<Option<bool>>>);

impl Durable {
    /// It has.
    pub fn already() -> Self {
        Self(None)
    }

    /// It has when the channel says true, and has failed when it says false or is gone.
    pub fn when(committed: watch::Receiver<Option<bool>>) -> Self {
        Self(Some(committed))
    }

    /// Waits for the commit; false when it failed, and nothing was handed out. Safe to cancel.
    pub async fn wait(&self) -> bool {
        let Some(committed) = &self.0 else { return true };
        committed.clone().wait_for(Option::is_some).await.is_ok_and(|made| *made == Some(true))
    }
}

/// How much waits in a lane, leased or not, by priority.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Backlog(pub Vec<(Priority, u64)>);

impl Backlog {
    /// How many entries wait in one of `classes`.
    pub fn of(&self, classes: &[Class]) -> u64 {
        self.0.iter().filter(|(at, _)| classes.contains(&at.class)).map(|(_, count)| count).sum()
    }

    /// What waits as news.
    pub fn news(&self) -> impl Iterator<Item = (Priority, u64)> {
        self.0.iter().copied().filter(|(at, _)| at.class == Class::News)
    }

    /// How many news of the worst severity wait.
    pub fn worst_news(&self) -> u64 {
        self.news().filter(|(at, _)| at.severity == 0).map(|(_, count)| count).sum()
    }
}

/// One message that shows many groups.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest {
    pub message: MessageId,
    /// The chat it stands in; a digest of another chat can't be edited.
    pub chat: ChatId,
    /// When the storm began that it belongs to.
    pub storm: Timestamp,
    /// When it was last sent or edited.
    pub updated_at: Timestamp,
    /// The groups, and how they stood then.
    pub lines: Vec<(GroupId, Glance)>,
}

/// A storm that is not over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storm {
    pub began_at: Timestamp,
    /// In the order in which they were sent.
    pub digests: Vec<Digest>,
}

/// What a chat was sent lately and how fast it may be spoken to: a restart must not forget it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Footprint {
    pub chat: ChatId,
    pub noted_at: Timestamp,
    /// The sends that still count against Telegram's limit, oldest first.
    pub sent: Vec<Timestamp>,
    /// Until when Telegram asked to wait.
    pub blocked_until: Option<Timestamp>,
    /// How many times slower than allowed it is spoken to, in thousandths.
    pub slowness: u32,
}

/// How a lease ends.
#[derive(Debug, Clone)]
pub enum Settlement {
    /// Everything the entry had to say is shown. What was merged in meanwhile keeps waiting.
    Shown(Card),
    /// A part of it is shown; the rest waits in the given class.
    Partly(Card, Class),
    /// Nothing was shown; the entry waits on. `attempt` says why, when it was a failed attempt.
    Released { attempt: Option<String> },
    /// It can't be delivered without a person. What came during the lease can, as far as anyone
    /// knows: with that the entry waits on.
    Dead { reason: DeathReason, detail: String },
}

/// Why a person is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeathReason {
    /// The chat could not be reached for longer than `dead_after`.
    Unreachable,
    /// Telegram refused even the plainest form.
    Refused,
    /// Handling it panicked or failed again and again.
    Poisonous,
    /// The chat is not configured any more.
    NoSuchChat,
}

impl DeathReason {
    /// The word used in metrics, logs and the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Refused => "refused",
            Self::Poisonous => "poisonous",
            Self::NoSuchChat => "no_such_chat",
        }
    }
}

/// Whether an entry waits or is a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EntryState {
    Waiting,
    Dead,
}

/// An entry as people look at it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EntryView {
    pub id: EntryId,
    pub chat: ChatAlias,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<Topic>,
    pub state: EntryState,
    pub group: GroupId,
    pub severity: u8,
    pub class: Class,
    pub merged: u32,
    #[serde(skip_serializing_if = "Forgotten::is_none")]
    pub forgotten: Forgotten,
    pub attempts: u32,
    pub first_accepted_at: Timestamp,
    pub last_accepted_at: Timestamp,
    /// Why it is dead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What the last attempt came back with; for people also what stops the others of its lane.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// The merged state itself; only when one entry is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notification: Option<Notification>,
}

/// What a person's retry let wait again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retried {
    pub lane: LaneId,
    /// Under which number it waits: not always the one that was retried.
    pub entry: EntryId,
    /// The dead letters that are part of that entry now and can't be found under their own numbers
    /// any more, oldest first. The one that was retried may be among them.
    pub with: Vec<EntryId>,
}

/// A refused webhook body, kept for inspection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    pub at: Timestamp,
    pub peer: String,
    pub path: String,
    /// The status it was answered with.
    pub code: u16,
    pub reason: String,
    /// The first 4 KiB, invalid UTF-8 replaced.
    pub head: String,
}

/// What the store holds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Totals {
    pub chats: BTreeMap<ChatAlias, ChatTotals>,
    /// Bytes on disk.
    pub bytes: u64,
}

/// What the store holds for one chat.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ChatTotals {
    pub waiting: u64,
    pub dead: u64,
    pub oldest_waiting: Option<Timestamp>,
}
