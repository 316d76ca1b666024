//! A lane in a storm: when more waits than the pace can say soon, many groups share a message.
//!
//! Each turn still sends one message and then looks again, so that the worst that came meanwhile
//! is next. What a digest told of is settled in the commit that keeps the digest: a kill before
//! it repeats the digest, one behind it nothing. The storm is over when no digest was needed for
//! as long as the threshold.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::leases::breathe;
use super::told::{Told, scene};
use super::trouble::Tried;
use super::weather::Ongoing;
use super::{Next, Worker};
use crate::alert::GroupId;
use crate::delivery::DeliveryOptions;
use crate::delivery::plan::{Step, plan};
use crate::delivery::report::{Outcome, Report};
use crate::delivery::speaker::{Interruption, Said, Target, Voice};
use crate::outbox::{Backlog, Class, Digest, Leased, Settlement, StoreError, Storm};
use crate::rendering::{Glance, Head, Part, Renderer};
use crate::telegram::MessageId;

/// What there is to say.
enum Gathered {
    Nothing,
    One(Box<Leased>),
    Many(Vec<Told>),
}

impl Worker {
    /// Tells of as many groups as one message holds.
    pub(super) async fn tell_many(&mut self, mut voice: Voice<'_>, backlog: &Backlog) -> Next {
        let delivery = self.delivery.clone();
        let with = &delivery.shared.with;
        let (renderer, options) = (with.renderer.load_full(), with.options.load_full());
        let mut told = match self.gather(&voice, &renderer, &options).await {
            Ok(Gathered::Many(told)) => told,
            Ok(Gathered::One(leased)) => return self.say_one(voice, *leased).await,
            Ok(Gathered::Nothing) => return Next::Again,
            Err(error) => {
                self.store_failed(&error).await;
                return Next::Again;
            }
        };
        let oldest = told.iter().map(|told| told.first_accepted_at).min();
        if let Err(error) = self.begin_storm(voice.chat.storm_threshold, oldest).await {
            self.give_back_all(told.into_iter().map(|told| told.lease)).await;
            self.store_failed(&error).await;
            return Next::Again;
        }
        voice.conditions.storm = true;
        let Some(storm) = &self.weather.storm else { return Next::Again };
        let began_at = storm.began_at;
        let waiting = backlog.news().map(|(priority, count)| {
            let severity = priority.severity;
            let is_told =
                |told: &&Told| options.severities.rank_of(&told.glance.severity) == severity;
            let name = options.severities.names().get(usize::from(severity)).cloned();
            let behind = count.saturating_sub(told.iter().filter(is_told).count() as u64);
            (name.unwrap_or_default(), behind)
        });
        let totals = storm.totals(told.iter().map(|told| (&told.group, &told.glance)), waiting);
        let late = oldest.map_or(0, |at| with.clock.now().duration_since(at).as_secs());
        let language = voice.chat.language;
        let glances: Vec<&Glance> = told.iter().map(|told| &told.glance).collect();
        let (part, taken) =
            renderer.digest(Head::Storm { totals: &totals, late }, &glances, language);
        let not_taken = told.split_off(taken);
        self.give_back_all(not_taken.into_iter().map(|told| told.lease)).await;
        let silent = told.iter().all(|told| told.silent);
        let lines = told.iter().map(Told::line).collect();
        let target = Target::New { silent, reply_to: None };
        self.show_lines(&mut voice, &part, target, (began_at, lines), told).await
    }

    /// Leases as many groups as one message holds, and keeps those that it can tell of.
    async fn gather(
        &self,
        voice: &Voice<'_>,
        renderer: &Renderer,
        options: &DeliveryOptions,
    ) -> Result<Gathered, StoreError> {
        let room = self.delivery.shared.gathering.acquire().await;
        if self.delivery.shared.with.tasks.is_stopping() {
            return Ok(Gathered::Nothing);
        }
        let (mut told, mut rest, mut settled) = (Vec::new(), Vec::new(), Vec::new());
        // One that is begun is said as ever, and so is the only one there is.
        let (mut unfinished, mut only) = (None, None);
        for (index, leased) in self.lease_some().await?.into_iter().enumerate() {
            breathe(index).await;
            let plan = plan(&leased.entry, leased.card.as_ref(), &voice.ground(options));
            let is_unfinished = leased.card.as_ref().is_some_and(|card| {
                card.told.is_none() && !card.parts.is_empty() && card.chat == voice.number
            });
            match (&plan.next, &leased.card) {
                (Some(Step::Open { .. }), _) if is_unfinished => {
                    if index == 0 {
                        unfinished = Some(leased);
                    } else {
                        rest.push(leased.lease);
                    }
                }
                (Some(Step::Open { .. } | Step::Reply { .. }), _) => {
                    let glance = renderer.glance(&scene(voice, &leased.entry, &plan.present));
                    match Told::new(&leased, &plan, glance, false) {
                        Ok(one) => told.push(one),
                        Err(error) => {
                            settled.push((leased.lease, self.poisonous(&error)));
                            continue;
                        }
                    }
                    only = (told.len() == 1).then_some(leased);
                }
                // What only has to be brought up to date is no message, and waits behind them.
                (Some(_), Some(card)) => {
                    settled.push((leased.lease, Settlement::Partly(card.clone(), Class::Edit)));
                }
                (None, Some(card)) => {
                    settled.push((leased.lease, Settlement::Shown(card.clone())));
                }
                (_, None) => rest.push(leased.lease),
            }
        }
        drop(room);
        self.give_back_all(rest).await;
        self.settle_all(settled).await;
        if let Some(leased) = unfinished.or(only) {
            let others = told.into_iter().map(|told| told.lease);
            self.give_back_all(others.filter(|lease| *lease != leased.lease)).await;
            return Ok(Gathered::One(Box::new(leased)));
        }
        Ok(if told.is_empty() { Gathered::Nothing } else { Gathered::Many(told) })
    }

    /// Shows a digest and settles what it told of; with it go its storm's beginning and its lines.
    pub(super) async fn show_lines(
        &mut self,
        voice: &mut Voice<'_>,
        part: &Part,
        target: Target,
        (storm, lines): (Timestamp, Vec<(GroupId, Glance)>),
        told: Vec<Told>,
    ) -> Next {
        let delivery = self.delivery.clone();
        let with = &delivery.shared.with;
        let first = &told[0];
        let on = match target {
            Target::New { .. } => Tried::Digest,
            Target::Existing(message) => Tried::Lines(message),
        };
        let mut said = voice.say_digest(part, target).await;
        if let Err(interruption) = &said {
            self.note_failure(on, &voice.token, interruption).await;
            let failed = matches!(interruption, Interruption::Failed { answered: true, .. });
            if failed && self.trouble.blames(on) {
                // A text that Telegram itself fails on is not worth the groups' time.
                self.trouble.forget(on);
                said = Err(Interruption::Refused { why: "Telegram fails on the digest".into() });
            }
        }
        let edited = matches!(target, Target::Existing(_));
        let sent = match said {
            Ok(Said::Shown(id)) => id,
            Ok(Said::CardGone | Said::Anew) => {
                if let Target::Existing(message) = target {
                    self.leave_digest(told, message).await;
                    return Next::Again;
                }
                self.give_back_all(told.into_iter().map(|told| told.lease)).await;
                return Next::Again;
            }
            Err(Interruption::Refused { why }) => {
                tracing::warn!(lane = %self.lane, %why, "a digest is given up; told one by one");
                if let Target::Existing(message) = target {
                    self.leave_digest(told, message).await;
                    return Next::Again;
                }
                self.weather.tell_one_by_one();
                self.give_back_all(told.into_iter().map(|told| told.lease)).await;
                return Next::Again;
            }
            Err(interruption) => {
                let (lease, group, at) =
                    (first.lease.clone(), first.group.clone(), first.first_accepted_at);
                self.give_back_all(told.into_iter().skip(1).map(|told| told.lease)).await;
                self.weather.try_one = self.trouble.is_doubtful(Tried::Digest);
                let next = self.interrupted(interruption, &group, voice.number, at).await;
                self.trouble.yields = edited;
                self.settle(lease, next.0).await;
                return next.1;
            }
        };
        let message = match target {
            Target::Existing(message) => message,
            Target::New { .. } => sent.unwrap_or(MessageId(0)),
        };
        if !edited {
            with.metrics.digests.inc();
        }
        let now = with.clock.now();
        if let Some(ongoing) = &mut self.weather.storm {
            for told in told.iter().filter(|told| !told.stale) {
                ongoing.note(&told.group, &told.glance);
            }
            if !edited {
                ongoing.calm_at = Instant::now() + voice.chat.storm_threshold;
            }
        }
        let digest = Digest { message, chat: voice.number, storm, updated_at: now, lines };
        for told in &told {
            if let Some(class) = told.class {
                voice.observe(class, told.first_accepted_at);
            }
            let _ = delivery.shared.reports.send(Report {
                lane: self.lane.clone(),
                group: told.group.clone(),
                outcome: Outcome::Shown { chat: voice.number, message },
            });
        }
        self.settle_digest(digest, &told).await;
        self.recovered(on).await;
        Next::Again
    }

    /// A storm begins, if none has: with the oldest alert of its first digest, if that is known.
    async fn begin_storm(
        &mut self,
        threshold: Duration,
        oldest: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        if self.weather.storm.is_some() {
            return Ok(());
        }
        let with = &self.delivery.shared.with;
        let began_at = oldest.unwrap_or_else(|| with.clock.now());
        with.outbox.begin_storm(&self.lane, began_at).await?;
        tracing::info!(lane = %self.lane, "a storm: groups are told in digests");
        let storm = Storm { began_at, digests: Vec::new() };
        self.weather.storm = Some(Ongoing::of(&storm, threshold));
        Ok(())
    }
}
