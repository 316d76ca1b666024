//! The trait that a store keeps, and why it may not do what it is asked.

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;

use super::words::{
    Accepted, Backlog, Card, DeathReason, Digest, EntryId, EntryState, EntryView, Footprint, Lease,
    Leased, Priority, Rejected, Retried, Settlement, Storm, Submission, Totals,
};
use crate::alert::{GroupId, Notification};
use crate::routing::{ChatAlias, LaneId, TopicName};
use crate::telegram::{ChatId, MessageId, TopicId};

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
    /// since. An entry that waits already only loses its count of attempts.
    ///
    /// # Errors
    /// [`StoreError::NoSuchEntry`], and [`StoreError::Unreadable`] of a dead letter that does not read, or
    /// when what waits for its group does not.
    async fn retry(&self, id: EntryId) -> Result<Retried, StoreError>;

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
