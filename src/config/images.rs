//! `images:` which pictures of alerts are shown.

use crate::images::{AllowedHost, ImageOptions};

use super::fault::shown;
use super::walk::{At, Walk};

pub(super) const KEYS: &[&str] = &["allow", "max_bytes", "timeout"];

/// Of photos.
const TELEGRAMS_LIMIT: u64 = 10 << 20;

pub(super) fn read(at: &At<'_>, walk: &mut Walk<'_>) -> Option<ImageOptions> {
    let section = walk.section(at, KEYS)?;
    let remedy = "name the host of your Grafana: images: {allow: [grafana.example.org]}";
    let mut allow = Vec::new();
    for (place, host) in walk.required(&section, "allow", remedy).map(|at| walk.texts(&at))? {
        if let Some(host) = AllowedHost::parse(host) {
            allow.push(host);
        } else {
            let problem = format!("{} is no host", shown(host));
            walk.fault(&place, problem, "write it like grafana.example.org or grafana:3000");
        }
    }
    let mut options =
        ImageOptions { allow, max_bytes: ImageOptions::MAX_BYTES, timeout: ImageOptions::TIMEOUT };
    if let Some(at) = section.get("max_bytes") {
        match walk.bytes(&at) {
            // No picture is as small; the unit was forgotten.
            Some(..1024) => walk.fault(&at.place, "is too small for a picture", "at least 1KiB"),
            Some(bytes @ 1024..=TELEGRAMS_LIMIT) => options.max_bytes = bytes,
            Some(_) => walk.fault(&at.place, "is more than Telegram takes", "at most 10MiB"),
            None => {}
        }
    }
    if let Some(at) = section.get("timeout") {
        options.timeout = walk.pause(&at).unwrap_or_default();
    }
    Some(options)
}
