//! The pace: never faster than Telegram allows, never much slower while there is work.
//!
//! Two guards of a chat stand one behind the other. [`Window`] remembers the last sends and lets no span
//! of Telegram's length hold more than it allows: that is the hard limit. governor spreads the
//! sends inside of it, after a small burst, so that a busy chat reads evenly. The bot as a whole has
//! a window of its own.

mod bot;
mod footprint;
mod turns;

use std::collections::{HashMap, VecDeque};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use governor::clock::Clock as GovernorClock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::time::Instant;

pub use self::bot::BotSlot;
use self::bot::{BotPace, WHOLE_BOT};
pub use self::turns::{Turn, Turns};
use crate::outbox::Footprint;
use crate::routing::LaneId;
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
/// After a 429 to something that can wait, nothing of the kind is tried in the chat for so long.
const SPARE_REST: Duration = Duration::from_mins(10);
/// Something that can wait is sent to a person only after so long a silence: Telegram allows them
/// short bursts, and this one and the alert behind it are the shortest.
const SPARE_SILENCE: Duration = Duration::from_secs(5);
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
    /// By number: when Telegram is taken to have counted it, the oldest first.
    sent: VecDeque<(u64, Instant)>,
    next: u64,
}

impl Window {
    fn new(limit: Limit) -> Self {
        Self { limit, sent: VecDeque::with_capacity(limit.sends as usize), next: 0 }
    }

    /// The earliest time at which one more send fits.
    fn free_at(&self, now: Instant) -> Instant {
        if self.sent.len() < self.limit.sends as usize {
            return now;
        }
        // A margin that is small against the span keeps the pace above 95 % of the allowed.
        let margin = MARGIN.min(self.limit.span / 25);
        self.sent.front().map_or(now, |(_, oldest)| (*oldest + self.limit.span + margin).max(now))
    }

    /// A send has only now arrived.
    fn arrived(&mut self, number: u64, now: Instant) {
        if let Some(at) = self.sent.iter().position(|(of, _)| *of == number) {
            self.sent.remove(at);
            self.sent.push_back((number, now));
        }
    }

    /// Counts one more send; returns its number.
    fn take(&mut self, now: Instant) -> u64 {
        if self.sent.len() >= self.limit.sends as usize {
            self.sent.pop_front();
        }
        self.sent.push_back((self.next, now));
        self.next += 1;
        self.next - 1
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

/// A slot of a chat's that was taken: its number, if the limit counts it.
#[must_use = "it counts from when it was taken when nobody says that it arrived"]
#[derive(Debug, PartialEq, Eq)]
pub struct ChatSlot(Option<u64>);

impl ChatSlot {
    /// Telegram has answered the send. It counted it somewhere on the way: from now on is the safe
    /// reading, however long the request travelled.
    pub fn arrived(self, pace: &ChatPace, now: Instant) {
        if let Some(number) = self.0 {
            let mut state = pace.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.window.arrived(number, now);
        }
    }
}

/// The pace of one chat; its topics share it.
#[derive(Debug)]
pub struct ChatPace {
    /// Lanes of the chat speak one at a time.
    pub turns: Turns,
    /// How many messages waited in each lane of the chat when it last looked.
    waiting: Mutex<HashMap<LaneId, u64>>,
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
    /// Until when nothing is sent that can wait.
    spare_rests_until: Option<Instant>,
    /// When something that can wait was last sent beside the limit.
    spare_sent: Option<Instant>,
    /// A turn of the even pace that was taken and not used yet.
    reserved: bool,
    /// When the hard limit lets go of a chat that it holds up.
    held_until: Option<Instant>,
}

impl ChatPace {
    /// A chat's pace at its start.
    pub fn new(limit: Limit) -> Self {
        let now = Instant::now();
        let clock = TokioClock { start: now };
        Self {
            turns: Turns::default(),
            waiting: Mutex::default(),
            state: Mutex::new(State {
                limit,
                window: Window::new(limit),
                even: even(limit, 1.0, &clock),
                clock,
                slowness: 1.0,
                last_change: now,
                blocked_until: None,
                spare_rests_until: None,
                spare_sent: None,
                reserved: false,
                held_until: None,
            }),
        }
    }

    /// Takes a slot now, or says when to ask again.
    pub fn take(&self, now: Instant) -> Result<ChatSlot, Instant> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.reserve(now)?;
        state.reserved = false;
        Ok(ChatSlot(Some(state.window.take(now))))
    }

    /// Takes a slot for what can wait: only while half of them are free, and never the one that the
    /// next alert would leave in.
    pub fn take_spare(&self, now: Instant) -> Option<ChatSlot> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let state = &mut *state;
        state.recover(now);
        let ahead = |until: Option<Instant>| until.is_some_and(|until| now < until);
        if ahead(state.blocked_until) || ahead(state.spare_rests_until) {
            return None;
        }
        if state.limit.sends == 1 {
            return state.take_beside(now).then_some(ChatSlot(None));
        }
        let span = state.limit.span;
        let lately = state.window.sent.iter().filter(|(_, sent)| *sent + span > now).count();
        if lately * 2 > state.limit.sends as usize || state.reserve(now).is_err() {
            return None;
        }
        // What is reserved now stays so; this takes one more.
        state.even.check().ok()?;
        Some(ChatSlot(Some(state.window.take(now))))
    }

    /// When to ask again, if a slot is not free now. One that is free is kept for the next
    /// [`ChatPace::take`], however much later that comes.
    pub fn free_at(&self, now: Instant) -> Option<Instant> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).reserve(now).err()
    }

    /// Telegram said 429: nothing for a while, then slower than before. Returns how long nothing is sent.
    pub fn rate_limited(&self, retry_after: Option<Duration>, now: Instant) -> Duration {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = believed(retry_after);
        state.blocked_until = state.blocked_until.max(Some(now + wait));
        let slowness = (state.slowness * STEP).min(SLOWEST);
        state.change_to(slowness, now + wait);
        wait
    }

    /// Telegram said 429 to something that can wait: nothing for a while, then alerts as fast as
    /// before and nothing else. Whether it keeps the alerts' pace is another question. Returns how long
    /// nothing is sent.
    pub fn spare_rate_limited(&self, retry_after: Option<Duration>, now: Instant) -> Duration {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = believed(retry_after);
        let until = now + wait;
        state.blocked_until = state.blocked_until.max(Some(until));
        state.spare_rests_until = state.spare_rests_until.max(Some(until + SPARE_REST));
        wait
    }

    /// About how long so many sends take at the present pace, the first of them at once.
    pub fn time_for(&self, sends: u64) -> Duration {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let burst = if state.slowness > 1.0 { 1 } else { state.limit.burst };
        let later = u32::try_from(sends.saturating_sub(burst.into())).unwrap_or(u32::MAX);
        state.limit.time_for(1).mul_f64(state.slowness).saturating_mul(later)
    }

    /// Notes how many messages wait in a lane, and returns how many do in all lanes of the chat:
    /// they share its pace. A lane that can't speak notes none.
    pub fn waiting(&self, lane: &LaneId, messages: u64) -> u64 {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if messages == 0 {
            waiting.remove(lane);
        } else {
            waiting.insert(lane.clone(), messages);
        }
        waiting.values().sum()
    }

    /// Until when Telegram asked to wait, if it did.
    pub fn blocked_until(&self, now: Instant) -> Option<Instant> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.blocked_until.filter(|until| now < *until)
    }

    /// How many times slower than allowed the chat is spoken to; 1 without recent 429s.
    pub fn slowness(&self) -> f64 {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).slowness
    }
}

impl State {
    /// Makes sure that a send now is within every limit, or says when to ask again.
    fn reserve(&mut self, now: Instant) -> Result<(), Instant> {
        if let Some(until) = self.blocked_until {
            if now < until {
                return Err(until);
            }
            self.blocked_until = None;
        }
        self.recover(now);
        let free_at = self.window.free_at(now);
        if free_at > now {
            self.held_until = Some(free_at);
            return Err(free_at);
        }
        // While the limit held it up the chat was not quiet: it gets no burst for that.
        let period = self.limit.time_for(1);
        let held = self.held_until.take().is_some_and(|until| now < until + period);
        if held && !self.reserved && self.slowness <= 1.0 {
            self.even = even(self.limit, self.slowness, &self.clock);
            (1..self.limit.burst).for_each(|_| drop(self.even.check()));
        }
        if !self.reserved
            && let Err(early) = self.even.check()
        {
            return Err(now + early.wait_time_from(self.clock.now()).max(Duration::from_millis(1)));
        }
        self.reserved = true;
        Ok(())
    }

    /// Where the limit leaves one slot alone, that one is the next alert's: what can wait goes
    /// beside it after a silence, if Telegram has not complained lately.
    fn take_beside(&mut self, now: Instant) -> bool {
        let last = self.window.sent.back().map(|(_, sent)| *sent).max(self.spare_sent);
        let silent = last.is_none_or(|last| last + SPARE_SILENCE <= now);
        if !silent || self.slowness > 1.0 {
            return false;
        }
        self.spare_sent = Some(now);
        true
    }

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
        self.reserved = false;
        if slowness > 1.0 {
            // A changed limiter starts with its burst; a slowed chat gets none.
            let _ = self.even.check();
        }
    }
}

/// How long a 429 is waited out.
fn believed(retry_after: Option<Duration>) -> Duration {
    retry_after.unwrap_or(UNSAID_RETRY_AFTER).min(LONGEST_BLOCK)
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
    bot: BotPace,
}

impl Default for Paces {
    fn default() -> Self {
        Self { chats: Mutex::default(), bot: BotPace::new() }
    }
}

impl Paces {
    /// The pace of a chat, shared by all its lanes.
    pub fn chat(&self, chat: ChatId) -> Arc<ChatPace> {
        let mut chats = self.chats.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(chats.entry(chat).or_insert_with(|| Arc::new(ChatPace::new(Limit::of(chat)))))
    }

    /// Goes on where an earlier process stopped, which may have sent so many messages that it could
    /// not note.
    pub fn restore(&self, footprints: &[Footprint], cut: usize, now: Instant, clock: Timestamp) {
        let mut lately = vec![Duration::ZERO; cut];
        for footprint in footprints {
            if footprint.chat == WHOLE_BOT {
                self.bot.restore_flood(footprint, now, clock);
                continue;
            }
            self.chat(footprint.chat).restore(footprint, now, clock);
            let age = |at: &Timestamp| Duration::try_from(clock.duration_since(*at)).ok();
            lately.extend(footprint.sent.iter().filter_map(age));
        }
        // Of those that were noted it is known when they left, not when they were answered.
        lately.retain(|age| *age < Limit::BOT.span + bot::LONGEST_WAY + bot::MARGIN);
        lately.sort_unstable();
        lately.truncate(Limit::BOT.sends as usize);
        let counted = lately.iter().rev().map(|age| age.saturating_sub(bot::LONGEST_WAY));
        self.bot.restore(counted.filter_map(|age| now.checked_sub(age)));
    }

    /// Telegram said 429 in a chat: nothing there for a while, then slower than before. Returns how
    /// long. When several chats hear it at about the same time, it is meant for the bot, and all wait.
    pub fn rate_limited(
        &self,
        chat: ChatId,
        retry_after: Option<Duration>,
        now: Instant,
    ) -> Duration {
        let wait = self.chat(chat).rate_limited(retry_after, now);
        self.bot.rate_limited(chat, wait, now);
        wait
    }

    /// What a restart must not forget of the whole bot; nothing while it goes as fast as it may.
    pub fn footprint(&self, now: Instant, clock: Timestamp) -> Option<Footprint> {
        self.bot.footprint(now, clock)
    }

    /// Until when the whole bot says nothing, if it does.
    pub fn silent_until(&self, now: Instant) -> Option<Instant> {
        self.bot.silent_until(now)
    }

    /// Waits for one of the bot's slots and takes it. Nothing is taken when dropped earlier.
    pub async fn bot_slot(&self) -> BotSlot<'_> {
        self.bot.slot().await
    }
}

#[cfg(test)]
mod tests;
