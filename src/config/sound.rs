//! A chat's `silent:` and `quiet_hours:` which of its messages ring, and when.

use jiff::civil::{Time, Weekday};

use crate::delivery::{QuietHours, Sound};
use crate::rendering::Kind;

use super::fault::{did_you_mean, shown};
use super::walk::{At, Walk};
use super::yaml::Value;

pub(super) const SILENT_KEYS: &[&str] = &["severities", "kinds"];
pub(super) const QUIET_KEYS: &[&str] = &["from", "to", "days"];

/// The kinds of messages by the names the file and templates call them.
const KINDS: [(&str, Kind); 4] = [
    ("card", Kind::Card),
    ("news", Kind::News),
    ("ended", Kind::Ended),
    ("reminder", Kind::Reminder),
];

const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

const TIME_REMEDY: &str = "write it like \"22:00\"; \"24:00\" ends a day";

/// What the chat's two keys say together.
pub(super) fn read(
    silent: Option<&At<'_>>,
    quiet_hours: Option<&At<'_>>,
    walk: &mut Walk<'_>,
) -> Sound {
    let mut sound = Sound::default();
    if let Some(section) = silent.and_then(|at| walk.section(at, SILENT_KEYS)) {
        if let Some(at) = section.get("severities") {
            sound.silent_severities = severities(&at, walk);
        }
        if let Some(at) = section.get("kinds") {
            sound.silent_kinds = choices(&at, "kind of message", &KINDS, walk);
        }
    }
    if let Some(at) = quiet_hours {
        let stretches = match at.value {
            Value::List(_) => walk.list(at),
            value => vec![At { place: at.place.clone(), value }],
        };
        sound.quiet_hours = stretches.iter().filter_map(|stretch| quiet(stretch, walk)).collect();
    }
    sound
}

/// Values of the label `severity`, one or a list; ones that are not in the configured order are questioned.
pub(super) fn severities(at: &At<'_>, walk: &mut Walk<'_>) -> Vec<String> {
    let names = match at.value {
        Value::Text(_) => walk.text(at).map(|name| (at.place.clone(), name)).into_iter().collect(),
        _ => walk.texts(at),
    };
    walk.severity_references
        .extend(names.iter().map(|(at, name)| (at.clone(), (*name).to_owned())));
    names.into_iter().map(|(_, name)| name.to_owned()).collect()
}

fn quiet(at: &At<'_>, walk: &mut Walk<'_>) -> Option<QuietHours> {
    let section = walk.section(at, QUIET_KEYS)?;
    let from = walk.required(&section, "from", TIME_REMEDY).and_then(|at| time(&at, walk));
    let to = walk.required(&section, "to", TIME_REMEDY);
    let whole = to.as_ref().is_some_and(|to| matches!(to.value, Value::Text(t) if t == "24:00"));
    let to = if whole { Some(Time::midnight()) } else { to.and_then(|at| time(&at, walk)) };
    let days = match section.get("days") {
        Some(at) => choices(&at, "day", &DAYS, walk),
        None => DAYS.map(|(_, day)| day).to_vec(),
    };
    let (from, to) = (from?, to?);
    if from == to && !whole {
        let remedy = "for the whole day write from: \"00:00\", to: \"24:00\"";
        walk.fault(&at.place, "begins and ends at the same time", remedy);
        return None;
    }
    Some(QuietHours { from, to, days })
}

fn time(at: &At<'_>, walk: &mut Walk<'_>) -> Option<Time> {
    let text = walk.text(at)?;
    let time = text
        .split_once(':')
        .filter(|(hour, minute)| hour.len() == 2 && minute.len() == 2)
        .and_then(|(hour, minute)| Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok());
    if time.is_none() {
        walk.fault(&at.place, format!("{} is no time of the day", shown(text)), TIME_REMEDY);
    }
    time
}

/// A list of names, each of which stands for something.
fn choices<T: Copy>(
    at: &At<'_>,
    what: &str,
    known: &[(&'static str, T)],
    walk: &mut Walk<'_>,
) -> Vec<T> {
    let mut chosen = Vec::new();
    for (place, name) in walk.texts(at) {
        if let Some((_, choice)) = known.iter().find(|(known, _)| *known == name) {
            chosen.push(*choice);
        } else {
            let remedy = did_you_mean(name, known.iter().map(|(name, _)| *name));
            walk.fault(&place, format!("{} is no {what}", shown(name)), remedy);
        }
    }
    chosen
}
