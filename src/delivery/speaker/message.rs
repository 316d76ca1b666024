//! One message through the ladder of forms: every call at the pace, every answer judged.

use std::time::Duration;

use tokio::time::Instant;

use super::{Interruption, Speaker};
use crate::alert::Notification;
use crate::delivery::verdict::{Attempt, Form, Verdict};
use crate::rendering::Part;
use crate::telegram::{Answer, Button, Failure, MessageId, Method};

/// How long alerts wait for the answer to a call that shows none of them.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// The answer to such a call that did not come in time.
pub(super) fn too_late() -> Answer {
    Answer::Failed(Failure::Lost { timed_out: true, why: "no answer in time".into() })
}

/// What became of one message.
pub enum Said {
    Shown(Option<MessageId>),
    /// The card is gone; it needs a new one.
    CardGone,
    /// The message must be made anew, smaller or for another place.
    Anew,
}

/// Where one message goes.
#[derive(Clone, Copy)]
pub enum Target {
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
        let (mut form, mut target) = (form, target);
        loop {
            let text = match form {
                Form::Table | Form::Rich => part.html.clone(),
                Form::Plain => part.plain.clone(),
                Form::Minimal => self.minimal(present).plain,
            };
            // The last resort holds nothing that could be refused.
            let buttons = if form == Form::Minimal { &[] } else { buttons };
            let (method, attempt) = self.method(target, text, buttons, form);
            match self.voice.call(&method, attempt).await? {
                Verdict::Delivered(id) => {
                    if matches!(target, Target::New { .. }) {
                        self.voice.found_topic();
                    }
                    return Ok(Said::Shown(id));
                }
                verdict @ (Verdict::WithoutTables | Verdict::Plainer(_)) if form == Form::Table => {
                    self.leave_tables(verdict == Verdict::WithoutTables);
                    return Ok(Said::Anew);
                }
                Verdict::Plainer(plainer) => {
                    self.voice.delivery.shared.with.metrics.plain_fallbacks.inc();
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
                    self.voice.lose_topic(gone).await;
                    return Ok(Said::Anew);
                }
                other => return Err(self.voice.interruption(other)),
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
        let (chat, html) = (self.voice.number, form == Form::Rich);
        let (topic, has_buttons) = (self.voice.topic, !buttons.is_empty());
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
        let method = Method::Delete { chat: self.voice.number, message };
        match self.voice.call(&method, Attempt::Delete).await? {
            Verdict::Delivered(_) => Ok(()),
            Verdict::Overwrite => self.overwrite(message).await,
            other => Err(self.voice.interruption(other)),
        }
    }

    /// Has a message say that it counts no longer; Telegram deletes none that is two days old.
    async fn overwrite(&self, message: MessageId) -> Result<(), Interruption> {
        let text = self.voice.chat.language.say("superseded", &[]);
        let (method, attempt) = self.method(Target::Existing(message), text, &[], Form::Minimal);
        match self.voice.call(&method, attempt).await? {
            // It is gone after all, or not ours to change: nothing more can be done.
            Verdict::Delivered(_) | Verdict::NewCard | Verdict::Refused(_) => Ok(()),
            other => Err(self.voice.interruption(other)),
        }
    }

    /// The server found fault with this table. When it knows none at all, other messages are
    /// spared the attempt for a while.
    fn leave_tables(&mut self, unknown: bool) {
        self.with_table = false;
        let shared = &self.voice.delivery.shared;
        if unknown {
            shared.tables.refused(Instant::now());
        }
        shared.with.metrics.table_fallbacks.inc();
        tracing::warn!(lane = %self.voice.lane, "the Bot API server refused a rich message; sent as text");
    }

    /// Telegram knows better than the check of links: the alert goes out, its links as text.
    fn leave_buttons(&mut self) {
        self.with_buttons = false;
        self.voice.delivery.shared.with.metrics.button_fallbacks.inc();
        tracing::warn!(lane = %self.voice.lane, "Telegram refused the buttons; the message goes out without");
    }
}
