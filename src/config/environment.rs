//! No file: two environment variables are enough for one chat.

use std::collections::BTreeMap;
use std::path::Path;

use crate::routing::{ChatAlias, Route};
use crate::secrets::{SecretRef, trimmed};

use super::chats::{self, Chat, ChatIdSource};
use super::telegram::{self, Telegram};
use super::walk::{Place, Walk};
use super::{Config, Delivery, Environment, Faults};

/// The bot's token.
pub const TOKEN_VARIABLE: &str = "TELEGRAM_BOT_TOKEN";
/// The number of the chat that hears everything.
pub const CHAT_ID_VARIABLE: &str = "TELEGRAM_CHAT_ID";
/// Another Bot API server than Telegram's own; may be left out.
pub const API_URL_VARIABLE: &str = "NABAT_TELEGRAM_API_URL";

/// The variable as the process sees it; `None` when it is not set or no Unicode.
pub fn process_environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// One chat called `default`, everything else at its defaults.
pub(super) fn read(environment: Environment<'_>) -> Result<Config, Faults> {
    let mut walk = Walk::over("environment", Path::new(""), environment);
    let set = |name: &str| environment(name).filter(|value| !trimmed(value).is_empty());
    let at = |name: &str| Place { path: name.to_owned(), line: None };
    for name in [TOKEN_VARIABLE, CHAT_ID_VARIABLE] {
        if set(name).is_none() {
            let problem = "is not set, and there is no configuration file";
            let remedy = format!(
                "set {TOKEN_VARIABLE} and {CHAT_ID_VARIABLE}, or name a file with --config.file"
            );
            walk.fault(&at(name), problem, remedy);
        }
    }
    if let Some(token) = set(TOKEN_VARIABLE) {
        telegram::check_variable(&at(TOKEN_VARIABLE), TOKEN_VARIABLE, &token, &mut walk);
    }
    let id = set(CHAT_ID_VARIABLE).and_then(|value| {
        chats::variable_id(&at(CHAT_ID_VARIABLE), CHAT_ID_VARIABLE, &value, &mut walk)
    });
    let api_url = match set(API_URL_VARIABLE) {
        Some(text) => telegram::api_url(&at(API_URL_VARIABLE), &text, &mut walk),
        None => Some(telegram::default_api_url()),
    };
    match (id, api_url) {
        (Some(id), Some(api_url)) if walk.faults.is_empty() => {
            let alias = ChatAlias("default".to_owned());
            Ok(Config {
                telegram: Telegram {
                    bot_token: SecretRef::Env(TOKEN_VARIABLE.to_owned()),
                    api_url,
                    proxy_url: None,
                },
                vault: None,
                chats: BTreeMap::from([(alias.clone(), Chat::new(ChatIdSource::Known(id)))]),
                route: Route::to(vec![alias]),
                fallback_chat: None,
                templates: Vec::new(),
                delivery: Delivery::default(),
                heartbeats: BTreeMap::new(),
                images: None,
                alertmanagers: BTreeMap::new(),
                warnings: walk.warnings,
            })
        }
        _ => Err(Faults(walk.faults)),
    }
}
