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
/// The same where no other message is tried, some four minutes: nothing must block a lane for ever.
const FAILURES_BEFORE_LESS_ALONE: u32 = 20;

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

/// What Telegram failed on last, again and again.
#[derive(Debug, Clone, Copy)]
struct Stubborn {
    on: Tried,
    times: u32,
    since: Instant,
    /// Another message got through between two of the failures.
    alone: bool,
}

/// Why the lane holds its tongue.
#[derive(Debug, Default)]
pub struct Trouble {
    pub failures: u32,
    pub until: Option<Instant>,
    /// Since when the chat can't be written to.
    pub parked_since: Option<Instant>,
    /// The fallback chat was told of it.
    pub told: bool,
    stubborn: Option<Stubborn>,
}

impl Trouble {
    /// The richest form worth trying for an entry: a server that fails on a text again and
    /// again may take a plainer one.
    pub fn form(&self, entry: EntryId) -> Form {
        let on = Tried::Entry(entry);
        if self.is_hopeless(on) {
            Form::Minimal
        } else if self.times(on) >= FAILURES_BEFORE_PLAIN {
            Form::Plain
        } else {
            Form::Rich
        }
    }

    /// Whether it will not be taken as it is, as far as anybody can tell.
    pub fn is_hopeless(&self, on: Tried) -> bool {
        self.blames(on) || self.times(on) >= FAILURES_BEFORE_LESS_ALONE
    }

    /// Whether it is its own fault that Telegram fails on it and not Telegram's: other messages got
    /// through meanwhile.
    pub fn blames(&self, on: Tried) -> bool {
        self.is_doubtful(on) && self.stubborn.is_some_and(|stubborn| stubborn.alone)
    }

    /// Whether Telegram failed on it so often that it may be its own fault.
    pub fn is_doubtful(&self, on: Tried) -> bool {
        self.times(on) >= FAILURES_BEFORE_LESS
    }

    fn times(&self, on: Tried) -> u32 {
        self.stubborn.filter(|stubborn| stubborn.on == on).map_or(0, |stubborn| stubborn.times)
    }

    /// Telegram itself failed on it. `heard`: when it last took something of the bot's.
    pub fn failed_on(&mut self, on: Tried, heard: Option<Instant>) {
        let now = Instant::now();
        let before = self.stubborn.filter(|stubborn| stubborn.on == on);
        let before = before.unwrap_or(Stubborn { on, times: 0, since: now, alone: false });
        self.stubborn = Some(Stubborn {
            times: before.times + 1,
            alone: before.alone || heard.is_some_and(|heard| heard > before.since),
            ..before
        });
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
    async fn a_server_that_fails_on_everything_makes_no_text_poorer_for_minutes() {
        let mut trouble = Trouble::default();
        let mut forms = Vec::new();
        for _ in 0..20 {
            forms.push(trouble.form(ENTRY));
            tokio::time::advance(LONGEST_BACKOFF).await;
            trouble.failed_on(ON, None);
        }
        assert_eq!(forms, [[Form::Rich; 5].as_slice(), &[Form::Plain; 15]].concat());
        assert_eq!(trouble.form(ENTRY), Form::Minimal, "nothing blocks a lane for ever");
        assert_eq!(trouble.form(EntryId(2)), Form::Rich);
        assert!(!trouble.blames(ON));
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
        assert_eq!(trouble.form(ENTRY), Form::Plain, "Telegram may have come back just now");
        trouble.failed_on(ON, Some(meanwhile));
        assert!(trouble.blames(ON));
        assert_eq!(trouble.form(ENTRY), Form::Minimal);
        // Another one begins anew.
        trouble.failed_on(Tried::Digest, Some(meanwhile));
        assert!(!trouble.is_doubtful(Tried::Digest));
        assert_eq!(trouble.form(ENTRY), Form::Rich);
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
