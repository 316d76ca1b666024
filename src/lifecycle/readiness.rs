//! Whether nabat can accept durably. Telegram's state is no part of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::outbox::Outbox;

/// How long one probe of the store speaks for the next readiness checks.
const PROBE_HOLDS: Duration = Duration::from_secs(1);

/// Ready when nobody holds it back and the store can commit.
#[derive(Debug, Clone, Default)]
pub struct Readiness {
    holds: Arc<Mutex<Holds>>,
    probed: Arc<tokio::sync::Mutex<Option<Probe>>>,
}

/// What the store last answered, and when.
#[derive(Debug)]
struct Probe {
    at: Instant,
    result: Result<(), String>,
}

#[derive(Debug, Default)]
struct Holds {
    next: u64,
    reasons: BTreeMap<u64, String>,
}

impl Readiness {
    /// Not ready until the latch is dropped; `why` is what people are told meanwhile.
    pub fn hold(&self, why: impl Into<String>) -> Latch {
        let mut holds = self.holds.lock().unwrap_or_else(PoisonError::into_inner);
        let number = holds.next;
        holds.next += 1;
        holds.reasons.insert(number, why.into());
        Latch { holds: self.holds.clone(), number }
    }

    /// Asks the latches and then the store, at most once a second.
    ///
    /// # Errors
    /// Why it is not ready.
    pub async fn check(&self, outbox: &dyn Outbox) -> Result<(), String> {
        self.held()?;
        let mut probed = self.probed.lock().await;
        if let Some(probe) = &*probed
            && probe.at.elapsed() < PROBE_HOLDS
        {
            return probe.result.clone();
        }
        let result = outbox.probe().await.map_err(|error| error.to_string());
        *probed = Some(Probe { at: Instant::now(), result: result.clone() });
        result
    }

    fn held(&self) -> Result<(), String> {
        let holds = self.holds.lock().unwrap_or_else(PoisonError::into_inner);
        if holds.reasons.is_empty() {
            return Ok(());
        }
        let reasons: Vec<&str> = holds.reasons.values().map(String::as_str).collect();
        Err(reasons.join("; "))
    }
}

/// Holds readiness back until it is dropped.
#[derive(Debug)]
#[must_use = "readiness is held back only as long as the latch lives"]
pub struct Latch {
    holds: Arc<Mutex<Holds>>,
    number: u64,
}

impl Drop for Latch {
    fn drop(&mut self) {
        let mut holds = self.holds.lock().unwrap_or_else(PoisonError::into_inner);
        holds.reasons.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_ready_when_the_last_latch_is_gone() {
        let readiness = Readiness::default();
        let starting = readiness.hold("starting");
        let loading = readiness.hold("loading");
        assert_eq!(readiness.held(), Err("starting; loading".into()));
        drop(starting);
        assert_eq!(readiness.held(), Err("loading".into()));
        drop(loading);
        assert_eq!(readiness.held(), Ok(()));
    }
}
