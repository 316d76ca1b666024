//! What speaks in a lane's chat, whatever there is to say: its topic, its pace, its calls.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;
use tokio::time::Instant;

use super::Interruption;
use crate::delivery::pace::{BotSlot, ChatPace, ChatSlot};
use crate::delivery::plan::Ground;
use crate::delivery::verdict::{Attempt, Verdict, judge};
use crate::delivery::{Chat, Delivery, DeliveryOptions};
use crate::outbox::Durable;
use crate::routing::{LaneId, Topic};
use crate::telegram::{Answer, ChatId, Method, TopicId};

pub struct Voice<'a> {
    pub delivery: &'a Delivery,
    pub lane: &'a LaneId,
    pub chat: Chat,
    /// Where the chat is now.
    pub number: ChatId,
    pub pace: &'a ChatPace,
    pub token: Arc<SecretString>,
    pub topic: Option<TopicId>,
    /// The topic took nothing, so it holds the card out of reach.
    pub lost_topic: bool,
    /// What people must know of where it is said.
    pub note: Option<String>,
    /// Nothing is said before.
    pub durable: Durable,
    pub conditions: Conditions,
}

/// What may have held up what is said, so that delays are counted apart from nabat's own.
#[derive(Debug, Clone, Copy, Default)]
pub struct Conditions {
    /// More waits than the pace can say soon.
    pub storm: bool,
    /// The chat or Telegram fails.
    pub trouble: bool,
    /// When this process began: what was accepted before had to wait for that.
    pub began_at: Timestamp,
    pub held_up: HeldUp,
}

/// Until when a lane was held up last, and by what: what was accepted before had to wait.
#[derive(Debug, Clone, Copy, Default)]
pub struct HeldUp {
    /// The chat or Telegram failed, or there was no token.
    pub trouble: Option<Timestamp>,
    /// The pace, or another lane of the chat whose turn it was.
    pub paced: Option<Timestamp>,
}

/// The right to make one call now.
#[must_use]
pub struct Slot<'p> {
    of_the_chat: ChatSlot,
    of_the_bot: BotSlot<'p>,
    taken_at: Instant,
}

impl Conditions {
    /// The word for it in `delivery_latency_seconds{during}`, for what was accepted then.
    fn word(self, accepted_at: Timestamp) -> &'static str {
        let behind = |until: Option<Timestamp>| until.is_some_and(|until| accepted_at <= until);
        if self.trouble || behind(self.held_up.trouble) {
            "trouble"
        } else if accepted_at < self.began_at {
            "restart"
        } else if self.storm {
            "storm"
        } else if behind(self.held_up.paced) {
            "pace"
        } else {
            "calm"
        }
    }
}

impl<'a> Voice<'a> {
    pub fn new(
        delivery: &'a Delivery,
        lane: &'a LaneId,
        chat: Chat,
        number: ChatId,
        pace: &'a ChatPace,
        token: Arc<SecretString>,
    ) -> Self {
        let topic = match &lane.topic {
            Some(Topic::Number(topic)) => Some(*topic),
            Some(Topic::Named(name)) => delivery.shared.with.topics.number(number, name),
            None => None,
        };
        let (lost_topic, note, durable) = (false, None, Durable::already());
        let conditions = Conditions::default();
        Self {
            delivery,
            lane,
            chat,
            number,
            pace,
            token,
            topic,
            lost_topic,
            note,
            durable,
            conditions,
        }
    }

    /// Counts how long something took from its acceptance until now, when it is shown.
    pub fn observe(&self, class: &'static str, accepted_at: Timestamp) {
        let with = &self.delivery.shared.with;
        let took = Duration::try_from(with.clock.now().duration_since(accepted_at));
        with.metrics
            .delivery_latency
            .with_label_values(&[class, self.conditions.word(accepted_at)])
            .observe(took.unwrap_or_default().as_secs_f64());
    }

    /// Where and when something is said.
    pub fn ground<'g>(&'g self, options: &'g DeliveryOptions) -> Ground<'g> {
        let shared = &self.delivery.shared;
        Ground {
            chat: self.number,
            now: shared.with.clock.now().to_zoned_datetime(self.chat.timezone.clone()),
            new_card_after: options.new_card_after,
            sound: &self.chat.sound,
            pin: shared.may_pin(self.number).then_some(&self.chat.pin[..]),
            severities: &options.severities,
        }
    }

    /// Waits for the pace, makes the call, counts it.
    pub async fn call(&self, method: &Method, attempt: Attempt) -> Result<Verdict, Interruption> {
        let slot = self.slot().await?;
        let answer = self.delivery.shared.with.client.load().call(&self.token, method).await;
        Ok(self.judged(method, attempt, slot, &answer))
    }

    /// Counts a call that came back, and judges its answer.
    pub fn judged(
        &self,
        method: &Method,
        attempt: Attempt,
        slot: Slot<'_>,
        answer: &Answer,
    ) -> Verdict {
        let with = &self.delivery.shared.with;
        let now = Instant::now();
        slot.of_the_chat.arrived(self.pace, now);
        slot.of_the_bot.answered(now);
        let metrics = &with.metrics;
        let name = method.name();
        metrics.telegram_answered(name, answer.outcome(), slot.taken_at.elapsed());
        let verdict = judge(attempt, answer);
        tracing::debug!(lane = %self.lane, method = name, ?verdict, "Telegram answered");
        if let (Verdict::Plainer(_), Answer::Refused(refusal)) = (&verdict, answer) {
            let refusal = &refusal.description;
            tracing::warn!(lane = %self.lane, %refusal, "Telegram refused the formatting; a plainer form is sent");
        }
        if matches!(verdict, Verdict::Delivered(_)) {
            self.delivery.shared.heard.store(now);
            metrics
                .last_success
                .with_label_values(&[self.lane.chat.as_str()])
                .set(with.clock.now().as_duration().as_secs_f64());
        }
        verdict
    }

    /// Waits until what is said is durable, and the chat and the bot may send one more.
    pub async fn slot(&self) -> Result<Slot<'_>, Interruption> {
        let tasks = &self.delivery.shared.with.tasks;
        if !self.durable.wait().await {
            return Err(Interruption::NotStored);
        }
        let of_the_chat = loop {
            if tasks.is_stopping() {
                return Err(Interruption::Stopping);
            }
            let now = Instant::now();
            let when = match self.pace.take(now) {
                Ok(slot) => break slot,
                // Since the lane's turn began, by what is not the lane's: a picture. It may take long,
                // and by then there is news.
                Err(_) if self.pace.blocked_until(now).is_some() => {
                    return Err(Interruption::RateLimited);
                }
                Err(when) => when,
            };
            tokio::select! {
                biased;
                () = tokio::time::sleep_until(when) => {}
                () = tasks.stopping() => {}
            }
        };
        // Before the bot's slot, for that counts from now on, and the store may be slow.
        self.note_pace().await;
        let of_the_bot = tokio::select! {
            biased;
            slot = self.delivery.shared.paces.bot_slot() => slot,
            () = tasks.stopping() => return Err(Interruption::Stopping),
        };
        Ok(Slot { of_the_chat, of_the_bot, taken_at: Instant::now() })
    }

    /// Has the store keep how the chat's limit is used up, so that a restart knows it.
    async fn note_pace(&self) {
        let with = &self.delivery.shared.with;
        let footprint = self.pace.footprint(self.number, Instant::now(), with.clock.now());
        with.outbox.keep_footprint(footprint).await;
    }

    pub fn count_rate_limit(&self) {
        let limited = &self.delivery.shared.with.metrics.telegram_rate_limited;
        limited.with_label_values(&[self.lane.chat.as_str()]).inc();
    }

    /// A verdict that ends the message.
    pub fn interruption(&self, verdict: Verdict) -> Interruption {
        let with = &self.delivery.shared.with;
        match verdict {
            Verdict::Wait(retry_after) => {
                let paces = &self.delivery.shared.paces;
                let wait = paces.rate_limited(self.number, retry_after, Instant::now());
                self.count_rate_limit();
                tracing::warn!(
                    lane = %self.lane, seconds = wait.as_secs(), slowness = self.pace.slowness(),
                    "Telegram asked to wait (429)"
                );
                Interruption::RateLimited
            }
            Verdict::Retry { why, ambiguous, answered } => {
                if ambiguous {
                    with.metrics.ambiguous_sends.inc();
                    tracing::warn!(lane = %self.lane, %why, "it is unknown whether a message arrived; it is sent again");
                }
                Interruption::Failed { why, answered }
            }
            Verdict::Moved(to) => Interruption::Moved(to),
            Verdict::Park(why) => Interruption::Unreachable { why },
            Verdict::PauseBot => {
                with.bot.was_refused(&self.token);
                Interruption::TokenRefused
            }
            Verdict::Refused(why) => Interruption::Refused { why },
            Verdict::Delivered(_)
            | Verdict::Plainer(_)
            | Verdict::WithoutTables
            | Verdict::Shorter
            | Verdict::Overwrite
            | Verdict::LetBe { .. }
            | Verdict::NewCard
            | Verdict::WithoutReply
            | Verdict::WithoutButtons
            | Verdict::WithoutTopic { .. } => {
                let why = "Telegram's answer does not fit what was tried".into();
                Interruption::Failed { why, answered: true }
            }
        }
    }
}
