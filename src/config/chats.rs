//! `chats:` the Telegram chats under the names that routes, metrics and URLs call them by.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::delivery::Sound;
use crate::rendering::{ButtonKind, Language};
use crate::routing::{ChatAlias, TopicRule};
use crate::secrets::{SecretRef, trimmed};
use crate::telegram::ChatId;

use super::fault::{did_you_mean, nearest, shown};
use super::sound;
use super::topic;
use super::walk::{At, Place, Walk};
use super::yaml::Value;
use super::{delivery, route, secret};

pub(super) const KEYS: &[&str] = &[
    "id",
    "topic",
    "language",
    "timezone",
    "tg_time",
    "template",
    "buttons",
    "rich",
    "silent",
    "quiet_hours",
    "pin",
    "storm",
];

const ID_REMEDY: &str = "a group's id looks like -1001234567890, a private chat's like 123456789";

/// One of `chats:`
#[derive(Debug, Clone)]
pub struct Chat {
    pub id: ChatIdSource,
    pub topic: Option<TopicRule>,
    pub language: Language,
    pub timezone: TimeZone,
    /// Whether clients show times on the reader's own clock.
    pub tg_time: bool,
    /// The template of what routes send there without naming one.
    pub template: Option<String>,
    /// What messages have buttons for, in this order.
    pub buttons: Vec<ButtonKind>,
    /// Whether a big group is sent as a table.
    pub rich: bool,
    /// Which of its messages ring, and when.
    pub sound: Sound,
    /// Severities whose cards are pinned while they fire.
    pub pin: Vec<String>,
    /// Instead of `delivery.storm.threshold`.
    pub storm_threshold: Option<Duration>,
}

impl Chat {
    /// A chat with the default settings.
    pub fn new(id: ChatIdSource) -> Self {
        Self {
            id,
            topic: None,
            language: Language::default(),
            timezone: TimeZone::UTC,
            tg_time: false,
            template: None,
            buttons: ButtonKind::ALL.to_vec(),
            rich: false,
            sound: Sound::default(),
            pin: Vec::new(),
            storm_threshold: None,
        }
    }
}

/// A chat's number, or where it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChatIdSource {
    Known(ChatId),
    Secret(SecretRef),
}

/// `templates` are the names that chats may use.
pub(super) fn read(
    at: &At<'_>,
    templates: &[&str],
    walk: &mut Walk<'_>,
) -> BTreeMap<ChatAlias, Chat> {
    let mut chats = BTreeMap::new();
    for (alias, at) in walk.named(at) {
        if let Some(chat) = chat(&at, templates, walk) {
            chats.insert(ChatAlias(alias.to_owned()), chat);
        }
    }
    chats
}

fn chat(at: &At<'_>, templates: &[&str], walk: &mut Walk<'_>) -> Option<Chat> {
    let section = walk.section(at, KEYS)?;
    let topic = section.get("topic");
    let id = walk.required(&section, "id", ID_REMEDY).and_then(|at| id(&at, walk));
    if let (Some(ChatIdSource::Known(id)), Some(at)) = (&id, &topic)
        && !is_supergroup(*id)
    {
        let problem = format!("{id} is not the id of a supergroup, and only these have topics");
        walk.warn(&at.place, problem, "a supergroup's id starts with -100");
    }
    let topic = match topic {
        Some(at) => Some(topic::read(&at, walk)?),
        None => None,
    };
    let language = match section.get("language") {
        Some(at) => language(&at, walk),
        None => Some(Language::default()),
    };
    let timezone = match section.get("timezone") {
        Some(at) => timezone(&at, walk),
        None => Some(TimeZone::UTC),
    };
    let tg_time = section.get("tg_time").is_some_and(|at| walk.boolean(&at).unwrap_or_default());
    let template = section.get("template").and_then(|at| route::template(&at, templates, walk));
    let buttons = match section.get("buttons") {
        Some(at) => buttons(&at, walk),
        None => ButtonKind::ALL.to_vec(),
    };
    let rich = section.get("rich").is_some_and(|at| walk.boolean(&at).unwrap_or_default());
    let (silent, quiet_hours) = (section.get("silent"), section.get("quiet_hours"));
    let sound = sound::read(silent.as_ref(), quiet_hours.as_ref(), walk);
    let pin = section.get("pin").map(|at| sound::severities(&at, walk)).unwrap_or_default();
    let storm_threshold = section.get("storm").and_then(|at| delivery::storm(&at, walk));
    Some(Chat {
        id: id?,
        topic,
        language: language?,
        timezone: timezone?,
        tg_time,
        template,
        buttons,
        rich,
        sound,
        pin,
        storm_threshold,
    })
}

fn is_supergroup(id: ChatId) -> bool {
    id.0 <= -1_000_000_000_000
}

fn id(at: &At<'_>, walk: &mut Walk<'_>) -> Option<ChatIdSource> {
    let known = match at.value {
        Value::Integer(number) => known_id(&at.place, *number, walk),
        Value::Text(text) => match text.trim().parse() {
            Ok(number) => known_id(&at.place, number, walk),
            Err(_) if text.starts_with('@') => {
                let problem = format!("{} is a name, not an id", shown(text));
                walk.fault(&at.place, problem, ID_REMEDY);
                None
            }
            Err(_) => {
                walk.fault(&at.place, "is no chat id", ID_REMEDY);
                None
            }
        },
        Value::Map(_) => return secret_id(at, walk),
        _ => {
            walk.fault(&at.place, "is no chat id", ID_REMEDY);
            None
        }
    };
    known.map(ChatIdSource::Known)
}

/// An id kept elsewhere. One in the environment is there already, and is read at once.
fn secret_id(at: &At<'_>, walk: &mut Walk<'_>) -> Option<ChatIdSource> {
    let secret = secret::read(at, walk)?;
    let SecretRef::Env(name) = &secret else { return Some(ChatIdSource::Secret(secret)) };
    match (walk.environment)(name).filter(|value| !trimmed(value).is_empty()) {
        Some(value) => variable_id(&at.place, name, &value, walk).map(ChatIdSource::Known),
        None => Some(ChatIdSource::Secret(secret)),
    }
}

/// The id in an environment variable; the value is not shown.
pub(super) fn variable_id(
    place: &Place,
    name: &str,
    value: &str,
    walk: &mut Walk<'_>,
) -> Option<ChatId> {
    let id = trimmed(value).parse().ok().and_then(ChatId::new);
    if id.is_none() {
        let problem = format!("the environment variable {name} holds no chat id");
        walk.fault(place, problem, ID_REMEDY);
    }
    id
}

fn known_id(place: &Place, number: i64, walk: &mut Walk<'_>) -> Option<ChatId> {
    let Some(id) = ChatId::new(number) else {
        walk.fault(place, format!("no chat can have the id {number}"), ID_REMEDY);
        return None;
    };
    let remedy = "groups start with -100 (ask Telegram: nabat check --live)";
    if (1_000_000_000_000..2_000_000_000_000).contains(&number) {
        walk.warn(place, format!("{number} looks like a group's id without its minus"), remedy);
    } else if (1..100_000).contains(&number) {
        walk.warn(place, format!("{number} is no group id"), remedy);
    }
    Some(id)
}

/// The buttons of a chat's messages or a route's, in their order.
pub(super) fn buttons(at: &At<'_>, walk: &mut Walk<'_>) -> Vec<ButtonKind> {
    let mut kinds = Vec::new();
    for (place, name) in walk.texts(at) {
        match ButtonKind::named(name) {
            None => {
                let problem = format!("{} is no button", shown(name));
                walk.fault(
                    &place,
                    problem,
                    did_you_mean(name, ButtonKind::ALL.map(ButtonKind::name)),
                );
            }
            Some(kind) if kinds.contains(&kind) => {
                walk.fault(&place, format!("{} is listed twice", shown(name)), "keep one of them");
            }
            Some(kind) => kinds.push(kind),
        }
    }
    kinds
}

/// A language, as a chat names it.
pub(crate) fn language(at: &At<'_>, walk: &mut Walk<'_>) -> Option<Language> {
    let name = walk.text(at)?;
    let language = Language::from_code(name);
    if language.is_none() {
        let problem = format!("{} is no language that nabat speaks", shown(name));
        walk.fault(&at.place, problem, format!("use one of {}", Language::codes()));
    }
    language
}

/// A time zone, as a chat names it.
pub(crate) fn timezone(at: &At<'_>, walk: &mut Walk<'_>) -> Option<TimeZone> {
    let name = walk.text(at)?;
    if let Ok(timezone) = TimeZone::get(name) {
        return Some(timezone);
    }
    let known: Vec<String> =
        jiff::tz::db().available().map(|name| name.as_str().to_owned()).collect();
    // "Almaty" for "Asia/Almaty" is a likely slip, and far away as words go.
    let city = known
        .iter()
        .find(|zone| zone.rsplit('/').next().is_some_and(|city| city.eq_ignore_ascii_case(name)));
    let remedy = match city
        .map(String::as_str)
        .or_else(|| nearest(name, known.iter().map(String::as_str)))
    {
        Some(zone) => did_you_mean(zone, [zone]),
        None => "write it like Asia/Almaty or UTC".to_owned(),
    };
    walk.fault(&at.place, format!("{} is no time zone", shown(name)), remedy);
    None
}
