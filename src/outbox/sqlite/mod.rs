//! The embedded store: SQLite with a write-ahead log, one thread that alone touches the file.
//!
//! Async callers hand that thread a piece of work and wait for its answer. The thread takes
//! whatever waits, up to `BATCH` pieces, runs them in one transaction and commits once:
//! under load many notifications share one fsync, in quiet times each has its own. What must
//! survive a power loss is committed with `synchronous=FULL`; leases and refused bodies need
//! to survive only a crash of the process and are committed without an fsync of their own.

mod accept;
mod columns;
mod deaths;
mod desk;
mod disk;
mod homes;
mod lease;
mod leases;
mod memory;
mod merging;
mod queries;
mod reserve;
mod reviving;
mod schema;
mod storm;
mod upkeep;
mod waiters;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use jiff::Timestamp;
use prometheus::Histogram;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use self::accept::Parcel;
use self::deaths::DeathListener;
use self::desk::{Desk, End, Job, Ran};
pub use self::memory::Memory;
use self::reserve::Reserve;
pub use self::schema::OpenError;
use self::waiters::Returned;
use super::pack::pack_small;
use super::{
    Accepted, Backlog, Card, DeathReason, Digest, EntryId, EntryState, EntryView, Footprint, Lease,
    Leased, Outbox, Priority, Rejected, Retried, Settlement, StoreError, Storm, Submission, Totals,
};
use crate::alert::{GroupId, Notification};
use crate::lifecycle::{Tasks, aside};
use crate::routing::{ChatAlias, LaneId, TopicName};
use crate::telegram::{ChatId, MessageId, TopicId};

/// How many pieces of work share a commit at most.
const BATCH: usize = 64;
/// A batch of fewer says nothing about how busy the senders are.
const BUSY: usize = 4;
/// How long a busy store waits for more to share a commit; a commit takes about as long on its own.
const LINGER: Duration = Duration::from_micros(300);
/// How many pieces of work may wait before callers wait to hand in theirs.
const BACKLOG: usize = 1024;

/// More alerts than this take a millisecond or more to look through: not on an async thread.
const MANY: usize = 1000;

/// What the store needs to know.
#[derive(Debug, Clone)]
pub struct SqliteOptions {
    /// The same event within this time is a duplicate.
    pub dedup_window: Duration,
    /// Entries, waiting and dead, at which the store is full.
    pub max_entries: u64,
    /// Bytes on disk at which the store is full.
    pub max_bytes: u64,
    /// How long a card that did not change is remembered, so that it can be edited.
    pub keep_cards: Duration,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            dedup_window: Duration::from_mins(2),
            max_entries: 200_000,
            max_bytes: 2 << 30,
            keep_cards: Duration::from_hours(30 * 24),
        }
    }
}

/// The embedded store.
#[derive(Debug)]
pub struct SqliteOutbox {
    work: mpsc::Sender<Job>,
    cut_sends: BTreeMap<ChatAlias, u64>,
    fatal: CancellationToken,
    closing: CancellationToken,
    finished: CancellationToken,
    bytes: Arc<AtomicU64>,
    options: Arc<ArcSwap<SqliteOptions>>,
    returned: Arc<Returned>,
    death_listener: DeathListener,
}

impl SqliteOutbox {
    /// Opens or creates the store in `directory` and starts its thread.
    ///
    /// `commits` observes the time of every durable commit, in seconds.
    ///
    /// # Errors
    /// When the directory can't be used, another nabat works on it, or what is there is damaged, of a
    /// newer nabat or of somebody else: the error says what to do, and the file stays as it was. Or
    /// when SQLite fails.
    pub fn open(
        directory: &Path,
        options: SqliteOptions,
        commits: Histogram,
    ) -> Result<Self, OpenError> {
        let schema::Opened { connection, path, lock } = schema::open(directory)?;
        let (store, Counter { desk, jobs, finished }) =
            Self::around(connection, path, Reserve::open(directory), options, commits)?;
        let closing = store.closing.clone();
        std::thread::Builder::new()
            .name("outbox".into())
            .spawn(move || keep(desk, jobs, lock, &closing, finished))
            .map_err(|source| OpenError::Directory { path: directory.into(), source })?;
        Ok(store)
    }

    /// Opens the store that is in `memory`, and works it off as one of `tasks` in place of a
    /// thread: on a runtime of one thread nothing but the order of tasks decides what happens when.
    /// For simulations.
    ///
    /// # Errors
    /// When SQLite fails, or what is in `memory` is none of nabat's.
    pub fn open_in(
        memory: &Memory,
        options: SqliteOptions,
        commits: Histogram,
        tasks: &Tasks,
    ) -> Result<Self, OpenError> {
        let schema::InMemory { connection, path } = schema::open_in(memory)?;
        let reserve = Reserve::needless();
        let (store, counter) = Self::around(connection, path, reserve, options, commits)?;
        tasks.spawn("outbox", memory::keep(counter, store.closing.clone()));
        Ok(store)
    }

    /// A store around an opened database, and what is to be worked off.
    fn around(
        connection: Connection,
        path: PathBuf,
        reserve: Reserve,
        options: SqliteOptions,
        commits: Histogram,
    ) -> Result<(Self, Counter), OpenError> {
        let fatal = CancellationToken::new();
        let finished = CancellationToken::new();
        let bytes = Arc::new(AtomicU64::new(0));
        let shared = Arc::clone(&bytes);
        let options = Arc::new(ArcSwap::from_pointee(options));
        let desk = Desk::new(
            connection,
            path.clone(),
            reserve,
            Arc::clone(&options),
            commits,
            fatal.clone(),
            shared,
        )
        .map_err(|source| OpenError::Sqlite { path, source })?;
        let cut_sends = desk.cut_sends.clone();
        let (returned, death_listener) = (desk.waiters.returned(), desk.deaths.death_listener());
        let (work, jobs) = mpsc::channel(BACKLOG);
        let closing = CancellationToken::new();
        let counter = Counter { desk, jobs, finished: finished.clone() };
        let store = Self {
            work,
            cut_sends,
            fatal,
            closing,
            finished,
            bytes,
            options,
            returned,
            death_listener,
        };
        Ok((store, counter))
    }

    /// Changes windows and caps from now on; what is stored already stays.
    pub fn set_options(&self, options: SqliteOptions) {
        self.options.store(Arc::new(options));
    }

    /// Has `listener` told of all entries that become dead letters, whatever made them so: whose, why,
    /// and how many. It is told once that is committed and before whoever asked for it has an answer,
    /// on the store's thread, which must not be held up. Only the first listener is told.
    pub fn on_deaths(
        &self,
        listener: impl Fn(&ChatAlias, DeathReason, u64) + Send + Sync + 'static,
    ) {
        self.death_listener.listen(Box::new(listener));
    }

    /// Cancelled when the disk can't be trusted any more (a failed fsync, a damaged page): the
    /// process should end, so that the next start reads what is really on disk.
    pub fn fatal(&self) -> CancellationToken {
        self.fatal.clone()
    }

    /// Runs `work` on the store's thread; its result comes after the commit.
    async fn ask<T: Send + 'static>(
        &self,
        durable: bool,
        work: impl FnOnce(&mut Desk) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let job = Job {
            durable,
            run: Box::new(move |desk| {
                let result = desk.and_then(work);
                let end = match &result {
                    Ok(_) => End::Done,
                    Err(StoreError::Commit(_)) => End::Failed,
                    Err(_) => End::Refused,
                };
                let reply = Box::new(move |committed: Result<(), StoreError>| {
                    let _ = answer.send(committed.and(result));
                });
                Ran { end, reply }
            }),
        };
        self.work.send(job).await.map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?
    }
}

/// Where work is handed in and done.
struct Counter {
    desk: Desk,
    jobs: mpsc::Receiver<Job>,
    /// To be cancelled when nothing is done any more.
    finished: CancellationToken,
}

/// Someone who waits for a lease. A lease that was handed over and not taken is given back.
struct Waiting<'a> {
    answered: oneshot::Receiver<Leased>,
    store: &'a SqliteOutbox,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.answered.close();
        if let Ok(leased) = self.answered.try_recv() {
            self.store.returned.push(leased.lease);
            // Wakes the thread. One that is too busy to be asked looks at the list anyway.
            let nothing = Job {
                durable: false,
                run: Box::new(|_| Ran { end: End::Done, reply: Box::new(|_| {}) }),
            };
            let _ = self.store.work.try_send(nothing);
        }
    }
}

/// Stops the process when the store's thread panics: nothing can be accepted or sent any more.
struct FatalPanic(CancellationToken);

impl Drop for FatalPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!("the outbox's thread panicked; stopping");
            self.0.cancel();
        }
    }
}

/// The store's thread: works until every handle is gone or it is asked to close. However it
/// ends, `finished` says so.
fn keep(
    mut desk: Desk,
    mut jobs: mpsc::Receiver<Job>,
    lock: File,
    closing: &CancellationToken,
    finished: CancellationToken,
) {
    let finished = finished.drop_guard();
    let _fatal = FatalPanic(desk.fatal.clone());
    let mut batch = Vec::with_capacity(BATCH);
    let mut before = 0;
    while let Some(first) = jobs.blocking_recv() {
        batch.push(first);
        gather(&mut jobs, &mut batch);
        // Who sends without a pause has sent nothing yet since the last answers went out.
        if before >= BUSY && batch.len() < BATCH {
            std::thread::sleep(LINGER);
            gather(&mut jobs, &mut batch);
        }
        before = batch.len();
        desk.work_off(&mut batch);
        if closing.is_cancelled() {
            jobs.close();
        }
    }
    drop(desk);
    drop(lock);
    drop(finished);
}

/// Takes what waits, as far as a batch has room.
fn gather(jobs: &mut mpsc::Receiver<Job>, batch: &mut Vec<Job>) {
    while batch.len() < BATCH {
        match jobs.try_recv() {
            Ok(job) => batch.push(job),
            Err(_) => break,
        }
    }
}

#[async_trait]
impl Outbox for SqliteOutbox {
    async fn accept(&self, submission: Submission) -> Result<Accepted, StoreError> {
        let is_small = submission.notification.alerts.len() <= MANY;
        let small = if is_small { pack_small(&*submission.notification)? } else { None };
        let parcel = match small {
            Some(body) => Parcel::new(submission, body),
            None => aside(move || Parcel::pack(submission)).await.ok_or(StoreError::Closed)??,
        };
        self.ask(true, move |desk| desk.accept(&parcel)).await
    }

    async fn lanes(&self) -> Result<Vec<LaneId>, StoreError> {
        self.ask(false, Desk::lanes).await
    }

    async fn lease(&self, lane: &LaneId) -> Result<Option<Leased>, StoreError> {
        let lane = lane.clone();
        self.ask(false, move |desk| desk.lease(&lane)).await
    }

    async fn lease_next(&self, lane: &LaneId) -> Result<Leased, StoreError> {
        let (answer, answered) = oneshot::channel();
        let mut waiting = Waiting { answered, store: self };
        let lane = lane.clone();
        self.ask(false, move |desk| {
            desk.wait_for_next(lane, answer);
            Ok(())
        })
        .await?;
        (&mut waiting.answered).await.map_err(|_| StoreError::Closed)
    }

    async fn progress(&self, lease: &Lease, card: Card) -> Result<(), StoreError> {
        let lease = lease.clone();
        self.ask(true, move |desk| desk.progress(&lease, &card)).await
    }

    async fn settle(&self, lease: Lease, settlement: Settlement) -> Result<(), StoreError> {
        let durable = !matches!(settlement, Settlement::Released { .. });
        self.ask(durable, move |desk| desk.settle(&lease, settlement)).await
    }

    async fn most_urgent(&self, lane: &LaneId) -> Result<Option<Priority>, StoreError> {
        let lane = lane.clone();
        self.ask(false, move |desk| desk.most_urgent(&lane)).await
    }

    async fn backlog(&self, lane: &LaneId) -> Result<Backlog, StoreError> {
        let lane = lane.clone();
        self.ask(false, move |desk| desk.backlog(&lane)).await
    }

    async fn lease_some(&self, lane: &LaneId, most: u32) -> Result<Vec<Leased>, StoreError> {
        let lane = lane.clone();
        self.ask(false, move |desk| desk.lease_some(&lane, most)).await
    }

    async fn settle_digest(
        &self,
        lane: &LaneId,
        digest: Digest,
        settled: Vec<(Lease, Settlement)>,
    ) -> Result<(), StoreError> {
        let lane = lane.clone();
        self.ask(true, move |desk| desk.settle_digest(&lane, &digest, settled)).await
    }

    async fn digest(
        &self,
        lane: &LaneId,
        message: MessageId,
    ) -> Result<Option<Digest>, StoreError> {
        let lane = lane.clone();
        self.ask(false, move |desk| desk.digest(&lane, message)).await
    }

    async fn begin_storm(&self, lane: &LaneId, at: Timestamp) -> Result<(), StoreError> {
        let lane = lane.clone();
        self.ask(true, move |desk| desk.begin_storm(&lane, at)).await
    }

    async fn storm(&self, lane: &LaneId) -> Result<Option<Storm>, StoreError> {
        let lane = lane.clone();
        self.ask(false, move |desk| desk.storm(&lane)).await
    }

    async fn end_storm(&self, lane: &LaneId) -> Result<(), StoreError> {
        let lane = lane.clone();
        self.ask(true, move |desk| desk.end_storm(&lane)).await
    }

    async fn bury(
        &self,
        lane: &LaneId,
        before: Timestamp,
        reason: DeathReason,
        detail: &str,
    ) -> Result<u64, StoreError> {
        let (lane, detail) = (lane.clone(), detail.to_owned());
        self.ask(true, move |desk| desk.bury(&lane, before, reason, &detail)).await
    }

    async fn list(
        &self,
        state: Option<EntryState>,
        limit: u32,
    ) -> Result<Vec<EntryView>, StoreError> {
        self.ask(false, move |desk| desk.list(state, limit)).await
    }

    async fn show(&self, id: EntryId) -> Result<EntryView, StoreError> {
        self.ask(false, move |desk| desk.show(id)).await
    }

    async fn retry(&self, id: EntryId) -> Result<Retried, StoreError> {
        self.ask(true, move |desk| desk.retry(id)).await
    }

    async fn drop_entry(&self, id: EntryId) -> Result<(), StoreError> {
        self.ask(true, move |desk| desk.drop_entry(id)).await
    }

    async fn latest(
        &self,
        lane: &LaneId,
        group: &GroupId,
    ) -> Result<Option<Notification>, StoreError> {
        let (lane, group) = (lane.clone(), group.clone());
        self.ask(false, move |desk| desk.latest(&lane, &group)).await
    }

    async fn keep_footprint(&self, footprint: Footprint) {
        let job = Job {
            durable: false,
            run: Box::new(move |desk| {
                let kept = desk.and_then(|desk| desk.keep_footprint(&footprint));
                let end = if kept.is_ok() { End::Done } else { End::Failed };
                Ran { end, reply: Box::new(|_| {}) }
            }),
        };
        // A closed store has a stopped nabat around it.
        let _ = self.work.send(job).await;
    }

    async fn footprints(&self) -> Result<Vec<Footprint>, StoreError> {
        self.ask(false, Desk::footprints).await
    }

    async fn remember_migration(&self, from: ChatId, to: ChatId) -> Result<(), StoreError> {
        self.ask(true, move |desk| desk.remember_migration(from, to)).await
    }

    async fn migrations(&self) -> Result<Vec<(ChatId, ChatId)>, StoreError> {
        self.ask(false, Desk::migrations).await
    }

    async fn remember_topic(
        &self,
        chat: ChatId,
        name: &TopicName,
        topic: TopicId,
    ) -> Result<(), StoreError> {
        let name = name.clone();
        self.ask(true, move |desk| desk.remember_topic(chat, &name, topic)).await
    }

    async fn forget_topic(&self, chat: ChatId, name: &TopicName) -> Result<(), StoreError> {
        let name = name.clone();
        self.ask(true, move |desk| desk.forget_topic(chat, &name)).await
    }

    async fn topics(&self) -> Result<Vec<(ChatId, TopicName, TopicId)>, StoreError> {
        self.ask(false, Desk::topics).await
    }

    async fn keep_rejected(&self, rejected: Rejected) -> Result<(), StoreError> {
        self.ask(false, move |desk| desk.keep_rejected(&rejected)).await
    }

    async fn rejected(&self) -> Result<Vec<Rejected>, StoreError> {
        self.ask(false, Desk::rejected).await
    }

    async fn totals(&self) -> Result<Totals, StoreError> {
        let bytes = Arc::clone(&self.bytes);
        self.ask(false, move |desk| {
            desk.totals().map(|totals| Totals { bytes: bytes.load(Ordering::Relaxed), ..totals })
        })
        .await
    }

    async fn probe(&self) -> Result<(), StoreError> {
        self.ask(true, Desk::probe).await
    }

    fn cut_sends(&self) -> &BTreeMap<ChatAlias, u64> {
        &self.cut_sends
    }

    async fn close(&self) {
        self.closing.cancel();
        // Wakes the thread, if it waits for work; whether this succeeds does not matter.
        let _ = self.ask(true, |_| Ok(())).await;
        self.finished.cancelled().await;
    }
}
