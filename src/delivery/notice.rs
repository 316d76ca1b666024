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
        let language = with.chats.get(&fallback.chat).map(|chat| chat.language).unwrap_or_default();
        let submission = Submission {
            notification: Arc::new(unreachable(lane, why, status, now, language)),
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
        let with = &self.shared.with;
        let Some(fallback) = with.options.load().fallback.clone() else { return false };
        match with.outbox.latest(&fallback, &Own::group(&key(lane))).await {
            Ok(latest) => latest.is_some_and(|state| state.status == Status::Firing),
            Err(error) => {
                tracing::warn!(%lane, %error, "it is not known what the fallback chat was told");
                false
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
    now: jiff::Timestamp,
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
    own.notification(status, now, now)
}
