//! Merging what is new into what waits.

use rusqlite::params;

use super::accept::{Parcel, Waiting};
use super::columns::{Place, alert_hashes, buttons_words, covers, updates_word};
use super::desk::Desk;
use crate::alert::{Alert, Forgotten, Notification};
use crate::outbox::forget::{forget, may_be_too_much};
use crate::outbox::merge;
use crate::outbox::pack::{pack, unpack};
use crate::outbox::{EntryId, Fate, StoreError};
use crate::routing::Destination;

impl Desk {
    /// Merges a parcel into the entry that waits in `place`.
    pub fn merge_into(
        &mut self,
        parcel: &Parcel,
        destination: &Destination,
        place: &Place,
        waiting: &Waiting,
        events: &[u8],
    ) -> Result<Fate, StoreError> {
        let (now, id) = (parcel.at, waiting.id);
        let mut forgotten = Forgotten::default();
        // When the newer body lists every alert that waits, it is the merged state already.
        let merged = if !waiting.forgot_unlisted && covers(&parcel.alerts, &waiting.alerts) {
            None
        } else {
            match self.body(id) {
                Ok(older) => {
                    let newer = unpack(&parcel.body)?;
                    let held = waiting.forgot_unlisted && holds_unlisted(&older);
                    let (merged, gone) = self.bounded((older, newer), |_| true, id, place)?;
                    // With those that are held the forgotten are listed again, as far as one can tell.
                    if held && merged.is_complete() && !holds_unlisted(&merged) {
                        self.recall_unlisted(id)?;
                    }
                    forgotten = gone;
                    Some((alert_hashes(&merged), pack(&merged)?))
                }
                Err(error) => {
                    tracing::error!(entry = %id, %error, "replaced by its group's newer state");
                    None
                }
            }
        };
        let (alerts, body) = match &merged {
            Some((alerts, body)) => (alerts, body),
            None => (&parcel.alerts, &parcel.body),
        };
        self.change(
            "UPDATE entries SET last_at = ?, merged = merged + 1, version = version + 1, \
             template = ?, updates = ?, buttons = ?, alerts = ?, body = ?, events = ? WHERE id = ?",
            params![
                now,
                destination.template,
                updates_word(destination.updates),
                buttons_words(destination.buttons.as_deref()),
                alerts,
                body,
                events,
                id.0
            ],
        )?;
        let class = waiting.class.min(parcel.priority.class as i64);
        let severity = parcel.priority.severity;
        // What it leaves out may be the worst.
        let severity = if parcel.left_out { waiting.severity.min(severity) } else { severity };
        // The index over these two is left alone as long as they stay.
        if (severity, class) != (waiting.severity, waiting.class) {
            self.change(
                "UPDATE entries SET severity = ?, class = ? WHERE id = ?",
                params![severity, class, id.0],
            )?;
        }
        if waiting.told {
            self.nothing_is_told(id, 1, now)?;
        }
        self.count_forgotten(id, forgotten)?;
        self.leases.news(id, now);
        Ok(Fate::Merged)
    }

    /// People were told what the entry held: what it has to say now, so many notifications since
    /// `first_at`, neither waits since then nor counts with it.
    pub fn nothing_is_told(
        &mut self,
        id: EntryId,
        merged: u32,
        first_at: i64,
    ) -> Result<(), StoreError> {
        self.change(
            "UPDATE entries SET first_at = ?, merged = ?, told = 0 WHERE id = ?",
            params![first_at, merged, id.0],
        )?;
        self.leases.covers_none(id);
        Ok(())
    }

    /// The state of the group of entry `id` with the second on top of the first, within bounds; and what
    /// had to go for that. Of the second stays what `stays` says.
    fn bounded(
        &self,
        (older, newer): (Notification, Notification),
        stays: impl Fn(&Alert) -> bool,
        id: EntryId,
        place: &Place,
    ) -> Result<(Notification, Forgotten), StoreError> {
        let listed = newer.alerts.len();
        self.within_bounds(
            merge(older, newer),
            |index, alert| index < listed && stays(alert),
            id,
            place,
        )
    }

    /// What the group of entry `id` comes to, without what is too much and `stays` does not keep, and what
    /// had to go for that.
    pub fn within_bounds(
        &self,
        mut merged: Notification,
        stays: impl Fn(usize, &Alert) -> bool,
        id: EntryId,
        place: &Place,
    ) -> Result<(Notification, Forgotten), StoreError> {
        let others =
            merged.alerts.iter().enumerate().filter(|(index, alert)| !stays(*index, alert));
        let may_be = may_be_too_much(others.map(|(_, alert)| alert));
        // What is being told is not to be counted among the forgotten. A lease ends soon.
        if !may_be || self.leases.get(id).is_some() {
            return Ok((merged, Forgotten::default()));
        }
        let card = self.card(place)?;
        let forgotten = forget(&mut merged, stays, card.as_ref());
        Ok((merged, forgotten))
    }

    pub fn count_forgotten(&self, id: EntryId, forgotten: Forgotten) -> Result<(), StoreError> {
        if forgotten.is_none() {
            return Ok(());
        }
        self.change(
            "UPDATE entries SET forgotten_ended = forgotten_ended + ?, \
             forgotten_unlisted = forgotten_unlisted + ? WHERE id = ?",
            params![forgotten.ended, forgotten.unlisted, id.0],
        )
        .map(drop)
    }

    /// Nothing of what an entry counted as not listed any more is so now.
    fn recall_unlisted(&mut self, id: EntryId) -> Result<(), StoreError> {
        self.change("UPDATE entries SET forgotten_unlisted = 0 WHERE id = ?", [id.0])?;
        self.leases.recall_unlisted(id);
        Ok(())
    }

    /// People were told of what an entry counted.
    pub fn told_of_forgotten(&self, id: EntryId, forgotten: Forgotten) -> Result<(), StoreError> {
        if forgotten.is_none() {
            return Ok(());
        }
        self.change(
            "UPDATE entries SET forgotten_ended = max(0, forgotten_ended - ?), \
             forgotten_unlisted = max(0, forgotten_unlisted - ?) WHERE id = ?",
            params![forgotten.ended, forgotten.unlisted, id.0],
        )
        .map(drop)
    }

    /// The merged notification of an entry.
    pub fn body(&self, id: EntryId) -> Result<Notification, StoreError> {
        let body: Vec<u8> = self
            .connection
            .prepare_cached("SELECT body FROM entries WHERE id = ?")
            .and_then(|mut statement| statement.query_row([id.0], |row| row.get(0)))
            .map_err(|error| self.judge(&error))?;
        unpack(&body)
    }
}

/// Whether a state has alerts that are not listed any more and whose end is not known.
fn holds_unlisted(state: &Notification) -> bool {
    state.firing().any(|alert| alert.unlisted)
}
