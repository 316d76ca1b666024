//! Listening: who has been silent for too long is told, once.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::{Heartbeat, Heartbeats, key};
use crate::alert::{Own, Status};
use crate::outbox::StoreError;

/// The longest time between two looks.
const LONGEST_STEP: Duration = Duration::from_secs(5);
/// The shortest: intervals of less than a second are for tests.
const SHORTEST_STEP: Duration = Duration::from_millis(50);

impl Heartbeats {
    /// Learns from the store which heartbeats people believe to be silent.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn recall(&self) -> Result<(), StoreError> {
        let lanes: Vec<_> = self
            .watched()
            .iter()
            .filter_map(|(name, w)| Some((name.clone(), w.heartbeat.lanes.first()?.0.clone())))
            .collect();
        for (name, lane) in lanes {
            let told = self.outbox.latest(&lane, &Own::group(&key(&name))).await?;
            let told = told.filter(|told| told.status == Status::Firing);
            let since = told.and_then(|told| Some(told.alerts.first()?.starts_at));
            if let Some(watched) = self.watched().get_mut(&name) {
                watched.missing = since;
            }
            let missing = i64::from(since.is_some());
            self.metrics.heartbeat_missing.with_label_values(&[&name]).set(missing);
        }
        Ok(())
    }

    /// Listens until the program stops.
    pub async fn watch(self: Arc<Self>) {
        let tasks = self.tasks.clone();
        let mut looked = Instant::now();
        loop {
            let step = self.step();
            tokio::select! {
                () = sleep(step) => {}
                () = self.changed.notified() => {}
                () = tasks.stopping() => return,
            }
            let now = Instant::now();
            // What could not be heard because nabat itself stood still was no silence.
            let stood_still = (now - looked).saturating_sub(step.unwrap_or_default() * 2);
            looked = now;
            self.close_retired().await;
            for (name, heartbeat) in self.overdue(now, stood_still) {
                self.miss(&name, &heartbeat).await;
            }
        }
    }

    /// How long to the next look; nothing to look at, no look.
    fn step(&self) -> Option<Duration> {
        let shortest = self.watched().values().map(|w| w.heartbeat.interval).min()?;
        Some((shortest / 4).clamp(SHORTEST_STEP, LONGEST_STEP))
    }

    /// Those that are silent for too long and not told of.
    fn overdue(&self, now: Instant, stood_still: Duration) -> Vec<(String, Heartbeat)> {
        let mut overdue = Vec::new();
        for (name, watched) in self.watched().iter_mut() {
            watched.heard = (watched.heard + stood_still).min(now);
            if watched.missing.is_none() && watched.is_overdue(now) {
                overdue.push((name.clone(), watched.heartbeat.clone()));
            }
        }
        overdue
    }

    /// Tells of a silence; when that can't be stored, the next look tries again.
    async fn miss(&self, name: &str, heartbeat: &Heartbeat) {
        let since = self.clock.now();
        if let Err(error) = self.tell(name, heartbeat, Status::Firing, since).await {
            tracing::warn!(heartbeat = name, %error, "the silence of a heartbeat can't be stored");
            return;
        }
        tracing::error!(
            heartbeat = name,
            "the heartbeat is silent: Prometheus or Alertmanager may be down"
        );
        self.metrics.heartbeat_missing.with_label_values(&[name]).set(1);
        let back = self.watched().get_mut(name).is_some_and(|watched| {
            watched.missing = Some(since);
            !watched.is_overdue(Instant::now())
        });
        // It came while the silence was being stored, and could not know of it.
        if back && self.tell(name, heartbeat, Status::Resolved, since).await.is_ok() {
            self.is_back(name);
        }
    }

    /// Ends what was told of heartbeats that nobody listens for any more.
    async fn close_retired(&self) {
        let retired =
            std::mem::take(&mut *self.retired.lock().unwrap_or_else(PoisonError::into_inner));
        for (name, heartbeat, since) in retired {
            self.close(name, heartbeat, since).await;
        }
    }

    async fn close(&self, name: String, heartbeat: Heartbeat, since: Timestamp) {
        if let Err(error) = self.tell(&name, &heartbeat, Status::Resolved, since).await {
            tracing::warn!(heartbeat = name, %error, "a heartbeat's end can't be stored; trying on");
            let mut retired = self.retired.lock().unwrap_or_else(PoisonError::into_inner);
            retired.push((name, heartbeat, since));
        }
    }
}

async fn sleep(step: Option<Duration>) {
    match step {
        Some(step) => tokio::time::sleep(step).await,
        None => std::future::pending().await,
    }
}
