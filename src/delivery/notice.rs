//! What nabat itself has to say, told to the fallback chat through the same outbox as alerts.

use std::sync::Arc;

use crate::alert::{Notification, Own, Status};
use crate::outbox::{Class, Priority, Submission};
use crate::rendering::Language;
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
        let since = match status {
            Status::Firing => None,
            Status::Resolved => self.told_since(&fallback, lane).await,
        };
        let language = with.chats.get(&fallback.chat).map(|chat| chat.language).unwrap_or_default();
        let submission = Submission {
            notification: Arc::new(unreachable(
                lane,
                why,
                status,
                (since.unwrap_or(now), now),
                language,
            )),
            destinations: vec![Destination {
                lane: fallback.clone(),
                by_label: false,
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

impl Delivery {
    /// Whether the fallback chat believes that a lane can't be reached; a former process may have
    /// told it.
    pub(super) async fn is_told(&self, lane: &LaneId) -> bool {
        let Some(fallback) = self.shared.with.options.load().fallback.clone() else { return false };
        self.told_since(&fallback, lane).await.is_some()
    }

    /// Since when the fallback chat believes that a lane can't be reached, if it does.
    async fn told_since(&self, fallback: &LaneId, lane: &LaneId) -> Option<jiff::Timestamp> {
        match self.shared.with.outbox.latest(fallback, &Own::group(&key(lane))).await {
            Ok(latest) => latest?.firing().next().map(|alert| alert.starts_at),
            Err(error) => {
                tracing::warn!(%lane, %error, "it is not known what the fallback chat was told");
                None
            }
        }
    }
}

/// What the fallback chat is told about a lane is one group.
fn key(lane: &LaneId) -> String {
    format!("unreachable/{lane}")
}

fn unreachable(
    lane: &LaneId,
    why: &str,
    status: Status,
    (since, now): (jiff::Timestamp, jiff::Timestamp),
    language: Language,
) -> Notification {
    let name = lane.to_string();
    let own = Own {
        key: key(lane),
        alertname: "NabatChatUnreachable",
        about: ("chat", &name),
        says: &[
            ("summary", &language.say("chat_unreachable", &[&name])),
            ("description", why),
            ("action", &language.say("chat_unreachable_action", &[])),
        ],
    };
    own.notification(status, since, now)
}
