//! `telegram:` how to reach Telegram, and as which bot.

use std::fmt;

use url::Url;

use crate::secrets::{SecretRef, trimmed};
use crate::telegram::token_trouble;

use super::secret;
use super::walk::{At, Place, Walk};
use super::yaml::Value;

pub(super) const KEYS: &[&str] = &["bot_token", "api_url", "proxy_url"];
pub(super) const PROXY_KEYS: &[&str] = &["env", "file"];

const TOKEN_REMEDY: &str =
    "copy it again from @BotFather: one line, nothing inside of it but the token";

/// `telegram:`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Telegram {
    pub bot_token: SecretRef,
    pub api_url: Url,
    pub proxy_url: Option<ProxyUrl>,
}

/// A proxy's URL, which may hold a password: it is shown without.
#[derive(Clone, PartialEq, Eq)]
pub struct ProxyUrl(Url);

impl ProxyUrl {
    /// The whole URL, for the HTTP client only.
    pub fn expose(&self) -> &Url {
        &self.0
    }
}

impl fmt::Display for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.0.scheme(), self.0.host_str().unwrap_or_default())?;
        self.0.port().map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl fmt::Debug for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProxyUrl({self})")
    }
}

/// Where Telegram's own Bot API is.
pub(super) fn default_api_url() -> Url {
    Url::parse("https://api.telegram.org").expect("the URL is a constant")
}

pub(super) fn read(at: &At<'_>, walk: &mut Walk<'_>) -> Option<Telegram> {
    let section = walk.section(at, KEYS)?;
    let bot_token =
        walk.required(&section, "bot_token", secret::REMEDY).and_then(|at| bot_token(&at, walk));
    let api_url = match section.get("api_url") {
        Some(at) => walk.text(&at).and_then(|text| api_url(&at.place, text, walk)),
        None => Some(default_api_url()),
    };
    let proxy_url = section.get("proxy_url").and_then(|at| proxy(&at, walk));
    Some(Telegram { bot_token: bot_token?, api_url: api_url?, proxy_url })
}

/// Where the token is. One in the environment is there already, and is looked at at once.
fn bot_token(at: &At<'_>, walk: &mut Walk<'_>) -> Option<SecretRef> {
    let secret = secret::read(at, walk)?;
    if let SecretRef::Env(name) = &secret
        && let Some(value) = (walk.environment)(name)
    {
        check_variable(&at.place, name, &value, walk);
    }
    Some(secret)
}

/// Reports a token in an environment variable that can't be one; the value is not shown.
pub(super) fn check_variable(place: &Place, name: &str, value: &str, walk: &mut Walk<'_>) {
    if let Some(trouble) = token_trouble(trimmed(value)) {
        let problem = format!("the environment variable {name} holds no token: it {trouble}");
        walk.fault(place, problem, TOKEN_REMEDY);
    }
}

/// A Bot API server's address. Whoever copies it from a request copies the token along.
pub(super) fn api_url(place: &Place, text: &str, walk: &mut Walk<'_>) -> Option<Url> {
    let url = walk.parse_url(place, text, &["http", "https"], "https://api.telegram.org")?;
    let token_inside = url.path_segments().is_some_and(|mut segments| {
        segments.any(|segment| segment.starts_with("bot") && segment.contains(':'))
    });
    if token_inside || !url.username().is_empty() || url.password().is_some() {
        let remedy = "write the server's address only, such as https://api.telegram.org";
        walk.fault(place, "a secret does not belong in this file", remedy);
        return None;
    }
    Some(url)
}

/// `None` when a fault was reported, or when what holds the URL is not there and need not be.
fn proxy(at: &At<'_>, walk: &mut Walk<'_>) -> Option<ProxyUrl> {
    const SCHEMES: &[&str] = &["http", "https", "socks5", "socks5h"];
    const EXAMPLE: &str = "socks5h://proxy:1080";
    if !matches!(at.value, Value::Map(_)) {
        let text = walk.text(at)?;
        let url = walk.parse_url(&at.place, text, SCHEMES, EXAMPLE)?;
        if url.password().is_some() {
            let remedy = "keep the whole URL elsewhere: {env: NAME} or {file: PATH}";
            walk.fault(&at.place, "a secret does not belong in this file", remedy);
            return None;
        }
        return Some(ProxyUrl(url));
    }
    let section = walk.secret_section(at, PROXY_KEYS)?;
    let text = match (section.get("env"), section.get("file")) {
        (Some(name), None) => secret::variable(&name, walk)?.1?,
        (None, Some(path)) => file_content(&path, walk)?,
        _ => {
            walk.fault(&at.place, "names no place, or two", "use {env: NAME} or {file: PATH}");
            return None;
        }
    };
    walk.parse_url(&at.place, &text, SCHEMES, EXAMPLE).map(ProxyUrl)
}

fn file_content(at: &At<'_>, walk: &mut Walk<'_>) -> Option<String> {
    let path = walk.file_path(at)?;
    match std::fs::read_to_string(&path) {
        Ok(content) => Some(content),
        Err(error) => {
            let problem = format!("cannot be read: {error}");
            walk.absent(&at.place, problem, "check the path and who may read it");
            None
        }
    }
}
