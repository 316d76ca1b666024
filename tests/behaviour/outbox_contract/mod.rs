//! The store's contract: every store passes the same tests, each from a fresh place.
//!
//! A test is written against [`Place`]. [`for_every_store`] turns a list of them into one test
//! a store; another store joins by one more line there.

mod accepting;
mod dead_letters;
mod forgetting;
mod leasing;
mod memory;
mod model;
mod reopening;
mod sqlite;
mod topics;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use nabat::alert::{Alert, GroupId, Labels, Notification, Reason, Source, Status};
use nabat::outbox::{
    Card, Class, EntryState, EntryView, Fate, Leased, Outbox, Priority, Settlement, ShownPart,
    Submission,
};
use nabat::routing::{ChatAlias, Destination, LaneId, Topic, TopicName, Updates};
use nabat::telegram::{ChatId, MessageId, TopicId};

/// What the tests ask of a store's settings.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    pub dedup_window: Duration,
    pub max_entries: u64,
    pub max_bytes: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { dedup_window: Duration::from_mins(2), max_entries: 1000, max_bytes: 1 << 30 }
    }
}

/// Where one store is; it can be opened there again and again.
#[async_trait]
pub trait Place: Send + Sync {
    /// Opens the store; waits until one that was dropped is gone.
    async fn open_with(&self, settings: Settings) -> Arc<dyn Outbox>;

    async fn open(&self) -> Arc<dyn Outbox> {
        self.open_with(Settings::default()).await
    }
}

/// Declares the listed functions as tests of every store.
macro_rules! for_every_store {
    ($($test:ident,)+) => {
        mod in_sqlite {
            $(
                #[tokio::test]
                async fn $test() {
                    super::$test(&super::super::sqlite::Directory::fresh()).await;
                }
            )+
        }
        mod in_memory {
            $(
                #[tokio::test]
                async fn $test() {
                    super::$test(&super::super::memory::InMemory::fresh()).await;
                }
            )+
        }
    };
}
use for_every_store;

/// A moment of the test's own time.
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(1_700_000_000 + seconds)
}

pub fn lane(chat: &str) -> LaneId {
    LaneId { chat: ChatAlias(chat.into()), topic: None }
}

pub fn topic(chat: &str, topic: i32) -> LaneId {
    LaneId { topic: Some(Topic::Number(TopicId(topic))), ..lane(chat) }
}

pub fn topic_name(name: &str) -> TopicName {
    TopicName::new(name).expect("a name")
}

pub fn named_topic(chat: &str, name: &str) -> LaneId {
    LaneId { topic: Some(Topic::Named(topic_name(name))), ..lane(chat) }
}

pub fn ops() -> LaneId {
    lane("ops")
}

pub fn to(lane: LaneId) -> Destination {
    Destination {
        lane,
        by_label: false,
        template: "default".into(),
        updates: Updates::Thread,
        buttons: None,
    }
}

/// An alert that fires since the beginning.
pub fn fires(fingerprint: &str) -> Alert {
    Alert {
        fingerprint: fingerprint.into(),
        status: Status::Firing,
        labels: Labels::from([("alertname".into(), "Test".into())]),
        annotations: Labels::new(),
        starts_at: at(-60),
        ends_at: None,
        generator_url: String::new(),
        grafana: None,
        unlisted: false,
    }
}

/// An alert that ended.
pub fn ended(fingerprint: &str) -> Alert {
    Alert { status: Status::Resolved, ends_at: Some(at(-1)), ..fires(fingerprint) }
}

pub fn notification(group: &str, alerts: &[Alert]) -> Notification {
    let fires = alerts.iter().any(Alert::fires);
    Notification {
        group: GroupId {
            source: Source::Alertmanager,
            receiver: "telegram".into(),
            key: group.into(),
        },
        status: if fires { Status::Firing } else { Status::Resolved },
        reason: Reason::Unknown,
        alerts: alerts.to_vec(),
        group_labels: Labels::new(),
        common_labels: Labels::new(),
        common_annotations: Labels::new(),
        external_url: "http://alertmanager-1:9093".into(),
        truncated_alerts: 0,
    }
}

/// A notification for the lane `ops`, at second 0, as news of the worst severity.
pub fn submission(group: &str, alerts: &[Alert]) -> Submission {
    Submission {
        notification: Arc::new(notification(group, alerts)),
        destinations: vec![to(ops())],
        priority: Priority { severity: 0, class: Class::News },
        at: at(0),
    }
}

/// A card that shows `state` with one message.
pub fn card(message: i32, state: &Notification) -> Card {
    Card {
        chat: ChatId(-1_001),
        parts: vec![ShownPart { id: MessageId(message), digest: 7 }],
        state: state.clone(),
        told: None,
        shown: None,
        pinned: None,
        digest: None,
        stale: Vec::new(),
        unfinished: None,
        updated_at: at(0),
        closed_at: None,
    }
}

/// What each alert of a notification is: name, status, and whether it is unlisted.
pub fn alerts(notification: &Notification) -> Vec<(&str, Status, bool)> {
    let mut alerts: Vec<_> = notification
        .alerts
        .iter()
        .map(|alert| (alert.fingerprint.as_str(), alert.status, alert.unlisted))
        .collect();
    alerts.sort_unstable();
    alerts
}

/// Accepts into one lane and tells what became of it.
pub async fn accept(store: &dyn Outbox, submission: Submission) -> Fate {
    store.accept(submission).await.expect("accepted").lanes[0].1
}

/// Leases what must be there.
pub async fn lease(store: &dyn Outbox, lane: &LaneId) -> Leased {
    store.lease(lane).await.expect("the store answers").expect("something waits")
}

/// Shows what was leased, as message `message`.
pub async fn show(store: &dyn Outbox, leased: &Leased, message: i32) {
    let card = card(message, &leased.entry.state);
    store.settle(leased.lease.clone(), Settlement::Shown(card)).await.expect("settled");
}

/// The groups of the entries in a state, oldest first.
pub async fn groups(store: &dyn Outbox, state: EntryState) -> Vec<String> {
    let views = store.list(Some(state), 100).await.expect("listed");
    views.into_iter().map(|view: EntryView| view.group.key).collect()
}
