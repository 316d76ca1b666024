//! The calls themselves: teloxide's payloads, posted by our own HTTP client.
//!
//! teloxide's own sending sleeps ten seconds inside a call after a 5xx, throws the status away
//! and takes a sent message that it can't parse for an error (see `docs/adr/`).

use std::time::Duration;

use bytes::BytesMut;
use reqwest::redirect::Policy;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use teloxide_core::payloads::{
    DeleteMessage, EditMessageText, EditMessageTextSetters, GetMe, SendMessage, SendMessageSetters,
};
use teloxide_core::requests::Payload;
use teloxide_core::types::{self, LinkPreviewOptions, ParseMode, ReplyParameters, ThreadId};
use url::Url;

use super::answer::{self, Answer, Failure};
use super::{ChatId, MessageId, TopicId};

/// More of an answer than this is not read; real ones are a few kilobytes.
const LONGEST_ANSWER: usize = 1 << 20;

/// How to reach Telegram.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    pub api_url: Url,
    /// `http`, `https`, `socks5` or `socks5h`; may hold a password.
    pub proxy_url: Option<Url>,
    pub connect_timeout: Duration,
    /// For a whole call.
    pub timeout: Duration,
}

impl ClientOptions {
    /// 5 s to connect, 20 s in all: Telegram answers within one; its front gives up at 17.
    pub fn new(api_url: Url, proxy_url: Option<Url>) -> Self {
        Self {
            api_url,
            proxy_url,
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(20),
        }
    }
}

/// The client could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("telegram.proxy_url is no proxy address this program understands")]
    Proxy,
    #[error("the HTTP client can't be set up: {0}")]
    Setup(#[source] reqwest::Error),
}

/// What can be asked of Telegram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Method {
    GetMe,
    Send {
        chat: ChatId,
        topic: Option<TopicId>,
        text: String,
        html: bool,
        silent: bool,
        reply_to: Option<MessageId>,
    },
    Edit {
        chat: ChatId,
        message: MessageId,
        text: String,
        html: bool,
    },
    Delete {
        chat: ChatId,
        message: MessageId,
    },
}

impl Method {
    /// The Bot API's name of it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::GetMe => "getMe",
            Self::Send { .. } => "sendMessage",
            Self::Edit { .. } => "editMessageText",
            Self::Delete { .. } => "deleteMessage",
        }
    }
}

/// Talks to the Bot API. Cheap to clone; connections are shared.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    api_url: Url,
}

impl Client {
    /// # Panics
    /// When no rustls provider is installed in the process; `main` does that first.
    pub fn new(options: &ClientOptions) -> Result<Self, ClientError> {
        let mut http = reqwest::Client::builder()
            .user_agent(concat!("nabat/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .referer(false)
            .connect_timeout(options.connect_timeout)
            .timeout(options.timeout)
            .pool_idle_timeout(Duration::from_secs(50))
            .tcp_nodelay(true);
        http = match &options.proxy_url {
            Some(proxy) => {
                http.proxy(reqwest::Proxy::all(proxy.as_str()).map_err(|_| ClientError::Proxy)?)
            }
            None => http,
        };
        let http = http.build().map_err(ClientError::Setup)?;
        Ok(Self { http, api_url: options.api_url.clone() })
    }

    /// Makes one call. Never fails: whatever goes wrong is an [`Answer`]. When the future is
    /// dropped the request may have been carried out.
    pub async fn call(&self, token: &SecretString, method: &Method) -> Answer {
        match method {
            Method::GetMe => self.post(token, method.name(), &GetMe::new()).await,
            Method::Send { chat, topic, text, html, silent, reply_to } => {
                let mut payload = SendMessage::new(recipient(*chat), text.clone())
                    .link_preview_options(no_preview());
                payload.disable_notification = silent.then_some(true);
                payload.parse_mode = html.then_some(ParseMode::Html);
                payload.message_thread_id = topic.map(|topic| ThreadId(types::MessageId(topic.0)));
                payload.reply_parameters = reply_to.map(|message| {
                    ReplyParameters::new(types::MessageId(message.0)).allow_sending_without_reply()
                });
                self.post(token, method.name(), &payload).await
            }
            Method::Edit { chat, message, text, html } => {
                let message = types::MessageId(message.0);
                let mut payload = EditMessageText::new(recipient(*chat), message, text.clone())
                    .link_preview_options(no_preview());
                payload.parse_mode = html.then_some(ParseMode::Html);
                self.post(token, method.name(), &payload).await
            }
            Method::Delete { chat, message } => {
                let payload = DeleteMessage::new(recipient(*chat), types::MessageId(message.0));
                self.post(token, method.name(), &payload).await
            }
        }
    }

    async fn post<P: Payload + Serialize>(
        &self,
        token: &SecretString,
        name: &str,
        payload: &P,
    ) -> Answer {
        let mut url = self.api_url.clone();
        match url.path_segments_mut() {
            Ok(mut path) => {
                path.pop_if_empty().push(&format!("bot{}", token.expose_secret())).push(name);
            }
            Err(()) => {
                return Answer::Failed(Failure::NotSent("telegram.api_url has no host".into()));
            }
        }
        let answered = self.http.post(url).json(payload).send().await;
        let mut response = match answered {
            Ok(response) => response,
            Err(error) => return Answer::Failed(failure(error)),
        };
        let status = response.status().as_u16();
        let retry_after = response
            .headers()
            .get(http::header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok());
        let mut body = BytesMut::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() <= LONGEST_ANSWER => {
                    body.extend_from_slice(&chunk);
                }
                Ok(Some(_)) => {
                    let why = format!("HTTP {status} with more than {LONGEST_ANSWER} bytes");
                    return Answer::Failed(Failure::Unreadable { status, why });
                }
                Ok(None) => return answer::read(status, &body, retry_after),
                Err(error) => return Answer::Failed(failure(error)),
            }
        }
    }
}

fn recipient(chat: ChatId) -> types::ChatId {
    types::ChatId(chat.0)
}

fn no_preview() -> LinkPreviewOptions {
    LinkPreviewOptions {
        is_disabled: true,
        url: None,
        prefer_small_media: false,
        prefer_large_media: false,
        show_above_text: false,
    }
}

/// Whether the request may have arrived decides between a plain retry and an ambiguous one.
fn failure(error: reqwest::Error) -> Failure {
    let never_left = error.is_connect() || error.is_builder();
    let timed_out = error.is_timeout();
    let why = causes(&error.without_url());
    if never_left { Failure::NotSent(why) } else { Failure::Lost { timed_out, why } }
}

/// The error with its causes; reqwest's own text stops at the first.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
