//! A notification → its lanes → the store. Shared by the webhook and the manual test alert.

use std::fmt;
use std::sync::Arc;

use crate::alert::{Notification, Reason, Status};
use crate::clock::Clock;
use crate::heartbeats::Heartbeats;
use crate::lifecycle::Tasks;
use crate::outbox::{Accepted, Class, Fate, Outbox, Priority, StoreError, Submission};
use crate::routing::{ChatAlias, Destination, LaneId};
use crate::telemetry::{Metrics, Scrubber};

/// What the intake asks the present configuration. A reload is the implementor's business.
pub trait Router: fmt::Debug + Send + Sync + 'static {
    /// Where the routing tree sends the notification; at least one destination.
    fn destinations(&self, notification: &Notification) -> Vec<Destination>;

    /// Where it goes when the sender named the chat itself; `None` when there is no such chat.
    fn direct(&self, notification: &Notification, chat: &ChatAlias) -> Option<Destination>;

    /// Position of the notification's worst severity in the configured order; 0 is the worst.
    fn severity(&self, notification: &Notification) -> u8;

    /// Every configured chat.
    fn chats(&self) -> Vec<ChatAlias>;

    /// The configured chat whose name is most like `unknown`, if any is.
    fn nearest_alias(&self, unknown: &str) -> Option<String> {
        nearest(self.chats().iter().map(ChatAlias::as_str), unknown)
    }
}

/// The candidate that `word` was probably meant to be.
pub(crate) fn nearest<'a>(candidates: impl Iterator<Item = &'a str>, word: &str) -> Option<String> {
    candidates
        .map(|candidate| (strsim::jaro_winkler(candidate, word), candidate))
        .filter(|(likeness, _)| *likeness > 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate.to_owned())
}

/// Tells delivery that something waits in a lane.
pub trait Wake: fmt::Debug + Send + Sync + 'static {
    /// Something waits in the lane, or may: a call too many does no harm. Returns at once, and can't
    /// fail: a lane that can't be spoken to is delivery's business.
    fn wake(&self, lane: &LaneId);

    /// A person wants the lane to be tried at once, however often it failed.
    fn urge(&self, lane: &LaneId) {
        self.wake(lane);
    }
}

/// Why a notification was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    #[error("there is no chat {alias:?}{}", nearest.as_ref().map(|n| format!("; did you mean {n:?}?")).unwrap_or_default())]
    UnknownChat { alias: String, nearest: Option<String> },
    #[error("the configuration routes this notification nowhere")]
    Nowhere,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The way into the store.
#[derive(Debug, Clone)]
pub struct Intake {
    pub router: Arc<dyn Router>,
    pub outbox: Arc<dyn Outbox>,
    pub wake: Arc<dyn Wake>,
    pub heartbeats: Arc<Heartbeats>,
    pub clock: Arc<Clock>,
    pub metrics: Arc<Metrics>,
    /// Knows what must not be repeated to anybody, whoever sent it.
    pub scrubber: Scrubber,
    pub tasks: Tasks,
}

impl Intake {
    /// Takes a notification: its heartbeats are heard, what else it holds is routed (to the chat
    /// `direct` alone, when given) and stored durably in all its lanes. Of heartbeats alone no lane
    /// hears, and none is named in what is returned.
    ///
    /// # Errors
    /// [`IntakeError`]; then nothing was stored, or the store does not know whether it was.
    pub async fn take(
        &self,
        mut notification: Notification,
        direct: Option<&ChatAlias>,
    ) -> Result<Accepted, IntakeError> {
        let heard = self.heartbeats.hear(&mut notification);
        let accepted = if heard.any && notification.alerts.is_empty() {
            self.destinations(&notification, direct)?;
            // A sender that is told 2xx believes that its alerts are safe here.
            self.outbox.probe().await?;
            Accepted { lanes: Vec::new() }
        } else {
            self.store(notification, direct).await?
        };
        self.heartbeats.acknowledge(heard).await?;
        Ok(accepted)
    }

    /// Routes the notification (to the chat `direct` alone, when given) and stores it durably in
    /// all its lanes.
    ///
    /// When the caller goes away in the middle, the store may still accept: then the lanes are
    /// woken all the same, so that no entry waits for the next notification.
    ///
    /// # Errors
    /// [`IntakeError`]; then nothing was stored, or the store does not know whether it was.
    async fn store(
        &self,
        notification: Notification,
        direct: Option<&ChatAlias>,
    ) -> Result<Accepted, IntakeError> {
        let destinations = self.destinations(&notification, direct)?;
        let priority = Priority {
            severity: self.router.severity(&notification),
            class: class_of(&notification),
        };
        // The notification itself is the store's from here on: the sooner it is let go of, the
        // better, so the log's words are taken from it first.
        let told = tracing::enabled!(tracing::Level::DEBUG)
            .then(|| (notification.group.clone(), notification.alerts.len()));
        let notification = Arc::new(notification);
        let submission = Submission { notification, destinations, priority, at: self.clock.now() };
        let mut watched = Abandoned { intake: self, lanes: lanes(&submission) };
        let accepted = self.outbox.accept(submission).await;
        watched.lanes.clear();
        let accepted = accepted?;
        self.accepted(&accepted);
        if let Some((group, alerts)) = told {
            tracing::debug!(
                source = group.source.as_str(),
                receiver = group.receiver,
                group = group.key,
                alerts,
                fates = ?accepted.lanes,
                "notification accepted"
            );
        }
        Ok(accepted)
    }

    fn accepted(&self, accepted: &Accepted) {
        for (lane, fate) in &accepted.lanes {
            if *fate != Fate::Duplicate {
                self.wake.wake(lane);
            }
        }
        if accepted.is_duplicate() {
            self.metrics.notifications_deduplicated.inc();
        }
    }

    /// Whether a notification would be accepted for some lane.
    ///
    /// # Errors
    ///
    /// When there is no such chat, or none at all for it.
    pub fn leads_somewhere(
        &self,
        notification: &Notification,
        direct: Option<&ChatAlias>,
    ) -> Result<(), IntakeError> {
        self.destinations(notification, direct).map(drop)
    }

    fn destinations(
        &self,
        notification: &Notification,
        direct: Option<&ChatAlias>,
    ) -> Result<Vec<Destination>, IntakeError> {
        let chosen = match direct {
            Some(chat) => {
                let destination = self.router.direct(notification, chat);
                vec![destination.ok_or_else(|| IntakeError::UnknownChat {
                    alias: chat.0.clone(),
                    nearest: self.router.nearest_alias(chat.as_str()),
                })?]
            }
            None => self.router.destinations(notification),
        };
        let mut destinations: Vec<Destination> = Vec::with_capacity(chosen.len());
        for destination in chosen {
            if destinations.iter().all(|known| known.lane != destination.lane) {
                destinations.push(destination);
            }
        }
        if destinations.is_empty() { Err(IntakeError::Nowhere) } else { Ok(destinations) }
    }
}

fn lanes(submission: &Submission) -> Vec<LaneId> {
    submission.destinations.iter().map(|destination| destination.lane.clone()).collect()
}

/// Notices that nobody waits for the store's answer any more.
struct Abandoned<'a> {
    intake: &'a Intake,
    /// Empty once the answer has come.
    lanes: Vec<LaneId>,
}

impl Drop for Abandoned<'_> {
    fn drop(&mut self) {
        let lanes = std::mem::take(&mut self.lanes);
        if lanes.is_empty() {
            return;
        }
        let (outbox, wake) = (self.intake.outbox.clone(), self.intake.wake.clone());
        self.intake.tasks.spawn("abandoned", async move {
            // The store works in the order in which it is asked: behind this, the entry is there.
            // It may wait in another topic than the one that was chosen, so all lanes are woken.
            let waiting = outbox.lanes().await.unwrap_or_default();
            for lane in lanes.iter().chain(&waiting) {
                wake.wake(lane);
            }
        });
    }
}

/// What kind of message a notification asks for.
fn class_of(notification: &Notification) -> Class {
    match (notification.status, notification.reason) {
        (Status::Resolved, _) | (Status::Firing, Reason::SomeAlertsResolved) => Class::End,
        (Status::Firing, Reason::RepeatIntervalElapsed) => Class::Repeat,
        (Status::Firing, _) => Class::News,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(status: Status, reason: Reason) -> Class {
        let body = br#"{"alerts": [{"status": "firing", "labels": {"alertname": "A"}}]}"#;
        let mut notification = crate::ingest::parse(body, jiff::Timestamp::UNIX_EPOCH).unwrap();
        notification.status = status;
        notification.reason = reason;
        class_of(&notification)
    }

    #[test]
    fn the_class_follows_status_and_reason() {
        assert_eq!(class(Status::Firing, Reason::Unknown), Class::News);
        assert_eq!(class(Status::Firing, Reason::FirstNotification), Class::News);
        assert_eq!(class(Status::Firing, Reason::NewAlertsAdded), Class::News);
        assert_eq!(class(Status::Firing, Reason::RepeatIntervalElapsed), Class::Repeat);
        assert_eq!(class(Status::Firing, Reason::SomeAlertsResolved), Class::End);
        assert_eq!(class(Status::Resolved, Reason::AllAlertsResolved), Class::End);
        assert_eq!(class(Status::Resolved, Reason::Unknown), Class::End);
    }

    #[test]
    fn the_nearest_chat_is_named_only_when_it_is_near() {
        let chats = ["ops", "database"];
        assert_eq!(nearest(chats.into_iter(), "databse").as_deref(), Some("database"));
        assert_eq!(nearest(chats.into_iter(), "xyz"), None);
    }
}
