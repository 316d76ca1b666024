//! The configuration: one file a section, all faults at once, secrets as references.
//!
//! [`Config::load`] reads a YAML file, or, when there is none, two environment variables. The
//! file is read into a tree that knows its lines; every section then takes what is its own from
//! the tree and reports what is wrong, so that one run names every fault. `config/nabat.yml`
//! shows every key, `docs/configuration.md` explains them.

mod address;
mod alertmanagers;
pub(crate) mod chats;
mod delivery;
mod environment;
mod fault;
mod heartbeats;
mod images;
mod route;
mod secret;
mod sound;
mod telegram;
pub(crate) mod templates;
mod topic;
mod values;
mod vault;
pub(crate) mod walk;
pub(crate) mod yaml;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::images::ImageOptions;
use crate::routing::{ChatAlias, LaneId, Route, Severities, TopicName, TopicRule, Topics};
use crate::secrets::SecretRef;

pub use address::UrlSource;
pub use alertmanagers::Alertmanager;
pub use chats::{Chat, ChatIdSource};
pub use delivery::Delivery;
pub use environment::{API_URL_VARIABLE, CHAT_ID_VARIABLE, TOKEN_VARIABLE, process_environment};
pub use fault::{Fault, Faults};
pub(crate) use fault::{did_you_mean, shown};
pub use heartbeats::Heartbeat;
pub use route::updates_name;
pub use telegram::{ProxyUrl, Telegram};
pub use templates::{BUILT_IN, TemplateFile};
pub use vault::{Vault, VaultAuth};

use walk::{At, Purpose, Walk};
use yaml::{Entry, Value};

/// Looks up an environment variable; `None` when it is not set.
pub type Environment<'e> = &'e dyn Fn(&str) -> Option<String>;

/// The file that is read when none is named.
pub const DEFAULT_FILE: &str = "nabat.yml";

const KEYS: &[&str] = &[
    "telegram",
    "vault",
    "chats",
    "route",
    "fallback_chat",
    "templates",
    "delivery",
    "heartbeats",
    "images",
    "alertmanagers",
];

/// The whole configuration, checked.
#[derive(Debug, Clone)]
pub struct Config {
    pub telegram: Telegram,
    pub vault: Option<Vault>,
    /// At least one.
    pub chats: BTreeMap<ChatAlias, Chat>,
    pub route: Route,
    /// Hears of chats that can't be reached.
    pub fallback_chat: Option<ChatAlias>,
    /// The operator's templates, read.
    pub templates: Vec<TemplateFile>,
    pub delivery: Delivery,
    /// By name.
    pub heartbeats: BTreeMap<String, Heartbeat>,
    /// Which pictures of alerts are shown; none without it.
    pub images: Option<ImageOptions>,
    pub alertmanagers: BTreeMap<String, Alertmanager>,
    /// What is odd but does not stop nabat; to be logged at start and reload.
    pub warnings: Vec<Fault>,
}

impl Config {
    /// Reads the file at `path`, or the environment alone when there is none.
    ///
    /// # Errors
    /// Everything that is wrong, at once. No fault shows a value that may be a secret.
    pub fn load(path: Option<&Path>, environment: Environment<'_>) -> Result<Self, Faults> {
        Self::read(path, environment, Purpose::Work)
    }

    /// As [`Self::load`], to look at the file where nabat does not run: an environment variable
    /// that is not set here is only a warning.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn lint(path: Option<&Path>, environment: Environment<'_>) -> Result<Self, Faults> {
        Self::read(path, environment, Purpose::Lint)
    }

    fn read(
        path: Option<&Path>,
        environment: Environment<'_>,
        purpose: Purpose,
    ) -> Result<Self, Faults> {
        let Some(path) = path else { return environment::read(environment) };
        let file = path.display().to_string();
        let fault = |line, problem, remedy| {
            let path = String::new();
            Faults(vec![Fault { file: file.clone(), line, path, problem, remedy }])
        };
        let bytes = std::fs::read(path).map_err(|error| {
            let remedy = format!(
                "name the file with --config.file, or set {TOKEN_VARIABLE} and \
                 {CHAT_ID_VARIABLE} and use no file"
            );
            fault(None, format!("cannot be read: {error}"), remedy)
        })?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            let line = error.as_bytes()[..at].split(|byte| *byte == b'\n').count();
            let problem = format!("is no UTF-8 text at byte {}", at + 1);
            fault(Some(line as u64), problem, "save the file as UTF-8".to_owned())
        })?;
        let base = path.parent().unwrap_or(Path::new(""));
        let walk = Walk { purpose, ..Walk::over(&file, base, environment) };
        Self::walked(&text, walk)
    }

    /// The file to load: the one that was named, else [`DEFAULT_FILE`] when it exists.
    pub fn find(named: Option<&Path>) -> Option<PathBuf> {
        match named {
            Some(path) => Some(path.to_owned()),
            None => Some(PathBuf::from(DEFAULT_FILE)).filter(|path| path.exists()),
        }
    }

    /// The chat's own rule for topics.
    pub fn topic_of(&self, chat: &ChatAlias) -> Option<&TopicRule> {
        self.chats.get(chat)?.topic.as_ref()
    }

    /// The settings of the chat that a lane belongs to; `None` when it is not configured any more.
    pub fn chat_of(&self, lane: &LaneId) -> Option<&Chat> {
        self.chats.get(&lane.chat)
    }

    /// The secrets that nabat works with, each under its key (`telegram.bot_token`). Those that
    /// open Vault are in [`Vault::auth`].
    pub fn secret_refs(&self) -> Vec<(String, SecretRef)> {
        let chats = self.chats.iter().filter_map(|(alias, chat)| match &chat.id {
            ChatIdSource::Secret(secret) => Some((format!("chats.{alias}.id"), secret.clone())),
            ChatIdSource::Known(_) => None,
        });
        let heartbeats = self.heartbeats.iter().filter_map(|(name, heartbeat)| {
            Some((format!("heartbeats.{name}.url"), heartbeat.url.as_ref()?))
        });
        let alertmanagers = self
            .alertmanagers
            .iter()
            .map(|(name, alertmanager)| (format!("alertmanagers.{name}.url"), &alertmanager.url));
        let urls = heartbeats.chain(alertmanagers).filter_map(|(name, url)| match url {
            UrlSource::Secret(secret) => Some((name, secret.clone())),
            UrlSource::Known(_) => None,
        });
        [("telegram.bot_token".to_owned(), self.telegram.bot_token.clone())]
            .into_iter()
            .chain(chats)
            .chain(urls)
            .collect()
    }

    fn walked(text: &str, mut walk: Walk<'_>) -> Result<Self, Faults> {
        let config = walk.document(text, read);
        match config {
            Some(config) if walk.faults.is_empty() => {
                Ok(Self { warnings: walk.warnings, ..config })
            }
            _ => Err(walk.into_faults()),
        }
    }
}

/// Every name is admitted: how many topics a chat has is not the configuration's business.
impl Topics for Config {
    fn rule(&self, chat: &ChatAlias) -> Option<&TopicRule> {
        self.topic_of(chat)
    }

    fn admits(&self, _: &ChatAlias, _: &TopicName) -> bool {
        true
    }
}

/// Reads every section. `None` only after a fault was reported.
fn read(at: &At<'_>, walk: &mut Walk<'_>) -> Option<Config> {
    let root = walk.section(at, KEYS)?;
    let telegram = walk
        .required(&root, "telegram", "give the bot's token: telegram: {bot_token: …}")
        .and_then(|at| telegram::read(&at, walk));
    let vault = root.get("vault").map(|at| vault::read(&at, walk));
    let templates = root.get("templates").map(|at| templates::read(&at, walk)).unwrap_or_default();
    let mut template_names = vec![BUILT_IN];
    template_names.extend(templates.iter().map(|template| template.name.as_str()));
    let chats_at = root.get("chats");
    let chats = chats_at.as_ref().map(|at| chats::read(at, &template_names, walk));
    let chats = chats.unwrap_or_default();
    // Names count even when their chat is faulty, or one fault would be reported as many.
    let names = chats_at.as_ref().map(|at| names(at.value)).unwrap_or_default();
    let names = route::Names { chats: names, templates: template_names };
    let heartbeats = root.get("heartbeats").map(|at| heartbeats::read(&at, &names, walk));
    let alertmanagers =
        root.get("alertmanagers").map(|at| alertmanagers::read(&at, walk)).unwrap_or_default();
    if vault.is_none() {
        for place in std::mem::take(&mut walk.vault_references) {
            walk.fault(&place, "there is no vault section", "add vault: {address: …, auth: …}");
        }
    }
    if names.chats.is_empty() {
        walk.missing(&root, "chats", "name at least one: chats: {ops: {id: -1001234567890}}");
    }
    let route = match (root.get("route"), names.chats.as_slice()) {
        (Some(at), _) => route::read(&at, &names, walk),
        (None, [only]) => Some(Route::to(vec![ChatAlias((*only).to_owned())])),
        (None, []) => None,
        (None, several) => {
            let remedy = format!("say who hears what: route: {{chats: [{}]}}", several[0]);
            walk.missing(&root, "route", &remedy);
            None
        }
    };
    let fallback_chat = root.get("fallback_chat").and_then(|at| route::alias(&at, &names, walk));
    let delivery = match root.get("delivery") {
        Some(at) => delivery::read(&at, walk),
        None => Some(Delivery::default()),
    };
    let images = root.get("images").and_then(|at| images::read(&at, walk));
    if let Some(delivery) = &delivery {
        question_severities(&delivery.severities, walk);
    }
    Some(Config {
        telegram: telegram?,
        vault: match vault {
            Some(vault) => Some(vault?),
            None => None,
        },
        chats,
        route: route?,
        fallback_chat,
        templates,
        delivery: delivery?,
        heartbeats: heartbeats.unwrap_or_default(),
        images,
        alertmanagers,
        warnings: Vec::new(),
    })
}

/// Points out severities that the file names but that are not in its order: slips, as a rule.
fn question_severities(known: &Severities, walk: &mut Walk<'_>) {
    for (place, name) in std::mem::take(&mut walk.severity_references) {
        if !known.names().iter().any(|known| known.eq_ignore_ascii_case(&name)) {
            let nearest = fault::nearest(&name, known.names().iter().map(String::as_str));
            let remedy = match nearest.filter(|nearest| !fault::may_be_secret(nearest)) {
                Some(nearest) => format!("did you mean {nearest:?}?"),
                None => "name one of those, or add it there".to_owned(),
            };
            let problem = format!("{} is not in delivery.severities", shown(&name));
            walk.warn(&place, problem, remedy);
        }
    }
}

/// The usable names in a map.
fn names(value: &Value) -> Vec<&str> {
    let Value::Map(entries) = value else { return Vec::new() };
    let names = entries.iter().map(|Entry { key, .. }| key.as_str());
    let mut names: Vec<&str> = names.filter(|name| walk::is_plain_name(name)).collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[cfg(test)]
mod documented;
#[cfg(test)]
mod tests;
