//! Where a group stays: the topic of a chat in which its card stands, while it is open there.
//!
//! A label chooses the topic of some notifications, and a group may stop sharing it, or share
//! another value of it. Then what comes next would be told elsewhere, and the card would fire
//! for ever. Only such groups are remembered here; what the chats' and routes' fixed topics and
//! the labels of the grouping choose can't change.

use rusqlite::{OptionalExtension, params};

use super::accept::Parcel;
use super::columns::{Place, hash_of, place, topic_column};
use super::desk::Desk;
use crate::alert::GroupId;
use crate::outbox::{Card, StoreError};
use crate::routing::{ChatAlias, Destination, LaneId};

/// A home that is used is noted as such this often, so that it is forgotten no sooner than a card.
const NOTED_EVERY: i64 = 24 * 60 * 60 * 1000;

/// The hash of a chat and a group.
type Kin = [u8; 16];

/// Where a destination leads.
pub(super) struct Home {
    pub lane: LaneId,
    pub place: Place,
    /// What is to be remembered of it, when something is accepted there.
    note: Option<Kin>,
}

impl Desk {
    /// The lane that a destination leads to: the chosen one, unless a label chose it and the group
    /// is open in another topic of the chat. Changes nothing.
    pub fn home(
        &self,
        parcel: &Parcel,
        destination: &Destination,
        chosen: Place,
    ) -> Result<Home, StoreError> {
        let lane = destination.lane.clone();
        // A chat that is told in several topics has no single one to stay in.
        let told_once =
            || parcel.destinations.iter().filter(|d| d.lane.chat == lane.chat).count() == 1;
        let group = parcel.group.as_ref().filter(|_| destination.by_label && told_once());
        let Some(group) = group else { return Ok(Home { lane, place: chosen, note: None }) };
        let kin = kin(&lane.chat, group);
        let known = self.known_home(kin, &lane.chat).map_err(|error| self.judge(&error))?;
        Ok(match known {
            Some((home, at)) if home == lane => {
                let note = (parcel.at >= at.saturating_add(NOTED_EVERY)).then_some(kin);
                Home { lane, place: chosen, note }
            }
            Some((home, _)) if self.is_open(&place(&home, group))? => {
                Home { place: place(&home, group), lane: home, note: Some(kin) }
            }
            _ => Home { lane, place: chosen, note: Some(kin) },
        })
    }

    /// Remembers where the group is, if that is not known.
    pub fn move_in(&self, home: &Home, at: i64) -> Result<(), StoreError> {
        let Some(kin) = home.note else { return Ok(()) };
        self.change(
            "INSERT INTO homes (kin, topic, at) VALUES (?, ?, ?) \
             ON CONFLICT (kin) DO UPDATE SET topic = excluded.topic, at = excluded.at",
            params![kin, topic_column(&home.lane), at],
        )
        .map(drop)
    }

    /// Forgets some of those that nobody used since `oldest`; their cards are forgotten, too.
    pub fn forget_homes(&self, oldest: i64) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached(
                "DELETE FROM homes WHERE kin IN (SELECT kin FROM homes WHERE at < ? LIMIT 200)",
            )?
            .execute([oldest])
            .map(drop)
    }

    fn known_home(&self, kin: Kin, chat: &ChatAlias) -> rusqlite::Result<Option<(LaneId, i64)>> {
        self.connection
            .prepare_cached("SELECT ?, topic, at FROM homes WHERE kin = ?")?
            .query_row(params![chat.as_str(), kin], |row| {
                Ok((super::queries::lane(row, 0)?, row.get(2)?))
            })
            .optional()
    }

    /// Whether something waits for the group there, or a card shows it that has not ended.
    fn is_open(&self, place: &Place) -> Result<bool, StoreError> {
        if self.waiting(place).map_err(|error| self.judge(&error))?.is_some() {
            return Ok(true);
        }
        let card = self.card(place)?;
        let is_shown = |card: &Card| !card.parts.is_empty() || card.digest.is_some();
        Ok(card.is_some_and(|card| card.closed_at.is_none() && is_shown(&card)))
    }
}

fn kin(chat: &ChatAlias, group: &GroupId) -> Kin {
    hash_of(&[
        chat.as_str().as_bytes(),
        group.source.as_str().as_bytes(),
        group.receiver.as_bytes(),
        group.key.as_bytes(),
    ])
}
