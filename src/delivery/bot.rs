//! The bot's token: waited for, and not used again once Telegram refused it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use secrecy::SecretString;
use tokio::sync::watch;
use tokio::time::Instant;

/// A refused token that did not change is tried again after this long, doubled each time:
/// people do repair a bot without giving it a new token.
const FIRST_PAUSE: Duration = Duration::from_secs(30);
const LONGEST_PAUSE: Duration = Duration::from_mins(10);

/// Asked to read the token again, at once.
pub type AskForToken = Arc<dyn Fn() + Send + Sync>;

/// The token as delivery uses it.
pub struct Bot {
    token: watch::Receiver<Option<Arc<SecretString>>>,
    ask: AskForToken,
    refused: Mutex<Option<RefusedToken>>,
}

struct RefusedToken {
    token: Arc<SecretString>,
    pause: Duration,
    until: Instant,
}

impl std::fmt::Debug for Bot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bot").finish_non_exhaustive()
    }
}

impl Bot {
    /// `ask` is called when Telegram refuses the token.
    pub fn new(token: watch::Receiver<Option<Arc<SecretString>>>, ask: AskForToken) -> Self {
        Self { token, ask, refused: Mutex::new(None) }
    }

    /// Waits until there is a token worth trying. Safe to cancel.
    pub async fn usable(&self) -> Arc<SecretString> {
        let mut watched = self.token.clone();
        loop {
            let token = watched.borrow_and_update().clone();
            let retry_at = match &token {
                None => None,
                Some(token) => match self.paused_until(token) {
                    None => return Arc::clone(token),
                    Some(until) => Some(until),
                },
            };
            let retry = async {
                match retry_at {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = watched.changed() => if changed.is_err() {
                    // The source is gone: only a stop follows.
                    std::future::pending::<()>().await;
                },
                () = retry => {}
            }
        }
    }

    /// Whether there is a token that was not refused.
    pub fn is_usable(&self) -> bool {
        self.token.borrow().as_ref().is_some_and(|token| self.paused_until(token).is_none())
    }

    fn paused_until(&self, token: &Arc<SecretString>) -> Option<Instant> {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused
            .as_ref()
            .filter(|refused| Arc::ptr_eq(&refused.token, token) && Instant::now() < refused.until)
            .map(|refused| refused.until)
    }

    /// Telegram refused `token`: pauses everyone and asks for a fresh one, once a pause.
    pub fn was_refused(&self, token: &Arc<SecretString>) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let pause = match &*refused {
            Some(before) if Arc::ptr_eq(&before.token, token) => {
                if now < before.until {
                    return;
                }
                (before.pause * 2).min(LONGEST_PAUSE)
            }
            _ => FIRST_PAUSE,
        };
        *refused = Some(RefusedToken { token: Arc::clone(token), pause, until: now + pause });
        drop(refused);
        tracing::error!(
            pause_seconds = pause.as_secs(),
            "Telegram refuses the bot token (401): nothing is sent until it is replaced; \
             everything accepted is kept. Check telegram.bot_token, or ask @BotFather"
        );
        (self.ask)();
    }
}
