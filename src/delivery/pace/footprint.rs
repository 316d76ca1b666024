//! What a restart must not forget of a pace.

use std::sync::PoisonError;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::{ChatPace, LONGEST_BLOCK, RECOVERY, SLOWEST, STEP};
use crate::outbox::Footprint;
use crate::telegram::ChatId;

impl ChatPace {
    /// What a restart must not forget. `clock` is the wall clock's idea of `now`.
    pub fn footprint(&self, chat: ChatId, now: Instant, clock: Timestamp) -> Footprint {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let wall = |at: Instant| {
            let (ahead, behind) =
                (at.saturating_duration_since(now), now.saturating_duration_since(at));
            clock.saturating_add(ahead).and_then(|clock| clock.saturating_sub(behind))
        };
        let span = state.limit.span;
        let sent = state.window.sent.iter().map(|(_, at)| *at);
        Footprint {
            chat,
            noted_at: clock,
            sent: sent.filter(|at| *at + span > now).filter_map(|at| wall(at).ok()).collect(),
            blocked_until: state
                .blocked_until
                .filter(|until| *until > now)
                .and_then(|until| wall(until).ok()),
            slowness: thousandths(state.slowness),
        }
    }

    /// Goes on where an earlier process stopped. It may have sent one message more than it could
    /// note, so one counts as sent just now.
    pub fn restore(&self, footprint: &Footprint, now: Instant, clock: Timestamp) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was moved back says nothing about what came in between: then all was sent
        // just now, and what is left to wait is no more than it was.
        let gone = |since: Timestamp| {
            Duration::try_from(clock.duration_since(since)).unwrap_or(Duration::ZERO)
        };
        let ages = footprint.sent.iter().map(|at| gone(*at));
        let mut ages: Vec<Duration> = ages.filter(|age| *age < state.limit.span).collect();
        ages.sort_unstable();
        if !ages.is_empty() {
            ages.insert(0, Duration::ZERO);
        }
        ages.truncate(state.limit.sends as usize);
        for sent in ages.iter().rev().filter_map(|age| now.checked_sub(*age)) {
            state.window.take(sent);
        }
        let (slowness, wait) = footprint.now(clock);
        if slowness > 1.0 {
            state.change_to(slowness, now);
        }
        // The burst comes back at the even pace.
        let even = state.limit.time_for(state.limit.burst).mul_f64(slowness);
        for _ in ages.iter().filter(|age| **age < even) {
            let _ = state.even.check();
        }
        if let Some(wait) = wait {
            state.blocked_until = Some(now + wait.min(LONGEST_BLOCK));
        }
    }

    /// An earlier process may have sent one message that it could not note: it counts as sent now.
    pub fn assume_sent(&self, now: Instant) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.window.take(now);
        let _ = state.even.check();
    }
}

impl Footprint {
    /// How slow the pace still is, and how long it has to be silent yet.
    pub(super) fn now(&self, clock: Timestamp) -> (f64, Option<Duration>) {
        let mut slowness = (f64::from(self.slowness) / 1000.0).clamp(1.0, SLOWEST);
        let rested = clock.duration_since(self.noted_at);
        let mut rested = Duration::try_from(rested).unwrap_or(Duration::ZERO);
        while slowness > 1.0 && rested >= RECOVERY {
            slowness = (slowness / STEP).max(1.0);
            rested = rested.saturating_sub(RECOVERY);
        }
        let wait = self.blocked_until.and_then(|until| {
            let (then, now) = (until.duration_since(self.noted_at), until.duration_since(clock));
            Duration::try_from(then.min(now)).ok()
        });
        (slowness, wait)
    }
}

/// A slowness of 1 to 8 as footprints keep it.
pub(super) fn thousandths(slowness: f64) -> u32 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to 8")]
    let thousandths = (slowness * 1000.0) as u32;
    thousandths
}
