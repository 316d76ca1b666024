//! One message through the ladder of forms: every call at the pace, every answer judged.

use std::time::Duration;

use tokio::time::Instant;

use super::{Interruption, MOST_SHRINKS, Speaker};
use crate::alert::Notification;
use crate::delivery::verdict::{Attempt, Form, Verdict, judge};
use crate::rendering::Part;
use crate::telegram::{Answer, Button, Failure, MessageId, Method};

/// How long alerts wait for the answer to a call that shows none of them.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// The answer to such a call that did not come in time.
pub(super) fn too_late() -> Answer {
    Answer::Failed(Failure::Lost { timed_out: true, why: "no answer in time".into() })
}

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
        form: Form,
        buttons: &[Vec<Button>],
        target: Target,
        present: &Notification,
    ) -> Result<Said, Interruption> {
        let mut form = if self.shrinks > MOST_SHRINKS { Form::Minimal } else { form };
        let mut target = target;
        loop {
            let text = match form {
                Form::Table | Form::Rich => part.html.clone(),
                Form::Plain => part.plain.clone(),
                Form::Minimal => self.minimal(present),
            };
            // The last resort holds nothing that could be refused.
            let buttons = if form == Form::Minimal { &[] } else { buttons };
            let (method, attempt) = self.method(target, text, buttons, form);
            match self.call(&method, attempt).await? {
                Verdict::Delivered(id) => {
                    if matches!(target, Target::New { .. }) {
                        self.found_topic();
                    }
                    return Ok(Said::Shown(id));
                }
                verdict @ (Verdict::WithoutTables | Verdict::Plainer(_)) if form == Form::Table => {
                    self.leave_tables(verdict == Verdict::WithoutTables);
                    return Ok(Said::Anew);
                }
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
                Verdict::WithoutTopic { gone } => {
                    self.lose_topic(gone).await;
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
            Target::New { silent, reply_to } if form == Form::Table => (
                Method::SendRichMessage { chat, topic, html: text, silent, reply_to, buttons },
                Attempt::Send {
                    form,
                    reply: reply_to.is_some(),
                    topic: topic.is_some(),
                    buttons: has_buttons,
                },
            ),
            Target::Existing(message) if form == Form::Table => (
                Method::EditRichMessage { chat, message, html: text, buttons },
                Attempt::Edit { form, buttons: has_buttons },
            ),
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
            Verdict::Overwrite => self.overwrite(message).await,
            other => Err(self.interruption(other)),
        }
    }

    /// Has a message say that it counts no longer; Telegram deletes none that is two days old.
    async fn overwrite(&self, message: MessageId) -> Result<(), Interruption> {
        let text = self.chat.language.say("superseded", &[]);
        let (method, attempt) = self.method(Target::Existing(message), text, &[], Form::Minimal);
        match self.call(&method, attempt).await? {
            // It is gone after all, or not ours to change: nothing more can be done.
            Verdict::Delivered(_) | Verdict::NewCard | Verdict::Refused(_) => Ok(()),
            other => Err(self.interruption(other)),
        }
    }

    /// Waits for the pace, makes the call, counts it.
    pub(super) async fn call(
        &self,
        method: &Method,
        attempt: Attempt,
    ) -> Result<Verdict, Interruption> {
        self.slot().await?;
        let started = Instant::now();
        let answer = self.delivery.shared.with.client.load().call(&self.token, method).await;
        Ok(self.judged(method, attempt, started, &answer))
    }

    /// Counts a call that came back, and judges its answer.
    pub(super) fn judged(
        &self,
        method: &Method,
        attempt: Attempt,
        started: Instant,
        answer: &Answer,
    ) -> Verdict {
        let with = &self.delivery.shared.with;
        self.pace.arrived(Instant::now());
        let metrics = &with.metrics;
        let name = method.name();
        metrics.telegram_requests.with_label_values(&[name, answer.outcome()]).inc();
        metrics
            .telegram_request_duration
            .with_label_values(&[name])
            .observe(started.elapsed().as_secs_f64());
        let verdict = judge(attempt, answer);
        tracing::debug!(lane = %self.lane, method = name, ?verdict, "Telegram answered");
        if matches!(verdict, Verdict::Delivered(_)) {
            metrics
                .last_success
                .with_label_values(&[self.lane.chat.as_str()])
                .set(with.clock.now().as_duration().as_secs_f64());
        }
        verdict
    }

    /// Waits until what is said is durable, and the chat and the bot may send one more.
    pub(super) async fn slot(&self) -> Result<(), Interruption> {
        let tasks = &self.delivery.shared.with.tasks;
        if !self.leased.durable.wait().await {
            return Err(Interruption::NotStored);
        }
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

    pub(super) fn count_rate_limit(&self) {
        let limited = &self.delivery.shared.with.metrics.telegram_rate_limited;
        limited.with_label_values(&[self.lane.chat.as_str()]).inc();
    }

    /// A verdict that ends the message.
    pub(super) fn interruption(&self, verdict: Verdict) -> Interruption {
        let with = &self.delivery.shared.with;
        match verdict {
            Verdict::Wait(retry_after) => {
                let wait = self.pace.rate_limited(retry_after, Instant::now());
                self.count_rate_limit();
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

    /// The server found fault with this table. When it knows none at all, other messages are
    /// spared the attempt for a while.
    fn leave_tables(&mut self, unknown: bool) {
        self.with_table = false;
        let shared = &self.delivery.shared;
        if unknown {
            shared.tables.refused(Instant::now());
        }
        shared.with.metrics.table_fallbacks.inc();
        tracing::warn!(lane = %self.lane, "the Bot API server refused a rich message; sent as text");
    }

    /// Telegram knows better than the check of links: the alert goes out, its links as text.
    fn leave_buttons(&mut self) {
        self.with_buttons = false;
        self.delivery.shared.with.metrics.button_fallbacks.inc();
        tracing::warn!(lane = %self.lane, "Telegram refused the buttons; the message goes out without");
    }
}
