//! Many groups in one message: how many there are and how bad, then each of them, the worst
//! first. Groups of one name stand together, so that a storm of a thousand is a few messages.

use std::borrow::Borrow;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::excerpt::{MAX_NAME, line};
use super::inert::{inert, isolated};
use super::plain::plain;
use super::subject::{self, Subject};
use super::view::LATE_AFTER;
use super::{Language, Limits, Part, Scene};
use crate::telegram::markup;

mod places;

use places::Places;

/// Of a message's characters so many stay free: for a note above it, and the number of those left out.
const FREE: usize = 200;

/// So many groups of a kind whose names are their own share no line.
const FEW: usize = 8;

/// Of these a new digest leaves so many free: what ends takes lines of its own.
const FOR_ENDS: usize = 500;

/// Names in bold and lists that unfold; Telegram takes a hundred entities, and the head has one.
const MAX_ENTITIES: usize = 90;

/// A list of more characters is folded: people see what and how much at a glance.
const LONG_LIST: usize = 100;

/// Severities whose totals stand in the head.
const MAX_TOTALS: usize = 8;

/// What a digest says of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Glance {
    pub name: String,
    /// Where it is; may be empty.
    pub place: String,
    /// What else it is grouped by, which tells it from others of its name there; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub also: String,
    pub severity: String,
    /// How many alerts fire, as far as they were listed.
    pub firing: u32,
    /// Whether nothing of the group is known to fire. What is unlisted may.
    pub ended: bool,
    /// How many are over.
    #[serde(default)]
    pub resolved: u32,
    /// How many nobody reports any more, or their sender left out; they did not end either.
    pub unlisted: u32,
    /// A later digest tells of it: what stood here is not true any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub moved: bool,
}

impl Glance {
    /// Whether the group is not over.
    pub fn fires(&self) -> bool {
        !self.ended && !self.moved
    }

    pub(super) fn new(scene: &Scene<'_>, severities: &[String]) -> Self {
        let subject = Subject::new(scene, severities);
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let place = places::place(&subject);
        // What its sender left out of a group that it calls resolved is as unknown as what nobody reports.
        let unknown = subject.may_still_fire();
        let left_out = if unknown { scene.state.truncated_alerts } else { 0 };
        let left_out = usize::try_from(left_out).unwrap_or(usize::MAX);
        Self {
            name: line(&subject.name, MAX_NAME),
            also: places::also(&subject, &place),
            place,
            severity: subject.severity.to_owned(),
            firing: count(subject.firing_total),
            ended: subject.firing_total == 0 && (scene.state.is_complete() || unknown),
            resolved: count(subject.resolved_total),
            unlisted: count(subject.unlisted_total.saturating_add(left_out)),
            moved: false,
        }
    }

    /// How many alerts of what kind it has, where its sign does not say that: `(3)`, `(1 · ✅ 2)`.
    fn counts(&self) -> String {
        let some = |sign: &str, number: u32| (number > 0).then(|| format!("{sign} {number}"));
        let others = [some("✅", self.resolved), some("❔", self.unlisted)].into_iter().flatten();
        let others: Vec<String> = others.filter(|_| self.firing > 0 && !self.moved).collect();
        if self.firing > 1 || !others.is_empty() {
            let firing = std::iter::once(self.firing.to_string());
            format!("({})", firing.chain(others).collect::<Vec<_>>().join(" · "))
        } else {
            String::new()
        }
    }
}

/// What stands above the groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head<'a> {
    /// The storm goes on: how many groups of each severity it has so far, shown or waiting.
    /// `late`: how many seconds ago the oldest was accepted.
    Storm { totals: &'a [(String, u64)], late: i64 },
    /// How the groups of one digest stand by now.
    Standing,
    /// It is over: how long it took and how many groups it had; those that are given still fire.
    Over { seconds: i64, groups: u64 },
}

/// Writes the digest of as many of `glances` as one message holds, in their order; returns it and
/// how many those are. `severities` are worst first.
pub(super) fn digest(
    head: Head<'_>,
    glances: &[impl Borrow<Glance>],
    severities: &[String],
    language: Language,
) -> (Part, usize) {
    let mut glances: Vec<&Glance> = glances.iter().map(Borrow::borrow).collect();
    match head {
        Head::Storm { .. } => {}
        // What has no room is left out for good. An end must not be, and what fires stood there.
        // The worst stays all the same.
        Head::Standing => glances.sort_by_key(|glance| match order(glance, severities) {
            _ if glance.moved => (3, 0),
            (false, 0) => (0, 0),
            (true, rank) => (1, rank),
            (false, rank) => (2, rank),
        }),
        Head::Over { .. } => glances.sort_by_key(|glance| order(glance, severities)),
    }
    let mut html = top(head, &glances, severities, language);
    let storm = matches!(head, Head::Storm { .. });
    let free = FREE + html.chars().count() + if storm { FOR_ENDS } else { 0 };
    let most = Limits::TELEGRAM.characters.saturating_sub(free);
    let (mut sections, mut taken) = arranged(&glances, severities, most, false);
    if taken < glances.len() {
        (sections, taken) = arranged(&glances, severities, most, true);
    }
    let mut entities = MAX_ENTITIES;
    for section in &sections {
        html.push('\n');
        section.write(&mut html, &mut entities);
    }
    if !storm && taken < glances.len() {
        let left = (glances.len() - taken).to_string();
        html.push('\n');
        html.push_str(&markup::escape(&language.say("more", &[&left])));
    }
    let text = markup::parse_unbounded_html(&html).expect("only bold, and all else escaped");
    (Part { plain: plain(&text, Limits::TELEGRAM), html }, taken)
}

/// What fires first, the worst first.
fn order(glance: &Glance, severities: &[String]) -> (bool, usize) {
    (!glance.fires(), subject::rank(&glance.severity, severities))
}

/// How many of the groups fire, by severity.
fn firing(glances: &[&Glance]) -> Vec<(String, u64)> {
    let mut firing: BTreeMap<&str, u64> = BTreeMap::new();
    for glance in glances.iter().filter(|glance| glance.fires()) {
        *firing.entry(&glance.severity).or_default() += 1;
    }
    firing.into_iter().map(|(severity, count)| (severity.to_owned(), count)).collect()
}

/// The first line, which a notification's preview shows.
fn top(head: Head<'_>, glances: &[&Glance], severities: &[String], language: Language) -> String {
    let groups = |number: u64| language.say("groups", &[&number.to_string()]);
    let shown = u64::try_from(glances.len()).unwrap_or(u64::MAX);
    let fire = firing(glances);
    let firing: u64 = fire.iter().map(|(_, count)| count).sum();
    let unlisted =
        glances.iter().filter(|glance| standing(glance, severities) == "❔").count() as u64;
    let moved = glances.iter().filter(|glance| glance.moved).count() as u64;
    let head_line = |sign: &str, said: &[String]| {
        let said: Vec<&str> =
            said.iter().map(String::as_str).filter(|said| !said.is_empty()).collect();
        format!("{sign} <b>{}</b>", markup::escape(&said.join(" · ")))
    };
    match head {
        Head::Storm { totals, late } => {
            let all: u64 = totals.iter().map(|(_, count)| count).sum();
            // Ends only: no news are counted.
            let all = if all == 0 { shown } else { all };
            let mut head = head_line("⛈", &[counts(totals, severities), groups(all)]) + "\n";
            if late > LATE_AFTER {
                let late = super::words::duration(late, language);
                let late = markup::escape(&language.say("late", &[&late]));
                let _ = writeln!(head, "⏳ {late}");
            }
            head
        }
        Head::Standing => {
            let some = |sign: &str, number: u64| {
                if number > 0 { format!("{sign} {number}") } else { String::new() }
            };
            let ended = shown - firing - unlisted - moved;
            let rest = [some("❔", unlisted), some("✅", ended), some("↪", moved), groups(shown)];
            let [unknown, ended, moved, all] = rest;
            head_line("⛈", &[counts(&fire, severities), unknown, ended, moved, all]) + "\n"
        }
        Head::Over { seconds, groups: all } => {
            let lasted = super::words::duration(seconds, language);
            let over = language.say("storm_over", &[&lasted]);
            let rest = if firing + unlisted == 0 {
                format!("✅ {}", language.say("storm_ended", &[]))
            } else {
                let still = language.say("still_firing", &[&firing.to_string()]);
                let unknown =
                    if unlisted > 0 { format!(" · ❔ {unlisted}") } else { String::new() };
                format!("{still} · {}{unknown}\n", counts(&fire, severities))
            };
            format!("{}\n{}", head_line("🌤", &[over, groups(all)]), markup::escape(&rest))
        }
    }
}

/// `🔴 2 · 🟡 14`; severities that are not well known by their name, too.
fn counts(totals: &[(String, u64)], severities: &[String]) -> String {
    let mut worst_first: Vec<&(String, u64)> =
        totals.iter().filter(|(_, count)| *count > 0).collect();
    worst_first.sort_by_key(|(severity, _)| subject::rank(severity, severities));
    let mut said: Vec<(String, u64)> = Vec::new();
    let nameless: u64 =
        worst_first.iter().filter(|(name, _)| name.is_empty()).map(|(_, count)| count).sum();
    worst_first.retain(|(name, _)| !name.is_empty());
    for (severity, count) in worst_first {
        let mut sign = sign(severity, true, severities);
        if said.len() >= MAX_TOTALS {
            subject::colour(severity, severities).clone_into(&mut sign);
        }
        match said.iter_mut().find(|(known, _)| *known == sign) {
            Some((_, all)) => *all += count,
            None => said.push((sign, *count)),
        }
    }
    let mut said: Vec<String> =
        said.iter().map(|(sign, count)| format!("{sign} {count}")).collect();
    // Of what waits only the configured severities are known.
    if nameless > 0 {
        said.push(format!("+{nameless}"));
    }
    inert(&said.join(" · ")).into_owned()
}

/// A severity's colour, with its name where the colour does not say it all; or that it is over.
fn sign(severity: &str, fires: bool, severities: &[String]) -> String {
    if !fires {
        return "✅".to_owned();
    }
    let colour = subject::colour(severity, severities);
    match Subject::named_severity(severity) {
        // A sign behind it, or two numbers side by side could make the number of a card.
        Some(name) => format!("{colour} {name}:"),
        None => colour.to_owned(),
    }
}

/// The groups of one name that stand alike.
struct Section {
    order: (bool, usize),
    sign: String,
    name: String,
    /// Where all of them are.
    shared: String,
    /// What each has for itself.
    places: Vec<String>,
}

impl Section {
    /// `entities` are those left.
    fn write(&self, html: &mut String, entities: &mut usize) {
        let mut take = || {
            let left = *entities > 0;
            *entities = entities.saturating_sub(1);
            left
        };
        html.push_str(&markup::escape(&inert(&self.sign)));
        let bold = !self.name.is_empty() && take();
        let name = markup::escape(&isolated(&inert(&self.name)));
        let _ = match (bold, self.name.is_empty()) {
            (true, _) => write!(html, " <b>{name}</b>"),
            (false, false) => write!(html, " {name}"),
            (false, true) => Ok(()),
        };
        if !self.shared.is_empty() {
            let _ = write!(html, " · {}", markup::escape(&self.shared));
        }
        if let [place] = &self.places[..]
            && !self.name.is_empty()
        {
            // Without a place only the number of its alerts stands there.
            let between = if place.starts_with('(') { " " } else { " · " };
            if !place.is_empty() {
                let _ = write!(html, "{between}{}", markup::escape(place));
            }
            return;
        }
        let _ = write!(html, " ×{}", self.places.len());
        let named: Vec<&str> =
            self.places.iter().map(String::as_str).filter(|place| !place.is_empty()).collect();
        // A place may be a list itself.
        let between = if named.iter().any(|place| place.contains(", ")) { "; " } else { ", " };
        let list = named.join(between);
        if list.chars().count() > LONG_LIST && take() {
            let list = markup::escape(&list);
            let _ = write!(html, "\n<blockquote expandable>{list}</blockquote>");
        } else if !list.is_empty() {
            let _ = write!(html, ": {}", markup::escape(&list));
        }
    }
}

/// As many glances as there is room for, by name, the worst first; and how many those are. Dense,
/// places are short, and groups whose names are their own share a line that says only these.
fn arranged(
    glances: &[&Glance],
    severities: &[String],
    most: usize,
    dense: bool,
) -> (Vec<Section>, usize) {
    let signs: Vec<String> = glances.iter().map(|glance| standing(glance, severities)).collect();
    let mut alike: HashMap<(&str, &str), Vec<&Glance>> = HashMap::new();
    for (glance, sign) in glances.iter().zip(&signs) {
        alike.entry((sign, &glance.name)).or_default().push(glance);
    }
    let mut alone: HashMap<&str, usize> = HashMap::new();
    for ((sign, _), _) in alike.iter().filter(|(_, alike)| alike.len() == 1) {
        *alone.entry(sign).or_default() += 1;
    }
    let mut places: HashMap<(&str, &str), Places> =
        alike.iter().map(|(key, alike)| (*key, Places::of(alike, dense))).collect();
    let mut sections: Vec<Section> = Vec::new();
    let mut known: HashMap<(&str, &str), usize> = HashMap::new();
    let (mut left, mut taken) = (most, 0);
    for (glance, sign) in glances.iter().zip(&signs) {
        let key = (sign.as_str(), glance.name.as_str());
        let own = dense && alike[&key].len() == 1 && alone[sign.as_str()] > FEW;
        let name = if own { "" } else { glance.name.as_str() };
        let Places { shared, own: places } = places.get_mut(&key).expect("all are in it");
        let item = if own {
            isolated(&inert(&glance.name)).into_owned()
        } else {
            places.next().unwrap_or_default()
        };
        let count = glance.counts();
        let blank = if item.is_empty() || count.is_empty() { "" } else { " " };
        let item = format!("{item}{blank}{count}");
        let at = known.get(&(sign.as_str(), name)).copied();
        // A new line has its end, blanks and the number behind the name.
        let line = || {
            let (sign, name) = (inert(sign), inert(name));
            let said = [&*sign, &*name, shared].map(|said| said.chars().count());
            said.iter().sum::<usize>() + 17
        };
        let length = item.chars().count() + 2 + if at.is_none() { line() } else { 0 };
        if length > left && taken > 0 {
            break;
        }
        left = left.saturating_sub(length);
        taken += 1;
        if let Some(at) = at {
            sections[at].places.push(item);
        } else {
            known.insert((sign, name), sections.len());
            sections.push(Section {
                order: order(glance, severities),
                sign: sign.clone(),
                name: name.to_owned(),
                shared: shared.clone(),
                places: vec![item],
            });
        }
    }
    sections.sort_by_key(|section| (section.order, std::cmp::Reverse(section.places.len())));
    (sections, taken)
}

/// How a group stands.
fn standing(glance: &Glance, severities: &[String]) -> String {
    if glance.moved {
        "↪".to_owned()
    } else if glance.ended && glance.unlisted > 0 {
        "❔".to_owned()
    } else {
        sign(&glance.severity, glance.fires(), severities)
    }
}

#[cfg(test)]
mod tests;
