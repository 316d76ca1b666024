//! The pace of the bot as a whole: 30 messages a second over all its chats, or fewer when Telegram
//! tells several chats at once to wait.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::footprint::thousandths;
use super::{Limit, RECOVERY, SLOWEST, STEP};
use crate::outbox::Footprint;
use crate::telegram::ChatId;

/// What the bot's own footprint says in place of a chat; no chat has this number.
pub(super) const WHOLE_BOT: ChatId = ChatId(0);
/// A 429 in so many chats within [`TOGETHER`] is for the bot: two may happen by chance, when
/// another program writes to one of them.
const CHATS_TOGETHER: usize = 3;
pub(super) const TOGETHER: Duration = Duration::from_secs(5);
/// The bot does not stay silent for longer at a time, whatever its chats were told: they wait by
/// themselves, and a chat that was told nothing may be worth a try.
const LONGEST_SILENCE: Duration = Duration::from_mins(1);

/// A request that has no answer by then is taken to have been counted: one that hangs must not
/// keep a slot from others. Where the way to Telegram stalls for longer, more may arrive at once than
/// it allows; the 429s that it then says slow the bot.
pub(super) const LONGEST_WAY: Duration = Duration::from_secs(1);
/// Added to the span, for clocks that go at different speeds. It leaves 96 % of the pace, less the
/// time that a request and its answer travel.
pub(super) const MARGIN: Duration = Duration::from_millis(40);

#[derive(Debug)]
pub(super) struct BotPace {
    /// Locked while waiting, so that chats get the bot's slots in the order in which they ask.
    queue: tokio::sync::Mutex<()>,
    sends: Mutex<Sends>,
    /// An answer came: a slot may be free sooner than it seemed.
    answered: Notify,
    flood: Mutex<Flood>,
}

/// The bot's latest sends. Telegram counts each somewhere on its way, and ways differ: thirty that
/// left one after another may arrive together with those behind them. So each counts from its answer.
#[derive(Debug, Default)]
struct Sends {
    /// By number: when Telegram is taken to have counted it at the latest.
    counted: VecDeque<(u64, Instant)>,
    next: u64,
}

/// A slot of the bot's that was taken.
#[must_use = "it counts until long after its answer when nobody says that the answer came"]
#[derive(Debug)]
pub struct BotSlot<'p> {
    pace: &'p BotPace,
    number: u64,
}

impl BotSlot<'_> {
    /// Telegram has answered, so it has counted the send by now.
    pub fn answered(self, now: Instant) {
        let mut sends = self.pace.sends.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, at)) = sends.counted.iter_mut().find(|(number, _)| *number == self.number) {
            *at = now.min(*at);
        }
        drop(sends);
        self.pace.answered.notify_one();
    }
}

impl Sends {
    /// Forgets what counts no more, and says when one more fits.
    fn free_at(&mut self, now: Instant, slowness: f64) -> Instant {
        let span = Limit::BOT.span.mul_f64(slowness) + MARGIN;
        self.counted.retain(|(_, at)| *at + span > now);
        if self.counted.len() < Limit::BOT.sends as usize {
            return now;
        }
        self.counted.iter().map(|(_, at)| *at + span).min().unwrap_or(now)
    }

    /// Counts one more send; returns its number.
    fn take(&mut self, counted: Instant) -> u64 {
        self.counted.push_back((self.next, counted));
        self.next += 1;
        self.next - 1
    }
}

#[derive(Debug)]
struct Flood {
    /// When each chat was last told to wait, as far as that counts.
    told: HashMap<ChatId, Instant>,
    /// 1: as fast as allowed.
    slowness: f64,
    last_change: Instant,
    /// When several chats were last told to wait together.
    flooded_at: Option<Instant>,
    silent_until: Option<Instant>,
}

impl BotPace {
    pub fn new() -> Self {
        Self {
            queue: tokio::sync::Mutex::default(),
            sends: Mutex::default(),
            answered: Notify::new(),
            flood: Mutex::new(Flood {
                told: HashMap::new(),
                slowness: 1.0,
                last_change: Instant::now(),
                flooded_at: None,
                silent_until: None,
            }),
        }
    }

    /// Sends of an earlier process.
    pub fn restore(&self, sent: impl Iterator<Item = Instant>) {
        let mut sends = self.sends.lock().unwrap_or_else(PoisonError::into_inner);
        for sent in sent {
            sends.take(sent);
        }
    }

    /// A chat was told to wait for so long.
    pub fn rate_limited(&self, chat: ChatId, wait: Duration, now: Instant) {
        let mut flood = self.flood.lock().unwrap_or_else(PoisonError::into_inner);
        let silent_until = now + wait.min(LONGEST_SILENCE);
        // Answers to what was sent before the bot knew say nothing new.
        if flood.flooded_at.is_some_and(|at| now < at + TOGETHER)
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
        (flood.last_change, flood.flooded_at) = (now, Some(now));
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
    pub async fn slot(&self) -> BotSlot<'_> {
        let _first = self.queue.lock().await;
        loop {
            let now = Instant::now();
            let free_at = match self.take(now) {
                Ok(number) => return BotSlot { pace: self, number },
                Err(free_at) => free_at,
            };
            let answered = self.answered.notified();
            let _ = tokio::time::timeout_at(free_at, answered).await;
        }
    }

    /// Takes a slot now, or says when to ask again.
    fn take(&self, now: Instant) -> Result<u64, Instant> {
        let mut flood = self.flood.lock().unwrap_or_else(PoisonError::into_inner);
        flood.recover(now);
        let (slowness, silent_until) = (flood.slowness, flood.silent_until);
        drop(flood);
        let mut sends = self.sends.lock().unwrap_or_else(PoisonError::into_inner);
        let free_at = sends.free_at(now, slowness).max(silent_until.unwrap_or(now));
        // Even a sleep until now lasts to the timer's next millisecond.
        if free_at > now { Err(free_at) } else { Ok(sends.take(now + LONGEST_WAY)) }
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
