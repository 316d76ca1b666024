//! How the domain's words stand in the tables' columns.

use std::hash::{DefaultHasher, Hash, Hasher};

use rusqlite::types::Value;
use sha2::{Digest, Sha256};

use crate::alert::{Alert, GroupId, Notification, Reason};
use crate::rendering::ButtonKind;
use crate::routing::{LaneId, Topic, Updates};

/// How many events of one group are remembered within the window.
const EVENTS_A_GROUP: usize = 16;

/// The hash of a lane and a group.
pub(super) type Place = [u8; 16];

/// A lane's topic as a column: 0 stands for none, and the name of one that nabat makes is a text
/// that can't be taken for a number.
pub(super) fn topic_column(lane: &LaneId) -> Value {
    match &lane.topic {
        None => Value::Integer(0),
        Some(Topic::Number(number)) => Value::Integer(number.0.into()),
        Some(Topic::Named(name)) => Value::Text(format!("{NAMED}{name}")),
    }
}

/// What the column of a lane with a named topic begins with.
pub(super) const NAMED: &str = "name=";

/// A lane's topic as bytes, no two alike: a number has four, a name more.
fn topic_bytes(lane: &LaneId) -> Vec<u8> {
    match &lane.topic {
        None => 0i32.to_le_bytes().to_vec(),
        Some(Topic::Number(number)) => number.0.to_le_bytes().to_vec(),
        Some(Topic::Named(name)) => format!("{NAMED}{name}").into_bytes(),
    }
}

/// What a column says of how a group is kept up to date.
pub(super) fn updates_word(updates: Updates) -> &'static str {
    match updates {
        Updates::Thread => "thread",
        Updates::Edit => "edit",
        Updates::New => "new",
    }
}

/// A route's buttons as a column.
pub(super) fn buttons_words(buttons: Option<&[ButtonKind]>) -> Option<String> {
    let words = |kinds: &[ButtonKind]| kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>();
    buttons.map(|kinds| words(kinds).join(" "))
}

/// What a column of buttons says; words of a newer nabat are skipped.
pub(super) fn buttons_of(column: &str) -> Vec<ButtonKind> {
    column.split_whitespace().filter_map(ButtonKind::named).collect()
}

/// The hash of a lane and a group; 128 bits, so that no two ever meet.
pub(super) fn place(lane: &LaneId, group: &GroupId) -> Place {
    let topic = topic_bytes(lane);
    hash_of(&[
        lane.chat.as_str().as_bytes(),
        &topic,
        group.source.as_str().as_bytes(),
        group.receiver.as_bytes(),
        group.key.as_bytes(),
    ])
}

/// A hash over words, no two rows of them alike.
pub(super) fn hash_of(words: &[&[u8]]) -> [u8; 16] {
    let mut hash = Sha256::new();
    for word in words {
        hash.update((word.len() as u64).to_le_bytes());
        hash.update(word);
    }
    let mut short = [0; 16];
    short.copy_from_slice(&hash.finalize()[..16]);
    short
}

/// What makes an event the same: the set of (fingerprint, status, startsAt), how many alerts
/// were left out, and whether the sender repeats itself: a repeat is another event than what it
/// repeats, but the same as its own retry.
pub(super) fn event(notification: &Notification) -> u64 {
    let mut occurrences: Vec<_> = notification.alerts.iter().map(Alert::occurrence).collect();
    occurrences.sort_unstable();
    // The default hasher with its fixed keys gives the same hash in every process of a build;
    // after an upgrade a retry in flight could be shown twice at worst.
    let mut hasher = DefaultHasher::new();
    occurrences.hash(&mut hasher);
    notification.truncated_alerts.hash(&mut hasher);
    (notification.reason == Reason::RepeatIntervalElapsed).hash(&mut hasher);
    hasher.finish()
}

/// The hashes of the fingerprints, sorted, 8 bytes each.
pub(super) fn alert_hashes(notification: &Notification) -> Vec<u8> {
    let mut hashes: Vec<u64> = notification
        .alerts
        .iter()
        .map(|alert| {
            let mut hasher = DefaultHasher::new();
            alert.fingerprint.hash(&mut hasher);
            hasher.finish()
        })
        .collect();
    hashes.sort_unstable();
    hashes.into_iter().flat_map(u64::to_be_bytes).collect()
}

/// Whether every hash of `older` is in `newer`; both sorted.
pub(super) fn covers(newer: &[u8], older: &[u8]) -> bool {
    let mut newer = newer.chunks_exact(8);
    older.chunks_exact(8).all(|hash| newer.any(|candidate| candidate == hash))
}

/// The latest events, as the tables keep them.
pub(super) fn pack_events(events: &[(u64, i64)]) -> Vec<u8> {
    let skip = events.len().saturating_sub(EVENTS_A_GROUP);
    let pairs = events[skip..].iter();
    pairs.flat_map(|(event, at)| [event.to_le_bytes(), at.to_le_bytes()]).flatten().collect()
}

/// Events with their times, as they were packed.
pub(super) fn unpack_events(events: &[u8]) -> Vec<(u64, i64)> {
    events
        .chunks_exact(16)
        .map(|pair| {
            let (event, at) = pair.split_at(8);
            let number = |bytes: &[u8]| bytes.try_into().unwrap_or([0; 8]);
            (u64::from_le_bytes(number(event)), i64::from_le_bytes(number(at)))
        })
        .collect()
}
