//! What nabat itself has to say, told to the fallback chat through the same outbox as alerts.

use std::sync::Arc;

use jiff::Timestamp;

use crate::alert::{Own, Status};
use crate::outbox::{Class, Priority, Submission};
use crate::rendering::Language;
use crate::routing::{ChatAlias, Destination, LaneId, Updates};
use crate::telegram::ChatId;

use super::Delivery;

/// What the fallback chat is told about a lane that can't be reached is one group.
fn unreachable_key(lane: &LaneId) -> String {
    format!("unreachable/{lane}")
}

/// What it is told about a chat whose configured number is an old one is another.
fn moved_key(chat: &ChatAlias) -> String {
    format!("moved/{chat}")
}

impl Delivery {
    /// Tells the fallback chat that a lane can't be reached, or can again. False when that
    /// could not be stored; nothing to tell counts as told.
    pub(super) async fn tell_unreachable(&self, lane: &LaneId, why: &str, status: Status) -> bool {
        let Some((fallback, language)) = self.fallback() else { return true };
        if fallback == *lane {
            return true;
        }
        let name = lane.to_string();
        let own = Own {
            key: unreachable_key(lane),
            alertname: "NabatChatUnreachable",
            severity: "critical",
            about: ("chat", &name),
            says: &[
                ("summary", &language.say("chat_unreachable", &[&name])),
                ("description", why),
                ("action", &language.say("chat_unreachable_action", &[])),
            ],
        };
        self.tell(&fallback, &own, status).await
    }

    /// Whether the fallback chat believes that a lane can't be reached; a former process may have
    /// told it.
    pub(super) async fn is_told(&self, lane: &LaneId) -> bool {
        let Some((fallback, _)) = self.fallback() else { return false };
        self.told_since(&fallback, &unreachable_key(lane)).await.is_some()
    }

    /// As [`Delivery::tell_if_moved`], of all chats, and whatever was told before.
    pub(super) async fn tell_of_moves(&self) {
        self.shared.moves.lock().await.clear();
        for alias in self.shared.with.chats.aliases() {
            self.tell_if_moved(&alias).await;
        }
    }

    /// Tells the fallback chat when a chat goes by another number than its configuration says, or no
    /// longer does, as far as it does not know.
    pub(super) async fn tell_if_moved(&self, alias: &ChatAlias) {
        let mut known = self.shared.moves.lock().await;
        let with = &self.shared.with;
        // A number that is a secret may not be known yet.
        let Some(from) = with.chats.get(alias).and_then(|chat| chat.number.get()) else { return };
        let to = with.chats.follow(from);
        // Each topic's lane asks.
        if known.get(alias) == Some(&(from, to)) {
            return;
        }
        if from != to {
            tracing::warn!(
                chat = %alias, %from, %to,
                "the group became a supergroup; nabat goes on there. Set chats.{alias}.id to {to}"
            );
        }
        if self.tell_of_move(alias, from, to).await {
            known.insert(alias.clone(), (from, to));
        }
    }

    /// False when it could not be stored; nothing to tell counts as told.
    async fn tell_of_move(&self, alias: &ChatAlias, from: ChatId, to: ChatId) -> bool {
        let Some((fallback, language)) = self.fallback() else { return true };
        let believes = self.told_since(&fallback, &moved_key(alias)).await.is_some();
        let status = match (from != to, believes) {
            (true, false) => Status::Firing,
            (false, true) => Status::Resolved,
            _ => return true,
        };
        let [name, from, to] = [alias.to_string(), from.to_string(), to.to_string()];
        let (summary, why, action) = (
            language.say("chat_moved", &[&name]),
            language.say("chat_moved_why", &[&from, &to]),
            language.say("chat_moved_action", &[&name, &to]),
        );
        let says = [("summary", &*summary), ("description", &*why), ("action", &*action)];
        let own = Own {
            key: moved_key(alias),
            alertname: "NabatChatMoved",
            severity: "warning",
            about: ("chat", &name),
            // When it is over there is nothing left to explain and to do.
            says: if status == Status::Firing { &says } else { &says[..1] },
        };
        self.tell(&fallback, &own, status).await
    }

    /// Where nabat tells of itself, and in which language.
    fn fallback(&self) -> Option<(LaneId, Language)> {
        let with = &self.shared.with;
        let fallback = with.options.load().fallback.clone()?;
        let language = with.chats.get(&fallback.chat).map(|chat| chat.language).unwrap_or_default();
        Some((fallback, language))
    }

    /// False when it could not be stored.
    async fn tell(&self, fallback: &LaneId, own: &Own<'_>, status: Status) -> bool {
        let with = &self.shared.with;
        let now = with.clock.now();
        let since = self.told_since(fallback, &own.key).await;
        if status == Status::Firing && since.is_some() {
            // By an earlier process, perhaps: it is no news, and did not begin now.
            return true;
        }
        let submission = Submission {
            notification: Arc::new(own.notification(status, since.unwrap_or(now), now)),
            destinations: vec![Destination {
                lane: fallback.clone(),
                by_label: false,
                template: "default".into(),
                updates: Updates::Thread,
                buttons: None,
            }],
            priority: Priority {
                severity: with.options.load().severities.rank_of(own.severity),
                class: Class::News,
            },
            at: now,
        };
        match with.outbox.accept(submission).await {
            Ok(_) => {
                self.wake(fallback);
                true
            }
            Err(error) => {
                tracing::warn!(%error, "the fallback chat could not be told");
                false
            }
        }
    }

    /// Since when the fallback chat believes what it was told under a key, if it does.
    async fn told_since(&self, fallback: &LaneId, key: &str) -> Option<Timestamp> {
        match self.shared.with.outbox.latest(fallback, &Own::group(key)).await {
            Ok(latest) => latest?.firing().next().map(|alert| alert.starts_at),
            Err(error) => {
                tracing::warn!(%key, %error, "it is not known what the fallback chat was told");
                None
            }
        }
    }
}
