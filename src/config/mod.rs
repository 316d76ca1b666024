//! The configuration: one file a section, all faults at once, secrets as references.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use jiff::tz::TimeZone;
use url::Url;

use crate::rendering::Language;
use crate::routing::ChatAlias;
use crate::secrets::SecretRef;
use crate::telegram::{ChatId, TopicId};

/// The whole configuration, checked.
#[derive(Debug, Clone)]
pub struct Config {
    pub telegram: Telegram,
    pub vault: Option<Vault>,
    pub chats: BTreeMap<ChatAlias, Chat>,
    // pub route: crate::routing::Route,
    pub fallback_chat: Option<ChatAlias>,
    /// Glob patterns of user templates.
    pub templates: Vec<String>,
    pub delivery: Delivery,
    pub alertmanagers: BTreeMap<String, Alertmanager>,
}

/// `telegram:`
#[derive(Debug, Clone)]
pub struct Telegram {
    pub bot_token: SecretRef,
    pub api_url: Url,
    pub proxy_url: Option<Url>,
}

/// `vault:`
#[derive(Debug, Clone)]
pub struct Vault {
    pub address: Url,
    pub ca_file: Option<PathBuf>,
    pub namespace: Option<String>,
    pub auth: VaultAuth,
    /// How often secrets are read again.
    pub refresh_interval: Duration,
    /// For one request.
    pub timeout: Duration,
}

/// How nabat logs in to Vault.
#[derive(Debug, Clone)]
pub enum VaultAuth {
    Token(SecretRef),
    AppRole { mount: String, role_id: SecretRef, secret_id: SecretRef },
}

/// One of `chats:`
#[derive(Debug, Clone)]
pub struct Chat {
    pub id: ChatIdSource,
    pub topic: Option<TopicId>,
    pub language: Language,
    pub timezone: TimeZone,
}

/// A chat's number, or where it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChatIdSource {
    Known(ChatId),
    Secret(SecretRef),
}

/// `delivery:`
#[derive(Debug, Clone)]
pub struct Delivery {
    pub dedup_window: Duration,
    /// How long an entry for an unreachable chat is kept trying.
    pub dead_after: Duration,
    /// Severities, worst first.
    pub severities: Vec<String>,
    /// A group that ended this long ago gets a new card when it fires again.
    pub new_card_after: Duration,
    /// Caps of the outbox; when one is reached ingest answers 503.
    pub max_entries: u64,
    pub max_bytes: u64,
    /// Predicted drain time of a lane from which on it is a storm.
    pub storm_threshold: Duration,
}

/// One of `alertmanagers:`
#[derive(Debug, Clone)]
pub struct Alertmanager {
    pub url: Url,
}
