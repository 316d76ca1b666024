//! The data that templates see. Documented for their authors in `docs/templates.md`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::details::Details;
use super::excerpt::{MAX_LINE, capped, line, pairs};
use super::subject::{Subject, still_fires};
use super::{Kind, words};
use crate::alert::{Alert, Labels, Reason, Source};

/// After this many seconds a notification is late enough to say so.
const LATE_AFTER: i64 = 60;

/// The root of the data.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct View<'a> {
    kind: &'static str,
    status: &'static str,
    receiver: &'a str,
    group_key: &'a str,
    group_labels: BTreeMap<&'a str, String>,
    common_labels: BTreeMap<&'a str, String>,
    common_annotations: BTreeMap<&'a str, String>,
    #[serde(rename = "externalURL")]
    external_url: &'a str,
    notification_reason: Reason,
    truncated_alerts: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    alerts: Vec<AlertView<'a>>,
    firing: Vec<AlertView<'a>>,
    resolved: Vec<AlertView<'a>>,
    counts: Counts,
    more: Counts,
    /// Firing alerts that the message is about, shown or not.
    told: usize,
    name: String,
    severity: &'a str,
    emoji: &'static str,
    summary: Option<String>,
    details: Details,
    shared: String,
    test: bool,
    note: Option<&'a str>,
    merged: u32,
    late: Option<String>,
    started: Option<String>,
    lasted: Option<String>,
    language: &'static str,
    timezone: String,
    now: Timestamp,
}

#[derive(Debug, Serialize)]
struct Counts {
    firing: usize,
    resolved: usize,
    /// No longer reported, and not ended.
    unlisted: usize,
}

/// One alert.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct AlertView<'a> {
    status: &'static str,
    labels: BTreeMap<&'a str, String>,
    annotations: BTreeMap<&'a str, String>,
    starts_at: Timestamp,
    ends_at: Option<Timestamp>,
    #[serde(rename = "generatorURL")]
    generator_url: &'a str,
    fingerprint: &'a str,
    severity: &'a str,
    emoji: &'static str,
    /// The labels that tell it from the others.
    distinct: String,
    summary: Option<String>,
    details: Details,
    started: Option<String>,
    ended: Option<String>,
    lasted: Option<String>,
    unlisted: bool,
    /// Whether it takes more than one line.
    roomy: bool,
    values: Option<String>,
}

impl<'a> View<'a> {
    /// Shows at most `most` alerts. `everything` adds `alerts` and each alert's
    /// labels and annotations, which only users' templates need.
    pub fn new(subject: &'a Subject<'a>, most: usize, everything: bool) -> Self {
        let scene = subject.scene;
        let (firing, resolved) = subject.shares(most);
        let show = |alerts: &[&'a Alert]| -> Vec<AlertView<'a>> {
            alerts.iter().map(|alert| AlertView::new(alert, subject, everything)).collect()
        };
        let told = subject.firing.iter().filter(|alert| still_fires(alert)).count();
        let more_firing = told.saturating_sub(firing);
        let more = Counts {
            firing: more_firing,
            resolved: subject.resolved.len() - resolved,
            unlisted: subject.firing.len() - firing - more_firing,
        };
        let (firing, resolved) =
            (show(&subject.firing[..firing]), show(&subject.resolved[..resolved]));
        let fires = subject.firing_total > 0;
        let test = scene.state.group.source == Source::Test;
        let late = scene.now.duration_since(scene.accepted_at).as_secs();
        let (from, until) = subject.span();
        let say = |name: &str| {
            Some(subject.annotations.get(name)?).filter(|text| !text.trim().is_empty())
        };
        Self {
            kind: kind_name(scene.kind),
            status: if fires { "firing" } else { "resolved" },
            receiver: &scene.state.group.receiver,
            group_key: &scene.state.group.key,
            group_labels: capped(&scene.state.group_labels),
            common_labels: capped(&subject.labels),
            common_annotations: capped(&subject.annotations),
            external_url: &scene.state.external_url,
            notification_reason: scene.state.reason,
            truncated_alerts: scene.state.truncated_alerts,
            alerts: if everything {
                firing.iter().chain(&resolved).cloned().collect()
            } else {
                Vec::new()
            },
            firing,
            resolved,
            counts: Counts {
                firing: subject.firing_total,
                resolved: subject.resolved_total,
                unlisted: subject.unlisted_total,
            },
            more,
            told,
            name: line(&subject.name, MAX_LINE),
            severity: subject.severity,
            emoji: if fires { words::severity_emoji(subject.severity) } else { "✅" },
            summary: say("summary").map(|text| line(text, MAX_LINE)),
            details: Details::new(subject, &subject.annotations, None),
            shared: pairs(
                subject
                    .labels
                    .iter()
                    .filter(|(name, _)| !matches!(name.as_str(), "alertname" | "severity")),
            ),
            test,
            note: scene.note,
            merged: scene.merged,
            late: (late > LATE_AFTER).then(|| words::duration(late, scene.language)),
            started: from.map(|from| subject.clock(from)),
            lasted: from.map(|from| subject.duration(from, until)),
            language: scene.language.code(),
            timezone: zone_name(scene.timezone, scene.now),
            now: scene.now,
        }
    }
}

impl<'a> AlertView<'a> {
    fn new(alert: &'a Alert, subject: &Subject<'a>, everything: bool) -> Self {
        let own = |name: &str| {
            let text = alert.annotations.get(name).filter(|text| !text.trim().is_empty())?;
            (!subject.annotations.contains_key(name)).then_some(text)
        };
        let map = |labels: &'a Labels| if everything { capped(labels) } else { BTreeMap::new() };
        let started = plausible(alert.starts_at);
        let ended = alert.ends_at.and_then(plausible);
        let until = ended.unwrap_or(subject.scene.now);
        let summary = own("summary").map(|text| line(text, MAX_LINE));
        let details = Details::new(subject, &alert.annotations, Some(alert));
        let values = alert
            .grafana
            .as_deref()
            .map(|grafana| line(&grafana.value_string, MAX_LINE))
            .filter(|values| !values.is_empty());
        Self {
            roomy: summary.is_some() || values.is_some() || details.has_text(),
            status: alert.status.as_str(),
            labels: map(&alert.labels),
            annotations: map(&alert.annotations),
            starts_at: alert.starts_at,
            ends_at: alert.ends_at,
            generator_url: &alert.generator_url,
            fingerprint: &alert.fingerprint,
            severity: alert.severity(),
            emoji: match (alert.fires(), alert.unlisted) {
                (true, false) => words::severity_emoji(alert.severity()),
                (true, true) => "❔",
                (false, _) => "✅",
            },
            distinct: pairs(
                alert.labels.iter().filter(|(name, _)| !subject.labels.contains_key(*name)),
            ),
            summary,
            details,
            started: started.map(|time| subject.clock(time)),
            ended: ended.map(|time| subject.clock(time)),
            lasted: started.map(|time| subject.duration(time, until)),
            unlisted: alert.unlisted && alert.fires(),
            values,
        }
    }
}

impl Subject<'_> {
    fn clock(&self, time: Timestamp) -> String {
        words::clock(time, self.scene.now, self.scene.timezone, self.scene.language)
    }

    fn duration(&self, from: Timestamp, until: Timestamp) -> String {
        words::duration(until.duration_since(from).as_secs(), self.scene.language)
    }

    /// When the oldest of the group's alerts started, and until when the group lasted.
    fn span(&self) -> (Option<Timestamp>, Timestamp) {
        let alerts = &self.scene.state.alerts;
        let fires = self.firing_total > 0;
        let told = alerts.iter().filter(|alert| still_fires(alert) == fires);
        let from = told.clone().filter_map(|alert| plausible(alert.starts_at)).min();
        let until = told.filter_map(|alert| alert.ends_at).max().filter(|_| !fires);
        (from, until.unwrap_or(self.scene.now))
    }
}

/// Templates' name for a kind.
pub(super) fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Card => "card",
        Kind::News => "news",
        Kind::Ended => "ended",
        Kind::Reminder => "reminder",
    }
}

/// Go's zero time and the like are no times.
fn plausible(time: Timestamp) -> Option<Timestamp> {
    (time > Timestamp::UNIX_EPOCH).then_some(time)
}

fn zone_name(zone: &jiff::tz::TimeZone, now: Timestamp) -> String {
    zone.iana_name().map_or_else(|| zone.to_offset(now).to_string(), str::to_owned)
}
