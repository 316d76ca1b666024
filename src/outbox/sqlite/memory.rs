//! A store without a disk and without a thread, for simulations and their many lives of a process.
//!
//! The code is the store's own; what it can't show are the disk's faults and a power loss.

use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::{Connection, OpenFlags};
use tokio_util::sync::CancellationToken;

use super::{BATCH, Counter, gather};

/// A database in memory. It stays as long as this lives, however often a store is opened on it and
/// dropped without being closed.
pub struct Memory {
    pub(super) uri: String,
    /// SQLite forgets the database with its last connection. Nobody locks it.
    _keeper: Mutex<Connection>,
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("uri", &self.uri).finish_non_exhaustive()
    }
}

impl Memory {
    /// An empty one.
    ///
    /// # Errors
    /// SQLite's, when there is no memory.
    pub fn new() -> rusqlite::Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let uri = format!("file:/nabat-{}?vfs=memdb", NEXT.fetch_add(1, Ordering::Relaxed));
        Ok(Self { _keeper: Mutex::new(connect(&uri)?), uri })
    }
}

pub(super) fn connect(uri: &str) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(uri, flags)
}

/// What the store's thread does, as a task.
pub(super) async fn keep(counter: Counter, closing: CancellationToken) {
    let Counter { mut desk, mut jobs, finished } = counter;
    let _finished = finished.drop_guard();
    let mut batch = Vec::with_capacity(BATCH);
    while let Some(first) = jobs.recv().await {
        batch.push(first);
        gather(&mut jobs, &mut batch);
        desk.work_off(&mut batch);
        if closing.is_cancelled() {
            jobs.close();
        }
    }
}
