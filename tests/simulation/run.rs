//! One simulated stretch of time: what happens is drawn from a seed, and nothing else is random.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nabat::outbox::{Accepted, Fate, Outbox};
use nabat::routing::Updates;
use nabat::sandbox::{Changes, Shown};
use nabat::telegram::ChatId;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::alertmanager::{Alertmanager, Said};
use crate::checks;
use crate::ledger::Ledger;
use crate::model::Model;
use crate::setting::Setting;
use crate::world::World;

/// Events that a failure shows: the last ones, played again with its seed it shows all.
const KEPT: usize = 60;
/// When the trouble is over, everything must be said within this time: the longest parking is
/// half an hour and a fifth, and a storm's messages follow it at the slowest pace.
const DRAINED: Duration = Duration::from_hours(3);

/// A storm and its edits are over by then.
const STORM_LASTS: Duration = Duration::from_mins(40);

/// How a simulation ended well.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcome {
    pub simulated: Duration,
    pub accepted: u64,
    pub calls: u64,
    pub kills: u64,
    pub storms: u64,
    pub quick: u64,
    pub dead: u64,
    /// Hash over everything that happened, in its order.
    pub trace: u64,
}

/// What was taken: when, and what became of it.
#[derive(Debug)]
pub struct Taken {
    at: Duration,
    said: Said,
    accepted: Accepted,
}

/// A notification that was handed in. False when nobody knows whether it was taken.
pub type Posted = JoinHandle<bool>;

/// News that a chat should learn of soon.
#[derive(Debug)]
pub struct Awaited {
    pub chat: String,
    pub group: usize,
    pub alert: usize,
    pub number: u32,
    pub since: Duration,
    pub within: Duration,
}

/// Everything of one simulation.
pub struct Run {
    pub world: World,
    pub random: StdRng,
    pub alertmanager: Alertmanager,
    pub model: Model,
    pub ledger: Ledger,
    /// Chats by every number they had.
    pub numbers: BTreeMap<ChatId, String>,
    /// Groups whose state was not taken yet.
    pub owed: BTreeSet<usize>,
    /// What was handed in when nabat died: it may have been taken.
    pub unsure: BTreeMap<usize, Said>,
    pub awaited: Vec<Awaited>,
    /// When something was last wrong with each chat; the empty name is everything.
    pub trouble: BTreeMap<String, Duration>,
    /// What is wrong now, each with the chat that has it.
    pub ill: BTreeSet<(String, &'static str)>,
    /// A storm is being posted.
    pub storming: bool,
    /// When the last storm was.
    pub stormed: Duration,
    pub outcome: Outcome,
    pub began: Instant,
    changes: Changes,
    taken: Arc<Mutex<VecDeque<Taken>>>,
    next_shown: Option<Shown>,
    trace: VecDeque<String>,
    hash: DefaultHasher,
    echo: bool,
}

impl Run {
    pub fn new(seed: u64, echo: bool) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let setting = Setting::draw(&mut random);
        Self::of(setting, random, echo)
    }

    /// A run in which nothing has happened yet.
    pub fn of(setting: Setting, mut random: StdRng, echo: bool) -> Self {
        let groups = setting.groups.iter();
        let alertmanager = Alertmanager::new(
            groups.clone().map(|group| group.severity).collect(),
            groups.clone().map(|group| group.most_alerts).collect(),
            groups.clone().map(|group| group.padding).collect(),
            groups.map(|group| group.listed).collect(),
        );
        let numbers = setting.chats.iter().map(|chat| (chat.id, chat.alias.clone())).collect();
        let world = World::new(setting, random.random());
        let changes = world.sandbox.follow();
        let mut run = Self {
            world,
            random,
            alertmanager,
            model: Model::default(),
            ledger: Ledger::default(),
            numbers,
            owed: BTreeSet::new(),
            unsure: BTreeMap::new(),
            awaited: Vec::new(),
            trouble: BTreeMap::new(),
            ill: BTreeSet::new(),
            storming: false,
            stormed: Duration::ZERO,
            outcome: Outcome::default(),
            changes,
            taken: Arc::default(),
            next_shown: None,
            trace: VecDeque::new(),
            hash: DefaultHasher::new(),
            began: Instant::now(),
            echo,
        };
        run.say(format!("{:?}", run.world.setting.chats));
        run
    }

    /// Plays `long`, then lets all trouble end and compares what the chats show with the model.
    ///
    /// # Errors
    /// What is wrong, and the last events.
    pub async fn play(mut self, long: Duration) -> Result<Outcome, String> {
        self.world.start().await;
        let end = Instant::now() + long;
        let mut result = Ok(());
        while Instant::now() < end && result.is_ok() {
            self.happen().await;
            result = self.look();
        }
        if result.is_ok() {
            result = self.settle_down().await;
        }
        let setting = &self.world.setting;
        match result {
            Ok(()) => Ok(Outcome {
                simulated: self.began.elapsed(),
                calls: self.world.network.calls(),
                trace: self.hash.finish(),
                ..self.outcome
            }),
            Err(why) => Err(format!(
                "{}\n{why}\n{:?} {:?} storms from {:?}",
                Vec::from(self.trace).join("\n"),
                setting.chats,
                setting.fallback,
                setting.storm_threshold,
            )),
        }
    }

    /// The time since the beginning.
    pub fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Notes what happens now.
    pub fn say(&mut self, event: impl Into<String>) {
        self.tell(self.now(), &event.into());
    }

    /// Notes an event.
    fn tell(&mut self, at: Duration, event: &str) {
        let event = format!("{:>12.3} {event}", at.as_secs_f64());
        event.hash(&mut self.hash);
        if self.echo {
            println!("{event}");
        }
        if self.trace.len() == KEPT {
            self.trace.pop_front();
        }
        self.trace.push_back(event);
    }

    /// Reads what was taken and what the chats have shown since the last look, in its order.
    pub fn look(&mut self) -> Result<(), String> {
        loop {
            if self.next_shown.is_none() {
                self.next_shown = self.changes.next_shown();
            }
            let at = self.next_shown.as_ref().map(|s| s.edited_at.unwrap_or(s.sent_at));
            let due = |taken: &mut Taken| at.is_none_or(|at| taken.at <= at);
            let taken = self.taken.lock().unwrap().pop_front_if(due);
            match (taken, at) {
                (Some(taken), _) => self.note_taken(&taken),
                (None, Some(at)) => self.note_shown(at),
                (None, None) => break,
            }
        }
        checks::soon(self, self.now());
        self.ledger.faults.first().map_or(Ok(()), |fault| Err(fault.clone()))
    }

    fn note_shown(&mut self, at: Duration) {
        let Some(shown) = self.next_shown.take() else { return };
        let Some(chat) = self.numbers.get(&shown.chat).cloned() else { return };
        let event = self.ledger.note(&chat, &shown, &self.model, at);
        self.tell(at, &event);
        checks::soon(self, at);
    }

    fn note_taken(&mut self, taken: &Taken) {
        let Taken { at, said, accepted } = taken;
        self.owed.remove(&said.group);
        self.alertmanager.taken(said);
        self.outcome.accepted += 1;
        let alerts: Vec<String> =
            said.alerts.iter().map(|(alert, number)| format!("{alert}:{number}")).collect();
        let fates: Vec<String> =
            accepted.lanes.iter().map(|(lane, fate)| format!("{lane} {fate:?}")).collect();
        let (reason, alerts, fates) = (said.body.reason, alerts.join(" "), fates.join(", "));
        self.tell(*at, &format!("g{} s{} [{alerts}] {reason:?} {fates}", said.group, said.made));
        let unsure = self.unsure.remove(&said.group);
        for (lane, fate) in &accepted.lanes {
            let chat = lane.chat.as_str();
            match (fate, &unsure) {
                (Fate::Duplicate, Some(unsure)) if unsure.alerts == said.alerts => {
                    self.model.accept(chat, unsure, Fate::Queued, *at);
                    self.ledger.guessed.insert((chat.to_owned(), said.group));
                }
                (Fate::Duplicate, _) => {}
                _ => {
                    self.expect_soon(chat, said, *at);
                    self.model.accept(chat, said, *fate, *at);
                }
            }
        }
    }

    /// Lets time pass, reading along: many messages may come in it.
    pub async fn wait(&mut self, pause: Duration) -> Result<(), String> {
        let until = Instant::now() + pause;
        while Instant::now() < until {
            sleep((until - Instant::now()).min(Duration::from_mins(10))).await;
            self.look()?;
        }
        Ok(())
    }

    /// Posts a notification, and waits for the answer.
    pub async fn post(&mut self, said: Said) {
        if let Some(posted) = self.begin_post(&said) {
            self.end_post(said, posted).await;
        }
    }

    /// Hands a notification in; nobody takes it while nabat is down.
    pub fn begin_post(&mut self, said: &Said) -> Option<Posted> {
        self.owed.insert(said.group);
        let process = self.world.process.as_ref()?;
        let began = self.began;
        let (intake, said, taken) = (process.intake.clone(), said.clone(), self.taken.clone());
        Some(process.spawn(async move {
            let accepted = intake.take(said.body.clone(), None).await;
            let Ok(accepted) = accepted else { return true };
            taken.lock().unwrap().push_back(Taken { at: began.elapsed(), said, accepted });
            true
        }))
    }

    /// Waits for the answer. Without one it is posted again later.
    pub async fn end_post(&mut self, said: Said, posted: Posted) {
        if posted.await.is_err() {
            self.unsure.insert(said.group, said);
        }
        let _ = self.look();
    }

    /// Notes news that a chat without trouble is to show soon.
    fn expect_soon(&mut self, chat: &str, said: &Said, now: Duration) {
        let calm = self.ledger.lately(chat, now) < 6 && self.stormed + STORM_LASTS < now;
        // What was taken lately is not all said yet.
        let few = self.awaited.iter().filter(|news| news.chat == chat).count() < 3;
        let within = if self.storming { checks::SOON_IN_STORMS } else { checks::SOON };
        if (!few || !calm) && !self.storming || !checks::is_well(self, chat, now) || !said.news {
            return;
        }
        // An edit is no message: in a storm it comes behind all that are.
        if self.storming && self.world.setting.updates(chat, said.group) == Updates::Edit {
            return;
        }
        let known = self.model.known.get(&(chat.to_owned(), said.group));
        let news = said.alerts.iter().find(|(alert, number)| {
            let before = known.and_then(|known| known.alerts.get(alert));
            *number % 2 == 1 && before.is_none_or(|before| before.number < **number)
        });
        if let Some((alert, number)) = news {
            self.awaited.push(Awaited {
                chat: chat.to_owned(),
                group: said.group,
                alert: *alert,
                number: *number,
                since: now,
                within,
            });
        }
    }

    /// All trouble ends; what was accepted is shown, and compared.
    async fn settle_down(&mut self) -> Result<(), String> {
        self.say("all trouble ends");
        self.mend();
        if self.world.process.is_none() {
            self.world.start().await;
        }
        for group in std::mem::take(&mut self.owed) {
            if let Some(said) = self.alertmanager.again(group, &mut self.random) {
                self.post(said).await;
            }
        }
        let began = Instant::now();
        loop {
            self.wait(Duration::from_secs(30)).await?;
            let outbox = self.world.process.as_ref().unwrap().outbox.clone();
            if outbox.lanes().await.unwrap().is_empty() {
                break;
            }
            if began.elapsed() > DRAINED {
                let waiting = outbox.list(None, 20).await.unwrap();
                return Err(format!("this still waits: {waiting:#?}"));
            }
        }
        checks::all(self).await
    }
}
