//! What a scene is about, worked out once: what all alerts share, how many there are of each
//! kind, which come first. The views that templates see are cut from it.

use std::collections::BTreeSet;

use super::{Kind, Scene};
use crate::alert::{Alert, Labels};

/// The facts of one scene.
#[derive(Debug)]
pub(super) struct Subject<'a> {
    pub scene: &'a Scene<'a>,
    /// Alerts to tell about, worst and newest first, those no longer reported last.
    pub firing: Vec<&'a Alert>,
    pub resolved: Vec<&'a Alert>,
    /// How many there are in the whole group, told about or not.
    pub firing_total: usize,
    pub resolved_total: usize,
    /// Those that nobody ended and nobody reports any more: they count as neither.
    pub unlisted_total: usize,
    pub labels: Labels,
    pub annotations: Labels,
    /// Where all alerts come from, if that is one place.
    pub generator_url: Option<&'a str>,
    pub name: String,
    /// Links that buttons lead to.
    pub linked: Vec<String>,
    /// The worst severity of those that fire, or of all when none does.
    pub severity: &'a str,
}

impl<'a> Subject<'a> {
    /// `severities` are worst first.
    pub fn new(scene: &'a Scene<'a>, severities: &[String]) -> Self {
        let alerts = &scene.state.alerts;
        let told: Vec<&Alert> = if scene.kind == Kind::News {
            scene.news.iter().filter_map(|index| alerts.get(*index)).collect()
        } else {
            alerts.iter().collect()
        };
        let firing_total = alerts.iter().filter(|alert| still_fires(alert)).count();
        let resolved_total = alerts.iter().filter(|alert| !alert.fires()).count();
        let rank = |alert: &Alert| rank(alert.severity(), severities);
        let (mut firing, mut resolved): (Vec<&Alert>, Vec<&Alert>) =
            told.iter().partition(|alert| alert.fires());
        firing.sort_by_cached_key(|alert| {
            (alert.unlisted, rank(alert), std::cmp::Reverse(alert.starts_at), &alert.fingerprint)
        });
        resolved.sort_by_cached_key(|alert| {
            (std::cmp::Reverse(alert.ends_at), rank(alert), &alert.fingerprint)
        });
        let labels = shared(told.iter().map(|alert| &alert.labels));
        let annotations = shared(told.iter().map(|alert| &alert.annotations));
        let worst = firing.first().or_else(|| resolved.iter().min_by_key(|alert| rank(alert)));
        let first_url = told.first().map(|alert| alert.generator_url.as_str());
        let generator_url =
            first_url.filter(|url| told.iter().all(|alert| alert.generator_url == *url));
        Self {
            generator_url,
            name: name(scene, &told, &labels),
            linked: Vec::new(),
            severity: worst.map_or("", |alert| alert.severity()),
            scene,
            firing_total,
            resolved_total,
            unlisted_total: alerts.len() - firing_total - resolved_total,
            firing,
            resolved,
            labels,
            annotations,
        }
    }

    /// How many alerts there are to tell about.
    pub fn told(&self) -> usize {
        self.firing.len() + self.resolved.len()
    }

    /// Of at most `most` alerts, how many firing and how many ended ones to show: ends keep a
    /// quarter, so that many that fire do not hide them.
    pub fn shares(&self, most: usize) -> (usize, usize) {
        let resolved =
            self.resolved.len().min((most / 4).max(most.saturating_sub(self.firing.len())));
        (self.firing.len().min(most - resolved.min(most)), resolved)
    }
}

/// Whether an alert fires as far as its sender says.
pub(super) fn still_fires(alert: &Alert) -> bool {
    alert.fires() && !alert.unlisted
}

/// The place of a severity in an order that is worst first; unknown ones come last.
fn rank(severity: &str, severities: &[String]) -> usize {
    severities
        .iter()
        .position(|known| known.eq_ignore_ascii_case(severity))
        .unwrap_or(severities.len())
}

/// What all of several maps have in common.
fn shared<'a>(mut maps: impl Iterator<Item = &'a Labels>) -> Labels {
    let mut common = maps.next().cloned().unwrap_or_default();
    for map in maps {
        common.retain(|name, value| map.get(name) == Some(value));
        if common.is_empty() {
            break;
        }
    }
    common
}

/// What to call the group: the alerts' common name, or what it is grouped by, or some names.
fn name(scene: &Scene<'_>, told: &[&Alert], labels: &Labels) -> String {
    if let Some(name) = labels.get("alertname").filter(|name| !name.is_empty()) {
        return name.clone();
    }
    let names: BTreeSet<&str> = told
        .iter()
        .filter_map(|alert| alert.labels.get("alertname"))
        .map(String::as_str)
        .filter(|name| !name.is_empty())
        .collect();
    let group: Vec<&str> = scene.state.group_labels.values().map(String::as_str).collect();
    if !group.is_empty() {
        return group.join(" ");
    }
    let mut name = names.iter().take(3).copied().collect::<Vec<_>>().join(", ");
    if names.len() > 3 {
        name.push_str(", …");
    }
    if name.is_empty() { scene.state.group.receiver.clone() } else { name }
}
