//! A group in a digest: what its line says, and how its lease ends.

use jiff::Timestamp;

use crate::alert::{GroupId, Notification};
use crate::delivery::plan::{Plan, Step, has_ended};
use crate::delivery::speaker::Voice;
use crate::outbox::{Card, Class, Entry, Lease, Leased, Packed, Settlement, StoreError};
use crate::rendering::{Glance, Kind, Scene};
use crate::telegram::{ChatId, MessageId};

/// Groups that one digest is made from: about as many as one message holds.
pub(super) const MOST: u32 = 200;
/// Lanes, in all chats, that gather at the same time: each has as many groups unpacked, with all
/// their alerts.
pub(in crate::delivery) const GATHER_AT_ONCE: usize = 2;
/// The same for those that settle. Who has told people does not wait behind who gathers.
pub(in crate::delivery) const SETTLE_AT_ONCE: usize = 4;
/// Digests that are mended behind a group that was told again and again before there was time.
const MOST_STALE: usize = 16;

/// A group that a digest is to tell of. While digests wait for their turn there may be thousands of
/// them in memory, so their states and cards stay packed.
pub(super) struct Told {
    pub lease: Lease,
    pub group: GroupId,
    pub first_accepted_at: Timestamp,
    pub silent: bool,
    /// A later digest tells of it: only what an earlier one says is to be mended.
    pub stale: bool,
    /// As [`Plan::class`].
    pub class: Option<&'static str>,
    pub glance: Glance,
    /// Whether it would have opened a card: one that it has is of the past.
    opens: bool,
    present: Packed<Notification>,
    card: Option<Packed<Card>>,
}

impl Told {
    /// `plan` is what is to be said of `leased`; `stale`: as [`Told::stale`].
    ///
    /// # Errors
    ///
    /// When it can't be packed, which nothing that was accepted is known to do.
    pub fn new(
        leased: &Leased,
        plan: &Plan,
        glance: Glance,
        stale: bool,
    ) -> Result<Self, StoreError> {
        let Leased { lease, entry, card, .. } = leased;
        let (opens, silent) = match plan.next {
            Some(Step::Open { silent }) => (true, silent),
            Some(Step::Reply { silent, .. }) => (false, silent),
            _ => (false, true),
        };
        Ok(Self {
            lease: lease.clone(),
            group: entry.state.group.clone(),
            first_accepted_at: entry.first_accepted_at,
            silent,
            stale,
            class: plan.class(),
            glance,
            opens,
            present: Packed::new(&plan.present)?,
            card: card.as_ref().map(Packed::new).transpose()?,
        })
    }

    pub fn line(&self) -> (GroupId, Glance) {
        (self.group.clone(), self.glance.clone())
    }

    /// How its lease ends when the digest `message` shows it to nobody any more.
    pub fn left(&self, message: MessageId) -> Result<Settlement, StoreError> {
        let Some(card) = self.card()? else { return Ok(Settlement::Released { attempt: None }) };
        let card = if self.stale {
            Card { stale: without(&card.stale, message), ..card }
        } else {
            Card { digest: None, ..card }
        };
        Ok(Settlement::Partly(card, Class::End))
    }

    /// The card as it was leased.
    fn card(&self) -> Result<Option<Card>, StoreError> {
        self.card.as_ref().map(Packed::open).transpose()
    }

    /// How its lease ends when the digest `message` tells of it in `chat`.
    pub fn settlement(
        &self,
        chat: ChatId,
        message: MessageId,
        now: Timestamp,
    ) -> Result<Settlement, StoreError> {
        let former = match self.card()? {
            Some(card) if self.stale => {
                // Whether more is to be done the next look tells.
                let stale = without(&card.stale, message);
                let card = Card { stale, updated_at: now, ..card };
                return Ok(Settlement::Partly(card, Class::Edit));
            }
            former => former.filter(|card| card.chat == chat),
        };
        let state = self.present.open()?;
        let ended = has_ended(&state);
        let at = Some((self.lease.entry, self.lease.version));
        let own = former.as_ref().filter(|card| !self.opens && !card.parts.is_empty());
        let card = Card {
            chat,
            parts: own.map(|card| card.parts.clone()).unwrap_or_default(),
            state,
            told: at,
            shown: if own.is_some() { own.and_then(|card| card.shown) } else { at },
            digest: Some((message, ended)),
            stale: former
                .as_ref()
                .map(|card| left_behind(card, message, ended))
                .unwrap_or_default(),
            pinned: former.as_ref().and_then(|card| card.pinned),
            unfinished: None,
            updated_at: now,
            closed_at: if own.is_some() {
                own.and_then(|card| card.closed_at)
            } else {
                ended.then_some(now)
            },
        };
        Ok(if own.is_some() || card.pinned.is_some() || !card.stale.is_empty() {
            Settlement::Partly(card, Class::Edit)
        } else {
            Settlement::Shown(card)
        })
    }
}

/// Whether a digest's line about the group is to be marked, because a later digest tells of it.
pub(super) fn is_stale(leased: &Leased, digest: MessageId) -> bool {
    leased.card.as_ref().is_some_and(|card| card.stale.contains(&digest))
}

fn without(digests: &[MessageId], digest: MessageId) -> Vec<MessageId> {
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
        forgotten: entry.forgotten,
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
