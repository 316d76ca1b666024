//! One message through the ladder of forms: every call at the pace, every answer judged.

use tokio::time::Instant;

use super::{Interruption, MOST_SHRINKS, Speaker};
use crate::alert::Notification;
use crate::delivery::verdict::{Attempt, Form, Verdict, judge};
use crate::rendering::{Language, Part};
use crate::telegram::{Button, MessageId, Method};

/// What became of one message.
pub(super) enum Said {
    Shown(Option<MessageId>),
    /// The card is gone; it needs a new one.
    CardGone,
    /// The message must be made anew, smaller or for another place.
    Anew,
}

/// Where one message goes.
#[derive(Clone, Copy)]
pub(super) enum Target {
    New { silent: bool, reply_to: Option<MessageId> },
    Existing(MessageId),
}

impl Speaker<'_> {
    /// Sends or edits one message, in plainer forms when Telegram wants them.
    pub(super) async fn say(
        &mut self,
        part: &Part,
        buttons: &[Vec<Button>],
        target: Target,
        present: &Notification,
    ) -> Result<Said, Interruption> {
        let mut form = if self.shrinks > MOST_SHRINKS { Form::Minimal } else { self.form };
        let mut target = target;
        loop {
            let text = match form {
                Form::Rich => part.html.clone(),
                Form::Plain => part.plain.clone(),
                Form::Minimal => self.minimal(present),
            };
            // The last resort holds nothing that could be refused.
            let buttons = if form == Form::Minimal { &[] } else { buttons };
            let (method, attempt) = self.method(target, text, buttons, form);
            match self.call(&method, attempt).await? {
                Verdict::Delivered(id) => return Ok(Said::Shown(id)),
                Verdict::Plainer(plainer) => {
                    self.delivery.shared.with.metrics.plain_fallbacks.inc();
                    form = plainer;
                }
                Verdict::WithoutReply => {
                    target = match target {
                        Target::New { silent, .. } => Target::New { silent, reply_to: None },
                        existing @ Target::Existing(_) => existing,
                    };
                }
                Verdict::WithoutButtons => {
                    self.leave_buttons();
                    return Ok(Said::Anew);
                }
                Verdict::NewCard => return Ok(Said::CardGone),
                Verdict::Shorter => {
                    self.shrinks += 1;
                    return Ok(Said::Anew);
                }
                Verdict::WithoutTopic => {
                    self.leave_topic();
                    return Ok(Said::Anew);
                }
                other => return Err(self.interruption(other)),
            }
        }
    }

    fn method(
        &self,
        target: Target,
        text: String,
        buttons: &[Vec<Button>],
        form: Form,
    ) -> (Method, Attempt) {
        let (chat, html) = (self.number, form == Form::Rich);
        let (topic, has_buttons) = (self.topic, !buttons.is_empty());
        let buttons = buttons.to_vec();
        match target {
            Target::New { silent, reply_to } => (
                Method::Send { chat, topic, text, html, silent, reply_to, buttons },
                Attempt::Send {
                    form,
                    reply: reply_to.is_some(),
                    topic: topic.is_some(),
                    buttons: has_buttons,
                },
            ),
            Target::Existing(message) => (
                Method::Edit { chat, message, text, html, buttons },
                Attempt::Edit { form, buttons: has_buttons },
            ),
        }
    }

    pub(super) async fn delete(&mut self, message: MessageId) -> Result<(), Interruption> {
        let method = Method::Delete { chat: self.number, message };
        match self.call(&method, Attempt::Delete).await? {
            Verdict::Delivered(_) => Ok(()),
            other => Err(self.interruption(other)),
        }
    }

    /// Waits for the pace, makes the call, counts it.
    async fn call(&self, method: &Method, attempt: Attempt) -> Result<Verdict, Interruption> {
        self.slot().await?;
        let with = &self.delivery.shared.with;
        let started = Instant::now();
        let answer = with.client.load().call(&self.token, method).await;
        self.pace.arrived(Instant::now());
        let metrics = &with.metrics;
        let name = method.name();
        metrics.telegram_requests.with_label_values(&[name, answer.outcome()]).inc();
        metrics
            .telegram_request_duration
            .with_label_values(&[name])
            .observe(started.elapsed().as_secs_f64());
        let verdict = judge(attempt, &answer);
        tracing::debug!(lane = %self.lane, method = name, ?verdict, "Telegram answered");
        if matches!(verdict, Verdict::Delivered(_)) {
            metrics
                .last_success
                .with_label_values(&[self.lane.chat.as_str()])
                .set(with.clock.now().as_duration().as_secs_f64());
        }
        Ok(verdict)
    }

    /// Waits until the chat and the bot may send one more.
    async fn slot(&self) -> Result<(), Interruption> {
        let tasks = &self.delivery.shared.with.tasks;
        loop {
            if tasks.is_stopping() {
                return Err(Interruption::Stopping);
            }
            let Err(when) = self.pace.take(Instant::now()) else { break };
            tokio::select! {
                () = tokio::time::sleep_until(when) => {}
                () = tasks.stopping() => {}
            }
        }
        tokio::select! {
            () = self.delivery.shared.paces.bot_slot() => Ok(()),
            () = tasks.stopping() => Err(Interruption::Stopping),
        }
    }

    /// A verdict that ends the message.
    fn interruption(&self, verdict: Verdict) -> Interruption {
        let with = &self.delivery.shared.with;
        match verdict {
            Verdict::Wait(retry_after) => {
                let wait = self.pace.rate_limited(retry_after, Instant::now());
                with.metrics
                    .telegram_rate_limited
                    .with_label_values(&[self.lane.chat.as_str()])
                    .inc();
                tracing::warn!(
                    lane = %self.lane, seconds = wait.as_secs(), slowness = self.pace.slowness(),
                    "Telegram asked to wait (429); this chat alone does"
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
            | Verdict::Shorter
            | Verdict::NewCard
            | Verdict::WithoutReply
            | Verdict::WithoutButtons
            | Verdict::WithoutTopic => {
                let why = "Telegram's answer does not fit what was tried".into();
                Interruption::Failed { why, answered: true }
            }
        }
    }

    /// Telegram knows better than the check of links: the alert goes out, its links as text.
    fn leave_buttons(&mut self) {
        self.with_buttons = false;
        self.delivery.shared.with.metrics.button_fallbacks.inc();
        tracing::warn!(lane = %self.lane, "Telegram refused the buttons; the message goes out without");
    }

    fn leave_topic(&mut self) {
        let topic = self.topic.take();
        self.delivery.shared.with.metrics.topic_fallbacks.inc();
        let Some(topic) = topic else { return };
        tracing::warn!(lane = %self.lane, %topic, "the topic is closed or gone; sent to the main chat");
        self.note = Some(match self.chat.language {
            Language::En => format!("topic {topic} is closed or gone"),
            Language::Ru => format!("тема {topic} закрыта или удалена"),
        });
    }
}
