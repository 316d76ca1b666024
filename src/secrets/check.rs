//! What a changed secret must pass before it is used.

use async_trait::async_trait;
use secrecy::SecretString;

/// Judges a value before it replaces the one in use; the bot token's asks Telegram.
#[async_trait]
pub trait Checker: Send + Sync {
    /// Called once for every read that brought another value than the one in use. It is
    /// dropped in the middle when the program stops.
    async fn check(&self, candidate: &SecretString) -> Check;
}

/// What a [`Checker`] says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Check {
    /// The value works.
    Good,
    /// The value does not work, and why (never the value): what is in use stays.
    Bad(String),
    /// Nobody could be asked: a first value is used, a changed one is checked again soon.
    CannotTell,
}
