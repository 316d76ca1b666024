//! What the disk under the store does: it is full, it fails, the log on it grows.

use std::sync::atomic::Ordering;

use rusqlite::config::DbConfig;

use super::desk::Desk;
use crate::outbox::StoreError;

/// Pages in the log at which it is moved. Under load the same groups' pages are written again and
/// again: a longer log copies each into the file less often. These are 16 MiB, read in some 10 ms
/// at the next start.
const LONGEST_LOG: i32 = 4000;

impl Desk {
    /// Refuses while the disk is full: what room there is belongs to what was accepted before.
    pub fn room_on_disk(&mut self) -> Result<(), StoreError> {
        if self.reserve.is_there() {
            return Ok(());
        }
        let path = self.path.display();
        Err(StoreError::Full(format!(
            "the disk that holds {path} takes no more; nothing accepted is lost"
        )))
    }

    /// After a statement that found no room: gives up what was set aside, and has the log written
    /// from its beginning again, in room that it holds already.
    pub fn make_room(&mut self) {
        if !self.no_room.replace(false) {
            return;
        }
        if self.reserve.give_up() {
            tracing::error!(
                path = %self.path.display(),
                "the disk takes no more: webhooks are refused until it does; what waits is sent as long as that can be noted"
            );
        }
        self.move_log();
    }

    /// Moves the log when it has become long.
    pub fn move_long_log(&self) {
        if self.logged.load(Ordering::Relaxed) >= LONGEST_LOG {
            self.move_log();
        }
    }

    /// Moves the log into the file; what comes next is written to the log's beginning again.
    fn move_log(&self) {
        match self.connection.query_row("PRAGMA wal_checkpoint(RESTART)", [], |_| Ok(())) {
            Ok(()) => self.logged.store(0, Ordering::Relaxed),
            Err(error) => drop(self.judge(&error)),
        }
    }

    /// Turns SQLite's error into the contract's, and stops everything when the disk lied.
    pub fn judge(&self, error: &rusqlite::Error) -> StoreError {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        let extended = error.sqlite_error().map_or(0, |error| error.extended_code);
        let fsync = [rusqlite::ffi::SQLITE_IOERR_FSYNC, rusqlite::ffi::SQLITE_IOERR_DIR_FSYNC];
        let damaged = matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase));
        if fsync.contains(&extended) || damaged {
            tracing::error!(%error, path = %self.path.display(), "the outbox's disk can't be trusted; stopping");
            self.fatal.cancel();
            // A flush of what the disk has dropped meanwhile would succeed and mean nothing; closing
            // would make one and then remove the log.
            let stay = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
            let _ = self.connection.set_db_config(stay, true);
        }
        if found_no_room(error) {
            self.no_room.set(true);
        }
        tracing::debug!(%error, "a statement of the outbox failed");
        StoreError::Commit(error.to_string())
    }
}

/// Whether the disk is full, or takes no more for another reason, such as a quota.
pub(super) fn found_no_room(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DiskFull, ReadOnly};
    let extended = error.sqlite_error().map_or(0, |error| error.extended_code);
    matches!(error.sqlite_error_code(), Some(DiskFull | ReadOnly))
        || extended == rusqlite::ffi::SQLITE_IOERR_WRITE
}
