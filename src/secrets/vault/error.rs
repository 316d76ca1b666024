//! What went wrong at Vault, with a remedy, and without what vaultrs' errors carry along.

use std::error::Error as _;
use std::path::PathBuf;

use rustify::errors::ClientError as HttpError;
use thiserror::Error;
use vaultrs::error::ClientError;

/// Why Vault did not answer as hoped. No variant holds a secret's value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum VaultError {
    #[error("vault address {address}: {reason}")]
    Address { address: String, reason: &'static str },
    #[error("vault.namespace {0:?}: a name has only visible ASCII characters")]
    Namespace(String),
    #[error("vault.ca_file {}: {reason}", path.display())]
    CaFile { path: PathBuf, reason: String },
    #[error("vault cannot be reached: {0}")]
    Unreachable(String),
    #[error("vault's certificate is not trusted: {0}; is vault.ca_file the CA that signed it?")]
    Certificate(String),
    #[error("vault did not answer in time")]
    Timeout,
    #[error("vault is sealed; unseal it")]
    Sealed,
    #[error("vault is not initialised; run its operator init")]
    NotInitialised,
    #[error("vault answered with status {status}: {reason}")]
    Server { status: u16, reason: String },
    #[error("vault refused the login by {method} at auth/{mount}: {reason}; {remedy}")]
    LoginRefused { method: &'static str, mount: String, reason: String, remedy: &'static str },
    #[error(
        "vault denied it: {0}; is the token valid, and does its policy allow to read the path?"
    )]
    Denied(String),
    #[error("vault has nothing at {0}; check mount, path and the store's version (kv 1 or 2)")]
    NoSecret(String),
    #[error("the secret {path} in vault has no field {field:?}; its fields are: {present}")]
    NoField { path: String, field: String, present: String },
    #[error("the field {field:?} of {path} in vault is {kind}, not text or a number")]
    NotText { path: String, field: String, kind: &'static str },
    #[error("vault's answer is not understood: {0}")]
    Answer(&'static str),
    #[error("the credential for vault: {0}")]
    Credential(String),
}

impl VaultError {
    /// What a failed call means. Only status codes, Vault's own error texts and the causes of
    /// connection failures are taken over.
    pub(super) fn of(error: &ClientError) -> Self {
        match error {
            ClientError::APIError { code, errors } => Self::of_status(*code, &reason(errors)),
            ClientError::RestClientError { source } => Self::of_http(source),
            ClientError::ResponseEmptyError | ClientError::ResponseDataEmptyError => {
                Self::Answer("it is empty")
            }
            _ => Self::Answer("it has another form than this call's"),
        }
    }

    fn of_status(status: u16, reason: &str) -> Self {
        let reason = reason.to_owned();
        match status {
            403 => Self::Denied(reason),
            404 => Self::NoSecret(String::new()),
            503 if reason.contains("sealed") => Self::Sealed,
            _ => Self::Server { status, reason },
        }
    }

    fn of_http(error: &HttpError) -> Self {
        match error {
            HttpError::ServerResponseError { code, .. } => {
                Self::of_status(*code, "no reason given")
            }
            HttpError::RequestError { source, .. } | HttpError::ResponseError { source } => {
                match source.downcast_ref::<reqwest::Error>() {
                    Some(error) => Self::of_connection(error),
                    None => Self::Unreachable("the request failed".to_owned()),
                }
            }
            HttpError::ResponseParseError { .. } | HttpError::ResponseConversionError { .. } => {
                Self::Answer("it is no JSON of the expected form")
            }
            _ => Self::Answer("the request could not be built"),
        }
    }

    /// The causes below reqwest's own text, which would name the URL.
    pub(super) fn of_connection(error: &reqwest::Error) -> Self {
        if error.is_timeout() {
            return Self::Timeout;
        }
        let mut causes = Vec::new();
        let mut cause = error.source();
        while let Some(error) = cause {
            causes.push(error.to_string());
            cause = error.source();
        }
        // The innermost says what happened ("connection refused"), the others where.
        let reason = causes.pop().unwrap_or_else(|| "the request failed".to_owned());
        if reason.contains("certificate")
            || causes.iter().any(|cause| cause.contains("certificate"))
        {
            return Self::Certificate(reason);
        }
        Self::Unreachable(reason)
    }

    /// Whether asking `sys/health` may tell more.
    pub(super) fn is_servers_fault(&self) -> bool {
        matches!(self, Self::Sealed | Self::Server { status: 500.., .. })
    }

    /// Whether Vault works: it answered, whatever it said about this one path.
    pub(super) fn vault_is_up(&self) -> bool {
        matches!(
            self,
            Self::Denied(_) | Self::NoSecret(_) | Self::NoField { .. } | Self::NotText { .. }
        )
    }
}

/// Vault's error texts on one line.
fn reason(errors: &[String]) -> String {
    let words: Vec<&str> = errors.iter().flat_map(|error| error.split_whitespace()).collect();
    if words.is_empty() { "no reason given".to_owned() } else { words.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(code: u16, error: &str) -> VaultError {
        VaultError::of(&ClientError::APIError { code, errors: vec![error.to_owned()] })
    }

    #[test]
    fn answers_are_told_apart_by_their_status() {
        assert_eq!(answered(503, "Vault is sealed"), VaultError::Sealed);
        assert!(answered(502, "bad gateway").is_servers_fault());
        assert!(answered(403, "permission denied").vault_is_up());
        assert!(answered(404, "").vault_is_up());
        assert!(!answered(400, "what").is_servers_fault());
    }

    #[test]
    fn vaults_reason_is_kept_on_one_line() {
        let error = answered(403, "2 errors occurred:\n\t* permission denied\n\t* invalid token\n");
        assert!(
            error.to_string().contains("2 errors occurred: * permission denied * invalid token;"),
            "{error}"
        );
    }

    #[test]
    fn a_body_that_does_not_parse_is_not_repeated() {
        let content = Some("<html>secret</html>".to_owned());
        let source = HttpError::ServerResponseError { code: 502, content };
        let error = VaultError::of(&ClientError::RestClientError { source });
        assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
    }
}
