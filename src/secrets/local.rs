//! Secrets in the environment and in files.

use std::path::Path;
use std::sync::Arc;

use secrecy::SecretString;
use tokio::io::AsyncReadExt;

use super::{SecretError, SecretRef};

/// Far above any token or key.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// Reads an environment variable or a file, without the white space around the secret.
///
/// # Errors
/// When it is missing, empty, no text, or kept in Vault.
pub(super) async fn read(at: &SecretRef) -> Result<SecretString, SecretError> {
    match at {
        SecretRef::Env(name) => read_env(name),
        SecretRef::File(path) => read_file(path).await,
        SecretRef::Vault(_) => Err(SecretError::CredentialInVault),
    }
}

fn read_env(name: &str) -> Result<SecretString, SecretError> {
    let value = std::env::var_os(name).ok_or_else(|| SecretError::EnvMissing(name.to_owned()))?;
    let value = value.into_string().map_err(|_| SecretError::EnvNotText(name.to_owned()))?;
    secret_in(&value).ok_or_else(|| SecretError::EnvEmpty(name.to_owned()))
}

async fn read_file(path: &Path) -> Result<SecretString, SecretError> {
    let failed = |source| SecretError::File { path: path.to_owned(), source: Arc::new(source) };
    let file = tokio::fs::File::open(path).await.map_err(failed)?;
    let mut content = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut content).await.map_err(failed)?;
    if content.len() as u64 > MAX_FILE_BYTES {
        return Err(SecretError::FileTooLarge { path: path.to_owned(), limit: MAX_FILE_BYTES });
    }
    let content =
        String::from_utf8(content).map_err(|_| SecretError::FileNotText(path.to_owned()))?;
    secret_in(&content).ok_or_else(|| SecretError::FileEmpty(path.to_owned()))
}

/// `text` without white space and byte order marks around it: editors, `echo` and copying leave
/// them there, and no secret begins or ends with one.
pub(crate) fn trimmed(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}')
}

/// The secret in what was written down; `None` when nothing is left.
pub(super) fn secret_in(text: &str) -> Option<SecretString> {
    let text = trimmed(text);
    (!text.is_empty()).then(|| SecretString::from(text))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    async fn read_content(content: &[u8]) -> Result<SecretString, SecretError> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        std::fs::write(&path, content).unwrap();
        read(&SecretRef::File(path)).await
    }

    #[tokio::test]
    async fn what_stands_around_a_secret_is_no_part_of_it() {
        for content in
            ["123:abc", "123:abc\n", "123:abc\r\n", " 123:abc \t\n\n", "\u{feff}123:abc\u{a0}\n"]
        {
            let secret = read_content(content.as_bytes()).await.unwrap();
            assert_eq!(secret.expose_secret(), "123:abc");
        }
    }

    #[tokio::test]
    async fn an_empty_or_binary_or_huge_file_is_no_secret() {
        assert!(matches!(
            read_content("\u{feff} \n".as_bytes()).await,
            Err(SecretError::FileEmpty(_))
        ));
        assert!(matches!(read_content(b"\xff\xfe").await, Err(SecretError::FileNotText(_))));
        let huge = vec![b'a'; 70_000];
        assert!(matches!(read_content(&huge).await, Err(SecretError::FileTooLarge { .. })));
    }

    #[tokio::test]
    async fn a_missing_file_is_named() {
        let error = read(&SecretRef::File("/nonexistent/token".into())).await.unwrap_err();
        assert!(error.to_string().contains("/nonexistent/token"), "{error}");
    }

    #[tokio::test]
    async fn a_missing_variable_is_named() {
        let error = read(&SecretRef::Env("NABAT_TEST_UNSET".into())).await.unwrap_err();
        assert_eq!(error.to_string(), "environment variable NABAT_TEST_UNSET is not set");
    }

    #[tokio::test]
    async fn a_variable_is_read() {
        // Cargo sets this one for every test.
        let secret = read(&SecretRef::Env("CARGO_PKG_NAME".into())).await.unwrap();
        assert_eq!(secret.expose_secret(), "nabat");
    }
}
