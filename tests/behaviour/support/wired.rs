//! Delivery and the store alone, wired by hand: with its own token, and calls that are given up soon.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::tz::TimeZone;
use nabat::clock::Clock;
use nabat::delivery::{
    AskForToken, Bot, Chat, ChatNumber, Chats, Delivery, DeliveryOptions, Sound, Surroundings,
    TopicBook,
};
use nabat::lifecycle::Tasks;
use nabat::outbox::sqlite::{SqliteOptions, SqliteOutbox};
use nabat::outbox::{EntryState, Outbox};
use nabat::rendering::{Language, Renderer};
use nabat::routing::{ChatAlias, Severities};
use nabat::telegram::{Client, ClientOptions};
use nabat::telemetry::Metrics;
use secrecy::SecretString;
use tempfile::TempDir;
use tokio::sync::watch;

use super::stage::OPS;
use super::{eventually, install_crypto};

/// Delivery to the chat `ops`.
#[derive(Debug)]
pub struct Wired {
    pub metrics: Arc<Metrics>,
    pub outbox: Arc<dyn Outbox>,
    pub delivery: Delivery,
    tasks: Tasks,
    _directory: TempDir,
}

impl Wired {
    /// At a Bot API server, each of whose calls may take `timeout`. Nothing runs until delivery is
    /// started or woken.
    pub fn new(
        api_url: &str,
        timeout: Duration,
        token: watch::Receiver<Option<Arc<SecretString>>>,
        ask: AskForToken,
    ) -> Self {
        install_crypto();
        let directory = TempDir::new().unwrap();
        let metrics = Arc::new(Metrics::new("test"));
        let commits = metrics.outbox_commit_duration.clone();
        let store =
            SqliteOutbox::open(directory.path(), SqliteOptions::default(), commits).unwrap();
        let deaths = metrics.dead_letters.clone();
        store.on_deaths(move |chat, reason, number| {
            deaths.with_label_values(&[chat.as_str(), reason.as_str()]).inc_by(number);
        });
        let outbox: Arc<dyn Outbox> = Arc::new(store);
        let chat = Chat {
            number: ChatNumber::Known(OPS),
            language: Language::EN,
            timezone: TimeZone::UTC,
            tg_time: false,
            buttons: Vec::new(),
            rich: false,
            sound: Sound::default(),
            pin: Vec::new(),
            storm_threshold: Duration::from_secs(30),
        };
        let book = HashMap::from([(ChatAlias("ops".into()), chat)]);
        let chats = Arc::new(Chats::new(book, Vec::new()));
        let options =
            ClientOptions { timeout, ..ClientOptions::new(api_url.parse().unwrap(), None) };
        let tasks = Tasks::default();
        let delivery = Delivery::new(Surroundings {
            outbox: outbox.clone(),
            client: Arc::new(ArcSwap::from_pointee(Client::new(&options).unwrap())),
            bot: Bot::new(token, ask, Arc::new(|| None)),
            topics: Arc::new(TopicBook::new(chats.clone(), Vec::new())),
            chats,
            renderer: Arc::new(ArcSwap::from_pointee(Renderer::new(Vec::new()).unwrap())),
            metrics: metrics.clone(),
            clock: Arc::new(Clock::system()),
            options: ArcSwap::from_pointee(DeliveryOptions {
                dead_after: Duration::from_hours(1),
                new_card_after: Duration::from_hours(1),
                severities: Severities::default(),
                fallback: None,
                images: None,
            }),
            tasks: tasks.clone(),
        });
        Self { metrics, outbox, delivery, tasks, _directory: directory }
    }

    /// Waits until everything is sent.
    pub async fn drained(&self) {
        let waiting = async || self.outbox.list(Some(EntryState::Waiting), 1).await.unwrap();
        eventually("the outbox is empty", async || waiting().await.is_empty()).await;
    }

    pub async fn stop(&self) {
        self.tasks.stop();
        self.tasks.finished().await;
    }
}
