//! Storms: many entries leased at once, and the digests that show their groups.

use rusqlite::{OptionalExtension, Row, params};

use super::columns::topic_column;
use super::desk::{Desk, millis, timestamp};
use crate::outbox::pack::{pack, unpack};
use crate::outbox::{Backlog, Class, Digest, Lease, Priority, Settlement, StoreError, Storm};
use crate::routing::LaneId;
use crate::telegram::MessageId;

impl Desk {
    pub fn most_urgent(&mut self, lane: &LaneId) -> Result<Option<Priority>, StoreError> {
        let first = self.rows(
            "SELECT severity, class FROM entries WHERE state = 0 AND chat = ? AND topic = ? \
             AND leased = 0 ORDER BY class, severity LIMIT 1",
            params![lane.chat.as_str(), topic_column(lane)],
            priority,
        )?;
        Ok(first.into_iter().next())
    }

    pub fn backlog(&mut self, lane: &LaneId) -> Result<Backlog, StoreError> {
        let counts = self.rows(
            "SELECT severity, class, count(*) FROM entries \
             WHERE state = 0 AND chat = ? AND topic = ? GROUP BY severity, class",
            params![lane.chat.as_str(), topic_column(lane)],
            |row| Ok((priority(row)?, row.get(2)?)),
        )?;
        Ok(Backlog(counts))
    }

    pub fn settle_digest(
        &mut self,
        lane: &LaneId,
        digest: &Digest,
        settled: Vec<(Lease, Settlement)>,
    ) -> Result<(), StoreError> {
        let (chat, topic) = (lane.chat.as_str(), topic_column(lane));
        self.change(
            "INSERT INTO digests (chat, topic, message, storm, updated_at, body) \
             VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (chat, topic, message) \
             DO UPDATE SET storm = excluded.storm, updated_at = excluded.updated_at, \
             body = excluded.body",
            params![
                chat,
                topic,
                digest.message.0,
                millis(digest.storm),
                millis(digest.updated_at),
                pack(digest)?
            ],
        )?;
        for (lease, settlement) in settled {
            match self.settle(&lease, settlement) {
                // Dropped by hand meanwhile.
                Ok(()) | Err(StoreError::LeaseLost(_) | StoreError::NoSuchEntry(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    pub fn begin_storm(&mut self, lane: &LaneId, at: jiff::Timestamp) -> Result<(), StoreError> {
        self.change(
            "INSERT OR IGNORE INTO storms (chat, topic, began_at) VALUES (?, ?, ?)",
            params![lane.chat.as_str(), topic_column(lane), millis(at)],
        )
        .map(drop)
    }

    pub fn end_storm(&mut self, lane: &LaneId) -> Result<(), StoreError> {
        self.change(
            "DELETE FROM storms WHERE chat = ? AND topic = ?",
            params![lane.chat.as_str(), topic_column(lane)],
        )
        .map(drop)
    }

    pub fn storm(&mut self, lane: &LaneId) -> Result<Option<Storm>, StoreError> {
        let (chat, topic) = (lane.chat.as_str(), topic_column(lane));
        let began_at: Option<i64> = self
            .connection
            .prepare_cached("SELECT began_at FROM storms WHERE chat = ? AND topic = ?")
            .and_then(|mut statement| {
                statement.query_row(params![chat, topic], |row| row.get(0)).optional()
            })
            .map_err(|error| self.judge(&error))?;
        let Some(began_at) = began_at else { return Ok(None) };
        let bodies: Vec<Vec<u8>> = self.rows(
            "SELECT body FROM digests WHERE chat = ? AND topic = ? AND storm = ? ORDER BY message",
            params![chat, topic, began_at],
            |row| row.get(0),
        )?;
        let digests = bodies.iter().filter_map(|body| read(body)).collect();
        Ok(Some(Storm { began_at: timestamp(began_at), digests }))
    }

    pub fn digest(
        &mut self,
        lane: &LaneId,
        message: MessageId,
    ) -> Result<Option<Digest>, StoreError> {
        let body: Option<Vec<u8>> = self
            .connection
            .prepare_cached("SELECT body FROM digests WHERE chat = ? AND topic = ? AND message = ?")
            .and_then(|mut statement| {
                let place = params![lane.chat.as_str(), topic_column(lane), message.0];
                statement.query_row(place, |row| row.get(0)).optional()
            })
            .map_err(|error| self.judge(&error))?;
        Ok(body.and_then(|body| read(&body)))
    }
}

/// A digest that does not read is as good as none: its groups get cards of their own.
fn read(body: &[u8]) -> Option<Digest> {
    unpack(body).inspect_err(|error| tracing::error!(%error, "a digest is not known any more")).ok()
}

/// A priority from the columns severity and class, which come first.
fn priority(row: &Row<'_>) -> rusqlite::Result<Priority> {
    let class: usize = row.get(1)?;
    let class = Class::ALL.get(class).copied().unwrap_or(Class::Edit);
    Ok(Priority { severity: row.get(0)?, class })
}
