//! A lane in a storm: when more waits than the pace can say soon, many groups share a message.
//!
//! Each turn still sends one message and then looks again, so that the worst that came meanwhile
//! is next. What a digest told of is settled in the commit that keeps the digest: a kill before
//! it repeats the digest, one behind it nothing. The storm is over when no digest was needed for
//! as long as the threshold.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::told::{Told, is_stale, scene, settlement, without};
use super::trouble::{FIRST_BACKOFF, LONGEST_BACKOFF};
use super::weather::Ongoing;
use super::{Next, STORE_PAUSE, Worker};
use crate::alert::GroupId;
use crate::delivery::plan::{Step, plan};
use crate::delivery::report::{Outcome, Report};
use crate::delivery::speaker::{Interruption, Said, Target, Voice};
use crate::delivery::verdict::Form;
use crate::outbox::{Backlog, Card, Class, Digest, Lease, Leased, Settlement, StoreError, Storm};
use crate::rendering::{Glance, Head, Part};
use crate::telegram::{ChatId, MessageId};

/// Groups that one digest is made from: about as many as one message holds. Each is in memory with all
/// its alerts, in as many lanes as storm at once.
const MOST: u32 = 200;
/// Digests that are told at once, in all chats: each holds many groups with all their alerts.
pub const DIGESTS_AT_ONCE: usize = 16;
/// Nobody waits longer for the others' digests: slow chats hold up no other.
const PATIENCE: Duration = Duration::from_secs(1);
/// After so many failures of Telegram a storm ends without a summary.
const SUMMARY_TRIES: u32 = 3;

impl Worker {
    /// Tells of as many groups as one message holds.
    pub(super) async fn tell_many(&mut self, mut voice: Voice<'_>, backlog: &Backlog) -> Next {
        let delivery = self.delivery.clone();
        let with = &delivery.shared.with;
        let _room = tokio::time::timeout(PATIENCE, delivery.shared.digests.acquire()).await;
        let leased = match self.lease_some(MOST).await {
            Ok(leased) => leased,
            Err(error) => {
                self.store_failed(&error).await;
                return Next::Again;
            }
        };
        let (renderer, options) = (with.renderer.load_full(), with.options.load_full());
        let (mut told, mut rest, mut settled) = (Vec::new(), Vec::new(), Vec::new());
        let mut unfinished = None;
        for (index, leased) in leased.into_iter().enumerate() {
            let plan = plan(&leased.entry, leased.card.as_ref(), &voice.ground(&options));
            let is_unfinished = leased.card.as_ref().is_some_and(|card| {
                card.told.is_none() && !card.parts.is_empty() && card.chat == voice.number
            });
            let class = plan.class();
            match (plan.next, leased.card.clone()) {
                (Some(Step::Open { .. }), _) if is_unfinished => {
                    if index == 0 {
                        unfinished = Some(leased);
                    } else {
                        rest.push(leased);
                    }
                }
                (Some(step @ (Step::Open { silent } | Step::Reply { silent, .. })), _) => {
                    let glance = renderer.glance(&scene(&voice, &leased.entry, &plan.present));
                    let opens = matches!(step, Step::Open { .. });
                    let stale = false;
                    let present = plan.present;
                    told.push(Told { leased, present, opens, silent, stale, class, glance });
                }
                // What only has to be brought up to date is no message, and waits behind them.
                (Some(_), Some(card)) => {
                    settled.push((leased.lease, Settlement::Partly(card, Class::Edit)));
                }
                (None, Some(card)) => settled.push((leased.lease, Settlement::Shown(card))),
                (_, None) => rest.push(leased),
            }
        }
        self.give_back_all(rest).await;
        self.settle_all(settled).await;
        // A message that is begun, or the only one there is, is said as ever.
        let only = if told.len() == 1 { told.pop().map(|told| told.leased) } else { None };
        if let Some(leased) = unfinished.or(only) {
            self.give_back_all(told.into_iter().map(|told| told.leased)).await;
            return self.say_one(voice, leased).await;
        }
        if told.is_empty() {
            return Next::Again;
        }
        // Many lanes may have their hands full: of each group one state is enough.
        for told in &mut told {
            told.leased.entry.state.alerts = Vec::new();
        }
        let glances: Vec<Glance> = told.iter().map(|told| told.glance.clone()).collect();
        if let Err(error) = self.begin_storm(voice.chat.storm_threshold).await {
            self.give_back_all(told.into_iter().map(|told| told.leased)).await;
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
        let totals = storm.totals(told.iter().map(Told::line), waiting);
        let oldest = told.iter().map(|told| told.leased.entry.first_accepted_at).min();
        let late = oldest.map_or(0, |at| with.clock.now().duration_since(at).as_secs());
        let language = voice.chat.language;
        let (part, taken) =
            renderer.digest(Head::Storm { totals: &totals, late }, &glances, language);
        let not_taken = told.split_off(taken);
        self.give_back_all(not_taken.into_iter().map(|told| told.leased)).await;
        let silent = told.iter().all(|told| told.silent);
        let lines = told.iter().map(Told::line).collect();
        let target = Target::New { silent, reply_to: None };
        self.show_lines(&mut voice, &part, target, (began_at, lines), told).await
    }

    /// Brings the lines of a digest up to date: those of `first` and of all that wait for the same.
    pub(super) async fn tell_lines(
        &mut self,
        mut voice: Voice<'_>,
        first: Leased,
        message: MessageId,
    ) -> Next {
        let delivery = self.delivery.clone();
        let with = &delivery.shared.with;
        let digest = match with.outbox.digest(&self.lane, message).await {
            Ok(digest) => digest.filter(|digest| digest.chat == voice.number),
            Err(error) => {
                self.give_back(Some(first)).await;
                self.store_failed(&error).await;
                return Next::Again;
            }
        };
        let mut leased = vec![first];
        if !self.weather.is_one_by_one() {
            match self.lease_some(MOST).await {
                Ok(more) => leased.extend(more),
                Err(error) => tracing::debug!(lane = %self.lane, %error, "one line changes alone"),
            }
        }
        let (renderer, options) = (with.renderer.load_full(), with.options.load_full());
        let (mut told, mut rest) = (Vec::new(), Vec::new());
        for leased in leased {
            let plan = plan(&leased.entry, leased.card.as_ref(), &voice.ground(&options));
            if plan.next == Some(Step::Line(message)) {
                let glance = renderer.glance(&scene(&voice, &leased.entry, &plan.present));
                let (present, opens, silent) = (plan.present, false, true);
                let stale = is_stale(&leased, message);
                told.push(Told { leased, present, opens, silent, stale, class: None, glance });
            } else {
                rest.push(leased);
            }
        }
        self.give_back_all(rest).await;
        if told.is_empty() {
            return Next::Again;
        }
        let Some(Digest { storm, mut lines, .. }) = digest else {
            return self.leave_digest(told, message).await;
        };
        let at: HashMap<GroupId, usize> =
            lines.iter().enumerate().map(|(at, (group, _))| (group.clone(), at)).collect();
        for told in &told {
            let (group, glance) = told.line();
            match at.get(&group) {
                Some(at) if told.stale => lines[*at].1.moved = true,
                Some(at) => lines[*at].1 = glance,
                None if told.stale => {}
                None => lines.push((group, glance)),
            }
        }
        let glances: Vec<Glance> = lines.iter().map(|(_, glance)| glance.clone()).collect();
        let (part, _) = renderer.digest(Head::Standing, &glances, voice.chat.language);
        self.show_lines(&mut voice, &part, Target::Existing(message), (storm, lines), told).await
    }

    /// Nobody sees the digest any more, or Telegram will not change it: what there is to say of its
    /// groups is said as if it had never been.
    async fn leave_digest(&self, told: Vec<Told>, message: MessageId) -> Next {
        let settled = told.into_iter().filter_map(|told| {
            let card = told.leased.card?;
            let card = if told.stale {
                Card { stale: without(&card.stale, message), ..card }
            } else {
                Card { digest: None, ..card }
            };
            Some((told.leased.lease, Settlement::Partly(card, Class::End)))
        });
        self.settle_all(settled.collect()).await;
        Next::Again
    }

    /// Shows a digest and settles what it told of; with it go its storm's beginning and its lines.
    async fn show_lines(
        &mut self,
        voice: &mut Voice<'_>,
        part: &Part,
        target: Target,
        (storm, lines): (Timestamp, Vec<(GroupId, Glance)>),
        told: Vec<Told>,
    ) -> Next {
        let delivery = self.delivery.clone();
        let with = &delivery.shared.with;
        let first = told[0].leased.clone();
        // A text that Telegram itself fails on again and again is not worth the groups' time.
        let stubborn = self.trouble.form(first.entry.id) != Form::Rich;
        let said = if stubborn {
            Err(Interruption::Refused { why: "Telegram fails on the digest".into() })
        } else {
            voice.say_digest(part, target).await
        };
        let edited = matches!(target, Target::Existing(_));
        let sent = match said {
            Ok(Said::Shown(id)) => id,
            Ok(Said::CardGone | Said::Anew) => {
                if let Target::Existing(message) = target {
                    return self.leave_digest(told, message).await;
                }
                self.give_back_all(told.into_iter().map(|told| told.leased)).await;
                return Next::Again;
            }
            Err(Interruption::Refused { why }) => {
                tracing::warn!(lane = %self.lane, %why, "a digest is given up; told one by one");
                if let Target::Existing(message) = target {
                    return self.leave_digest(told, message).await;
                }
                self.weather.tell_one_by_one();
                self.give_back_all(told.into_iter().map(|told| told.leased)).await;
                return Next::Again;
            }
            Err(interruption) => {
                self.give_back_all(told.into_iter().skip(1).map(|told| told.leased)).await;
                let entry = &first.entry;
                let (group, at) = (entry.state.group.clone(), entry.first_accepted_at);
                let next = self.interrupted(interruption, entry.id, &group, voice.number, at).await;
                self.settle(first.lease, next.0).await;
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
            ongoing.told.extend(told.iter().filter(|told| !told.stale).map(Told::line));
            if !edited {
                ongoing.calm_at = Instant::now() + voice.chat.storm_threshold;
            }
        }
        let digest = Digest { message, chat: voice.number, storm, updated_at: now, lines };
        let mut settled = Vec::with_capacity(told.len());
        for told in told {
            let entry = &told.leased.entry;
            if let Some(class) = told.class {
                voice.observe(class, entry.first_accepted_at);
            }
            let _ = delivery.shared.reports.send(Report {
                lane: self.lane.clone(),
                group: entry.state.group.clone(),
                outcome: Outcome::Shown { chat: voice.number, message },
            });
            settled.push((told.leased.lease.clone(), settlement(&told, voice, message, now)));
        }
        self.settle_digest(digest, settled).await;
        self.recovered().await;
        Next::Again
    }

    /// A storm begins, if none has.
    async fn begin_storm(&mut self, threshold: Duration) -> Result<(), StoreError> {
        if self.weather.storm.is_some() {
            return Ok(());
        }
        let with = &self.delivery.shared.with;
        let now = with.clock.now();
        with.outbox.begin_storm(&self.lane, now).await?;
        tracing::info!(lane = %self.lane, "a storm: groups are told in digests");
        let storm = Storm { began_at: now, digests: Vec::new() };
        self.weather.storm = Some(Ongoing::of(&storm, threshold));
        Ok(())
    }

    /// Notes how a group stands that is told alone while a storm is on.
    pub(super) fn note_alone(&mut self, voice: &Voice<'_>, leased: &Leased) {
        if let Some(ongoing) = &mut self.weather.storm {
            let renderer = voice.delivery.shared.with.renderer.load();
            let entry = &leased.entry;
            let glance = renderer.glance(&scene(voice, entry, &entry.state));
            ongoing.told.insert(entry.state.group.clone(), glance);
            ongoing.alone.insert(entry.state.group.clone());
        }
    }

    /// The storm is over: says how long it took and what still fires.
    pub(super) async fn tell_over(&mut self, mut voice: Voice<'_>) -> Next {
        let delivery = self.delivery.clone();
        let with = &delivery.shared.with;
        let storm = match with.outbox.storm(&self.lane).await {
            Ok(storm) => storm,
            Err(error) => {
                self.store_failed(&error).await;
                return Next::Again;
            }
        };
        if let Some(storm) = storm.filter(|storm| !storm.digests.is_empty()) {
            let (part, first) = self.summary(&storm, voice.chat.language);
            let here = first.filter(|(chat, _)| *chat == voice.number);
            let reply_to = here.map(|(_, message)| message);
            let target = Target::New { silent: true, reply_to };
            match voice.say_digest(&part, target).await {
                Ok(_) => self.recovered().await,
                Err(Interruption::Failed { why, answered }) => {
                    self.weather.summary_failures += u32::from(answered);
                    if self.weather.summary_failures >= SUMMARY_TRIES {
                        tracing::warn!(lane = %self.lane, %why, "a storm ended without a summary");
                        return self.close_storm().await;
                    }
                    self.fail(&why, FIRST_BACKOFF, LONGEST_BACKOFF);
                    return Next::Again;
                }
                Err(Interruption::Moved(to)) => {
                    self.chat_moved(voice.number, to).await;
                    return Next::Again;
                }
                // Nobody reads a summary there, or Telegram will not have it: no loss.
                Err(Interruption::Refused { why } | Interruption::Unreachable { why }) => {
                    tracing::warn!(lane = %self.lane, %why, "a storm ended without a summary");
                }
                Err(_) => return Next::Again,
            }
        }
        self.close_storm().await
    }

    async fn close_storm(&mut self) -> Next {
        if let Err(error) = self.delivery.shared.with.outbox.end_storm(&self.lane).await {
            self.store_failed(&error).await;
            return Next::Again;
        }
        tracing::info!(lane = %self.lane, "the storm is over");
        (self.weather.storm, self.weather.summary_failures) = (None, 0);
        Next::Again
    }

    /// What the storm comes to, and where its first digest stands.
    fn summary(
        &self,
        storm: &Storm,
        language: crate::rendering::Language,
    ) -> (Part, Option<(ChatId, MessageId)>) {
        let mut groups: HashMap<&GroupId, &Glance> = HashMap::new();
        for digest in &storm.digests {
            groups.extend(digest.lines.iter().map(|(group, glance)| (group, glance)));
        }
        if let Some(ongoing) = &self.weather.storm {
            groups.extend(ongoing.told.iter().filter(|(group, _)| ongoing.alone.contains(*group)));
        }
        let mut still: Vec<(&GroupId, &Glance)> =
            groups.iter().map(|(group, glance)| (*group, *glance)).collect();
        still.retain(|(_, glance)| glance.fires() || (glance.unlisted > 0 && !glance.moved));
        still.sort_by(|a, b| (&a.1.name, &a.0.key).cmp(&(&b.1.name, &b.0.key)));
        let still: Vec<Glance> = still.into_iter().map(|(_, glance)| glance.clone()).collect();
        let last = storm.digests.iter().map(|digest| digest.updated_at).max();
        let lasted = last.unwrap_or(storm.began_at).duration_since(storm.began_at).as_secs();
        let all = u64::try_from(groups.len()).unwrap_or(u64::MAX);
        let head = Head::Over { seconds: lasted, groups: all };
        let renderer = self.delivery.shared.with.renderer.load();
        let (part, _) = renderer.digest(head, &still, language);
        (part, storm.digests.first().map(|digest| (digest.chat, digest.message)))
    }

    async fn lease_some(&self, most: u32) -> Result<Vec<Leased>, StoreError> {
        let leased = self.delivery.shared.with.outbox.lease_some(&self.lane, most).await?;
        for leased in &leased {
            self.hold(leased.lease.clone());
        }
        Ok(leased)
    }

    async fn give_back_all(&self, leased: impl IntoIterator<Item = Leased>) {
        let quietly = |leased: Leased| (leased.lease, Settlement::Released { attempt: None });
        self.settle_all(leased.into_iter().map(quietly).collect()).await;
    }

    /// As [`Worker::settle`], for many.
    async fn settle_all(&self, settled: Vec<(Lease, Settlement)>) {
        let outbox = &self.delivery.shared.with.outbox;
        // All are handed in before the first answer is waited for: the store takes them together.
        let ended = settled.iter().map(|(lease, how)| outbox.settle(lease.clone(), how.clone()));
        let ended = futures_util::future::join_all(ended).await;
        for ((lease, how), ended) in settled.into_iter().zip(ended) {
            match ended {
                Ok(()) => self.let_go(&lease),
                Err(_) => self.settle(lease, how).await,
            }
        }
    }

    /// As [`Worker::settle`], for all that a digest told of.
    async fn settle_digest(&self, digest: Digest, settled: Vec<(Lease, Settlement)>) {
        let with = &self.delivery.shared.with;
        loop {
            let (digest, settled) = (digest.clone(), settled.clone());
            match with.outbox.settle_digest(&self.lane, digest, settled).await {
                Ok(()) | Err(StoreError::Closed) => break,
                Err(error) => {
                    tracing::warn!(lane = %self.lane, %error, "the outbox can't note what was sent; trying on");
                }
            }
            tokio::time::sleep(STORE_PAUSE).await;
        }
        for (lease, _) in &settled {
            self.let_go(lease);
        }
    }
}
