//! Saying one thing: a card, or a reply to it, part by part.

mod digest;
mod message;
mod pin;
mod topic;
mod voice;

use std::hash::{DefaultHasher, Hash, Hasher};

use tokio::time::Instant;

pub(super) use self::message::{Said, Target};
pub(super) use self::voice::{Conditions, HeldUp, Voice};
use super::photos::Beneath;
use super::plan::{self, Step, has_ended};
use super::report::{Outcome, Report};
use super::verdict::Form;
use crate::alert::Notification;
use crate::outbox::{Card, Class, Entry, Leased, Settlement, ShownPart};
use crate::rendering::{Kind, Limits, Part, Rendered, Scene};
use crate::telegram::{Button, ChatId, MessageId};

/// How often a message is split smaller before its parts go out in the minimal form.
const MOST_SHRINKS: u32 = 3;

/// Why it was not said to the end.
#[derive(Debug)]
pub(super) enum Interruption {
    Stopping,
    /// What was to be said is not in the store after all.
    NotStored,
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
    /// Telegram failed on a pin, which is not worth a pause of the lane. Everything else is said.
    PinGivenUp(Box<Card>),
}

pub(super) struct Speaker<'a> {
    voice: Voice<'a>,
    leased: Leased,
    with_buttons: bool,
    with_table: bool,
    shrinks: u32,
    /// The richest form worth trying.
    form: Form,
}

impl<'a> Speaker<'a> {
    pub fn new(voice: Voice<'a>, leased: Leased) -> Self {
        let tables = &voice.delivery.shared.tables;
        let with_table = voice.chat.rich && tables.are_worth_trying(Instant::now());
        Self {
            voice: Voice { durable: leased.durable.clone(), ..voice },
            leased,
            with_buttons: true,
            with_table,
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
        let options = self.voice.delivery.shared.with.options.load();
        let ground = self.voice.ground(&options);
        let plan = plan::plan(&self.leased.entry, self.leased.card.as_ref(), &ground);
        let card = self.leased.card.take();
        let here = card.as_ref().filter(|card| card.chat == self.voice.number);
        let kept = here.map(|card| (card.pinned, card.digest, card.stale.clone()));
        let (pinned, digest, stale) = kept.unwrap_or_default();
        let fresh = || Card { digest, stale, pinned, ..self.fresh_card(&plan.present) };
        let card = match (&plan.next, card) {
            // An unfinished card goes on; a new one starts empty.
            (Some(Step::Open { .. }), Some(card))
                if card.told.is_none() && card.chat == self.voice.number =>
            {
                card
            }
            (Some(Step::Open { .. }), _) | (_, None) => fresh(),
            (_, Some(card)) => card,
        };
        let opens = matches!(plan.next, Some(Step::Open { .. }));
        let edited = matches!(plan.next, Some(Step::Edit)).then(|| front(&card));
        let said = plan.class();
        if said.is_some() {
            self.voice.enter_topic().await?;
        }
        let mut told_of = Vec::new();
        let (card, shown) = match plan.next {
            // Lines are changed many at once, by the lane.
            None | Some(Step::Line(_)) => (card, None),
            Some(Step::Pin(message)) => (self.pin(card, message).await?, None),
            Some(Step::Unpin(message)) => (self.unpin(card, message).await?, None),
            Some(Step::Open { silent }) => self.show_card(card, &plan.present, silent).await?,
            Some(Step::Edit) => self.show_card(card, &plan.present, true).await?,
            Some(Step::Reply { kind, news, silent }) => {
                let said = self.reply(card, &plan.present, kind, &news, silent).await?;
                told_of = news;
                said
            }
        };
        if let Some(message) = shown {
            self.report(message, said);
            let (lane, chat) = (self.voice.lane.clone(), self.voice.number);
            let beneath = Beneath { lane, chat, topic: self.voice.topic, message };
            if opens {
                self.voice.delivery.attach(plan.present.firing(), &beneath, &self.voice.token);
            } else {
                let new = told_of.iter().filter_map(|index| plan.present.alerts.get(*index));
                self.voice.delivery.attach(new, &beneath, &self.voice.token);
            }
        }
        // The plan knew nothing of the new card, which may have to be pinned: the next one does.
        let replaced = edited.is_some_and(|before| before != front(&card));
        let unplanned = replaced && !self.voice.chat.pin.is_empty();
        Ok(match plan.then.or(unplanned.then_some(Class::Edit)) {
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
        let (mut shown, mut left_over) = (None, Vec::new());
        'anew: loop {
            let Rendered { parts, buttons, table, .. } = self.render(Kind::Card, present, &[]);
            // What is shown well stays beside what can't be.
            let stands = |(index, part): (usize, &Part)| {
                let buttons = if index == 0 { &buttons[..] } else { &[] };
                let shown = card.parts.get(index);
                shown.is_some_and(|shown| shown.digest == digest(&part.html, buttons))
            };
            let (parts, form) = match table {
                _ if self.is_minimal() && !parts.iter().enumerate().any(stands) => {
                    (vec![self.minimal(present)], Form::Minimal)
                }
                _ if self.is_minimal() => (parts, Form::Minimal),
                Some(html) => (vec![Part { html, plain: String::new() }], Form::Table),
                None => (parts, self.form),
            };
            for (index, part) in parts.iter().enumerate() {
                let buttons = if index == 0 { &buttons[..] } else { &[] };
                let digest = digest(&part.html, buttons);
                let existing = card.parts.get(index).copied();
                if existing.is_some_and(|shown| shown.digest == digest) {
                    continue;
                }
                let target = match existing {
                    Some(part) => Target::Existing(part.id),
                    None => Target::New { silent: silent || index > 0, reply_to: None },
                };
                match self.say(part, form, buttons, target, present).await? {
                    Said::Shown(id) => {
                        let id = existing.map(|part| part.id).or(id).unwrap_or(MessageId(0));
                        shown.get_or_insert(id);
                        match card.parts.get_mut(index) {
                            Some(part) => part.digest = digest,
                            None => card.parts.push(ShownPart { id, digest }),
                        }
                    }
                    Said::CardGone => {
                        // The others would go on saying how it stood.
                        let gone = existing.map(|part| part.id);
                        let left = card.parts.iter().map(|part| part.id);
                        left_over.extend(left.filter(|part| Some(*part) != gone));
                        shown = None;
                        card = Card {
                            digest: card.digest,
                            stale: card.stale,
                            pinned: card.pinned,
                            ..self.fresh_card(present)
                        };
                        self.voice.enter_topic().await?;
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
        for part in left_over {
            self.delete(part).await?;
        }
        self.told(&mut card, present);
        card.shown = card.told;
        card.closed_at = has_ended(present).then(|| self.voice.delivery.shared.with.clock.now());
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
            Some((of, at, sent)) if (of, at) == (entry, version) && !self.is_minimal() => sent,
            _ => 0,
        };
        let mut shown = None;
        loop {
            let shrinks = self.shrinks;
            // A reply would follow the card into the topic that takes nothing.
            let reply_to = front(&card).filter(|_| !self.voice.lost_topic);
            let Rendered { mut parts, buttons, .. } = self.render(kind, present, news);
            if self.is_minimal() {
                parts = vec![self.minimal(present)];
            }
            let Some(part) = parts.get(sent as usize) else { break };
            let buttons = if sent == 0 { &buttons[..] } else { &[] };
            let silent = silent || sent > 0;
            let (form, target) = (self.form, Target::New { silent, reply_to });
            match self.say(part, form, buttons, target, present).await? {
                Said::Shown(id) => {
                    shown = shown.or(id);
                    sent += 1;
                    // How small they were split is kept nowhere: smaller ones begin anew.
                    if (sent as usize) < parts.len() && self.shrinks == 0 {
                        card.unfinished = Some((entry, version, sent));
                        self.save(&mut card).await;
                    }
                }
                Said::Anew if self.shrinks > shrinks => sent = 0,
                Said::CardGone | Said::Anew => {}
            }
        }
        card.unfinished = None;
        self.told(&mut card, present);
        Ok((card, shown))
    }

    fn render(&self, kind: Kind, present: &Notification, news: &[usize]) -> Rendered {
        let with = &self.voice.delivery.shared.with;
        let halves = 1 << self.shrinks.min(MOST_SHRINKS);
        let limits = Limits {
            characters: Limits::TELEGRAM.characters / halves,
            entities: Limits::TELEGRAM.entities / halves,
        };
        let renderer = with.renderer.load();
        let message = renderer.render_within(&self.scene(kind, present, news), limits);
        if let Some(why) = &message.fell_back {
            with.metrics.template_fallbacks.inc();
            tracing::warn!(template = %self.leased.entry.template, %why, "the template failed; the built-in one was used");
        }
        message
    }

    /// Whether only the last resort is worth trying: one line, for the whole message.
    fn is_minimal(&self) -> bool {
        self.form == Form::Minimal || self.shrinks > MOST_SHRINKS
    }

    fn minimal(&self, present: &Notification) -> Part {
        let renderer = self.voice.delivery.shared.with.renderer.load();
        renderer.minimal(&self.scene(Kind::Card, present, &[]))
    }

    fn scene<'s>(&'s self, kind: Kind, state: &'s Notification, news: &'s [usize]) -> Scene<'s> {
        let entry: &Entry = &self.leased.entry;
        Scene {
            kind,
            state,
            news,
            merged: entry.merged,
            forgotten: entry.forgotten,
            accepted_at: entry.first_accepted_at,
            now: self.voice.delivery.shared.with.clock.now(),
            note: self.voice.note.as_deref(),
            template: &entry.template,
            language: self.voice.chat.language,
            timezone: &self.voice.chat.timezone,
            tg_time: self.voice.chat.tg_time,
            buttons: match &entry.buttons {
                _ if !self.with_buttons => &[],
                Some(of_the_route) => of_the_route,
                None => &self.voice.chat.buttons,
            },
            table: self.with_table && self.form == Form::Rich && self.shrinks == 0,
        }
    }

    fn fresh_card(&self, present: &Notification) -> Card {
        Card {
            chat: self.voice.number,
            parts: Vec::new(),
            state: present.clone(),
            told: None,
            shown: None,
            pinned: None,
            digest: None,
            stale: Vec::new(),
            unfinished: None,
            updated_at: self.voice.delivery.shared.with.clock.now(),
            closed_at: None,
        }
    }

    fn told(&self, card: &mut Card, present: &Notification) {
        card.state = present.clone();
        card.told = Some((self.leased.entry.id, self.leased.entry.version));
        card.updated_at = self.voice.delivery.shared.with.clock.now();
    }

    /// Notes durably which parts are shown, so that a crash does not repeat them.
    async fn save(&self, card: &mut Card) {
        let with = &self.voice.delivery.shared.with;
        card.updated_at = with.clock.now();
        if let Err(error) = with.outbox.progress(&self.leased.lease, card.clone()).await {
            tracing::warn!(lane = %self.voice.lane, %error, "a shown part could not be noted");
        }
    }

    /// `said` is the class of a message that people notice; edits have none.
    fn report(&self, message: MessageId, said: Option<&'static str>) {
        let shared = &self.voice.delivery.shared;
        let entry = &self.leased.entry;
        if let Some(class) = said {
            self.voice.observe(class, entry.first_accepted_at);
        }
        let _ = shared.reports.send(Report {
            lane: self.voice.lane.clone(),
            group: entry.state.group.clone(),
            outcome: Outcome::Shown { chat: self.voice.number, message },
        });
    }
}

/// The message that a card begins with.
fn front(card: &Card) -> Option<MessageId> {
    card.parts.first().map(|part| part.id)
}

/// What a part shows, shortly.
fn digest(html: &str, buttons: &[Vec<Button>]) -> u64 {
    let mut hasher = DefaultHasher::new();
    html.hash(&mut hasher);
    buttons.iter().flatten().for_each(|button| button.hash(&mut hasher));
    hasher.finish()
}
