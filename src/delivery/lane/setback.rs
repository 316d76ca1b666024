//! What keeps a lane from saying something, and what it does about it.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use secrecy::SecretString;
use tokio::time::Instant;

use super::trouble::{
    FIRST_BACKOFF, FIRST_PARKING, LONGEST_BACKOFF, LONGEST_PARKING, Tried, backoff,
};
use super::{Next, STORE_PAUSE, Worker};
use crate::alert::{GroupId, Status};
use crate::delivery::Hindrance;
use crate::delivery::bot::REFUSED;
use crate::delivery::report::{Outcome, Report};
use crate::delivery::speaker::Interruption;
use crate::outbox::{DeathReason, Settlement, StoreError};
use crate::telegram::{Answer, ChatId, Method};

/// An entry that makes its worker panic this often becomes a dead letter.
const PANICS_ALLOWED: u32 = 3;

impl Worker {
    /// Decides what an interruption means for the entry and for the lane.
    pub(super) async fn interrupted(
        &mut self,
        interruption: Interruption,
        group: &GroupId,
        number: ChatId,
        accepted_at: jiff::Timestamp,
    ) -> (Settlement, Next) {
        let quietly = Settlement::Released { attempt: None };
        match interruption {
            Interruption::Stopping | Interruption::NotStored => (quietly, Next::Again),
            Interruption::TokenRefused => {
                // A fresh one may be on its way.
                self.report_waiting(group, REFUSED, false);
                (quietly, Next::Again)
            }
            Interruption::RateLimited => {
                let why = "429: Telegram asked to wait";
                self.report_waiting(group, why, false);
                self.delivery.keep_paces(number).await;
                (quietly, Next::Again)
            }
            Interruption::Moved(to) => {
                self.chat_moved(number, to).await;
                (quietly, Next::Again)
            }
            Interruption::Failed { why, .. } => {
                self.fail(&why, FIRST_BACKOFF, LONGEST_BACKOFF);
                self.report_waiting(group, &why, false);
                (Settlement::Released { attempt: Some(why) }, Next::Again)
            }
            Interruption::Refused { why } => {
                let why = format!("Telegram takes no form of this message: {why}");
                tracing::error!(lane = %self.lane, ?group, %why, "dead letter");
                self.report(group, Outcome::Dead { why: why.clone() });
                (Settlement::Dead { reason: DeathReason::Refused, detail: why }, Next::Again)
            }
            Interruption::Unreachable { why } => self.park(&why, group, accepted_at).await,
            Interruption::PinGivenUp(card) => (Settlement::Shown(*card), Next::Again),
        }
    }

    /// The chat can't be written to: tell it once, try rarely, give up on what is too old.
    pub(super) async fn park(
        &mut self,
        why: &str,
        group: &GroupId,
        accepted_at: jiff::Timestamp,
    ) -> (Settlement, Next) {
        let dead_after = self.delivery.shared.with.options.load().dead_after;
        let longest = LONGEST_PARKING.min((dead_after / 4).max(Duration::from_millis(100)));
        self.fail(why, FIRST_PARKING.min(longest), longest);
        self.hindered(why, true);
        let now = Instant::now();
        if self.trouble.parked_since.is_none() {
            tracing::error!(lane = %self.lane, %why, "the chat can't be written to; its alerts wait");
        }
        let since = *self.trouble.parked_since.get_or_insert(now);
        if !self.trouble.told {
            self.trouble.told =
                self.delivery.tell_unreachable(&self.lane, why, Status::Firing).await;
        }
        // An entry may be old because something else was wrong before.
        if now - since < dead_after {
            self.report_waiting(group, why, true);
            return (Settlement::Released { attempt: Some(why.into()) }, Next::Again);
        }
        let Some(cutoff) = self.cutoff(dead_after) else {
            return (Settlement::Released { attempt: Some(why.into()) }, Next::Again);
        };
        let outbox = &self.delivery.shared.with.outbox;
        if let Err(error) = outbox.bury(&self.lane, cutoff, DeathReason::Unreachable, why).await {
            // What is not buried now is at the next failure.
            tracing::warn!(lane = %self.lane, %error, "the outbox can't bury");
        }
        if accepted_at < cutoff {
            self.report(group, Outcome::Dead { why: why.into() });
            let settlement =
                Settlement::Dead { reason: DeathReason::Unreachable, detail: why.into() };
            return (settlement, Next::Again);
        }
        self.report_waiting(group, why, true);
        (Settlement::Released { attempt: Some(why.into()) }, Next::Again)
    }

    pub(super) fn cutoff(&self, dead_after: Duration) -> Option<jiff::Timestamp> {
        let age = jiff::SignedDuration::try_from(dead_after).ok()?;
        self.delivery.shared.with.clock.now().checked_sub(age).ok()
    }

    /// Everything of a chat that is not configured any more becomes a dead letter.
    pub(super) async fn bury_for_missing_chat(&mut self) -> Next {
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
                Next::Deaf
            }
            Err(error) => {
                tracing::warn!(lane = %self.lane, %error, "the outbox can't bury");
                Next::Pause(STORE_PAUSE)
            }
        }
    }

    pub(super) async fn chat_moved(&self, from: ChatId, to: ChatId) {
        let with = &self.delivery.shared.with;
        with.chats.moved(from, to);
        if let Err(error) = with.outbox.remember_migration(from, to).await {
            tracing::warn!(%error, "the chat's new id could not be kept");
        }
        // Other aliases may be the same chat.
        for alias in with.chats.aliases() {
            self.delivery.tell_if_moved(&alias).await;
        }
    }

    /// Notes what Telegram itself failed on, and whose fault that is. Anything else that ends a message
    /// says nothing about that.
    pub(super) async fn note_failure(
        &mut self,
        on: Tried,
        token: &SecretString,
        interruption: &Interruption,
    ) {
        if !matches!(interruption, Interruption::Failed { answered: true, .. }) {
            return;
        }
        let shared = Arc::clone(&self.delivery.shared);
        self.trouble.failed_on(on, shared.heard.load());
        if !self.trouble.asks(on) {
            return;
        }
        let (method, began) = (Method::GetMe, Instant::now());
        let answer = shared.with.client.load().call(token, &method).await;
        shared.with.metrics.telegram_answered(method.name(), answer.outcome(), began.elapsed());
        if matches!(answer, Answer::Done(_)) {
            self.trouble.failed_on(on, Some(Instant::now()));
        }
    }

    pub(super) fn fail(&mut self, why: &str, first: Duration, longest: Duration) {
        self.trouble.yields = false;
        let pause = backoff(first, longest, self.trouble.failures, &self.lane);
        self.trouble.failures += 1;
        self.trouble.until = Some(Instant::now() + pause);
        self.hindered(why, false);
        if self.trouble.failures == 1 {
            tracing::warn!(lane = %self.lane, %why, "a message could not be sent; trying on");
        } else {
            tracing::debug!(lane = %self.lane, %why, failures = self.trouble.failures, "still not sent");
        }
    }

    pub(super) async fn recovered(&mut self, on: Tried) {
        let before = std::mem::take(&mut self.trouble);
        let (failures, parked_since, told) = (before.failures, before.parked_since, before.told);
        self.trouble = before.behind(on);
        self.bell.hindered(None);
        if failures > 0 {
            self.held_up.trouble = Some(self.delivery.shared.with.clock.now());
            tracing::info!(lane = %self.lane, failures, "messages get through again");
            if parked_since.is_none() {
                self.delivery.telegram_is_back();
            }
        }
        let first = !std::mem::replace(&mut self.reached, true);
        if told || (first && self.delivery.is_told(&self.lane).await) {
            let why = "it can be written to again";
            let told = self.delivery.tell_unreachable(&self.lane, why, Status::Resolved).await;
            // What could not be stored is said behind the next message.
            self.trouble.told = !told;
        }
    }

    pub(super) async fn after_panic(&mut self) -> Next {
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
            Settlement::Dead { reason: DeathReason::Poisonous, detail: detail.into() }
        } else {
            Settlement::Released { attempt: Some(detail.into()) }
        };
        self.settle(lease, settlement).await;
        Next::Pause(FIRST_BACKOFF)
    }

    pub(super) async fn store_failed(&self, error: &StoreError) {
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

    /// Notes what everything that waits in the lane waits for.
    pub(super) fn hindered(&self, why: &str, lasts: bool) {
        self.bell.hindered(Some(Hindrance { why: why.to_owned(), lasts }));
    }

    fn report_waiting(&self, group: &GroupId, why: &str, lasts: bool) {
        self.report(group, Outcome::Waiting { why: why.to_owned(), lasts });
    }

    pub(super) fn report(&self, group: &GroupId, outcome: Outcome) {
        let report = Report { lane: self.lane.clone(), group: group.clone(), outcome };
        let _ = self.delivery.shared.reports.send(report);
    }
}
