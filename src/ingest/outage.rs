//! A store that accepts nothing for a while refuses every webhook: that is said when it begins and
//! when it is over, not each time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::lifecycle::Tasks;

/// How long nothing was refused when it is over. At its cap a store accepts and refuses by turns.
const QUIET: Duration = Duration::from_secs(30);

/// How many webhooks were refused since the store last accepted.
#[derive(Debug, Default)]
pub(super) struct Outage(AtomicU64);

impl Outage {
    /// Counts a refusal; whether it is the first. Then [`Outage::end`] is to be awaited.
    pub fn refused(&self) -> bool {
        self.0.fetch_add(1, Ordering::AcqRel) == 0
    }

    /// Waits until nothing is refused any more and the store, when asked, accepts; says so.
    pub async fn end<F: Future<Output = bool>>(&self, accepts: impl Fn() -> F, tasks: &Tasks) {
        loop {
            let refused = self.0.load(Ordering::Acquire);
            tokio::select! {
                () = tokio::time::sleep(QUIET) => {}
                () = tasks.stopping() => return,
            }
            // Whoever is refused meanwhile makes the exchange fail.
            if accepts().await
                && self.0.compare_exchange(refused, 0, Ordering::AcqRel, Ordering::Relaxed).is_ok()
            {
                tracing::info!(refused, "the outbox accepts again");
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::ready;

    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_is_over_when_the_store_accepts_and_nothing_was_refused_for_a_while() {
        let (outage, tasks) = (Outage::default(), Tasks::default());
        assert!(outage.refused(), "the first");
        assert!(!outage.refused());
        let (began, asked) = (Instant::now(), Cell::new(0));
        let accepts = || {
            asked.set(asked.get() + 1);
            if asked.get() == 2 {
                assert!(!outage.refused(), "it goes on");
            }
            ready(asked.get() > 1)
        };
        outage.end(accepts, &tasks).await;
        assert_eq!((asked.get(), began.elapsed()), (3, QUIET * 3));
        assert!(outage.refused(), "the first of the next");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_does_not_wait_for_its_end() {
        let (outage, tasks) = (Outage::default(), Tasks::default());
        outage.refused();
        tasks.stop();
        outage.end(|| ready(false), &tasks).await;
    }
}
