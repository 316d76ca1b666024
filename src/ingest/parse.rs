//! A webhook body → the domain's notification.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::alert::{Alert, GrafanaExtras, GroupId, Labels, Notification, Reason, Source, Status};

use super::text::{Moment, TextMap};
use super::{fingerprint, wire};

/// Why a body is no notification. The text is for the person who set up the sender.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    #[error("the body is not UTF-8: invalid byte at line {line} column {column}")]
    NotUtf8 { line: usize, column: usize },
    /// The cause names line and column.
    #[error("the body is not a webhook's JSON: {0}")]
    Json(#[source] serde_json::Error),
    #[error(
        "the body is a JSON array, but a webhook's body is an object; Prometheus itself must send \
         to Alertmanager, and Alertmanager's webhook_configs to this address"
    )]
    Array,
    #[error(
        "the body has no \"alerts\" array, so it is not a webhook of Alertmanager or Grafana; set \
         this address as webhook_configs.url of a receiver"
    )]
    NoAlerts,
    #[error("the \"alerts\" array is empty: there is nothing to tell")]
    EmptyAlerts,
    #[error(
        "the body holds more than {} alerts; lower max_alerts in Alertmanager's webhook_configs",
        wire::MOST_ALERTS
    )]
    TooManyAlerts,
    #[error(
        "alerts[{index}].{field}: {value:?} is not a time; expected RFC 3339, like \
         \"2026-01-31T12:00:00Z\""
    )]
    Time { index: usize, field: &'static str, value: String },
}

/// Reads one webhook body, of Alertmanager (version "4" of every release) or of Grafana.
///
/// `received_at` stands for a `startsAt` that the sender left out, and for the `endsAt` of a
/// resolved alert without one. Of several alerts with one fingerprint the last wins. What else is
/// missing is derived: the fingerprint, the statuses, the common labels, and the group key from
/// the group labels (or the common ones).
///
/// # Errors
/// [`BodyError`], which a sender is answered 400 with, or 413 when there are too many alerts.
pub fn parse(body: &[u8], received_at: Timestamp) -> Result<Notification, BodyError> {
    let text = std::str::from_utf8(body).map_err(|e| not_utf8(&body[..e.valid_up_to()]))?;
    if text.trim_start().starts_with('[') {
        return Err(BodyError::Array);
    }
    let body: wire::Body = serde_json::from_str(text).map_err(BodyError::Json)?;
    let source = if body.has_org_id || body.version.0.as_deref() == Some("1") {
        Source::Grafana
    } else {
        Source::Alertmanager
    };
    let wire_alerts = match body.alerts.ok_or(BodyError::NoAlerts)? {
        wire::Alerts::All(alerts) => alerts,
        wire::Alerts::TooMany => return Err(BodyError::TooManyAlerts),
    };
    if wire_alerts.is_empty() {
        return Err(BodyError::EmptyAlerts);
    }
    let mut alerts = Vec::with_capacity(wire_alerts.len());
    for (index, alert) in wire_alerts.into_iter().enumerate() {
        alerts.push(read_alert(alert, index, body.status, source, received_at)?);
    }
    keep_last_of_each(&mut alerts);

    let status = body.status.unwrap_or_else(|| {
        if alerts.iter().any(Alert::fires) { Status::Firing } else { Status::Resolved }
    });
    let TextMap(common_labels) = body.common_labels;
    let common_labels = common_labels.unwrap_or_else(|| shared(&alerts, |a| &a.labels));
    let TextMap(common_annotations) = body.common_annotations;
    let common_annotations =
        common_annotations.unwrap_or_else(|| shared(&alerts, |a| &a.annotations));
    let TextMap(group_labels) = body.group_labels;
    let group_labels = group_labels.unwrap_or_default();
    let key = if body.group_key.is_empty() {
        derived_key(if group_labels.is_empty() { &common_labels } else { &group_labels })
    } else {
        body.group_key
    };
    Ok(Notification {
        group: GroupId { source, receiver: unescape(body.receiver), key },
        status,
        reason: reason(&body.notification_reason),
        alerts,
        group_labels,
        common_labels,
        common_annotations,
        external_url: body.external_url,
        truncated_alerts: body.truncated_alerts,
    })
}

/// Says where the invalid byte behind what is `valid` stands, counted as `serde_json` counts: from 1
/// on, columns in bytes.
fn not_utf8(valid: &[u8]) -> BodyError {
    let lines = valid.split(|byte| *byte == b'\n');
    let (line, last) = lines.enumerate().last().unwrap_or_default();
    BodyError::NotUtf8 { line: line + 1, column: last.len() + 1 }
}

fn read_alert(
    wire: wire::Alert,
    index: usize,
    group_status: Option<Status>,
    source: Source,
    received_at: Timestamp,
) -> Result<Alert, BodyError> {
    let time = |moment, field| match moment {
        Moment::Unset => Ok(None),
        Moment::At(at) => Ok(Some(at)),
        Moment::Broken(value) => Err(BodyError::Time { index, field, value }),
    };
    // Not the time of receipt: the same body again would be another firing.
    let starts_at = time(wire.starts_at, "startsAt")?.unwrap_or(Timestamp::UNIX_EPOCH);
    let ended_at = match wire.ends_at {
        // Nobody asks when it ends.
        Moment::Broken(_) if wire.status.or(group_status) == Some(Status::Firing) => None,
        moment => time(moment, "endsAt")?,
    };
    let has_ended = || ended_at.is_some_and(|at| at <= received_at);
    let status = wire
        .status
        .or(group_status)
        .unwrap_or_else(|| if has_ended() { Status::Resolved } else { Status::Firing });
    let labels = wire.labels.0.unwrap_or_default();
    let fingerprint =
        if wire.fingerprint.is_empty() { fingerprint::of(&labels) } else { wire.fingerprint };
    let grafana = (source == Source::Grafana).then(|| {
        Box::new(GrafanaExtras {
            silence_url: wire.silence_url,
            dashboard_url: wire.dashboard_url,
            panel_url: wire.panel_url,
            image_url: wire.image_url,
            value_string: wire.value_string,
        })
    });
    Ok(Alert {
        fingerprint,
        status,
        labels,
        annotations: wire.annotations.0.unwrap_or_default(),
        starts_at,
        // A firing alert may carry the time at which Alertmanager would give it up: not an end.
        ends_at: (status == Status::Resolved).then(|| ended_at.unwrap_or(received_at)),
        generator_url: wire.generator_url,
        grafana,
        unlisted: false,
    })
}

fn keep_last_of_each(alerts: &mut Vec<Alert>) {
    let mut last = HashMap::with_capacity(alerts.len());
    for (index, alert) in alerts.iter().enumerate() {
        last.insert(alert.fingerprint.clone(), index);
    }
    if last.len() < alerts.len() {
        let mut index = 0;
        alerts.retain(|alert| {
            index += 1;
            last.get(&alert.fingerprint) == Some(&(index - 1))
        });
    }
}

/// The pairs that all alerts have alike.
fn shared(alerts: &[Alert], of: impl Fn(&Alert) -> &Labels) -> Labels {
    let Some((first, others)) = alerts.split_first() else { return Labels::new() };
    let mut shared = of(first).clone();
    shared.retain(|name, value| others.iter().all(|alert| of(alert).get(name) == Some(value)));
    shared
}

/// A group key in the form Alertmanager gives it: `{}:{alertname="DiskFull"}`.
fn derived_key(labels: &Labels) -> String {
    let pairs: Vec<String> =
        labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    format!("{{}}:{{{}}}", pairs.join(", "))
}

/// Undoes Go's `regexp.QuoteMeta`, through which Alertmanager sends a receiver's name.
fn unescape(receiver: String) -> String {
    const QUOTED: &str = r"\.+*?()|[]{}^$";
    if !receiver.contains('\\') {
        return receiver;
    }
    let mut plain = String::with_capacity(receiver.len());
    let mut rest = receiver.chars().peekable();
    while let Some(c) = rest.next() {
        match rest.peek() {
            Some(&next) if c == '\\' && QUOTED.contains(next) => {
                plain.push(next);
                rest.next();
            }
            _ => plain.push(c),
        }
    }
    plain
}

fn reason(text: &str) -> Reason {
    match text {
        "first notification" => Reason::FirstNotification,
        "new alerts added" => Reason::NewAlertsAdded,
        "some alerts resolved" => Reason::SomeAlertsResolved,
        "all alerts resolved" => Reason::AllAlertsResolved,
        "repeat interval elapsed" => Reason::RepeatIntervalElapsed,
        _ => Reason::Unknown,
    }
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
