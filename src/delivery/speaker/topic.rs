//! Into the lane's topic: made when it is first needed, left when it can't be used.

use std::time::Duration;

use tokio::time::Instant;

use super::Interruption;
use super::message::{PATIENCE, too_late};
use super::voice::Voice;
use crate::delivery::topics::REFUSAL;
use crate::delivery::verdict::{Attempt, Verdict};
use crate::routing::{Topic, TopicName};
use crate::telegram::{Answer, Method, NewTopic};

/// Telegram failed at a topic: no chat of it is asked for so long, unless it says how long.
const FAILURE: Duration = Duration::from_mins(1);

impl Voice<'_> {
    /// Makes the lane's topic, if it is not there yet, before something new is said in it.
    pub async fn enter_topic(&mut self) -> Result<(), Interruption> {
        let Some(Topic::Named(name)) = self.lane.topic.clone() else { return Ok(()) };
        if self.topic.is_some() || self.lost_topic {
            return Ok(());
        }
        if self.delivery.shared.with.topics.may_make(self.number, Instant::now()) {
            self.topic = self.make_topic(&name).await?;
        }
        if self.topic.is_none() {
            self.leave_topic();
        }
        Ok(())
    }

    /// Makes the topic and remembers it. `None` when it is not made now, whatever the reason: the
    /// alert does not wait for it. A crash between the two, or an answer that got lost, leaves an
    /// empty topic behind: Telegram can't be asked what topics there are.
    async fn make_topic(
        &self,
        name: &TopicName,
    ) -> Result<Option<crate::telegram::TopicId>, Interruption> {
        let with = &self.delivery.shared.with;
        let method = Method::CreateForumTopic { chat: self.number, name: name.to_string() };
        let slot = self.slot().await?;
        let client = with.client.load();
        let made = tokio::time::timeout(PATIENCE, client.ask::<NewTopic>(&self.token, &method));
        let made = made.await.unwrap_or_else(|_| Err(too_late()));
        let (number, answer) = match made {
            Ok(topic) => (Some(topic.id), Answer::Done(None)),
            Err(answer) => (None, answer),
        };
        match self.judged(&method, Attempt::MakeTopic, slot, &answer) {
            Verdict::Delivered(_) => {}
            verdict @ (Verdict::PauseBot | Verdict::Park(_) | Verdict::Moved(_)) => {
                return Err(self.interruption(verdict));
            }
            Verdict::WithoutTopic { .. } => {
                with.topics.refused(self.number, Instant::now() + REFUSAL);
                tracing::warn!(
                    lane = %self.lane, ?answer,
                    "the topic can't be made; sent to the main chat. Let the bot manage topics"
                );
            }
            verdict => {
                let pause = match verdict {
                    Verdict::Wait(retry_after) => {
                        self.count_rate_limit();
                        retry_after.unwrap_or(FAILURE).min(REFUSAL)
                    }
                    _ => FAILURE,
                };
                with.topics.refused(self.number, Instant::now() + pause);
                tracing::warn!(lane = %self.lane, ?answer, "the topic can't be made now");
            }
        }
        if let Some(number) = number {
            tracing::info!(lane = %self.lane, topic = %number, "made a topic");
            with.topics.made(self.number, name, number);
            if let Err(error) = with.outbox.remember_topic(self.number, name, number).await {
                tracing::warn!(lane = %self.lane, %error, "the new topic could not be noted");
            }
        }
        Ok(number)
    }

    /// A message was taken by the topic.
    pub fn found_topic(&self) {
        if let (Some(Topic::Named(name)), Some(_)) = (&self.lane.topic, self.topic) {
            self.delivery.shared.with.topics.found(self.number, name);
        }
    }

    /// The topic takes nothing: the main chat does, with a note. One that is gone for good is
    /// forgotten.
    pub async fn lose_topic(&mut self, gone: bool) {
        let with = &self.delivery.shared.with;
        if let Some(Topic::Named(name)) = &self.lane.topic
            && gone
            && with.topics.missed(self.number, name)
        {
            tracing::warn!(lane = %self.lane, "the topic is gone; it is made anew for the next message");
            if let Err(error) = with.outbox.forget_topic(self.number, name).await {
                tracing::warn!(lane = %self.lane, %error, "the topic could not be forgotten");
            }
        }
        self.lost_topic = true;
        self.leave_topic();
    }

    fn leave_topic(&mut self) {
        self.topic = None;
        self.delivery.shared.with.metrics.topic_fallbacks.inc();
        let Some(topic) = &self.lane.topic else { return };
        tracing::warn!(lane = %self.lane, "the topic can't be used; sent to the main chat");
        self.note = Some(self.chat.language.say("topic_gone", &[&topic.to_string()]));
    }
}
