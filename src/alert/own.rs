//! What nabat itself has to say, in the form of an alert: it takes the same way as any other.

use jiff::Timestamp;

use super::{Alert, GroupId, Labels, Notification, Reason, Source, Status};

/// A group of one alert that nabat fires.
#[derive(Debug, Clone)]
pub struct Own<'a> {
    /// Tells the group from nabat's others, and stays the same over restarts.
    pub key: String,
    pub alertname: &'a str,
    /// Critical when it is about alerts that may not arrive.
    pub severity: &'a str,
    /// What it is about: one label more, by name and value.
    pub about: (&'a str, &'a str),
    /// Annotations by name and text.
    pub says: &'a [(&'a str, &'a str)],
}

impl Own<'_> {
    /// The group that nabat's own alerts under a key belong to.
    pub fn group(key: &str) -> GroupId {
        GroupId { source: Source::Nabat, receiver: "nabat".into(), key: key.to_owned() }
    }

    /// The notification that it fires `since` then, or that it ended `now`.
    pub fn notification(&self, status: Status, since: Timestamp, now: Timestamp) -> Notification {
        let words = |pairs: &[(&str, &str)]| -> Labels {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let labels =
            words(&[("alertname", self.alertname), self.about, ("severity", self.severity)]);
        let annotations = words(self.says);
        Notification {
            group: Self::group(&self.key),
            status,
            reason: Reason::Unknown,
            alerts: vec![Alert {
                fingerprint: format!("nabat/{}", self.key),
                status,
                labels: labels.clone(),
                annotations: annotations.clone(),
                starts_at: since,
                ends_at: (status == Status::Resolved).then_some(now),
                generator_url: String::new(),
                grafana: None,
                unlisted: false,
            }],
            group_labels: words(&[("alertname", self.alertname)]),
            common_labels: labels,
            common_annotations: annotations,
            external_url: String::new(),
            truncated_alerts: 0,
        }
    }
}
