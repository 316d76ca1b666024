//! `delivery:` how long things count, wait and are kept.

use std::time::Duration;

use crate::routing::Severities;

use super::fault::shown;
use super::walk::{At, Walk};

pub(super) const KEYS: &[&str] = &[
    "severities",
    "dedup_window",
    "dead_after",
    "new_card_after",
    "max_entries",
    "max_bytes",
    "keep_cards",
    "storm",
];
pub(super) const STORM_KEYS: &[&str] = &["threshold"];

/// `delivery:`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// For how long the same event is the same; zero switches deduplication off.
    pub dedup_window: Duration,
    /// How long an entry for an unreachable chat is kept trying.
    pub dead_after: Duration,
    /// Severities, worst first.
    pub severities: Severities,
    /// A group that ended this long ago gets a new card when it fires again.
    pub new_card_after: Duration,
    /// Cap of the outbox's entries; when it is reached ingest answers 503.
    pub max_entries: u64,
    /// Cap of the outbox's size; when it is reached ingest answers 503.
    pub max_bytes: u64,
    /// How long a message that did not change is remembered, so that it can be edited.
    pub keep_cards: Duration,
    /// Predicted drain time of a lane from which on it is a storm.
    pub storm_threshold: Duration,
}

impl Default for Delivery {
    fn default() -> Self {
        Self {
            dedup_window: Duration::from_mins(2),
            dead_after: Duration::from_hours(24),
            severities: Severities::default(),
            new_card_after: Duration::from_hours(1),
            max_entries: 200_000,
            max_bytes: 2 << 30,
            keep_cards: Duration::from_hours(30 * 24),
            storm_threshold: Duration::from_secs(30),
        }
    }
}

pub(super) fn read(at: &At<'_>, walk: &mut Walk<'_>) -> Option<Delivery> {
    let section = walk.section(at, KEYS)?;
    let mut delivery = Delivery::default();
    if let Some(at) = section.get("dedup_window") {
        delivery.dedup_window = walk.duration(&at).unwrap_or_default();
    }
    if let Some(at) = section.get("dead_after") {
        delivery.dead_after = walk.pause(&at).unwrap_or_default();
    }
    if let Some(at) = section.get("new_card_after") {
        delivery.new_card_after = walk.duration(&at).unwrap_or_default();
    }
    if let Some(at) = section.get("max_entries") {
        let number = walk.number(&at, 1).unwrap_or_default();
        delivery.max_entries = number.unsigned_abs();
    }
    if let Some(at) = section.get("max_bytes") {
        let bytes = walk.bytes(&at);
        // Less would not hold one webhook body of the largest size.
        if bytes.is_some_and(|bytes| bytes < 16 << 20) {
            walk.fault(&at.place, "is too small for a webhook", "at least 16MiB");
        }
        delivery.max_bytes = bytes.unwrap_or_default();
    }
    if let Some(at) = section.get("severities") {
        delivery.severities = severities(&at, walk);
    }
    if let Some(at) = section.get("keep_cards") {
        delivery.keep_cards = walk.pause(&at).unwrap_or_default();
    }
    if let Some(threshold) = section.get("storm").and_then(|at| storm(&at, walk)) {
        delivery.storm_threshold = threshold;
    }
    Some(delivery)
}

/// `storm:`, everywhere or in one chat: what it needs to say for how long to be one.
pub(super) fn storm(at: &At<'_>, walk: &mut Walk<'_>) -> Option<Duration> {
    let storm = walk.section(at, STORM_KEYS)?;
    storm.get("threshold").and_then(|at| walk.pause(&at))
}

fn severities(at: &At<'_>, walk: &mut Walk<'_>) -> Severities {
    let mut names: Vec<String> = Vec::new();
    for (place, name) in walk.texts(at) {
        if names.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            walk.fault(&place, format!("{} is listed twice", shown(name)), "keep one of them");
        } else {
            names.push(name.to_owned());
        }
    }
    Severities::new(names)
}
