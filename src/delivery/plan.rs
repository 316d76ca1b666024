//! What is to be said about a group, given what people know of it. Pure.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use jiff::Timestamp;

use crate::alert::{Alert, Notification, Status};
use crate::outbox::{Card, Class, Entry, merge};
use crate::rendering::Kind;
use crate::routing::Updates;
use crate::telegram::ChatId;

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
    Open { silent: bool },
    /// Bring the card up to date.
    Edit,
    /// Reply to the card.
    Reply { kind: Kind, news: Vec<usize>, silent: bool },
}

/// Decides what is said next about the entry's group.
///
/// `chat` is where the lane leads now; a card in another chat is left alone. A card whose
/// group ended longer than `new_card_after` ago is not opened again.
pub fn plan(
    entry: &Entry,
    card: Option<&Card>,
    chat: ChatId,
    now: Timestamp,
    new_card_after: Duration,
) -> Plan {
    let told_now = |card: &Card| card.told == Some((entry.id, entry.version));
    let card = card.filter(|card| card.chat == chat && !card.parts.is_empty());
    let card = card.filter(|card| match entry.updates {
        Updates::New => card.told.is_none() || told_now(card),
        _ => told_now(card) || !ended_before(card, now, new_card_after),
    });
    let Some(card) = card else {
        let present = entry.state.clone();
        let silent = !rings(&present);
        return Plan { present, next: Some(Step::Open { silent }), then: None };
    };
    let before = remembered(card);
    // A dead letter that is tried again may be older than what people have seen since.
    let present = if entry.last_accepted_at < card.as_of {
        merge(&entry.state, &before)
    } else {
        merge(&before, &entry.state)
    };
    if card.told.is_none() {
        let silent = !rings(&present);
        return Plan { present, next: Some(Step::Open { silent }), then: None };
    }
    match entry.updates {
        Updates::New => Plan { present, next: None, then: None },
        Updates::Edit => Plan { present, next: Some(Step::Edit), then: None },
        Updates::Thread => {
            let reply = if told_now(card) { None } else { reply(card, &before, &present) };
            let (next, then) = match reply {
                Some(reply) => (reply, Some(Class::Edit)),
                None => (Step::Edit, None),
            };
            Plan { present, next: Some(next), then }
        }
    }
}

/// What must be said beside the card.
fn reply(card: &Card, before: &Notification, present: &Notification) -> Option<Step> {
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
    let (kind, silent) = match (news.is_empty(), has_ended(present), unchanged) {
        (false, ..) => (Kind::News, false),
        (_, true, false) => (Kind::Ended, true),
        (_, false, true) if rings(present) => (Kind::Reminder, false),
        _ => return None,
    };
    Some(Step::Reply { kind, news, silent })
}

/// Whether nothing of the group fires, as far as the sender told everything.
pub fn has_ended(state: &Notification) -> bool {
    state.is_complete() && !rings(state)
}

/// Whether something fires that the sender still lists.
fn rings(state: &Notification) -> bool {
    state.firing().any(|alert| !alert.unlisted)
        || (!state.is_complete() && state.status == Status::Firing)
}

fn ended_before(card: &Card, now: Timestamp, new_card_after: Duration) -> bool {
    card.closed_at.is_some_and(|closed| {
        Duration::try_from(now.duration_since(closed)).is_ok_and(|age| age >= new_card_after)
    })
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
