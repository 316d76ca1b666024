//! Many groups in one message: how many there are and how bad, then each of them, the worst
//! first. Groups of one name stand together, so that a storm of a thousand is a few messages.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::excerpt::{MAX_NAME, line};
use super::inert::inert;
use super::plain::plain;
use super::subject::{self, Subject};
use super::{Language, Limits, Part, Scene};
use crate::telegram::markup;

/// Characters that say where a group is.
const MAX_PLACE: usize = 60;

/// The same where there are more groups than fit at their full length.
const MAX_DENSE_PLACE: usize = 20;

/// Characters of groups in one message; the head and its totals have the rest of 4096.
const MAX_GROUPS: usize = 3_700;

/// So many groups of a kind whose names are their own share no line.
const FEW: usize = 8;

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
    /// How many alerts fire; none when the group ended.
    pub firing: u32,
    /// How many nobody reports any more; they did not end either.
    pub unlisted: u32,
}

impl Glance {
    /// Whether anything of the group fires.
    pub fn fires(&self) -> bool {
        self.firing > 0
    }

    pub(super) fn new(scene: &Scene<'_>, severities: &[String]) -> Self {
        let subject = Subject::new(scene, severities);
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Self {
            name: line(&subject.name, MAX_NAME),
            place: line(&subject.places(), MAX_PLACE),
            severity: subject.severity.to_owned(),
            firing: count(subject.firing_total),
            unlisted: count(subject.unlisted_total),
        }
    }
}

/// What stands above the groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head<'a> {
    /// The storm goes on: how many groups of each severity it has so far, shown or waiting.
    Storm(&'a [(String, u64)]),
    /// How the groups of one digest stand by now.
    Standing,
    /// It is over: how long it took and how many groups it had; those that are given still fire.
    Over { seconds: i64, groups: u64 },
}

/// Writes the digest of as many of `glances` as one message holds, in their order; returns it and
/// how many those are. `severities` are worst first.
pub(super) fn digest(
    head: Head<'_>,
    glances: &[Glance],
    severities: &[String],
    language: Language,
) -> (Part, usize) {
    let mut glances: Vec<&Glance> = glances.iter().collect();
    if !matches!(head, Head::Storm(_)) {
        // Nothing follows that would show what has no room: the worst goes first.
        glances.sort_by_key(|glance| order(glance, severities));
    }
    let mut html = top(head, &glances, severities, language);
    let (mut sections, mut taken) = arranged(&glances, severities, false);
    if taken < glances.len() {
        (sections, taken) = arranged(&glances, severities, true);
    }
    let mut entities = MAX_ENTITIES;
    for section in &sections {
        html.push('\n');
        section.write(&mut html, &mut entities);
    }
    if !matches!(head, Head::Storm(_)) && taken < glances.len() {
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
    let head_line = |sign: &str, said: &[String]| {
        let said: Vec<&str> =
            said.iter().map(String::as_str).filter(|said| !said.is_empty()).collect();
        format!("{sign} <b>{}</b>", markup::escape(&said.join(" · ")))
    };
    match head {
        Head::Storm(totals) => {
            let all: u64 = totals.iter().map(|(_, count)| count).sum();
            // Ends only: no news are counted.
            let all = if all == 0 { shown } else { all };
            head_line("⛈", &[counts(totals, severities), groups(all)]) + "\n"
        }
        Head::Standing => {
            let ended = shown - firing;
            let ended = if ended > 0 { format!("✅ {ended}") } else { String::new() };
            head_line("⛈", &[counts(&fire, severities), ended, groups(shown)]) + "\n"
        }
        Head::Over { seconds, groups: all } => {
            let lasted = super::words::duration(seconds, language);
            let over = language.say("storm_over", &[&lasted]);
            let rest = if firing == 0 {
                format!("✅ {}", language.say("storm_ended", &[]))
            } else {
                let still = language.say("still_firing", &[&firing.to_string()]);
                format!("{still} · {}\n", counts(&fire, severities))
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
    let said = said.iter().map(|(sign, count)| format!("{sign} {count}"));
    inert(&said.collect::<Vec<_>>().join(" · ")).into_owned()
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
        let name = markup::escape(&inert(&self.name));
        let _ = match (bold, self.name.is_empty()) {
            (true, _) => write!(html, " <b>{name}</b>"),
            (false, false) => write!(html, " {name}"),
            (false, true) => Ok(()),
        };
        if let [place] = &self.places[..]
            && !self.name.is_empty()
        {
            if !place.is_empty() {
                let _ = write!(html, " · {}", markup::escape(place));
            }
            return;
        }
        let _ = write!(html, " ×{}", self.places.len());
        let named: Vec<&str> =
            self.places.iter().map(String::as_str).filter(|place| !place.is_empty()).collect();
        let list = named.join(", ");
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
fn arranged(glances: &[&Glance], severities: &[String], dense: bool) -> (Vec<Section>, usize) {
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
    let (mut left, mut taken) = (MAX_GROUPS, 0);
    for (glance, sign) in glances.iter().zip(&signs) {
        let own = dense
            && alike[&(sign.as_str(), glance.name.as_str())] == 1
            && alone[sign.as_str()] > FEW;
        let name = if own { "" } else { glance.name.as_str() };
        let item = match (own, dense) {
            (true, _) => inert(&glance.name).into_owned(),
            (false, true) => inert(&cut(&glance.place, MAX_DENSE_PLACE)).into_owned(),
            (false, false) => inert(&glance.place).into_owned(),
        };
        let count = if glance.firing > 1 { format!("({})", glance.firing) } else { String::new() };
        let blank = if item.is_empty() || count.is_empty() { "" } else { " " };
        let item = format!("{item}{blank}{count}");
        let at = known.get(&(sign.as_str(), name)).copied();
        // A new line has its end, blanks and the number behind the name.
        let line = || sign.chars().count() + inert(name).chars().count() + 12;
        let takes = item.chars().count() + 2 + if at.is_none() { line() } else { 0 };
        if takes > left && taken > 0 {
            break;
        }
        left = left.saturating_sub(takes);
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
    if glance.fires() || glance.unlisted == 0 {
        sign(&glance.severity, glance.fires(), severities)
    } else {
        "❔".to_owned()
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
            unlisted: 0,
        }
    }

    fn severities() -> Vec<String> {
        ["critical", "warning", "info"].map(str::to_owned).to_vec()
    }

    fn storm(totals: &[(&str, u64)], glances: &[Glance]) -> (String, usize) {
        let totals: Vec<(String, u64)> =
            totals.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        let (part, taken) = digest(Head::Storm(&totals), glances, &severities(), Language::EN);
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
        assert!(taken > 150 && taken < 250, "{taken}");
        assert!(text.chars().count() <= 4096);
        assert!(text.contains(&format!("web-{:03}", taken - 1)));
        let long = "x".repeat(5_000);
        assert_eq!(storm(&[("warning", 1)], &[glance(&long, "", "warning", 1)]).1, 1);
    }

    #[test]
    fn names_of_their_own_stay_within_telegrams_entities() {
        let glances: Vec<Glance> =
            (0..400).map(|number| glance(&format!("A{number}"), "", "warning", 1)).collect();
        let head = Head::Storm(&[]);
        let (part, taken) = digest(head, &glances, &severities(), Language::EN);
        assert!(taken > 100, "{taken}");
        assert!(part.html.matches("<b>").count() <= 100);
        let many: Vec<Glance> = (0..400)
            .map(|n| glance(&format!("A{}", n / 4), &"p".repeat(19), "warning", 1))
            .collect();
        let (part, _) = digest(head, &many, &severities(), Language::EN);
        let entities = part.html.matches("<b>").count() + part.html.matches("<blockquote").count();
        assert!(entities <= 100, "{entities}");
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
        assert_eq!(taken, 252);
        assert!(text.contains("\n🟡 ×250\nRule050 (5), Rule051 (5), "), "{text}");
        let text = text.replace('\u{2060}', "");
        assert!(text.contains("\n🟡 Down ×2: db-1.a-long-name.exa…, db-2"), "{text}");
    }

    #[test]
    fn data_forges_no_markup() {
        let evil = glance("<b>@all</b> & http://x.y", "</a>\u{202e}", "warning", 1);
        let (text, _) = storm(&[("<i>", 1)], std::slice::from_ref(&evil));
        assert!(text.contains("<b>"), "{text}");
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
        let (part, _) = digest(head, &[], &severities(), Language::EN);
        assert_eq!(part.plain, "🌤 storm over after 5 s · 1 group\n✅ all have ended");
    }
}
