//! The calls themselves: parameters that are teloxide's, posted by our own HTTP client.
//!
//! teloxide's own sending sleeps ten seconds inside a call after a 5xx, throws the status away
//! and takes a sent message that it can't parse for an error (see `docs/adr/`).

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use reqwest::multipart::{Form, Part};
use reqwest::redirect::Policy;
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::{Host, Url};

use super::answer::{self, Answer, Failure, Hurdle, Response};
use super::method::{Method, Photo};

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

/// Carries calls to a Bot API that lives in the same process: simulations have no sockets, whose
/// timing nothing could repeat.
#[async_trait]
pub trait Carrier: fmt::Debug + Send + Sync + 'static {
    /// Makes one call; what is slow is cut off by the client.
    ///
    /// # Errors
    /// When there is no answer.
    async fn carry(&self, token: &SecretString, method: &Method) -> Result<Response, Failure>;
}

/// Talks to the Bot API. Cheap to clone; connections are shared.
#[derive(Debug, Clone)]
pub struct Client(Way);

/// How calls travel.
#[derive(Debug, Clone)]
enum Way {
    Http(Http),
    InProcess { carrier: Arc<dyn Carrier>, timeout: Duration },
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
            // The environment's proxy is for the way out.
            None if is_loopback(&options.api_url) => http.no_proxy(),
            None => http,
        };
        let client = http.build().map_err(ClientError::Setup)?;
        let behind_proxy = options.proxy_url.is_some();
        Ok(Self(Way::Http(Http { client, api_url: options.api_url.clone(), behind_proxy })))
    }

    /// Talks to a Bot API in the same process; a call takes at most `timeout`.
    pub fn in_process(carrier: Arc<dyn Carrier>, timeout: Duration) -> Self {
        Self(Way::InProcess { carrier, timeout })
    }

    /// Makes one call. Never fails: whatever goes wrong is an [`Answer`]. When the future is
    /// dropped the request may have been carried out.
    pub async fn call(&self, token: &SecretString, method: &Method) -> Answer {
        match self.request(token, method).await {
            Ok(response) => answer::read(&response),
            Err(failure) => Answer::Failed(failure),
        }
    }

    /// Makes one call and reads its result, such as a [`Me`](super::Me) of [`Method::GetMe`].
    ///
    /// # Errors
    /// The answer, when it is none that holds such a result.
    pub async fn ask<T: DeserializeOwned>(
        &self,
        token: &SecretString,
        method: &Method,
    ) -> Result<T, Answer> {
        let response = self.request(token, method).await.map_err(Answer::Failed)?;
        answer::read_result(&response)
    }

    async fn request(&self, token: &SecretString, method: &Method) -> Result<Response, Failure> {
        match &self.0 {
            Way::Http(http) => http.request(token, method).await,
            Way::InProcess { carrier, timeout } => {
                let response = tokio::time::timeout(*timeout, carrier.carry(token, method)).await;
                response.unwrap_or_else(|_| {
                    Err(Failure::Lost { timed_out: true, why: "no answer in time".into() })
                })
            }
        }
    }
}

/// The way over the network.
#[derive(Debug, Clone)]
struct Http {
    client: reqwest::Client,
    api_url: Url,
    behind_proxy: bool,
}

impl Http {
    async fn request(&self, token: &SecretString, method: &Method) -> Result<Response, Failure> {
        let mut url = self.api_url.clone();
        match url.path_segments_mut() {
            Ok(mut path) => {
                path.pop_if_empty()
                    .push(&format!("bot{}", token.expose_secret()))
                    .push(method.name());
            }
            Err(()) => {
                return Err(Failure::NotSent(Hurdle::Name, "telegram.api_url has no host".into()));
            }
        }
        let request = self.client.post(url);
        let request = match method.upload() {
            None => request.json(&method.payload()),
            Some((name, file)) => {
                let form = form(&method.payload(), name, file);
                request.multipart(form.map_err(|error| self.failure(error))?)
            }
        };
        let mut response = request.send().await.map_err(|error| self.failure(error))?;
        let status = response.status().as_u16();
        let retry_after = response
            .headers()
            .get(http::header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok());
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.failure(error))? {
            if body.len() + chunk.len() > LONGEST_ANSWER {
                let why = format!("HTTP {status} with more than {LONGEST_ANSWER} bytes");
                return Err(Failure::Unreadable { status, why });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Response { status, body: without_token(&body, token), retry_after })
    }

    /// Whether the request may have arrived decides between a plain retry and an ambiguous one.
    fn failure(&self, error: reqwest::Error) -> Failure {
        let never_left = error.is_connect() || error.is_builder();
        let timed_out = error.is_timeout();
        let error = error.without_url();
        let why = causes(&error);
        if never_left {
            Failure::NotSent(hurdle(&error, &why, self.behind_proxy), why)
        } else {
            Failure::Lost { timed_out, why }
        }
    }
}

/// The parameters and a file as `multipart/form-data`, the one way to upload.
fn form(payload: &Value, name: &'static str, file: &Photo) -> reqwest::Result<Form> {
    let content = Part::stream_with_length(file.content.clone(), file.content.len() as u64);
    let content = content.file_name(file.name).mime_str(file.content_type)?;
    let parameters = payload.as_object().into_iter().flatten();
    Ok(parameters.fold(Form::new().part(name, content), |form, (name, value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        form.text(name.clone(), value)
    }))
}

/// A front's error page may repeat the address it was asked for, with the token in it.
fn without_token(body: &[u8], token: &SecretString) -> Bytes {
    let (text, token) = (String::from_utf8_lossy(body), token.expose_secret());
    let encoded = token.replace(':', "%3A");
    Bytes::from(text.replace(token, "[token]").replace(&encoded, "[token]"))
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// What stood in the way. hyper's own errors can only be told apart by their words.
fn hurdle(error: &reqwest::Error, why: &str, behind_proxy: bool) -> Hurdle {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    let mut tls = why.contains("tls handshake eof");
    while let Some(error) = cause {
        tls |= error.is::<rustls::Error>();
        // An I/O error does not name what it wraps as its source.
        cause = match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        };
    }
    if tls {
        Hurdle::Tls
    } else if behind_proxy || why.contains("tunnel error") {
        Hurdle::Proxy
    } else if why.contains("dns error") {
        Hurdle::Name
    } else {
        Hurdle::Connection
    }
}

/// The error with its causes; reqwest's own text stops at the first.
fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_asked_without_the_environments_proxy() {
        let of = |url: &str| is_loopback(&url.parse().unwrap());
        for here in ["http://127.0.0.1:8081", "http://localhost:8081", "http://[::1]/bot"] {
            assert!(of(here), "{here}");
        }
        for away in ["https://api.telegram.org", "http://10.0.0.1", "http://localhost.example"] {
            assert!(!of(away), "{away}");
        }
    }
}
