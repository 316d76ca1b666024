//! Saying one thing: the parts of a message, each through the ladder of forms, at the pace.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tokio::time::Instant;

use super::pace::ChatPace;
use super::plan::{self, Step, has_ended};
use super::report::{Outcome, Report};
use super::verdict::{Attempt, Form, Verdict, judge};
use super::{Chat, Delivery};
use crate::alert::Notification;
use crate::outbox::{Card, Entry, Leased, Settlement, ShownPart};
use crate::rendering::{Kind, Limits, Part, Scene};
use crate::routing::LaneId;
use crate::telegram::{ChatId, MessageId, Method, TopicId};

/// How often a message is split smaller before its parts go out in the minimal form.
const MOST_SHRINKS: u32 = 3;

/// Why it was not said to the end.
#[derive(Debug)]
pub(super) enum Interruption {
    Stopping,
    RateLimited,
    TokenRefused,
    Moved(ChatId),
    /// `answered`: Telegram itself failed on it (5xx), so it may be the message's fault.
    Failed {
        why: String,
        answered: bool,
    },
    Unreachable {
        why: String,
    },
    Refused {
        why: String,
    },
}

/// What became of one message.
enum Said {
    Shown(Option<MessageId>),
    /// The card is gone; it needs a new one.
    CardGone,
    /// The message must be made anew, smaller or for another place.
    Anew,
}

/// Where one message goes.
#[derive(Clone, Copy)]
enum Target {
    New { silent: bool, reply_to: Option<MessageId> },
    Existing(MessageId),
}

pub(super) struct Speaker<'a> {
    delivery: &'a Delivery,
    lane: &'a LaneId,
    chat: Chat,
    number: ChatId,
    pace: &'a ChatPace,
    token: Arc<SecretString>,
    leased: Leased,
    topic: Option<TopicId>,
    note: Option<String>,
    shrinks: u32,
    /// The richest form worth trying.
    form: Form,
}

impl<'a> Speaker<'a> {
    pub fn new(
        delivery: &'a Delivery,
        lane: &'a LaneId,
        chat: Chat,
        number: ChatId,
        pace: &'a ChatPace,
        token: Arc<SecretString>,
        leased: Leased,
    ) -> Self {
        let topic = lane.topic;
        Self {
            delivery,
            lane,
            chat,
            number,
            pace,
            token,
            leased,
            topic,
            note: None,
            shrinks: 0,
            form: Form::Rich,
        }
    }

    /// Tries no richer form than this.
    pub fn no_richer_than(self, form: Form) -> Self {
        Self { form, ..self }
    }

    /// Says the next thing about the leased entry; the answer is how the lease ends.
    pub async fn speak(&mut self) -> Result<Settlement, Interruption> {
        let with = &self.delivery.shared.with;
        let new_card_after = with.options.load().new_card_after;
        let (entry, known) = (&self.leased.entry, self.leased.card.as_ref());
        let plan = plan::plan(entry, known, self.number, with.clock.now(), new_card_after);
        let card = self.leased.card.take();
        let fresh = || self.fresh_card(&plan.present);
        let card = match (&plan.next, card) {
            // An unfinished card goes on; a new one starts empty.
            (Some(Step::Open { .. }), Some(card))
                if card.told.is_none() && card.chat == self.number =>
            {
                card
            }
            (Some(Step::Open { .. }), _) | (_, None) => fresh(),
            (_, Some(card)) => card,
        };
        let opens = matches!(plan.next, Some(Step::Open { .. }));
        let (card, shown) = match plan.next {
            None => (card, None),
            Some(Step::Open { silent }) => self.show_card(card, &plan.present, silent).await?,
            Some(Step::Edit) => self.show_card(card, &plan.present, true).await?,
            Some(Step::Reply { kind, news, silent }) => {
                self.reply(card, &plan.present, kind, &news, silent).await?
            }
        };
        if let Some(message) = shown {
            self.report(message, opens || plan.then.is_some());
        }
        Ok(match plan.then {
            Some(class) => Settlement::Partly(card, class),
            None => Settlement::Shown(card),
        })
    }

    /// Makes the card show `present`: edits what differs, sends what is missing, deletes what
    /// is left over. Returns the first message it touched.
    async fn show_card(
        &mut self,
        mut card: Card,
        present: &Notification,
        silent: bool,
    ) -> Result<(Card, Option<MessageId>), Interruption> {
        let mut shown = None;
        'anew: loop {
            let parts = self.render(Kind::Card, present, &[]);
            for (index, part) in parts.iter().enumerate() {
                let digest = digest(&part.html);
                let existing = card.parts.get(index).copied();
                if existing.is_some_and(|shown| shown.digest == digest) {
                    continue;
                }
                let target = match existing {
                    Some(part) => Target::Existing(part.id),
                    None => Target::New { silent: silent || index > 0, reply_to: None },
                };
                match self.say(part, target, present).await? {
                    Said::Shown(id) => {
                        let id = existing.map(|part| part.id).or(id).unwrap_or(MessageId(0));
                        shown.get_or_insert(id);
                        match card.parts.get_mut(index) {
                            Some(part) => part.digest = digest,
                            None => card.parts.push(ShownPart { id, digest }),
                        }
                    }
                    Said::CardGone => {
                        card = self.fresh_card(present);
                        continue 'anew;
                    }
                    Said::Anew => continue 'anew,
                }
                if index + 1 < parts.len() {
                    self.save(&mut card).await;
                }
            }
            while card.parts.len() > parts.len() {
                if let Some(part) = card.parts.pop() {
                    self.delete(part.id).await?;
                    self.save(&mut card).await;
                }
            }
            break;
        }
        self.told(&mut card, present);
        card.closed_at = has_ended(present).then(|| self.delivery.shared.with.clock.now());
        Ok((card, shown))
    }

    /// Replies to the card. Parts that were sent before a crash are not sent again.
    async fn reply(
        &mut self,
        mut card: Card,
        present: &Notification,
        kind: Kind,
        news: &[usize],
        silent: bool,
    ) -> Result<(Card, Option<MessageId>), Interruption> {
        let (entry, version) = (self.leased.entry.id, self.leased.entry.version);
        let mut sent = match card.unfinished {
            Some((of, at, sent)) if (of, at) == (entry, version) => sent,
            _ => 0,
        };
        let reply_to = card.parts.first().map(|part| part.id);
        let mut shown = None;
        loop {
            let parts = self.render(kind, present, news);
            let Some(part) = parts.get(sent as usize) else { break };
            let silent = silent || sent > 0;
            match self.say(part, Target::New { silent, reply_to }, present).await? {
                Said::Shown(id) => {
                    shown = shown.or(id);
                    sent += 1;
                    if (sent as usize) < parts.len() {
                        card.unfinished = Some((entry, version, sent));
                        self.save(&mut card).await;
                    }
                }
                Said::CardGone | Said::Anew => {}
            }
        }
        card.unfinished = None;
        self.told(&mut card, present);
        Ok((card, shown))
    }

    /// Sends or edits one message, in plainer forms when Telegram wants them.
    async fn say(
        &mut self,
        part: &Part,
        target: Target,
        present: &Notification,
    ) -> Result<Said, Interruption> {
        let mut form = if self.shrinks > MOST_SHRINKS { Form::Minimal } else { self.form };
        let mut target = target;
        loop {
            let text = match form {
                Form::Rich => part.html.clone(),
                Form::Plain => part.plain.clone(),
                Form::Minimal => self.minimal(present),
            };
            let (method, attempt) = self.method(target, text, form);
            match self.call(&method, attempt).await? {
                Verdict::Delivered(id) => return Ok(Said::Shown(id)),
                Verdict::Plainer(plainer) => {
                    self.delivery.shared.with.metrics.plain_fallbacks.inc();
                    form = plainer;
                }
                Verdict::WithoutReply => {
                    target = match target {
                        Target::New { silent, .. } => Target::New { silent, reply_to: None },
                        existing @ Target::Existing(_) => existing,
                    };
                }
                Verdict::NewCard => return Ok(Said::CardGone),
                Verdict::Shorter => {
                    self.shrinks += 1;
                    return Ok(Said::Anew);
                }
                Verdict::WithoutTopic => {
                    self.leave_topic();
                    return Ok(Said::Anew);
                }
                other => return Err(self.interruption(other)),
            }
        }
    }

    fn method(&self, target: Target, text: String, form: Form) -> (Method, Attempt) {
        let (chat, html) = (self.number, form == Form::Rich);
        match target {
            Target::New { silent, reply_to } => (
                Method::Send { chat, topic: self.topic, text, html, silent, reply_to },
                Attempt::Send { form, reply: reply_to.is_some(), topic: self.topic.is_some() },
            ),
            Target::Existing(message) => {
                (Method::Edit { chat, message, text, html }, Attempt::Edit { form })
            }
        }
    }

    async fn delete(&mut self, message: MessageId) -> Result<(), Interruption> {
        let method = Method::Delete { chat: self.number, message };
        match self.call(&method, Attempt::Delete).await? {
            Verdict::Delivered(_) => Ok(()),
            other => Err(self.interruption(other)),
        }
    }

    /// Waits for the pace, makes the call, counts it.
    async fn call(&self, method: &Method, attempt: Attempt) -> Result<Verdict, Interruption> {
        self.slot().await?;
        let with = &self.delivery.shared.with;
        let started = Instant::now();
        let answer = with.client.load().call(&self.token, method).await;
        self.pace.arrived(Instant::now());
        let metrics = &with.metrics;
        let name = method.name();
        metrics.telegram_requests.with_label_values(&[name, answer.outcome()]).inc();
        metrics
            .telegram_request_duration
            .with_label_values(&[name])
            .observe(started.elapsed().as_secs_f64());
        let verdict = judge(attempt, &answer);
        tracing::debug!(lane = %self.lane, method = name, ?verdict, "Telegram answered");
        if matches!(verdict, Verdict::Delivered(_)) {
            metrics
                .last_success
                .with_label_values(&[self.lane.chat.as_str()])
                .set(with.clock.now().as_duration().as_secs_f64());
        }
        Ok(verdict)
    }

    /// Waits until the chat and the bot may send one more.
    async fn slot(&self) -> Result<(), Interruption> {
        let tasks = &self.delivery.shared.with.tasks;
        loop {
            if tasks.is_stopping() {
                return Err(Interruption::Stopping);
            }
            let Err(when) = self.pace.take(Instant::now()) else { break };
            tokio::select! {
                () = tokio::time::sleep_until(when) => {}
                () = tasks.stopping() => {}
            }
        }
        tokio::select! {
            () = self.delivery.shared.paces.bot_slot() => Ok(()),
            () = tasks.stopping() => Err(Interruption::Stopping),
        }
    }

    /// A verdict that ends the message.
    fn interruption(&self, verdict: Verdict) -> Interruption {
        let with = &self.delivery.shared.with;
        match verdict {
            Verdict::Wait(retry_after) => {
                let wait = self.pace.rate_limited(retry_after, Instant::now());
                with.metrics
                    .telegram_rate_limited
                    .with_label_values(&[self.lane.chat.as_str()])
                    .inc();
                tracing::warn!(
                    lane = %self.lane, seconds = wait.as_secs(), slowness = self.pace.slowness(),
                    "Telegram asked to wait (429); this chat alone does"
                );
                Interruption::RateLimited
            }
            Verdict::Retry { why, ambiguous, answered } => {
                if ambiguous {
                    with.metrics.ambiguous_sends.inc();
                    tracing::warn!(lane = %self.lane, %why, "it is unknown whether a message arrived; it is sent again");
                }
                Interruption::Failed { why, answered }
            }
            Verdict::Moved(to) => Interruption::Moved(to),
            Verdict::Park(why) => Interruption::Unreachable { why },
            Verdict::PauseBot => {
                with.bot.was_refused(&self.token);
                Interruption::TokenRefused
            }
            Verdict::Refused(why) => Interruption::Refused { why },
            Verdict::Delivered(_)
            | Verdict::Plainer(_)
            | Verdict::Shorter
            | Verdict::NewCard
            | Verdict::WithoutReply
            | Verdict::WithoutTopic => {
                let why = "Telegram's answer does not fit what was tried".into();
                Interruption::Failed { why, answered: true }
            }
        }
    }

    fn leave_topic(&mut self) {
        let topic = self.topic.take();
        self.delivery.shared.with.metrics.topic_fallbacks.inc();
        let Some(topic) = topic else { return };
        tracing::warn!(lane = %self.lane, %topic, "the topic is closed or gone; sent to the main chat");
        self.note = Some(match self.chat.language {
            crate::rendering::Language::En => format!("topic {topic} is closed or gone"),
            crate::rendering::Language::Ru => format!("тема {topic} закрыта или удалена"),
        });
    }

    fn render(&self, kind: Kind, present: &Notification, news: &[usize]) -> Vec<Part> {
        let with = &self.delivery.shared.with;
        let halves = 1 << self.shrinks.min(MOST_SHRINKS);
        let limits = Limits {
            characters: Limits::TELEGRAM.characters / halves,
            entities: Limits::TELEGRAM.entities / halves,
        };
        let renderer = with.renderer.load();
        let message = renderer.render_within(&self.scene(kind, present, news), limits);
        if let Some(why) = message.fell_back {
            with.metrics.template_fallbacks.inc();
            tracing::warn!(template = %self.leased.entry.template, %why, "the template failed; the built-in one was used");
        }
        message.parts
    }

    fn minimal(&self, present: &Notification) -> String {
        let renderer = self.delivery.shared.with.renderer.load();
        renderer.minimal(&self.scene(Kind::Card, present, &[])).plain
    }

    fn scene<'s>(&'s self, kind: Kind, state: &'s Notification, news: &'s [usize]) -> Scene<'s> {
        let entry: &Entry = &self.leased.entry;
        Scene {
            kind,
            state,
            news,
            merged: entry.merged,
            accepted_at: entry.first_accepted_at,
            now: self.delivery.shared.with.clock.now(),
            note: self.note.as_deref(),
            template: &entry.template,
            language: self.chat.language,
            timezone: &self.chat.timezone,
        }
    }

    fn fresh_card(&self, present: &Notification) -> Card {
        Card {
            chat: self.number,
            parts: Vec::new(),
            state: present.clone(),
            told: None,
            unfinished: None,
            as_of: self.leased.entry.last_accepted_at,
            updated_at: self.delivery.shared.with.clock.now(),
            closed_at: None,
        }
    }

    fn told(&self, card: &mut Card, present: &Notification) {
        card.state = present.clone();
        card.told = Some((self.leased.entry.id, self.leased.entry.version));
        card.as_of = card.as_of.max(self.leased.entry.last_accepted_at);
        card.updated_at = self.delivery.shared.with.clock.now();
    }

    /// Notes durably which parts are shown, so that a crash does not repeat them.
    async fn save(&self, card: &mut Card) {
        let with = &self.delivery.shared.with;
        card.updated_at = with.clock.now();
        if let Err(error) = with.outbox.progress(&self.leased.lease, card.clone()).await {
            tracing::warn!(lane = %self.lane, %error, "a shown part could not be noted");
        }
    }

    fn report(&self, message: MessageId, news: bool) {
        let shared = &self.delivery.shared;
        let entry = &self.leased.entry;
        if news {
            let took = shared.with.clock.now().duration_since(entry.first_accepted_at);
            let took = Duration::try_from(took).unwrap_or_default();
            shared.with.metrics.delivery_latency.observe(took.as_secs_f64());
        }
        let _ = shared.reports.send(Report {
            lane: self.lane.clone(),
            group: entry.state.group.clone(),
            outcome: Outcome::Shown { chat: self.number, message },
        });
    }
}

/// What a part shows, shortly.
fn digest(html: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    html.hash(&mut hasher);
    hasher.finish()
}
