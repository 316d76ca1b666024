//! Into the lane's topic: found, made when it is first needed, left when it can't be used.

use tokio::time::Instant;

use super::{Interruption, Speaker};
use crate::delivery::verdict::{Attempt, Verdict};
use crate::routing::{Topic, TopicName};
use crate::telegram::{Answer, Method, NewTopic};

impl Speaker<'_> {
    /// Learns the number of the lane's topic before something new is said in it.
    pub(super) async fn enter_topic(&mut self) -> Result<(), Interruption> {
        let Some(Topic::Named(name)) = self.lane.topic.clone() else { return Ok(()) };
        let book = &self.delivery.shared.with.topics;
        self.topic = match book.number(self.number, &name) {
            Some(number) => Some(number),
            None if book.may_make(self.number, Instant::now()) => self.make_topic(&name).await?,
            None => None,
        };
        if self.topic.is_none() {
            self.leave_topic();
        }
        Ok(())
    }

    /// Makes the topic and remembers it. `None` when the chat does not allow it. A crash between
    /// the two leaves an empty topic behind: Telegram can't be asked what topics there are.
    async fn make_topic(
        &self,
        name: &TopicName,
    ) -> Result<Option<crate::telegram::TopicId>, Interruption> {
        let with = &self.delivery.shared.with;
        let method = Method::CreateForumTopic { chat: self.number, name: name.to_string() };
        self.slot().await?;
        let started = Instant::now();
        let made = with.client.load().ask::<NewTopic>(&self.token, &method).await;
        let (number, answer) = match made {
            Ok(topic) => (Some(topic.id), Answer::Done(None)),
            Err(answer) => (None, answer),
        };
        match self.judged(&method, Attempt::MakeTopic, started, &answer) {
            Verdict::Delivered(_) => {}
            Verdict::WithoutTopic { .. } => {
                with.topics.refused(self.number, Instant::now());
                tracing::warn!(
                    lane = %self.lane, ?answer,
                    "the topic can't be made; sent to the main chat. Let the bot manage topics"
                );
            }
            other => return Err(self.interruption(other)),
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
    pub(super) fn found_topic(&self) {
        if let (Some(Topic::Named(name)), Some(_)) = (&self.lane.topic, self.topic) {
            self.delivery.shared.with.topics.found(self.number, name);
        }
    }

    /// The topic takes nothing: the main chat does, with a note. One that is gone for good is
    /// forgotten.
    pub(super) async fn lose_topic(&mut self, gone: bool) {
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
