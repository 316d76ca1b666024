//! An address that may hold a key or a password: written out, or kept elsewhere.

use std::fmt;

use url::Url;

use crate::secrets::SecretRef;

use super::secret;
use super::walk::{At, Walk};
use super::yaml::Value;

/// An address to call, or where it is kept.
#[derive(Clone, PartialEq, Eq)]
pub enum UrlSource {
    Known(Url),
    Secret(SecretRef),
}

impl fmt::Debug for UrlSource {
    /// Addresses hold keys: only the host is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(url) => write!(f, "Known({})", url.host_str().unwrap_or_default()),
            Self::Secret(secret) => f.debug_tuple("Secret").field(secret).finish(),
        }
    }
}

/// One like `example`, or a reference to it. With a user or a password in it it is a secret.
pub(super) fn read(at: &At<'_>, example: &str, walk: &mut Walk<'_>) -> Option<UrlSource> {
    if matches!(at.value, Value::Map(_)) {
        return secret::read(at, walk).map(UrlSource::Secret);
    }
    let text = walk.text(at)?;
    let url = walk.parse_url(&at.place, text, &["http", "https"], example)?;
    if !url.username().is_empty() || url.password().is_some() {
        let remedy = format!("keep the whole URL elsewhere: {}", secret::REMEDY);
        walk.fault(&at.place, "a secret does not belong in this file", remedy);
        return None;
    }
    Some(UrlSource::Known(url))
}
