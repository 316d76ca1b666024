//! One lane's worker: when it speaks, when it waits, what it does about trouble.

mod leases;
mod lines;
mod over;
mod setback;
mod storm;
mod told;
mod trouble;
mod turn;
mod weather;

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::Instant;

pub(super) use self::told::{GATHER_AT_ONCE, SETTLE_AT_ONCE};
use self::trouble::{Tried, Trouble};
use self::weather::{Outlook, Weather};
use super::pace::ChatPace;
use super::plan::{Step, plan};
use super::speaker::{Conditions, HeldUp, Speaker, Voice};
use super::{Bell, Delivery};
use crate::outbox::{EntryId, Lease, Leased};
use crate::routing::LaneId;
use crate::telegram::ChatId;

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
    /// The chat's number as it was configured when the lane last looked.
    configured: Option<ChatId>,
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
            configured: None,
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
                    () = bell.news.notified(), if self.trouble.yields => {
                        self.trouble.until = None;
                    }
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
            // A secret that has not arrived.
            self.held_up.trouble = Some(with.clock.now());
            return Next::Pause(STORE_PAUSE);
        };
        if self.configured.replace(number) != Some(number) {
            self.delivery.look_at_moves(Some(&self.lane.chat));
        }
        let number = with.chats.follow(number);
        if !with.bot.is_usable() {
            self.wait(in_hand, with.bot.usable()).await;
            self.held_up.trouble = Some(with.clock.now());
            return Next::Again;
        }
        let pace = shared.paces.chat(number);
        if shared.was_cut(&self.lane.chat) {
            pace.assume_sent(Instant::now());
        }
        // What is said is chosen when it can be said, not before.
        let Some(_turn) = self.my_turn(&pace, in_hand).await else { return Next::Again };
        // Meanwhile the chat may have got another number or other wishes, and the bot a new token.
        let Some(chat) = with.chats.get(&self.lane.chat) else { return Next::Again };
        if chat.number.get().map(|number| with.chats.follow(number)) != Some(number) {
            return Next::Again;
        }
        let Some(token) = with.bot.usable().now_or_never() else { return Next::Again };
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
        let on = Tried::Entry(leased.entry.id);
        // Then only the card is to be brought up to date.
        let now = Some((leased.entry.id, leased.entry.version));
        let is_told = leased.card.as_ref().is_some_and(|card| card.told == now);
        let form = self.trouble.form(leased.entry.id);
        let (number, token) = (voice.number, Arc::clone(&voice.token));
        let mut speaker = Speaker::new(voice, leased).no_richer_than(form);
        let (settlement, next) = match speaker.speak().await {
            Ok(settlement) => {
                self.recovered(on).await;
                (settlement, Next::Again)
            }
            Err(interruption) => {
                self.note_failure(on, &token, &interruption).await;
                let next = self.interrupted(interruption, &group, number, accepted_at).await;
                self.trouble.yields = is_told;
                next
            }
        };
        self.settle(lease, settlement).await;
        next
    }
}

/// Waits until then; for ever without a time.
async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}
