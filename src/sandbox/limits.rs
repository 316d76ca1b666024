//! How often Telegram lets a bot speak.
//!
//! Figures from Telegram's bot FAQ: about one message a second to a person with short bursts,
//! 20 a minute to a group or channel, about 30 a second for the whole bot. Sends and edits share
//! them. What Telegram leaves vague is read strictly here: any window of 60 seconds, not an
//! average.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::telegram::ChatId;

const GROUP_WINDOW: Duration = Duration::from_mins(1);
const GROUP_MESSAGES: usize = 20;
const BOT_WINDOW: Duration = Duration::from_secs(1);
const BOT_MESSAGES: usize = 30;
const PERSON_INTERVAL: Duration = Duration::from_secs(1);
const PERSON_BURST: u32 = 3;

/// Whether the sandbox holds the bot to Telegram's pace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limits {
    /// As Telegram does.
    #[default]
    Real,
    /// Never a 429, save an injected one.
    None,
}

/// What was let through lately.
#[derive(Debug, Default)]
pub(super) struct Pace {
    limits: Limits,
    groups: HashMap<ChatId, VecDeque<Instant>>,
    /// When each person's burst will be whole again.
    people: HashMap<ChatId, Instant>,
    bot: VecDeque<Instant>,
}

impl Pace {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Lets one send or edit to `chat` through, or says in how many whole seconds to retry.
    pub(super) fn take(&mut self, chat: ChatId, now: Instant) -> Result<(), u64> {
        if self.limits == Limits::None {
            return Ok(());
        }
        let wait = self.chat_wait(chat, now).max(window_wait(
            &mut self.bot,
            BOT_WINDOW,
            BOT_MESSAGES,
            now,
        ));
        if !wait.is_zero() {
            return Err(whole_seconds(wait));
        }
        self.bot.push_back(now);
        if chat.is_private() {
            let whole_at = self.people.entry(chat).or_insert(now);
            *whole_at = (*whole_at).max(now) + PERSON_INTERVAL;
        } else {
            self.groups.entry(chat).or_default().push_back(now);
        }
        Ok(())
    }

    fn chat_wait(&mut self, chat: ChatId, now: Instant) -> Duration {
        if chat.is_private() {
            let credit = PERSON_INTERVAL * (PERSON_BURST - 1);
            let owed = self.people.get(&chat).map_or(Duration::ZERO, |at| at.duration_since(now));
            owed.saturating_sub(credit)
        } else {
            let sent = self.groups.entry(chat).or_default();
            window_wait(sent, GROUP_WINDOW, GROUP_MESSAGES, now)
        }
    }
}

/// How long until fewer than `most` of `sent` lie in the window that ends then.
fn window_wait(
    sent: &mut VecDeque<Instant>,
    window: Duration,
    most: usize,
    now: Instant,
) -> Duration {
    while sent.front().is_some_and(|&at| at + window <= now) {
        sent.pop_front();
    }
    if sent.len() < most {
        return Duration::ZERO;
    }
    (sent[sent.len() - most] + window).duration_since(now)
}

fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: ChatId = ChatId(-1_001_000_000_001);
    const PERSON: ChatId = ChatId(42);

    fn after(start: Instant, seconds: f64) -> Instant {
        start + Duration::from_secs_f64(seconds)
    }

    #[test]
    fn a_group_takes_twenty_messages_in_any_minute() {
        let start = Instant::now();
        let mut pace = Pace::new(Limits::Real);
        for i in 0..20 {
            assert_eq!(pace.take(GROUP, after(start, f64::from(i) * 0.5)), Ok(()));
        }
        assert_eq!(pace.take(GROUP, after(start, 10.0)), Err(50));
        assert_eq!(pace.take(GROUP, after(start, 59.9)), Err(1));
        assert_eq!(pace.take(GROUP, after(start, 60.0)), Ok(()));
        assert_eq!(pace.take(GROUP, after(start, 60.1)), Err(1), "one slot came free, not twenty");
        assert_eq!(pace.take(GROUP, after(start, 60.5)), Ok(()));
    }

    #[test]
    fn a_person_takes_a_burst_of_three_then_one_a_second() {
        let start = Instant::now();
        let mut pace = Pace::new(Limits::Real);
        for _ in 0..3 {
            assert_eq!(pace.take(PERSON, start), Ok(()));
        }
        assert_eq!(pace.take(PERSON, start), Err(1));
        assert_eq!(pace.take(PERSON, after(start, 1.0)), Ok(()));
        assert_eq!(pace.take(PERSON, after(start, 1.5)), Err(1));
        assert_eq!(pace.take(PERSON, after(start, 2.0)), Ok(()));
    }

    #[test]
    fn the_bot_sends_thirty_a_second_over_all_chats() {
        let start = Instant::now();
        let mut pace = Pace::new(Limits::Real);
        for person in 1..=30 {
            assert_eq!(pace.take(ChatId(person), start), Ok(()));
        }
        assert_eq!(pace.take(ChatId(31), start), Err(1));
        assert_eq!(pace.take(ChatId(31), after(start, 1.0)), Ok(()));
    }

    #[test]
    fn a_refused_message_uses_up_nothing() {
        let start = Instant::now();
        let mut pace = Pace::new(Limits::Real);
        for _ in 0..3 {
            assert_eq!(pace.take(PERSON, start), Ok(()));
        }
        for _ in 0..100 {
            assert_eq!(pace.take(PERSON, start), Err(1));
        }
        assert_eq!(pace.take(PERSON, after(start, 1.0)), Ok(()));
    }

    #[test]
    fn without_limits_everything_passes() {
        let mut pace = Pace::new(Limits::None);
        for _ in 0..1000 {
            assert_eq!(pace.take(GROUP, Instant::now()), Ok(()));
        }
    }
}
