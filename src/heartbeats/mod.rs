//! The dead man's switch: alerts that must keep coming, and what is said when they do not.
//!
//! A heartbeat is an alert that always fires, such as the Watchdog of many rule sets. Nobody
//! needs to read that it does; everybody must hear when it stops, for then other alerts may not
//! arrive either. So its alerts are taken out of what is shown, and silence is told instead.
//!
//! - Only time in which nabat runs counts as silence: after a start, a suspended machine or a
//!   stopped process the whole interval has to pass anew.
//! - What was told is in the store, as any alert's state: a restart neither forgets a silence that
//!   people know of nor tells it twice.

mod push;
mod watch;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::Notify;
use tokio::time::Instant;

use self::push::Push;
pub use self::push::{PushAddress, PushTarget};
use crate::alert::{Alert, Notification, Own, Source, Status};
use crate::clock::Clock;
use crate::ingest::Wake;
use crate::lifecycle::Tasks;
use crate::outbox::{Class, Outbox, Priority, StoreError, Submission};
use crate::rendering::Language;
use crate::routing::{Destination, LaneId, Matcher, Updates};
use crate::telemetry::Metrics;

/// One heartbeat, as it is configured.
#[derive(Debug, Clone)]
pub struct Heartbeat {
    /// All must accept an alert's labels; at least one.
    pub matchers: Vec<Matcher>,
    /// The longest silence that is no news.
    pub interval: Duration,
    /// Who is told, in which language.
    pub lanes: Vec<(LaneId, Language)>,
    /// What is called with every beat.
    pub push: Option<PushTarget>,
}

impl Heartbeat {
    /// The same, for those who are not told by `other`.
    fn without(&self, other: &Self) -> Self {
        let told = |lane: &LaneId| other.lanes.iter().any(|(told, _)| told == lane);
        let lanes = self.lanes.iter().filter(|(lane, _)| !told(lane)).cloned().collect();
        Self { lanes, ..self.clone() }
    }

    fn takes(&self, alert: &Alert) -> bool {
        let label = |name: &str| alert.labels.get(name).map_or("", String::as_str);
        self.matchers.iter().all(|matcher| matcher.matches(label(matcher.name())))
    }
}

/// What is known of a heartbeat.
#[derive(Debug)]
struct Watched {
    heartbeat: Heartbeat,
    /// When it was last heard, or since when it is listened for.
    heard: Instant,
    heard_at: Option<Timestamp>,
    silence: Option<Silence>,
    push: Push,
}

/// A silence that lasts too long, until it is told that it is over.
#[derive(Debug, Clone, Copy)]
struct Silence {
    since: Timestamp,
    /// When it was noticed, or when this process learned of it.
    noticed: Instant,
    /// Whether everyone who is to be told was.
    told: bool,
}

/// A heartbeat as people look at it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HeartbeatView {
    pub heartbeat: String,
    /// Absent until this process hears it.
    pub last_heard: Option<Timestamp>,
    /// Since when it is silent, as the chat was told.
    pub missing_since: Option<Timestamp>,
}

/// Every heartbeat of the configuration in force.
#[derive(Debug)]
pub struct Heartbeats {
    /// What webhooks are held against, without waiting for anybody.
    book: ArcSwap<BTreeMap<String, Heartbeat>>,
    watched: Mutex<BTreeMap<String, Watched>>,
    /// Silences that are to be closed in chats that may have been told of them.
    retired: Mutex<Vec<(String, Heartbeat, Timestamp)>>,
    changed: Notify,
    outbox: Arc<dyn Outbox>,
    wake: Arc<dyn Wake>,
    clock: Arc<Clock>,
    metrics: Arc<Metrics>,
    tasks: Tasks,
}

/// What of a notification was heartbeats, to be acknowledged once the rest is stored.
#[derive(Debug, Default)]
#[must_use]
pub struct Heard {
    /// Whether any alert was taken out.
    pub any: bool,
    /// Those that were heard; one that only ended was not.
    beats: Vec<String>,
}

impl Heartbeats {
    /// None yet; see [`Heartbeats::replace`].
    pub fn new(
        outbox: Arc<dyn Outbox>,
        wake: Arc<dyn Wake>,
        clock: Arc<Clock>,
        metrics: Arc<Metrics>,
        tasks: Tasks,
    ) -> Self {
        Self {
            book: ArcSwap::default(),
            watched: Mutex::default(),
            retired: Mutex::default(),
            changed: Notify::new(),
            outbox,
            wake,
            clock,
            metrics,
            tasks,
        }
    }

    /// Puts a configuration in force. Those that were listened for keep their time; who is to hear of
    /// a silence no more is told that it is over.
    pub fn replace(&self, heartbeats: BTreeMap<String, Heartbeat>) {
        let mut watched = self.watched();
        let mut former = std::mem::take(&mut *watched);
        let mut retired = Vec::new();
        for (name, heartbeat) in &heartbeats {
            self.metrics.introduce_heartbeat(name);
            let next = match former.remove(name) {
                None => Watched::new(heartbeat.clone()),
                Some(known) => {
                    let gone = known.heartbeat.without(heartbeat);
                    let stays = heartbeat.without(&known.heartbeat).lanes.is_empty();
                    let mut silence = known.silence;
                    if let Some(silence) = &mut silence {
                        retired.push((name.clone(), gone, silence.since));
                        silence.told &= stays;
                    }
                    let (heartbeat, push) = (heartbeat.clone(), Push::default());
                    Watched { heartbeat, silence, push, ..known }
                }
            };
            watched.insert(name.clone(), next);
        }
        retired.extend(former.into_iter().filter_map(|(name, watched)| {
            self.metrics.forget_heartbeat(&name);
            Some((name, watched.heartbeat, watched.silence?.since))
        }));
        self.book.store(Arc::new(heartbeats));
        self.retired().extend(retired);
        drop(watched);
        self.changed.notify_one();
    }

    /// Takes the heartbeats out of a notification; what is left is for people. Only alerts from
    /// outside are heartbeats, and only those that fire are beats. A notification of nothing else
    /// stays whole when its sender left alerts out: people must hear of these.
    pub fn hear(&self, notification: &mut Notification) -> Heard {
        let mut heard = Heard::default();
        let book = self.book.load();
        let outside = matches!(notification.group.source, Source::Alertmanager | Source::Grafana);
        if book.is_empty() || !outside {
            return heard;
        }
        let is_one: Vec<bool> = notification
            .alerts
            .iter()
            .map(|alert| {
                let mut is_one = false;
                for (name, _) in book.iter().filter(|(_, heartbeat)| heartbeat.takes(alert)) {
                    is_one = true;
                    if alert.fires() && !heard.beats.contains(name) {
                        heard.beats.push(name.clone());
                    }
                }
                is_one
            })
            .collect();
        let complete = notification.truncated_alerts == 0;
        if is_one.contains(&true) && (is_one.contains(&false) || complete) {
            heard.any = true;
            let mut is_one = is_one.into_iter();
            notification.alerts.retain(|_| !is_one.next().unwrap_or_default());
            if complete && notification.firing().next().is_none() {
                notification.status = Status::Resolved;
            }
        }
        let (now, at) = (Instant::now(), self.clock.now());
        let mut watched = self.watched();
        for name in &heard.beats {
            if let Some(watched) = watched.get_mut(name) {
                (watched.heard, watched.heard_at) = (now, Some(at));
            }
        }
        drop(watched);
        heard
    }

    /// Counts what was heard, tells those who believe it silent that it is back, and calls who
    /// wants to be called.
    ///
    /// # Errors
    /// When the return could not be stored; the sender has to try again.
    pub async fn acknowledge(&self, heard: Heard) -> Result<(), StoreError> {
        for name in heard.beats {
            let Some((heartbeat, missing)) = self.beat(&name) else { continue };
            if let Some(since) = missing {
                self.tell(&name, &heartbeat, Status::Resolved, since).await?;
                self.is_back(&name);
            }
        }
        Ok(())
    }

    /// Counts a beat; says since when people believe it silent. Who is being told this moment is
    /// told of the return by whoever tells them.
    fn beat(&self, name: &str) -> Option<(Heartbeat, Option<Timestamp>)> {
        let watched = self.watched();
        let watched = watched.get(name)?;
        self.metrics.heartbeats_received.with_label_values(&[name]).inc();
        let now = self.clock.now().as_duration().as_secs_f64();
        self.metrics.heartbeat_last.with_label_values(&[name]).set(now);
        if let Some(target) = &watched.heartbeat.push {
            watched.push.call(name, target, &self.metrics, &self.tasks);
        }
        let told = watched.silence.filter(|silence| silence.told);
        Some((watched.heartbeat.clone(), told.map(|silence| silence.since)))
    }

    fn is_back(&self, name: &str) {
        let mut watched = self.watched();
        let Some(watched) = watched.get_mut(name) else { return };
        watched.silence = None;
        self.metrics.heartbeat_missing.with_label_values(&[name]).set(0);
        tracing::info!(heartbeat = name, "the heartbeat is back");
    }

    /// How each stands, by name.
    pub fn views(&self) -> Vec<HeartbeatView> {
        let watched = self.watched();
        let view = |(name, watched): (&String, &Watched)| HeartbeatView {
            heartbeat: name.clone(),
            last_heard: watched.heard_at,
            missing_since: watched.silence.map(|silence| silence.since),
        };
        watched.iter().map(view).collect()
    }

    /// Stores for every chat of the heartbeat that it is silent, or back; not for one that knows so.
    async fn tell(
        &self,
        name: &str,
        heartbeat: &Heartbeat,
        status: Status,
        since: Timestamp,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        for (lane, language) in &heartbeat.lanes {
            let believed_silent = self.silence_in(lane, name).await?.is_some();
            if believed_silent == (status == Status::Firing) {
                continue;
            }
            let interval = humantime::format_duration(heartbeat.interval).to_string();
            let own = Own {
                key: key(name),
                alertname: "NabatHeartbeatMissing",
                severity: "critical",
                about: ("heartbeat", name),
                says: &[
                    ("summary", &language.say("heartbeat_missing", &[name])),
                    ("description", &language.say("heartbeat_missing_why", &[&interval])),
                    ("action", &language.say("heartbeat_missing_action", &[])),
                ],
            };
            let submission = Submission {
                notification: Arc::new(own.notification(status, since, now)),
                destinations: vec![Destination {
                    lane: lane.clone(),
                    by_label: false,
                    template: "default".into(),
                    updates: Updates::Thread,
                    buttons: None,
                }],
                priority: Priority {
                    severity: 0,
                    class: if status == Status::Firing { Class::News } else { Class::End },
                },
                at: now,
            };
            // Awake before, it is handed the entry even if nobody is left to wake it behind.
            self.wake.wake(lane);
            self.outbox.accept(submission).await?;
            self.wake.wake(lane);
        }
        Ok(())
    }

    /// Since when a chat believes, or will when it hears what waits for it, that a heartbeat is silent.
    async fn silence_in(&self, lane: &LaneId, name: &str) -> Result<Option<Timestamp>, StoreError> {
        let latest = self.outbox.latest(lane, &Own::group(&key(name))).await?;
        let silent = latest.filter(|latest| latest.status == Status::Firing);
        Ok(silent.and_then(|silent| Some(silent.alerts.first()?.starts_at)))
    }

    fn retired(&self) -> MutexGuard<'_, Vec<(String, Heartbeat, Timestamp)>> {
        self.retired.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watched(&self) -> MutexGuard<'_, BTreeMap<String, Watched>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watched {
    /// One that is listened for from now on.
    fn new(heartbeat: Heartbeat) -> Self {
        let (heard, push) = (Instant::now(), Push::default());
        Self { heartbeat, heard, heard_at: None, silence: None, push }
    }

    fn is_overdue(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.heard) > self.heartbeat.interval
    }

    /// Whether it was heard after its silence had been noticed.
    fn is_back(&self) -> bool {
        self.silence.is_some_and(|silence| self.heard > silence.noticed)
    }
}

/// The key of the group in which a heartbeat's silence is told.
fn key(name: &str) -> String {
    format!("heartbeat/{name}")
}
