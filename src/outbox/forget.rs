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
    fn with(self, alert: &Alert) -> Self {
        Self { alerts: self.alerts + 1, bytes: self.bytes + text(alert) }
    }

    fn is_within(self, bound: Self) -> bool {
        self.alerts <= bound.alerts && self.bytes <= bound.bytes
    }
}

/// Whether there may be too many of the alerts that the newest notification does not list: whether there
/// are, what people know of them decides.
pub(super) fn may_be_too_much<'a>(others: impl IntoIterator<Item = &'a Alert>) -> bool {
    let mut size = Size::default();
    others.into_iter().any(|alert| {
        size = size.with(alert);
        !size.is_within(MOST)
    })
}

/// Takes alerts from a merged state when there are too many beside those that `stays` says are listed, by
/// their index. Returns how many people will not hear of otherwise.
///
/// What they know of is `card`. A change of what it shows as not over always stays, and takes no other's
/// place. Then stay, newest first: what was left out of a truncated notification, what ended, what is
/// not reported any more; and last what the card says already.
pub(super) fn forget(
    state: &mut Notification,
    stays: impl Fn(usize, &Alert) -> bool,
    card: Option<&Card>,
) -> Forgotten {
    let known = Known::of(card);
    let mut others: Vec<(Worth, usize)> = state
        .alerts
        .iter()
        .enumerate()
        .filter(|(index, alert)| !stays(*index, alert))
        .map(|(index, alert)| (known.worth(alert), index))
        .filter(|(worth, _)| *worth != Worth::Change)
        .collect();
    if !may_be_too_much(others.iter().map(|(_, index)| &state.alerts[*index])) {
        return Forgotten::default();
    }
    others.sort_by_key(|(worth, index)| {
        let alert = &state.alerts[*index];
        (*worth, Reverse(alert.ends_at.unwrap_or(alert.starts_at)))
    });
    let mut goes = vec![false; state.alerts.len()];
    let mut forgotten = Forgotten::default();
    let mut kept = Size::default();
    for (worth, index) in others {
        let with = kept.with(&state.alerts[index]);
        if with.is_within(KEPT) {
            kept = with;
            continue;
        }
        goes[index] = true;
        match worth {
            Worth::Change | Worth::Told => {}
            Worth::Ended => forgotten.ended += 1,
            Worth::LeftOut | Worth::Unlisted => forgotten.unlisted += 1,
        }
    }
    let mut goes = goes.into_iter();
    state.alerts.retain(|_| goes.next() != Some(true));
    forgotten
}

/// What an alert that is not listed any more is worth, most first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Worth {
    /// It is not over, as people know it.
    Change,
    LeftOut,
    Ended,
    Unlisted,
    Told,
}

/// What people know of a group's alerts.
struct Known<'a> {
    alerts: HashMap<&'a str, &'a Alert>,
    /// Whether a message shows all of it. Of a group that a digest names alone, or whose news were a
    /// reply so far, people know what fires.
    shown: bool,
}

impl<'a> Known<'a> {
    fn of(card: Option<&'a Card>) -> Self {
        let Some(card) = card.filter(|card| card.told.is_some()) else {
            return Self { alerts: HashMap::new(), shown: false };
        };
        let alerts = card.state.alerts.iter();
        Self {
            alerts: alerts.map(|alert| (alert.fingerprint.as_str(), alert)).collect(),
            shown: card.shown == card.told && !card.parts.is_empty(),
        }
    }

    fn worth(&self, alert: &Alert) -> Worth {
        let standing = |alert: &Alert| (alert.status, alert.starts_at, alert.unlisted);
        let is_listed = alert.fires() && !alert.unlisted;
        match self.alerts.get(alert.fingerprint.as_str()) {
            Some(known) if standing(known) == standing(alert) && (self.shown || is_listed) => {
                Worth::Told
            }
            Some(known) if known.fires() && standing(known) != standing(alert) => Worth::Change,
            _ if !alert.fires() => Worth::Ended,
            _ if alert.unlisted => Worth::Unlisted,
            _ => Worth::LeftOut,
        }
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
