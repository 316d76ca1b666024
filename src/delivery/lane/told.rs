//! A group in a digest: what its line says, and how its lease ends.

use jiff::Timestamp;

use crate::alert::{GroupId, Notification};
use crate::delivery::plan::has_ended;
use crate::delivery::speaker::Voice;
use crate::outbox::{Card, Class, Entry, Leased, Settlement};
use crate::rendering::{Glance, Kind, Scene};
use crate::telegram::MessageId;

/// Digests that are mended behind a group that was told again and again before there was time.
const MOST_STALE: usize = 16;

/// A group that a digest is to tell of.
pub(super) struct Told {
    pub leased: Leased,
    pub present: Notification,
    /// Whether it would have opened a card: one that it has is of the past.
    pub opens: bool,
    pub silent: bool,
    /// A later digest tells of it: only what an earlier one says is to be mended.
    pub stale: bool,
    /// As [`Plan::class`](crate::delivery::plan::Plan::class).
    pub class: Option<&'static str>,
    pub glance: Glance,
}

impl Told {
    pub fn line(&self) -> (GroupId, Glance) {
        (self.leased.entry.state.group.clone(), self.glance.clone())
    }
}

/// How the lease of a group ends that a digest told of.
pub(super) fn settlement(
    told: &Told,
    voice: &Voice<'_>,
    message: MessageId,
    now: Timestamp,
) -> Settlement {
    let Leased { entry, card, .. } = &told.leased;
    if let Some(card) = card.as_ref().filter(|_| told.stale) {
        // Whether more is to be done the next look tells.
        let card = Card { stale: without(&card.stale, message), updated_at: now, ..card.clone() };
        return Settlement::Partly(card, Class::Edit);
    }
    let ended = has_ended(&told.present);
    let at = Some((entry.id, entry.version));
    let own = card.as_ref().filter(|card| card.chat == voice.number && !card.parts.is_empty());
    let own = own.filter(|_| !told.opens);
    let former = card.as_ref().filter(|card| card.chat == voice.number);
    let card = Card {
        chat: voice.number,
        parts: own.map(|card| card.parts.clone()).unwrap_or_default(),
        state: told.present.clone(),
        told: at,
        shown: if own.is_some() { own.and_then(|card| card.shown) } else { at },
        digest: Some((message, ended)),
        stale: former.map(|card| left_behind(card, message, ended)).unwrap_or_default(),
        pinned: former.and_then(|card| card.pinned),
        unfinished: None,
        updated_at: now,
        closed_at: if own.is_some() {
            own.and_then(|card| card.closed_at)
        } else {
            ended.then_some(now)
        },
    };
    if own.is_some() || card.pinned.is_some() || !card.stale.is_empty() {
        Settlement::Partly(card, Class::Edit)
    } else {
        Settlement::Shown(card)
    }
}

/// Whether a digest's line about the group is to be marked, because a later digest tells of it.
pub(super) fn is_stale(leased: &Leased, digest: MessageId) -> bool {
    leased.card.as_ref().is_some_and(|card| card.stale.contains(&digest))
}

pub(super) fn without(digests: &[MessageId], digest: MessageId) -> Vec<MessageId> {
    digests.iter().copied().filter(|other| *other != digest).collect()
}

/// The digests whose lines are not true any more once `digest` tells of the group. A line that says
/// ended stays true of a group that has.
fn left_behind(card: &Card, digest: MessageId, ended: bool) -> Vec<MessageId> {
    let mut stale = without(&card.stale, digest);
    if let Some((former, said_ended)) = card.digest
        && former != digest
        && !(said_ended && ended)
        && stale.len() < MOST_STALE
    {
        stale.push(former);
    }
    stale
}

/// What a glance is taken of.
pub(super) fn scene<'s>(
    voice: &'s Voice<'_>,
    entry: &'s Entry,
    state: &'s Notification,
) -> Scene<'s> {
    Scene {
        kind: Kind::Card,
        state,
        news: &[],
        merged: entry.merged,
        accepted_at: entry.first_accepted_at,
        now: voice.delivery.shared.with.clock.now(),
        note: None,
        template: &entry.template,
        language: voice.chat.language,
        timezone: &voice.chat.timezone,
        tg_time: false,
        buttons: &[],
        table: false,
    }
}
