//! Forgetting what nobody can ask for any more, a little at a time.

use std::ops::RangeInclusive;

use rusqlite::params;

use super::desk::{Desk, MEASURE_EVERY};

/// Remembered groups that one round of tidying looks at, at the least.
const LOOKED_THROUGH: u32 = 1000;
/// Durable commits between two rounds of tidying.
const UPKEEP_EVERY: u32 = 200;

impl Desk {
    /// Now and then forgets what nobody can ask for any more, a little at a time.
    pub fn upkeep(&mut self, durable: bool) {
        self.since_upkeep += u32::from(durable);
        if self.since_upkeep % MEASURE_EVERY == 1 {
            self.measure();
        }
        if self.since_upkeep < UPKEEP_EVERY {
            return;
        }
        self.since_upkeep = 0;
        if let Err(error) = self.forget_old() {
            tracing::debug!(%error, "the outbox could not be tidied now");
        }
    }

    fn forget_old(&mut self) -> rusqlite::Result<()> {
        if self.latest == 0 {
            return Ok(());
        }
        // What a power loss brings back is forgotten again.
        self.flush_at_commit(false)?;
        let options = self.options.load();
        let latest = self.latest;
        let limit = |age: std::time::Duration| {
            latest.saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX))
        };
        // What a clock that was ahead for a while left behind is of no use either.
        let oldest = limit(options.dedup_window);
        self.forget_events(oldest..=latest.saturating_mul(2).saturating_sub(oldest))?;
        self.connection
            .prepare_cached(
                "DELETE FROM cards WHERE place IN \
                 (SELECT place FROM cards WHERE updated_at < ? LIMIT 200)",
            )?
            .execute(params![limit(options.keep_cards)])?;
        self.connection
            .prepare_cached(
                "DELETE FROM digests WHERE rowid IN \
                 (SELECT rowid FROM digests WHERE updated_at < ? LIMIT 20)",
            )?
            .execute(params![limit(options.keep_cards)])?;
        self.forget_homes(limit(options.keep_cards))?;
        self.connection.execute_batch("PRAGMA incremental_vacuum(256)")
    }

    /// Looks through the next part of the remembered events, at least twice as many groups as
    /// have come since, and forgets those outside the window: the table stays within a small
    /// multiple of what the window holds.
    fn forget_events(&mut self, window: RangeInclusive<i64>) -> rusqlite::Result<()> {
        let most = LOOKED_THROUGH.max(2 * self.newly_remembered);
        self.newly_remembered = 0;
        let connection = &self.connection;
        let part: Vec<(Vec<u8>, i64)> = connection
            .prepare_cached(
                "SELECT place, last_at FROM recent WHERE place > ? ORDER BY place LIMIT ?",
            )?
            .query_map(params![self.looked_through, most], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        let old = part.iter().filter(|(_, at)| !window.contains(at));
        let mut forget = connection.prepare_cached("DELETE FROM recent WHERE place = ?")?;
        // One transaction, or each would be a commit of its own.
        self.statement("BEGIN")?;
        let forgotten = old.map(|(place, _)| place).try_for_each(|p| forget.execute([p]).map(drop));
        self.statement(if forgotten.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
        // Behind the last one it begins anew.
        self.looked_through = match part.into_iter().last() {
            Some((place, _)) => place,
            None => Vec::new(),
        };
        forgotten
    }
}
