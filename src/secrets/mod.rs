//! The bot token and other secrets: where they come from, and keeping them fresh.

use std::path::PathBuf;

/// Where a secret is kept. Never the secret itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SecretRef {
    /// An environment variable's name.
    Env(String),
    /// A file whose content, without the trailing newline, is the secret.
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
