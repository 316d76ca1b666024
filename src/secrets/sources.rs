//! Reading a secret once, wherever it is kept.

use std::sync::Arc;

use secrecy::SecretString;

use super::vault::VaultSession;
use super::{SecretError, SecretRef, SecretsOptions, local};
use crate::clock::Clock;
use crate::telemetry::{Metrics, Scrubber};

/// The places where secrets are kept. Cheap to clone; clones share one login to Vault.
#[derive(Debug, Clone)]
pub struct Sources {
    vault: Option<Arc<VaultSession>>,
    scrubber: Scrubber,
}

impl Sources {
    /// Opens nothing yet: the login to Vault is made by the first read that needs it.
    pub fn new(options: &SecretsOptions, metrics: &Arc<Metrics>, clock: &Arc<Clock>) -> Self {
        let vault = options.vault.as_ref().map(|vault| {
            Arc::new(VaultSession::new(
                vault.clone(),
                options.retry,
                options.scrubber.clone(),
                metrics.clone(),
                clock.clone(),
            ))
        });
        Self { vault, scrubber: options.scrubber.clone() }
    }

    /// Reads a secret, without retries; `nabat check --live` uses it alone. What was read is
    /// kept out of the logs from here on.
    ///
    /// # Errors
    /// When the secret cannot be read; the text holds a remedy and no value.
    pub async fn read(&self, at: &SecretRef) -> Result<SecretString, SecretError> {
        let secret = match at {
            SecretRef::Vault(field) => {
                self.vault.as_ref().ok_or(SecretError::NoVault)?.read(field).await?
            }
            SecretRef::Env(_) | SecretRef::File(_) => local::read(at).await?,
        };
        self.scrubber.register(&secret);
        Ok(secret)
    }

    /// Logs in to Vault, unless that was done before or there is none in the configuration.
    ///
    /// # Errors
    /// When Vault is away, sealed, or refuses the login; the text holds a remedy.
    pub async fn log_in(&self) -> Result<(), SecretError> {
        match &self.vault {
            Some(vault) => vault.log_in_once().await,
            None => Ok(()),
        }
    }

    /// Gives back the login to Vault that [`Sources::read`] made, if any.
    pub async fn close(&self) {
        if let Some(vault) = &self.vault {
            vault.close().await;
        }
    }

    pub(super) fn vault(&self) -> Option<&Arc<VaultSession>> {
        self.vault.as_ref()
    }
}
