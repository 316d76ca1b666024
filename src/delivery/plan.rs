//! What is to be said about a group, given what people know of it. Pure.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use jiff::{Timestamp, ZonedDateTime};

use super::sound::Sound;
use crate::alert::{Alert, Notification, Status};
use crate::outbox::{Card, Class, Entry, merge};
use crate::rendering::Kind;
use crate::routing::{Severities, Updates};
use crate::telegram::{ChatId, MessageId};

/// The same for alerts that fired when they were last heard of.
const UNLISTED_KEPT: usize = 20;
/// How many ended alerts a card keeps showing that later notifications do not list any more.
const ENDED_KEPT: usize = 20;

/// What one lease is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The state of the group to show.
    pub present: Notification,
    /// The next message; `None` when people know everything.
    pub next: Option<Step>,
    /// In which class the rest waits after that, when there is a rest.
    pub then: Option<Class>,
}

/// One message to people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Send the card, or what is missing of it.
    Open {
        silent: bool,
    },
    /// Bring the card up to date.
    Edit,
    /// Reply to the card.
    Reply {
        kind: Kind,
        news: Vec<usize>,
        silent: bool,
    },
    /// Pin the card's first message.
    Pin(MessageId),
    Unpin(MessageId),
    /// Bring the group's line in a digest up to date.
    Line(MessageId),
}

/// Where and when it is to be said.
#[derive(Debug, Clone)]
pub struct Ground<'a> {
    /// Where the lane leads now; a card in another chat is left alone.
    pub chat: ChatId,
    /// In the chat's time zone.
    pub now: ZonedDateTime,
    /// A card whose group ended longer ago is not opened again.
    pub new_card_after: Duration,
    pub sound: &'a Sound,
    /// Severities whose cards are pinned while they fire; `None` when the chat lets nabat pin
    /// nothing.
    pub pin: Option<&'a [String]>,
    /// The severities that the installation knows, worst first.
    pub severities: &'a Severities,
}

impl Plan {
    /// The class of the message, if people notice it: `news`, `repeat` or `end`.
    pub fn class(&self) -> Option<&'static str> {
        match &self.next {
            Some(Step::Open { .. }) if has_ended(&self.present) => Some("end"),
            Some(Step::Open { .. } | Step::Reply { kind: Kind::News, .. }) => Some("news"),
            Some(Step::Reply { kind: Kind::Reminder, .. }) => Some("repeat"),
            Some(Step::Reply { .. }) => Some("end"),
            _ => None,
        }
    }
}

/// Decides what is said next about the entry's group.
pub fn plan(entry: &Entry, card: Option<&Card>, ground: &Ground<'_>) -> Plan {
    let told_now = |card: &Card| card.told == Some((entry.id, entry.version));
    let stands = |card: &&Card| !card.parts.is_empty() || card.digest.is_some();
    let here = card.filter(|card| card.chat == ground.chat).filter(stands);
    let former = here.filter(|card| told_now(card) || !ground.is_too_old(card));
    let editable = former
        .filter(|card| entry.updates != Updates::New || card.told.is_none() || told_now(card));
    let Some(card) = editable else {
        // A card that stands elsewhere, or nowhere any more, still says what people know.
        let memory = card.filter(|card| !ground.is_too_old(card) && entry.updates != Updates::New);
        let present = match memory {
            Some(card) => merge(remembered(card), entry.state.clone()),
            None => entry.state.clone(),
        };
        let kind = former.map_or_else(|| first(&present), |card| another(card, &present));
        let silent = !ground.rings(kind, &present, &[]);
        let lines = here.and_then(|card| untrue_line(card, &present)).map(|_| Class::Edit);
        let then = ground.repin(here.and_then(|card| card.pinned), None, &present).or(lines);
        return Plan { present, next: Some(Step::Open { silent }), then };
    };
    let before = remembered(card);
    let present = merge(before.clone(), entry.state.clone());
    if card.told.is_none() {
        let silent = !ground.rings(first(&present), &present, &[]);
        let lines = untrue_line(card, &present).map(|_| Class::Edit);
        let then = ground.repin(card.pinned, None, &present).or(lines);
        return Plan { present, next: Some(Step::Open { silent }), then };
    }
    // What the line in the digest says is not true any more.
    let line = card.digest.filter(|(_, ended)| *ended != has_ended(&present)).map(|(at, _)| at);
    // Nor what an earlier digest's line says.
    let stale = card.stale.first().copied();
    if let (true, Some((digest, _))) = (card.parts.is_empty(), card.digest) {
        let lines = (digest, line, stale);
        return shown_in(lines, card, told_now(card), &before, present, ground);
    }
    let line = line.or(stale);
    let front = card.parts.first().map(|part| part.id);
    if told_now(card) && (card.shown == card.told || entry.updates == Updates::New) {
        let pin = ground.pin_step(card.pinned, front, &present);
        // A line that is not true is worse than a pin that is missing, and a pin may be refused each
        // time it is tried. What was pinned before makes room for the new one.
        let again = matches!(pin, Some(Step::Unpin(_))) && ground.pins(&present);
        let again = again || (pin.is_some() && line.is_some());
        let next = line.map(Step::Line).or(pin);
        return Plan { present, next, then: again.then_some(Class::Edit) };
    }
    let then = ground.repin(card.pinned, front, &present).or(line.map(|_| Class::Edit));
    match entry.updates {
        Updates::New | Updates::Edit => Plan { present, next: Some(Step::Edit), then },
        Updates::Thread => {
            let reply = if told_now(card) { None } else { change(card, &before, &present) };
            let (next, then) = match reply {
                Some((kind, news)) => {
                    let silent = !ground.rings(kind, &present, &news);
                    (Step::Reply { kind, news, silent }, Some(Class::Edit))
                }
                None => (Step::Edit, then),
            };
            Plan { present, next: Some(next), then }
        }
    }
}

/// The digest whose line about the group is not true any more.
fn untrue_line(card: &Card, present: &Notification) -> Option<MessageId> {
    let line = card.digest.filter(|(_, ended)| *ended != has_ended(present));
    line.map(|(digest, _)| digest).or(card.stale.first().copied())
}

/// The same about a group of which people know from a digest alone: what they must notice gives it
/// a card of its own, anything else changes its line. An end does so where the line did not say it.
fn shown_in(
    (digest, line, stale): (MessageId, Option<MessageId>, Option<MessageId>),
    card: &Card,
    told_now: bool,
    before: &Notification,
    present: Notification,
    ground: &Ground<'_>,
) -> Plan {
    if told_now {
        // What was pinned when it had a card of its own.
        let unpin = ground.pin_step(card.pinned, None, &present);
        let line = line.or(stale);
        let then = unpin.as_ref().and(line).map(|_| Class::Edit);
        return Plan { present, next: line.map(Step::Line).or(unpin), then };
    }
    // Where the line says already that it is over, one more end changes nothing that people see.
    let needs_card = |kind| kind != Kind::Ended || line.is_none();
    match change(card, before, &present) {
        Some((kind, news)) if needs_card(kind) => {
            let silent = !ground.rings(kind, &present, &news);
            let lines = line.or(stale).map(|_| Class::Edit);
            let then = ground.repin(card.pinned, None, &present).or(lines);
            Plan { present, next: Some(Step::Open { silent }), then }
        }
        _ => Plan { present, next: Some(Step::Line(digest)), then: None },
    }
}

impl Ground<'_> {
    /// Whether a message rings for any of the alerts that it is about.
    fn rings(&self, kind: Kind, state: &Notification, news: &[usize]) -> bool {
        let rings = |severity: &str| self.sound.rings(kind, severity, &self.now, self.severities);
        let mut about = state
            .alerts
            .iter()
            .enumerate()
            .filter(|(index, alert)| match kind {
                Kind::News if !news.is_empty() => news.contains(index),
                Kind::Ended => true,
                _ => alert.fires() && !alert.unlisted,
            })
            .map(|(_, alert)| alert.severity())
            .peekable();
        // All alerts that fire were left out of a truncated body.
        if about.peek().is_none() {
            return rings(state.shared_label("severity").unwrap_or_default());
        }
        about.any(rings)
    }

    /// Whether the group's card is to be pinned.
    fn pins(&self, state: &Notification) -> bool {
        let severities = self.pin.unwrap_or_default();
        state.firing().filter(|alert| !alert.unlisted).any(|alert| {
            severities.iter().any(|severity| severity.eq_ignore_ascii_case(alert.severity()))
        })
    }

    /// What is to be pinned or unpinned, when `pinned` is and `front` is the card's message.
    fn pin_step(
        &self,
        pinned: Option<MessageId>,
        front: Option<MessageId>,
        state: &Notification,
    ) -> Option<Step> {
        self.pin?;
        let wanted = front.filter(|_| self.pins(state));
        match (pinned, wanted) {
            (Some(old), wanted) if wanted != Some(old) => Some(Step::Unpin(old)),
            (None, Some(front)) => Some(Step::Pin(front)),
            _ => None,
        }
    }

    /// In which class the pin waits behind the message that comes first, when there is something
    /// to pin or unpin. The card's message is not known yet when it is still to be sent.
    fn repin(
        &self,
        pinned: Option<MessageId>,
        front: Option<MessageId>,
        state: &Notification,
    ) -> Option<Class> {
        let changes = match front {
            Some(_) => self.pin_step(pinned, front, state).is_some(),
            None => self.pin.is_some() && (pinned.is_some() || self.pins(state)),
        };
        changes.then_some(Class::Edit)
    }

    fn is_too_old(&self, card: &Card) -> bool {
        card.closed_at.is_some_and(|closed| {
            let age = Duration::try_from(self.now.timestamp().duration_since(closed));
            age.is_ok_and(|age| age >= self.new_card_after)
        })
    }
}

/// What the first message about a group is.
fn first(present: &Notification) -> Kind {
    if still_fires(present) { Kind::Card } else { Kind::Ended }
}

/// What a message of its own is after those before it: one that tells of nothing new and reminds
/// of nothing is no louder than an end.
fn another(former: &Card, present: &Notification) -> Kind {
    let before = remembered(former);
    let present = merge(before.clone(), present.clone());
    match change(former, &before, &present) {
        Some((kind, _)) => kind,
        None if present.is_complete() => Kind::Ended,
        // What was left out may be news.
        None => first(&present),
    }
}

/// What must be said beside the card, and which alerts are news in it.
fn change(
    card: &Card,
    before: &Notification,
    present: &Notification,
) -> Option<(Kind, Vec<usize>)> {
    let known: HashMap<&str, &Alert> =
        card.state.alerts.iter().map(|alert| (alert.fingerprint.as_str(), alert)).collect();
    let is_news = |alert: &Alert| {
        alert.fires()
            && !alert.unlisted
            && known.get(alert.fingerprint.as_str()).is_none_or(|before| {
                !before.fires() || before.unlisted || before.starts_at != alert.starts_at
            })
    };
    let news: Vec<usize> =
        present.alerts.iter().enumerate().filter(|(_, a)| is_news(a)).map(|(i, _)| i).collect();
    let unchanged = occurrences(before) == occurrences(present);
    match (news.is_empty(), has_ended(present), unchanged) {
        (false, ..) => Some((Kind::News, news)),
        (_, true, false) => Some((Kind::Ended, news)),
        (_, false, true) if still_fires(present) => Some((Kind::Reminder, news)),
        _ => None,
    }
}

/// Whether nothing of the group fires, as far as the sender told everything.
pub fn has_ended(state: &Notification) -> bool {
    state.is_complete() && !still_fires(state)
}

/// Whether something fires that the sender still lists.
fn still_fires(state: &Notification) -> bool {
    state.firing().any(|alert| !alert.unlisted)
        || (!state.is_complete() && state.status == Status::Firing)
}

/// What tells a state from another; an alert that is not reported any more is a change, too.
fn occurrences(state: &Notification) -> HashSet<((&str, Status, Timestamp), bool)> {
    state.alerts.iter().map(|alert| (alert.occurrence(), alert.unlisted)).collect()
}

/// What of the card's state is worth showing beneath a newer notification: what fires, and the
/// latest of what ended or is not reported any more. Of a card whose group had ended only the
/// latest ends are.
fn remembered(card: &Card) -> Notification {
    let alerts = || card.state.alerts.iter();
    let mut ended: Vec<&Alert> = alerts().filter(|alert| !alert.fires()).collect();
    ended.sort_by_key(|alert| std::cmp::Reverse(alert.ends_at));
    ended.truncate(ENDED_KEPT);
    let mut kept: Vec<Alert> = Vec::new();
    if card.closed_at.is_none() {
        kept.extend(alerts().filter(|alert| alert.fires() && !alert.unlisted).cloned());
        let mut unlisted: Vec<&Alert> =
            alerts().filter(|alert| alert.fires() && alert.unlisted).collect();
        unlisted.sort_by_key(|alert| std::cmp::Reverse(alert.starts_at));
        unlisted.truncate(UNLISTED_KEPT);
        kept.extend(unlisted.into_iter().cloned());
    }
    kept.extend(ended.into_iter().cloned());
    Notification { alerts: kept, ..card.state.clone() }
}

#[cfg(test)]
mod tests;
