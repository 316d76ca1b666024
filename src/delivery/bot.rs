//! The bot's token: waited for, and not used again once Telegram refused it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use secrecy::SecretString;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::Hindrance;

/// A refused token that did not change is tried again after this long, doubled each time:
/// people do repair a bot without giving it a new token.
const FIRST_PAUSE: Duration = Duration::from_secs(30);
const LONGEST_PAUSE: Duration = Duration::from_mins(10);
/// So soon behind a refusal nobody has put anything right.
const TOO_SOON: Duration = Duration::from_secs(5);

/// What a refused token means for what waits.
pub const REFUSED: &str =
    "Telegram refuses the bot token (401), or there is no Bot API at telegram.api_url (404)";

/// Asked to read the token again, at once.
pub type AskForToken = Arc<dyn Fn() + Send + Sync>;

/// Says why there is no token yet, once that is known.
pub type WhyNoToken = Arc<dyn Fn() -> Option<Hindrance> + Send + Sync>;

/// The token as delivery uses it.
pub struct Bot {
    token: watch::Receiver<Option<Arc<SecretString>>>,
    ask: AskForToken,
    why_none: WhyNoToken,
    refused: Mutex<Option<RefusedToken>>,
    /// A person wants a refused token to be tried.
    again: Notify,
}

struct RefusedToken {
    token: Arc<SecretString>,
    /// When that was.
    at: Instant,
    pause: Duration,
    until: Instant,
    /// The next try is a person's: it makes the pauses no longer.
    by_hand: bool,
}

impl std::fmt::Debug for Bot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bot").finish_non_exhaustive()
    }
}

impl Bot {
    /// `ask` is called when Telegram refuses the token.
    pub fn new(
        token: watch::Receiver<Option<Arc<SecretString>>>,
        ask: AskForToken,
        why_none: WhyNoToken,
    ) -> Self {
        Self { token, ask, why_none, refused: Mutex::new(None), again: Notify::new() }
    }

    /// Waits until there is a token worth trying. Safe to cancel.
    pub async fn usable(&self) -> Arc<SecretString> {
        let mut watched = self.token.clone();
        loop {
            let again = self.again.notified();
            tokio::pin!(again);
            // Whoever calls from here on is heard.
            again.as_mut().enable();
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
                biased;
                () = again => {}
                changed = watched.changed() => if changed.is_err() {
                    // The source is gone: only a stop follows.
                    std::future::pending::<()>().await;
                },
                () = retry => {}
            }
        }
    }

    /// Lets a refused token be tried before its pause is over: it may have been put right.
    pub fn try_again(&self) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if let Some(refused) = &mut *refused
            && now - refused.at >= TOO_SOON
        {
            (refused.until, refused.by_hand) = (now, true);
            self.again.notify_waiters();
        }
    }

    /// What keeps the bot from speaking at all.
    pub fn hindrance(&self) -> Option<Hindrance> {
        let Some(token) = self.token.borrow().clone() else {
            let (why, lasts) = match (self.why_none)() {
                Some(Hindrance { why, lasts }) => (why, lasts),
                None => ("it has not been read yet".to_owned(), false),
            };
            return Some(Hindrance { why: format!("no bot token: {why}"), lasts });
        };
        self.paused_until(&token).map(|_| Hindrance { why: REFUSED.to_owned(), lasts: true })
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
                if before.by_hand { before.pause } else { (before.pause * 2).min(LONGEST_PAUSE) }
            }
            _ => FIRST_PAUSE,
        };
        let until = now + pause;
        let token = Arc::clone(token);
        *refused = Some(RefusedToken { token, at: now, pause, until, by_hand: false });
        drop(refused);
        tracing::error!(
            pause_seconds = pause.as_secs(),
            "{REFUSED}: nothing is sent until that is put right; everything accepted is kept. \
             Check telegram.bot_token, or ask @BotFather"
        );
        (self.ask)();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn token(text: &str) -> Arc<SecretString> {
        Arc::new(SecretString::from(text))
    }

    /// A bot, what hands it tokens, and how often it asked for a fresh one.
    fn bot() -> (Bot, watch::Sender<Option<Arc<SecretString>>>, Arc<AtomicU32>) {
        let (tokens, watched) = watch::channel(None);
        let asked = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&asked);
        let ask = move || {
            count.fetch_add(1, Ordering::Relaxed);
        };
        (Bot::new(watched, Arc::new(ask), Arc::new(|| None)), tokens, asked)
    }

    /// How long [`Bot::usable`] waits, on the paused clock; `None` when longer than a day.
    async fn wait(bot: &Bot) -> Option<Duration> {
        let asked = Instant::now();
        let usable = tokio::time::timeout(Duration::from_hours(24), bot.usable()).await;
        usable.is_ok().then(|| asked.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_that_comes_late_is_waited_for() {
        let (bot, tokens, _) = bot();
        assert!(!bot.is_usable());
        assert_eq!(wait(&bot).await, None);
        let first = token("1:a");
        let (usable, ()) = tokio::join!(bot.usable(), async {
            tokens.send_replace(Some(first.clone()));
        });
        assert!(Arc::ptr_eq(&usable, &first));
        assert!(bot.is_usable());
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_token_pauses_everyone_and_asks_once_a_pause() {
        let (bot, tokens, asked) = bot();
        let first = token("1:a");
        tokens.send_replace(Some(first.clone()));
        for _ in 0..5 {
            bot.was_refused(&first);
        }
        assert!(!bot.is_usable());
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        assert_eq!(wait(&bot).await, Some(FIRST_PAUSE));
    }

    #[tokio::test(start_paused = true)]
    async fn the_pauses_of_a_token_that_stays_refused_double_up_to_the_longest() {
        let (bot, tokens, asked) = bot();
        let first = token("1:a");
        tokens.send_replace(Some(first.clone()));
        let mut pauses = Vec::new();
        for _ in 0..7 {
            bot.was_refused(&first);
            pauses.push(wait(&bot).await.unwrap().as_secs());
        }
        assert_eq!(pauses, [30, 60, 120, 240, 480, 600, 600]);
        assert_eq!(asked.load(Ordering::Relaxed), 7);
    }

    #[tokio::test(start_paused = true)]
    async fn a_person_has_a_refused_token_tried_before_its_pause_is_over() {
        let (bot, tokens, _) = bot();
        let first = token("1:a");
        tokens.send_replace(Some(first.clone()));
        bot.was_refused(&first);
        assert_eq!(bot.hindrance().unwrap().why, REFUSED);
        let (waited, ()) = tokio::join!(wait(&bot), async {
            tokio::time::sleep(Duration::from_secs(3)).await;
            bot.try_again();
            tokio::time::sleep(Duration::from_secs(3)).await;
            bot.try_again();
        });
        assert_eq!(waited, Some(Duration::from_secs(6)), "the first was too soon");
        assert_eq!(bot.hindrance(), None);
        bot.was_refused(&first);
        assert_eq!(wait(&bot).await, Some(FIRST_PAUSE), "no longer for that");
        bot.was_refused(&first);
        assert_eq!(wait(&bot).await, Some(FIRST_PAUSE * 2), "and no fresh one");
    }

    #[tokio::test(start_paused = true)]
    async fn another_token_is_used_at_once() {
        let (bot, tokens, _) = bot();
        let (first, second) = (token("1:a"), token("1:b"));
        tokens.send_replace(Some(first.clone()));
        bot.was_refused(&first);
        tokens.send_replace(Some(second.clone()));
        assert_eq!(wait(&bot).await, Some(Duration::ZERO));
        bot.was_refused(&second);
        assert_eq!(wait(&bot).await, Some(FIRST_PAUSE), "its pauses start anew");
    }
}
