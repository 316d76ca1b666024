//! `topic:` of a chat or of a route: a number, or a choice by a label's value.

use std::collections::BTreeMap;

use crate::routing::TopicRule;
use crate::telegram::TopicId;

use super::fault::shown;
use super::walk::{self, At, Place, Walk};
use super::yaml::{Entry, Value};

pub(super) const KEYS: &[&str] = &["by", "map", "default", "create"];

pub(super) fn read(at: &At<'_>, walk: &mut Walk<'_>) -> Option<TopicRule> {
    if !matches!(at.value, Value::Map(_)) {
        return number(at, walk).map(TopicRule::Fixed);
    }
    let section = walk.section(at, KEYS)?;
    let by = walk.required(&section, "by", "name the label that chooses: by: team");
    let label = by.and_then(|at| walk.text(&at)).map(str::to_owned);
    let map = section.get("map").map(|at| map(&at, walk)).unwrap_or_default();
    let default = section.get("default").and_then(|at| number(&at, walk));
    let create = section.get("create").and_then(|at| walk.boolean(&at)).unwrap_or_default();
    if map.is_empty() && !create && section.get("map").is_none() {
        let remedy = "add map: {value: 12}, or create: true";
        walk.fault(&at.place, "chooses nothing", remedy);
    }
    Some(TopicRule::ByLabel { label: label?, map, default, create })
}

/// Values of the label, which may be any text, and their topics.
fn map(at: &At<'_>, walk: &mut Walk<'_>) -> BTreeMap<String, TopicId> {
    let Value::Map(entries) = at.value else {
        walk.fault(
            &at.place,
            "must be a map",
            "write a value of the label and its topic: {db: 12}",
        );
        return BTreeMap::new();
    };
    walk.doubles(at, entries, walk::is_plain_name);
    let topic = |Entry { key, line, node }: &Entry| {
        let path = format!("{}[{}]", at.place.path, shown(key));
        let place = Place { path, line: Some(*line) };
        Some((key.clone(), number(&At { place, value: &node.value }, walk)?))
    };
    entries.iter().filter_map(topic).collect()
}

/// A topic's number.
fn number(at: &At<'_>, walk: &mut Walk<'_>) -> Option<TopicId> {
    let number = walk.number(at, 1)?;
    if number == 1 {
        let problem = "topic 1 is the group's general topic, which Telegram wants unnamed";
        walk.fault(&at.place, problem, "leave topic out");
        return None;
    }
    let topic = i32::try_from(number).ok().map(TopicId);
    if topic.is_none() {
        walk.fault(&at.place, format!("{number} is no topic"), "take it from a link to the topic");
    }
    topic
}
