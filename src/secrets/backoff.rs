//! How long to wait before a source is asked again.

use std::time::Duration;

/// Capped exponential backoff with jitter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// The longest wait after the first failure.
    pub first: Duration,
    /// The longest wait after any failure.
    pub cap: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { first: Duration::from_secs(1), cap: Duration::from_secs(30) }
    }
}

impl Pace {
    /// The wait after `failures` failures in a row (1 is the first); `luck` in 0..1 spreads it
    /// over the upper half, so that many instances do not return at the same moment.
    pub(super) fn delay(self, failures: u32, luck: f64) -> Duration {
        let doublings = failures.saturating_sub(1).min(16);
        let longest = self.first.saturating_mul(1 << doublings).min(self.cap);
        longest.mul_f64(0.5 + luck.clamp(0.0, 1.0) / 2.0)
    }

    /// [`Pace::delay`] with this process's randomness.
    pub(super) fn jittered(self, failures: u32) -> Duration {
        self.delay(failures, rand::random())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_cap() {
        let pace = Pace::default();
        let longest: Vec<_> = (1..8).map(|n| pace.delay(n, 1.0).as_secs()).collect();
        assert_eq!(longest, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(pace.delay(u32::MAX, 1.0), pace.cap);
    }

    #[test]
    fn jitter_takes_away_half_at_most() {
        let pace = Pace::default();
        assert_eq!(pace.delay(3, 0.0), Duration::from_secs(2));
        for _ in 0..100 {
            let delay = pace.jittered(3);
            assert!((Duration::from_secs(2)..=Duration::from_secs(4)).contains(&delay));
        }
    }
}
