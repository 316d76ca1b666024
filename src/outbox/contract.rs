//! The words and the trait of the store contract.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::alert::{Forgotten, GroupId, Notification};
use crate::rendering::Glance;
use crate::routing::{ChatAlias, Destination, LaneId, Topic, TopicName};
use crate::telegram::{ChatId, MessageId, TopicId};

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

/// Why the store did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// There is no room for a new entry, or none on the disk; nothing was changed. Refuse the sender in
    /// a way that has it ask again: room comes as entries are shown or dropped, with higher caps or a
    /// larger disk.
    #[error("the outbox is full: {0}")]
    Full(String),
    /// The disk failed, or another piece of work in the same commit did. Nothing was changed, as far as
    /// the store knows. Ask again after a pause: a notification that was accepted all the same is a
    /// duplicate then, and a lease that ended all the same is lost.
    #[error("the outbox can't commit: {0}")]
    Commit(String),
    /// What is stored there is damaged; nothing else is. Asking again does not help: a person has to
    /// look at it, or drop it.
    #[error("a stored row does not read: {0}")]
    Unreadable(String),
    /// Somebody dropped the entry, or the lease has ended; nothing was changed. Forget the lease: what
    /// the entry still has to say comes with the next one.
    #[error("the lease on entry {0} is not valid any more")]
    LeaseLost(EntryId),
    /// It was shown or dropped, or never was. Tell whoever named it.
    #[error("there is no entry {0}")]
    NoSuchEntry(EntryId),
    /// The store was closed or its thread ended: nabat is stopping, so leave off. Whether what was asked
    /// still happened the next start knows. From [`Outbox::lease_next`] also: somebody else waits for
    /// the lane since.
    #[error("the outbox is closed")]
    Closed,
}

/// The store contract; see the room's own documentation for its guarantees.
///
/// Every method that can fail may answer [`StoreError::Commit`], and [`StoreError::Closed`] once the
/// store is; its own documentation names what else it answers.
#[async_trait]
pub trait Outbox: Send + Sync + fmt::Debug + 'static {
    /// Accepts a notification in all its lanes in one durable commit.
    ///
    /// # Errors
    /// [`StoreError::Full`] when it needs a new entry that has no room, or the disk takes no more. After
    /// an error no lane has it, as far as the store knows.
    async fn accept(&self, submission: Submission) -> Result<Accepted, StoreError>;

    /// The lanes in which something waits or a storm is not over.
    ///
    /// # Errors
    /// Those of every method.
    async fn lanes(&self) -> Result<Vec<LaneId>, StoreError>;

    /// Leases the entry of a lane that is to be spoken for first, or nothing when none waits.
    ///
    /// # Errors
    /// Those of every method.
    async fn lease(&self, lane: &LaneId) -> Result<Option<Leased>, StoreError>;

    /// Waits until something waits in the lane, and leases it in the very commit that accepted
    /// it: a quiet lane learns what to say without asking, and early enough to prepare it while
    /// the disk is still busy. What is said must wait for [`Leased::durable`]. Of several callers
    /// for one lane the latest is served, the others get [`StoreError::Closed`].
    ///
    /// When the future is dropped, no lease stays out for it.
    ///
    /// # Errors
    /// [`StoreError::Closed`] also when somebody else waits for the lane since.
    async fn lease_next(&self, lane: &LaneId) -> Result<Leased, StoreError>;

    /// Saves the card in the middle of a message of several parts; the lease goes on.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] when the lease is not valid any more; the card is as it was then.
    async fn progress(&self, lease: &Lease, card: Card) -> Result<(), StoreError>;

    /// Ends a lease.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] when the lease is not valid any more; nothing is changed then.
    async fn settle(&self, lease: Lease, settlement: Settlement) -> Result<(), StoreError>;

    /// The priority of what is to be spoken for first in a lane.
    ///
    /// # Errors
    /// Those of every method.
    async fn most_urgent(&self, lane: &LaneId) -> Result<Option<Priority>, StoreError>;

    /// How much waits in a lane.
    ///
    /// # Errors
    /// Those of every method.
    async fn backlog(&self, lane: &LaneId) -> Result<Backlog, StoreError>;

    /// Leases up to `most` entries of a lane, the first to be spoken for first.
    ///
    /// # Errors
    /// Those of every method.
    async fn lease_some(&self, lane: &LaneId, most: u32) -> Result<Vec<Leased>, StoreError>;

    /// Keeps a digest as it now stands and ends the leases of what it shows, in one commit. Leases
    /// that are not valid any more are passed over.
    ///
    /// # Errors
    /// Those of every method.
    async fn settle_digest(
        &self,
        lane: &LaneId,
        digest: Digest,
        settled: Vec<(Lease, Settlement)>,
    ) -> Result<(), StoreError>;

    /// A digest that was sent in a lane.
    ///
    /// # Errors
    /// Those of every method.
    async fn digest(&self, lane: &LaneId, message: MessageId)
    -> Result<Option<Digest>, StoreError>;

    /// Notes that a storm began in a lane, unless one has.
    ///
    /// # Errors
    /// Those of every method.
    async fn begin_storm(&self, lane: &LaneId, at: Timestamp) -> Result<(), StoreError>;

    /// The storm that is not over in a lane.
    ///
    /// # Errors
    /// Those of every method.
    async fn storm(&self, lane: &LaneId) -> Result<Option<Storm>, StoreError>;

    /// Notes that the storm is over. Its digests are kept as long as cards are.
    ///
    /// # Errors
    /// Those of every method.
    async fn end_storm(&self, lane: &LaneId) -> Result<(), StoreError>;

    /// Turns the waiting entries of a lane that were first accepted before `before` into dead
    /// letters; returns how many.
    ///
    /// # Errors
    /// Those of every method.
    async fn bury(
        &self,
        lane: &LaneId,
        before: Timestamp,
        reason: DeathReason,
        detail: &str,
    ) -> Result<u64, StoreError>;

    /// The entries in a state, oldest first, at most `limit`.
    ///
    /// # Errors
    /// Those of every method.
    async fn list(
        &self,
        state: Option<EntryState>,
        limit: u32,
    ) -> Result<Vec<EntryView>, StoreError>;

    /// One entry with its notification.
    ///
    /// # Errors
    /// [`StoreError::NoSuchEntry`].
    async fn show(&self, id: EntryId) -> Result<EntryView, StoreError>;

    /// Lets the dead letters of a group in a lane wait again as one, as news: this one and the others,
    /// the newest on top, under whose number they wait. Merged beneath what waits for the group by now,
    /// which keeps its age unless people were told of it, or else beneath what people were told of it
    /// since. Returns their lane. An entry that waits already only loses its count of attempts.
    ///
    /// # Errors
    /// [`StoreError::NoSuchEntry`], and [`StoreError::Unreadable`] of a dead letter that does not read, or
    /// when what waits for its group does not.
    async fn retry(&self, id: EntryId) -> Result<LaneId, StoreError>;

    /// Forgets an entry for good.
    ///
    /// # Errors
    /// [`StoreError::NoSuchEntry`].
    async fn drop_entry(&self, id: EntryId) -> Result<(), StoreError>;

    /// What a lane has last to say, or was last told, about a group; nothing when it knows
    /// nothing of it.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`] when what waits for the group does not read.
    async fn latest(
        &self,
        lane: &LaneId,
        group: &GroupId,
    ) -> Result<Option<Notification>, StoreError>;

    /// Keeps what a chat was sent lately. Returns before that is committed: the send it is about
    /// need not wait, and a lost one costs at most a 429.
    async fn keep_footprint(&self, footprint: Footprint);

    /// Every footprint kept.
    ///
    /// # Errors
    /// Those of every method.
    async fn footprints(&self) -> Result<Vec<Footprint>, StoreError>;

    /// Remembers that a chat moved, durably.
    ///
    /// # Errors
    /// Those of every method.
    async fn remember_migration(&self, from: ChatId, to: ChatId) -> Result<(), StoreError>;

    /// Every move remembered.
    ///
    /// # Errors
    /// Those of every method.
    async fn migrations(&self) -> Result<Vec<(ChatId, ChatId)>, StoreError>;

    /// Remembers the topic that was made in a chat under a name, durably.
    ///
    /// # Errors
    /// Those of every method.
    async fn remember_topic(
        &self,
        chat: ChatId,
        name: &TopicName,
        topic: TopicId,
    ) -> Result<(), StoreError>;

    /// Forgets such a topic; one that is not known is no error.
    ///
    /// # Errors
    /// Those of every method.
    async fn forget_topic(&self, chat: ChatId, name: &TopicName) -> Result<(), StoreError>;

    /// Every topic remembered.
    ///
    /// # Errors
    /// Those of every method.
    async fn topics(&self) -> Result<Vec<(ChatId, TopicName, TopicId)>, StoreError>;

    /// Keeps a refused body for inspection; the newest hundred are kept.
    ///
    /// # Errors
    /// Those of every method.
    async fn keep_rejected(&self, rejected: Rejected) -> Result<(), StoreError>;

    /// The refused bodies, newest first.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`] when one of them does not read.
    async fn rejected(&self) -> Result<Vec<Rejected>, StoreError>;

    /// What the store holds.
    ///
    /// # Errors
    /// Those of every method.
    async fn totals(&self) -> Result<Totals, StoreError>;

    /// Commits something small durably: an error means that nothing can be accepted. A store that has
    /// no room for one more entry says so as [`Outbox::accept`] would, though what is merged into an
    /// entry that waits still finds room.
    ///
    /// # Errors
    /// [`StoreError::Full`] and [`StoreError::Commit`], as [`Outbox::accept`] of a new entry would.
    async fn probe(&self) -> Result<(), StoreError>;

    /// How many entries of each chat were on their way to Telegram when the last process died: each
    /// may be shown twice, and counts against the chat's pace though nothing was noted. Counted at
    /// open; chats without any are left out.
    fn cut_sends(&self) -> &BTreeMap<ChatAlias, u64>;

    /// Flushes and closes; everything after it answers [`StoreError::Closed`].
    async fn close(&self);
}
