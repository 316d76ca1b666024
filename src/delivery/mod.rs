//! Lane workers: they lease what waits, have it rendered, keep the pace and judge the answers.
//!
//! One worker a lane, started when the lane first has something to say. A worker leases one
//! entry at a time and only once the chat's pace allows a send, so what it says is the present
//! state at the moment of saying it, and the most important thing that waits.

mod bot;
mod chats;
mod lane;
mod notice;
mod pace;
mod photos;
mod plan;
mod report;
mod sound;
mod speaker;
mod tables;
mod topics;
mod verdict;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{Notify, Semaphore, broadcast};
use tokio::time::Instant;

pub use self::bot::{AskForToken, Bot, WhyNoToken};
pub use self::chats::{Chat, ChatNumber, Chats};
use self::pace::Paces;
pub use self::report::{Hindrance, Insight, Outcome, Report};
pub use self::sound::{QuietHours, Sound};
pub use self::topics::TopicBook;
use crate::clock::Clock;
use crate::images::Images;
use crate::lifecycle::Tasks;
use crate::outbox::{Outbox, StoreError};
use crate::rendering::Renderer;
use crate::routing::{ChatAlias, LaneId, Severities};
use crate::telegram::{ChatId, Client};
use crate::telemetry::Metrics;

/// How delivery behaves; swapped as a whole at a reload.
#[derive(Debug, Clone)]
pub struct DeliveryOptions {
    /// How long an unreachable chat is tried before its entries become dead letters.
    pub dead_after: Duration,
    /// A group that ended this long ago gets a new card when it fires again.
    pub new_card_after: Duration,
    /// The severities that the installation knows, worst first.
    pub severities: Severities,
    /// Where nabat tells that a chat can't be reached, or goes by another number.
    pub fallback: Option<LaneId>,
    /// Fetches the pictures of alerts; without it none are shown.
    pub images: Option<Arc<Images>>,
}

/// What every lane works with.
pub struct Surroundings {
    pub outbox: Arc<dyn Outbox>,
    /// Shared with whoever checks tokens.
    pub client: Arc<ArcSwap<Client>>,
    pub bot: Bot,
    pub chats: Arc<Chats>,
    /// Shared with whoever routes.
    pub topics: Arc<TopicBook>,
    pub renderer: Arc<ArcSwap<Renderer>>,
    pub metrics: Arc<Metrics>,
    pub clock: Arc<Clock>,
    pub options: ArcSwap<DeliveryOptions>,
    pub tasks: Tasks,
}

impl std::fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Surroundings").finish_non_exhaustive()
    }
}

/// The delivery of everything the outbox holds.
#[derive(Clone)]
pub struct Delivery {
    shared: Arc<Shared>,
}

struct Shared {
    with: Surroundings,
    paces: Paces,
    reports: broadcast::Sender<Report>,
    /// In order, so that a simulation wakes them alike each time.
    lanes: Mutex<BTreeMap<LaneId, Arc<Bell>>>,
    /// One for each picture under way.
    photos: Arc<Semaphore>,
    /// One for each lane that has a digest's groups unpacked, before it tells of them and behind it.
    gathering: Semaphore,
    settling: Semaphore,
    /// The number that each chat is configured with and the one it goes by, as the fallback chat knows
    /// them; locked by whoever tells it.
    moves: tokio::sync::Mutex<HashMap<ChatAlias, (ChatId, ChatId)>>,
    /// When Telegram last did what a lane asked for.
    heard: Heard,
    tables: tables::Tables,
    /// Chats in which nabat may not pin, as far as it was told.
    unpinnable: Mutex<HashSet<ChatId>>,
    began_at: jiff::Timestamp,
    /// Chats that an earlier process was sending to when it died, until their pace knows.
    cut: Mutex<HashSet<ChatAlias>>,
}

/// A time that many write.
#[derive(Debug, Default)]
struct Heard(Mutex<Option<Instant>>);

impl Heard {
    fn store(&self, now: Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    }

    fn load(&self) -> Option<Instant> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn may_pin(&self, chat: ChatId) -> bool {
        !self.unpinnable.lock().unwrap_or_else(PoisonError::into_inner).contains(&chat)
    }

    /// Whether an earlier process was sending to the chat when it died; true once.
    fn was_cut(&self, chat: &ChatAlias) -> bool {
        self.cut.lock().unwrap_or_else(PoisonError::into_inner).remove(chat)
    }

    /// Notes that nabat may not pin in a chat; true when that was not known.
    fn pins_forbidden(&self, chat: ChatId) -> bool {
        self.unpinnable.lock().unwrap_or_else(PoisonError::into_inner).insert(chat)
    }
}

/// How a lane's worker is called, and what it answers.
#[derive(Debug, Default)]
struct Bell {
    /// Something waits.
    news: Notify,
    /// A person changed something: what failed before is worth trying now.
    urge: Notify,
    /// Another lane reached Telegram again: who failed on the way there may try now.
    fair: Notify,
    /// What its last try came back with, until one is good.
    hindrance: Mutex<Option<Hindrance>>,
}

impl Bell {
    fn hindered(&self, hindrance: Option<Hindrance>) {
        *self.hindrance.lock().unwrap_or_else(PoisonError::into_inner) = hindrance;
    }
}

impl std::fmt::Debug for Delivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Delivery").finish_non_exhaustive()
    }
}

/// Reports that a slow listener may fall behind before it misses some.
const REPORTS_KEPT: usize = 1024;

impl Delivery {
    /// Nothing runs until [`Delivery::start`] or [`Delivery::wake`].
    pub fn new(with: Surroundings) -> Self {
        let cut = with.outbox.cut_sends().keys().cloned().collect();
        let shared = Shared {
            began_at: with.clock.now(),
            with,
            cut: Mutex::new(cut),
            paces: Paces::default(),
            reports: broadcast::channel(REPORTS_KEPT).0,
            lanes: Mutex::default(),
            gathering: Semaphore::new(lane::GATHER_AT_ONCE),
            settling: Semaphore::new(lane::SETTLE_AT_ONCE),
            moves: tokio::sync::Mutex::default(),
            heard: Heard::default(),
            tables: tables::Tables::default(),
            photos: Arc::new(Semaphore::new(photos::MOST_AT_ONCE)),
            unpinnable: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Starts a worker for every lane in which something waits from before.
    pub async fn start(&self) -> Result<(), StoreError> {
        let with = &self.shared.with;
        let footprints = with.outbox.footprints().await?;
        // The lanes of a chat send one at a time.
        let cut = with.outbox.cut_sends().len();
        self.shared.paces.restore(&footprints, cut, Instant::now(), with.clock.now());
        for lane in self.shared.with.outbox.lanes().await? {
            self.wake(&lane);
        }
        Ok(())
    }

    /// Tells soon of chats that moved, and of those whose configuration knows it by now: of the one, or of
    /// all, whose fallback chat may be another.
    pub fn look_at_moves(&self, of: Option<&ChatAlias>) {
        let (delivery, of) = (self.clone(), of.cloned());
        let tell = async move {
            match of {
                Some(alias) => delivery.tell_if_moved(&alias).await,
                None => delivery.tell_of_moves().await,
            }
        };
        drop(self.shared.with.tasks.spawn("moves", tell));
    }

    /// Something waits in the lane.
    pub fn wake(&self, lane: &LaneId) {
        let mut lanes = self.shared.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bell) = lanes.get(lane) {
            bell.news.notify_one();
            return;
        }
        let bell = Arc::new(Bell::default());
        bell.news.notify_one();
        lanes.insert(lane.clone(), Arc::clone(&bell));
        let worker = lane::Worker::new(self.clone(), lane.clone(), bell);
        drop(self.shared.with.tasks.spawn("lane", worker.run()));
    }

    /// A person wants the lane to be tried now, whatever pause its failures or a refused token have
    /// earned it.
    pub fn urge(&self, lane: &LaneId) {
        self.wake(lane);
        self.shared.with.bot.try_again();
        let lanes = self.shared.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bell) = lanes.get(lane) {
            bell.hindered(None);
            bell.urge.notify_one();
        }
    }

    /// Has the store keep how the limits of a chat and of the bot are used up, e.g. behind a 429: a
    /// restart must not send into it.
    async fn keep_paces(&self, chat: ChatId) {
        let Shared { with, paces, .. } = &*self.shared;
        let (now, clock) = (Instant::now(), with.clock.now());
        with.outbox.keep_footprint(paces.chat(chat).footprint(chat, now, clock)).await;
        if let Some(footprint) = paces.footprint(now, clock) {
            with.outbox.keep_footprint(footprint).await;
        }
    }

    /// A lane got through behind failures: the others need not wait out their pauses.
    fn telegram_is_back(&self) {
        let lanes = self.shared.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        for bell in lanes.values() {
            bell.fair.notify_waiters();
        }
    }

    /// Urges every lane that was ever awake, e.g. after the chats were configured anew.
    pub fn urge_all(&self) {
        self.shared.with.topics.try_again();
        self.shared.unpinnable.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let lanes = self.shared.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        for bell in lanes.values() {
            bell.news.notify_one();
            bell.urge.notify_one();
        }
    }

    /// Gives tests and the reload what the lanes work with.
    pub fn surroundings(&self) -> &Surroundings {
        &self.shared.with
    }
}

impl Insight for Delivery {
    fn reports(&self) -> broadcast::Receiver<Report> {
        self.shared.reports.subscribe()
    }

    fn hindrance(&self, lane: &LaneId) -> Option<Hindrance> {
        let Shared { with, paces, lanes, .. } = &*self.shared;
        if let Some(hindrance) = with.bot.hindrance() {
            return Some(hindrance);
        }
        let passing = |why: String| Some(Hindrance { why, lasts: false });
        let Some(number) = with.chats.get(&lane.chat)?.number.get() else {
            return passing("the chat's id has not been read yet".to_owned());
        };
        let now = Instant::now();
        let asked = paces.chat(with.chats.follow(number)).blocked_until(now);
        if let Some(until) = asked.max(paces.silent_until(now)) {
            let seconds = (until - now).as_secs() + 1;
            return passing(format!("429: Telegram asked to wait, for {seconds} s from now"));
        }
        let lanes = lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let bell = lanes.get(lane)?;
        bell.hindrance.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
