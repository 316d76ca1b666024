//! A lane's worker that panics: it goes on, and what made it panic ends as a dead letter.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
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
use nabat::sandbox::Limits;
use nabat::telegram::{Client, ClientOptions};
use nabat::telemetry::Metrics;
use secrecy::SecretString;
use tempfile::TempDir;
use tokio::sync::watch;

use crate::outbox_contract::{fires, ops, submission};
use crate::support::stage::{OPS, sandbox};
use crate::support::{eventually, install_crypto};

#[tokio::test]
async fn an_entry_whose_handling_panics_again_and_again_is_a_dead_letter() {
    install_crypto();
    let sandbox = sandbox(Limits::None);
    let directory = TempDir::new().unwrap();
    let metrics = Arc::new(Metrics::new("test"));
    let commits = metrics.outbox_commit_duration.clone();
    let outbox = SqliteOutbox::open(directory.path(), SqliteOptions::default(), commits).unwrap();
    let outbox: Arc<dyn Outbox> = Arc::new(outbox);

    // Every refused token is replaced, by something that then panics inside the worker.
    let right = Arc::new(SecretString::from(sandbox.token()));
    let wrong = || Some(Arc::new(SecretString::from("700000001:WRONG")));
    let (tokens, watched) = watch::channel(wrong());
    let panics = Arc::new(AtomicU32::new(0));
    let ask = {
        let (tokens, panics) = (tokens.clone(), panics.clone());
        move || {
            tokens.send_replace(wrong());
            panics.fetch_add(1, Ordering::Relaxed);
            panic!("on purpose, by the test");
        }
    };
    let number = ChatNumber::Known(OPS);
    let chat = Chat {
        number,
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
    let options = ClientOptions::new(sandbox.url().parse().unwrap(), None);
    let tasks = Tasks::default();
    let delivery = Delivery::new(Surroundings {
        outbox: outbox.clone(),
        client: Arc::new(ArcSwap::from_pointee(Client::new(&options).unwrap())),
        bot: Bot::new(watched, Arc::new(ask)),
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

    outbox.accept(submission("poison", &[fires("a")])).await.unwrap();
    delivery.start().await.unwrap();
    let dead = async || outbox.list(Some(EntryState::Dead), 10).await.unwrap();
    eventually("a dead letter", async || !dead().await.is_empty()).await;
    assert_eq!(panics.load(Ordering::Relaxed), 3);
    assert_eq!(dead().await[0].reason.as_deref(), Some("poisonous"));
    assert_eq!(metrics.dead_letters.with_label_values(&["ops", "poisonous"]).get(), 1);

    tokens.send_replace(Some(right));
    outbox.accept(submission("good", &[fires("a")])).await.unwrap();
    delivery.wake(&ops());
    eventually("the lane goes on", async || sandbox.messages(OPS).len() == 1).await;
    tasks.stop();
    tasks.finished().await;
}
