//! Staying logged in to Vault: the login is made when first needed, renewed before it ends, made
//! again when it is gone, given back at the stop.

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tokio::sync::{Mutex, MutexGuard, watch};
use tokio::time::Instant;
use vaultrs::api::AuthInfo;
use vaultrs::token;

use super::client::diagnosed;
use super::login::{Lease, Login};
use super::{VaultError, read};
use crate::clock::Clock;
use crate::config::{self, VaultAuth};
use crate::secrets::{Pace, SecretError, VaultField};
use crate::telemetry::{Metrics, Scrubber};

/// How long giving the token back may hold up the stop.
const REVOKE_WITHIN: Duration = Duration::from_secs(2);

/// A token that is alive but denied is replaced after this time: the role's policies may have
/// changed since.
const DENIED_LOGIN_AFTER: Duration = Duration::from_mins(5);

/// The shortest pause between two renewals, however short the token's life.
const RENEW_NOT_BEFORE: Duration = Duration::from_millis(500);

/// The login, shared by all who read from Vault.
pub(in crate::secrets) struct VaultSession {
    vault: config::Vault,
    retry: Pace,
    scrubber: Scrubber,
    metrics: Arc<Metrics>,
    clock: Arc<Clock>,
    login: Mutex<Option<Login>>,
    /// When the token should be renewed; `None` while there is no login or it does not end.
    renew_at: watch::Sender<Option<Instant>>,
}

impl std::fmt::Debug for VaultSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VaultSession").field("vault", &self.vault).finish_non_exhaustive()
    }
}

impl VaultSession {
    pub(in crate::secrets) fn new(
        vault: config::Vault,
        retry: Pace,
        scrubber: Scrubber,
        metrics: Arc<Metrics>,
        clock: Arc<Clock>,
    ) -> Self {
        let (renew_at, _) = watch::channel(None);
        Self { vault, retry, scrubber, metrics, clock, login: Mutex::default(), renew_at }
    }

    /// Reads a field, logging in first where needed. A login that Vault no longer knows is
    /// made again, once.
    ///
    /// # Errors
    /// When the login or the read fails.
    pub(in crate::secrets) async fn read(
        &self,
        at: &VaultField,
    ) -> Result<SecretString, SecretError> {
        let result = self.read_or_log_in_again(at).await;
        match &result {
            Ok(_) => self.metrics.vault_up.set(1),
            Err(SecretError::Vault(error)) => {
                self.metrics.vault_up.set(i64::from(error.vault_is_up()));
            }
            Err(_) => self.metrics.vault_up.set(0),
        }
        result
    }

    /// Makes a login when there is none.
    ///
    /// # Errors
    /// When it can't be made.
    pub(in crate::secrets) async fn log_in_once(&self) -> Result<(), SecretError> {
        self.logged_in().await.map(drop)
    }

    async fn read_or_log_in_again(&self, at: &VaultField) -> Result<SecretString, SecretError> {
        let login = self.logged_in().await?;
        let error = match read::field(&login.client, at).await {
            Ok(secret) => return Ok(secret),
            Err(VaultError::Denied(reason)) => {
                if self.still_of_use(&login).await {
                    return Err(VaultError::Denied(reason).into());
                }
                let login = self.log_in_instead_of(&login).await?;
                return Ok(read::field(&login.client, at).await?);
            }
            Err(error) => error,
        };
        match error {
            // The CA file may have been exchanged: the next read connects anew.
            VaultError::Certificate(_) => self.forget(&login).await,
            ref error if error.is_servers_fault() => {
                return Err(diagnosed(&login.client, error.clone()).await.into());
            }
            _ => {}
        }
        Err(error.into())
    }

    /// Whether a token that was denied something is alive and young.
    async fn still_of_use(&self, login: &Login) -> bool {
        login.since.elapsed() < DENIED_LOGIN_AFTER
            && token::lookup_self(&*login.client).await.is_ok()
    }

    /// The present login, made when there is none or it has ended.
    async fn logged_in(&self) -> Result<Login, SecretError> {
        let mut held = self.login.lock().await;
        match &*held {
            Some(login) if login.lease.ends.is_none_or(|end| Instant::now() < end) => {
                Ok(login.clone())
            }
            _ => self.log_in(&mut held).await,
        }
    }

    /// A new login, unless somebody has replaced `old` meanwhile.
    async fn log_in_instead_of(&self, old: &Login) -> Result<Login, SecretError> {
        let mut held = self.login.lock().await;
        match &*held {
            Some(login) if !Arc::ptr_eq(&login.client, &old.client) => Ok(login.clone()),
            _ => self.log_in(&mut held).await,
        }
    }

    async fn forget(&self, old: &Login) {
        let mut held = self.login.lock().await;
        if held.as_ref().is_some_and(|login| Arc::ptr_eq(&login.client, &old.client)) {
            self.hold(&mut held, None);
        }
    }

    async fn log_in(&self, held: &mut MutexGuard<'_, Option<Login>>) -> Result<Login, SecretError> {
        let login = Login::make(&self.vault, &self.scrubber).await?;
        self.hold(held, Some(login.clone()));
        Ok(login)
    }

    /// Takes a login into use and says when it should be renewed.
    fn hold(&self, held: &mut MutexGuard<'_, Option<Login>>, login: Option<Login>) {
        let ends = login.as_ref().and_then(|login| login.lease.ends);
        let left = ends.map(|end| end.saturating_duration_since(Instant::now()));
        self.metrics.vault_token_expiry.set(left.map_or(0.0, |left| {
            #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit 53 bits")]
            let now = self.clock.now().as_millisecond() as f64 / 1000.0;
            now + left.as_secs_f64()
        }));
        let wait = login.as_ref().map(|login| match login.failures {
            0 => left.unwrap_or_default() * 2 / 3,
            failures => self.retry.jittered(failures),
        });
        let renew_at = left.and(wait).map(|wait| Instant::now() + wait.max(RENEW_NOT_BEFORE));
        self.renew_at.send_replace(renew_at);
        **held = login;
    }

    /// Renews the login whenever two thirds of its life are over, and makes a new one when
    /// that is refused or its maximal age is near. Runs until `stopped` completes.
    pub(in crate::secrets) async fn keep_alive(&self, stopped: impl Future<Output = ()>) {
        let mut renew_at = self.renew_at.subscribe();
        tokio::pin!(stopped);
        loop {
            let due = *renew_at.borrow_and_update();
            let wait = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = &mut stopped => return,
                _ = renew_at.changed() => {}
                () = wait => self.renew().await,
            }
        }
    }

    async fn renew(&self) {
        let mut held = self.login.lock().await;
        let Some(mut login) = held.clone() else { return };
        if login.lease.renewable {
            match token::renew_self(&*login.client, None).await {
                Ok(auth) if !self.near_maximal_age(&login, &auth) => {
                    login.lease = Lease { full: login.lease.full, ..Lease::of(&auth) };
                    login.failures = 0;
                    tracing::debug!(seconds = auth.lease_duration, "renewed the login to vault");
                    self.hold(&mut held, Some(login));
                    return;
                }
                Ok(_) => tracing::debug!("the vault token's maximal age is near"),
                Err(error) => {
                    let error = VaultError::of(&error);
                    tracing::debug!(%error, "could not renew the login to vault");
                }
            }
        }
        if let Err(error) = self.log_in(&mut held).await {
            login.failures += 1;
            if login.failures == 1 {
                tracing::warn!(%error, "the login to vault could be neither renewed nor made again; will keep trying");
            }
            self.hold(&mut held, Some(login));
        }
    }

    /// Whether a renewal gave so little that a login is due. A given token cannot be replaced.
    fn near_maximal_age(&self, login: &Login, renewed: &AuthInfo) -> bool {
        matches!(self.vault.auth, VaultAuth::AppRole { .. })
            && Duration::from_secs(renewed.lease_duration) < login.lease.full / 2
    }

    /// Gives the token back, if nabat made it itself; takes 2 seconds at most.
    pub(in crate::secrets) async fn close(&self) {
        let mut held = self.login.lock().await;
        let Some(login) = held.take() else { return };
        self.renew_at.send_replace(None);
        if let VaultAuth::AppRole { .. } = self.vault.auth {
            let revoked = token::revoke_self(&*login.client);
            if let Ok(Ok(())) = tokio::time::timeout(REVOKE_WITHIN, revoked).await {
                tracing::debug!("gave the vault token back");
            } else {
                tracing::debug!("could not give the vault token back; it ends by itself");
            }
        }
    }
}
