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

/// Characters that say where a group is.
const MAX_PLACE: usize = 60;

/// The same where there are more groups than fit at their full length.
const MAX_DENSE_PLACE: usize = 20;

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
    pub severity: String,
    /// How many alerts fire, as far as they were listed.
    pub firing: u32,
    /// Whether the group is over, as far as its sender told everything.
    pub ended: bool,
    /// How many nobody reports any more; they did not end either.
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
        Self {
            name: line(&subject.name, MAX_NAME),
            place: line(&subject.places(), MAX_PLACE),
            severity: subject.severity.to_owned(),
            firing: count(subject.firing_total),
            ended: subject.firing_total == 0 && scene.state.is_complete(),
            unlisted: count(subject.unlisted_total),
            moved: false,
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
    let mut alike: HashMap<(&str, &str), usize> = HashMap::new();
    for (glance, sign) in glances.iter().zip(&signs) {
        *alike.entry((sign, &glance.name)).or_default() += 1;
    }
    let mut alone: HashMap<&str, usize> = HashMap::new();
    for ((sign, _), _) in alike.iter().filter(|(_, count)| **count == 1) {
        *alone.entry(sign).or_default() += 1;
    }
    let mut sections: Vec<Section> = Vec::new();
    let mut known: HashMap<(&str, &str), usize> = HashMap::new();
    let (mut left, mut taken) = (most, 0);
    for (glance, sign) in glances.iter().zip(&signs) {
        let own = dense
            && alike[&(sign.as_str(), glance.name.as_str())] == 1
            && alone[sign.as_str()] > FEW;
        let name = if own { "" } else { glance.name.as_str() };
        let item = match (own, dense) {
            (true, _) => isolated(&inert(&glance.name)).into_owned(),
            (false, true) => isolated(&inert(&cut(&glance.place, MAX_DENSE_PLACE))).into_owned(),
            (false, false) => isolated(&inert(&glance.place)).into_owned(),
        };
        let count = if glance.firing > 1 { format!("({})", glance.firing) } else { String::new() };
        let blank = if item.is_empty() || count.is_empty() { "" } else { " " };
        let item = format!("{item}{blank}{count}");
        let at = known.get(&(sign.as_str(), name)).copied();
        // A new line has its end, blanks and the number behind the name.
        let line = || inert(sign).chars().count() + inert(name).chars().count() + 14;
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

/// `text`, or its first characters.
fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn glance(name: &str, place: &str, severity: &str, firing: u32) -> Glance {
        Glance {
            name: name.into(),
            place: place.into(),
            severity: severity.into(),
            firing,
            ended: firing == 0,
            unlisted: 0,
            moved: false,
        }
    }

    fn severities() -> Vec<String> {
        ["critical", "warning", "info"].map(str::to_owned).to_vec()
    }

    fn head(totals: &[(String, u64)]) -> Head<'_> {
        Head::Storm { totals, late: 0 }
    }

    fn storm(totals: &[(&str, u64)], glances: &[Glance]) -> (String, usize) {
        let totals: Vec<(String, u64)> =
            totals.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        let (part, taken) = digest(head(&totals), glances, &severities(), Language::EN);
        (part.plain, taken)
    }

    #[test]
    fn a_digest_says_how_bad_it_is_then_the_groups_by_name_worst_first() {
        let glances = [
            glance("HighCPU", "web-1", "warning", 1),
            glance("HighCPU", "web-2", "warning", 3),
            glance("DiskFull", "db-1", "critical", 1),
            glance("Backup", "", "info", 1),
            glance("Backup", "", "info", 0),
        ];
        let (text, taken) = storm(&[("warning", 2), ("critical", 1), ("info", 2)], &glances);
        assert_eq!(taken, 5);
        assert_eq!(
            text,
            "⛈ 🔴 1 · 🟡 2 · 🔵 2 · 5 groups\n\n🔴 DiskFull · db-1\n🟡 HighCPU ×2: web-1, web-2 (3)\n\
             🔵 Backup\n✅ Backup"
        );
    }

    #[test]
    fn the_longest_heads_leave_the_message_within_telegrams_length() {
        let severity = |number: usize| format!("a{number}.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a");
        let glances: Vec<Glance> =
            (0..400).map(|n| glance(&format!("Rule{n}"), "h", &severity(n), 2)).collect();
        let totals: Vec<(String, u64)> = (0..60).map(|n| (severity(n), 999)).collect();
        for head in [head(&totals), Head::Standing, Head::Over { seconds: 1, groups: 1 }] {
            let (part, _) =
                digest(head, &glances, &severities(), Language::from_code("ru").unwrap());
            assert!(part.plain.chars().count() <= 4096, "{}", part.plain.chars().count());
        }
    }

    #[test]
    fn what_is_not_reported_any_more_is_not_called_ended() {
        let gone = Glance { unlisted: 1, ..glance("Silenced", "a", "warning", 0) };
        let (part, _) =
            digest(Head::Standing, std::slice::from_ref(&gone), &severities(), Language::EN);
        assert_eq!(part.plain, "⛈ ❔ 1 · 1 group\n\n❔ Silenced · a");
        let head = Head::Over { seconds: 5, groups: 1 };
        let (part, _) = digest(head, &[gone], &severities(), Language::EN);
        assert!(!part.plain.contains("have ended"), "{}", part.plain);
    }

    #[test]
    fn severities_of_ones_own_are_named() {
        let (text, _) = storm(&[("sev0", 1)], &[glance("Down", "a", "sev0", 1)]);
        assert!(text.contains("🔥 sev0: 1"), "{text}");
        assert!(text.ends_with("🔥 sev0: Down · a"), "{text}");
    }

    #[test]
    fn a_digest_takes_as_many_groups_as_fit_and_at_least_one() {
        let glances: Vec<Glance> = (0..1000)
            .map(|number| {
                glance("InstanceDown", &format!("web-{number:03}.example:9100"), "warning", 1)
            })
            .collect();
        let (text, taken) = storm(&[("warning", 1000)], &glances);
        assert!(taken > 120 && taken < 200, "{taken}");
        assert!(text.chars().count() <= 4096);
        assert!(text.contains(&format!("web-{:03}", taken - 1)));
        let long = "x".repeat(5_000);
        assert_eq!(storm(&[("warning", 1)], &[glance(&long, "", "warning", 1)]).1, 1);
    }

    #[test]
    fn names_of_their_own_stay_within_telegrams_entities() {
        let glances: Vec<Glance> =
            (0..400).map(|number| glance(&format!("A{number}"), "", "warning", 1)).collect();
        let head = head(&[]);
        let (part, taken) = digest(head, &glances, &severities(), Language::EN);
        assert!(taken > 100, "{taken}");
        assert!(part.html.matches("<b>").count() <= 100);
        let many: Vec<Glance> =
            (0..400).map(|n| glance(&format!("A{}", n / 2), "p", "warning", 1)).collect();
        let (part, _) = digest(head, &many, &severities(), Language::EN);
        let entities = part.html.matches("<b>").count() + part.html.matches("<blockquote").count();
        assert!(entities > 80 && entities <= 100, "{entities}");
    }

    #[test]
    fn more_groups_than_fit_at_full_length_are_named_shortly() {
        let mut glances: Vec<Glance> = (0..300)
            .map(|number| {
                glance(&format!("Rule{number:03}"), "host0.example, host1 +3", "warning", 5)
            })
            .collect();
        glances.push(glance("Down", "db-1.a-long-name.example.org", "warning", 1));
        glances.push(glance("Down", "db-2", "warning", 1));
        let (text, taken) = storm(&[("warning", 302)], &glances[50..]);
        assert!(taken > 200, "{taken}");
        assert!(text.contains("\nRule050 (5), Rule051 (5), "), "{text}");
    }

    #[test]
    fn data_forges_no_markup() {
        let evil = glance("<b>@all</b> & http://x.y", "</a> @all שרת", "<i>", 1);
        let totals = [("<i>".to_owned(), 1)];
        let (part, _) = digest(head(&totals), &[evil], &severities(), Language::EN);
        for said in
            ["&lt;b&gt;@\u{2060}all&lt;/b&gt;", "&lt;/a&gt;", "&lt;i&gt;", "http://\u{2060}x."]
        {
            assert!(part.html.contains(said), "{said}: {}", part.html);
        }
        assert!(part.html.contains("\u{2068}&lt;/a&gt; @\u{2060}all שרת\u{2069}"), "{}", part.html);
    }

    #[test]
    fn a_digest_that_stands_counts_what_ended_and_what_has_no_room() {
        let mut glances: Vec<Glance> = (0..900)
            .map(|number| glance("InstanceDown", &format!("web-{number:03}"), "warning", 0))
            .collect();
        glances.push(glance("DiskFull", "db-1", "critical", 1));
        let (part, taken) = digest(Head::Standing, &glances, &severities(), Language::EN);
        let mut lines = part.plain.lines();
        assert_eq!(lines.next(), Some("⛈ 🔴 1 · ✅ 900 · 901 groups"));
        assert_eq!(lines.nth(1), Some("🔴 DiskFull · db-1"));
        assert_eq!(lines.last(), Some(&*format!("+{} more", 901 - taken)));
    }

    #[test]
    fn when_it_is_over_what_still_fires_is_told() {
        let head = Head::Over { seconds: 240, groups: 1000 };
        let still = [glance("DiskFull", "db-1", "critical", 1)];
        let (part, _) = digest(head, &still, &severities(), Language::EN);
        assert_eq!(
            part.plain,
            "🌤 storm over after 4 min · 1000 groups\nstill 1 firing · 🔴 1\n\n🔴 DiskFull · db-1"
        );
        let head = Head::Over { seconds: 5, groups: 1 };
        let (part, _) = digest(head, &[] as &[Glance], &severities(), Language::EN);
        assert_eq!(
            part.plain,
            "🌤 storm over after 5 s · 1 group\n✅ all groups of these messages have ended"
        );
    }
}
