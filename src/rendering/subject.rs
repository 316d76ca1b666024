//! What a scene is about, worked out once: what all alerts share, how many there are of each
//! kind, which come first. The views that templates see are cut from it.

use std::collections::HashSet;
use std::net::IpAddr;

use jiff::Timestamp;

use super::excerpt::{MAX_LABEL, MAX_LINE, MAX_NAME, line, listed};
use super::{Kind, Scene, words};
use crate::alert::{Alert, Forgotten, Labels, Status};

/// Stands for an alert that is not reported any more and whose end is not known.
pub(super) const UNLISTED: &str = "❔";

/// The facts of one scene.
#[derive(Debug)]
pub(super) struct Subject<'a> {
    pub scene: &'a Scene<'a>,
    /// The configured severities, worst first.
    severities: &'a [String],
    /// Alerts to tell about, worst and newest first, those no longer reported last.
    pub firing: Vec<&'a Alert>,
    pub resolved: Vec<&'a Alert>,
    /// Alerts to tell about that are not there any more.
    pub forgotten: Forgotten,
    /// How many there are in the whole group, told about or not.
    pub firing_total: usize,
    pub resolved_total: usize,
    /// Those that nobody ended and nobody reports any more: they count as neither.
    pub unlisted_total: usize,
    pub labels: Labels,
    pub annotations: Labels,
    /// Where all alerts come from, if that is one place.
    pub generator_url: Option<&'a str>,
    /// What is wrong.
    pub name: String,
    /// Links that buttons lead to.
    pub linked: Vec<String>,
    /// The label that says where.
    pub place: Option<&'static str>,
    /// Whose summary stands for the group's when they do not share one: the worst alert's.
    pub lead: Option<&'a Alert>,
    /// The worst severity of those that [`Subject::meant`] gives.
    pub severity: &'a str,
    /// Their oldest start.
    pub starts_at: Option<Timestamp>,
    /// The last end, when nothing fires any more; not before the start, whatever clocks say.
    pub ends_at: Option<Timestamp>,
}

/// Characters of a value of a group label in the head, which has two at most: the others are
/// among the shared labels.
const MAX_IN_HEAD: usize = 40;

/// Characters of a severity's own name.
const MAX_SEVERITY: usize = 40;

/// Labels that say where something is, the narrowest first.
const PLACES: [&str; 22] = [
    "instance",
    "pod",
    "host",
    "hostname",
    "node",
    "server",
    "device",
    "container",
    "deployment",
    "statefulset",
    "daemonset",
    "service",
    "app",
    "job",
    "namespace",
    "cluster",
    "dc",
    "datacenter",
    "zone",
    "region",
    "env",
    "environment",
];

impl<'a> Subject<'a> {
    /// `severities` are worst first.
    pub fn new(scene: &'a Scene<'a>, severities: &'a [String]) -> Self {
        let alerts = &scene.state.alerts;
        let told: Vec<&Alert> = if scene.kind == Kind::News {
            scene.news.iter().filter_map(|index| alerts.get(*index)).collect()
        } else {
            alerts.iter().collect()
        };
        let firing_total = alerts.iter().filter(|alert| still_fires(alert)).count();
        let resolved_total = alerts.iter().filter(|alert| !alert.fires()).count();
        let unlisted_total = alerts.len() - firing_total - resolved_total;
        let gone = scene.forgotten;
        let forgotten = if scene.kind == Kind::News { Forgotten::default() } else { gone };
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
        let meant = meant(&firing, &resolved);
        // Those that fire are ordered already.
        let worst = match meant.first() {
            Some(first) if first.fires() => Some(*first),
            _ => meant.iter().min_by_key(|alert| rank(alert)).copied(),
        };
        let own_summary = |alert: &&Alert| {
            !annotations.contains_key("summary")
                && alert.annotations.get("summary").is_some_and(|text| !text.trim().is_empty())
        };
        let fires = firing_total > 0;
        let span = meant.iter().filter(|alert| still_fires(alert) == fires);
        let starts_at = span.clone().filter_map(|alert| plausible(alert.starts_at)).min();
        let ends_at = span.filter_map(|alert| alert.ends_at).max().filter(|_| !fires);
        let first_url = told.first().map(|alert| alert.generator_url.as_str());
        let generator_url =
            first_url.filter(|url| told.iter().all(|alert| alert.generator_url == *url));
        Self {
            generator_url,
            name: name(scene, meant, &labels),
            linked: Vec::new(),
            place: place(&told, &labels),
            lead: worst.filter(own_summary),
            severity: worst.map_or("", Alert::severity),
            starts_at,
            ends_at: ends_at.and_then(plausible).map(|end| end.max(starts_at.unwrap_or(end))),
            scene,
            severities,
            firing_total,
            forgotten,
            resolved_total: resolved_total + gone.ended as usize,
            unlisted_total: unlisted_total + gone.unlisted as usize,
            firing,
            resolved,
            labels,
            annotations,
        }
    }

    /// The colour of a severity: by its name, or else by its place among the configured ones.
    pub fn colour(&self, severity: &str) -> &'static str {
        colour(severity, self.severities)
    }

    /// The name of a severity whose colour does not say it all: one that is not well known.
    pub fn named_severity(severity: &str) -> Option<String> {
        let named = words::well_known(severity).is_none() && !severity.trim().is_empty();
        named.then(|| line(severity, MAX_SEVERITY))
    }

    /// How an alert stands.
    pub fn emoji(&self, alert: &Alert) -> &'static str {
        match (alert.fires(), alert.unlisted) {
            (true, false) => self.colour(alert.severity()),
            (true, true) => UNLISTED,
            (false, _) => "✅",
        }
    }

    /// What the head of the message begins with: how the group stands, and in a word when its
    /// colour says too little.
    pub fn sign_and_word(&self) -> (&'static str, String) {
        let say = |word: &str| self.scene.language.say(word, &[]);
        if self.may_still_fire() {
            // What is listed has ended; of what was left out nobody knows.
            (UNLISTED, String::new())
        } else if self.firing_total > 0 || self.left_out_fire() {
            let sign = self.colour(self.severity);
            let word = match Self::named_severity(self.severity) {
                Some(name) if sign == "🔴" => name.to_uppercase(),
                Some(name) => name,
                None if sign == "🔴" => say("critical"),
                None => String::new(),
            };
            (sign, word)
        } else if self.resolved_total == 0 && self.unlisted_total > 0 {
            (UNLISTED, say("unlisted_head"))
        } else {
            ("✅", say("resolved_head"))
        }
    }

    /// Whether what fires of the group was left out of a truncated notification.
    pub fn left_out_fire(&self) -> bool {
        let state = self.scene.state;
        self.firing_total == 0 && !state.is_complete() && state.status == Status::Firing
    }

    /// Whether nothing that is listed fires, and the sender left out others: it calls a group
    /// resolved by what it lists.
    pub fn may_still_fire(&self) -> bool {
        let state = self.scene.state;
        self.firing_total == 0 && !state.is_complete() && state.status == Status::Resolved
    }

    /// How many alerts there are to tell about.
    pub fn told(&self) -> usize {
        self.firing.len() + self.resolved.len()
    }

    /// The only alert to tell about, if it is one.
    pub fn only(&self) -> Option<&'a Alert> {
        match (&self.firing[..], &self.resolved[..]) {
            ([alert], []) | ([], [alert]) => Some(alert),
            _ => None,
        }
    }

    /// The alerts that the head of the message is about: those that fire, or else those that
    /// ended, or else those that nobody reports any more.
    pub fn meant(&self) -> &[&'a Alert] {
        meant(&self.firing, &self.resolved)
    }

    /// The group labels that say more than its name and its colour do.
    pub fn grouped_by(&self) -> impl Iterator<Item = (&str, &str)> {
        let group = self.scene.state.group_labels.iter();
        let group = group.map(|(name, value)| (name.as_str(), value.as_str()));
        group.filter(|(name, value)| {
            !matches!(*name, "alertname" | "severity") && !value.is_empty() && *value != self.name
        })
    }

    /// Where it is wrong: the first two places, and the number of the others. Without a place, what the
    /// group is by.
    pub fn places(&self) -> String {
        let Some(place) = self.place else {
            let values = self.grouped_by().map(|(_, value)| line(value, MAX_IN_HEAD));
            return values.take(2).collect::<Vec<_>>().join(" ");
        };
        let alerts = self.meant();
        let mut seen = HashSet::new();
        let places = alerts.iter().filter_map(|alert| alert.labels.get(place));
        let places: Vec<&String> = places.filter(|value| seen.insert(value.as_str())).collect();
        listed(places.iter().take(2).map(|value| line(value, MAX_LABEL)), places.len(), MAX_LABEL)
    }

    /// What tells an alert from the others at a glance.
    pub fn label(&self, alert: &Alert) -> String {
        let value = |name: &str| alert.labels.get(name).filter(|_| !self.labels.contains_key(name));
        let title = value("alertname").map(String::as_str);
        let own = |(name, _): &(&String, &String)| {
            !matches!(name.as_str(), "alertname" | "severity") && !self.labels.contains_key(*name)
        };
        let place = self.place.and_then(value).cloned().or_else(|| {
            let (name, value) = alert.labels.iter().find(own)?;
            Some(format!("{name}={value}"))
        });
        let said: Vec<&str> = title.into_iter().chain(place.as_deref()).collect();
        let said = if said.is_empty() { self.name.clone() } else { said.join(" ") };
        line(&said, MAX_NAME)
    }

    /// Of at most `most` alerts, how many firing and how many ended ones to show: ends keep a
    /// quarter, so that many that fire do not hide them.
    pub fn shares(&self, most: usize) -> (usize, usize) {
        let resolved =
            self.resolved.len().min((most / 4).max(most.saturating_sub(self.firing.len())));
        (self.firing.len().min(most - resolved.min(most)), resolved)
    }
}

/// As [`Subject::meant`]. Of `firing` those that nobody reports any more are last.
fn meant<'s, 'a>(firing: &'s [&'a Alert], resolved: &'s [&'a Alert]) -> &'s [&'a Alert] {
    let fires = firing.first().is_some_and(|alert| still_fires(alert));
    if fires || resolved.is_empty() { firing } else { resolved }
}

/// Whether an alert fires as far as its sender says.
pub(super) fn still_fires(alert: &Alert) -> bool {
    alert.fires() && !alert.unlisted
}

/// The colour of a severity: by its name, or else by its place among `severities`, worst first.
pub(super) fn colour(severity: &str, severities: &[String]) -> &'static str {
    words::well_known(severity).unwrap_or_else(|| match rank(severity, severities) {
        rank if rank >= severities.len() => words::severity_emoji(severity),
        0 => "🔴",
        1 => "🟠",
        2 => "🟡",
        _ => "🔵",
    })
}

/// The place of a severity in an order that is worst first; unknown ones come last.
pub(super) fn rank(severity: &str, severities: &[String]) -> usize {
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

/// Go's zero time and the like are no times, and no more is the end of all.
pub(super) fn plausible(time: Timestamp) -> Option<Timestamp> {
    (Timestamp::UNIX_EPOCH < time && time < Timestamp::MAX).then_some(time)
}

/// Whether a label says where something is.
pub(super) fn says_where(name: &str) -> bool {
    PLACES.contains(&name)
}

/// The label that says where: the narrowest in which the alerts differ, or else the narrowest.
fn place(told: &[&Alert], labels: &Labels) -> Option<&'static str> {
    let has = |name: &str| {
        told.iter().any(|alert| {
            alert.labels.get(name).is_some_and(|value| !value.is_empty())
                && (name != "instance" || !is_scraped_for_others(&alert.labels))
        })
    };
    let mut places = PLACES.into_iter().filter(|name| has(name));
    let narrowest = places.clone().next();
    places.find(|name| !labels.contains_key(*name)).or(narrowest)
}

/// Whether the instance is only where the metric was read: exporters that tell of a whole cluster,
/// and addresses of pods.
fn is_scraped_for_others(labels: &Labels) -> bool {
    let is_address = |instance: &String| {
        let host = instance.rsplit_once(':').map_or(instance.as_str(), |(host, _)| host);
        host.parse::<IpAddr>().is_ok()
    };
    let job = labels.get("job").map_or("", String::as_str);
    ["kube-state-metrics", "kubelet", "cadvisor"].iter().any(|name| job.contains(name))
        || (labels.contains_key("pod") && labels.get("instance").is_some_and(is_address))
}

/// What to call the group: the alerts' common name, or the worst one's and the number of others,
/// or what it is grouped by.
fn name(scene: &Scene<'_>, meant: &[&Alert], labels: &Labels) -> String {
    if let Some(name) = labels.get("alertname").filter(|name| !name.is_empty()) {
        return name.clone();
    }
    let mut seen = HashSet::new();
    let names = meant.iter().filter_map(|alert| alert.labels.get("alertname"));
    let names: Vec<&String> =
        names.filter(|name| !name.is_empty() && seen.insert(name.as_str())).collect();
    if !names.is_empty() {
        return listed(
            names.iter().take(2).map(|name| line(name, MAX_NAME)),
            names.len(),
            MAX_LINE,
        );
    }
    let group: Vec<&str> = scene.state.group_labels.values().map(String::as_str).collect();
    if group.is_empty() { scene.state.group.receiver.clone() } else { group.join(" ") }
}
