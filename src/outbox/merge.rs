//! Merging what waits with what is new, so that no alert's last state is hidden.

use std::collections::HashMap;

use jiff::Timestamp;

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
pub fn merge(older: Notification, newer: Notification) -> Notification {
    let mut merged = newer;
    if older.alerts.is_empty() {
        return merged;
    }
    let complete = merged.is_complete();
    let known: HashMap<&str, usize> =
        merged.alerts.iter().map(|alert| alert.fingerprint.as_str()).zip(0..).collect();
    let (mut left_over, mut ends) = (Vec::new(), Vec::new());
    for mut alert in older.alerts {
        match known.get(alert.fingerprint.as_str()) {
            None => {
                alert.unlisted |= alert.fires() && complete;
                left_over.push(alert);
            }
            Some(&index) => {
                let newer = &merged.alerts[index];
                if newer.unlisted && !alert.fires() && alert.starts_at == newer.starts_at {
                    ends.push((index, alert));
                }
            }
        }
    }
    for (index, end) in ends {
        merged.alerts[index] = end;
    }
    merged.alerts.append(&mut left_over);
    if merged.alerts.iter().any(|alert| alert.fires() && !alert.unlisted) {
        merged.status = Status::Firing;
    }
    merged
}

/// As [`merge`], for an `older` state that comes back when `newer` is known already and remembers,
/// perhaps, what was before both: an alert that started when the one `newer` remembers had ended is
/// the later one.
pub fn merge_beneath(older: Notification, mut newer: Notification) -> Notification {
    let starts: HashMap<&str, Timestamp> =
        older.alerts.iter().map(|alert| (alert.fingerprint.as_str(), alert.starts_at)).collect();
    let is_before = |alert: &Alert| {
        let anew = starts.get(alert.fingerprint.as_str());
        alert.ends_at.zip(anew).is_some_and(|(ended, anew)| ended <= *anew)
    };
    newer.alerts.retain(|alert| alert.fires() || !is_before(alert));
    merge(older, newer)
}

#[cfg(test)]
mod tests;
