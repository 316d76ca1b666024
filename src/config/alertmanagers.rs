//! `alertmanagers:` the Alertmanagers that nabat may ask things of.

use std::collections::BTreeMap;

use super::address::{self, UrlSource};
use super::walk::{At, Walk};

pub(super) const KEYS: &[&str] = &["url"];

/// One of `alertmanagers:`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alertmanager {
    /// With a user and a password in it where there is a proxy with basic authentication before it.
    pub url: UrlSource,
}

pub(super) fn read(at: &At<'_>, walk: &mut Walk<'_>) -> BTreeMap<String, Alertmanager> {
    const EXAMPLE: &str = "http://alertmanager:9093";
    let mut alertmanagers = BTreeMap::new();
    for (name, at) in walk.named(at) {
        let Some(section) = walk.section(&at, KEYS) else { continue };
        let url = walk
            .required(&section, "url", &format!("write it like {EXAMPLE}"))
            .and_then(|at| address::read(&at, EXAMPLE, walk));
        if let Some(url) = url {
            alertmanagers.insert(name.to_owned(), Alertmanager { url });
        }
    }
    alertmanagers
}
