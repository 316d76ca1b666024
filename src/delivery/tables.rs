//! Whether the Bot API server takes rich messages, as far as it has shown.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// After a refusal no table is tried for so long: an alert's first message must not cost two
/// calls each time, and a server is updated now and then.
const SPARED: Duration = Duration::from_mins(30);

/// Remembers the last refusal. There is one server at a time; a reload that names another waits
/// out the rest.
#[derive(Debug, Default)]
pub struct Tables {
    refused_at: Mutex<Option<Instant>>,
}

impl Tables {
    /// Notes that the server refused one.
    pub fn refused(&self, now: Instant) {
        *self.refused_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    }

    /// Whether one may be tried.
    pub fn are_worth_trying(&self, now: Instant) -> bool {
        let refused_at = *self.refused_at.lock().unwrap_or_else(PoisonError::into_inner);
        refused_at.is_none_or(|at| now.saturating_duration_since(at) >= SPARED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_refusal_tables_rest_for_half_an_hour() {
        let (tables, now) = (Tables::default(), Instant::now());
        assert!(tables.are_worth_trying(now));
        tables.refused(now);
        assert!(!tables.are_worth_trying(now + SPARED - Duration::from_secs(1)));
        assert!(tables.are_worth_trying(now + SPARED));
    }
}
