//! Why a secret could not be read. No variant holds a value.

use std::path::PathBuf;
use std::sync::Arc;

use thiserror::Error;

use super::vault::VaultError;

/// Why a secret could not be read.
#[derive(Debug, Clone, Error)]
pub enum SecretError {
    #[error("environment variable {0} is not set")]
    EnvMissing(String),
    #[error("environment variable {0} is empty")]
    EnvEmpty(String),
    #[error("environment variable {0} is no UTF-8 text")]
    EnvNotText(String),
    #[error("file {} cannot be read: {source}", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: Arc<std::io::Error>,
    },
    #[error("file {} is empty", .0.display())]
    FileEmpty(PathBuf),
    #[error("file {} is no UTF-8 text", .0.display())]
    FileNotText(PathBuf),
    #[error("file {} is larger than {limit} bytes, too large for a secret", path.display())]
    FileTooLarge { path: PathBuf, limit: u64 },
    #[error("the secret is kept in vault, but the configuration has no vault section")]
    NoVault,
    #[error("a credential for vault cannot itself be kept in vault; use env or file")]
    CredentialInVault,
    #[error(transparent)]
    Vault(#[from] VaultError),
}
