//! One login to Vault: with a token that was given, or by AppRole.

use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;
use vaultrs::api::AuthInfo;
use vaultrs::auth::approle;
use vaultrs::client::{Client, VaultClient};
use vaultrs::error::ClientError;
use vaultrs::token;

use super::VaultError;
use super::client::{connect, diagnosed, usable_token};
use crate::config::{self, VaultAuth};
use crate::secrets::{SecretRef, local};
use crate::telemetry::Scrubber;

/// A connection that carries a token.
#[derive(Clone)]
pub(super) struct Login {
    pub client: Arc<VaultClient>,
    pub since: Instant,
    pub lease: Lease,
    /// Renewals that failed since the last that succeeded.
    pub failures: u32,
}

/// How long a token lives.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lease {
    /// At the login; renewals may give less, as the token's maximal age comes near.
    pub full: Duration,
    /// `None` for a token that does not end.
    pub ends: Option<Instant>,
    pub renewable: bool,
}

impl Lease {
    pub fn of(auth: &AuthInfo) -> Self {
        Self::new(auth.lease_duration, auth.renewable)
    }

    /// For a life in seconds, where 0 means that it does not end.
    fn new(seconds: u64, renewable: bool) -> Self {
        let full = Duration::from_secs(seconds);
        Self { full, ends: (seconds > 0).then(|| Instant::now() + full), renewable }
    }
}

impl Login {
    /// Connects and logs in. Credentials are read anew, so that rotated ones are used.
    ///
    /// # Errors
    /// When a credential cannot be read, or Vault is away or refuses.
    pub async fn make(vault: &config::Vault, scrubber: &Scrubber) -> Result<Self, VaultError> {
        let mut client = connect(vault).await?;
        let made = match &vault.auth {
            VaultAuth::Token(at) => {
                let token = credential(at, scrubber).await?;
                client.set_token(usable_token(token.expose_secret())?);
                given_lease(&client).await
            }
            VaultAuth::AppRole { mount, role_id, secret_id } => {
                let role_id = credential(role_id, scrubber).await?;
                let secret_id = credential(secret_id, scrubber).await?;
                by_approle(&mut client, mount.trim_matches('/'), &role_id, &secret_id, scrubber)
                    .await
            }
        };
        let lease = match made {
            Ok(lease) => lease,
            Err(error) if error.is_servers_fault() => return Err(diagnosed(&client, error).await),
            Err(error) => return Err(error),
        };
        tracing::info!(
            address = %vault.address,
            method = match vault.auth {
                VaultAuth::Token(_) => "token",
                VaultAuth::AppRole { .. } => "approle",
            },
            seconds = lease.ends.map(|_| lease.full.as_secs()),
            renewable = lease.renewable,
            "logged in to vault"
        );
        Ok(Self { client: Arc::new(client), since: Instant::now(), lease, failures: 0 })
    }
}

/// A credential, which is no secret of Vault's own.
async fn credential(at: &SecretRef, scrubber: &Scrubber) -> Result<SecretString, VaultError> {
    let secret =
        local::read(at).await.map_err(|error| VaultError::Credential(error.to_string()))?;
    scrubber.register(&secret);
    Ok(secret)
}

async fn by_approle(
    client: &mut VaultClient,
    mount: &str,
    role_id: &SecretString,
    secret_id: &SecretString,
    scrubber: &Scrubber,
) -> Result<Lease, VaultError> {
    let (role_id, secret_id) = (role_id.expose_secret().trim(), secret_id.expose_secret().trim());
    let auth = approle::login(client, mount, role_id, secret_id)
        .await
        .map_err(|error| approle_refusal(&error, mount))?;
    scrubber.register(&SecretString::from(auth.client_token.as_str()));
    client.set_token(usable_token(&auth.client_token)?);
    Ok(Lease::of(&auth))
}

/// How long a token that was given to nabat lives. One that may not ask about itself is taken as
/// it is: reading will show whether it is good.
async fn given_lease(client: &VaultClient) -> Result<Lease, VaultError> {
    match token::lookup_self(client).await {
        Ok(token) => Ok(Lease::new(token.ttl, token.renewable.unwrap_or_default())),
        Err(error) => match VaultError::of(&error) {
            VaultError::Denied(_) | VaultError::Answer(_) => Ok(Lease::new(0, false)),
            error => Err(error),
        },
    }
}

/// What a failed login by AppRole means.
fn approle_refusal(error: &ClientError, mount: &str) -> VaultError {
    let (reason, remedy) = match VaultError::of(error) {
        VaultError::Server { status: 400, reason } => {
            (reason, "check vault.auth.approle.role_id and secret_id")
        }
        VaultError::Denied(reason) => (reason, "is approle enabled at this mount?"),
        VaultError::NoSecret(_) => ("not found".to_owned(), "is approle enabled at this mount?"),
        other => return other,
    };
    VaultError::LoginRefused { method: "approle", mount: mount.to_owned(), reason, remedy }
}
