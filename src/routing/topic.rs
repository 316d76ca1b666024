//! Which topic of a chat a notification goes to: a fixed one, or one by a label's value.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::ChatAlias;
use crate::alert::Notification;
use crate::telegram::TopicId;

/// A topic of a forum, as a lane names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Topic {
    Number(TopicId),
    /// One that nabat makes when it is first needed. Its number is delivery's business: the lane
    /// must have its name before Telegram was asked for anything.
    Named(TopicName),
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Named(name) => write!(f, "{:?}", name.as_str()),
        }
    }
}

/// The name of a topic that nabat makes: 1 to 128 characters, one line, nothing invisible.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TopicName(String);

impl TopicName {
    /// What `createForumTopic` takes at most, in characters.
    const LONGEST: usize = 128;

    /// The name for a label's value; `None` when nothing of it can be shown.
    pub fn new(value: &str) -> Option<Self> {
        let visible: String = value
            .chars()
            .map(|c| if c.is_whitespace() || c.is_control() { ' ' } else { c })
            .filter(|c| !is_invisible(*c))
            .collect();
        let words: Vec<&str> = visible.split(' ').filter(|word| !word.is_empty()).collect();
        let name: String = words.join(" ").chars().take(Self::LONGEST).collect();
        let name = name.trim_end();
        (!name.is_empty()).then(|| Self(name.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Characters that show nothing or turn the writing's direction: two names that look the same
/// must be the same.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// How a chat or a route chooses the topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TopicRule {
    Fixed(TopicId),
    ByLabel {
        /// A label that all alerts of the group share.
        label: String,
        /// Its values, and their topics.
        map: BTreeMap<String, TopicId>,
        /// The topic for every other value; `None` leaves it to the chat.
        default: Option<TopicId>,
        /// Whether other values get topics of their own, made when they are first needed.
        create: bool,
    },
}

impl TopicRule {
    /// The topic for a notification. `admits` says whether there may be one more of this name.
    pub fn choose(
        &self,
        notification: &Notification,
        admits: impl Fn(&TopicName) -> bool,
    ) -> Option<Topic> {
        let (label, map, default, create) = match self {
            Self::Fixed(topic) => return Some(Topic::Number(*topic)),
            Self::ByLabel { label, map, default, create } => (label, map, default, *create),
        };
        let value = super::tree::label(notification, label);
        if let Some(topic) = map.get(value) {
            return Some(Topic::Number(*topic));
        }
        let named = TopicName::new(value).filter(|name| create && admits(name));
        named.map(Topic::Named).or(default.map(Topic::Number))
    }

    /// Whether it may choose another topic for the group's next notification: its alerts may stop
    /// sharing the label, unless they are grouped by it.
    pub fn may_change(&self, notification: &Notification) -> bool {
        match self {
            Self::Fixed(_) => false,
            Self::ByLabel { label, .. } => !notification.group_labels.contains_key(label),
        }
    }

    /// Every topic that it names by number.
    pub fn numbers(&self) -> Vec<TopicId> {
        match self {
            Self::Fixed(topic) => vec![*topic],
            Self::ByLabel { map, default, .. } => map.values().copied().chain(*default).collect(),
        }
    }
}

impl fmt::Display for TopicRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(topic) => topic.fmt(f),
            Self::ByLabel { label, map, default, create } => {
                write!(f, "by {label}")?;
                if !map.is_empty() {
                    let pairs: Vec<_> =
                        map.iter().map(|(v, topic)| format!("{v}: {topic}")).collect();
                    write!(f, " {{{}}}", pairs.join(", "))?;
                }
                if *create {
                    f.write_str(", others created")?;
                }
                default.map_or(Ok(()), |topic| write!(f, ", else {topic}"))
            }
        }
    }
}

/// What the tree asks about the chats' topics.
pub trait Topics {
    /// The chat's own rule.
    fn rule(&self, chat: &ChatAlias) -> Option<&TopicRule>;

    /// Whether the chat may have a topic of this name.
    fn admits(&self, chat: &ChatAlias, name: &TopicName) -> bool;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::tree::tests::notification;

    #[test]
    fn a_name_is_one_visible_line_of_at_most_128_characters() {
        let name = |value: &str| TopicName::new(value).map(|name| name.to_string());
        assert_eq!(name("db").as_deref(), Some("db"));
        assert_eq!(name("  платформа \n\t команда ").as_deref(), Some("платформа команда"));
        assert_eq!(name("d\u{200b}b\u{202e}").as_deref(), Some("db"), "looks like db, is db");
        for nothing in ["", " \n ", "\u{200b}\u{feff}", "\u{3164}"] {
            assert_eq!(name(nothing), None, "{nothing:?}");
        }
        assert_eq!(name(&"я".repeat(300)).unwrap().chars().count(), 128);
        assert_eq!(name(&format!("{} b", "a".repeat(127))).unwrap().len(), 127);
    }

    #[test]
    fn a_label_chooses_the_topic() {
        let by = |map: &[(&str, i32)], default: Option<i32>, create| TopicRule::ByLabel {
            label: "team".to_owned(),
            map: map.iter().map(|(value, topic)| ((*value).to_owned(), TopicId(*topic))).collect(),
            default: default.map(TopicId),
            create,
        };
        let plain = by(&[("db", 12), ("web", 14)], Some(3), false);
        let bare = by(&[("db", 12)], None, false);
        let creating = by(&[("db", 12)], Some(3), true);
        let number = |topic| Some(Topic::Number(TopicId(topic)));
        let named = |name| TopicName::new(name).map(Topic::Named);
        let team = |value| vec![("team", value)];
        for (rule, labels, topic) in [
            (&TopicRule::Fixed(TopicId(7)), team("db"), number(7)),
            (&plain, team("db"), number(12)),
            (&plain, team("web"), number(14)),
            (&plain, team("DB"), number(3)),
            (&plain, vec![], number(3)),
            (&bare, team("web"), None),
            (&bare, vec![], None),
            (&creating, team("db"), number(12)),
            (&creating, team("web"), named("web")),
            (&creating, team("full"), number(3)),
            (&creating, team("\u{200b}"), number(3)),
            (&creating, vec![], number(3)),
        ] {
            let notification = notification(&labels, &[], "web");
            let chosen = rule.choose(&notification, |name| name.as_str() != "full");
            assert_eq!(chosen, topic, "{rule} for {labels:?}");
        }
    }

    #[test]
    fn a_label_that_the_alerts_do_not_share_chooses_nothing() {
        let rule = TopicRule::ByLabel {
            label: "severity".to_owned(),
            map: [("warning".to_owned(), TopicId(5))].into(),
            default: None,
            create: true,
        };
        // The one alert has the label; the group does not share it.
        assert_eq!(rule.choose(&notification(&[], &[], "web"), |_| true), None);
        let shared = notification(&[], &[("severity", "warning")], "web");
        assert_eq!(rule.choose(&shared, |_| true), Some(Topic::Number(TopicId(5))));
    }

    #[test]
    fn only_a_label_by_which_the_group_is_not_grouped_may_choose_another_topic_later() {
        let by_team = TopicRule::ByLabel {
            label: "team".to_owned(),
            map: [("db".to_owned(), TopicId(5))].into(),
            default: None,
            create: false,
        };
        let (common, grouped) = (&[("team", "db")][..], &[("team", "db")][..]);
        assert!(by_team.may_change(&notification(common, &[], "web")));
        assert!(by_team.may_change(&notification(&[], &[], "web")));
        assert!(!by_team.may_change(&notification(common, grouped, "web")));
        assert!(!TopicRule::Fixed(TopicId(7)).may_change(&notification(&[], &[], "web")));
    }

    #[test]
    fn a_topic_is_a_number_or_a_text_in_json() {
        for (topic, json) in [
            (Topic::Number(TopicId(7)), "7"),
            (Topic::Named(TopicName::new("7").unwrap()), "\"7\""),
        ] {
            assert_eq!(serde_json::to_string(&topic).unwrap(), json);
            assert_eq!(serde_json::from_str::<Topic>(json).unwrap(), topic);
        }
    }
}
