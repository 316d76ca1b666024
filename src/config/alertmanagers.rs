//! `alertmanagers:` the Alertmanagers that nabat may ask things of.

use std::collections::BTreeMap;

use url::Url;

use super::walk::{At, Walk};

pub(super) const KEYS: &[&str] = &["url"];

/// One of `alertmanagers:`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alertmanager {
    pub url: Url,
}

pub(super) fn read(at: &At<'_>, walk: &mut Walk<'_>) -> BTreeMap<String, Alertmanager> {
    const EXAMPLE: &str = "http://alertmanager:9093";
    let mut alertmanagers = BTreeMap::new();
    for (name, at) in walk.named(at) {
        let Some(section) = walk.section(&at, KEYS) else { continue };
        let url = walk
            .required(&section, "url", &format!("write it like {EXAMPLE}"))
            .and_then(|at| walk.url(&at, &["http", "https"], EXAMPLE));
        if let Some(url) = url {
            alertmanagers.insert(name.to_owned(), Alertmanager { url });
        }
    }
    alertmanagers
}
