//! The pace of the bot as a whole: 30 messages a second over all its chats, or fewer when Telegram
//! tells several chats at once to wait.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use jiff::Timestamp;

use super::footprint::thousandths;
use super::{Limit, RECOVERY, SLOWEST, STEP, Window};
use crate::outbox::Footprint;
use crate::telegram::ChatId;

/// What the bot's own footprint says in place of a chat; no chat has this number.
pub(super) const WHOLE_BOT: ChatId = ChatId(0);
/// A 429 in so many chats within [`TOGETHER`] is for the bot: two may happen by chance, when
/// another program writes to one of them.
const CHATS_TOGETHER: usize = 3;
const TOGETHER: Duration = Duration::from_secs(5);
/// The bot does not stay silent for longer at a time, whatever its chats were told: they wait by
/// themselves, and a chat that was told nothing may be worth a try.
const LONGEST_SILENCE: Duration = Duration::from_mins(1);

#[derive(Debug)]
pub(super) struct BotPace {
    /// Locked while waiting, so that chats get the bot's slots in the order in which they ask.
    window: tokio::sync::Mutex<Window>,
    flood: Mutex<Flood>,
}

#[derive(Debug)]
struct Flood {
    /// When each chat was last told to wait, as far as that counts.
    told: HashMap<ChatId, Instant>,
    /// 1: as fast as allowed.
    slowness: f64,
    last_change: Instant,
    silent_until: Option<Instant>,
}

impl BotPace {
    pub fn new() -> Self {
        Self {
            window: tokio::sync::Mutex::new(Window::new(Limit::BOT)),
            flood: Mutex::new(Flood {
                told: HashMap::new(),
                slowness: 1.0,
                last_change: Instant::now(),
                silent_until: None,
            }),
        }
    }

    /// Sends of an earlier process, oldest first.
    pub async fn restore(&self, sent: impl Iterator<Item = Instant>) {
        let mut window = self.window.lock().await;
        sent.for_each(|sent| window.take(sent));
    }

    /// A chat was told to wait for so long.
    pub fn rate_limited(&self, chat: ChatId, wait: Duration, now: Instant) {
        let mut flood = self.flood.lock().unwrap_or_else(PoisonError::into_inner);
        let silent_until = now + wait.min(LONGEST_SILENCE);
        // Answers to what was sent before the bot knew say nothing new.
        if flood.slowness > 1.0 && now < flood.last_change + TOGETHER
            || flood.silent_until.is_some_and(|until| now < until)
        {
            flood.silent_until = flood.silent_until.max(Some(silent_until));
            return;
        }
        flood.told.retain(|_, at| *at + TOGETHER > now);
        flood.told.insert(chat, now);
        if flood.told.len() < CHATS_TOGETHER {
            return;
        }
        flood.told.clear();
        flood.recover(now);
        flood.slowness = (flood.slowness * STEP).min(SLOWEST);
        flood.last_change = now;
        flood.silent_until = Some(silent_until);
        tracing::warn!(
            ?wait,
            slowness = flood.slowness,
            "Telegram tells several chats to wait: the whole bot goes slower"
        );
    }

    /// Until when the bot says nothing, if it does.
    pub fn silent_until(&self, now: Instant) -> Option<Instant> {
        let flood = self.flood.lock().unwrap_or_else(PoisonError::into_inner);
        flood.silent_until.filter(|until| *until > now)
    }

    /// What a restart must not forget; nothing while the bot goes as fast as it may.
    pub fn footprint(&self, now: Instant, clock: Timestamp) -> Option<Footprint> {
        let flood = self.flood.lock().unwrap_or_else(PoisonError::into_inner);
        let silence = flood.silent_until.map(|until| until.saturating_duration_since(now));
        let blocked_until = silence.and_then(|silence| clock.saturating_add(silence).ok());
        (flood.slowness > 1.0).then(|| Footprint {
            chat: WHOLE_BOT,
            noted_at: clock,
            sent: Vec::new(),
            blocked_until,
            slowness: thousandths(flood.slowness),
        })
    }

    /// Goes on as an earlier process noted it.
    pub fn restore_flood(&self, footprint: &Footprint, now: Instant, clock: Timestamp) {
        let mut flood = self.flood.lock().unwrap_or_else(PoisonError::into_inner);
        let (slowness, wait) = footprint.now(clock);
        (flood.slowness, flood.last_change) = (slowness, now);
        flood.silent_until = wait.map(|wait| now + wait.min(LONGEST_SILENCE));
    }

    /// Waits for a slot and takes it. Nothing is taken when dropped earlier.
    pub async fn slot(&self) {
        let mut window = self.window.lock().await;
        loop {
            let now = Instant::now();
            let free_at = self.free_at(&window, now);
            // Even a sleep until now lasts to the timer's next millisecond.
            if free_at <= now {
                break;
            }
            tokio::time::sleep_until(free_at).await;
        }
        window.take(Instant::now());
    }

    fn free_at(&self, window: &Window, now: Instant) -> Instant {
        let mut flood = self.flood.lock().unwrap_or_else(PoisonError::into_inner);
        flood.recover(now);
        let free_at = window.free_at_slowed(now, flood.slowness);
        flood.silent_until.map_or(free_at, |until| until.max(free_at))
    }

    /// How many times slower than allowed the bot speaks.
    #[cfg(test)]
    pub fn slowness(&self) -> f64 {
        self.flood.lock().unwrap_or_else(PoisonError::into_inner).slowness
    }
}

impl Flood {
    fn recover(&mut self, now: Instant) {
        while self.slowness > 1.0 && now.saturating_duration_since(self.last_change) >= RECOVERY {
            self.last_change += RECOVERY;
            self.slowness = (self.slowness / STEP).max(1.0);
        }
    }
}
