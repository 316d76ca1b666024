//! What Telegram heard, held against what the sender knows.

use std::collections::{BTreeMap, BTreeSet};

use nabat::sandbox::Sandbox;
use regex::Regex;

use super::sender::{Sender, alert};

/// A message or an edit that Telegram heard.
#[derive(Debug)]
struct Said {
    /// A message of its own, which people notice.
    sent: bool,
    digest: bool,
    /// The versions it names, by group.
    names: BTreeMap<usize, BTreeSet<usize>>,
}

/// Everything that was heard, in its order.
#[derive(Debug)]
pub struct Books(Vec<Said>);

impl Books {
    pub fn of(sandbox: &Sandbox) -> Self {
        let name = Regex::new(r"g(\d{3})v(\d{5})").unwrap();
        // A request whose sender was killed has no status, but was heard.
        let heard = sandbox
            .requests()
            .into_iter()
            .filter(|seen| seen.status.is_none_or(|status| status == 200));
        let said = heard.filter_map(|seen| {
            let text = seen.body["text"].as_str()?;
            // A storm's summary tells again what still fires.
            if text.starts_with("🌤") {
                return None;
            }
            let mut names: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
            for found in name.captures_iter(text) {
                let version = found[2].parse().unwrap();
                names.entry(found[1].parse().unwrap()).or_default().insert(version);
            }
            let sent = seen.method == "sendMessage";
            Some(Said { sent, digest: text.contains('⛈'), names })
        });
        Self(said.collect())
    }

    pub fn sends(&self) -> usize {
        self.0.iter().filter(|said| said.sent).count()
    }

    /// The newest alerts of the groups that were accepted and that no message ever named, nor one
    /// that came behind it: nabat may have taken what it could not answer any more.
    pub fn lost(&self, sender: &Sender) -> Vec<String> {
        let is_named = |group: usize, version: usize| {
            self.0.iter().any(|said| {
                said.names.get(&group).is_some_and(|versions| versions.last() >= Some(&version))
            })
        };
        let newest = sender.newest();
        newest.filter(|(g, v)| !is_named(*g, *v)).map(|(g, v)| alert(g, v)).collect()
    }

    /// Groups whose newest alert in one message was older than in a message before. Edits of a
    /// digest are left out: they show again what their other lines had told.
    pub fn out_of_order(&self) -> Vec<String> {
        let mut newest: BTreeMap<usize, usize> = BTreeMap::new();
        let mut faults = Vec::new();
        for said in self.0.iter().filter(|said| said.sent || !said.digest) {
            for (group, versions) in &said.names {
                let version = versions.last().copied().unwrap_or_default();
                let before = newest.entry(*group).or_default();
                if version < *before {
                    faults.push(format!("{} behind {before}", alert(*group, version)));
                }
                *before = version.max(*before);
            }
        }
        faults
    }

    /// How many messages told people again what a message had told them.
    pub fn doubled(&self) -> u64 {
        let mut told: BTreeSet<(usize, usize)> = BTreeSet::new();
        let mut doubled = 0;
        for said in self.0.iter().filter(|said| said.sent) {
            for (group, versions) in &said.names {
                let newest = versions.last().copied().unwrap_or_default();
                doubled += u64::from(!told.insert((*group, newest)));
            }
        }
        doubled
    }
}
