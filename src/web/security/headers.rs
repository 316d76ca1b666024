//! `http_server_config.headers:` what every answer carries for browsers.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::SecurityError;

/// The headers that Prometheus's exporters allow here, with their values where these are few.
const KNOWN: [(&str, &[&str]); 5] = [
    ("Content-Security-Policy", &[]),
    ("Strict-Transport-Security", &[]),
    ("X-Content-Type-Options", &["nosniff"]),
    ("X-Frame-Options", &["deny", "sameorigin"]),
    ("X-XSS-Protection", &[]),
];

/// Reads the headers as they are configured.
///
/// # Errors
/// [`SecurityError::Header`] for one that is not known, or a value that it can't have.
pub(super) fn read(configured: &BTreeMap<String, String>) -> Result<HeaderMap, SecurityError> {
    let mut headers = HeaderMap::new();
    for (name, value) in configured {
        let fault = |fault: String| SecurityError::Header { name: name.clone(), fault };
        let Some((known, values)) =
            KNOWN.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))
        else {
            let known = KNOWN.map(|(known, _)| known).join(", ");
            return Err(fault(format!("can't be set; the headers are {known}")));
        };
        if !values.is_empty() && !values.contains(&value.as_str()) {
            return Err(fault(format!("can't be {value:?}; write {}", values.join(" or "))));
        }
        let value = HeaderValue::from_str(value)
            .map_err(|_| fault("holds a character that no header can".to_owned()))?;
        if let Ok(name) = known.parse::<HeaderName>() {
            headers.insert(name, value);
        }
    }
    Ok(headers)
}
