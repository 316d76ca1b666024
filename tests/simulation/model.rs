//! The reference: what a chat should know of each group, in a few lines.

use std::collections::BTreeMap;
use std::time::Duration;

use nabat::alert::Status;
use nabat::outbox::Fate;

use crate::alertmanager::Said;
use crate::reading::Stands;

/// How an alert was last accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Last {
    /// Odd ones fire.
    pub number: u32,
    /// It fired, and a newer notification does not list it.
    pub unlisted: bool,
    /// When that was accepted, since the beginning.
    pub at: Duration,
    /// When its number was accepted first: it may have been left out and listed again since.
    pub first: Duration,
}

/// A group as one chat should know it.
#[derive(Debug, Clone, Default)]
pub struct Known {
    pub alerts: BTreeMap<usize, Last>,
    /// Notifications that were accepted and no duplicates.
    pub events: u32,
    /// How often each body was accepted.
    pub accepted: BTreeMap<u32, u32>,
    /// Whether the newest body left alerts out.
    truncated: bool,
    /// Whether that one called the group resolved without saying that all alerts are: then nobody
    /// knows how it stands.
    pub is_unclear: bool,
    /// Whether one ever did.
    pub was_truncated: bool,
    /// When the notifications were accepted that make up the entry which was queued last.
    pub entry: Vec<Duration>,
}

impl Known {
    /// How many of its alerts fire, as far as they are listed.
    pub fn firing(&self) -> usize {
        self.alerts.values().filter(|last| last.number % 2 == 1 && !last.unlisted).count()
    }

    /// How the whole group stands.
    pub fn stands(&self) -> Stands {
        let fires = |last: &Last| last.number % 2 == 1;
        let unknown = self.alerts.values().any(|last| fires(last) && last.unlisted);
        match self.truncated || self.alerts.values().any(|last| fires(last) && !last.unlisted) {
            true => Stands::Fires,
            false if unknown => Stands::Unknown,
            false => Stands::Over,
        }
    }
}

/// All groups in all chats.
#[derive(Debug, Default)]
pub struct Model {
    pub known: BTreeMap<(String, usize), Known>,
}

impl Model {
    /// A notification was accepted in a chat, and was no duplicate there.
    pub fn accept(&mut self, chat: &str, said: &Said, fate: Fate, at: Duration) {
        let known = self.known.entry((chat.to_owned(), said.group)).or_default();
        known.events += 1;
        if fate != Fate::Merged {
            known.entry.clear();
        }
        known.entry.push(at);
        known.truncated = !said.body.is_complete();
        known.was_truncated |= known.truncated;
        known.is_unclear = known.truncated && said.body.status == Status::Resolved;
        *known.accepted.entry(said.made).or_default() += 1;
        for (alert, number) in &said.alerts {
            let last = known.alerts.entry(*alert);
            let new = Last { number: *number, unlisted: false, at, first: at };
            let last = last.or_insert(new);
            if last.number != *number {
                *last = new;
            } else if last.unlisted {
                *last = Last { first: last.first, ..new };
            }
        }
        for (alert, last) in &mut known.alerts {
            let left_out = !known.truncated && !said.alerts.contains_key(alert);
            if left_out && last.number % 2 == 1 && !last.unlisted {
                *last = Last { unlisted: true, at, ..*last };
            }
        }
    }
}
