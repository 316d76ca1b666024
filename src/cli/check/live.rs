//! The live part of the check: Vault, the secrets, Telegram and the Alertmanagers, all at once.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use super::Paint;
use super::summary::place;
use super::telegram::Telegram;
use crate::cli::http::root_cause;
use crate::cli::output::plain;
use crate::clock::Clock;
use crate::config::{ChatIdSource, Config, UrlSource};
use crate::routing::{ChatAlias, Route, TopicRule};
use crate::secrets::{KvVersion, SecretRef, SecretsOptions, Sources};
use crate::telegram::{ChatId, Client, TopicId, token_trouble};
use crate::telemetry::{Metrics, Scrubber};

/// How long one question may take. What has not answered by then is of no use to a pager.
const PATIENCE: Duration = Duration::from_secs(10);

/// How one check went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    Good(String),
    Bad {
        problem: String,
        remedy: String,
    },
    /// It can't be asked before another check succeeds.
    Skipped(&'static str),
}

impl Outcome {
    pub fn bad(problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Bad { problem: problem.into(), remedy: remedy.into() }
    }
}

/// All checks by the path of what they check, in the order in which they are shown.
#[derive(Debug)]
pub(super) struct Report {
    lines: Vec<(String, Outcome)>,
    scrubber: Scrubber,
}

impl Report {
    pub fn is_good(&self) -> bool {
        self.lines.iter().all(|(_, outcome)| matches!(outcome, Outcome::Good(_)))
    }

    /// A line a check, and one for a failure's remedy.
    pub fn shown(&self, paint: Paint) -> String {
        let mut out = format!("\n{}\n", paint.title("live"));
        let width = self.lines.iter().map(|(what, _)| what.len()).max().unwrap_or_default();
        for (what, outcome) in &self.lines {
            let (mark, text) = match outcome {
                Outcome::Good(note) => (paint.good("✓"), note.as_str()),
                Outcome::Bad { problem, .. } => (paint.bad("✗"), problem.as_str()),
                Outcome::Skipped(why) => (paint.faint("–"), *why),
            };
            // Writing to a string does not fail.
            let _ = writeln!(out, "  {mark} {what:width$}  {text}");
            if let Outcome::Bad { remedy, .. } = outcome {
                let _ = writeln!(out, "    {:width$}  → {remedy}", "");
            }
        }
        self.scrubber.clean(&out).into_owned()
    }
}

/// Asks everyone. Takes three times [`PATIENCE`] at most: Vault, a secret, Telegram.
///
/// # Errors
/// When this machine can't make an HTTP client.
pub(super) async fn examine(config: &Config, client: Client) -> anyhow::Result<Report> {
    let scrubber = Scrubber::new();
    let options = SecretsOptions::new(config.vault.clone(), scrubber.clone());
    let metrics = Arc::new(Metrics::new(env!("CARGO_PKG_VERSION")));
    let sources = Sources::new(&options, &metrics, &Arc::new(Clock::system()));
    let http = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(PATIENCE)
        .build()
        .map_err(reqwest::Error::without_url)?;

    let alertmanagers = join_all(config.alertmanagers.iter().map(async |(name, at)| {
        let outcome = match url(&at.url, &sources).await {
            Ok(url) => alertmanager(&http, &url).await,
            Err(outcome) => outcome,
        };
        (format!("alertmanagers.{name}"), outcome)
    }));
    let (mut lines, alertmanagers) =
        tokio::join!(secrets_and_chats(config, &sources, client), alertmanagers);
    lines.extend(alertmanagers);
    sources.close().await;
    Ok(Report { lines, scrubber })
}

/// Vault first, then the bot token, then the chats.
async fn secrets_and_chats(
    config: &Config,
    sources: &Sources,
    client: Client,
) -> Vec<(String, Outcome)> {
    let mut lines = Vec::new();
    let mut vault_is_there = true;
    if let Some(vault) = &config.vault {
        let login = vault_login(sources, &vault.address).await;
        vault_is_there = matches!(login, Outcome::Good(_));
        lines.push(("vault".to_owned(), login));
    }
    let read_in_turn = async |at: &SecretRef| {
        if matches!(at, SecretRef::Vault(_)) && !vault_is_there {
            return Err(Outcome::Skipped("it is in Vault"));
        }
        read(at, sources).await
    };

    let token_at = &config.telegram.bot_token;
    let token =
        read_in_turn(token_at).await.and_then(|token| match token_trouble(token.expose_secret()) {
            Some(trouble) => {
                let problem = format!("{} holds no token: it {trouble}", place(token_at));
                Err(Outcome::bad(problem, "copy it again from @BotFather"))
            }
            None => Ok(token),
        });
    lines.push(("telegram.bot_token".to_owned(), read_from(&token, token_at)));
    let telegram = Telegram { client, token: token.ok(), patience: PATIENCE };
    let bot = telegram.bot().await;
    let accepted = matches!(bot, Outcome::Good(_));
    lines.push(("telegram".to_owned(), bot));

    let chats = config.chats.iter().map(async |(alias, chat)| {
        let number = match &chat.id {
            ChatIdSource::Known(id) => Ok(*id),
            ChatIdSource::Secret(at) => match read_in_turn(at).await {
                Ok(secret) => number(&secret).ok_or_else(|| {
                    let problem = format!("{} holds no chat id", place(at));
                    Outcome::bad(problem, "a group's id looks like -1001234567890")
                }),
                Err(outcome) => Err(outcome),
            },
        };
        let outcome = match number {
            Ok(_) if !accepted => Outcome::Skipped("Telegram can't be asked"),
            Ok(number) => telegram.chat(number, &topics(config, alias)).await,
            Err(outcome) => outcome,
        };
        (format!("chats.{alias}"), outcome)
    });
    lines.extend(join_all(chats).await);
    lines
}

async fn read(at: &SecretRef, sources: &Sources) -> Result<SecretString, Outcome> {
    match tokio::time::timeout(PATIENCE, sources.read(at)).await {
        Ok(Ok(secret)) => Ok(secret),
        Ok(Err(error)) => Err(Outcome::bad(error.to_string(), remedy(at))),
        Err(_) => Err(Outcome::bad("no answer in time", remedy(at))),
    }
}

/// The address of an Alertmanager, wherever it is kept.
async fn url(source: &UrlSource, sources: &Sources) -> Result<Url, Outcome> {
    let at = match source {
        UrlSource::Known(url) => return Ok(url.clone()),
        UrlSource::Secret(at) => at,
    };
    let secret = read(at, sources).await?;
    let url = Url::parse(secret.expose_secret()).ok();
    let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    url.ok_or_else(|| {
        let problem = format!("{} holds no URL", place(at));
        Outcome::bad(problem, "write it like http://alertmanager:9093")
    })
}

fn number(secret: &SecretString) -> Option<ChatId> {
    ChatId::new(secret.expose_secret().trim().parse().ok()?)
}

/// Every topic of the chat in which something may be said; `None` is the chat itself.
fn topics(config: &Config, chat: &ChatAlias) -> Vec<Option<TopicId>> {
    fn visit(route: &Route, chat: &ChatAlias, found: &mut Vec<Option<TopicId>>) {
        if let Some(rule) = &route.topic
            && route.chats.contains(chat)
        {
            found.extend(rule.numbers().into_iter().map(Some));
        }
        for child in &route.routes {
            visit(child, chat, found);
        }
    }
    let mut found = match config.topic_of(chat) {
        Some(TopicRule::Fixed(topic)) => vec![Some(*topic)],
        Some(rule) => rule.numbers().into_iter().map(Some).chain([None]).collect(),
        None => vec![None],
    };
    visit(&config.route, chat, &mut found);
    found.sort_unstable();
    found.dedup();
    found
}

async fn vault_login(sources: &Sources, address: &Url) -> Outcome {
    const REMEDY: &str = "check vault.address, vault.ca_file and vault.auth; a running nabat \
                          accepts alerts meanwhile and keeps trying";
    match tokio::time::timeout(PATIENCE, sources.log_in()).await {
        Ok(Ok(())) => Outcome::Good(format!("logged in at {address}")),
        Ok(Err(error)) => Outcome::bad(error.to_string(), REMEDY),
        Err(_) => Outcome::bad(format!("no answer from {address}"), REMEDY),
    }
}

fn read_from<T>(read: &Result<T, Outcome>, at: &SecretRef) -> Outcome {
    match read {
        Ok(_) => Outcome::Good(format!("read from {}", place(at))),
        Err(outcome) => outcome.clone(),
    }
}

/// What to do about a secret that can't be read.
fn remedy(at: &SecretRef) -> String {
    match at {
        SecretRef::Env(name) => format!("set the environment variable {name}"),
        SecretRef::File(_) => "check the path, its content and who may read it".to_owned(),
        SecretRef::Vault(field) => {
            let below = match field.engine {
                KvVersion::V1 => "",
                KvVersion::V2 => "data/",
            };
            let (mount, path) = (&field.mount, &field.path);
            format!(
                "look with \"vault kv get -mount={mount} {path}\"; the policy it needs: \
                 path \"{mount}/{below}{path}\" {{ capabilities = [\"read\"] }}"
            )
        }
    }
}

/// What `GET /api/v2/status` tells, as far as it is shown.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    version_info: Version,
}

#[derive(Debug, Deserialize)]
struct Version {
    version: String,
}

async fn alertmanager(http: &reqwest::Client, base: &Url) -> Outcome {
    let mut url = base.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(["api", "v2", "status"]);
    }
    let place = format!("{}{}", base.host_str().unwrap_or_default(), port(base));
    let remedy = "check the URL; it is Alertmanager's own, with its path prefix if it has one";
    let answer = match http.get(url).send().await {
        Ok(answer) => answer,
        Err(error) if error.is_timeout() => {
            return Outcome::bad(format!("no answer from {place}"), remedy);
        }
        Err(error) => {
            let why = root_cause(&error.without_url());
            return Outcome::bad(format!("{place} cannot be reached: {why}"), remedy);
        }
    };
    let status = answer.status();
    if status == reqwest::StatusCode::UNAUTHORIZED {
        let remedy = "put the right ones into the URL, which then is kept elsewhere: \
                      url: {env: NAME}, {file: PATH} or {vault: …}";
        return Outcome::bad(format!("{place} wants another user and password"), remedy);
    }
    match answer.json::<Status>().await {
        Ok(told) if status.is_success() => {
            Outcome::Good(format!("Alertmanager {} at {place}", plain(&told.version_info.version)))
        }
        _ => Outcome::bad(format!("{place} is no Alertmanager: it answered {status}"), remedy),
    }
}

fn port(url: &Url) -> String {
    url.port().map(|port| format!(":{port}")).unwrap_or_default()
}
