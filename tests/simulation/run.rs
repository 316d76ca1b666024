//! One simulated stretch of time: what happens is drawn from a seed, and nothing else is random.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use nabat::ingest::IntakeError;
use nabat::outbox::{Accepted, Fate, Outbox};
use nabat::sandbox::Changes;
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

/// Events that a failure shows.
const KEPT: usize = 250;
/// When the trouble is over, everything must be said within this time: the longest parking is
/// half an hour and a fifth, and a storm's messages follow it at the slowest pace.
const DRAINED: Duration = Duration::from_hours(3);

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

/// News that a chat should learn of soon.
#[derive(Debug)]
pub struct Awaited {
    pub chat: String,
    pub group: usize,
    pub alert: usize,
    pub number: u32,
    pub since: Instant,
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
    pub awaited: Vec<Awaited>,
    /// When something was last wrong with each chat; the empty name is everything.
    pub trouble: BTreeMap<String, Instant>,
    pub outcome: Outcome,
    changes: Changes,
    trace: VecDeque<String>,
    hash: DefaultHasher,
    began: Instant,
    echo: bool,
}

impl Run {
    pub fn new(seed: u64, echo: bool) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let setting = Setting::draw(&mut random);
        let groups = setting.groups.iter();
        let alertmanager = Alertmanager::new(
            groups.clone().map(|group| group.severity).collect(),
            groups.clone().map(|group| group.most_alerts).collect(),
            groups.map(|group| group.padding).collect(),
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
            awaited: Vec::new(),
            trouble: BTreeMap::new(),
            outcome: Outcome::default(),
            changes,
            trace: VecDeque::new(),
            hash: DefaultHasher::new(),
            began: Instant::now(),
            echo,
        };
        run.tell(format!("{:?}", run.world.setting.chats));
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

    /// Notes an event.
    pub fn tell(&mut self, event: String) {
        let event = format!("{:>12.3} {event}", self.began.elapsed().as_secs_f64());
        event.hash(&mut self.hash);
        if self.echo {
            println!("{event}");
        }
        if self.trace.len() == KEPT {
            self.trace.pop_front();
        }
        self.trace.push_back(event);
    }

    /// Reads what the chats have shown since the last look.
    pub fn look(&mut self) -> Result<(), String> {
        while let Some(shown) = self.changes.next_shown() {
            let Some(chat) = self.numbers.get(&shown.chat).cloned() else { continue };
            let at = self.began + (shown.edited_at.unwrap_or(shown.sent_at));
            let event = self.ledger.note(&chat, &shown, &self.model, at);
            self.tell(event);
        }
        checks::soon(self);
        self.ledger.faults.first().map_or(Ok(()), |fault| Err(fault.clone()))
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

    /// Posts a notification, and has the model learn of it when it was taken.
    pub async fn post(&mut self, said: Said) {
        if let Some(posted) = self.begin_post(&said) {
            self.end_post(said, posted).await;
        }
    }

    /// Hands a notification in; nobody takes it while nabat is down.
    pub fn begin_post(&mut self, said: &Said) -> Option<JoinHandle<Result<Accepted, IntakeError>>> {
        self.owed.insert(said.group);
        let process = self.world.process.as_ref()?;
        let (intake, body) = (process.intake.clone(), said.body.clone());
        Some(process.spawn(async move { intake.take(body, None).await }))
    }

    /// Waits for the answer. Without one it is posted again later.
    pub async fn end_post(
        &mut self,
        said: Said,
        posted: JoinHandle<Result<Accepted, IntakeError>>,
    ) {
        let Ok(Ok(accepted)) = posted.await else { return };
        self.owed.remove(&said.group);
        self.alertmanager.taken(&said);
        self.outcome.accepted += 1;
        let now = Instant::now();
        let alerts: Vec<String> =
            said.alerts.iter().map(|(alert, number)| format!("{alert}:{number}")).collect();
        self.tell(format!(
            "g{} s{} [{}] {:?} {:?}",
            said.group,
            said.made,
            alerts.join(" "),
            said.body.reason,
            accepted.lanes.iter().map(|(lane, fate)| format!("{lane} {fate:?}")).collect::<Vec<_>>()
        ));
        for (lane, fate) in &accepted.lanes {
            let chat = lane.chat.as_str();
            if *fate == Fate::Duplicate {
                continue;
            }
            self.expect_soon(chat, &said, now).await;
            self.model.accept(chat, &said, now);
        }
    }

    /// Notes news that a chat without trouble is to show soon.
    async fn expect_soon(&mut self, chat: &str, said: &Said, now: Instant) {
        let Some(process) = &self.world.process else { return };
        let totals = process.outbox.totals().await.unwrap();
        let waiting = totals.chats.iter().find(|(alias, _)| alias.as_str() == chat);
        let few = waiting.is_none_or(|(_, totals)| totals.waiting <= 2);
        let calm = self.ledger.lately(chat, now) < 6 && checks::is_well(self, chat, now);
        if !few || !calm || !said.news {
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
            });
        }
    }

    /// All trouble ends; what was accepted is shown, and compared.
    async fn settle_down(&mut self) -> Result<(), String> {
        self.tell("all trouble ends".into());
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
