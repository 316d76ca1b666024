//! Delivery and the store alone, wired by hand, so that a call to Telegram may be given up soon.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::tz::TimeZone;
use nabat::clock::Clock;
use nabat::delivery::{
    Bot, Chat, ChatNumber, Chats, Delivery, DeliveryOptions, Sound, Surroundings,
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

use crate::outbox_contract::{fires, submission};
use crate::support::stage::OPS;
use crate::support::{eventually, install_crypto};

/// How long a call may take here.
const TIMEOUT: Duration = Duration::from_millis(1500);

pub struct Wired {
    pub metrics: Arc<Metrics>,
    outbox: Arc<dyn Outbox>,
    tasks: Tasks,
    _token: watch::Sender<Option<Arc<SecretString>>>,
    _directory: TempDir,
}

impl Wired {
    /// Delivery to the chat `ops` at a Bot API server.
    pub async fn start(api_url: &str, token: &str) -> Self {
        install_crypto();
        let directory = TempDir::new().unwrap();
        let metrics = Arc::new(Metrics::new("test"));
        let commits = metrics.outbox_commit_duration.clone();
        let outbox: Arc<dyn Outbox> = Arc::new(
            SqliteOutbox::open(directory.path(), SqliteOptions::default(), commits).unwrap(),
        );
        let (token, watched) = watch::channel(Some(Arc::new(SecretString::from(token))));
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
        let options = ClientOptions {
            timeout: TIMEOUT,
            ..ClientOptions::new(api_url.parse().unwrap(), None)
        };
        let tasks = Tasks::default();
        let delivery = Delivery::new(Surroundings {
            outbox: outbox.clone(),
            client: Arc::new(ArcSwap::from_pointee(Client::new(&options).unwrap())),
            bot: Bot::new(watched, Arc::new(|| {})),
            topics: Arc::default(),
            chats: Arc::new(Chats::new(book, Vec::new())),
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
        outbox.accept(submission("DiskFull", &[fires("a")])).await.unwrap();
        delivery.start().await.unwrap();
        Self { metrics, outbox, tasks, _token: token, _directory: directory }
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
