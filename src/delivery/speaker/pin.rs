//! Pinning the card of a group that must not be overlooked, and unpinning it.

use super::{Interruption, Speaker};
use crate::delivery::verdict::{Attempt, Verdict};
use crate::outbox::Card;
use crate::telegram::{MessageId, Method};

/// Failures of Telegram after which a pin is given up until the group changes: the alerts behind
/// it are worth more.
const TRIES: u32 = 3;

impl Speaker<'_> {
    /// Pins a message without a sound.
    pub(super) async fn pin(&self, card: Card, message: MessageId) -> Result<Card, Interruption> {
        let method = Method::Pin { chat: self.number, message, silent: true };
        let done = self.change_pin(&method).await?;
        Ok(Card { pinned: done.then_some(message), ..card })
    }

    /// Unpins a message; one that can't be unpinned is not nabat's business any more.
    pub(super) async fn unpin(&self, card: Card, message: MessageId) -> Result<Card, Interruption> {
        let method = Method::Unpin { chat: self.number, message };
        self.change_pin(&method).await?;
        Ok(Card { pinned: None, ..card })
    }

    /// Whether it was done. Repeating it does no harm.
    async fn change_pin(&self, method: &Method) -> Result<bool, Interruption> {
        let given_up = match self.call(method, Attempt::Pin).await? {
            Verdict::Delivered(_) => return Ok(true),
            Verdict::LetBe { why, forbidden } => {
                if forbidden && self.delivery.shared.pins_forbidden(self.number) {
                    tracing::warn!(
                        lane = %self.lane, %why,
                        "nabat may not pin messages in this chat; let the bot pin, then reload"
                    );
                }
                why
            }
            Verdict::Retry { why, .. } if self.leased.entry.attempts >= TRIES => why,
            other => return Err(self.interruption(other)),
        };
        tracing::debug!(lane = %self.lane, why = given_up, "a pin was given up");
        Ok(false)
    }
}
