//! Listening: who has been silent for too long is told, once.

use std::sync::Arc;
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
        let heartbeats = self.book.load_full();
        for (name, heartbeat) in heartbeats.iter() {
            let (mut silent, mut told) = (None, true);
            for (lane, _) in &heartbeat.lanes {
                let latest = self.outbox.latest(lane, &Own::group(&key(name))).await?;
                let latest = latest.filter(|latest| latest.status == Status::Firing);
                match latest.and_then(|latest| Some(latest.alerts.first()?.starts_at)) {
                    Some(since) => silent = silent.or(Some(since)),
                    None => told = false,
                }
            }
            if let Some(watched) = self.watched().get_mut(name) {
                (watched.silent, watched.told) = (silent, told && silent.is_some());
            }
            let missing = i64::from(silent.is_some());
            self.metrics.heartbeat_missing.with_label_values(&[name]).set(missing);
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
            for (name, heartbeat, since) in self.untold(now, stood_still) {
                self.miss(&name, &heartbeat, since).await;
            }
        }
    }

    /// How long to the next look; nothing to look at, no look.
    fn step(&self) -> Option<Duration> {
        let shortest = self.watched().values().map(|w| w.heartbeat.interval).min()?;
        Some((shortest / 4).clamp(SHORTEST_STEP, LONGEST_STEP))
    }

    /// Those whose silence has to be told, and since when they are silent: the same in every try,
    /// or who was told already would hear of it as of another.
    fn untold(&self, now: Instant, stood_still: Duration) -> Vec<(String, Heartbeat, Timestamp)> {
        let mut untold = Vec::new();
        for (name, watched) in self.watched().iter_mut() {
            watched.heard = (watched.heard + stood_still).min(now);
            if watched.silent.is_none() && watched.is_overdue(now) {
                watched.silent = Some(self.clock.now());
            }
            if let (Some(since), false) = (watched.silent, watched.told) {
                untold.push((name.clone(), watched.heartbeat.clone(), since));
            }
        }
        untold
    }

    /// Tells of a silence; when that can't be stored, the next look tries again.
    async fn miss(&self, name: &str, heartbeat: &Heartbeat, since: Timestamp) {
        if let Err(error) = self.tell(name, heartbeat, Status::Firing, since).await {
            tracing::warn!(heartbeat = name, %error, "the silence of a heartbeat can't be stored");
            return;
        }
        tracing::error!(
            heartbeat = name,
            "the heartbeat is silent: Prometheus or Alertmanager may be down"
        );
        let back = self.watched().get_mut(name).map(|watched| {
            watched.told = true;
            self.metrics.heartbeat_missing.with_label_values(&[name]).set(1);
            !watched.is_overdue(Instant::now())
        });
        let Some(back) = back else {
            // Configured no more by now.
            self.retired().push((name.to_owned(), heartbeat.clone(), since));
            return;
        };
        // It came while the silence was being stored, and could not know of it.
        if back && self.tell(name, heartbeat, Status::Resolved, since).await.is_ok() {
            self.is_back(name);
        }
    }

    /// Ends what was told of heartbeats that nobody listens for any more.
    async fn close_retired(&self) {
        let retired = std::mem::take(&mut *self.retired());
        for (name, heartbeat, since) in retired {
            self.close(name, heartbeat, since).await;
        }
    }

    async fn close(&self, name: String, heartbeat: Heartbeat, since: Timestamp) {
        if let Err(error) = self.tell(&name, &heartbeat, Status::Resolved, since).await {
            tracing::warn!(heartbeat = name, %error, "a heartbeat's end can't be stored; trying on");
            self.retired().push((name, heartbeat, since));
        }
    }
}

async fn sleep(step: Option<Duration>) {
    match step {
        Some(step) => tokio::time::sleep(step).await,
        None => std::future::pending().await,
    }
}
