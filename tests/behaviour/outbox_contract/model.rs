//! Random sequences of everything a store is asked, compared with a model of a few lines.

mod reference;

use nabat::alert::{Alert, Reason, Status};
use nabat::outbox::{
    Card, Class, DeathReason, EntryId, EntryState, Fate, Lease, Outbox, Priority, Settlement,
    Submission,
};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use self::reference::Model;
use super::{Place, Settings, at, card, fires, lane, submission, to};

/// Chats; a chat is a lane here.
const CHATS: [&str; 2] = ["ops", "boss"];
const WINDOW: i64 = 45;

/// One thing done to a store. Indices are taken modulo what there is.
#[derive(Debug, Clone)]
enum Step {
    Accept { chats: Vec<usize>, said: Said },
    Lease { chat: usize },
    Settle { lease: usize, end: End },
    Retry { entry: usize },
    Drop { entry: usize },
    Bury { chat: usize, age: i64 },
    Reopen { orderly: bool },
}

/// What a notification says.
#[derive(Debug, Clone)]
pub struct Said {
    pub group: usize,
    /// Fingerprint → whether it fires, and since when.
    pub alerts: BTreeMap<usize, (bool, i64)>,
    pub truncated: bool,
    pub repeat: bool,
    pub severity: u8,
    pub class: Class,
}

#[derive(Debug, Clone, Copy)]
enum End {
    Shown,
    Partly { class: Class, told: bool },
    Released { failed: bool },
    Dead,
}

fn class() -> impl Strategy<Value = Class> {
    proptest::sample::select(Class::ALL.to_vec())
}

fn said() -> impl Strategy<Value = Said> {
    let alerts = proptest::collection::btree_map(0..3_usize, (any::<bool>(), 0..2_i64), 1..=3);
    let often_not = || proptest::bool::weighted(0.1);
    (0..3_usize, alerts, often_not(), often_not(), 0..3_u8, class()).prop_map(
        |(group, alerts, truncated, repeat, severity, class)| Said {
            group,
            alerts,
            truncated,
            repeat,
            severity,
            class,
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let chats = proptest::sample::subsequence(vec![0, 1], 1..=2);
    let end = prop_oneof![
        3 => Just(End::Shown),
        1 => (class(), any::<bool>()).prop_map(|(class, told)| End::Partly { class, told }),
        1 => any::<bool>().prop_map(|failed| End::Released { failed }),
        1 => Just(End::Dead),
    ];
    prop_oneof![
        6 => (chats, said()).prop_map(|(chats, said)| Step::Accept { chats, said }),
        4 => (0..2_usize).prop_map(|chat| Step::Lease { chat }),
        4 => (any::<usize>(), end).prop_map(|(lease, end)| Step::Settle { lease, end }),
        1 => any::<usize>().prop_map(|entry| Step::Retry { entry }),
        1 => any::<usize>().prop_map(|entry| Step::Drop { entry }),
        1 => (0..2_usize, 0..60_i64).prop_map(|(chat, age)| Step::Bury { chat, age }),
        1 => any::<bool>().prop_map(|orderly| Step::Reopen { orderly }),
    ]
}

impl Said {
    fn submission(&self, chats: &[usize], now: i64) -> Submission {
        let alerts: Vec<Alert> = self
            .alerts
            .iter()
            .map(|(name, (is_firing, since))| Alert {
                status: if *is_firing { Status::Firing } else { Status::Resolved },
                starts_at: at(*since),
                ..fires(&name.to_string())
            })
            .collect();
        let mut sent = submission(&self.group.to_string(), &alerts);
        let notification = Arc::make_mut(&mut sent.notification);
        notification.truncated_alerts = u64::from(self.truncated);
        if self.repeat {
            notification.reason = Reason::RepeatIntervalElapsed;
        }
        Submission {
            destinations: chats.iter().map(|chat| to(lane(CHATS[*chat]))).collect(),
            priority: Priority { severity: self.severity, class: self.class },
            at: at(now),
            ..sent
        }
    }
}

/// A store and its model, side by side.
struct Pair<P: Place> {
    place: P,
    /// Absent only while it is opened again.
    store: Option<Arc<dyn Outbox>>,
    model: Model,
    /// The leases that are out, and whose they are.
    out: Vec<(Lease, (usize, usize))>,
    now: i64,
    messages: i32,
}

fn settings() -> Settings {
    Settings { dedup_window: Duration::from_secs(WINDOW.unsigned_abs()), ..Settings::default() }
}

impl<P: Place> Pair<P> {
    async fn new(place: P) -> Self {
        let store = Some(place.open_with(settings()).await);
        Self { place, store, model: Model::new(WINDOW), out: Vec::new(), now: 0, messages: 0 }
    }

    fn store(&self) -> &dyn Outbox {
        &**self.store.as_ref().unwrap()
    }

    async fn step(&mut self, step: &Step) {
        self.now += 10;
        match step {
            Step::Accept { chats, said } => {
                let accepted = self.store().accept(said.submission(chats, self.now)).await.unwrap();
                let fates: Vec<Fate> = accepted.lanes.into_iter().map(|(_, fate)| fate).collect();
                let expected: Vec<Fate> =
                    chats.iter().map(|chat| self.model.accept(*chat, said, self.now)).collect();
                assert_eq!(fates, expected);
            }
            Step::Lease { chat } => self.lease(*chat).await,
            Step::Settle { lease, end } if !self.out.is_empty() => {
                let (lease, spot) = self.out.swap_remove(lease % self.out.len());
                self.settle(lease, spot, *end).await;
            }
            Step::Settle { .. } => {}
            Step::Retry { entry } => {
                if let Some(id) = self.entry(*entry) {
                    let retried = self.store().retry(id).await.unwrap();
                    assert_eq!((retried.entry, retried.with), self.model.retry(id));
                }
            }
            Step::Drop { entry } => {
                if let Some(id) = self.entry(*entry) {
                    self.store().drop_entry(id).await.unwrap();
                    self.model.drop_entry(id);
                    self.out.retain(|(lease, _)| lease.entry != id);
                }
            }
            Step::Bury { chat, age } => {
                let (lane, before) = (lane(CHATS[*chat]), self.now - age);
                let reason = DeathReason::Unreachable;
                let buried = self.store().bury(&lane, at(before), reason, "test").await.unwrap();
                assert_eq!(buried, self.model.bury(*chat, before));
            }
            Step::Reopen { orderly } => self.reopen(*orderly).await,
        }
        self.compare().await;
    }

    async fn lease(&mut self, chat: usize) {
        let leased = self.store().lease(&lane(CHATS[chat])).await.unwrap();
        let expected = self.model.lease(chat);
        let id = leased.as_ref().map(|leased| leased.entry.id);
        assert_eq!(id, expected.as_ref().and_then(|entry| entry.id), "who speaks next");
        let (Some(leased), Some(expected)) = (leased, expected) else { return };
        let entry = &leased.entry;
        assert_eq!(reference::alerts(&entry.state), expected.alerts);
        assert_eq!((entry.merged, entry.attempts), (expected.merged, expected.attempts));
        assert_eq!(entry.first_accepted_at, at(expected.first));
        let spot = (chat, expected.group);
        let message = leased.card.map(|card: Card| card.parts[0].id.0);
        assert_eq!(message, self.model.cards.get(&spot).map(|card| card.message), "the card");
        self.out.push((leased.lease, spot));
    }

    async fn settle(&mut self, lease: Lease, spot: (usize, usize), end: End) {
        self.messages += 1;
        let mut shown = card(self.messages, &super::notification(&spot.1.to_string(), &[]));
        if matches!(end, End::Partly { told: true, .. }) {
            shown.told = Some((lease.entry, lease.version));
        }
        let settlement = match end {
            End::Shown => Settlement::Shown(shown),
            End::Partly { class, .. } => Settlement::Partly(shown, class),
            End::Released { failed } => {
                Settlement::Released { attempt: failed.then(|| "failed".to_owned()) }
            }
            End::Dead => Settlement::Dead { reason: DeathReason::Refused, detail: "no".into() },
        };
        self.store().settle(lease, settlement).await.unwrap();
        match end {
            End::Shown => self.model.shown(spot, self.messages),
            End::Partly { class, told } => self.model.partly(spot, self.messages, class, told),
            End::Released { failed } => self.model.released(spot, failed),
            End::Dead => self.model.refused(spot),
        }
    }

    async fn reopen(&mut self, orderly: bool) {
        if orderly {
            self.store().close().await;
        }
        self.store = None;
        self.store = Some(self.place.open_with(settings()).await);
        assert_eq!(self.store().cut_sends().values().sum::<u64>(), self.out.len() as u64);
        self.out.clear();
        self.model.reopened();
    }

    fn entry(&self, index: usize) -> Option<EntryId> {
        let ids = self.model.ids();
        ids.get(index % ids.len().max(1)).copied()
    }

    /// What the store holds is what the model holds.
    async fn compare(&mut self) {
        for state in [EntryState::Waiting, EntryState::Dead] {
            let views = self.store().list(Some(state), 100).await.unwrap();
            let mut held = Vec::new();
            for view in &views {
                let chat = CHATS.iter().position(|chat| *chat == view.chat.as_str()).unwrap();
                let group: usize = view.group.key.parse().unwrap();
                if state == EntryState::Waiting
                    && let Some(entry) = self.model.waiting.get_mut(&(chat, group))
                {
                    entry.id.get_or_insert(view.id);
                }
                let first = view.first_accepted_at.duration_since(at(0)).as_secs();
                let said = (view.merged, view.severity, view.class, view.attempts, first);
                held.push((chat, group, Some(view.id), said));
            }
            held.sort_unstable();
            let expected: Vec<_> = self
                .model
                .held(state)
                .into_iter()
                .map(|e| {
                    let said = (e.merged, e.severity, e.class, e.attempts, e.first);
                    (e.chat, e.group, e.id, said)
                })
                .collect();
            assert_eq!(held, expected, "{state:?}");
        }
        let totals = self.store().totals().await.unwrap();
        for (index, chat) in CHATS.iter().enumerate() {
            let of = totals.chats.get(&lane(chat).chat).cloned().unwrap_or_default();
            let counts = [EntryState::Waiting, EntryState::Dead].map(|state| {
                self.model.held(state).iter().filter(|entry| entry.chat == index).count() as u64
            });
            assert_eq!([of.waiting, of.dead], counts, "totals of {chat}");
            let oldest = self.model.oldest_waiting(index).map(at);
            assert_eq!(of.oldest_waiting, oldest, "since when {chat} waits");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn the_embedded_store_does_what_the_model_does(
        steps in proptest::collection::vec(step(), 1..60)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut pair = Pair::new(super::sqlite::Directory::fresh()).await;
            for step in &steps {
                pair.step(step).await;
            }
        });
    }
}
