//! What a lane remembers of its failures, and how long it pauses for them.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use tokio::time::Instant;

use crate::delivery::verdict::Form;
use crate::outbox::EntryId;
use crate::routing::LaneId;

/// The first pause after a failure; doubled each time.
pub const FIRST_BACKOFF: Duration = Duration::from_millis(500);
/// Short enough for what waited through an outage to be told soon behind it.
pub const LONGEST_BACKOFF: Duration = Duration::from_secs(15);
/// The same for a chat that can't be written to: a person has to act.
pub const FIRST_PARKING: Duration = Duration::from_secs(30);
pub const LONGEST_PARKING: Duration = Duration::from_mins(30);
/// How often Telegram itself may fail (5xx) on an entry before plainer forms are tried.
const FAILURES_BEFORE_PLAIN: u32 = 5;
const FAILURES_BEFORE_MINIMAL: u32 = 8;

/// Why the lane holds its tongue.
#[derive(Debug, Default)]
pub struct Trouble {
    pub failures: u32,
    pub until: Option<Instant>,
    /// Since when the chat can't be written to.
    pub parked_since: Option<Instant>,
    /// The fallback chat was told of it.
    pub told: bool,
    /// The entry that Telegram itself failed on last, and how often in a row.
    stubborn: Option<(EntryId, u32)>,
}

impl Trouble {
    /// The richest form worth trying for an entry: a server that fails on a text again and
    /// again may take a plainer one.
    pub fn form(&self, entry: EntryId) -> Form {
        match self.stubborn {
            Some((of, times)) if of == entry && times >= FAILURES_BEFORE_MINIMAL => Form::Minimal,
            Some((of, times)) if of == entry && times >= FAILURES_BEFORE_PLAIN => Form::Plain,
            _ => Form::Rich,
        }
    }

    pub fn failed_on(&mut self, entry: EntryId) {
        let before = self.stubborn.filter(|(of, _)| *of == entry).map_or(0, |(_, times)| times);
        self.stubborn = Some((entry, before + 1));
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
