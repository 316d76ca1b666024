//! A connection to Vault as nabat wants it: verified, with a timeout, nothing from the
//! environment but its proxy (`HTTPS_PROXY` and the like).

use serde::Deserialize;
use vaultrs::client::{VaultClient, VaultClientSettingsBuilder};

use super::VaultError;
use crate::config;

/// A client without a token.
///
/// # Errors
/// When the address or the CA file cannot be used.
pub(super) async fn connect(vault: &config::Vault) -> Result<VaultClient, VaultError> {
    let mut address = vault.address.clone();
    let bad = |reason| VaultError::Address { address: vault.address.to_string(), reason };
    if !matches!(address.scheme(), "http" | "https") {
        return Err(bad("it must start with http:// or https://"));
    }
    if !matches!(address.path(), "" | "/") {
        return Err(bad("a path is not supported; use Vault's host and port alone"));
    }
    // vaultrs would panic at the header.
    if let Some(name) = vault.namespace.as_ref().filter(|name| !is_visible(name)) {
        return Err(VaultError::Namespace(name.clone()));
    }
    address.set_query(None);
    address.set_fragment(None);

    let ca_certs = match &vault.ca_file {
        Some(path) => vec![readable_pem(path).await?],
        None => Vec::new(),
    };
    let mut settings = VaultClientSettingsBuilder::default();
    settings
        .address(&address)
        .ca_certs(ca_certs)
        .identity(None)
        .timeout(Some(vault.timeout))
        .token("")
        .verify(true)
        .namespace(vault.namespace.clone());
    let settings = settings.build().map_err(|_| bad("it cannot be used"))?;
    VaultClient::new(settings).map_err(|error| match (&vault.ca_file, error) {
        (Some(path), vaultrs::error::ClientError::RestClientBuildError { .. }) => {
            VaultError::CaFile { path: path.clone(), reason: "its certificates are invalid".into() }
        }
        (_, error) => VaultError::of(&error),
    })
}

/// The path of a PEM file with a certificate; vaultrs would take one without for an empty list.
async fn readable_pem(path: &std::path::Path) -> Result<String, VaultError> {
    let fault = |reason: String| VaultError::CaFile { path: path.to_owned(), reason };
    let content = tokio::fs::read(path).await.map_err(|error| fault(error.to_string()))?;
    if !String::from_utf8_lossy(&content).contains("-----BEGIN CERTIFICATE-----") {
        return Err(fault("it holds no PEM certificate".to_owned()));
    }
    path.to_str().map(ToOwned::to_owned).ok_or_else(|| fault("its name is no UTF-8".to_owned()))
}

/// A token as a header can carry it.
///
/// # Errors
/// When it holds what no token has, on which vaultrs would panic.
pub(super) fn usable_token(token: &str) -> Result<&str, VaultError> {
    let token = token.trim();
    if !is_visible(token) {
        return Err(VaultError::Credential("the token holds what no Vault token holds".to_owned()));
    }
    Ok(token)
}

fn is_visible(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Asks `sys/health` for the state behind a server's error; vaultrs' own call does not parse
/// `OpenBao`'s answer. Falls back to `error` when that brings nothing new.
pub(super) async fn diagnosed(client: &VaultClient, error: VaultError) -> VaultError {
    #[derive(Deserialize)]
    struct Health {
        initialized: bool,
        sealed: bool,
    }
    let Ok(url) = client.settings.address.join("v1/sys/health") else { return error };
    let Ok(answer) = client.http.http.get(url).send().await else { return error };
    match answer.json::<Health>().await {
        Ok(Health { initialized: false, .. }) => VaultError::NotInitialised,
        Ok(Health { sealed: true, .. }) => VaultError::Sealed,
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_trimmed_and_anything_else_than_a_token_is_refused() {
        assert_eq!(usable_token("s.abc\n").unwrap(), "s.abc");
        for bad in ["", " \n", "s.a b", "s.ключ", "s.a\nb"] {
            assert!(usable_token(bad).is_err(), "{bad:?}");
        }
    }
}
