//! The webhook bodies as they travel: Alertmanager's version "4" of every release, and Grafana's
//! version "1". Everything may be missing, unknown fields are skipped.

use serde::Deserialize;

use crate::alert::Status;

use super::text::{Moment, Text, TextMap, nullable, present};

/// The whole body.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Body {
    #[serde(default)]
    pub version: Text,
    #[serde(default, deserialize_with = "nullable")]
    pub receiver: String,
    pub status: Option<Status>,
    /// Missing in what is no webhook body at all.
    pub alerts: Option<Vec<Alert>>,
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
    #[serde(default, deserialize_with = "nullable")]
    pub truncated_alerts: u64,
    /// Only Grafana has organisations.
    #[serde(default, rename = "orgId", deserialize_with = "present")]
    pub has_org_id: bool,
}

/// One of `alerts`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Alert {
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
