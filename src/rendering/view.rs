//! The data that templates see. Documented for their authors in `docs/templates.md`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::details::{Details, MANY};
use super::excerpt::{MAX_LABEL, MAX_LINE, MAX_NAME, capped, line, listed, pairs, values};
use super::rest::{MAX_NAMES, More, Share, shares};
use super::subject::{Subject, plausible, still_fires};
use super::{Kind, words};
use crate::alert::{Alert, Labels, Reason, Source};

/// After this many seconds a notification is late enough to say so.
pub(super) const LATE_AFTER: i64 = 60;

/// An alert that started so many seconds apart from its group says when.
const APART: i64 = 300;

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
    severities: Vec<Share>,
    more: More,
    /// Firing alerts that the message is about, shown or not.
    told: usize,
    /// Whether that is one alert in all: nothing tells it from others.
    alone: bool,
    /// What stands before the name: that it is critical, or over.
    word: String,
    name: String,
    #[serde(rename = "where")]
    place: String,
    /// Of more alerts than `where` names.
    names: String,
    severity: &'a str,
    emoji: &'static str,
    summary: Option<String>,
    values: Option<String>,
    details: Details,
    pub shared: String,
    test: bool,
    note: Option<&'a str>,
    merged: u32,
    late: Option<String>,
    starts_at: Option<Timestamp>,
    ends_at: Option<Timestamp>,
    started: Option<String>,
    lasted: Option<String>,
    pub tg_time: bool,
    language: &'static str,
    timezone: String,
    now: Timestamp,
}

#[derive(Debug, Serialize)]
struct Counts {
    all: usize,
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
    starts_at: Option<Timestamp>,
    ends_at: Option<Timestamp>,
    #[serde(rename = "generatorURL")]
    generator_url: &'a str,
    fingerprint: &'a str,
    severity: &'a str,
    emoji: &'static str,
    /// Its severity's own name, where they differ and it is not a well known one.
    severity_name: Option<String>,
    /// Its name, where they differ.
    alertname: Option<String>,
    /// The labels that tell it from the others; its place without the label's name.
    who: String,
    /// The same, as short as can be.
    label: String,
    summary: Option<String>,
    details: Details,
    started: Option<String>,
    ended: Option<String>,
    lasted: Option<String>,
    /// Whether it did not start with the group.
    own_time: bool,
    unlisted: bool,
    /// Whether it takes more than one line, and there is room for a blank one.
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
        let more = More::beyond(subject, firing, resolved);
        let (firing, resolved) =
            (show(&subject.firing[..firing]), show(&subject.resolved[..resolved]));
        let fires = subject.firing_total > 0;
        let (emoji, word) = subject.sign_and_word();
        let (from, until) = (subject.starts_at, subject.ends_at.unwrap_or(scene.now));
        let test = scene.state.group.source == Source::Test;
        let late = scene.now.duration_since(scene.accepted_at).as_secs();
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
                all: subject.firing_total + subject.resolved_total + subject.unlisted_total,
                firing: subject.firing_total,
                resolved: subject.resolved_total,
                unlisted: subject.unlisted_total,
            },
            severities: shares(subject, subject.firing.iter().filter(|alert| still_fires(alert))),
            more,
            told,
            alone: subject.told() == 1 && subject.forgotten.is_none(),
            word,
            place: subject.places(),
            names: names(subject),
            name: line(&subject.name, MAX_LINE),
            severity: subject.severity,
            emoji,
            summary: say("summary")
                .or_else(|| subject.lead?.annotations.get("summary"))
                .map(|text| line(text, MAX_LINE)),
            values: subject.only().and_then(value_string),
            details: Details::new(subject, &subject.annotations, None),
            shared: pairs(
                subject
                    .labels
                    .iter()
                    .filter(|(name, _)| !matches!(name.as_str(), "alertname" | "severity"))
                    .filter(|(name, _)| subject.place != Some(name.as_str())),
            ),
            test,
            note: scene.note,
            merged: scene.merged,
            late: (late > LATE_AFTER).then(|| words::duration(late, scene.language)),
            starts_at: from,
            ends_at: subject.ends_at,
            tg_time: scene.tg_time,
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
        let ended = alert.ends_at.and_then(plausible).map(|end| end.max(alert.starts_at));
        let until = ended.unwrap_or(subject.scene.now);
        let leads = subject.lead.is_some_and(|lead| std::ptr::eq(lead, alert));
        let summary = own("summary").filter(|_| !leads).map(|text| line(text, MAX_LINE));
        let details = Details::new(subject, &alert.annotations, Some(alert));
        let values = value_string(alert).filter(|_| subject.told() > 1);
        let own_label = |name: &str| !subject.labels.contains_key(name);
        let place = subject.place.filter(|name| own_label(name));
        let place = place.and_then(|name| alert.labels.get(name));
        let rest = pairs(alert.labels.iter().filter(|(name, _)| {
            own_label(name)
                && !matches!(name.as_str(), "alertname" | "severity")
                && subject.place != Some(name.as_str())
        }));
        let who = match place {
            Some(place) if rest.is_empty() => line(place, MAX_LABEL),
            Some(place) => format!("{}  {rest}", line(place, MAX_LABEL)),
            None => rest,
        };
        let name = alert.labels.get("alertname").filter(|_| own_label("alertname"));
        let apart =
            |start: Timestamp| start.duration_since(alert.starts_at).as_secs().abs() >= APART;
        Self {
            roomy: subject.told() < MANY
                && (summary.is_some() || values.is_some() || details.has_text()),
            status: alert.status.as_str(),
            labels: map(&alert.labels),
            annotations: map(&alert.annotations),
            starts_at: plausible(alert.starts_at),
            ends_at: alert.ends_at,
            generator_url: &alert.generator_url,
            fingerprint: &alert.fingerprint,
            severity: alert.severity(),
            emoji: subject.emoji(alert),
            severity_name: Subject::named_severity(alert.severity())
                .filter(|_| own_label("severity") && still_fires(alert)),
            alertname: name.map(|name| line(name, MAX_NAME)),
            who,
            label: subject.label(alert),
            own_time: started.is_some() && subject.starts_at.is_some_and(apart),
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
}

/// The alerts by name, where the head of the message does not name them all.
fn names(subject: &Subject<'_>) -> String {
    let alerts = subject.meant();
    let named = if subject.place.is_some() { 2 } else { 1 };
    if alerts.len() <= named {
        return String::new();
    }
    let gone = match alerts[0] {
        alert if still_fires(alert) => 0,
        alert if alert.fires() => subject.forgotten.unlisted,
        _ => subject.forgotten.ended,
    };
    let all = alerts.len() + gone as usize;
    listed(alerts.iter().map(|alert| subject.label(alert)), all, MAX_NAMES)
}

fn value_string(alert: &Alert) -> Option<String> {
    let values = values(&alert.grafana.as_deref()?.value_string);
    (!values.is_empty()).then_some(values)
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

fn zone_name(zone: &jiff::tz::TimeZone, now: Timestamp) -> String {
    zone.iana_name().map_or_else(|| zone.to_offset(now).to_string(), str::to_owned)
}
