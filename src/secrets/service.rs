//! [`Secrets`]: every secret that is wanted, kept by a task of its own.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use secrecy::SecretString;
use tokio::sync::{Notify, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::keeper::Keeper;
use super::report::{Ages, Report, SecretTrouble, Trouble};
use super::{Checker, Pace, SecretRef, SecretWatch, Sources};
use crate::clock::Clock;
use crate::config;
use crate::lifecycle::Tasks;
use crate::telemetry::{Metrics, Scrubber};

/// How secrets are read.
#[derive(Debug, Clone)]
pub struct SecretsOptions {
    pub vault: Option<config::Vault>,
    /// How often every secret is read again.
    pub refresh_interval: Duration,
    /// The pauses after failures, and between reads that [`Secrets::refresh_now`] asks for.
    pub retry: Pace,
    /// Learns every secret that is read.
    pub scrubber: Scrubber,
    /// Handed on from one to the next, so that a reload makes no secret fresh.
    pub ages: Ages,
}

impl SecretsOptions {
    /// The refresh interval of the `vault:` section, or its default of a minute without one; retries after 1 to
    /// 30 s.
    pub fn new(vault: Option<config::Vault>, scrubber: Scrubber) -> Self {
        let refresh_interval =
            vault.as_ref().map_or(config::Vault::REFRESH_INTERVAL, |vault| vault.refresh_interval);
        Self { vault, refresh_interval, retry: Pace::default(), scrubber, ages: Ages::default() }
    }
}

/// A secret to keep.
#[derive(Clone)]
pub struct Wanted {
    /// Its path in the configuration, such as `telegram.bot_token`; the label in metrics.
    pub name: String,
    pub at: SecretRef,
    /// Judges a changed value before it is used; without one every value is good.
    pub checker: Option<Arc<dyn Checker>>,
}

impl fmt::Debug for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wanted")
            .field("name", &self.name)
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

/// The kept secrets. Clones share them; their tasks end when the last clone is dropped or the
/// program stops.
#[derive(Debug, Clone)]
pub struct Secrets(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    options: SecretsOptions,
    sources: Sources,
    metrics: Arc<Metrics>,
    tasks: Tasks,
    kept: Mutex<HashMap<String, Kept>>,
    stop: CancellationToken,
    _stops_when_dropped: DropGuard,
}

#[derive(Debug)]
struct Kept {
    at: SecretRef,
    value: watch::Sender<Option<Arc<SecretString>>>,
    wake: Arc<Notify>,
    trouble: Trouble,
    _stops_when_dropped: DropGuard,
}

impl Secrets {
    /// Starts keeping secrets. Nothing is asked for before it is [wanted](Secrets::keep).
    pub fn start(
        options: SecretsOptions,
        metrics: Arc<Metrics>,
        clock: &Arc<Clock>,
        tasks: &Tasks,
    ) -> Self {
        let sources = Sources::new(&options, &metrics, clock);
        let stop = CancellationToken::new();
        if let Some(vault) = sources.vault().cloned() {
            let stopped = stopped(tasks.clone(), stop.clone());
            tasks.spawn("vault-login", async move {
                vault.keep_alive(stopped).await;
                vault.close().await;
            });
        }
        Self(Arc::new(Inner {
            options,
            sources,
            metrics,
            tasks: tasks.clone(),
            kept: Mutex::default(),
            _stops_when_dropped: stop.clone().drop_guard(),
            stop,
        }))
    }

    /// Keeps a secret from now on, and tells its value whenever it changes.
    ///
    /// Wanting the same name again (after a reload) replaces where it is kept and by whom it is
    /// checked; the value in use stays until the new place gives one, and earlier watches go on.
    pub fn keep(&self, wanted: Wanted) -> SecretWatch {
        let mut kept = self.kept();
        let value = match kept.remove(&wanted.name) {
            Some(before) => before.value,
            None => watch::Sender::default(),
        };
        let receiver = value.subscribe();
        let wake = Arc::new(Notify::new());
        let (stop, trouble) = (self.0.stop.child_token(), Trouble::default());
        let keeper = Keeper {
            at: wanted.at.clone(),
            checker: wanted.checker,
            sources: self.0.sources.clone(),
            refresh_interval: self.0.options.refresh_interval,
            retry: self.0.options.retry,
            value: value.clone(),
            wake: wake.clone(),
            report: Report::new(
                wanted.name.clone(),
                self.0.metrics.clone(),
                trouble.clone(),
                self.0.options.ages.clone(),
            ),
        };
        let stopped = stopped(self.0.tasks.clone(), stop.clone());
        self.0.tasks.spawn("secret", keeper.run(stopped));
        kept.insert(
            wanted.name,
            Kept { at: wanted.at, value, wake, trouble, _stops_when_dropped: stop.drop_guard() },
        );
        receiver
    }

    /// The value of a secret that is kept; `None` when nobody wanted one from there.
    pub fn watch(&self, at: &SecretRef) -> Option<SecretWatch> {
        self.kept().values().find(|kept| kept.at == *at).map(|kept| kept.value.subscribe())
    }

    /// What keeps the secret of this name from being read, or its newest value from being used.
    pub fn trouble(&self, name: &str) -> Option<SecretTrouble> {
        self.kept().get(name)?.trouble.get()
    }

    /// Reads the secret again at once, because its value was refused where it was used (401).
    /// As long as that brings nothing new, the next such read waits longer: 1 to 30 s.
    pub fn refresh_now(&self, at: &SecretRef) {
        for kept in self.kept().values().filter(|kept| kept.at == *at) {
            kept.wake.notify_one();
        }
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<String, Kept>> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Completes when the program stops or `stop` is cancelled.
async fn stopped(tasks: Tasks, stop: CancellationToken) {
    tokio::select! {
        () = tasks.stopping() => {}
        () = stop.cancelled() => {}
    }
}
