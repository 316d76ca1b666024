//! The webhook bodies as they travel: Alertmanager's version "4" of every release, and Grafana's
//! version "1". Everything may be missing, unknown fields are skipped.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, SeqAccess, Unexpected, Visitor};

use crate::alert::Status;

use super::text::{Moment, Text, TextMap, nullable, present};

/// The whole body.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object, as a webhook's body is one")]
pub(super) struct Body {
    #[serde(default)]
    pub version: Text,
    #[serde(default, deserialize_with = "nullable")]
    pub receiver: String,
    #[serde(default, deserialize_with = "status")]
    pub status: Option<Status>,
    /// Missing in what is no webhook body at all.
    pub alerts: Option<Alerts>,
    #[serde(default, rename = "notification_reason", deserialize_with = "nullable")]
    pub notification_reason: String,
    #[serde(default)]
    pub group_labels: TextMap,
    #[serde(default)]
    pub common_labels: TextMap,
    #[serde(default)]
    pub common_annotations: TextMap,
    #[serde(default, rename = "externalURL", deserialize_with = "nullable")]
    pub external_url: String,
    #[serde(default, deserialize_with = "nullable")]
    pub group_key: String,
    #[serde(default, deserialize_with = "count")]
    pub truncated_alerts: u64,
    /// Only Grafana has organisations.
    #[serde(default, rename = "orgId", deserialize_with = "present")]
    pub has_org_id: bool,
}

/// More alerts than this in one body are not kept: an empty one takes three bytes of a body and
/// hundreds of memory. Alertmanager's largest groups hold a few thousand.
pub(super) const MOST_ALERTS: usize = 50_000;

/// `alerts`, as far as they are kept.
#[derive(Debug)]
pub(super) enum Alerts {
    All(Vec<Alert>),
    /// There were more than [`MOST_ALERTS`].
    TooMany,
}

impl<'de> Deserialize<'de> for Alerts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(AlertsVisitor)
    }
}

struct AlertsVisitor;

impl<'de> Visitor<'de> for AlertsVisitor {
    type Value = Alerts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of alerts")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Alerts, A::Error> {
        let mut alerts = Vec::new();
        while alerts.len() < MOST_ALERTS {
            let Some(alert) = list.next_element()? else { return Ok(Alerts::All(alerts)) };
            alerts.push(alert);
        }
        if list.next_element::<IgnoredAny>()?.is_none() {
            return Ok(Alerts::All(alerts));
        }
        drop(alerts);
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Alerts::TooMany)
    }
}

/// One of `alerts`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object, as an alert is one")]
pub(super) struct Alert {
    #[serde(default, deserialize_with = "status")]
    pub status: Option<Status>,
    #[serde(default)]
    pub labels: TextMap,
    #[serde(default)]
    pub annotations: TextMap,
    #[serde(default)]
    pub starts_at: Moment,
    #[serde(default)]
    pub ends_at: Moment,
    #[serde(default, rename = "generatorURL", deserialize_with = "nullable")]
    pub generator_url: String,
    #[serde(default, deserialize_with = "nullable")]
    pub fingerprint: String,
    #[serde(default, rename = "silenceURL", deserialize_with = "nullable")]
    pub silence_url: String,
    #[serde(default, rename = "dashboardURL", deserialize_with = "nullable")]
    pub dashboard_url: String,
    #[serde(default, rename = "panelURL", deserialize_with = "nullable")]
    pub panel_url: String,
    #[serde(default, rename = "imageURL", deserialize_with = "nullable")]
    pub image_url: String,
    #[serde(default, deserialize_with = "nullable")]
    pub value_string: String,
}

/// Reads a status, or `null`.
fn status<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Status>, D::Error> {
    deserializer.deserialize_any(StatusVisitor)
}

struct StatusVisitor;

impl Visitor<'_> for StatusVisitor {
    type Value = Option<Status>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"firing\" or \"resolved\"")
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<Option<Status>, E> {
        let known = [Status::Firing, Status::Resolved].into_iter().find(|s| s.as_str() == word);
        known.map(Some).ok_or_else(|| E::invalid_value(Unexpected::Str(word), &self))
    }

    fn visit_unit<E: Error>(self) -> Result<Option<Status>, E> {
        Ok(None)
    }
}

/// Reads a number, `null` as 0.
fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    deserializer.deserialize_any(CountVisitor)
}

struct CountVisitor;

impl Visitor<'_> for CountVisitor {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number from 0 on")
    }

    fn visit_u64<E: Error>(self, count: u64) -> Result<u64, E> {
        Ok(count)
    }

    fn visit_unit<E: Error>(self) -> Result<u64, E> {
        Ok(0)
    }
}
