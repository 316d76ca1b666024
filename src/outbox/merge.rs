//! Merging what waits with what is new, so that no alert's last state is hidden.

use std::collections::{HashMap, HashSet};

use crate::alert::{Alert, Notification, Status};

/// The state of a group after `newer` came on top of `older`.
///
/// Alerts are joined by fingerprint and the newer state of each wins. An alert that only
/// `older` knows stays as it was, and is marked [`Alert::unlisted`] when it still fired: the
/// newer notification is the full state of the group, so someone silenced it, or its end is
/// not sent. In a truncated body it may have been left out, so nothing is concluded.
///
/// Of an alert that `newer` only remembers, as unlisted, the end that `older` knows says more.
///
/// The newer notification's alerts come first, in its order. The group fires when any alert
/// that was listed does, or when the sender says so.
pub fn merge(older: &Notification, newer: &Notification) -> Notification {
    let mut merged = newer.clone();
    if older.alerts.is_empty() {
        return merged;
    }
    let known: HashSet<&str> =
        newer.alerts.iter().map(|alert| alert.fingerprint.as_str()).collect();
    let complete = newer.is_complete();
    let left_over: Vec<Alert> = older
        .alerts
        .iter()
        .filter(|alert| !known.contains(alert.fingerprint.as_str()))
        .map(|alert| Alert {
            unlisted: alert.unlisted || (alert.fires() && complete),
            ..alert.clone()
        })
        .collect();
    let ended: HashMap<&str, &Alert> =
        older.resolved().map(|alert| (alert.fingerprint.as_str(), alert)).collect();
    for alert in merged.alerts.iter_mut().filter(|alert| alert.unlisted) {
        if let Some(end) = ended.get(alert.fingerprint.as_str())
            && end.starts_at == alert.starts_at
        {
            *alert = (*end).clone();
        }
    }
    merged.alerts.extend(left_over);
    if merged.alerts.iter().any(|alert| alert.fires() && !alert.unlisted) {
        merged.status = Status::Firing;
    }
    merged
}

#[cfg(test)]
mod tests;
