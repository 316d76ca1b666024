//! Leasing what is to be said next, and noting what became of it.

use jiff::Timestamp;
use rusqlite::{OptionalExtension, Row, params};

use super::columns::{Place, buttons_of, topic_column};
use super::desk::{DEAD, Desk, WAITING, millis, timestamp};
use super::leases::Out;
use crate::alert::Forgotten;
use crate::outbox::pack::{pack, unpack};
use crate::outbox::{
    Card, Class, DeathReason, Durable, Entry, EntryId, Lease, Leased, Settlement, StoreError,
};
use crate::routing::{LaneId, Updates};

impl Desk {
    pub fn lease(&mut self, lane: &LaneId) -> Result<Option<Leased>, StoreError> {
        loop {
            let first = self.first_of(lane, 1)?;
            if first.is_empty() {
                return Ok(None);
            }
            if let Some(leased) = self.hand_out_those_that_read(lane, first)?.pop() {
                return Ok(Some(leased));
            }
        }
    }

    pub fn lease_some(&mut self, lane: &LaneId, most: u32) -> Result<Vec<Leased>, StoreError> {
        let first = self.first_of(lane, most)?;
        self.hand_out_those_that_read(lane, first)
    }

    /// One that does not read must not hold up the lane for ever; it stays for a person to look at.
    fn hand_out_those_that_read(
        &mut self,
        lane: &LaneId,
        entries: Vec<(Entry, Place, Vec<u8>)>,
    ) -> Result<Vec<Leased>, StoreError> {
        let mut leased = Vec::with_capacity(entries.len());
        for (entry, place, body) in entries {
            match unpack(&body) {
                Ok(state) => leased.push(self.hand_out(Entry { state, ..entry }, &place)?),
                Err(error) => {
                    tracing::error!(entry = %entry.id, %error, "dead letter");
                    let chat = lane.chat.as_str();
                    self.die(entry.id, chat, DeathReason::Poisonous, &error.to_string())?;
                }
            }
        }
        Ok(leased)
    }

    /// The entries of the lane that are to be spoken for first, with their places and bodies.
    fn first_of(
        &mut self,
        lane: &LaneId,
        most: u32,
    ) -> Result<Vec<(Entry, Place, Vec<u8>)>, StoreError> {
        self.rows(
            "SELECT id, place, template, updates, body, merged, version, first_at, last_at, \
             attempts, buttons, forgotten_ended, forgotten_unlisted FROM entries \
             WHERE state = 0 AND chat = ? AND topic = ? AND leased = 0 \
             ORDER BY class, severity, first_at LIMIT ?",
            params![lane.chat.as_str(), topic_column(lane), most],
            |row| read(row, lane.clone()),
        )
    }

    fn hand_out(&mut self, entry: Entry, place: &Place) -> Result<Leased, StoreError> {
        self.change("UPDATE entries SET leased = 1 WHERE id = ?", [entry.id.0])?;
        let card = self.card(place)?;
        let token = self.new_token();
        let Entry { merged, forgotten, .. } = entry;
        self.leases.give(entry.id, Out { token, merged, forgotten, news_at: None });
        let lease = Lease { entry: entry.id, version: entry.version, token };
        Ok(Leased { lease, entry, card, durable: Durable::already() })
    }

    fn die(
        &mut self,
        id: EntryId,
        chat: &str,
        reason: DeathReason,
        detail: &str,
    ) -> Result<(), StoreError> {
        self.remember(id)?;
        self.change(
            "UPDATE entries SET state = ?, leased = 0, reason = ?, last_error = ? WHERE id = ?",
            params![DEAD, reason.as_str(), detail, id.0],
        )?;
        let count = self.count(chat);
        count.waiting -= 1;
        count.dead += 1;
        self.deaths.note(chat, reason, 1);
        Ok(())
    }

    pub fn progress(&mut self, lease: &Lease, card: &Card) -> Result<(), StoreError> {
        self.valid(lease)?;
        let (place, _) = self.where_is(lease.entry)?;
        self.save_card(&place, card)
    }

    pub fn settle(&mut self, lease: &Lease, settlement: Settlement) -> Result<(), StoreError> {
        let out = self.valid(lease)?;
        let (place, chat) = self.where_is(lease.entry)?;
        match settlement {
            Settlement::Shown(card) => {
                self.save_card(&place, &card)?;
                if let Some(news_at) = out.news_at {
                    self.keep_the_news(lease.entry, out, news_at)?;
                    self.told_of_forgotten(lease.entry, out.forgotten)?;
                } else {
                    self.remember(lease.entry)?;
                    self.change("DELETE FROM entries WHERE id = ?", params![lease.entry.0])?;
                    self.count(&chat).waiting -= 1;
                }
            }
            Settlement::Partly(card, class) => {
                self.save_card(&place, &card)?;
                // What people were told of it they wait for no more.
                let now = Some((lease.entry, lease.version));
                let told = card.told == now;
                // A reply with news tells of these alone.
                if card.shown == now {
                    self.told_of_forgotten(lease.entry, out.forgotten)?;
                }
                match out.news_at {
                    Some(news_at) if told => self.keep_the_news(lease.entry, out, news_at)?,
                    None if told => {
                        self.change("UPDATE entries SET told = 1 WHERE id = ?", [lease.entry.0])?;
                    }
                    _ => {}
                }
                let class = if out.news_at.is_some() { Class::News } else { class };
                self.change(
                    "UPDATE entries SET leased = 0, attempts = 0, class = ? WHERE id = ?",
                    params![class as i64, lease.entry.0],
                )?;
            }
            Settlement::Released { attempt } => self.release(lease.entry, attempt.as_deref())?,
            // What came meanwhile was never tried.
            Settlement::Dead { detail, .. } if out.news_at.is_some() => {
                self.release(lease.entry, Some(&detail))?;
            }
            Settlement::Dead { reason, detail } => self.die(lease.entry, &chat, reason, &detail)?,
        }
        self.leases.end(lease.entry);
        Ok(())
    }

    pub fn bury(
        &mut self,
        lane: &LaneId,
        before: Timestamp,
        reason: DeathReason,
        detail: &str,
    ) -> Result<u64, StoreError> {
        let (cutoff, chat, topic) = (millis(before), lane.chat.as_str(), topic_column(lane));
        self.change(
            "INSERT INTO recent (place, last_at, events) SELECT place, last_at, events FROM entries \
             WHERE state = 0 AND chat = ? AND topic = ? AND leased = 0 AND first_at < ? \
             AND events IS NOT NULL \
             ON CONFLICT (place) DO UPDATE SET last_at = excluded.last_at, events = excluded.events",
            params![chat, topic, cutoff],
        )?;
        let buried = self.change(
            "UPDATE entries SET state = ?, reason = ?, last_error = ? \
             WHERE state = ? AND chat = ? AND topic = ? AND leased = 0 AND first_at < ?",
            params![DEAD, reason.as_str(), detail, WAITING, chat, topic, cutoff],
        )? as u64;
        let count = self.count(chat);
        count.waiting -= buried;
        count.dead += buried;
        self.deaths.note(chat, reason, buried);
        Ok(buried)
    }

    pub fn lanes(&mut self) -> Result<Vec<LaneId>, StoreError> {
        self.rows(
            "SELECT DISTINCT chat, topic FROM entries WHERE state = 0 \
             UNION SELECT chat, topic FROM storms",
            [],
            |row| super::queries::lane(row, 0),
        )
    }

    /// The entry waits as before; `attempt` is what a try came back with.
    fn release(&self, id: EntryId, attempt: Option<&str>) -> Result<(), StoreError> {
        self.change(
            "UPDATE entries SET leased = 0, attempts = attempts + ?, \
             last_error = coalesce(?, last_error) WHERE id = ?",
            params![i64::from(attempt.is_some()), attempt, id.0],
        )
        .map(drop)
    }

    /// The entry stays for what came after it was leased.
    fn keep_the_news(&mut self, id: EntryId, out: Out, news_at: i64) -> Result<(), StoreError> {
        self.change(
            "UPDATE entries SET leased = 0, attempts = 0, merged = max(1, merged - ?), first_at = ? \
             WHERE id = ?",
            params![out.merged, news_at, id.0],
        )
        .map(drop)
    }

    fn valid(&self, lease: &Lease) -> Result<Out, StoreError> {
        match self.leases.get(lease.entry) {
            Some(out) if out.token == lease.token => Ok(out),
            _ => Err(StoreError::LeaseLost(lease.entry)),
        }
    }

    /// The place and chat of an entry.
    fn where_is(&self, id: EntryId) -> Result<(Place, String), StoreError> {
        self.connection
            .prepare_cached("SELECT place, chat FROM entries WHERE id = ?")
            .and_then(|mut statement| {
                statement.query_row([id.0], |row| Ok((row.get(0)?, row.get(1)?))).optional()
            })
            .map_err(|error| self.judge(&error))?
            .ok_or(StoreError::NoSuchEntry(id))
    }

    pub fn card(&self, place: &Place) -> Result<Option<Card>, StoreError> {
        let body: Option<Vec<u8>> = self
            .connection
            .prepare_cached("SELECT body FROM cards WHERE place = ?")
            .and_then(|mut statement| statement.query_row([place], |row| row.get(0)).optional())
            .map_err(|error| self.judge(&error))?;
        Ok(body.and_then(|body| {
            unpack(&body)
                .inspect_err(|error| tracing::error!(%error, "a card is not known any more"))
                .ok()
        }))
    }

    fn save_card(&mut self, place: &Place, card: &Card) -> Result<(), StoreError> {
        let at = card.updated_at;
        self.change(
            "INSERT INTO cards (place, updated_at, body) VALUES (?, ?, ?) \
             ON CONFLICT (place) DO UPDATE SET updated_at = excluded.updated_at, body = excluded.body",
            params![place, millis(at), pack(card)?],
        )
        .map(drop)
    }

    /// Runs a statement that changes rows; returns how many.
    pub fn change(&self, sql: &str, params: impl rusqlite::Params) -> Result<usize, StoreError> {
        self.connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute(params))
            .map_err(|error| self.judge(&error))
    }
}

/// An entry without its state, its place, and its body, which may not decode.
fn read(row: &Row<'_>, lane: LaneId) -> rusqlite::Result<(Entry, Place, Vec<u8>)> {
    let updates: String = row.get(3)?;
    let entry = Entry {
        id: EntryId(row.get(0)?),
        lane,
        template: row.get(2)?,
        updates: match updates.as_str() {
            "edit" => Updates::Edit,
            "new" => Updates::New,
            _ => Updates::Thread,
        },
        state: super::queries::nothing(),
        merged: row.get(5)?,
        version: row.get(6)?,
        first_accepted_at: timestamp(row.get(7)?),
        last_accepted_at: timestamp(row.get(8)?),
        attempts: row.get(9)?,
        buttons: row.get::<_, Option<String>>(10)?.as_deref().map(buttons_of),
        forgotten: Forgotten { ended: row.get(11)?, unlisted: row.get(12)? },
    };
    Ok((entry, row.get(1)?, row.get(4)?))
}
