//! `route:` the tree that decides which chats hear about a notification.

use crate::routing::{ChatAlias, Matcher, MatcherError, Route, TopicRule, Updates, parse_matchers};

use super::chats;
use super::fault::{did_you_mean, shown};
use super::topic;
use super::walk::{At, Section, Walk};
use super::yaml::Value;

pub(super) const KEYS: &[&str] =
    &["chats", "topic", "template", "updates", "buttons", "matchers", "continue", "routes"];

/// The ways to show updates, by the names the file calls them.
const UPDATES: [(&str, Updates); 3] =
    [("thread", Updates::Thread), ("edit", Updates::Edit), ("new", Updates::New)];

const EXPRESSION_REMEDY: &str = "mend the expression, or put a backslash before what is meant \
    literally; the syntax is RE2's, as in Alertmanager";

/// What to write instead of a key that Alertmanager's routes have and nabat's have not.
pub(super) fn hint(key: &str) -> Option<&'static str> {
    match key {
        "match" => Some("write matchers: ['severity=\"critical\"'], a list of such lines"),
        "match_re" => Some("write matchers: ['team=~\"db|infra\"'], a list of such lines"),
        "receiver" => Some("name chats instead: chats: [ops]"),
        "group_by"
        | "group_wait"
        | "group_interval"
        | "repeat_interval"
        | "mute_time_intervals"
        | "active_time_intervals" => {
            Some("take it out: that is up to Alertmanager, and stays in its own file")
        }
        _ => None,
    }
}

/// The names that routes may use.
pub(super) struct Names<'a> {
    pub chats: Vec<&'a str>,
    pub templates: Vec<&'a str>,
}

/// The name of a way to show updates as the configuration writes it.
pub fn updates_name(updates: Updates) -> &'static str {
    UPDATES.iter().find(|(_, known)| *known == updates).map_or("thread", |(name, _)| name)
}

/// The root of the tree. `None` when its chats are missing or its section is unreadable.
pub(super) fn read(at: &At<'_>, names: &Names<'_>, walk: &mut Walk<'_>) -> Option<Route> {
    let section = walk.hinted(at, KEYS, hint)?;
    for key in ["matchers", "continue"] {
        if let Some(at) = section.get(key) {
            let remedy = "move it to a route below, under routes";
            walk.fault(&at.place, "the root of the tree takes everything", remedy);
        }
    }
    if section.get("chats").is_none() {
        walk.missing(&section, "chats", "name the chats that hear of what no route below takes");
        // The rest is read all the same, for its faults.
        node(&section, &Route::to(Vec::new()), names, walk);
        return None;
    }
    Some(node(&section, &Route::to(Vec::new()), names, walk))
}

/// A chat's alias that must exist.
pub(super) fn alias(at: &At<'_>, names: &Names<'_>, walk: &mut Walk<'_>) -> Option<ChatAlias> {
    let name = walk.text(at)?;
    if names.chats.contains(&name) {
        return Some(ChatAlias(name.to_owned()));
    }
    let remedy = match names.chats.as_slice() {
        [] => "configure it under chats".to_owned(),
        known => did_you_mean(name, known.iter().copied()),
    };
    walk.fault(&at.place, format!("no chat is called {}", shown(name)), remedy);
    None
}

/// A list of matchers, all of which must accept.
pub(super) fn matchers(at: &At<'_>, walk: &mut Walk<'_>) -> Vec<Matcher> {
    let mut matchers = Vec::new();
    for (place, line) in walk.texts(at) {
        match parse_matchers(line) {
            Ok(parsed) => matchers.extend(parsed),
            Err(error) => {
                let problem = format!("{} is no matcher: {error}", shown(line));
                let remedy = match error {
                    MatcherError::Regex { .. } => EXPRESSION_REMEDY,
                    _ => "write it like severity=\"critical\"",
                };
                walk.fault(&place, problem, remedy);
            }
        }
    }
    matchers
}

fn node(section: &Section<'_>, parent: &Route, names: &Names<'_>, walk: &mut Walk<'_>) -> Route {
    let mut route =
        Route { matchers: Vec::new(), continues: false, routes: Vec::new(), ..parent.clone() };
    if let Some(at) = section.get("chats") {
        let items = walk.list(&at);
        if matches!(at.value, Value::List(_)) && items.is_empty() {
            walk.fault(
                &at.place,
                "names no chat",
                "name one, or leave it out to keep the parent's",
            );
        }
        route.chats = items.iter().filter_map(|item| alias(item, names, walk)).collect();
        // The parent's topic is a topic of the parent's chat.
        route.topic = None;
    }
    if let Some(at) = section.get("topic") {
        route.topic = topic_rule(&at, &route, walk);
    }
    if let Some(at) = section.get("template") {
        route.template = template(&at, &names.templates, walk).unwrap_or_default();
    }
    if let Some(at) = section.get("updates") {
        route.updates = updates(&at, walk).unwrap_or_default();
    }
    if let Some(at) = section.get("buttons") {
        route.buttons = Some(chats::buttons(&at, walk));
    }
    if let Some(at) = section.get("matchers") {
        route.matchers = matchers(&at, walk);
    }
    if let Some(at) = section.get("continue") {
        route.continues = walk.boolean(&at).unwrap_or_default();
    }
    if let Some(at) = section.get("routes") {
        route.routes = children(&at, &route, names, walk);
    }
    route
}

fn children(at: &At<'_>, parent: &Route, names: &Names<'_>, walk: &mut Walk<'_>) -> Vec<Route> {
    let mut routes: Vec<Route> = Vec::new();
    for item in walk.list(at) {
        let shadow = routes.iter().position(|route| route.matchers.is_empty() && !route.continues);
        if let Some(shadow) = shadow {
            let problem = format!("never applies: {}[{shadow}] takes everything", at.place.path);
            walk.warn(&item.place, problem, "give that route matchers, or put it last");
        }
        if let Some(section) = walk.hinted(&item, KEYS, hint) {
            routes.push(node(&section, parent, names, walk));
        }
    }
    routes
}

/// A topic's number belongs to one chat.
fn topic_rule(at: &At<'_>, route: &Route, walk: &mut Walk<'_>) -> Option<TopicRule> {
    let topic = topic::read(at, walk)?;
    if route.chats.len() > 1 && !topic.numbers().is_empty() {
        let problem = format!("one topic can't belong to {} chats", route.chats.len());
        walk.fault(&at.place, problem, "give each chat its own topic under chats");
        return None;
    }
    Some(topic)
}

/// A template's name, of a chat or of a route; it must be among `known`.
pub(super) fn template(at: &At<'_>, known: &[&str], walk: &mut Walk<'_>) -> Option<String> {
    let name = walk.text(at)?;
    if !known.contains(&name) {
        let problem = format!("no template is called {}", shown(name));
        walk.fault(&at.place, problem, did_you_mean(name, known.iter().copied()));
    }
    Some(name.to_owned())
}

fn updates(at: &At<'_>, walk: &mut Walk<'_>) -> Option<Updates> {
    let name = walk.text(at)?;
    let known = UPDATES.iter().find(|(known, _)| *known == name);
    if known.is_none() {
        let problem = format!("{} is no way to show updates", shown(name));
        walk.fault(&at.place, problem, did_you_mean(name, UPDATES.iter().map(|(name, _)| *name)));
    }
    known.map(|(_, updates)| *updates)
}
