//! The store's thread at work: batches, commits, and what is kept in memory beside the file.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use prometheus::Histogram;
use rusqlite::Connection;
use rusqlite::hooks::Wal;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::SqliteOptions;
use super::deaths::Deaths;
use super::disk::found_no_room;
use super::leases::Leases;
use super::reserve::Reserve;
use super::waiters::Waiters;
use crate::outbox::StoreError;
use crate::routing::ChatAlias;

/// Answers the caller once the commit has succeeded or not.
type Reply = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// Works at the desk, or takes the reason why there is no transaction to work in.
type Work = Box<dyn FnOnce(Result<&mut Desk, StoreError>) -> Ran + Send>;

/// A piece of work for the store's thread.
pub(super) struct Job {
    /// Whether its effect must survive a power loss.
    pub durable: bool,
    /// Does the work inside the open transaction, or, when there is none, refuses it.
    pub run: Work,
}

/// What is left to do after a piece of work.
pub(super) struct Ran {
    pub end: End,
    /// Answers the caller once the commit has succeeded or not.
    pub reply: Reply,
}

/// How a piece of work ended inside the transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Done,
    /// It was refused before it changed anything.
    Refused,
    /// SQLite failed in the middle: the whole transaction is taken back.
    Failed,
}

/// Waiting and dead entries of a chat.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Count {
    pub waiting: u64,
    pub dead: u64,
}

/// What the thread works with.
#[derive(Debug)]
pub(super) struct Desk {
    pub connection: Connection,
    pub options: Arc<ArcSwap<SqliteOptions>>,
    pub leases: Leases,
    pub counts: HashMap<String, Count>,
    pub waiters: Waiters,
    pub deaths: Deaths,
    pub cut_sends: BTreeMap<ChatAlias, u64>,
    pub path: PathBuf,
    pub reserve: Reserve,
    /// Whether a statement found no room on the disk, and nothing was done about it yet.
    pub no_room: Cell<bool>,
    /// Pages in the write-ahead log.
    pub logged: Arc<AtomicI32>,
    bytes: Arc<AtomicU64>,
    next_token: u64,
    commits: Histogram,
    /// Cancelled when nothing can be stored any more.
    pub fatal: CancellationToken,
    pub latest: i64,
    /// Whether a commit waits for the disk, when that is known.
    flushes: Option<bool>,
    pub since_upkeep: u32,
    /// How often a group was remembered since the last tidying.
    pub newly_remembered: u32,
    /// How far the tidying has looked through what is remembered.
    pub looked_through: Vec<u8>,
}

impl Desk {
    pub fn new(
        mut connection: Connection,
        path: PathBuf,
        mut reserve: Reserve,
        options: Arc<ArcSwap<SqliteOptions>>,
        commits: Histogram,
        fatal: CancellationToken,
        bytes: Arc<AtomicU64>,
    ) -> rusqlite::Result<Self> {
        connection.set_prepared_statement_cache_capacity(64);
        let logged = Arc::new(AtomicI32::new(0));
        let now = Arc::clone(&logged);
        connection.wal_hook(Some(move |_: &mut Wal, pages| {
            now.store(pages, Ordering::Relaxed);
            Ok(())
        }))?;
        let cut_sends = cut_sends(&connection)?;
        let void = || {
            connection.execute("UPDATE entries SET leased = 0 WHERE state = 0 AND leased = 1", [])
        };
        match void() {
            Err(error) if found_no_room(&error) && reserve.give_up() => void()?,
            voided => voided?,
        };
        let mut desk = Self {
            connection,
            options,
            leases: Leases::default(),
            counts: HashMap::new(),
            waiters: Waiters::default(),
            deaths: Deaths::default(),
            cut_sends,
            path,
            reserve,
            no_room: Cell::new(false),
            logged,
            bytes,
            next_token: 0,
            commits,
            fatal,
            latest: 0,
            flushes: None,
            since_upkeep: 0,
            newly_remembered: 0,
            looked_through: Vec::new(),
        };
        desk.count_anew()?;
        desk.measure();
        Ok(desk)
    }

    /// Notes the time of a submission: the tidying's idea of the present.
    pub fn saw(&mut self, at: i64) {
        self.latest = at;
    }

    pub fn new_token(&mut self) -> u64 {
        self.next_token += 1;
        self.next_token
    }

    /// The counts of a chat, to change.
    pub fn count(&mut self, chat: &str) -> &mut Count {
        self.counts.entry(chat.to_owned()).or_default()
    }

    /// Refuses when so many new entries would pass a cap.
    pub fn room_for_more(&self, new: u64) -> Result<(), StoreError> {
        let options = self.options.load();
        let entries: u64 = self.counts.values().map(|count| count.waiting + count.dead).sum();
        if entries + new > options.max_entries {
            return Err(StoreError::Full(format!(
                "it holds {entries} entries (delivery.max_entries); nothing accepted is lost"
            )));
        }
        let bytes = self.bytes.load(Ordering::Relaxed);
        if bytes >= options.max_bytes {
            return Err(StoreError::Full(format!(
                "it takes {bytes} bytes on disk (delivery.max_bytes); nothing accepted is lost"
            )));
        }
        Ok(())
    }

    /// Runs a batch in one transaction, commits, and answers everyone.
    pub fn work_off(&mut self, batch: &mut Vec<Job>) {
        let durable = batch.iter().any(|job| job.durable);
        if self.fatal.is_cancelled() {
            let why = "the disk failed before; restart nabat";
            Self::refuse(batch, &StoreError::Commit(why.into()));
            return;
        }
        self.make_room();
        self.release_returned();
        if let Err(error) = self.begin(durable) {
            Self::refuse(batch, &self.judge(&error));
            return;
        }
        let mut replies = Vec::with_capacity(batch.len());
        let mut broken = false;
        for job in batch.drain(..) {
            if broken {
                let why = "another piece of work in the same transaction failed";
                replies.push((job.run)(Err(StoreError::Commit(why.into()))).reply);
                continue;
            }
            let ran = (job.run)(Ok(self));
            broken = ran.end == End::Failed;
            replies.push(ran.reply);
        }
        let (made, told) = watch::channel(None);
        let committed = if broken {
            Err(StoreError::Commit("a statement failed; the log says which".into()))
        } else {
            self.finish(durable, &told)
        };
        let failure = committed.err();
        self.deaths.ended(failure.is_none());
        if failure.is_some() {
            let _ = self.connection.execute_batch("ROLLBACK");
            self.leases.take_back();
            let _ = self.count_anew();
        } else {
            self.leases.keep();
        }
        // The lanes go first: their message has a way to go that the answer has not.
        let _ = made.send(Some(failure.is_none()));
        for reply in replies {
            reply(failure.clone().map_or(Ok(()), Err));
        }
        if self.fatal.is_cancelled() {
            return;
        }
        self.release_returned();
        self.upkeep(durable);
        // Everyone has been answered: the next webhook need not wait for this.
        let _ = self.flush_at_commit(true);
        self.move_long_log();
    }

    /// Serves the lanes that wait, and commits. They prepare what they will say meanwhile.
    fn finish(
        &mut self,
        durable: bool,
        committed: &watch::Receiver<Option<bool>>,
    ) -> Result<(), StoreError> {
        self.serve_waiters(committed)?;
        self.commit(durable)
    }

    /// Does something small in a transaction of its own.
    pub fn in_transaction(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.begin(false).map_err(|error| self.judge(&error))?;
        let done = work(self).and_then(|()| self.commit(false));
        if done.is_err() {
            let _ = self.connection.execute_batch("ROLLBACK");
            self.leases.take_back();
        } else {
            self.leases.keep();
        }
        done
    }

    fn commit(&self, durable: bool) -> Result<(), StoreError> {
        let started = crate::clock::monotonic();
        let committed = self.statement("COMMIT");
        if durable {
            self.commits.observe(started.elapsed().as_secs_f64());
        }
        committed.map_err(|error| self.judge(&error))
    }

    pub fn statement(&self, sql: &str) -> rusqlite::Result<()> {
        self.connection.prepare_cached(sql)?.execute([]).map(drop)
    }

    fn begin(&mut self, durable: bool) -> rusqlite::Result<()> {
        self.flush_at_commit(durable)?;
        self.statement("BEGIN IMMEDIATE")
    }

    /// Whether a commit waits for the disk from now on.
    pub fn flush_at_commit(&mut self, flush: bool) -> rusqlite::Result<()> {
        if self.flushes != Some(flush) {
            self.flushes = None;
            // Never through a cached statement: SQLite may carry a pragma out when it is prepared.
            let synchronous = if flush { "FULL" } else { "NORMAL" };
            self.connection.pragma_update(None, "synchronous", synchronous)?;
            self.flushes = Some(flush);
        }
        Ok(())
    }

    fn refuse(batch: &mut Vec<Job>, failure: &StoreError) {
        for job in batch.drain(..) {
            let ran = (job.run)(Err(failure.clone()));
            (ran.reply)(Ok(()));
        }
    }

    /// Counts what the file holds, after start or after a failure.
    fn count_anew(&mut self) -> rusqlite::Result<()> {
        let mut statement = self
            .connection
            .prepare("SELECT chat, state, count(*) FROM entries GROUP BY state, chat")?;
        let rows = statement.query_map([], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get::<_, u64>(2)?))
        })?;
        let mut counts: HashMap<String, Count> = HashMap::new();
        for row in rows {
            let (chat, state, number) = row?;
            let count = counts.entry(chat).or_default();
            if state == WAITING {
                count.waiting = number;
            } else {
                count.dead = number;
            }
        }
        drop(statement);
        self.counts = counts;
        Ok(())
    }

    /// Notes how many bytes the store takes: the pages in use. The write-ahead log, which comes and goes,
    /// does not count.
    pub fn measure(&self) {
        let pragma =
            |name| self.connection.pragma_query_value(None, name, |row| row.get::<_, u64>(0));
        let (Ok(pages), Ok(free), Ok(size)) =
            (pragma("page_count"), pragma("freelist_count"), pragma("page_size"))
        else {
            return;
        };
        self.bytes.store(pages.saturating_sub(free) * size, Ordering::Relaxed);
    }
}

/// The leases that a former process left out, by chat.
fn cut_sends(connection: &Connection) -> rusqlite::Result<BTreeMap<ChatAlias, u64>> {
    let mut statement = connection.prepare(
        "SELECT chat, count(*) FROM entries WHERE state = 0 AND leased = 1 GROUP BY chat",
    )?;
    let rows = statement.query_map([], |row| Ok((ChatAlias(row.get(0)?), row.get(1)?)))?;
    rows.collect()
}

pub(super) const WAITING: i64 = 0;
pub(super) const DEAD: i64 = 1;

/// Durable commits between two looks at the file's size; one adds a few hundred KiB at most.
pub(super) const MEASURE_EVERY: u32 = 16;

/// Milliseconds since 1970, as the tables keep time.
pub(super) fn millis(at: Timestamp) -> i64 {
    at.as_millisecond()
}

/// A time the tables kept.
pub(super) fn timestamp(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH)
}
