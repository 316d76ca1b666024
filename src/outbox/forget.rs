//! What a waiting entry lets go of. Alerts of a group may come and go without end while nothing can be
//! sent: of those that the newest notification does not list an entry keeps some, and counts the rest.

use std::cmp::Reverse;
use std::collections::HashMap;

use crate::alert::{Alert, Forgotten, GrafanaExtras, Labels, Notification};

use super::Card;

/// So many alerts that are not listed any more may wait, and so many bytes of their text. A message
/// names a few dozens and counts the others.
const MOST: Size = Size { alerts: 2000, bytes: 2 << 20 };
/// So many of them stay when there are more: half, so that it is not done anew for each that comes.
const KEPT: Size = Size { alerts: 1000, bytes: 1 << 20 };

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Size {
    alerts: usize,
    bytes: usize,
}

impl Size {
    fn of<'a>(alerts: impl IntoIterator<Item = &'a Alert>) -> Self {
        alerts.into_iter().fold(Self::default(), Self::with)
    }

    fn with(self, alert: &Alert) -> Self {
        Self { alerts: self.alerts + 1, bytes: self.bytes + text(alert) }
    }

    fn is_within(self, bound: Self) -> bool {
        self.alerts <= bound.alerts && self.bytes <= bound.bytes
    }
}

/// Whether an entry holds too much that the newest notification does not list.
pub(super) fn is_too_much(unlisted: &[Alert]) -> bool {
    !Size::of(unlisted).is_within(MOST)
}

/// Takes alerts from a merged state, of which the newest notification listed the first `listed`, until
/// the others are within bounds. Returns how many people will not hear of otherwise.
///
/// What they know of is `card`. The change of an alert that fires on it always stays, so these may be more.
/// Then stay, newest first: what fires and was left out of a truncated notification, what ended, what
/// is not reported any more; and last what the card says already.
pub(super) fn forget(state: &mut Notification, listed: usize, card: Option<&Card>) -> Forgotten {
    let told = card.filter(|card| card.told.is_some()).map(|card| card.state.alerts.as_slice());
    let known: HashMap<&str, &Alert> =
        told.unwrap_or_default().iter().map(|alert| (alert.fingerprint.as_str(), alert)).collect();
    let mut others: Vec<(Worth, usize)> = (listed..state.alerts.len())
        .map(|index| {
            let alert = &state.alerts[index];
            (worth(alert, known.get(alert.fingerprint.as_str()).copied()), index)
        })
        .collect();
    others.sort_by_key(|(worth, index)| {
        let alert = &state.alerts[*index];
        (*worth, Reverse(alert.ends_at.unwrap_or(alert.starts_at)))
    });
    let mut goes = vec![false; state.alerts.len()];
    let mut forgotten = Forgotten::default();
    let mut kept = Size::default();
    for (worth, index) in others {
        let with = kept.with(&state.alerts[index]);
        if worth == Worth::Change || with.is_within(KEPT) {
            kept = with;
            continue;
        }
        goes[index] = true;
        match worth {
            Worth::Ended => forgotten.ended += 1,
            Worth::Unlisted => forgotten.unlisted += 1,
            // The sender counts it among those that it left out; or people know it.
            Worth::Change | Worth::LeftOut | Worth::Told => {}
        }
    }
    let mut goes = goes.into_iter();
    state.alerts.retain(|_| goes.next() != Some(true));
    forgotten
}

/// What an alert that is not listed any more is worth, most first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Worth {
    /// It fires, as people know it.
    Change,
    LeftOut,
    Ended,
    Unlisted,
    Told,
}

fn worth(alert: &Alert, known: Option<&Alert>) -> Worth {
    let standing = |alert: &Alert| (alert.status, alert.starts_at, alert.unlisted);
    match known {
        Some(known) if standing(known) == standing(alert) => Worth::Told,
        Some(known) if known.fires() && !known.unlisted => Worth::Change,
        _ if !alert.fires() => Worth::Ended,
        _ if alert.unlisted => Worth::Unlisted,
        _ => Worth::LeftOut,
    }
}

/// Bytes of an alert's text.
fn text(alert: &Alert) -> usize {
    let pairs =
        |labels: &Labels| labels.iter().map(|(name, text)| name.len() + text.len()).sum::<usize>();
    let grafana = alert.grafana.as_deref().map_or(0, |grafana: &GrafanaExtras| {
        let GrafanaExtras { silence_url, dashboard_url, panel_url, image_url, value_string } =
            grafana;
        [silence_url, dashboard_url, panel_url, image_url, value_string]
            .map(String::len)
            .iter()
            .sum()
    });
    pairs(&alert.labels) + pairs(&alert.annotations) + alert.generator_url.len() + grafana
}

#[cfg(test)]
mod tests;
