//! Saying a digest: rich or plain, never less, for it speaks of many groups.

use super::Interruption;
use super::message::{Said, Target};
use super::voice::Voice;
use crate::delivery::verdict::{Attempt, Form, Verdict};
use crate::rendering::Part;
use crate::telegram::Method;
use crate::telegram::markup::escape;

impl Voice<'_> {
    /// Sends a digest, or edits it.
    ///
    /// # Errors
    ///
    /// As for a card; [`Interruption::Refused`] when Telegram takes neither form.
    pub async fn say_digest(&mut self, part: &Part, target: Target) -> Result<Said, Interruption> {
        let (mut target, mut form) = (target, Form::Rich);
        if matches!(target, Target::New { .. }) {
            self.enter_topic().await?;
        }
        loop {
            let html = form == Form::Rich;
            let text = if html { part.html.clone() } else { part.plain.clone() };
            let text = match &self.note {
                Some(note) if html => format!("{}\n{text}", escape(note)),
                Some(note) => format!("{note}\n{text}"),
                None => text,
            };
            let (chat, topic, buttons) = (self.number, self.topic, Vec::new());
            let (method, attempt) = match target {
                Target::New { silent, reply_to } => (
                    Method::Send { chat, topic, text, html, silent, reply_to, buttons },
                    Attempt::Send {
                        form,
                        reply: reply_to.is_some(),
                        topic: topic.is_some(),
                        buttons: false,
                    },
                ),
                Target::Existing(message) => (
                    Method::Edit { chat, message, text, html, buttons },
                    Attempt::Edit { form, buttons: false },
                ),
            };
            match self.call(&method, attempt).await? {
                Verdict::Delivered(id) => {
                    if matches!(target, Target::New { .. }) {
                        self.found_topic();
                    }
                    return Ok(Said::Shown(id));
                }
                Verdict::Plainer(Form::Plain) => {
                    self.delivery.shared.with.metrics.plain_fallbacks.inc();
                    form = Form::Plain;
                }
                verdict @ (Verdict::Plainer(_) | Verdict::Shorter) => {
                    return Err(Interruption::Refused { why: format!("a digest: {verdict:?}") });
                }
                Verdict::WithoutReply => {
                    if let Target::New { silent, .. } = target {
                        target = Target::New { silent, reply_to: None };
                    }
                }
                Verdict::NewCard => return Ok(Said::CardGone),
                Verdict::WithoutTopic { gone } => {
                    self.lose_topic(gone).await;
                    // A reply would follow into the topic that takes nothing.
                    if let Target::New { silent, .. } = target {
                        target = Target::New { silent, reply_to: None };
                    }
                }
                other => return Err(self.interruption(other)),
            }
        }
    }
}
