//! The task that keeps one secret: read, check, hand out, wait.

use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::report::Report;
use super::{Check, Checker, Pace, SecretRef, Sources};

/// How often `secret_age_seconds` is brought up to date.
const AGE_EVERY: Duration = Duration::from_secs(5);

/// What the task works with.
pub(super) struct Keeper {
    pub at: SecretRef,
    pub checker: Option<Arc<dyn Checker>>,
    pub sources: Sources,
    pub refresh_interval: Duration,
    pub retry: Pace,
    pub value: watch::Sender<Option<Arc<SecretString>>>,
    /// Told when the value was refused where it was used.
    pub wake: Arc<Notify>,
    pub report: Report,
}

/// How a read ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// The value in use is what the source holds.
    Unchanged,
    /// Another value is in use now.
    Changed,
    /// The source holds a value that does not work.
    Refused,
    /// It should be tried again soon.
    Failed,
}

impl Keeper {
    /// Keeps the secret until `stopped` completes.
    pub async fn run(mut self, stopped: impl Future<Output = ()>) {
        tokio::pin!(stopped);
        let mut ages = tokio::time::interval(AGE_EVERY);
        let mut due = Instant::now();
        let mut failures = 0;
        let mut urgency = Urgency::default();
        loop {
            tokio::select! {
                biased;
                () = &mut stopped => return,
                () = self.wake.notified() => {
                    due = due.min(urgency.not_before.unwrap_or_else(Instant::now));
                    urgency.asked = true;
                    continue;
                }
                () = tokio::time::sleep_until(due) => {}
                _ = ages.tick() => {
                    self.report.age();
                    continue;
                }
            }
            let outcome = tokio::select! {
                biased;
                () = &mut stopped => return,
                outcome = self.refresh() => outcome,
            };
            urgency.answered(outcome, self.retry);
            if matches!(outcome, Outcome::Unchanged | Outcome::Changed) {
                self.report.read_well();
            }
            failures = if outcome == Outcome::Failed { failures + 1 } else { 0 };
            due = Instant::now()
                + match failures {
                    0 => self.refresh_interval,
                    failures => self.retry.jittered(failures).min(self.refresh_interval),
                };
        }
    }

    /// Reads the secret once and takes the value into use if it is another one and works.
    async fn refresh(&mut self) -> Outcome {
        let present = self.value.borrow().clone();
        let candidate = match self.sources.read(&self.at).await {
            Ok(candidate) => candidate,
            Err(error) => {
                self.report.failed(&error, present.is_some());
                return Outcome::Failed;
            }
        };
        if present.as_ref().is_some_and(|present| same(present, &candidate)) {
            self.report.unchanged();
            return Outcome::Unchanged;
        }
        let check = match &self.checker {
            Some(checker) => checker.check(&candidate).await,
            None => Check::Good,
        };
        match (check, present) {
            (Check::Good, present) => self.report.taken(present.is_none()),
            (Check::CannotTell, None) => self.report.taken_unchecked(),
            (Check::CannotTell, Some(_)) => {
                self.report.undecided();
                return Outcome::Failed;
            }
            (Check::Bad(reason), present) => {
                self.report.refused(&reason, present.is_some());
                return Outcome::Refused;
            }
        }
        self.value.send_replace(Some(Arc::new(candidate)));
        Outcome::Changed
    }
}

fn same(present: &SecretString, candidate: &SecretString) -> bool {
    present.expose_secret() == candidate.expose_secret()
}

/// How soon a read that somebody asks for may come.
#[derive(Debug, Default)]
struct Urgency {
    asked: bool,
    /// Reads in a row that were asked for and brought nothing new.
    in_vain: u32,
    not_before: Option<Instant>,
}

impl Urgency {
    fn answered(&mut self, outcome: Outcome, pace: Pace) {
        if outcome == Outcome::Changed {
            *self = Self::default();
        } else if std::mem::take(&mut self.asked) {
            self.in_vain += 1;
            self.not_before = Some(Instant::now() + pace.jittered(self.in_vain));
        }
    }
}
