//! The bot token and other secrets: where they come from, and keeping them fresh.
//!
//! [`Secrets`] keeps every wanted secret: it reads it ([`Sources`]: environment, file, Vault),
//! lets a [`Checker`] judge a changed value before it is used, and hands the value out through a
//! watch. The last good value stays in use whatever happens to its source.

use std::fmt;
use std::path::PathBuf;

mod backoff;
mod check;
mod error;
mod keeper;
mod local;
mod report;
mod service;
mod sources;
mod vault;

#[cfg(test)]
mod tests;

pub use backoff::Pace;
pub use check::{Check, Checker};
pub use error::SecretError;
pub(crate) use local::trimmed;
pub use report::{Ages, SecretTrouble};
pub use service::{Secrets, SecretsOptions, Wanted};
pub use sources::Sources;
pub use vault::VaultError;

/// A secret's present value; `None` until it first arrives.
pub type SecretWatch = tokio::sync::watch::Receiver<Option<std::sync::Arc<secrecy::SecretString>>>;

/// Where a secret is kept. Never the secret itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SecretRef {
    /// An environment variable's name.
    Env(String),
    /// A file whose content, without the white space around it, is the secret.
    File(PathBuf),
    /// A field of a secret in Vault's key-value store.
    Vault(VaultField),
}

/// One field of a Vault secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct VaultField {
    pub mount: String,
    pub path: String,
    pub field: String,
    /// The key-value store's version.
    pub engine: KvVersion,
}

/// The version of a Vault key-value store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum KvVersion {
    V1,
    #[default]
    V2,
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "environment variable {name}"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Vault(at) => write!(f, "vault {at}"),
        }
    }
}

impl fmt::Display for VaultField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} field {}", self.mount, self.path, self.field)
    }
}
