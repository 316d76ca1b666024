//! What an alert is: the words that every room shares. No I/O, no wire format.

mod own;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::own::Own;

/// Label or annotation names with their values, sorted by name.
pub type Labels = BTreeMap<String, String>;

/// Whether an alert (or a whole group) still fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Firing,
    Resolved,
}

impl Status {
    /// The word Alertmanager uses for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        }
    }
}

/// Which kind of sender a notification came from. HA peers of one Alertmanager are one source:
/// neither their address nor their version tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    Alertmanager,
    Grafana,
    /// A manual test alert; shown with the mark TEST.
    Test,
    /// nabat speaking about itself, e.g. to the fallback chat.
    Nabat,
}

impl Source {
    /// Every source, for metrics that must exist from the start.
    pub const ALL: [Self; 4] = [Self::Alertmanager, Self::Grafana, Self::Test, Self::Nabat];

    /// The word used in metrics, logs and the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Alertmanager => "alertmanager",
            Self::Grafana => "grafana",
            Self::Test => "test",
            Self::Nabat => "nabat",
        }
    }
}

/// What Alertmanager notifies about as one: `(source, receiver, groupKey)`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct GroupId {
    pub source: Source,
    /// The receiver's name, unescaped (`web.hook`, not `web\.hook`).
    pub receiver: String,
    pub key: String,
}

/// Why Alertmanager sent the notification (`notification_reason`, since Alertmanager 0.32).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    FirstNotification,
    NewAlertsAdded,
    SomeAlertsResolved,
    AllAlertsResolved,
    RepeatIntervalElapsed,
    /// Older Alertmanagers and Grafana do not say.
    #[default]
    Unknown,
}

/// One alert as a notification reports it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// Alertmanager's hash of the labels; computed at the door when the sender left it out.
    pub fingerprint: String,
    pub status: Status,
    pub labels: Labels,
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub annotations: Labels,
    pub starts_at: Timestamp,
    /// When it ended; `None` while it fires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub generator_url: String,
    /// What only Grafana sends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grafana: Option<Box<GrafanaExtras>>,
    /// A newer notification of the group no longer listed this alert although its end was not
    /// seen: it was silenced or inhibited, its end is not sent, or the body was truncated.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unlisted: bool,
}

impl Alert {
    /// The identity of one occurrence: a re-fire has another `starts_at`.
    pub fn occurrence(&self) -> (&str, Status, Timestamp) {
        (&self.fingerprint, self.status, self.starts_at)
    }

    /// The `severity` label, or the empty string.
    pub fn severity(&self) -> &str {
        self.labels.get("severity").map_or("", String::as_str)
    }

    /// Whether it fires, as far as anyone has said.
    pub fn fires(&self) -> bool {
        self.status == Status::Firing
    }
}

/// Links and values that Grafana adds to an alert; empty when absent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct GrafanaExtras {
    pub silence_url: String,
    pub dashboard_url: String,
    pub panel_url: String,
    pub image_url: String,
    pub value_string: String,
}

/// One webhook body, parsed: the full present state of one alert group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    pub group: GroupId,
    pub status: Status,
    #[serde(default)]
    pub reason: Reason,
    pub alerts: Vec<Alert>,
    #[serde(default)]
    pub group_labels: Labels,
    #[serde(default)]
    pub common_labels: Labels,
    #[serde(default)]
    pub common_annotations: Labels,
    /// Where the sender's own pages are; empty when unknown.
    #[serde(default)]
    pub external_url: String,
    /// How many alerts the sender left out (`max_alerts`).
    #[serde(default)]
    pub truncated_alerts: u64,
}

impl Notification {
    /// The alerts that fire.
    pub fn firing(&self) -> impl Iterator<Item = &Alert> {
        self.alerts.iter().filter(|alert| alert.fires())
    }

    /// The alerts that ended.
    pub fn resolved(&self) -> impl Iterator<Item = &Alert> {
        self.alerts.iter().filter(|alert| !alert.fires())
    }

    /// Whether every alert of the group is told of: nothing was truncated, or the sender says
    /// that all of them ended.
    pub fn is_complete(&self) -> bool {
        self.truncated_alerts == 0
            || (self.status == Status::Resolved && self.reason == Reason::AllAlertsResolved)
    }

    /// A label that all alerts share, from the common labels or else the group labels.
    pub fn shared_label(&self, name: &str) -> Option<&str> {
        self.common_labels.get(name).or_else(|| self.group_labels.get(name)).map(String::as_str)
    }
}

/// How many alerts of a group neither a waiting entry holds nor people were told of: they came and went while
/// it waited, and it keeps some of these only. An alert that came and went again counts again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Forgotten {
    /// Those that ended.
    pub ended: u32,
    /// Those that are not listed any more and whose end is not known.
    pub unlisted: u32,
}

impl Forgotten {
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}
