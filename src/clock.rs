//! The only place that asks what time it is. Everyone else is handed the time or a [`Clock`].

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// The wall clock, for times that people read and that outlive the process.
///
/// Waiting is not its business: pauses use tokio's timers, which are monotonic and can be
/// advanced in tests.
#[derive(Debug, Default)]
pub struct Clock {
    /// Milliseconds added to the time that it follows.
    offset_ms: AtomicI64,
    /// A moment of tokio's clock and what time it was then; `None` follows the system's clock.
    timers: Option<(Instant, Timestamp)>,
}

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self::default()
    }

    /// A clock that moves with tokio's timers and shows `start` now: where those are paused and
    /// advanced, wall clock and pauses stay together.
    pub fn of_timers(start: Timestamp) -> Self {
        Self { offset_ms: AtomicI64::new(0), timers: Some((Instant::now(), start)) }
    }

    /// The present time, to the millisecond.
    pub fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "this is the place that may ask")]
        let now = match self.timers {
            None => Timestamp::now(),
            Some((since, start)) => start.saturating_add(since.elapsed()).unwrap_or(Timestamp::MAX),
        };
        let now = now.as_millisecond();
        Timestamp::from_millisecond(now.saturating_add(self.offset_ms.load(Ordering::Relaxed)))
            .unwrap_or(Timestamp::MAX)
    }

    /// Moves the clock forward or back.
    pub fn jump(&self, by: SignedDuration) {
        let by = i64::try_from(by.as_millis()).unwrap_or(0);
        self.offset_ms.fetch_add(by, Ordering::Relaxed);
    }

    /// Moves the clock forward, as an operator or an NTP step would.
    pub fn advance(&self, by: Duration) {
        let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.offset_ms.fetch_add(by, Ordering::Relaxed);
    }
}

/// The monotonic clock, for measuring how long something took.
#[expect(clippy::disallowed_methods, reason = "this is the place that may ask")]
pub fn monotonic() -> std::time::Instant {
    std::time::Instant::now()
}
