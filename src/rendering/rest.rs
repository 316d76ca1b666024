//! What a message does not list: counted by colour and by the label that tells most, and named.

use std::collections::HashMap;

use serde::Serialize;

use super::excerpt::{MAX_LABEL, MAX_NAME, line, listed};
use super::subject::{Subject, UNLISTED, says_where, still_fires};
use crate::alert::{Alert, Forgotten};

/// Characters of alerts named in one list.
pub(super) const MAX_NAMES: usize = 600;

/// Alerts that are only counted are told apart by a label that parts them into so many at most,
/// of which the biggest are named.
const MOST_PARTS: usize = 12;
const MOST_VALUES: usize = 5;

/// Severities beyond so many are counted by colour only.
const MOST_NAMED: usize = 8;

/// Alerts that are not in the lists.
#[derive(Debug, Default, Serialize)]
pub(super) struct More {
    firing: usize,
    pub resolved: usize,
    unlisted: usize,
    /// Without those that ended.
    total: usize,
    severities: Vec<Share>,
    /// The label by which they differ most usefully, and its most frequent values.
    label: Option<String>,
    values: Vec<ValueShare>,
    /// How many have other values.
    others: usize,
    names: String,
}

/// How many alerts are how bad.
#[derive(Debug, Serialize)]
pub(super) struct Share {
    pub emoji: &'static str,
    /// The severity's own name, if it is not a well known one.
    pub name: Option<String>,
    pub count: usize,
}

/// How many alerts have a value.
#[derive(Debug, Serialize)]
pub(super) struct ValueShare {
    value: String,
    count: usize,
}

impl More {
    /// What is not listed when the first `firing` and `resolved` alerts are.
    pub fn beyond(subject: &Subject<'_>, firing: usize, resolved: usize) -> Self {
        let mut more = Self::new(subject, &subject.firing[firing..]);
        more.resolved = subject.resolved.len() - resolved;
        more.count(subject.forgotten);
        more
    }

    /// `rest` are alerts that fire, or did when they were last heard of.
    fn new(subject: &Subject<'_>, rest: &[&Alert]) -> Self {
        if rest.is_empty() {
            return Self::default();
        }
        let firing = rest.iter().filter(|alert| still_fires(alert)).count();
        let by_label = telling_label(subject, rest);
        let (label, mut values) = by_label.map_or((None, Vec::new()), |(label, mut values)| {
            values.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
            (Some(line(label, MAX_LABEL)), values)
        });
        let all = rest.len() + subject.forgotten.unlisted as usize;
        let others = values.split_off(values.len().min(MOST_VALUES)).iter().map(|(_, n)| n).sum();
        let share =
            |(value, count): (&str, usize)| ValueShare { value: line(value, MAX_NAME), count };
        Self {
            firing,
            unlisted: rest.len() - firing,
            total: rest.len(),
            severities: shares(subject, rest.iter()),
            label,
            values: values.into_iter().map(share).collect(),
            others,
            names: listed(rest.iter().map(|alert| subject.label(alert)), all, MAX_NAMES),
            ..Self::default()
        }
    }

    /// Counts alerts that are not there to be listed, too.
    fn count(&mut self, forgotten: Forgotten) {
        let Forgotten { ended, unlisted } = forgotten;
        self.resolved += ended as usize;
        self.unlisted += unlisted as usize;
        self.total += unlisted as usize;
        add_unlisted(&mut self.severities, unlisted);
    }
}

/// Counts so many alerts more that are not reported any more.
pub(super) fn add_unlisted(shares: &mut Vec<Share>, count: u32) {
    let count = count as usize;
    match shares.iter_mut().find(|share| share.emoji == UNLISTED) {
        Some(share) => share.count += count,
        None if count == 0 => {}
        None => shares.push(Share { emoji: UNLISTED, name: None, count }),
    }
}

/// The label by which `rest` falls into the fewest parts (two at least, a few at most), with the
/// size of each; one that says where goes before others.
fn telling_label<'a>(
    subject: &Subject<'_>,
    rest: &[&'a Alert],
) -> Option<(&'a str, Vec<(&'a str, usize)>)> {
    let most = MOST_PARTS.min(rest.len() / 2);
    let own =
        |name: &&String| name.as_str() != "severity" && !subject.labels.contains_key(name.as_str());
    let names = rest.first()?.labels.keys().filter(own);
    let parted = names.filter_map(|name| {
        let mut parts: HashMap<&str, usize> = HashMap::new();
        for alert in rest {
            *parts.entry(alert.labels.get(name)?).or_default() += 1;
            if parts.len() > most {
                return None;
            }
        }
        (parts.len() > 1).then(|| (name.as_str(), parts.into_iter().collect::<Vec<_>>()))
    });
    parted.min_by_key(|(name, parts)| (!says_where(name), parts.len()))
}

/// How many alerts there are of each colour, and of each severity that is not well known, in
/// their order.
pub(super) fn shares<'a>(
    subject: &Subject<'_>,
    alerts: impl Iterator<Item = &'a &'a Alert>,
) -> Vec<Share> {
    // Many alerts are alike: what there is to say of each kind is worked out once.
    let mut kinds: Vec<(&Alert, usize)> = Vec::new();
    for alert in alerts {
        let is_like = |other: &Alert| {
            (other.status, other.unlisted) == (alert.status, alert.unlisted)
                && other.severity() == alert.severity()
        };
        match kinds.iter_mut().find(|(other, _)| is_like(other)) {
            Some((_, count)) => *count += 1,
            None => kinds.push((alert, 1)),
        }
    }
    let mut shares: Vec<Share> = Vec::new();
    for (alert, count) in kinds {
        let emoji = subject.emoji(alert);
        let mut name = Subject::named_severity(alert.severity()).filter(|_| still_fires(alert));
        let is_new = !shares.iter().any(|share| (share.emoji, &share.name) == (emoji, &name));
        if is_new && shares.len() >= MOST_NAMED {
            name = None;
        }
        match shares.iter_mut().find(|share| (share.emoji, &share.name) == (emoji, &name)) {
            Some(share) => share.count += count,
            None => shares.push(Share { emoji, name, count }),
        }
    }
    shares
}
