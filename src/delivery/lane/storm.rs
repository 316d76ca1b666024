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

use super::trouble::{FIRST_BACKOFF, LONGEST_BACKOFF};
use super::weather::Ongoing;
use super::{Next, STORE_PAUSE, Worker};
use crate::alert::{GroupId, Notification};
use crate::delivery::plan::{Step, has_ended, plan};
use crate::delivery::report::{Outcome, Report};
use crate::delivery::speaker::{Interruption, Said, Target, Voice};
use crate::delivery::verdict::Form;
use crate::outbox::{
    Backlog, Card, Class, Digest, Entry, Lease, Leased, Settlement, StoreError, Storm,
};
use crate::rendering::{Glance, Head, Kind, Part, Scene};
use crate::routing::Updates;
use crate::telegram::MessageId;

/// Groups that one digest is made from; more than one message holds.
const MOST: u32 = 400;

/// A group that a digest is to tell of.
struct Told {
    leased: Leased,
    present: Notification,
    silent: bool,
    glance: Glance,
}

impl Worker {
    /// Tells of as many groups as one message holds.
    pub(super) async fn tell_many(&mut self, mut voice: Voice<'_>, backlog: &Backlog) -> Next {
        let delivery = self.delivery.clone();
        let with = &delivery.shared.with;
        let leased = match self.lease_some(MOST).await {
            Ok(leased) => leased,
            Err(error) => {
                self.store_failed(&error).await;
                return Next::Again;
            }
        };
        let (renderer, options) = (with.renderer.load_full(), with.options.load_full());
        let (mut told, mut rest) = (Vec::new(), Vec::new());
        for leased in leased {
            let plan = plan(&leased.entry, leased.card.as_ref(), &voice.ground(&options));
            let unfinished = leased.card.as_ref().is_some_and(|card| {
                card.told.is_none() && !card.parts.is_empty() && card.chat == voice.number
            });
            match plan.next {
                Some(Step::Open { silent } | Step::Reply { silent, .. }) if !unfinished => {
                    let glance = renderer.glance(&scene(&voice, &leased.entry, &plan.present));
                    told.push(Told { leased, present: plan.present, silent, glance });
                }
                _ => rest.push(leased),
            }
        }
        if told.is_empty() {
            // Nothing but lines and cards to bring up to date.
            let first = (!rest.is_empty()).then(|| rest.remove(0));
            self.give_back_all(rest).await;
            return match first {
                Some(first) => self.say_one(voice, first).await,
                None => Next::Idle,
            };
        }
        self.give_back_all(rest).await;
        let glances: Vec<Glance> = told.iter().map(|told| told.glance.clone()).collect();
        let mut totals =
            self.weather.storm.as_ref().map(|storm| storm.told.clone()).unwrap_or_default();
        for (priority, count) in backlog.news() {
            let name = options.severities.names().get(usize::from(priority.severity));
            *totals.entry(name.cloned().unwrap_or_default()).or_default() += count;
        }
        let totals: Vec<(String, u64)> = totals.into_iter().collect();
        let language = voice.chat.language;
        let (part, taken) = renderer.digest(Head::Storm(&totals), &glances, language);
        let not_taken = told.split_off(taken);
        self.give_back_all(not_taken.into_iter().map(|told| told.leased)).await;
        let silent = told.iter().all(|told| told.silent);
        let target = Target::New { silent, reply_to: None };
        self.show_lines(&mut voice, &part, target, None, told).await
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
        match self.lease_some(MOST).await {
            Ok(more) => leased.extend(more),
            Err(error) => tracing::debug!(lane = %self.lane, %error, "one line is changed alone"),
        }
        let (renderer, options) = (with.renderer.load_full(), with.options.load_full());
        let (mut told, mut rest) = (Vec::new(), Vec::new());
        for leased in leased {
            let plan = plan(&leased.entry, leased.card.as_ref(), &voice.ground(&options));
            if plan.next == Some(Step::Line(message)) {
                let glance = renderer.glance(&scene(&voice, &leased.entry, &plan.present));
                told.push(Told { leased, present: plan.present, silent: true, glance });
            } else {
                rest.push(leased);
            }
        }
        self.give_back_all(rest).await;
        // Of a digest that is not known any more the other lines are not, either.
        let known = digest.is_some();
        let lines = digest.map(|digest| digest.lines).unwrap_or_default();
        let mut at: HashMap<GroupId, Glance> = lines.iter().cloned().collect();
        at.extend(told.iter().map(|t| (t.leased.entry.state.group.clone(), t.glance.clone())));
        let mut order: Vec<GroupId> = lines.into_iter().map(|(group, _)| group).collect();
        for told in &told {
            let group = &told.leased.entry.state.group;
            if !order.contains(group) {
                order.push(group.clone());
            }
        }
        let lines: Vec<(GroupId, Glance)> =
            order.into_iter().filter_map(|group| at.remove_entry(&group)).collect();
        let glances: Vec<Glance> = lines.iter().map(|(_, glance)| glance.clone()).collect();
        let (part, _) = renderer.digest(Head::Standing, &glances, voice.chat.language);
        let target = if known {
            Target::Existing(message)
        } else {
            Target::New { silent: true, reply_to: None }
        };
        self.show_lines(&mut voice, &part, target, Some(lines), told).await
    }

    /// Shows a digest and settles what it told of. `lines` are those of one that stands already.
    async fn show_lines(
        &mut self,
        voice: &mut Voice<'_>,
        part: &Part,
        target: Target,
        lines: Option<Vec<(GroupId, Glance)>>,
        told: Vec<Told>,
    ) -> Next {
        let delivery = self.delivery.clone();
        let with = &delivery.shared.with;
        let first = told[0].leased.clone();
        let began_at = match self.storm_began().await {
            Ok(began_at) => began_at,
            Err(error) => {
                self.give_back_all(told.into_iter().map(|told| told.leased)).await;
                self.store_failed(&error).await;
                return Next::Again;
            }
        };
        // A text that Telegram itself fails on again and again is not worth the groups' time.
        let stubborn = self.trouble.form(first.entry.id) != Form::Rich;
        let said = if stubborn {
            Err(Interruption::Refused { why: "Telegram fails on the digest".into() })
        } else {
            voice.say_digest(part, target).await
        };
        let (said, message) = match (said, target) {
            // Somebody deleted it: what changed is said anew.
            (Ok(Said::CardGone), _) => {
                let target = Target::New { silent: true, reply_to: None };
                (voice.say_digest(part, target).await, None)
            }
            (said, Target::Existing(message)) => (said, Some(message)),
            (said, Target::New { .. }) => (said, None),
        };
        let sent = match said {
            Ok(Said::Shown(id)) => id,
            Ok(Said::CardGone | Said::Anew) => None,
            Err(Interruption::Refused { why }) => {
                tracing::warn!(lane = %self.lane, %why, "no digest for a while; told one by one");
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
        let edited = message.is_some();
        let message = message.or(sent).unwrap_or(MessageId(0));
        if !edited {
            with.metrics.digests.inc();
        }
        let now = with.clock.now();
        let lines = lines.unwrap_or_else(|| {
            let line = |told: &Told| (told.leased.entry.state.group.clone(), told.glance.clone());
            told.iter().map(line).collect()
        });
        let digest =
            Digest { message, chat: voice.number, storm: began_at, updated_at: now, lines };
        if let Some(ongoing) = self.weather.storm.as_mut() {
            ongoing.calm_at = Instant::now() + with.options.load().storm_threshold;
            for told in told.iter().filter(|told| !edited && !was_told(told, &digest)) {
                *ongoing.told.entry(told.glance.severity.clone()).or_default() += 1;
            }
        }
        let mut settled = Vec::with_capacity(told.len());
        for told in told {
            let entry = &told.leased.entry;
            if !edited {
                let took = Duration::try_from(now.duration_since(entry.first_accepted_at));
                with.metrics.delivery_latency.observe(took.unwrap_or_default().as_secs_f64());
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

    /// When the storm began; it begins now, if none has.
    async fn storm_began(&mut self) -> Result<Timestamp, StoreError> {
        let with = &self.delivery.shared.with;
        if let Some(ongoing) = &self.weather.storm {
            return Ok(ongoing.began_at);
        }
        let now = with.clock.now();
        with.outbox.begin_storm(&self.lane, now).await?;
        tracing::info!(lane = %self.lane, "a storm: groups are told in digests");
        let storm = Storm { began_at: now, digests: Vec::new() };
        let quiet = with.options.load().storm_threshold;
        self.weather.storm = Some(Ongoing::of(&storm, quiet));
        Ok(now)
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
            let (part, reply_to) = self.summary(&storm, voice.chat.language);
            let target = Target::New { silent: true, reply_to };
            match voice.say_digest(&part, target).await {
                Ok(_) => self.recovered().await,
                Err(Interruption::Failed { why, .. }) => {
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
        if let Err(error) = with.outbox.end_storm(&self.lane).await {
            self.store_failed(&error).await;
            return Next::Again;
        }
        tracing::info!(lane = %self.lane, "the storm is over");
        self.weather.storm = None;
        Next::Again
    }

    /// What the digests of a storm come to, and the first of them.
    fn summary(
        &self,
        storm: &Storm,
        language: crate::rendering::Language,
    ) -> (Part, Option<MessageId>) {
        let mut groups: HashMap<&GroupId, &Glance> = HashMap::new();
        let mut order = Vec::new();
        for (group, glance) in storm.digests.iter().flat_map(|digest| &digest.lines) {
            if groups.insert(group, glance).is_none() {
                order.push(group);
            }
        }
        let standing: Vec<Glance> = order.iter().map(|group| groups[group].clone()).collect();
        let still: Vec<Glance> = standing.iter().filter(|glance| glance.fires()).cloned().collect();
        let last = storm.digests.iter().map(|digest| digest.updated_at).max();
        let lasted = last.unwrap_or(storm.began_at).duration_since(storm.began_at).as_secs();
        let all = u64::try_from(standing.len()).unwrap_or(u64::MAX);
        let head = Head::Over { seconds: lasted, groups: all };
        let renderer = self.delivery.shared.with.renderer.load();
        let (part, _) = renderer.digest(head, &still, language);
        (part, storm.digests.first().map(|digest| digest.message))
    }

    async fn lease_some(&self, most: u32) -> Result<Vec<Leased>, StoreError> {
        let leased = self.delivery.shared.with.outbox.lease_some(&self.lane, most).await?;
        for leased in &leased {
            self.hold(leased.lease.clone());
        }
        Ok(leased)
    }

    async fn give_back_all(&self, leased: impl IntoIterator<Item = Leased>) {
        let quietly = || Settlement::Released { attempt: None };
        let outbox = &self.delivery.shared.with.outbox;
        // All are handed in before the first answer is waited for: the store takes them together.
        let out: Vec<Lease> = leased.into_iter().map(|leased| leased.lease).collect();
        let given = out.iter().map(|lease| outbox.settle(lease.clone(), quietly()));
        for (lease, given) in out.iter().zip(futures_util::future::join_all(given).await) {
            match given {
                Ok(()) => self.let_go(lease),
                Err(_) => self.settle(lease.clone(), quietly()).await,
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

/// Whether the group stood in an earlier digest of the same storm, as far as its card knows.
fn was_told(told: &Told, digest: &Digest) -> bool {
    let card = told.leased.card.as_ref();
    card.is_some_and(|card| card.digest.is_some() && card.updated_at >= digest.storm)
}

/// How the lease of a group ends that a digest told of.
fn settlement(told: &Told, voice: &Voice<'_>, message: MessageId, now: Timestamp) -> Settlement {
    let Leased { entry, card, .. } = &told.leased;
    let ended = has_ended(&told.present);
    let at = Some((entry.id, entry.version));
    let own = card.as_ref().filter(|card| {
        card.chat == voice.number && !card.parts.is_empty() && entry.updates != Updates::New
    });
    let former = card.as_ref().filter(|card| card.chat == voice.number);
    let card = Card {
        chat: voice.number,
        parts: own.map(|card| card.parts.clone()).unwrap_or_default(),
        state: told.present.clone(),
        told: at,
        shown: if own.is_some() { own.and_then(|card| card.shown) } else { at },
        digest: Some((message, ended)),
        pinned: former.and_then(|card| card.pinned),
        unfinished: None,
        as_of: former.map_or(entry.last_accepted_at, |card| card.as_of.max(entry.last_accepted_at)),
        updated_at: now,
        closed_at: if own.is_some() {
            own.and_then(|card| card.closed_at)
        } else {
            ended.then_some(now)
        },
    };
    if own.is_some() { Settlement::Partly(card, Class::Edit) } else { Settlement::Shown(card) }
}

/// What a glance is taken of.
fn scene<'s>(voice: &'s Voice<'_>, entry: &'s Entry, state: &'s Notification) -> Scene<'s> {
    Scene {
        kind: Kind::Card,
        state,
        news: &[],
        merged: entry.merged,
        accepted_at: entry.first_accepted_at,
        now: voice.delivery.shared.with.clock.now(),
        note: None,
        template: &entry.template,
        language: voice.chat.language,
        timezone: &voice.chat.timezone,
        tg_time: false,
        buttons: &[],
        table: false,
    }
}
