//! `vault:` where the secrets are kept, and how nabat logs in.

use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use crate::secrets::SecretRef;

use super::secret;
use super::walk::{At, Walk};

pub(super) const KEYS: &[&str] =
    &["address", "ca_file", "namespace", "auth", "refresh_interval", "timeout"];
pub(super) const AUTH_KEYS: &[&str] = &["token", "approle"];
pub(super) const APPROLE_KEYS: &[&str] = &["mount", "role_id", "secret_id"];

const LOGIN: &str = "write {token: {file: PATH}} or {approle: {role_id: …, secret_id: …}}";

/// `vault:`
#[derive(Debug, Clone, PartialEq, Eq)]
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VaultAuth {
    Token(SecretRef),
    AppRole { mount: String, role_id: SecretRef, secret_id: SecretRef },
}

impl Vault {
    pub const REFRESH_INTERVAL: Duration = Duration::from_mins(1);
    pub const TIMEOUT: Duration = Duration::from_secs(10);
}

pub(super) fn read(at: &At<'_>, walk: &mut Walk<'_>) -> Option<Vault> {
    let section = walk.section(at, KEYS)?;
    let address = walk
        .required(&section, "address", "write it like https://vault:8200")
        .and_then(|at| walk.url(&at, &["http", "https"], "https://vault:8200"));
    let auth = walk.required(&section, "auth", LOGIN).and_then(|at| login(&at, walk));
    let ca_file = section.get("ca_file").and_then(|at| walk.file_path(&at));
    let namespace = section.get("namespace").and_then(|at| walk.text(&at)).map(str::to_owned);
    let mut pause = |key, default| match section.get(key) {
        Some(at) => walk.pause(&at),
        None => Some(default),
    };
    let refresh_interval = pause("refresh_interval", Vault::REFRESH_INTERVAL);
    let timeout = pause("timeout", Vault::TIMEOUT);
    Some(Vault {
        address: address?,
        ca_file,
        namespace,
        auth: auth?,
        refresh_interval: refresh_interval?,
        timeout: timeout?,
    })
}

fn login(at: &At<'_>, walk: &mut Walk<'_>) -> Option<VaultAuth> {
    let section = walk.secret_section(at, AUTH_KEYS)?;
    match (section.get("token"), section.get("approle")) {
        (Some(token), None) => own_secret(&token, walk).map(VaultAuth::Token),
        (None, Some(approle)) => {
            let section = walk.secret_section(&approle, APPROLE_KEYS)?;
            let mount = match section.get("mount") {
                Some(at) => walk.text(&at).map(|mount| mount.trim_matches('/').to_owned()),
                None => Some("approle".to_owned()),
            };
            let [role_id, secret_id] = ["role_id", "secret_id"].map(|key| {
                let at = walk.required(&section, key, "use {env: NAME} or {file: PATH}")?;
                own_secret(&at, walk)
            });
            Some(VaultAuth::AppRole { mount: mount?, role_id: role_id?, secret_id: secret_id? })
        }
        (Some(_), Some(_)) => {
            walk.fault(&at.place, "names two ways to log in", "keep one of token and approle");
            None
        }
        (None, None) => {
            walk.fault(&at.place, "names no way to log in", LOGIN);
            None
        }
    }
}

/// A secret that opens Vault and so can't be kept in it.
fn own_secret(at: &At<'_>, walk: &mut Walk<'_>) -> Option<SecretRef> {
    let secret = secret::read(at, walk)?;
    if matches!(secret, SecretRef::Vault(_)) {
        let remedy = "use {env: NAME} or {file: PATH}";
        walk.fault(&at.place, "what opens Vault can't be kept in Vault", remedy);
        return None;
    }
    Some(secret)
}
