//! `heartbeats:` alerts that must keep coming, and who hears when one does not.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::routing::{ChatAlias, Matcher};

use super::address::{self, UrlSource};
use super::route;
use super::walk::{At, Walk};

const MONITOR: &str = "https://monitor.example.org/ping/nabat";

pub(super) const KEYS: &[&str] = &["matchers", "interval", "chats", "url"];

/// One of `heartbeats:`
#[derive(Debug, Clone)]
pub struct Heartbeat {
    /// At least one; all must accept an alert's labels.
    pub matchers: Vec<Matcher>,
    /// The longest silence that is no news.
    pub interval: Duration,
    /// Who is told; when empty the fallback chat, or without one the root route's chats.
    pub chats: Vec<ChatAlias>,
    /// What is called with every beat.
    pub url: Option<UrlSource>,
}

impl Heartbeat {
    /// Two or more beats of an Alertmanager that repeats the alert every two minutes: a single one
    /// that is lost is no alarm.
    pub const INTERVAL: Duration = Duration::from_mins(5);
}

pub(super) fn read(
    at: &At<'_>,
    names: &route::Names<'_>,
    walk: &mut Walk<'_>,
) -> BTreeMap<String, Heartbeat> {
    let mut heartbeats = BTreeMap::new();
    for (name, at) in walk.named(at) {
        if let Some(heartbeat) = heartbeat(&at, names, walk) {
            heartbeats.insert(name.to_owned(), heartbeat);
        }
    }
    heartbeats
}

fn heartbeat(at: &At<'_>, names: &route::Names<'_>, walk: &mut Walk<'_>) -> Option<Heartbeat> {
    let section = walk.hinted(at, KEYS, route::hint)?;
    let remedy = "say which alerts are the heartbeat: matchers: ['alertname=\"Watchdog\"']";
    let faults = walk.faults.len();
    let matchers_at = walk.required(&section, "matchers", remedy);
    let matchers = matchers_at.as_ref().map(|at| route::matchers(at, walk)).unwrap_or_default();
    // One that takes alerts without any label would hide alerts that nobody meant.
    let takes_nothing_special = matchers.iter().all(|matcher| matcher.matches(""));
    if let Some(at) = matchers_at.filter(|_| takes_nothing_special && walk.faults.len() == faults) {
        walk.fault(&at.place, "takes alerts of every name", remedy);
    }
    let interval = match section.get("interval") {
        Some(at) => walk.pause(&at).unwrap_or_default(),
        None => Heartbeat::INTERVAL,
    };
    let chats = match section.get("chats") {
        Some(at) => walk.list(&at).iter().filter_map(|at| route::alias(at, names, walk)).collect(),
        None => Vec::new(),
    };
    let url = section.get("url").and_then(|at| address::read(&at, MONITOR, walk));
    Some(Heartbeat { matchers, interval, chats, url })
}
