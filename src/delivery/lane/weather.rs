//! Whether a lane is in a storm: more waits than the pace can say soon.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::Worker;
use super::told::scene;
use super::trouble::Tried;
use crate::alert::GroupId;
use crate::delivery::pace::ChatPace;
use crate::delivery::speaker::Voice;
use crate::outbox::{Backlog, Class, Leased, StoreError, Storm};
use crate::rendering::Glance;

/// The worst are told one by one as long as that takes this share of what makes a storm.
const WORST_SHARE: u32 = 3;
/// After a digest that failed for itself, groups are told one by one for so long.
const ONE_BY_ONE: Duration = Duration::from_mins(5);
/// What makes a message of its own.
const MESSAGES: [Class; 3] = [Class::News, Class::Repeat, Class::End];

/// What a lane knows of its storm.
#[derive(Debug, Default)]
pub(super) struct Weather {
    /// Whether the store was asked for a storm that an earlier process left.
    looked: bool,
    /// The storm that is not over.
    pub storm: Option<Ongoing>,
    /// The last turn told one of the worst: the next is the digest's.
    told_one: bool,
    one_by_one_until: Option<Instant>,
    /// Telegram failed on a digest so often that it may be the digest's fault: the next message is about
    /// one group. When Telegram fails on everything, that one fails too.
    pub try_one: bool,
}

/// A storm that is not over.
#[derive(Debug)]
pub(super) struct Ongoing {
    pub began_at: Timestamp,
    /// The groups that were told of in it, in digests or alone, by their [`mark`]: the severity of
    /// those that were not over then. A backlog may have a hundred thousand of them.
    told: HashMap<u64, Option<Arc<str>>>,
    /// Each severity once.
    severities: HashSet<Arc<str>>,
    /// Those told alone, and how they stood when they were told of last: their digests' lines know
    /// less.
    pub alone: HashMap<GroupId, Glance>,
    /// When it is over, if nothing comes.
    pub calm_at: Instant,
}

impl Ongoing {
    pub fn of(storm: &Storm, quiet: Duration) -> Self {
        let mut ongoing = Self {
            began_at: storm.began_at,
            told: HashMap::new(),
            severities: HashSet::new(),
            alone: HashMap::new(),
            calm_at: Instant::now() + quiet,
        };
        for (group, glance) in storm.digests.iter().flat_map(|digest| &digest.lines) {
            ongoing.note(group, glance);
        }
        ongoing
    }

    /// The group was told of as it stands.
    pub fn note(&mut self, group: &GroupId, glance: &Glance) {
        let severity = glance.fires().then(|| {
            let known = self.severities.get(&*glance.severity).cloned();
            known.unwrap_or_else(|| Arc::from(&*glance.severity))
        });
        self.severities.extend(severity.clone());
        self.told.insert(mark(group), severity);
        if let Some(alone) = self.alone.get_mut(group) {
            alone.clone_from(glance);
        }
    }

    /// How many groups of each severity it has: those told of that are not over, as they stand
    /// `now` where that is known, and those that wait.
    pub fn totals<'g>(
        &self,
        now: impl Iterator<Item = (&'g GroupId, &'g Glance)>,
        waiting: impl Iterator<Item = (String, u64)>,
    ) -> Vec<(String, u64)> {
        let now: HashMap<u64, &Glance> = now.map(|(group, glance)| (mark(group), glance)).collect();
        let before = self.told.iter().filter(|(group, _)| !now.contains_key(*group));
        let before = before.filter_map(|(_, severity)| severity.as_deref());
        let now = now.values().filter(|glance| glance.fires());
        let mut totals: BTreeMap<&str, u64> = BTreeMap::new();
        for severity in before.chain(now.map(|glance| &*glance.severity)) {
            *totals.entry(severity).or_default() += 1;
        }
        let mut totals: BTreeMap<String, u64> =
            totals.into_iter().map(|(severity, count)| (severity.to_owned(), count)).collect();
        for (severity, count) in waiting {
            *totals.entry(severity).or_default() += count;
        }
        totals.into_iter().collect()
    }
}

/// Stands for a group where it is only counted.
fn mark(group: &GroupId) -> u64 {
    let mut hasher = DefaultHasher::new();
    group.hash(&mut hasher);
    hasher.finish()
}

impl Weather {
    /// When the storm is over, if nothing comes.
    pub fn calm_at(&self) -> Option<Instant> {
        Some(self.storm.as_ref()?.calm_at)
    }

    /// Whether digests are left alone.
    pub fn is_one_by_one(&self) -> bool {
        self.one_by_one_until.is_some_and(|until| Instant::now() < until)
    }

    /// Digests are left alone for a while: something about one failed.
    pub fn tell_one_by_one(&mut self) {
        self.one_by_one_until = Some(Instant::now() + ONE_BY_ONE);
    }
}

/// What to do next, for all that waits.
pub(super) enum Outlook {
    /// One thing after another.
    Fair,
    Storm(Backlog),
    /// The storm is over, and nobody was told.
    Over,
}

impl Worker {
    /// Notes how a group stands that is told alone while a storm is on.
    pub(super) fn note_alone(&mut self, voice: &Voice<'_>, leased: &Leased) {
        if let Some(ongoing) = &mut self.weather.storm {
            let renderer = voice.delivery.shared.with.renderer.load();
            let entry = &leased.entry;
            let glance = renderer.glance(&scene(voice, entry, &entry.state));
            ongoing.note(&entry.state.group, &glance);
            ongoing.alone.insert(entry.state.group.clone(), glance);
        }
    }

    /// Looks at what waits. More than the pace can say within the `threshold` is a storm.
    pub(super) async fn look_out(
        &mut self,
        pace: &ChatPace,
        threshold: Duration,
    ) -> Result<Outlook, StoreError> {
        let with = &self.delivery.shared.with;
        if !self.weather.looked {
            let storm = with.outbox.storm(&self.lane).await?;
            self.weather.storm = storm.as_ref().map(|storm| Ongoing::of(storm, threshold));
            self.weather.looked = true;
        }
        let backlog = with.outbox.backlog(&self.lane).await?;
        let now = Instant::now();
        // The pace is the chat's: what waits in its other lanes takes its time, too.
        let waiting = pace.waiting(&self.lane, backlog.of(&MESSAGES));
        let many = backlog.of(&MESSAGES) > 1 && pace.time_for(waiting) > threshold;
        if !many {
            // What was found out about digests is old by the next one.
            self.weather.try_one = false;
            self.trouble.forget(Tried::Digest);
        }
        if many && !self.weather.is_one_by_one() && !std::mem::take(&mut self.weather.try_one) {
            let worst = backlog.worst_news();
            let few = worst > 0 && pace.time_for(worst) <= threshold / WORST_SHARE;
            if few && !self.weather.told_one {
                self.weather.told_one = true;
                return Ok(Outlook::Fair);
            }
            self.weather.told_one = false;
            return Ok(Outlook::Storm(backlog));
        }
        let calm = self.weather.calm_at().is_some_and(|at| at <= now);
        Ok(if calm && backlog.of(&Class::ALL) == 0 { Outlook::Over } else { Outlook::Fair })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::Source;

    fn group(number: u32) -> GroupId {
        let (receiver, key) = ("ops".to_owned(), format!("{{}}:{number}"));
        GroupId { source: Source::Alertmanager, receiver, key }
    }

    fn glance(severity: &str, fires: bool) -> Glance {
        let severity = severity.to_owned();
        let (name, place, also) = (String::new(), String::new(), String::new());
        let (firing, ended) = (u32::from(fires), !fires);
        let (resolved, unlisted, moved) = (0, 0, false);
        Glance { name, place, also, severity, firing, ended, resolved, unlisted, moved }
    }

    #[tokio::test]
    async fn a_storms_totals_count_each_group_once_as_it_stands_last() {
        let storm = Storm { began_at: Timestamp::UNIX_EPOCH, digests: Vec::new() };
        let mut ongoing = Ongoing::of(&storm, Duration::ZERO);
        ongoing.note(&group(1), &glance("warning", true));
        ongoing.note(&group(2), &glance("warning", true));
        ongoing.note(&group(3), &glance("critical", true));
        // One got worse, one ended, one is told of now, and four more wait.
        ongoing.note(&group(1), &glance("critical", true));
        ongoing.note(&group(2), &glance("warning", false));
        let now = (group(3), glance("warning", true));
        let waiting = std::iter::once(("warning".to_owned(), 4));
        let totals = ongoing.totals(std::iter::once((&now.0, &now.1)), waiting);
        assert_eq!(totals, [("critical".to_owned(), 1), ("warning".to_owned(), 5)]);
    }
}
