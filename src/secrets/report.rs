//! What is logged and counted about a kept secret: one function a happening, and one line a
//! change, however often it is retried.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

use super::SecretError;
use crate::telemetry::Metrics;

/// What was said last about a trouble that goes on; shared with whoever asks.
#[derive(Debug, Clone, Default)]
pub(super) struct Trouble(Arc<Mutex<Option<SecretTrouble>>>);

/// What keeps a secret from being read or used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretTrouble {
    pub why: String,
    /// What the source holds does not work; otherwise it was not read, which may pass by itself.
    pub refused: bool,
}

impl Trouble {
    pub fn get(&self) -> Option<SecretTrouble> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns what it was before.
    fn set(&self, trouble: Option<SecretTrouble>) -> Option<SecretTrouble> {
        std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), trouble)
    }
}

/// When each secret was last read well, by name, or first wanted: known over reloads, for the value in
/// use is, too. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Ages(Arc<Mutex<HashMap<String, Instant>>>);

impl Ages {
    fn since(&self, name: &str) -> Instant {
        let mut ages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *ages.entry(name.to_owned()).or_insert_with(Instant::now)
    }

    fn read_well(&self, name: &str) {
        let mut ages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ages.insert(name.to_owned(), Instant::now());
    }
}

/// Speaks about one secret, by the path it has in the configuration.
#[derive(Debug)]
pub(super) struct Report {
    name: String,
    metrics: Arc<Metrics>,
    trouble: Trouble,
    ages: Ages,
}

impl Report {
    pub(super) fn new(name: String, metrics: Arc<Metrics>, trouble: Trouble, ages: Ages) -> Self {
        metrics.secret_age.with_label_values(&[&name]);
        metrics.secret_refresh_failures.with_label_values(&[&name]);
        Self { name, metrics, trouble, ages }
    }

    /// The secret was read and is what is in use.
    pub(super) fn unchanged(&mut self) {
        if self.trouble.set(None).is_some() {
            tracing::info!(secret = self.name, "the secret can be read again; it is unchanged");
        }
    }

    /// A value is in use from now on.
    pub(super) fn taken(&mut self, first: bool) {
        self.trouble.set(None);
        if first {
            tracing::info!(secret = self.name, "the secret has arrived");
        } else {
            tracing::info!(secret = self.name, "the secret has changed; the new value is in use");
        }
    }

    /// A first value is in use although nobody could check it.
    pub(super) fn taken_unchecked(&mut self) {
        self.trouble.set(None);
        tracing::info!(secret = self.name, "the secret has arrived; it could not be checked yet");
    }

    /// The source did not give the secret.
    pub(super) fn failed(&mut self, error: &SecretError, have_one: bool) {
        self.count_failure();
        let consequence = consequence(have_one);
        if self.is_news(error.to_string(), false) {
            tracing::warn!(secret = self.name, %error, "cannot read the secret; {consequence}");
        }
    }

    /// The value does not work.
    pub(super) fn refused(&mut self, reason: &str, have_one: bool) {
        self.count_failure();
        let consequence = consequence(have_one);
        if self.is_news(reason.to_owned(), true) {
            tracing::error!(
                secret = self.name,
                reason,
                "the secret's new value does not work: correct it where it is kept; {consequence}"
            );
        }
    }

    /// Nobody could say whether the changed value works.
    pub(super) fn undecided(&mut self) {
        if self.is_news("unchecked".to_owned(), false) {
            tracing::warn!(
                secret = self.name,
                "the secret has changed but cannot be checked now; the last good value stays in use"
            );
        }
    }

    /// Brings up to date what `secret_age_seconds` shows.
    pub(super) fn age(&self) {
        let age = self.ages.since(&self.name).elapsed();
        self.metrics.secret_age.with_label_values(&[&self.name]).set(age.as_secs_f64());
    }

    /// The source gave the value that is in use.
    pub(super) fn read_well(&self) {
        self.ages.read_well(&self.name);
        self.age();
    }

    fn count_failure(&self) {
        self.metrics.secret_refresh_failures.with_label_values(&[&self.name]).inc();
    }

    fn is_news(&mut self, why: String, refused: bool) -> bool {
        let trouble = SecretTrouble { why, refused };
        self.trouble.set(Some(trouble.clone())) != Some(trouble)
    }
}

fn consequence(have_one: bool) -> &'static str {
    if have_one { "the last good value stays in use" } else { "will keep trying" }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_secret_gets_no_younger_by_a_reload() {
        let (metrics, ages) = (Arc::new(Metrics::new("test")), Ages::default());
        let report =
            || Report::new("token".into(), metrics.clone(), Trouble::default(), ages.clone());
        let age = || metrics.secret_age.with_label_values(&["token"]).get();
        let first = report();
        first.read_well();
        tokio::time::advance(Duration::from_mins(1)).await;
        let second = report();
        second.age();
        assert!((age() - 60.0).abs() < 1.0, "{}", age());
        second.read_well();
        assert!(age() < 1.0, "{}", age());
    }
}
