//! The web configuration file as it is written.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::SecurityError;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WebFile {
    pub tls_server_config: Option<TlsSection>,
    #[serde(default)]
    pub http_server_config: HttpSection,
    #[serde(default)]
    pub basic_auth_users: BTreeMap<String, PasswordHash>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TlsSection {
    pub cert_file: PathBuf,
    pub key_file: PathBuf,
    pub client_ca_file: Option<PathBuf>,
    pub client_auth_type: Option<ClientAuth>,
    #[serde(default)]
    pub min_version: MinVersion,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct HttpSection {
    /// Whether HTTP/2 is offered over TLS.
    pub http2: bool,
    /// Sent with every answer.
    pub headers: BTreeMap<String, String>,
}

impl Default for HttpSection {
    fn default() -> Self {
        Self { http2: true, headers: BTreeMap::new() }
    }
}

/// Whether clients show a certificate; the words are Go's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum ClientAuth {
    NoClientCert,
    VerifyClientCertIfGiven,
    RequireAndVerifyClientCert,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub(super) enum MinVersion {
    #[default]
    #[serde(rename = "TLS12")]
    Tls12,
    #[serde(rename = "TLS13")]
    Tls13,
}

/// A bcrypt hash; not shown.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub(super) struct PasswordHash(pub String);

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

impl WebFile {
    /// Reads the file's text; paths in it are relative to its directory.
    pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<Self, SecurityError> {
        let fault = |fault: String| SecurityError::File { path: path.to_owned(), fault };
        let text = std::str::from_utf8(bytes).map_err(|error| fault(error.to_string()))?;
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        // Snippets would print neighbouring lines, and with them password hashes.
        let options = serde_saphyr::options! { with_snippet: false };
        let mut file: Self = serde_saphyr::from_str_with_options(text, options)
            .map_err(|error| fault(error.to_string()))?;
        if let Some(tls) = &mut file.tls_server_config {
            let home = path.parent().unwrap_or(Path::new(""));
            for file in
                [&mut tls.cert_file, &mut tls.key_file].into_iter().chain(&mut tls.client_ca_file)
            {
                *file = home.join(&*file);
            }
        }
        Ok(file)
    }
}
