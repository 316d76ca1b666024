//! Where the groups of a digest are: what tells those of one name apart, in few characters.

use std::collections::HashMap;

use super::Glance;
use crate::rendering::excerpt::{MAX_LABEL, MAX_LINE, MAX_NAME, line};
use crate::rendering::inert::{inert, isolated};
use crate::rendering::subject::{Subject, says_where};

/// Characters that say where a group is, and as many for what else it is grouped by.
const MAX_PLACE: usize = 60;

/// The same of each where there are more groups than fit at their full length.
const MAX_DENSE_PLACE: usize = 20;

/// Values of group labels; who groups by more of them names places among the first.
const MAX_VALUES: usize = 8;

/// Of each of several values that are too long together.
const MIN_VALUE: usize = 8;

/// Where the group is; empty when no label says that.
pub(super) fn place(subject: &Subject<'_>) -> String {
    match subject.place {
        Some(_) => ends(&line(&subject.places(), MAX_LINE), MAX_PLACE),
        None => String::new(),
    }
}

/// What else it is grouped by, as far as neither its name nor its place says it: values of labels
/// that say where come last, because the place often implies them.
pub(super) fn also(subject: &Subject<'_>, place: &str) -> String {
    let name = line(&subject.name, MAX_NAME);
    let mut grouped: Vec<(&str, String)> = subject
        .grouped_by()
        .filter(|(label, _)| subject.place != Some(*label))
        .map(|(label, value)| (label, line(value, MAX_LABEL)))
        .filter(|(_, value)| !value.is_empty() && !holds(&name, value) && !holds(place, value))
        .collect();
    grouped.sort_by_key(|(label, _)| says_where(label));
    let mut values: Vec<String> = Vec::new();
    for (_, value) in grouped {
        if values.len() < MAX_VALUES && !values.contains(&value) {
            values.push(value);
        }
    }
    let all = values.join(" ");
    if all.chars().count() <= MAX_PLACE {
        return all;
    }
    let each = (MAX_PLACE / values.len() - 1).max(MIN_VALUE);
    values.iter().map(|value| ends(value, each)).collect::<Vec<_>>().join(" ")
}

/// Whether `text` has `value` in it, on its own.
fn holds(text: &str, value: &str) -> bool {
    let parts = |next: Option<char>| next.is_none_or(|next| matches!(next, ' ' | ','));
    text.match_indices(value).any(|(at, _)| {
        let (before, behind) = (&text[..at], &text[at + value.len()..]);
        parts(before.chars().next_back()) && parts(behind.chars().next())
    })
}

/// Where the groups of one name are that stand alike.
pub(super) struct Places {
    /// What all of them have in common, said once.
    pub shared: String,
    /// What each has for itself, in their order.
    pub own: std::vec::IntoIter<String>,
}

impl Places {
    /// Dense, each of several has few characters for itself, unless it takes more to tell it from
    /// the others.
    pub fn of(alike: &[&Glance], dense: bool) -> Self {
        let mut own: Vec<[&str; 2]> =
            alike.iter().map(|glance| [&*glance.place, &*glance.also]).collect();
        let several = own.len() > 1;
        let is_shared = |which: &usize| {
            let one = own[0][*which];
            several && !one.is_empty() && own.iter().all(|said| said[*which] == one)
        };
        let shared = [0, 1].into_iter().find(is_shared).map_or("", |which| {
            let shared = own[0][which];
            for said in &mut own {
                said[which] = "";
            }
            shared
        });
        let own = if dense && several { shortened(&own) } else { own.iter().map(whole).collect() };
        let told = |text: &str| isolated(&inert(text)).into_owned();
        let own: Vec<String> = own.iter().map(|own| told(own)).collect();
        Self { shared: told(shared), own: own.into_iter() }
    }
}

/// A place and what else there is, both short. First as they begin; it may take their ends.
const SHORT: [fn(&[&str; 2]) -> String; 2] = [
    |[place, also]| whole(&[&start(place), &ends(also, MAX_DENSE_PLACE)]),
    |[place, also]| whole(&[&ends(place, MAX_DENSE_PLACE), &ends(also, MAX_DENSE_PLACE)]),
];

/// All that tells where a group is.
fn whole(said: &[&str; 2]) -> String {
    let said = said.iter().copied().filter(|said| !said.is_empty());
    said.collect::<Vec<_>>().join(" ")
}

/// Each in the first short form that no other has, or at its full length.
fn shortened(all: &[[&str; 2]]) -> Vec<String> {
    let forms = SHORT.map(|form| {
        // Of two that are different and look alike none has the form.
        let mut taken: HashMap<String, Option<&[&str; 2]>> = HashMap::new();
        for said in all {
            let known = taken.entry(form(said)).or_insert(Some(said));
            *known = known.filter(|known| *known == said);
        }
        (form, taken)
    });
    let short = |said: &[&str; 2]| {
        let mut short = forms.iter().map(|(form, taken)| (form(said), taken));
        let (short, _) = short.find(|(short, taken)| taken[short].is_some())?;
        Some(short)
    };
    all.iter().map(|said| short(said).unwrap_or_else(|| whole(said))).collect()
}

/// `text`, or its first characters.
fn start(text: &str) -> String {
    match text.char_indices().nth(MAX_DENSE_PLACE) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// `text`, or the first and the last of its characters, which tell it from others that begin alike.
fn ends(text: &str, most: usize) -> String {
    let characters: Vec<char> = text.chars().collect();
    if characters.len() <= most {
        return text.to_owned();
    }
    let first = most / 2;
    let last = most - first - 1;
    let (first, last) = (&characters[..first], &characters[characters.len() - last..]);
    first.iter().chain(&['…']).chain(last).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_form_is_taken_by_one_place_alone() {
        let long =
            ["just", "one", "two"].map(|is| format!("begins just the same, {is} to the end"));
        let own = [
            ["web-1", ""],
            ["the-only-one-of.its.name", "fra"],
            ["db-01.a-long-name.example.org:9100", "/mnt/a/long/path/to/vol01"],
            ["db-01.a-long-name.example.org:9100", "/mnt/a/long/path/to/vol02"],
            ["db-01.a-long-name.example.net:9101", "/mnt/a/long/path/to/vol02"],
            [&long[0], "x"],
            [&long[1], ""],
            [&long[2], ""],
        ];
        let short = [
            "web-1",
            "the-only-one-of.its.… fra",
            "db-01.a-long-name.ex… /mnt/a/lon…/to/vol01",
            "db-01.a-lo….org:9100 /mnt/a/lon…/to/vol02",
            "db-01.a-lo….net:9101 /mnt/a/lon…/to/vol02",
            "begins just the same… x",
            &long[1],
            &long[2],
        ];
        assert_eq!(shortened(&own), short);
        assert_eq!(shortened(&[own[2], own[2]])[1], short[2], "nothing tells them apart");
    }

    #[test]
    fn a_value_is_held_only_where_it_stands_on_its_own() {
        for (text, value, held) in [
            ("db-1:9100", "1", false),
            ("db-1, db-2 +3", "db-1", true),
            ("db-12 /mnt", "db-1", false),
            ("x/mnt /mnt", "/mnt", true),
            ("DiskFull", "DiskFull", true),
        ] {
            assert_eq!(holds(text, value), held, "{text}, {value}");
        }
    }
}
