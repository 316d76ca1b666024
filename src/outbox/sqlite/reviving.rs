//! Dead letters that wait again.

use rusqlite::params;

use super::accept::Waiting;
use super::columns::{Place, alert_hashes, place};
use super::desk::{DEAD, Desk, WAITING, millis};
use crate::alert::{Alert, Forgotten, Notification};
use crate::outbox::merge::{merge, merge_beneath};
use crate::outbox::pack::pack;
use crate::outbox::{Class, EntryId, EntryState, EntryView, Retried, StoreError};
use crate::routing::LaneId;

/// The dead letters in a place, oldest first. Only with the state spelt out is it clear that the index
/// over the dead has them all.
const DEAD_IN_PLACE: &str = "SELECT id FROM entries WHERE place = ? AND state = 1 ORDER BY id";
const _: () = assert!(DEAD == 1, "the statement above spells it out");

/// The dead letters of one group in one lane, as one.
struct Letters {
    /// The newest.
    id: EntryId,
    /// Those beneath it.
    older: Vec<EntryId>,
    state: Notification,
    merged: u32,
    forgotten: Forgotten,
    severity: u8,
    first_at: i64,
}

/// What is not forgotten; which ends were listed last is not known.
fn stays(_: usize, alert: &Alert) -> bool {
    alert.fires() && !alert.unlisted
}

impl Letters {
    fn of(view: &EntryView, state: Notification) -> Self {
        Self {
            id: view.id,
            older: Vec::new(),
            state,
            merged: view.merged,
            forgotten: view.forgotten,
            severity: view.severity,
            first_at: millis(view.first_accepted_at),
        }
    }

    /// With older ones beneath it.
    fn over(self, older: Self) -> Self {
        let mut all = older.older;
        all.push(older.id);
        Self {
            id: self.id,
            older: all,
            state: merge(older.state, self.state),
            merged: self.merged + older.merged,
            forgotten: Forgotten {
                ended: self.forgotten.ended + older.forgotten.ended,
                unlisted: self.forgotten.unlisted + older.forgotten.unlisted,
            },
            severity: self.severity.min(older.severity),
            first_at: self.first_at.min(older.first_at),
        }
    }
}

impl Desk {
    pub fn retry(&mut self, id: EntryId) -> Result<Retried, StoreError> {
        let view = self.show(id)?;
        let lane = LaneId { chat: view.chat.clone(), topic: view.topic.clone() };
        if view.state == EntryState::Waiting {
            self.change("UPDATE entries SET attempts = 0 WHERE id = ?", [id.0])?;
            return Ok(Retried { lane, entry: id, with: Vec::new() });
        }
        let place = place(&lane, &self.body(id)?.group);
        // All of the group, or which of those that wait later on is the newest would not be known.
        let letters = self.letters(&place)?.ok_or(StoreError::NoSuchEntry(id))?;
        let revived = 1 + letters.older.len() as u64;
        let waiting = self.waiting(&place).map_err(|error| self.judge(&error))?;
        let (entry, with) = if let Some(newer) = waiting {
            (newer.id, self.lay_beneath(&newer, &place, letters)?)
        } else {
            let newest = letters.id;
            let older = self.revive(&place, letters)?;
            self.count(lane.chat.as_str()).waiting += 1;
            self.waiters.touch(&lane);
            (newest, older)
        };
        self.count(lane.chat.as_str()).dead -= revived;
        Ok(Retried { lane, entry, with })
    }

    /// The dead letters in a place, the newest on top. One that does not read stays where it is.
    fn letters(&mut self, place: &Place) -> Result<Option<Letters>, StoreError> {
        let ids: Vec<i64> = self.rows(DEAD_IN_PLACE, [place], |row| row.get(0))?;
        let mut letters: Option<Letters> = None;
        for id in ids.into_iter().map(EntryId) {
            let Ok(state) = self.body(id) else { continue };
            let view = self.show(id)?;
            let newer = Letters::of(&view, state);
            let Some(older) = letters else {
                letters = Some(newer);
                continue;
            };
            let mut both = newer.over(older);
            let (state, forgotten) = self.within_bounds(both.state, stays, id, place)?;
            both.state = state;
            both.forgotten.ended += forgotten.ended;
            both.forgotten.unlisted += forgotten.unlisted;
            letters = Some(both);
        }
        Ok(letters)
    }

    /// They wait, with nothing above them but what people were told since. Returns those that are part
    /// of the newest now.
    fn revive(&mut self, place: &Place, letters: Letters) -> Result<Vec<EntryId>, StoreError> {
        let id = letters.id;
        // What waits is newer than what people were told, whatever their clocks said.
        let since = self.card(place)?.filter(|card| card.told.is_some_and(|at| at.0 > id));
        // Whoever was told the letter itself was not told what is merged with it.
        let is_new = since.is_some() || !letters.older.is_empty();
        let state = match since {
            Some(card) => merge_beneath(letters.state, card.state),
            None => letters.state,
        };
        let (state, forgotten) = self.within_bounds(state, stays, id, place)?;
        self.change(
            "UPDATE entries SET state = ?, attempts = 0, reason = NULL, class = ?, events = NULL, \
             told = 0, version = version + ?, alerts = ?, body = ?, merged = ?, severity = ?, \
             first_at = ?, forgotten_ended = ?, forgotten_unlisted = ? WHERE id = ?",
            params![
                WAITING,
                Class::News as i64,
                i64::from(is_new),
                alert_hashes(&state),
                pack(&state)?,
                letters.merged,
                letters.severity,
                letters.first_at,
                letters.forgotten.ended,
                letters.forgotten.unlisted,
                id.0
            ],
        )?;
        self.count_forgotten(id, forgotten)?;
        self.bury_for_good(&letters.older)?;
        Ok(letters.older)
    }

    /// They are merged beneath the entry that waits in their place by now, and removed. Returns them.
    fn lay_beneath(
        &mut self,
        waiting: &Waiting,
        place: &Place,
        letters: Letters,
    ) -> Result<Vec<EntryId>, StoreError> {
        let id = waiting.id;
        let newer = self.body(id)?;
        let listed = newer.alerts.len();
        let merged = merge_beneath(letters.state, newer);
        let stays = |index, alert: &Alert| index < listed && stays(index, alert);
        let (merged, forgotten) = self.within_bounds(merged, stays, id, place)?;
        self.change(
            "UPDATE entries SET alerts = ?, body = ?, version = version + 1, \
             merged = merged + ?, class = ?, severity = min(severity, ?) WHERE id = ?",
            params![
                alert_hashes(&merged),
                pack(&merged)?,
                letters.merged,
                Class::News as i64,
                letters.severity,
                id.0
            ],
        )?;
        if waiting.told {
            self.nothing_is_told(id, letters.merged, letters.first_at)?;
        }
        self.count_forgotten(id, forgotten)?;
        self.count_forgotten(id, letters.forgotten)?;
        self.leases.news(id, letters.first_at);
        let mut all = letters.older;
        all.push(letters.id);
        self.bury_for_good(&all)?;
        Ok(all)
    }

    /// What these said stands in another entry.
    fn bury_for_good(&self, ids: &[EntryId]) -> Result<(), StoreError> {
        for id in ids {
            self.change("DELETE FROM entries WHERE id = ?", [id.0])?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::memory::Memory;
    use super::super::schema;
    use super::*;

    #[test]
    fn the_dead_letters_of_a_group_are_found_among_many_by_an_index() {
        let memory = Memory::new().unwrap();
        let connection = schema::open_in(&memory).unwrap().connection;
        let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {DEAD_IN_PLACE}")).unwrap();
        let steps = plan.query_map([Place::default()], |row| row.get(3)).unwrap();
        let steps: Vec<String> = steps.map(Result::unwrap).collect();
        assert_eq!(steps, ["SEARCH entries USING COVERING INDEX entries_dead (place=?)"]);
    }
}
