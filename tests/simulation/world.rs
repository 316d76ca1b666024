//! One nabat after another over the same store, with the same Telegram.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use nabat::alert::Notification;
use nabat::clock::Clock;
use nabat::delivery::{
    Bot, Chat, ChatNumber, Chats, Delivery, DeliveryOptions, Sound, Surroundings, TopicBook,
};
use nabat::heartbeats::Heartbeats;
use nabat::ingest::{Intake, Router, Wake};
use nabat::lifecycle::Tasks;
use nabat::outbox::Outbox;
use nabat::outbox::sqlite::{Memory, SqliteOptions, SqliteOutbox};
use nabat::rendering::{Language, Renderer, TemplateSource};
use nabat::routing::{ChatAlias, Destination, LaneId, Severities};
use nabat::sandbox::{ChatKind, Sandbox, SandboxOptions, TOKEN};
use nabat::telegram::{ChatId, Client, TopicId};
use nabat::telemetry::{Metrics, Scrubber};
use secrecy::SecretString;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::network::{Network, TIMEOUT};
use crate::reading::TEMPLATES;
use crate::setting::{ForumTopic, Setting};

/// Sends in flight may take so long when nabat is asked to stop.
const GRACE: Duration = Duration::from_secs(10);

pub const SEVERITIES: [&str; 3] = ["critical", "warning", "info"];

/// Compiled once for all worlds.
static RENDERER: LazyLock<Arc<ArcSwap<Renderer>>> = LazyLock::new(|| {
    let source = |(name, text): &(&str, &str)| TemplateSource {
        name: (*name).to_owned(),
        language: None,
        text: (*text).to_owned(),
        file: PathBuf::new(),
    };
    let renderer = Renderer::new(TEMPLATES.iter().map(source).collect()).unwrap();
    let renderer = renderer.with_severities(SEVERITIES.map(str::to_owned).to_vec());
    Arc::new(ArcSwap::from_pointee(renderer))
});

/// A process of nabat.
#[derive(Debug)]
pub struct Process {
    front: Tasks,
    back: Tasks,
    store: Tasks,
    pub outbox: Arc<SqliteOutbox>,
    pub delivery: Delivery,
    pub intake: Intake,
    pub began: Instant,
}

#[derive(Debug)]
pub struct World {
    pub setting: Arc<Setting>,
    pub sandbox: Sandbox,
    pub network: Arc<Network>,
    pub clock: Arc<Clock>,
    memory: Memory,
    token: watch::Sender<Option<Arc<SecretString>>>,
    pub process: Option<Process>,
    /// Sends that kills may have made unknown to nabat.
    pub cut: u64,
}

/// The routes: each group's destinations.
#[derive(Debug)]
struct Routes(Arc<Setting>);

impl Router for Routes {
    fn destinations(&self, notification: &Notification) -> Vec<Destination> {
        let group: usize = notification.group.key["Grp".len()..].parse().unwrap();
        self.0.groups[group].destinations.clone()
    }

    fn direct(&self, _: &Notification, _: &ChatAlias) -> Option<Destination> {
        None
    }

    fn severity(&self, notification: &Notification) -> u8 {
        severities().rank(notification)
    }

    fn chats(&self) -> Vec<ChatAlias> {
        self.0.chats.iter().map(|chat| ChatAlias(chat.alias.clone())).collect()
    }
}

#[derive(Debug)]
struct Bell(Delivery);

impl Wake for Bell {
    fn wake(&self, lane: &LaneId) {
        self.0.wake(lane);
    }
}

fn severities() -> Severities {
    Severities::new(SEVERITIES.map(str::to_owned))
}

impl World {
    /// A Telegram with its chats, and no nabat yet. Must be called inside a tokio runtime.
    pub fn new(setting: Setting, seed: u64) -> Self {
        let start: Timestamp = "2026-03-02T10:00:00Z".parse().unwrap();
        let clock = Arc::new(Clock::of_timers(start));
        let sandbox = Sandbox::in_process(SandboxOptions {
            clock: Arc::clone(&clock),
            ..SandboxOptions::default()
        });
        for chat in &setting.chats {
            sandbox.add_chat(chat.id, chat.kind, &chat.alias);
            if chat.kind == (ChatKind::Supergroup { forum: true }) {
                sandbox.add_topic(chat.id, ForumTopic::NUMBER, "fixed");
            }
        }
        let network = Arc::new(Network::new(sandbox.clone(), seed, setting.latency));
        let (token, _) = watch::channel(Some(Arc::new(SecretString::from(TOKEN))));
        Self {
            setting: Arc::new(setting),
            sandbox,
            network,
            clock,
            memory: Memory::new().unwrap(),
            token,
            process: None,
            cut: 0,
        }
    }

    /// Starts nabat as `app` does.
    pub async fn start(&mut self) {
        let metrics = Arc::new(Metrics::new("0.0.0"));
        let (front, back, store) = (Tasks::mortal(), Tasks::mortal(), Tasks::mortal());
        let options =
            SqliteOptions { keep_cards: self.setting.keep_cards, ..SqliteOptions::default() };
        let commits = metrics.outbox_commit_duration.clone();
        let outbox =
            Arc::new(SqliteOutbox::open_in(&self.memory, options, commits, &store).unwrap());
        // A lane sends one message at a time, and the lanes of a chat one after the other.
        self.cut += outbox.cut_sends().values().sum::<u64>().min(self.setting.chats.len() as u64);
        let dynamic: Arc<dyn Outbox> = outbox.clone();
        let chats = Arc::new(Chats::new(self.book(), outbox.migrations().await.unwrap()));
        let delivery = Delivery::new(Surroundings {
            outbox: dynamic.clone(),
            client: Arc::new(ArcSwap::from_pointee(Client::in_process(
                self.network.clone(),
                TIMEOUT,
            ))),
            bot: Bot::new(self.token.subscribe(), Arc::new(|| {}), Arc::new(|| None)),
            chats: chats.clone(),
            topics: Arc::new(TopicBook::new(chats, outbox.topics().await.unwrap())),
            renderer: RENDERER.clone(),
            metrics: metrics.clone(),
            clock: self.clock.clone(),
            options: ArcSwap::from_pointee(self.options()),
            tasks: back.clone(),
        });
        let wake = Arc::new(Bell(delivery.clone()));
        let heartbeats = Arc::new(Heartbeats::new(
            dynamic.clone(),
            wake.clone(),
            self.clock.clone(),
            metrics.clone(),
            back.clone(),
        ));
        let intake = Intake {
            router: Arc::new(Routes(self.setting.clone())),
            outbox: dynamic,
            wake,
            heartbeats,
            clock: self.clock.clone(),
            metrics,
            scrubber: Scrubber::new(),
            tasks: front.clone(),
        };
        delivery.start().await.unwrap();
        for chat in &self.setting.chats {
            delivery.wake(&LaneId { chat: ChatAlias(chat.alias.clone()), topic: None });
        }
        let began = Instant::now();
        self.process = Some(Process { front, back, store, outbox, delivery, intake, began });
    }

    fn book(&self) -> HashMap<ChatAlias, Chat> {
        let chat = |number: ChatId, pin: &[String]| Chat {
            number: ChatNumber::Known(number),
            language: Language::EN,
            timezone: TimeZone::UTC,
            tg_time: false,
            buttons: Vec::new(),
            rich: false,
            sound: Sound::default(),
            pin: pin.to_vec(),
            storm_threshold: self.setting.storm_threshold,
        };
        let chats = self.setting.chats.iter();
        chats.map(|c| (ChatAlias(c.alias.clone()), chat(c.id, &c.pin))).collect()
    }

    fn options(&self) -> DeliveryOptions {
        DeliveryOptions {
            dead_after: self.setting.dead_after,
            new_card_after: self.setting.new_card_after,
            severities: severities(),
            fallback: self.setting.fallback.clone(),
            images: None,
        }
    }

    /// `kill -9`: every task ends where it waits, and nothing is closed.
    pub async fn kill(&mut self) {
        if let Some(process) = self.process.take() {
            let Process { front, back, store, outbox, .. } = process;
            // All at once: no task may see another one's end.
            tokio::join!(front.kill(), back.kill(), store.kill());
            drop(outbox);
        }
    }

    /// SIGTERM: as [`nabat::lifecycle::StopOrder`] does, without the doors.
    pub async fn stop(&mut self) {
        let Some(process) = &self.process else { return };
        process.front.stop();
        process.front.finished().await;
        process.back.stop();
        let _ = timeout(GRACE, process.back.finished()).await;
        process.outbox.close().await;
        self.kill().await;
    }
}

/// The topic that is in a forum from the start.
impl ForumTopic {
    pub const NUMBER: TopicId = TopicId(11);
}

/// Starts a task of a process that may be killed.
impl Process {
    pub fn spawn<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> tokio::task::JoinHandle<T> {
        self.front.spawn("webhook", task)
    }
}
