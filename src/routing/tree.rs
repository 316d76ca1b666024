//! The routing tree: which chats hear about a notification.

use crate::alert::Notification;
use crate::rendering::ButtonKind;

use super::{ChatAlias, Destination, LaneId, Matcher, TopicRule, Topics, Updates};

/// A node of the routing tree. What a node does not say itself it has inherited from its parent
/// when the configuration was read, so every node is complete.
///
/// The walk is Alertmanager's: a notification enters at the root, which takes everything. At a
/// node the children are asked in order; the first that takes the notification gets it, and the
/// ones behind it are asked only when that child says `continue`. If no child takes it, the node
/// itself applies.
///
/// A matcher looks at the labels that all alerts of the group share: the common labels, then the
/// group labels. A label in which the alerts differ counts as missing, which is the empty string.
/// `receiver` is the name of Alertmanager's receiver, unless the alerts have a label of that name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// At least one.
    pub chats: Vec<ChatAlias>,
    /// Instead of the chats' own topics.
    pub topic: Option<TopicRule>,
    pub template: String,
    pub updates: Updates,
    /// Instead of the chats' own buttons.
    pub buttons: Option<Vec<ButtonKind>>,
    /// All must accept; empty takes everything.
    pub matchers: Vec<Matcher>,
    /// Whether the siblings behind this node are asked as well.
    pub continues: bool,
    pub routes: Vec<Route>,
}

impl Route {
    /// A tree of one node: everything goes to `chats`.
    pub fn to(chats: Vec<ChatAlias>) -> Self {
        Self {
            chats,
            topic: None,
            template: "default".to_owned(),
            updates: Updates::default(),
            buttons: None,
            matchers: Vec::new(),
            continues: false,
            routes: Vec::new(),
        }
    }

    /// Where the notification goes, each lane once, never nowhere. When two nodes choose the same
    /// lane, the settings of the first count.
    pub fn route(&self, notification: &Notification, topics: &impl Topics) -> Vec<Destination> {
        let mut destinations: Vec<Destination> = Vec::new();
        for node in self.chosen(notification) {
            for chat in &node.chats {
                let destination = node.destination(notification, chat, topics);
                if destinations.iter().all(|known| known.lane != destination.lane) {
                    destinations.push(destination);
                }
            }
        }
        destinations
    }

    /// The destination when the sender named the chat itself (`/alertmanager/{chat}`): with the
    /// settings of the node that would have chosen this chat, or else with the root's.
    pub fn direct(
        &self,
        notification: &Notification,
        chat: &ChatAlias,
        topics: &impl Topics,
    ) -> Destination {
        let nodes = self.chosen(notification);
        match nodes.into_iter().find(|node| node.chats.contains(chat)) {
            Some(node) => node.destination(notification, chat, topics),
            // The root's own topic belongs to the root's chats.
            None => self.settled(notification, chat, None, topics),
        }
    }

    /// The nodes that apply, in the order of the file; at least this one.
    fn chosen(&self, notification: &Notification) -> Vec<&Self> {
        let mut nodes = Vec::new();
        for child in self.routes.iter().filter(|child| child.takes(notification)) {
            nodes.extend(child.chosen(notification));
            if !child.continues {
                break;
            }
        }
        if nodes.is_empty() {
            nodes.push(self);
        }
        nodes
    }

    fn takes(&self, notification: &Notification) -> bool {
        self.matchers.iter().all(|matcher| matcher.matches(label(notification, matcher.name())))
    }

    fn destination(
        &self,
        notification: &Notification,
        chat: &ChatAlias,
        topics: &impl Topics,
    ) -> Destination {
        self.settled(notification, chat, self.topic.as_ref(), topics)
    }

    /// The destination in the topic that `rule` chooses, or else the chat's own rule.
    fn settled(
        &self,
        notification: &Notification,
        chat: &ChatAlias,
        rule: Option<&TopicRule>,
        topics: &impl Topics,
    ) -> Destination {
        let mut by_label = false;
        let topic = [rule, topics.rule(chat)].into_iter().flatten().find_map(|rule| {
            by_label |= rule.may_change(notification);
            rule.choose(notification, |name| topics.admits(chat, name))
        });
        Destination {
            lane: LaneId { chat: chat.clone(), topic },
            by_label,
            template: self.template.clone(),
            updates: self.updates,
            buttons: self.buttons.clone(),
        }
    }
}

/// The value of a label that all alerts of the group share, or the empty string.
pub(super) fn label<'n>(notification: &'n Notification, name: &str) -> &'n str {
    match notification.shared_label(name) {
        Some(value) => value,
        None if name == "receiver" => &notification.group.receiver,
        None => "",
    }
}

#[cfg(test)]
pub(super) mod tests;
