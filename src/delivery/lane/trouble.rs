//! What a lane remembers of its failures, and how long it pauses for them.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use tokio::time::Instant;

use crate::delivery::verdict::Form;
use crate::outbox::EntryId;
use crate::routing::LaneId;
use crate::telegram::MessageId;

/// The first pause after a failure; doubled each time.
pub const FIRST_BACKOFF: Duration = Duration::from_millis(500);
/// Short enough for what waited through an outage to be told soon behind it.
pub const LONGEST_BACKOFF: Duration = Duration::from_secs(15);
/// The same for a chat that can't be written to: a person has to act.
pub const FIRST_PARKING: Duration = Duration::from_secs(30);
pub const LONGEST_PARKING: Duration = Duration::from_mins(30);
/// How often Telegram itself may fail (5xx) on an entry before plain text is tried, which says the same.
const FAILURES_BEFORE_PLAIN: u32 = 5;
/// The same before less is said, if other messages get through meanwhile: then it is not Telegram.
const FAILURES_BEFORE_LESS: u32 = 8;
/// Behind so many, some four minutes, Telegram is asked whose the token is: where no other message is
/// tried, that it answers must do.
const FAILURES_BEFORE_ASKING: u32 = 20;
/// Of so many things it is known how often Telegram failed on them.
const REMEMBERED: usize = 8;

/// What Telegram may fail on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tried {
    Entry(EntryId),
    /// A new digest.
    Digest,
    /// The lines of one that was sent.
    Lines(MessageId),
    /// What ends a storm.
    Summary,
}

/// What Telegram fails on again and again.
#[derive(Debug, Clone, Copy)]
struct Stubborn {
    on: Tried,
    times: u32,
    since: Instant,
    /// Something else got through between two of the failures.
    alone: bool,
}

/// Why the lane holds its tongue.
#[derive(Debug, Default)]
pub struct Trouble {
    pub failures: u32,
    pub until: Option<Instant>,
    /// What failed is no message that people are to notice: what is need not wait until then.
    pub yields: bool,
    /// Since when the chat can't be written to.
    pub parked_since: Option<Instant>,
    /// The fallback chat was told of it.
    pub told: bool,
    /// The latest last.
    stubborn: Vec<Stubborn>,
}

impl Trouble {
    /// The richest form worth trying for an entry: a server that fails on a text again and
    /// again may take a plainer one.
    pub fn form(&self, entry: EntryId) -> Form {
        let on = Tried::Entry(entry);
        if self.blames(on) {
            Form::Minimal
        } else if self.times(on) >= FAILURES_BEFORE_PLAIN {
            Form::Plain
        } else {
            Form::Rich
        }
    }

    /// Whether it is its own fault that Telegram fails on it and not Telegram's: others get through.
    pub fn blames(&self, on: Tried) -> bool {
        self.is_doubtful(on) && self.of(on).is_some_and(|stubborn| stubborn.alone)
    }

    /// Whether Telegram failed on it so often that it may be its own fault.
    pub fn is_doubtful(&self, on: Tried) -> bool {
        self.times(on) >= FAILURES_BEFORE_LESS
    }

    /// Whether so much failed and nothing else was tried that Telegram is to be asked how it is.
    pub fn asks(&self, on: Tried) -> bool {
        self.times(on) >= FAILURES_BEFORE_ASKING && !self.blames(on)
    }

    fn of(&self, on: Tried) -> Option<&Stubborn> {
        self.stubborn.iter().find(|stubborn| stubborn.on == on)
    }

    fn times(&self, on: Tried) -> u32 {
        self.of(on).map_or(0, |stubborn| stubborn.times)
    }

    /// Telegram itself failed on it. `heard`: when it last did something else for the bot.
    pub fn failed_on(&mut self, on: Tried, heard: Option<Instant>) {
        let before = self.of(on).copied();
        self.forget(on);
        let before =
            before.unwrap_or(Stubborn { on, times: 0, since: Instant::now(), alone: false });
        if self.stubborn.len() == REMEMBERED {
            self.stubborn.remove(0);
        }
        self.stubborn.push(Stubborn {
            times: before.times + 1,
            alone: before.alone || heard.is_some_and(|heard| heard > before.since),
            ..before
        });
    }

    /// It got through, or is not tried any more.
    pub fn forget(&mut self, on: Tried) {
        self.stubborn.retain(|stubborn| stubborn.on != on);
    }

    /// What is left of it when `on` got through: what Telegram failed on besides may be at fault itself.
    pub fn behind(mut self, on: Tried) -> Self {
        self.forget(on);
        Self { stubborn: self.stubborn, ..Self::default() }
    }
}

/// Doubles from `first` to `longest`, moved by up to a fifth so that lanes do not march in
/// step; the move depends on the lane and the failure only.
pub fn backoff(first: Duration, longest: Duration, failures: u32, lane: &LaneId) -> Duration {
    let pause = first.saturating_mul(1 << failures.min(16)).min(longest);
    let mut hasher = DefaultHasher::new();
    (lane, failures).hash(&mut hasher);
    let permille = 800 + u32::try_from(hasher.finish() % 400).unwrap_or(0);
    pause * permille / 1000
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::ChatAlias;

    const ENTRY: EntryId = EntryId(1);
    const ON: Tried = Tried::Entry(ENTRY);

    #[tokio::test(start_paused = true)]
    async fn a_server_that_fails_on_everything_is_told_the_same_in_plain_text() {
        let mut trouble = Trouble::default();
        let mut forms = Vec::new();
        for _ in 0..40 {
            forms.push(trouble.form(ENTRY));
            tokio::time::advance(LONGEST_BACKOFF).await;
            trouble.failed_on(ON, None);
        }
        assert_eq!(forms, [[Form::Rich; 5].as_slice(), &[Form::Plain; 35]].concat());
        assert_eq!(trouble.form(EntryId(2)), Form::Rich);
        assert!(trouble.asks(ON), "nothing blocks a lane for ever");
        trouble.failed_on(ON, Some(Instant::now()));
        assert_eq!(trouble.form(ENTRY), Form::Minimal);
        assert!(!trouble.asks(ON));
    }

    #[tokio::test(start_paused = true)]
    async fn what_others_get_past_is_at_fault_itself() {
        let mut trouble = Trouble::default();
        let earlier = Instant::now();
        for _ in 0..9 {
            tokio::time::advance(FIRST_BACKOFF).await;
            trouble.failed_on(ON, Some(earlier));
        }
        assert!(trouble.is_doubtful(ON) && !trouble.blames(ON), "that was before");
        tokio::time::advance(FIRST_BACKOFF).await;
        let meanwhile = Instant::now();
        trouble.failures = 9;
        let mut trouble = trouble.behind(Tried::Digest);
        assert_eq!(trouble.failures, 0);
        assert_eq!(trouble.form(ENTRY), Form::Plain, "Telegram may have come back just now");
        trouble.failed_on(ON, Some(meanwhile));
        assert!(trouble.blames(ON));
        assert_eq!(trouble.form(ENTRY), Form::Minimal);
        let mut trouble = trouble.behind(ON);
        assert_eq!(trouble.form(ENTRY), Form::Rich, "it begins anew");
        for number in 0..100 {
            trouble.failed_on(Tried::Entry(EntryId(number)), None);
        }
        assert_eq!(trouble.stubborn.len(), REMEMBERED);
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_lanes_differ() {
        let lane = |name: &str| LaneId { chat: ChatAlias(name.into()), topic: None };
        let pause = |failures, name| backoff(FIRST_BACKOFF, LONGEST_BACKOFF, failures, &lane(name));
        for failures in 0..40 {
            let even = FIRST_BACKOFF.saturating_mul(1 << failures.min(16)).min(LONGEST_BACKOFF);
            let pause = pause(failures, "ops");
            assert!(pause >= even * 4 / 5 && pause <= even * 6 / 5, "{failures}: {pause:?}");
        }
        assert_ne!(pause(3, "ops"), pause(3, "boss"));
    }
}
