//! From the configuration's words to each room's own.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::alert::Notification;
use crate::clock::Clock;
use crate::config::{BUILT_IN, Config};
use crate::delivery::{Delivery, DeliveryOptions, TopicBook};
use crate::heartbeats::{Heartbeat, PushAddress, PushTarget};
use crate::images::Images;
use crate::ingest::{Router, Wake};
use crate::outbox::sqlite::SqliteOptions;
use crate::rendering::{Renderer, TemplateError, TemplateSource};
use crate::routing::{ChatAlias, Destination, LaneId, Topic, TopicName, TopicRule, Topics};
use crate::telegram::{Client, ClientError, ClientOptions};
use crate::telemetry::Metrics;

/// The configuration in force, as ingest asks it.
#[derive(Debug)]
pub struct Present {
    config: ArcSwap<Config>,
    topics: Arc<TopicBook>,
}

impl Present {
    pub fn new(config: Arc<Config>, topics: Arc<TopicBook>) -> Self {
        Self { config: ArcSwap::new(config), topics }
    }

    pub fn replace(&self, config: Arc<Config>) {
        self.config.store(config);
    }
}

impl Router for Present {
    fn destinations(&self, notification: &Notification) -> Vec<Destination> {
        let config = self.config.load();
        let topics = InForce { config: &config, topics: &self.topics };
        let mut destinations = config.route.route(notification, &topics);
        for destination in &mut destinations {
            in_the_chats_form(destination, &config);
        }
        destinations
    }

    fn direct(&self, notification: &Notification, chat: &ChatAlias) -> Option<Destination> {
        let config = self.config.load();
        config.chats.contains_key(chat).then(|| {
            let topics = InForce { config: &config, topics: &self.topics };
            let mut destination = config.route.direct(notification, chat, &topics);
            in_the_chats_form(&mut destination, &config);
            destination
        })
    }

    fn severity(&self, notification: &Notification) -> u8 {
        self.config.load().delivery.severities.rank(notification)
    }

    fn chats(&self) -> Vec<ChatAlias> {
        self.config.load().chats.keys().cloned().collect()
    }
}

/// The configured rules for topics, and the topics that there are.
struct InForce<'a> {
    config: &'a Config,
    topics: &'a TopicBook,
}

impl Topics for InForce<'_> {
    fn rule(&self, chat: &ChatAlias) -> Option<&TopicRule> {
        self.config.topic_of(chat)
    }

    fn admits(&self, chat: &ChatAlias, name: &TopicName) -> bool {
        self.topics.admits(chat, name)
    }
}

/// Where the route names no template of the operator's, the chat's own is used.
fn in_the_chats_form(destination: &mut Destination, config: &Config) {
    if destination.template == BUILT_IN
        && let Some(template) = config.chat_of(&destination.lane).and_then(|c| c.template.clone())
    {
        destination.template = template;
    }
}

/// Lets ingest wake delivery without knowing it.
#[derive(Debug)]
pub struct Waker(pub Delivery);

impl Wake for Waker {
    fn wake(&self, lane: &LaneId) {
        self.0.wake(lane);
    }

    fn urge(&self, lane: &LaneId) {
        self.0.urge(lane);
    }
}

/// Compiles the configured templates.
pub fn renderer(config: &Config) -> Result<Renderer, Vec<TemplateError>> {
    let sources = config.templates.iter().map(|file| TemplateSource {
        name: file.name.clone(),
        language: file.language,
        text: file.text.clone(),
        file: file.path.clone(),
    });
    let severities = config.delivery.severities.names().to_vec();
    Ok(Renderer::new(sources.collect())?.with_severities(severities))
}

/// Notes that templates are in force. A name of theirs that is nowhere in the data shows as
/// nothing, which is better than no message: it is told, and refused only by `nabat check`.
pub fn introduce_templates(renderer: &Renderer) {
    for unknown in renderer.unknown_names() {
        tracing::warn!("template {unknown}");
    }
}

/// Makes the client of the configured Bot API server.
pub fn client(config: &Config) -> Result<Client, ClientError> {
    let proxy = config.telegram.proxy_url.as_ref().map(|proxy| proxy.expose().clone());
    Client::new(&ClientOptions::new(config.telegram.api_url.clone(), proxy))
}

pub fn store_options(config: &Config) -> SqliteOptions {
    SqliteOptions {
        dedup_window: config.delivery.dedup_window,
        max_entries: config.delivery.max_entries,
        max_bytes: config.delivery.max_bytes,
        keep_cards: config.delivery.keep_cards,
    }
}

/// Makes what fetches pictures, when some may be fetched. Reads the system's certificates.
pub fn images(config: &Config) -> Result<Option<Images>, reqwest::Error> {
    config.images.clone().map(Images::new).transpose()
}

pub fn delivery_options(config: &Config, images: Option<Images>) -> DeliveryOptions {
    let fallback = config
        .fallback_chat
        .as_ref()
        .map(|chat| LaneId { chat: chat.clone(), topic: own_topic(config, chat) });
    DeliveryOptions {
        images: images.map(Arc::new),
        dead_after: config.delivery.dead_after,
        new_card_after: config.delivery.new_card_after,
        severities: config.delivery.severities.clone(),
        fallback,
    }
}

/// Makes what calls the heartbeats' monitors, when some are to be called.
pub fn pusher(config: &Config) -> Result<Option<reqwest::Client>, reqwest::Error> {
    let any = config.heartbeats.values().any(|heartbeat| heartbeat.url.is_some());
    any.then(PushTarget::client).transpose()
}

/// The heartbeats with whom they are told to and whom they call.
pub fn heartbeats(
    config: &Config,
    mut pushes: HashMap<String, PushAddress>,
    http: Option<&reqwest::Client>,
) -> BTreeMap<String, Heartbeat> {
    let heartbeat = |(name, heartbeat): (&String, &crate::config::Heartbeat)| {
        let chats = match (heartbeat.chats.as_slice(), &config.fallback_chat) {
            ([], Some(fallback)) => std::slice::from_ref(fallback),
            ([], None) => config.route.chats.as_slice(),
            (chats, _) => chats,
        };
        let lane = |chat: &ChatAlias| {
            let language = config.chats.get(chat).map(|chat| chat.language).unwrap_or_default();
            (LaneId { chat: chat.clone(), topic: own_topic(config, chat) }, language)
        };
        let push = pushes.remove(name).zip(http.cloned());
        let heartbeat = Heartbeat {
            matchers: heartbeat.matchers.clone(),
            interval: heartbeat.interval,
            lanes: chats.iter().map(lane).collect(),
            push: push.map(|(address, http)| PushTarget { http, address }),
        };
        (name.clone(), heartbeat)
    };
    config.heartbeats.iter().map(heartbeat).collect()
}

/// Where nabat itself speaks in a chat: it has no labels that could choose a topic.
fn own_topic(config: &Config, chat: &ChatAlias) -> Option<Topic> {
    match config.topic_of(chat)? {
        TopicRule::Fixed(topic) => Some(Topic::Number(*topic)),
        TopicRule::ByLabel { default, .. } => default.map(Topic::Number),
    }
}

/// The lanes that are known before anything is said: each chat's, in its fixed topic.
pub fn lanes(config: &Config) -> impl Iterator<Item = LaneId> {
    config.chats.iter().map(|(alias, chat)| {
        let topic = match &chat.topic {
            Some(TopicRule::Fixed(topic)) => Some(Topic::Number(*topic)),
            _ => None,
        };
        LaneId { chat: alias.clone(), topic }
    })
}

/// Notes that a configuration is in force, and makes its chats' series exist.
pub fn introduce(config: &Config, metrics: &Metrics, clock: &Clock) {
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    for chat in config.chats.keys() {
        metrics.introduce_chat(chat.as_str());
    }
    metrics.config_last_reload_successful.set(1);
    metrics.config_last_reload_success_timestamp.set(clock.now().as_duration().as_secs_f64());
}
