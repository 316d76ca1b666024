//! Listening: who has been silent for too long is told, once.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::{Heartbeat, Heartbeats, Silence};
use crate::alert::Status;
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
            let (mut since, mut told) = (None, true);
            for (lane, _) in &heartbeat.lanes {
                let here = self.silence_in(lane, name).await?;
                told &= here.is_some();
                since = since.or(here);
            }
            let noticed = Instant::now();
            if let Some(watched) = self.watched().get_mut(name) {
                watched.silence = since.map(|since| Silence { since, noticed, told });
            }
            let missing = i64::from(since.is_some());
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
            for (name, heartbeat, since) in self.untold(now, stood_still) {
                self.miss(&name, &heartbeat, since).await;
            }
            self.close_retired().await;
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
        let mut watched = self.watched();
        for (name, watched) in watched.iter_mut() {
            if watched.silence.is_none() {
                watched.heard = (watched.heard + stood_still).min(now);
                if watched.is_overdue(now) {
                    let (since, told) = (self.clock.now(), false);
                    watched.silence = Some(Silence { since, noticed: now, told });
                }
            }
            let Some(silence) = watched.silence.filter(|silence| !silence.told) else { continue };
            let heartbeat = watched.heartbeat.clone();
            if watched.is_back() {
                // Before all could be told of it.
                watched.silence = None;
                self.metrics.heartbeat_missing.with_label_values(&[name]).set(0);
                self.retired().push((name.clone(), heartbeat, silence.since));
            } else {
                untold.push((name.clone(), heartbeat, silence.since));
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
            if let Some(silence) = &mut watched.silence {
                silence.told = true;
            }
            self.metrics.heartbeat_missing.with_label_values(&[name]).set(1);
            watched.is_back()
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

    /// Ends what was told of silences that are over, or of which a chat is to hear no more.
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
