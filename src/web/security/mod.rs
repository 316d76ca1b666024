//! `--web.config.file`: TLS and basic authentication, in the format of Prometheus's exporters.
//!
//! The file, the certificates and the users are looked at again every few seconds; a change that
//! does not load leaves what was in force. TLS itself is turned on and off only by a restart.

mod file;
mod headers;
mod passwords;
mod tls;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, StatusCode, header};
use sha2::{Digest, Sha256};

use crate::lifecycle::Tasks;

use self::file::WebFile;
use self::passwords::Users;
use super::answer;

pub use tls::Tls;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Why the web configuration can't be used. No secret is part of it.
#[derive(Debug, thiserror::Error)]
pub enum SecurityError {
    #[error("{}: {source}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{}: {fault}", path.display())]
    File { path: PathBuf, fault: String },
    #[error("basic_auth_users.{user}: not a bcrypt hash; make one with: htpasswd -nBC 10 {user}")]
    Hash { user: String },
    #[error("http_server_config.headers.{name}: {fault}")]
    Header { name: String, fault: String },
    #[error("{}: {fault}", path.display())]
    Pem { path: PathBuf, fault: &'static str },
    #[error("tls_server_config: {fault}")]
    Tls { fault: String },
    #[error("tls_server_config: TLS is turned on and off only by a restart")]
    Switched,
}

/// What protects the HTTP interface.
#[derive(Debug)]
pub struct Security {
    path: PathBuf,
    tls: Option<Tls>,
    users: ArcSwap<Users>,
    headers: ArcSwap<HeaderMap>,
    /// Hash of everything that was last read, whether or not it could be used.
    seen: std::sync::Mutex<[u8; 32]>,
}

/// Everything read at one time.
struct Reading {
    digest: [u8; 32],
    parts: Parts,
}

struct Parts {
    users: Users,
    headers: HeaderMap,
    tls: Option<rustls::ServerConfig>,
}

impl Security {
    /// Reads the file and what it refers to; blocks on disk.
    ///
    /// # Errors
    /// [`SecurityError`] names the file or the setting.
    pub fn load(path: &Path) -> Result<Self, SecurityError> {
        let reading = read(path).1?;
        Ok(Self {
            path: path.to_owned(),
            tls: reading.parts.tls.map(Tls::new),
            users: ArcSwap::from_pointee(reading.parts.users),
            headers: ArcSwap::from_pointee(reading.parts.headers),
            seen: std::sync::Mutex::new(reading.digest),
        })
    }

    /// For the server; `None` when it is to speak plain HTTP.
    pub fn tls(&self) -> Option<Tls> {
        self.tls.clone()
    }

    /// Reads everything again and puts it in force when it changed; blocks on disk.
    ///
    /// # Errors
    /// [`SecurityError`], once for each change of the files; the old settings stay in force.
    pub fn refresh(&self) -> Result<(), SecurityError> {
        let (digest, reading) = read(&self.path);
        {
            let mut seen = self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if *seen == digest {
                return Ok(());
            }
            *seen = digest;
        }
        let parts = reading?.parts;
        match (&self.tls, parts.tls) {
            (Some(tls), Some(fresh)) => tls.replace(fresh),
            (None, None) => {}
            (Some(_), None) | (None, Some(_)) => return Err(SecurityError::Switched),
        }
        self.users.store(Arc::new(parts.users));
        self.headers.store(Arc::new(parts.headers));
        tracing::info!(path = %self.path.display(), "web configuration loaded again");
        Ok(())
    }

    /// Refreshes every few seconds until the program stops.
    pub async fn watch(self: Arc<Self>, tasks: Tasks) {
        loop {
            tokio::select! {
                () = tasks.stopping() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            let this = self.clone();
            match tokio::task::spawn_blocking(move || this.refresh()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::error!(%error, "the changed web configuration can't be used");
                }
                Err(error) => tracing::error!(%error, "reading the web configuration failed"),
            }
        }
    }

    /// Asks every request for a user and a password, when users are configured, and gives every
    /// answer the configured headers.
    pub fn protect(self: Arc<Self>, app: axum::Router) -> axum::Router {
        app.layer(axum::middleware::from_fn_with_state(self, answer_safely))
    }
}

async fn answer_safely(
    State(security): State<Arc<Security>>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = authenticate(&security, request, next).await;
    for (name, value) in security.headers.load().iter() {
        response.headers_mut().insert(name, value.clone());
    }
    response
}

async fn authenticate(security: &Security, request: Request, next: Next) -> Response {
    let users = security.users.load_full();
    if users.is_empty() {
        return next.run(request).await;
    }
    let allowed = match credentials(request.headers()) {
        Some((user, password)) => users.allow(user, password).await,
        None => false,
    };
    if allowed {
        return next.run(request).await;
    }
    let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"nabat\", charset=\"UTF-8\"")];
    let refusal = answer::error(StatusCode::UNAUTHORIZED, "a user and a password are needed");
    (challenge, refusal).into_response()
}

fn credentials(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(BASE64_STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (user, password) = decoded.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

/// The digest covers whatever could be read, also when the result is an error.
fn read(path: &Path) -> ([u8; 32], Result<Reading, SecurityError>) {
    let mut digest = Sha256::new();
    let parts = read_parts(path, &mut |bytes: &[u8]| digest.update(Sha256::digest(bytes)));
    let digest = digest.finalize().into();
    (digest, parts.map(|parts| Reading { digest, parts }))
}

fn read_parts(path: &Path, note: &mut impl FnMut(&[u8])) -> Result<Parts, SecurityError> {
    let mut fetch = |path: &Path| {
        let bytes = std::fs::read(path)
            .map_err(|source| SecurityError::Read { path: path.to_owned(), source });
        match &bytes {
            Ok(bytes) => note(bytes),
            Err(error) => note(error.to_string().as_bytes()),
        }
        bytes
    };
    let file = WebFile::parse(path, &fetch(path)?)?;
    let http = &file.http_server_config;
    let tls = match &file.tls_server_config {
        Some(section) => Some(tls::configure(section, http.http2, &mut fetch)?),
        None => None,
    };
    let headers = headers::read(&http.headers)?;
    Ok(Parts { users: Users::new(file.basic_auth_users)?, headers, tls })
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
