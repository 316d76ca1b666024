//! Talking to a running nabat.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use url::Url;

use crate::config::process_environment;

use super::Misuse;
use super::address::listen_address;
use super::output::plain;

/// Where the running nabat is.
#[derive(Debug, Clone, clap::Args)]
pub struct ServerArgs {
    /// Address of the running nabat; a user and password go before the host
    /// (`http://user:password@host:9087`). The port follows `NABAT_WEB_LISTEN_ADDRESS`
    #[arg(
        long,
        env = "NABAT_URL",
        default_value_t = nearby(process_environment("NABAT_WEB_LISTEN_ADDRESS").as_deref()).into(),
        hide_env_values = true,
        value_name = "URL"
    )]
    pub url: String,
    /// Certificates (PEM) that vouch for the running nabat, beside the system's
    #[arg(long, env = "NABAT_CA_FILE", value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
}

/// Where a nabat on this machine is that listens at `listen`.
fn nearby(listen: Option<&str>) -> Url {
    let mut url = Url::parse("http://127.0.0.1:9087").expect("a constant URL");
    if let Some(address) = listen.and_then(|listen| listen_address(listen).ok()) {
        // Neither fails for http.
        let _ = url.set_port(Some(address.port()));
        if !address.ip().is_unspecified() {
            let _ = url.set_ip_host(address.ip());
        }
    }
    url
}

/// Reads where the running nabat is. It is read here and not with the flags, whose errors would
/// show a password.
fn address(text: &str) -> anyhow::Result<Url> {
    let whole = format!("http://{text}");
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(url),
        _ if !text.contains("://") && Url::parse(&whole).is_ok() => {
            let remedy = if text.contains('@') { "http:// before it" } else { &whole };
            bail!("--url (NABAT_URL) is no whole address: write {remedy}")
        }
        Ok(url) => bail!("--url (NABAT_URL): {:?} is neither http nor https", url.scheme()),
        Err(error) => {
            bail!("--url (NABAT_URL): {error}; write it like http://127.0.0.1:9087")
        }
    }
}

fn certificates(path: &Path) -> anyhow::Result<Vec<reqwest::Certificate>> {
    let pem = std::fs::read(path).with_context(|| format!("--ca-file {}", path.display()))?;
    reqwest::Certificate::from_pem_bundle(&pem)
        .ok()
        .filter(|certificates| !certificates.is_empty())
        .ok_or_else(|| anyhow!("--ca-file {}: no certificates in PEM", path.display()))
}

/// A connection to the running nabat.
#[derive(Debug)]
pub(super) struct Nabat {
    url: Url,
    http: reqwest::Client,
}

/// What it answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub status: StatusCode,
    pub text: String,
}

impl Nabat {
    /// `timeout` is for one request, its answer included.
    pub fn new(args: &ServerArgs, timeout: Duration) -> anyhow::Result<Self> {
        let url = address(&args.url).map_err(Misuse)?;
        // The running nabat is near; a proxy for the way out does not lead to it.
        let mut http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(5))
            .timeout(timeout);
        if let Some(path) = &args.ca_file {
            http = http.tls_certs_merge(certificates(path).map_err(Misuse)?);
        }
        let http = http.build().map_err(|error| anyhow!(error.without_url()))?;
        Ok(Self { url, http })
    }

    /// Sends a request to `path` (which may hold a query) and returns whatever is answered.
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> anyhow::Result<Answer> {
        let base = self.url.path().trim_end_matches('/');
        let url = self.url.join(&format!("{base}{path}")).context("--url")?;
        let mut request = self.http.request(method, url);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.map_err(|error| self.unreachable(error))?;
        let status = answer.status();
        let text = answer.text().await.map_err(|error| self.unreachable(error))?;
        Ok(Answer { status, text })
    }

    /// Like [`Nabat::ask`], but every status except 2xx is an error that says why.
    pub async fn get(&self, method: Method, path: &str) -> anyhow::Result<Value> {
        self.ask(method, path, None).await?.json()
    }

    fn unreachable(&self, error: reqwest::Error) -> anyhow::Error {
        let place = self.place();
        if error.is_connect() {
            let cause = root_cause(&error.without_url());
            anyhow!(
                "nabat does not answer at {place}: {cause}; is \"nabat serve\" running there? \
                 Another address goes into --url or NABAT_URL"
            )
        } else if error.is_timeout() {
            anyhow!("nabat at {place} took too long to answer")
        } else {
            anyhow!("talking to nabat at {place} failed: {}", root_cause(&error.without_url()))
        }
    }

    /// The address without user and password.
    fn place(&self) -> String {
        let mut url = self.url.clone();
        // Neither fails for http and https.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.to_string()
    }
}

impl Answer {
    /// The JSON of a 2xx answer.
    pub fn json(self) -> anyhow::Result<Value> {
        let json: Option<Value> = serde_json::from_str(&self.text).ok();
        if self.status.is_success() {
            return json.ok_or_else(|| anyhow!("this is no nabat: it did not answer in JSON"));
        }
        let error = json.as_ref().and_then(|json| json.get("error")?.as_str());
        let error = error.map_or_else(|| plain(self.text.trim()), plain);
        match self.status {
            StatusCode::UNAUTHORIZED => {
                bail!("nabat wants a user and a password: --url http://user:password@host:9087")
            }
            status if error.is_empty() => bail!("nabat answered {status}"),
            _ => bail!("{error}"),
        }
    }
}

/// What happened at the bottom of an error; what lies above says where.
pub(super) fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nabat(url: &str) -> Nabat {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let args = ServerArgs { url: url.to_owned(), ca_file: None };
        Nabat::new(&args, Duration::from_secs(5)).unwrap()
    }

    #[tokio::test]
    async fn a_nabat_that_is_not_there_is_named_with_the_remedy_and_without_the_password() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let nabat = nabat(&format!("http://ann:hunter2@{free}"));
        let error = nabat.get(Method::GET, "/api/v1/status").await.unwrap_err().to_string();
        assert!(error.starts_with(&format!("nabat does not answer at http://{free}/")), "{error}");
        assert!(error.contains("nabat serve") && error.contains("NABAT_URL"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn without_an_address_nabat_is_looked_for_where_the_environment_lets_it_listen() {
        for (listen, url) in [
            (None, "http://127.0.0.1:9087/"),
            (Some(":9099"), "http://127.0.0.1:9099/"),
            (Some("[::]:9099"), "http://127.0.0.1:9099/"),
            (Some("10.0.0.7:9099"), "http://10.0.0.7:9099/"),
            (Some("nonsense"), "http://127.0.0.1:9087/"),
        ] {
            assert_eq!(nearby(listen).as_str(), url, "{listen:?}");
        }
    }

    #[test]
    fn an_error_answer_becomes_its_own_text_without_control_characters() {
        let text = "{\"status\":\"error\",\"error\":\"there is no entry \\u001b[31m7\"}".to_owned();
        let error = Answer { status: StatusCode::NOT_FOUND, text }.json().unwrap_err();
        assert_eq!(error.to_string(), "there is no entry \u{fffd}[31m7");
    }
}
