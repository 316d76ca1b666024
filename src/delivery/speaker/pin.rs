//! Pinning the card of a group that must not be overlooked, and unpinning it.

use super::message::{PATIENCE, too_late};
use super::{Interruption, Speaker};
use crate::delivery::verdict::{Attempt, Verdict};
use crate::outbox::Card;
use crate::telegram::{MessageId, Method};

/// What became of a pin.
enum Pin {
    Done,
    /// Telegram will not have it, now or later.
    Refused,
    /// Telegram failed. The lane does not wait for it to get better: the pin is tried again when
    /// the group changes, which does no harm if it was done after all.
    Failed,
}

impl Speaker<'_> {
    /// Pins a message without a sound.
    pub(super) async fn pin(&self, card: Card, message: MessageId) -> Result<Card, Interruption> {
        let method = Method::Pin { chat: self.voice.number, message, silent: true };
        match self.change_pin(&method).await? {
            Pin::Done => Ok(Card { pinned: Some(message), ..card }),
            Pin::Refused => Ok(Card { pinned: None, ..card }),
            Pin::Failed => Err(Interruption::PinGivenUp(Box::new(card))),
        }
    }

    /// Unpins a message; one that can't be unpinned is not nabat's business any more.
    pub(super) async fn unpin(&self, card: Card, message: MessageId) -> Result<Card, Interruption> {
        let method = Method::Unpin { chat: self.voice.number, message };
        match self.change_pin(&method).await? {
            Pin::Done | Pin::Refused => Ok(Card { pinned: None, ..card }),
            Pin::Failed => Err(Interruption::PinGivenUp(Box::new(card))),
        }
    }

    async fn change_pin(&self, method: &Method) -> Result<Pin, Interruption> {
        let slot = self.voice.slot().await?;
        let client = self.voice.delivery.shared.with.client.load();
        let answer = tokio::time::timeout(PATIENCE, client.call(&self.voice.token, method)).await;
        let answer = answer.unwrap_or_else(|_| too_late());
        let (pin, why) = match self.voice.judged(method, Attempt::Pin, slot, &answer) {
            Verdict::Delivered(_) => return Ok(Pin::Done),
            Verdict::LetBe { why, forbidden } => {
                if forbidden && self.voice.delivery.shared.pins_forbidden(self.voice.number) {
                    tracing::warn!(
                        lane = %self.voice.lane, %why,
                        "nabat may not pin messages in this chat; let the bot pin, then reload"
                    );
                }
                (Pin::Refused, why)
            }
            Verdict::Retry { why, .. } => (Pin::Failed, why),
            other => return Err(self.voice.interruption(other)),
        };
        tracing::debug!(lane = %self.voice.lane, %why, "a pin was given up");
        Ok(pin)
    }
}
