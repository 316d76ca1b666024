//! The pace: never faster than Telegram allows, never much slower while there is work.
//!
//! Two guards stand one behind the other. [`Window`] remembers the last sends and lets no span
//! of Telegram's length hold more than it allows: that is the hard limit. governor spreads the
//! sends inside of it, after a small burst, so that a busy chat reads evenly.

use std::collections::{HashMap, VecDeque};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::clock::Clock as GovernorClock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::time::Instant;

use crate::telegram::ChatId;

/// Added to a window, for requests that travel at different speeds.
const MARGIN: Duration = Duration::from_millis(300);
/// The slowest a chat gets after many 429s: this many times slower than allowed.
const SLOWEST: f64 = 8.0;
/// Without a 429 for this long the pace recovers one step.
const RECOVERY: Duration = Duration::from_mins(2);
/// How much one 429 slows a chat, and one recovery step quickens it.
const STEP: f64 = 1.5;
/// A 429 that does not say how long is waited out this long.
pub const UNSAID_RETRY_AFTER: Duration = Duration::from_secs(5);
/// No 429 is believed for longer; waits of hours have been seen, and a day is a mistake.
const LONGEST_BLOCK: Duration = Duration::from_hours(24);

/// How many sends a span of time may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    pub sends: u32,
    pub span: Duration,
    /// Sends that a quiet chat may get at once.
    pub burst: u32,
}

impl Limit {
    /// Groups and channels: 20 a minute (Bot FAQ).
    pub const GROUP: Self = Self { sends: 20, span: Duration::from_mins(1), burst: 3 };
    /// Private chats: 1 a second (Bot FAQ).
    pub const PRIVATE: Self = Self { sends: 1, span: Duration::from_secs(1), burst: 1 };
    /// All chats of a bot: 30 a second (Bot FAQ).
    pub const BOT: Self = Self { sends: 30, span: Duration::from_secs(1), burst: 30 };

    /// The limit of a kind of chat.
    pub fn of(chat: ChatId) -> Self {
        if chat.is_private() { Self::PRIVATE } else { Self::GROUP }
    }

    /// How long a number of sends takes at the even pace.
    pub fn time_for(self, sends: u32) -> Duration {
        self.span * sends / self.sends
    }
}

/// The hard limit: no span holds more sends than allowed.
#[derive(Debug)]
struct Window {
    limit: Limit,
    sent: VecDeque<Instant>,
}

impl Window {
    fn new(limit: Limit) -> Self {
        Self { limit, sent: VecDeque::with_capacity(limit.sends as usize) }
    }

    /// The earliest time at which one more send fits.
    fn free_at(&self, now: Instant) -> Instant {
        if self.sent.len() < self.limit.sends as usize {
            return now;
        }
        // A margin that is small against the span keeps the pace above 95 % of the allowed.
        let margin = MARGIN.min(self.limit.span / 25);
        self.sent.front().map_or(now, |oldest| (*oldest + self.limit.span + margin).max(now))
    }

    fn take(&mut self, now: Instant) {
        if self.sent.len() >= self.limit.sends as usize {
            self.sent.pop_front();
        }
        self.sent.push_back(now);
    }
}

/// tokio's clock for governor, so that tests can advance it.
#[derive(Debug, Clone)]
struct TokioClock {
    start: Instant,
}

impl GovernorClock for TokioClock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        Instant::now().saturating_duration_since(self.start)
    }
}

type Even = RateLimiter<NotKeyed, InMemoryState, TokioClock, NoOpMiddleware<Duration>>;

/// The pace of one chat; its topics share it.
#[derive(Debug)]
pub struct ChatPace {
    /// Lanes of the chat speak one at a time, in the order in which they asked.
    pub turn: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    limit: Limit,
    window: Window,
    even: Even,
    clock: TokioClock,
    /// 1: as fast as allowed.
    slowness: f64,
    last_change: Instant,
    blocked_until: Option<Instant>,
}

impl ChatPace {
    /// A chat's pace at its start.
    pub fn new(limit: Limit) -> Self {
        let now = Instant::now();
        let clock = TokioClock { start: now };
        Self {
            turn: tokio::sync::Mutex::new(()),
            state: Mutex::new(State {
                limit,
                window: Window::new(limit),
                even: even(limit, 1.0, &clock),
                clock,
                slowness: 1.0,
                last_change: now,
                blocked_until: None,
            }),
        }
    }

    /// Takes a slot now, or says when to ask again.
    pub fn take(&self, now: Instant) -> Result<(), Instant> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(until) = state.blocked_until {
            if now < until {
                return Err(until);
            }
            state.blocked_until = None;
        }
        state.recover(now);
        let free_at = state.window.free_at(now);
        if free_at > now {
            return Err(free_at);
        }
        if let Err(early) = state.even.check() {
            return Err(now + early.wait_time_from(state.clock.now()).max(Duration::from_millis(1)));
        }
        state.window.take(now);
        Ok(())
    }

    /// When to ask again, if a slot is certainly not free now. Takes nothing.
    pub fn free_at(&self, now: Instant) -> Option<Instant> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let blocked = state.blocked_until.filter(|until| *until > now);
        blocked.or(Some(state.window.free_at(now)).filter(|at| *at > now))
    }

    /// Telegram said 429: nothing for a while, then slower than before.
    pub fn rate_limited(&self, retry_after: Option<Duration>, now: Instant) -> Duration {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = retry_after.unwrap_or(UNSAID_RETRY_AFTER).min(LONGEST_BLOCK);
        state.blocked_until = Some(now + wait);
        let slowness = (state.slowness * STEP).min(SLOWEST);
        state.change_to(slowness, now + wait);
        wait
    }

    /// How many times slower than allowed the chat is spoken to; 1 without recent 429s.
    pub fn slowness(&self) -> f64 {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).slowness
    }
}

impl State {
    fn recover(&mut self, now: Instant) {
        while self.slowness > 1.0 && now.saturating_duration_since(self.last_change) >= RECOVERY {
            let at = self.last_change + RECOVERY;
            self.change_to((self.slowness / STEP).max(1.0), at);
        }
    }

    fn change_to(&mut self, slowness: f64, at: Instant) {
        self.slowness = slowness;
        self.last_change = at;
        self.even = even(self.limit, slowness, &self.clock);
        if slowness > 1.0 {
            // A changed limiter starts with its burst; a slowed chat gets none.
            let _ = self.even.check();
        }
    }
}

fn even(limit: Limit, slowness: f64, clock: &TokioClock) -> Even {
    let period = (limit.span / limit.sends).mul_f64(slowness);
    let burst = if slowness > 1.0 { 1 } else { limit.burst };
    let quota = Quota::with_period(period)
        .expect("a limit's span is not zero")
        .allow_burst(NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN));
    RateLimiter::direct_with_clock(quota, clock.clone())
}

/// The paces of all chats and of the bot.
#[derive(Debug)]
pub struct Paces {
    chats: Mutex<HashMap<ChatId, Arc<ChatPace>>>,
    /// Locked while waiting, so that chats get the bot's slots in the order in which they ask.
    bot: tokio::sync::Mutex<Window>,
}

impl Default for Paces {
    fn default() -> Self {
        Self { chats: Mutex::default(), bot: tokio::sync::Mutex::new(Window::new(Limit::BOT)) }
    }
}

impl Paces {
    /// The pace of a chat, shared by all its lanes.
    pub fn chat(&self, chat: ChatId) -> Arc<ChatPace> {
        let mut chats = self.chats.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(chats.entry(chat).or_insert_with(|| Arc::new(ChatPace::new(Limit::of(chat)))))
    }

    /// Waits for one of the bot's slots and takes it. Nothing is taken when dropped earlier.
    pub async fn bot_slot(&self) {
        let mut window = self.bot.lock().await;
        let free_at = window.free_at(Instant::now());
        tokio::time::sleep_until(free_at).await;
        window.take(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends as fast as the pace allows for `span`; returns when.
    async fn greedy(pace: &ChatPace, span: Duration) -> Vec<Instant> {
        let start = Instant::now();
        let mut sent = Vec::new();
        while start.elapsed() < span {
            match pace.take(Instant::now()) {
                Ok(()) => sent.push(Instant::now()),
                Err(when) => tokio::time::sleep_until(when).await,
            }
        }
        sent
    }

    fn fullest(sent: &[Instant], span: Duration) -> usize {
        let held =
            |from: &Instant| sent.iter().filter(|at| *at >= from && **at <= *from + span).count();
        sent.iter().map(held).max().unwrap_or(0)
    }

    #[tokio::test(start_paused = true)]
    async fn no_minute_of_a_group_holds_more_than_twenty_and_the_pace_is_used() {
        let sent = greedy(&ChatPace::new(Limit::GROUP), Duration::from_mins(30)).await;
        assert!(fullest(&sent, Limit::GROUP.span) <= 20);
        assert!(sent.len() >= 20 * 30 * 95 / 100, "{} of 600", sent.len());
    }

    #[tokio::test(start_paused = true)]
    async fn no_second_of_a_private_chat_holds_more_than_one() {
        let sent = greedy(&ChatPace::new(Limit::PRIVATE), Duration::from_mins(2)).await;
        assert!(fullest(&sent, Limit::PRIVATE.span) <= 1);
        assert!(sent.len() >= 120 * 95 / 100, "{} of 120", sent.len());
    }

    #[tokio::test(start_paused = true)]
    async fn a_quiet_group_gets_its_first_messages_at_once() {
        let pace = ChatPace::new(Limit::GROUP);
        for _ in 0..Limit::GROUP.burst {
            assert_eq!(pace.take(Instant::now()), Ok(()));
        }
        assert!(pace.take(Instant::now()).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn no_second_of_the_bot_holds_more_than_thirty() {
        let paces = Paces::default();
        let mut sent = Vec::new();
        for _ in 0..300 {
            paces.bot_slot().await;
            sent.push(Instant::now());
        }
        assert!(fullest(&sent, Limit::BOT.span) <= 30);
        let took = sent[299] - sent[0];
        assert!(took <= Duration::from_secs(10), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_429_is_waited_out_then_the_pace_is_lower_and_recovers() {
        let pace = ChatPace::new(Limit::GROUP);
        let now = Instant::now();
        assert_eq!(pace.rate_limited(Some(Duration::from_secs(35)), now), Duration::from_secs(35));
        assert_eq!(pace.take(now), Err(now + Duration::from_secs(35)));
        tokio::time::advance(Duration::from_secs(35)).await;
        let slow = greedy(&pace, Duration::from_mins(1)).await;
        assert!((10..=14).contains(&slow.len()), "{}", slow.len());
        tokio::time::advance(Duration::from_mins(10)).await;
        let _ = pace.take(Instant::now());
        assert!((pace.slowness() - 1.0).abs() < f64::EPSILON);
    }

    #[tokio::test(start_paused = true)]
    async fn a_429_that_does_not_say_how_long_is_waited_out_for_five_seconds() {
        let pace = ChatPace::new(Limit::PRIVATE);
        assert_eq!(pace.rate_limited(None, Instant::now()), UNSAID_RETRY_AFTER);
    }
}
