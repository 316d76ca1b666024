//! Calling an outside monitor with every beat: it notices when nabat itself is gone.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::sync::watch;
use url::Url;

use crate::lifecycle::Tasks;
use crate::telemetry::Metrics;

/// How long one call may take; monitors answer within a second, and the next beat calls again.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What is called, and how.
#[derive(Clone)]
pub struct PushTarget {
    pub http: reqwest::Client,
    pub address: PushAddress,
}

/// Where a monitor listens. Most hold a key that nobody else may know, so it is never shown.
#[derive(Clone)]
pub enum PushAddress {
    Known(Url),
    /// One that arrives from where it is kept.
    Secret(watch::Receiver<Option<Arc<SecretString>>>),
}

impl fmt::Debug for PushAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PushAddress(…)")
    }
}

impl fmt::Debug for PushTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PushTarget").finish_non_exhaustive()
    }
}

impl PushTarget {
    /// The client for all pushes; through the environment's proxy, if it names one.
    ///
    /// # Errors
    /// When it can't be set up: the system's certificates do not read.
    pub fn client() -> Result<reqwest::Client, reqwest::Error> {
        reqwest::Client::builder()
            .user_agent(concat!("nabat/", env!("CARGO_PKG_VERSION")))
            .referer(false)
            .timeout(TIMEOUT)
            .pool_max_idle_per_host(0)
            .build()
    }

    /// The address, when it is known and is one.
    fn url(&self) -> Option<Url> {
        match &self.address {
            PushAddress::Known(url) => Some(url.clone()),
            PushAddress::Secret(secret) => {
                let secret = secret.borrow();
                Url::parse(secret.as_ref()?.expose_secret().trim()).ok()
            }
        }
    }
}

/// The calls of one heartbeat: one at a time.
#[derive(Debug, Default, Clone)]
pub struct Push {
    under_way: Arc<AtomicBool>,
    failing: Arc<AtomicBool>,
}

impl Push {
    /// Calls the monitor in a task of its own. A beat that comes while one is under way is not
    /// called out: the one under way says the same.
    pub fn call(&self, name: &str, target: &PushTarget, metrics: &Arc<Metrics>, tasks: &Tasks) {
        if self.under_way.swap(true, Ordering::AcqRel) {
            return;
        }
        let (push, target, metrics) = (self.clone(), target.clone(), metrics.clone());
        let (name, stopping) = (name.to_owned(), tasks.clone());
        tasks.spawn("heartbeat push", async move {
            tokio::select! {
                outcome = target.push() => push.note(&name, outcome, &metrics),
                () = stopping.stopping() => {}
            }
            push.under_way.store(false, Ordering::Release);
        });
    }

    fn note(&self, name: &str, outcome: Result<(), String>, metrics: &Metrics) {
        let word = if outcome.is_ok() { "ok" } else { "failed" };
        metrics.heartbeat_pushes.with_label_values(&[name, word]).inc();
        let failed_before = self.failing.swap(outcome.is_err(), Ordering::AcqRel);
        match outcome {
            Err(why) if !failed_before => {
                tracing::warn!(heartbeat = name, why, "the monitor could not be called");
            }
            Err(why) => tracing::debug!(heartbeat = name, why, "the monitor is still not called"),
            Ok(()) if failed_before => {
                tracing::info!(heartbeat = name, "the monitor is called again");
            }
            Ok(()) => {}
        }
    }
}

impl PushTarget {
    async fn push(&self) -> Result<(), String> {
        let url = self.url().ok_or("its address is not known yet, or is none")?;
        let answer = self.http.get(url).send().await;
        let status = answer.map_err(|error| cause(&error.without_url()))?.status();
        if status.is_success() { Ok(()) } else { Err(format!("it answers {status}")) }
    }
}

/// What is at the bottom of an error: "connection refused" says more than "error sending request".
fn cause(error: &dyn std::error::Error) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}
