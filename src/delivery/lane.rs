//! One lane's worker: when it speaks, when it waits, what it does about trouble.

mod lines;
mod many;
mod over;
mod storm;
mod told;
mod trouble;
mod turn;
mod weather;

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::Instant;

pub(super) use self::told::{GATHER_AT_ONCE, SETTLE_AT_ONCE};
use self::trouble::{
    FIRST_BACKOFF, FIRST_PARKING, LONGEST_BACKOFF, LONGEST_PARKING, Trouble, backoff,
};
use self::weather::{Outlook, Weather};
use super::pace::ChatPace;
use super::plan::{Step, plan};
use super::report::{Outcome, Report};
use super::speaker::{Conditions, HeldUp, Interruption, Speaker, Voice};
use super::{Bell, Delivery};
use crate::alert::{GroupId, Status};
use crate::outbox::{DeathReason, EntryId, Lease, Leased, Settlement, StoreError};
use crate::routing::LaneId;
use crate::telegram::ChatId;

/// An entry that makes its worker panic this often becomes a dead letter.
const PANICS_ALLOWED: u32 = 3;
/// How long to wait for the store when it fails.
const STORE_PAUSE: Duration = Duration::from_secs(1);

pub(super) struct Worker {
    delivery: Delivery,
    lane: LaneId,
    bell: Arc<Bell>,
    trouble: Trouble,
    /// The leases that are out, to be given back when their handling panics.
    held: Arc<Mutex<Vec<Lease>>>,
    weather: Weather,
    panics: HashMap<EntryId, u32>,
    /// Whether a message got through since the start.
    reached: bool,
    held_up: HeldUp,
}

/// What the worker does next.
enum Next {
    Again,
    /// Nothing waits; the store says when something does.
    Idle,
    /// Nothing can be said; sleep until woken.
    Deaf,
    Pause(Duration),
}

impl Worker {
    pub fn new(delivery: Delivery, lane: LaneId, bell: Arc<Bell>) -> Self {
        Self {
            delivery,
            lane,
            bell,
            trouble: Trouble::default(),
            held: Arc::default(),
            weather: Weather::default(),
            panics: HashMap::new(),
            reached: false,
            held_up: HeldUp::default(),
        }
    }

    /// Works until the program stops.
    pub async fn run(mut self) {
        let shared = Arc::clone(&self.delivery.shared);
        let (tasks, outbox) = (&shared.with.tasks, &shared.with.outbox);
        let mut handed = None;
        while !tasks.is_stopping() {
            let turn = self.turn(handed.take());
            let next = match AssertUnwindSafe(turn).catch_unwind().await {
                Ok(next) => next,
                Err(_) => self.after_panic().await,
            };
            let bell = Arc::clone(&self.bell);
            match next {
                Next::Again => {}
                Next::Idle => tokio::select! {
                    biased;
                    leased = outbox.lease_next(&self.lane) => match leased {
                        Ok(leased) => handed = Some(leased),
                        Err(error) => self.store_failed(&error).await,
                    },
                    () = bell.urge.notified() => {}
                    () = until(self.weather.calm_at()) => {}
                    () = tasks.stopping() => {}
                },
                Next::Deaf => tokio::select! {
                    biased;
                    () = bell.news.notified() => {}
                    () = tasks.stopping() => {}
                },
                Next::Pause(pause) => tokio::select! {
                    biased;
                    () = tokio::time::sleep(pause) => {}
                    () = bell.urge.notified() => self.trouble.until = None,
                    // A chat that shut the bot out is no nearer for that.
                    () = bell.fair.notified(), if self.trouble.parked_since.is_none() => {
                        self.trouble.until = None;
                    }
                    () = tasks.stopping() => {}
                },
            }
        }
        self.give_back(handed).await;
    }

    async fn store_failed(&self, error: &StoreError) {
        if !matches!(error, StoreError::Closed) {
            tracing::warn!(lane = %self.lane, %error, "the outbox gives nothing out");
        }
        let tasks = &self.delivery.shared.with.tasks;
        tokio::select! {
            biased;
            () = tokio::time::sleep(STORE_PAUSE) => {}
            () = tasks.stopping() => {}
        }
    }

    /// Ends a lease for which nothing was said.
    async fn give_back(&self, leased: Option<Leased>) {
        if let Some(leased) = leased {
            self.settle(leased.lease, Settlement::Released { attempt: None }).await;
        }
    }

    /// Says one thing, if there is one to say and nothing forbids it. What the store handed over
    /// is said at once or given back: it may not be the most important thing any more later on.
    async fn turn(&mut self, handed: Option<Leased>) -> Next {
        let mut handed = handed;
        if let Some(leased) = &handed {
            self.hold(leased.lease.clone());
        }
        let next = self.speak_once(&mut handed).await;
        self.give_back(handed).await;
        next
    }

    /// Waits, but not with something handed over in hand. `None` when there is no more waiting.
    async fn wait<T>(&self, in_hand: bool, event: impl Future<Output = T>) -> Option<T> {
        if in_hand {
            return event.now_or_never();
        }
        tokio::select! {
            biased;
            value = event => Some(value),
            () = self.delivery.shared.with.tasks.stopping() => None,
        }
    }

    async fn speak_once(&mut self, handed: &mut Option<Leased>) -> Next {
        let in_hand = handed.is_some();
        let shared = Arc::clone(&self.delivery.shared);
        let with = &shared.with;
        let Some(chat) = with.chats.get(&self.lane.chat) else {
            return self.bury_for_missing_chat().await;
        };
        if let Some(until) = self.trouble.until {
            let now = Instant::now();
            if now < until {
                if let Some(number) = chat.number.get() {
                    shared.paces.chat(with.chats.follow(number)).waiting(&self.lane, 0);
                }
                return Next::Pause(until - now);
            }
        }
        let Some(number) = chat.number.get() else {
            // A secret that has not arrived; the source wakes all lanes when it does.
            self.held_up.trouble = Some(with.clock.now());
            return Next::Pause(STORE_PAUSE);
        };
        let number = with.chats.follow(number);
        let usable = with.bot.is_usable();
        let Some(token) = self.wait(in_hand, with.bot.usable()).await else { return Next::Again };
        if !usable {
            self.held_up.trouble = Some(with.clock.now());
        }
        let pace = shared.paces.chat(number);
        if shared.was_cut(&self.lane.chat) {
            pace.assume_sent(Instant::now());
        }
        // What is said is chosen when it can be said, not before.
        let Some(_turn) = self.my_turn(&pace, in_hand).await else { return Next::Again };
        let (delivery, lane) = (self.delivery.clone(), self.lane.clone());
        let threshold = chat.storm_threshold;
        let mut voice = Voice::new(&delivery, &lane, chat, number, &pace, token);
        voice.conditions = self.conditions(&pace);
        if let Some(leased) = handed.take() {
            return self.say_one(voice, leased).await;
        }
        let leased = match self.look_out(&pace, threshold).await {
            // Boxed, for a lane's future is in memory all its life, and storms are rare.
            Ok(Outlook::Storm(backlog)) => return Box::pin(self.tell_many(voice, &backlog)).await,
            Ok(Outlook::Over) => return Box::pin(self.tell_over(voice)).await,
            Ok(Outlook::Fair) => with.outbox.lease(&self.lane).await,
            Err(error) => Err(error),
        };
        match leased {
            Ok(Some(leased)) => self.say_one(voice, leased).await,
            Ok(None) => Next::Idle,
            Err(error) => {
                self.store_failed(&error).await;
                Next::Again
            }
        }
    }

    fn conditions(&self, pace: &ChatPace) -> Conditions {
        Conditions {
            storm: self.weather.storm.is_some(),
            trouble: self.trouble.failures > 0 || pace.slowness() > 1.0,
            began_at: self.delivery.shared.began_at,
            held_up: self.held_up,
        }
    }

    /// Says the next thing about one entry.
    async fn say_one(&mut self, voice: Voice<'_>, leased: Leased) -> Next {
        self.hold(leased.lease.clone());
        if leased.card.as_ref().is_some_and(|card| card.digest.is_some()) {
            let options = self.delivery.shared.with.options.load_full();
            let ground = voice.ground(&options);
            if let Some(Step::Line(digest)) =
                plan(&leased.entry, leased.card.as_ref(), &ground).next
            {
                let voice = Voice { durable: leased.durable.clone(), ..voice };
                return Box::pin(self.tell_lines(voice, leased, digest)).await;
            }
        }
        self.note_alone(&voice, &leased);
        let group = leased.entry.state.group.clone();
        let lease = leased.lease.clone();
        let accepted_at = leased.entry.first_accepted_at;
        let form = self.trouble.form(leased.entry.id);
        let number = voice.number;
        let mut speaker = Speaker::new(voice, leased).no_richer_than(form);
        let (settlement, next) = match speaker.speak().await {
            Ok(settlement) => {
                self.recovered().await;
                (settlement, Next::Again)
            }
            Err(interruption) => {
                self.interrupted(interruption, lease.entry, &group, number, accepted_at).await
            }
        };
        self.settle(lease, settlement).await;
        next
    }

    /// Decides what an interruption means for the entry and for the lane.
    async fn interrupted(
        &mut self,
        interruption: Interruption,
        entry: EntryId,
        group: &GroupId,
        number: ChatId,
        accepted_at: jiff::Timestamp,
    ) -> (Settlement, Next) {
        let quietly = Settlement::Released { attempt: None };
        match interruption {
            Interruption::Stopping | Interruption::NotStored | Interruption::TokenRefused => {
                (quietly, Next::Again)
            }
            Interruption::RateLimited => {
                self.report(group, Outcome::Waiting { why: "429: Telegram asked to wait".into() });
                let shared = &self.delivery.shared;
                let (pace, clock) = (shared.paces.chat(number), shared.with.clock.now());
                let footprint = pace.footprint(number, Instant::now(), clock);
                shared.with.outbox.keep_footprint(footprint).await;
                if let Some(footprint) = shared.paces.footprint(Instant::now(), clock) {
                    shared.with.outbox.keep_footprint(footprint).await;
                }
                (quietly, Next::Again)
            }
            Interruption::Moved(to) => {
                self.chat_moved(number, to).await;
                (quietly, Next::Again)
            }
            Interruption::Failed { why, answered } => {
                if answered {
                    self.trouble.failed_on(entry);
                }
                self.fail(&why, FIRST_BACKOFF, LONGEST_BACKOFF);
                self.report(group, Outcome::Waiting { why: why.clone() });
                (Settlement::Released { attempt: Some(why) }, Next::Again)
            }
            Interruption::Refused { why } => {
                let why = format!("Telegram takes no form of this message: {why}");
                tracing::error!(lane = %self.lane, ?group, %why, "dead letter");
                self.count_death(DeathReason::Refused, 1);
                self.report(group, Outcome::Dead { why: why.clone() });
                (Settlement::Dead { reason: DeathReason::Refused, detail: why }, Next::Again)
            }
            Interruption::Unreachable { why } => self.park(&why, group, accepted_at).await,
            Interruption::PinGivenUp(card) => (Settlement::Shown(*card), Next::Again),
        }
    }

    /// The chat can't be written to: tell it once, try rarely, give up on what is too old.
    async fn park(
        &mut self,
        why: &str,
        group: &GroupId,
        accepted_at: jiff::Timestamp,
    ) -> (Settlement, Next) {
        let dead_after = self.delivery.shared.with.options.load().dead_after;
        let longest = LONGEST_PARKING.min((dead_after / 4).max(Duration::from_millis(100)));
        self.fail(why, FIRST_PARKING.min(longest), longest);
        let now = Instant::now();
        if self.trouble.parked_since.is_none() {
            tracing::error!(lane = %self.lane, %why, "the chat can't be written to; its alerts wait");
        }
        let since = *self.trouble.parked_since.get_or_insert(now);
        if !self.trouble.told {
            self.trouble.told = self.delivery.tell_fallback(&self.lane, why, Status::Firing).await;
        }
        // An entry may be old because something else was wrong before.
        if now - since < dead_after {
            self.report(group, Outcome::Waiting { why: why.into() });
            return (Settlement::Released { attempt: Some(why.into()) }, Next::Again);
        }
        let Some(cutoff) = self.cutoff(dead_after) else {
            return (Settlement::Released { attempt: Some(why.into()) }, Next::Again);
        };
        let buried = self
            .delivery
            .shared
            .with
            .outbox
            .bury(&self.lane, cutoff, DeathReason::Unreachable, why)
            .await
            .unwrap_or_default();
        self.count_death(DeathReason::Unreachable, buried);
        if accepted_at < cutoff {
            self.count_death(DeathReason::Unreachable, 1);
            self.report(group, Outcome::Dead { why: why.into() });
            let settlement =
                Settlement::Dead { reason: DeathReason::Unreachable, detail: why.into() };
            return (settlement, Next::Again);
        }
        self.report(group, Outcome::Waiting { why: why.into() });
        (Settlement::Released { attempt: Some(why.into()) }, Next::Again)
    }

    fn cutoff(&self, dead_after: Duration) -> Option<jiff::Timestamp> {
        let age = jiff::SignedDuration::try_from(dead_after).ok()?;
        self.delivery.shared.with.clock.now().checked_sub(age).ok()
    }

    /// Everything of a chat that is not configured any more becomes a dead letter.
    async fn bury_for_missing_chat(&mut self) -> Next {
        let with = &self.delivery.shared.with;
        let detail = format!("no chat is called {} in the configuration", self.lane.chat);
        let always = jiff::Timestamp::MAX;
        match with.outbox.bury(&self.lane, always, DeathReason::NoSuchChat, &detail).await {
            Ok(0) | Err(StoreError::Closed) => Next::Deaf,
            Ok(buried) => {
                tracing::error!(
                    lane = %self.lane, buried,
                    "the chat is not configured any more: dead letters; \
                     configure it again, then: nabat outbox retry"
                );
                self.count_death(DeathReason::NoSuchChat, buried);
                Next::Deaf
            }
            Err(error) => {
                tracing::warn!(lane = %self.lane, %error, "the outbox can't bury");
                Next::Pause(STORE_PAUSE)
            }
        }
    }

    async fn chat_moved(&self, from: ChatId, to: ChatId) {
        let with = &self.delivery.shared.with;
        tracing::warn!(
            lane = %self.lane, %from, %to,
            "the group became a supergroup; nabat goes on there. Set chats.{}.id to {to}",
            self.lane.chat
        );
        with.chats.moved(from, to);
        if let Err(error) = with.outbox.remember_migration(from, to).await {
            tracing::warn!(%error, "the chat's new id could not be kept");
        }
    }

    fn fail(&mut self, why: &str, first: Duration, longest: Duration) {
        let pause = backoff(first, longest, self.trouble.failures, &self.lane);
        self.trouble.failures += 1;
        self.trouble.until = Some(Instant::now() + pause);
        if self.trouble.failures == 1 {
            tracing::warn!(lane = %self.lane, %why, "a message could not be sent; trying on");
        } else {
            tracing::debug!(lane = %self.lane, %why, failures = self.trouble.failures, "still not sent");
        }
    }

    async fn recovered(&mut self) {
        let before = std::mem::take(&mut self.trouble);
        if before.failures > 0 {
            self.held_up.trouble = Some(self.delivery.shared.with.clock.now());
            tracing::info!(lane = %self.lane, failures = before.failures, "messages get through again");
            if before.parked_since.is_none() {
                self.delivery.telegram_is_back();
            }
        }
        let first = !std::mem::replace(&mut self.reached, true);
        if before.told || (first && self.delivery.is_told(&self.lane).await) {
            let why = "it can be written to again";
            self.delivery.tell_fallback(&self.lane, why, Status::Resolved).await;
        }
    }

    /// Ends the lease, however long the store takes: what was shown must not be shown again.
    async fn settle(&self, lease: Lease, settlement: Settlement) {
        let with = &self.delivery.shared.with;
        loop {
            match with.outbox.settle(lease.clone(), settlement.clone()).await {
                Ok(()) | Err(StoreError::Closed) => break,
                Err(StoreError::LeaseLost(_) | StoreError::NoSuchEntry(_)) => {
                    tracing::debug!(lane = %self.lane, entry = %lease.entry, "not leased any more");
                    break;
                }
                Err(error) => {
                    tracing::warn!(lane = %self.lane, %error, "the outbox can't note what was sent; trying on");
                }
            }
            tokio::time::sleep(STORE_PAUSE).await;
        }
        self.let_go(&lease);
    }

    async fn after_panic(&mut self) -> Next {
        let held = std::mem::take(&mut *self.held.lock().unwrap_or_else(PoisonError::into_inner));
        if held.len() > 1 {
            // One by one it shows whose fault it was.
            tracing::error!(lane = %self.lane, "handling several entries at once panicked");
            self.weather.tell_one_by_one();
            for lease in held {
                self.settle(lease, Settlement::Released { attempt: None }).await;
            }
            return Next::Pause(FIRST_BACKOFF);
        }
        let Some(lease) = held.into_iter().next() else { return Next::Pause(STORE_PAUSE) };
        let panics = self.panics.entry(lease.entry).or_default();
        *panics += 1;
        tracing::error!(lane = %self.lane, entry = %lease.entry, panics, "handling an entry panicked");
        let detail = "handling it panicked; please report this";
        let settlement = if *panics >= PANICS_ALLOWED {
            self.panics.remove(&lease.entry);
            self.count_death(DeathReason::Poisonous, 1);
            Settlement::Dead { reason: DeathReason::Poisonous, detail: detail.into() }
        } else {
            Settlement::Released { attempt: Some(detail.into()) }
        };
        self.settle(lease, settlement).await;
        Next::Pause(FIRST_BACKOFF)
    }

    fn hold(&self, lease: Lease) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if !held.contains(&lease) {
            held.push(lease);
        }
    }

    fn let_go(&self, lease: &Lease) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).retain(|held| held != lease);
    }

    fn report(&self, group: &GroupId, outcome: Outcome) {
        let report = Report { lane: self.lane.clone(), group: group.clone(), outcome };
        let _ = self.delivery.shared.reports.send(report);
    }

    fn count_death(&self, reason: DeathReason, deaths: u64) {
        self.delivery
            .shared
            .with
            .metrics
            .dead_letters
            .with_label_values(&[self.lane.chat.as_str(), reason.as_str()])
            .inc_by(deaths);
    }
}

/// Waits until then; for ever without a time.
async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}
