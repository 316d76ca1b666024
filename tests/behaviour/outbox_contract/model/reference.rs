//! What a store is meant to do, said as plainly as it can be.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Known;

use nabat::alert::{Notification, Status};
use nabat::outbox::{Class, EntryId, EntryState, Fate};

use super::Said;

/// Fingerprint → whether it fires, since when, and whether it is no longer listed.
pub type Alerts = BTreeMap<usize, (bool, i64, bool)>;

/// The alerts of a real notification, for comparison.
pub fn alerts(notification: &Notification) -> Alerts {
    notification
        .alerts
        .iter()
        .map(|alert| {
            let since = alert.starts_at.duration_since(super::at(0)).as_secs();
            let fires = alert.status == Status::Firing;
            (alert.fingerprint.parse().unwrap(), (fires, since, alert.unlisted))
        })
        .collect()
}

#[derive(Debug, Clone)]
pub struct Entry {
    /// Learned from the store when it is first listed.
    pub id: Option<EntryId>,
    pub chat: usize,
    pub group: usize,
    pub alerts: Alerts,
    truncated: bool,
    pub merged: u32,
    pub first: i64,
    pub severity: u8,
    pub class: Class,
    pub attempts: u32,
    /// Whether people were told what it holds.
    told: bool,
    /// How many notifications the lease that is out covers.
    leased: Option<u32>,
    /// When the first came that it does not cover.
    news_at: Option<i64>,
}

impl Entry {
    fn new(chat: usize, said: &Said, now: i64) -> Self {
        Self {
            id: None,
            chat,
            group: said.group,
            alerts: said.listed(),
            truncated: said.truncated,
            merged: 1,
            first: now,
            severity: said.severity,
            class: said.class,
            attempts: 0,
            told: false,
            leased: None,
            news_at: None,
        }
    }

    /// What `older` knew stays beneath; of an alert that is only remembered here, its end says more.
    fn put_on_top_of(&mut self, older: &Alerts) {
        for (name, (fires, since, unlisted)) in older {
            match self.alerts.entry(*name) {
                Known::Vacant(place) => {
                    let unlisted = *unlisted || (*fires && !self.truncated);
                    place.insert((*fires, *since, unlisted));
                }
                Known::Occupied(mut known) => {
                    if !fires && known.get().2 && known.get().1 == *since {
                        known.insert((false, *since, *unlisted));
                    }
                }
            }
        }
    }

    /// With an older dead letter of its group beneath it.
    fn over(mut self, older: &Self) -> Self {
        self.put_on_top_of(&older.alerts);
        self.merged += older.merged;
        self.first = self.first.min(older.first);
        self.severity = self.severity.min(older.severity);
        self
    }

    /// What people were told neither waits nor counts with what is to be said now.
    fn nothing_is_told(&mut self, merged: u32, first: i64) {
        if std::mem::take(&mut self.told) {
            self.merged = merged;
            self.first = first;
            self.leased = self.leased.map(|_| 0);
        } else {
            self.merged += merged;
        }
    }
}

/// The message that shows a group.
#[derive(Debug)]
pub struct Card {
    pub message: i32,
    /// The entry that people were told of by it.
    told: Option<EntryId>,
}

impl Said {
    fn listed(&self) -> Alerts {
        self.alerts.iter().map(|(name, (fires, since))| (*name, (*fires, *since, false))).collect()
    }
}

/// A chat and a group.
type Spot = (usize, usize);

/// Fingerprint → whether it fires, and since when.
type Event = (bool, bool, BTreeMap<usize, (bool, i64)>);

#[derive(Debug)]
pub struct Model {
    window: i64,
    pub waiting: BTreeMap<Spot, Entry>,
    pub dead: Vec<Entry>,
    /// The message that shows each group.
    pub cards: BTreeMap<Spot, Card>,
    /// The events of each group, and when they came.
    recent: BTreeMap<Spot, Vec<(Event, i64)>>,
}

impl Model {
    pub fn new(window: i64) -> Self {
        Self {
            window,
            waiting: BTreeMap::new(),
            dead: Vec::new(),
            cards: BTreeMap::new(),
            recent: BTreeMap::new(),
        }
    }

    pub fn accept(&mut self, chat: usize, said: &Said, now: i64) -> Fate {
        let spot = (chat, said.group);
        let recent = self.recent.entry(spot).or_default();
        recent.retain(|(_, at)| now - at < self.window);
        let event = (said.repeat, said.truncated, said.alerts.clone());
        let newest = recent.last().is_some_and(|(known, _)| *known == event);
        let seen = recent.iter().any(|(known, _)| *known == event);
        // The cards here show no alerts.
        let waits = self.waiting.get(&spot).map(|entry| &entry.alerts);
        let starts = said.alerts.iter().filter_map(|(name, (_, since))| {
            let (_, known, _) = waits?.get(name)?;
            Some(known.cmp(since))
        });
        let mut starts = starts.collect::<Vec<_>>();
        starts.sort_unstable();
        let outdated = starts.last().is_some_and(|most| most.is_gt()) && starts[0].is_ge();
        if newest || (seen && outdated) {
            return Fate::Duplicate;
        }
        recent.push((event, now));
        let Some(entry) = self.waiting.get_mut(&spot) else {
            self.waiting.insert(spot, Entry::new(chat, said, now));
            return Fate::Queued;
        };
        let older = std::mem::replace(&mut entry.alerts, said.listed());
        entry.truncated = said.truncated;
        entry.put_on_top_of(&older);
        entry.nothing_is_told(1, now);
        let before = if said.truncated { entry.severity } else { u8::MAX };
        entry.severity = said.severity.min(before);
        entry.class = entry.class.min(said.class);
        if entry.leased.is_some() {
            entry.news_at.get_or_insert(now);
        }
        Fate::Merged
    }

    /// The entry that speaks next in a chat.
    pub fn lease(&mut self, chat: usize) -> Option<Entry> {
        let waiting = self.waiting.values_mut();
        let entry = waiting
            .filter(|entry| entry.chat == chat && entry.leased.is_none())
            .min_by_key(|entry| (entry.class, entry.severity, entry.first))?;
        entry.leased = Some(entry.merged);
        entry.news_at = None;
        Some(entry.clone())
    }

    pub fn shown(&mut self, spot: Spot, message: i32) {
        self.cards.insert(spot, Card { message, told: None });
        let entry = self.waiting.get_mut(&spot).unwrap();
        match (entry.leased.take(), entry.news_at.take()) {
            (Some(covered), Some(news_at)) => {
                entry.merged = entry.merged.saturating_sub(covered).max(1);
                entry.first = news_at;
                entry.attempts = 0;
            }
            _ => drop(self.waiting.remove(&spot)),
        }
    }

    pub fn partly(&mut self, spot: Spot, message: i32, class: Class, told: bool) {
        let entry = self.waiting.get_mut(&spot).unwrap();
        self.cards.insert(spot, Card { message, told: entry.id.filter(|_| told) });
        entry.class = if entry.news_at.is_some() { Class::News } else { class };
        match (entry.leased.take(), entry.news_at) {
            (Some(covered), Some(news_at)) if told => {
                entry.merged = entry.merged.saturating_sub(covered).max(1);
                entry.first = news_at;
            }
            _ => entry.told |= told,
        }
        entry.attempts = 0;
    }

    pub fn released(&mut self, spot: Spot, failed: bool) {
        let entry = self.waiting.get_mut(&spot).unwrap();
        entry.leased = None;
        entry.attempts += u32::from(failed);
    }

    pub fn refused(&mut self, spot: Spot) {
        if self.waiting[&spot].news_at.is_some() {
            self.released(spot, true);
        } else {
            self.died(spot);
        }
    }

    fn died(&mut self, spot: Spot) {
        let entry = self.waiting.remove(&spot).unwrap();
        self.dead.push(Entry { leased: None, ..entry });
    }

    pub fn bury(&mut self, chat: usize, before: i64) -> u64 {
        let old: Vec<Spot> = self
            .waiting
            .iter()
            .filter(|(_, entry)| entry.chat == chat && entry.leased.is_none())
            .filter(|(_, entry)| entry.first < before)
            .map(|(spot, _)| *spot)
            .collect();
        for spot in &old {
            self.died(*spot);
        }
        old.len() as u64
    }

    /// Under which number it waits, and the dead letters that are part of it now.
    pub fn retry(&mut self, id: EntryId) -> (EntryId, Vec<EntryId>) {
        let Some(dead) = self.dead.iter().find(|entry| entry.id == Some(id)) else {
            let waits = self.waiting.values_mut().find(|entry| entry.id == Some(id));
            waits.unwrap().attempts = 0;
            return (id, Vec::new());
        };
        let spot = (dead.chat, dead.group);
        let of_it = |entry: &mut Entry| (entry.chat, entry.group) == spot;
        let mut letters: Vec<Entry> = self.dead.extract_if(.., of_it).collect();
        letters.sort_by_key(|entry| entry.id);
        let mut with: Vec<EntryId> = letters.iter().filter_map(|entry| entry.id).collect();
        let older = letters.into_iter().reduce(|older, newer| newer.over(&older)).unwrap();
        let Some(entry) = self.waiting.get_mut(&spot) else {
            let mut entry = Entry { class: Class::News, attempts: 0, told: false, ..older };
            // The cards here show no alerts, and say so of the whole group.
            if self.cards.get(&spot).is_some_and(|card| card.told > entry.id) {
                entry.truncated = false;
                let older = std::mem::take(&mut entry.alerts);
                entry.put_on_top_of(&older);
            }
            self.waiting.insert(spot, entry);
            return (with.pop().unwrap(), with);
        };
        entry.put_on_top_of(&older.alerts);
        entry.nothing_is_told(older.merged, older.first);
        entry.class = Class::News;
        entry.severity = entry.severity.min(older.severity);
        if entry.leased.is_some() {
            entry.news_at.get_or_insert(older.first);
        }
        (entry.id.unwrap(), with)
    }

    pub fn drop_entry(&mut self, id: EntryId) {
        self.dead.retain(|entry| entry.id != Some(id));
        self.waiting.retain(|_, entry| entry.id != Some(id));
    }

    pub fn reopened(&mut self) {
        for entry in self.waiting.values_mut() {
            entry.leased = None;
        }
    }

    /// Since when people wait for what a chat has to say.
    pub fn oldest_waiting(&self, chat: usize) -> Option<i64> {
        let waiting = self.waiting.values().filter(|entry| entry.chat == chat && !entry.told);
        waiting.map(|entry| entry.first).min()
    }

    pub fn ids(&self) -> Vec<EntryId> {
        self.waiting.values().chain(&self.dead).filter_map(|entry| entry.id).collect()
    }

    /// The entries in a state, sorted by chat and group.
    pub fn held(&self, state: EntryState) -> Vec<&Entry> {
        let mut held: Vec<&Entry> = match state {
            EntryState::Waiting => self.waiting.values().collect(),
            EntryState::Dead => self.dead.iter().collect(),
        };
        held.sort_by_key(|entry| (entry.chat, entry.group, entry.id));
        held
    }
}
