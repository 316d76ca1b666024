//! What nabat itself has to say, told to the fallback chat through the same outbox as alerts.

use std::sync::Arc;

use crate::alert::{Alert, GroupId, Labels, Notification, Reason, Source, Status};
use crate::outbox::{Class, Priority, Submission};
use crate::routing::{Destination, LaneId, Updates};

use super::Delivery;

impl Delivery {
    /// Tells the fallback chat that a lane can't be reached, or can again. False when that
    /// could not be stored; nothing to tell counts as told.
    pub(super) async fn tell_fallback(&self, lane: &LaneId, why: &str, status: Status) -> bool {
        let with = &self.shared.with;
        let Some(fallback) = with.options.load().fallback.clone() else { return true };
        if fallback == *lane {
            return true;
        }
        let now = with.clock.now();
        let submission = Submission {
            notification: Arc::new(unreachable(lane, why, status, now)),
            destinations: vec![Destination {
                lane: fallback.clone(),
                template: "default".into(),
                updates: Updates::Thread,
                buttons: None,
            }],
            priority: Priority { severity: 0, class: Class::News },
            at: now,
        };
        match with.outbox.accept(submission).await {
            Ok(_) => {
                self.wake(&fallback);
                true
            }
            Err(error) => {
                tracing::warn!(%error, "the fallback chat could not be told");
                false
            }
        }
    }
}

fn unreachable(lane: &LaneId, why: &str, status: Status, now: jiff::Timestamp) -> Notification {
    let words = |pairs: &[(&str, &str)]| -> Labels {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let name = lane.to_string();
    let labels =
        words(&[("alertname", "NabatChatUnreachable"), ("chat", &name), ("severity", "critical")]);
    let annotations = words(&[
        ("summary", &format!("nabat can't write to the chat {name}")),
        ("description", why),
        ("action", "add the bot to the chat again, or correct its id, then: nabat check --live"),
    ]);
    Notification {
        group: GroupId {
            source: Source::Nabat,
            receiver: "nabat".into(),
            key: format!("unreachable/{name}"),
        },
        status,
        reason: Reason::Unknown,
        alerts: vec![Alert {
            fingerprint: format!("nabat-unreachable-{name}"),
            status,
            labels: labels.clone(),
            annotations: annotations.clone(),
            starts_at: now,
            ends_at: (status == Status::Resolved).then_some(now),
            generator_url: String::new(),
            grafana: None,
            unlisted: false,
        }],
        group_labels: words(&[("alertname", "NabatChatUnreachable")]),
        common_labels: labels,
        common_annotations: annotations,
        external_url: String::new(),
        truncated_alerts: 0,
    }
}
