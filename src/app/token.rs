//! What is secret: the bot token, chats' numbers, monitors' addresses. Kept by `secrets`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::watch;

use super::Options;
use crate::clock::{self, Clock};
use crate::config::{ChatIdSource, Config, UrlSource};
use crate::delivery::{AskForToken, Chat, ChatNumber, Hindrance, WhyNoToken};
use crate::heartbeats::PushAddress;
use crate::lifecycle::Tasks;
use crate::routing::ChatAlias;
use crate::secrets::{
    Ages, Check, Checker, SecretRef, SecretWatch, Secrets, SecretsOptions, Wanted,
};
use crate::telegram::{Answer, ChatId, Client, Complaint, Method, token_trouble};
use crate::telemetry::{Metrics, Scrubber};

/// The bot token's name in the configuration and in metrics.
pub const BOT_TOKEN: &str = "telegram.bot_token";

type SecretSender = watch::Sender<Option<Arc<SecretString>>>;

/// Keeps what is secret, through reloads that change where it is kept.
#[derive(Debug)]
pub struct Keeper {
    scrubber: Scrubber,
    metrics: Arc<Metrics>,
    clock: Arc<Clock>,
    client: Arc<ArcSwap<Client>>,
    tasks: Tasks,
    token: SecretSender,
    /// Everything secret but the token, by where it is kept. Like the token it stays in use
    /// through a reload until the new configuration's Vault has answered.
    others: Arc<Mutex<HashMap<SecretRef, SecretSender>>>,
    source: Arc<Mutex<Option<Source>>>,
    ages: Ages,
}

/// What delivery and the heartbeats need of the configuration's secrets.
#[derive(Debug)]
pub struct Kept {
    pub chats: HashMap<ChatAlias, Chat>,
    /// Where the heartbeats' monitors are, by the heartbeat's name.
    pub pushes: HashMap<String, PushAddress>,
}

/// The secrets of the configuration in force.
#[derive(Debug)]
struct Source {
    secrets: Secrets,
    token_at: SecretRef,
}

impl Keeper {
    pub fn new(
        options: &Options,
        metrics: &Arc<Metrics>,
        client: Arc<ArcSwap<Client>>,
        tasks: &Tasks,
    ) -> Self {
        Self {
            scrubber: options.scrubber.clone(),
            metrics: metrics.clone(),
            clock: options.clock.clone(),
            client,
            tasks: tasks.clone(),
            token: watch::Sender::default(),
            others: Arc::default(),
            source: Arc::default(),
            ages: Ages::default(),
        }
    }

    /// The token in use, whatever configuration it came from.
    pub fn watch(&self) -> watch::Receiver<Option<Arc<SecretString>>> {
        self.token.subscribe()
    }

    /// Asks for the token to be read again at once.
    pub fn ask(&self) -> AskForToken {
        let source = self.source.clone();
        Arc::new(move || {
            let source = source.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(source) = &*source {
                source.secrets.refresh_now(&source.token_at);
            }
        })
    }

    /// Says what keeps the token from being read, once that is known.
    pub fn why_none(&self) -> WhyNoToken {
        let source = self.source.clone();
        Arc::new(move || {
            let source = source.lock().unwrap_or_else(PoisonError::into_inner);
            let trouble = source.as_ref()?.secrets.trouble(BOT_TOKEN)?;
            Some(Hindrance { why: trouble.why, lasts: trouble.refused })
        })
    }

    /// Starts to keep the configuration's secrets; the former ones are kept no more. What is not
    /// known yet appears in the watches.
    pub fn keep(&self, config: &Config) -> Kept {
        let options = SecretsOptions {
            ages: self.ages.clone(),
            ..SecretsOptions::new(config.vault.clone(), self.scrubber.clone())
        };
        let secrets = Secrets::start(options, self.metrics.clone(), &self.clock, &self.tasks);
        let token_at = config.telegram.bot_token.clone();
        let checker = AsksTelegram { client: self.client.clone(), metrics: self.metrics.clone() };
        let token = secrets.keep(Wanted {
            name: BOT_TOKEN.to_owned(),
            at: token_at.clone(),
            checker: Some(Arc::new(checker)),
        });
        let chats = config.chats.iter().map(|(alias, chat)| {
            let number = match &chat.id {
                ChatIdSource::Known(id) => ChatNumber::Known(*id),
                ChatIdSource::Secret(at) => {
                    let name = format!("chats.{alias}.id");
                    let checker: Arc<dyn Checker> = Arc::new(IsChatId);
                    let wanted = Wanted { name, at: at.clone(), checker: Some(checker) };
                    ChatNumber::Secret(self.other(at, secrets.keep(wanted)))
                }
            };
            let chat = Chat {
                number,
                language: chat.language,
                timezone: chat.timezone.clone(),
                tg_time: chat.tg_time,
                buttons: chat.buttons.clone(),
                rich: chat.rich,
                sound: chat.sound.clone(),
                pin: chat.pin.clone(),
                storm_threshold: chat.storm_threshold.unwrap_or(config.delivery.storm_threshold),
            };
            (alias.clone(), chat)
        });
        let chats = chats.collect();
        let pushes = config.heartbeats.iter().filter_map(|(name, heartbeat)| {
            let address = match heartbeat.url.as_ref()? {
                UrlSource::Known(url) => PushAddress::Known(url.clone()),
                UrlSource::Secret(at) => {
                    let wanted = Wanted {
                        name: format!("heartbeats.{name}.url"),
                        at: at.clone(),
                        checker: Some(Arc::new(IsUrl)),
                    };
                    PushAddress::Secret(self.other(at, secrets.keep(wanted)))
                }
            };
            Some((name.clone(), address))
        });
        let pushes = pushes.collect();
        self.tasks.spawn("token", forward(token, self.token.clone(), self.tasks.clone()));
        let source = Source { secrets, token_at };
        *self.source.lock().unwrap_or_else(PoisonError::into_inner) = Some(source);
        Kept { chats, pushes }
    }

    /// What is kept at `at`: the last known value, and what arrives from now on.
    fn other(&self, at: &SecretRef, arrives: SecretWatch) -> SecretWatch {
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        let other = others.entry(at.clone()).or_default();
        self.tasks.spawn("secret", forward(arrives, other.clone(), self.tasks.clone()));
        other.subscribe()
    }
}

/// Hands each new value on. Ends when the configuration that it came from is replaced.
async fn forward(mut from: SecretWatch, to: SecretSender, tasks: Tasks) {
    loop {
        if let Some(token) = from.borrow_and_update().clone() {
            to.send_replace(Some(token));
        }
        tokio::select! {
            changed = from.changed() => if changed.is_err() { break },
            () = tasks.stopping() => break,
        }
    }
}

/// A token is good when Telegram says whose it is.
struct AsksTelegram {
    client: Arc<ArcSwap<Client>>,
    metrics: Arc<Metrics>,
}

#[async_trait]
impl Checker for AsksTelegram {
    async fn check(&self, candidate: &SecretString) -> Check {
        if let Some(trouble) = token_trouble(candidate.expose_secret()) {
            return Check::Bad(format!("it {trouble}"));
        }
        let method = Method::GetMe;
        let began = clock::monotonic();
        let answer = self.client.load().call(candidate, &method).await;
        self.metrics.telegram_answered(method.name(), answer.outcome(), began.elapsed());
        match answer {
            Answer::Done(_) => Check::Good,
            Answer::Refused(refusal) if refusal.complaint() == Complaint::Unauthorized => {
                Check::Bad(format!("Telegram refuses it: {} {}", refusal.code, refusal.description))
            }
            Answer::Refused(_) | Answer::Failed(_) => Check::CannotTell,
        }
    }
}

/// A chat's id is good when it is one.
struct IsChatId;

#[async_trait]
impl Checker for IsChatId {
    async fn check(&self, candidate: &SecretString) -> Check {
        let id = candidate.expose_secret().trim().parse().ok().and_then(ChatId::new);
        match id {
            Some(_) => Check::Good,
            None => Check::Bad("it is no chat id: a number such as -1001234567890".to_owned()),
        }
    }
}

/// A monitor's address is good when it is one.
struct IsUrl;

#[async_trait]
impl Checker for IsUrl {
    async fn check(&self, candidate: &SecretString) -> Check {
        let url = url::Url::parse(candidate.expose_secret().trim());
        if url.is_ok_and(|url| matches!(url.scheme(), "http" | "https")) {
            Check::Good
        } else {
            Check::Bad("it is no address: one starts with https:// or http://".to_owned())
        }
    }
}
