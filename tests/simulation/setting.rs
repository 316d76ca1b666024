//! What is configured: chats, groups and their routes, drawn from the seed.

use std::time::Duration;

use nabat::routing::{ChatAlias, Destination, LaneId, Topic, TopicName, Updates};
use nabat::sandbox::ChatKind;
use nabat::telegram::ChatId;
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

use crate::world::SEVERITIES;

#[derive(Debug)]
pub struct Setting {
    pub chats: Vec<ChatSetting>,
    /// The first are the everyday ones; the others appear in storms.
    pub groups: Vec<GroupSetting>,
    pub everyday: usize,
    pub storm_threshold: Duration,
    pub dead_after: Duration,
    pub new_card_after: Duration,
    pub keep_cards: Duration,
    pub fallback: Option<LaneId>,
    /// Of a call one way, at most, in milliseconds.
    pub latency: u64,
}

#[derive(Debug)]
pub struct ChatSetting {
    pub alias: String,
    pub id: ChatId,
    pub kind: ChatKind,
    pub pin: Vec<String>,
}

#[derive(Debug)]
pub struct GroupSetting {
    pub severity: &'static str,
    pub destinations: Vec<Destination>,
    pub most_alerts: usize,
    pub padding: usize,
    /// Alerts that a notification lists at most.
    pub listed: usize,
}

/// The topics of a forum.
#[derive(Debug)]
pub struct ForumTopic;

impl Setting {
    pub fn draw(random: &mut StdRng) -> Self {
        let chats: Vec<ChatSetting> =
            (0..random.random_range(1..=4)).map(|number| chat(number, random)).collect();
        let everyday = random.random_range(2..=25);
        let stormy = if random.random_bool(0.7) { random.random_range(40..=320) } else { 0 };
        let groups = (0..everyday + stormy).map(|_| group(&chats, random)).collect();
        let minutes = |range, random: &mut StdRng| {
            Duration::from_mins(random.random_range::<u64, std::ops::RangeInclusive<u64>>(range))
        };
        let fallback = random.random_bool(0.5).then(|| lane(&chats[0], None));
        Self {
            everyday,
            groups,
            storm_threshold: Duration::from_secs(random.random_range(6..=60)),
            dead_after: minutes(60..=600, random),
            new_card_after: minutes(5..=300, random),
            keep_cards: Duration::from_hours(30 * 24),
            fallback,
            latency: random.random_range(0..=400),
            chats,
        }
    }
}

impl Setting {
    /// How a group's changes are told in a chat.
    pub fn updates(&self, chat: &str, group: usize) -> Updates {
        let mut destinations = self.groups[group].destinations.iter();
        destinations.find(|to| to.lane.chat.as_str() == chat).unwrap().updates
    }
}

fn chat(number: usize, random: &mut StdRng) -> ChatSetting {
    let place = i64::try_from(number).unwrap();
    let (kind, id) = match random.random_range(0..4) {
        0 => (ChatKind::Private, 100 + place),
        1 => (ChatKind::Group, -200 - place),
        2 => (ChatKind::Supergroup { forum: false }, -1_001_000_000_300 - place),
        _ => (ChatKind::Supergroup { forum: true }, -1_001_000_000_400 - place),
    };
    let pins = random.random_bool(0.4);
    let pin = if pins { vec!["critical".to_owned()] } else { Vec::new() };
    ChatSetting { alias: format!("chat{number}"), id: ChatId(id), kind, pin }
}

fn group(chats: &[ChatSetting], random: &mut StdRng) -> GroupSetting {
    let severity = *SEVERITIES.choose(random).unwrap();
    let mut destinations = Vec::new();
    for chat in chats {
        if random.random_bool(0.5) {
            continue;
        }
        destinations.push(destination(chat, random));
    }
    if destinations.is_empty() {
        destinations.push(destination(chats.choose(random).unwrap(), random));
    }
    let big = random.random_bool(0.1);
    GroupSetting {
        severity,
        destinations,
        listed: if random.random_bool(0.15) { 2 } else { usize::MAX },
        most_alerts: if big { 30 } else { random.random_range(1..=6) },
        // Long enough for a message of two or three parts.
        padding: if big && random.random_bool(0.7) { 250 } else { 0 },
    }
}

fn destination(chat: &ChatSetting, random: &mut StdRng) -> Destination {
    let topic = match chat.kind {
        ChatKind::Supergroup { forum: true } => match random.random_range(0..3) {
            0 => None,
            1 => Some(Topic::Number(ForumTopic::NUMBER)),
            _ => Some(Topic::Named(TopicName::new("made").unwrap())),
        },
        _ => None,
    };
    Destination {
        by_label: matches!(topic, Some(Topic::Named(_))),
        lane: lane(chat, topic),
        template: "sim".into(),
        updates: match random.random_range(0..6) {
            0 => Updates::Edit,
            1 => Updates::New,
            _ => Updates::Thread,
        },
        buttons: None,
    }
}

fn lane(chat: &ChatSetting, topic: Option<Topic>) -> LaneId {
    LaneId { chat: ChatAlias(chat.alias.clone()), topic }
}
