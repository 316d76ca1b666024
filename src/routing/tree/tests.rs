use jiff::Timestamp;

use super::*;
use crate::alert::{Alert, GroupId, Labels, Reason, Source, Status};
use crate::routing::{Topic, TopicName, parse_matchers};
use crate::telegram::TopicId;

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

pub(in crate::routing) fn alert(severity: &str, status: Status) -> Alert {
    Alert {
        fingerprint: "0123456789abcdef".to_owned(),
        status,
        labels: labels(&[("severity", severity)]),
        annotations: Labels::new(),
        starts_at: Timestamp::UNIX_EPOCH,
        ends_at: None,
        generator_url: String::new(),
        grafana: None,
        unlisted: false,
    }
}

pub(in crate::routing) fn notification(
    common: &[(&str, &str)],
    group: &[(&str, &str)],
    receiver: &str,
) -> Notification {
    Notification {
        group: GroupId {
            source: Source::Alertmanager,
            receiver: receiver.to_owned(),
            key: "{}:{}".to_owned(),
        },
        status: Status::Firing,
        reason: Reason::Unknown,
        alerts: vec![alert("warning", Status::Firing)],
        group_labels: labels(group),
        common_labels: labels(common),
        common_annotations: Labels::new(),
        external_url: String::new(),
        truncated_alerts: 0,
    }
}

/// The chats' own rules.
struct Own(Vec<(&'static str, TopicRule)>);

const NONE: Own = Own(Vec::new());

impl Topics for Own {
    fn rule(&self, chat: &ChatAlias) -> Option<&TopicRule> {
        self.0.iter().find(|(alias, _)| *alias == chat.as_str()).map(|(_, rule)| rule)
    }

    fn admits(&self, chat: &ChatAlias, _: &TopicName) -> bool {
        chat.as_str() != "full"
    }
}

fn fixed(topic: i32) -> TopicRule {
    TopicRule::Fixed(TopicId(topic))
}

fn chat(alias: &str) -> ChatAlias {
    ChatAlias(alias.to_owned())
}

fn node(matchers: &str, chats: &[&str]) -> Route {
    Route {
        matchers: parse_matchers(matchers).unwrap(),
        ..Route::to(chats.iter().copied().map(chat).collect())
    }
}

fn and_on(route: Route) -> Route {
    Route { continues: true, ..route }
}

fn parent(route: Route, routes: Vec<Route>) -> Route {
    Route { routes, ..route }
}

fn lanes(tree: &Route, notification: &Notification) -> Vec<String> {
    let destinations = tree.route(notification, &NONE);
    destinations.iter().map(|destination| destination.lane.to_string()).collect()
}

/// Common labels, and the chats that hear of them.
type Row<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str]);

/// The tree of Alertmanager's own routing test, with its expectations.
fn alertmanagers_tree() -> Route {
    parent(
        node("", &["default"]),
        vec![
            parent(
                node(r#"{owner="team-A"}"#, &["A"]),
                vec![
                    node(r#"{env="testing"}"#, &["A-testing"]),
                    and_on(node(r#"{env="production"}"#, &["A-production"])),
                    node(r#"{env=~"produ.*",job=~".*"}"#, &["A-pager"]),
                ],
            ),
            node(r#"{owner=~"team-(B|C)"}"#, &["BC"]),
            node(r#"{group_by="role"}"#, &["role"]),
        ],
    )
}

#[test]
fn the_tree_decides_as_alertmanagers_does() {
    let tree = alertmanagers_tree();
    let table: &[Row] = &[
        (&[("owner", "team-A")], &["A"]),
        (&[("owner", "team-A"), ("env", "unset")], &["A"]),
        (&[("owner", "team-C")], &["BC"]),
        (&[("owner", "team-A"), ("env", "testing")], &["A-testing"]),
        (&[("owner", "team-A"), ("env", "production")], &["A-production", "A-pager"]),
        (&[("group_by", "role")], &["role"]),
        (&[("env", "testing")], &["default"]),
        (&[], &["default"]),
        // Regexes are anchored: this owner only contains one that would match.
        (&[("owner", "my-team-B")], &["default"]),
    ];
    for (common, expected) in table {
        assert_eq!(lanes(&tree, &notification(common, &[], "web")), *expected, "{common:?}");
    }
}

#[test]
fn an_empty_matcher_value_takes_the_missing_label() {
    let tree = parent(node("", &["root"]), vec![node(r#"team="""#, &["unowned"])]);
    assert_eq!(lanes(&tree, &notification(&[], &[], "web")), ["unowned"]);
    assert_eq!(lanes(&tree, &notification(&[("team", "db")], &[], "web")), ["root"]);
}

#[test]
fn a_label_the_alerts_do_not_share_counts_as_missing() {
    let tree = parent(node("", &["root"]), vec![node(r#"severity="warning""#, &["warned"])]);
    // The alert has the label, the group does not share it.
    assert_eq!(lanes(&tree, &notification(&[], &[], "web")), ["root"]);
}

#[test]
fn common_labels_win_over_group_labels() {
    let tree = parent(node("", &["root"]), vec![node("team=db", &["db"])]);
    assert_eq!(lanes(&tree, &notification(&[], &[("team", "db")], "web")), ["db"]);
    let both = notification(&[("team", "web")], &[("team", "db")], "web");
    assert_eq!(lanes(&tree, &both), ["root"]);
}

#[test]
fn the_receiver_can_be_matched_unless_a_label_has_its_name() {
    let tree = parent(node("", &["root"]), vec![node(r#"receiver="web.hook""#, &["hook"])]);
    assert_eq!(lanes(&tree, &notification(&[], &[], "web.hook")), ["hook"]);
    let labelled = notification(&[("receiver", "antenna")], &[], "web.hook");
    assert_eq!(lanes(&tree, &labelled), ["root"]);
}

#[test]
fn a_lane_chosen_twice_is_told_once_with_the_first_settings() {
    let first = Route { template: "short".into(), ..and_on(node("a=b", &["ops", "boss"])) };
    let second = Route { updates: Updates::New, ..node("a=b", &["boss", "ops", "night"]) };
    let tree = parent(node("", &["root"]), vec![first, second]);
    let destinations = tree.route(&notification(&[("a", "b")], &[], "web"), &NONE);
    let shown: Vec<_> =
        destinations.iter().map(|d| (d.lane.chat.as_str(), d.template.as_str())).collect();
    assert_eq!(shown, [("ops", "short"), ("boss", "short"), ("night", "default")]);
}

#[test]
fn topics_of_one_chat_are_lanes_of_their_own() {
    let first = Route { topic: Some(fixed(7)), ..and_on(node("a=b", &["ops"])) };
    let tree = parent(node("", &["root"]), vec![first, node("a=b", &["ops"])]);
    let destinations =
        tree.route(&notification(&[("a", "b")], &[], "web"), &Own(vec![("ops", fixed(3))]));
    let shown: Vec<_> = destinations.iter().map(|d| d.lane.to_string()).collect();
    assert_eq!(shown, ["ops/7", "ops/3"]);
}

#[test]
fn a_chat_named_by_the_sender_gets_the_settings_of_the_route_that_chooses_it() {
    let pager = Route {
        topic: Some(fixed(9)),
        updates: Updates::Edit,
        template: "short".into(),
        ..node("severity=critical", &["ops", "boss"])
    };
    let tree = parent(node("", &["root"]), vec![pager]);
    let critical = notification(&[("severity", "critical")], &[], "web");
    let topics = Own(vec![("night", fixed(4))]);

    let boss = tree.direct(&critical, &chat("boss"), &topics);
    assert_eq!((boss.lane.to_string().as_str(), boss.updates), ("boss/9", Updates::Edit));
    assert_eq!(boss.template, "short");

    let night = tree.direct(&critical, &chat("night"), &topics);
    assert_eq!((night.lane.to_string().as_str(), night.updates), ("night/4", Updates::Thread));
    assert_eq!(night.template, "default");
}

#[test]
fn a_continuing_child_that_matches_alone_keeps_the_parent_silent() {
    let tree = parent(node("", &["root"]), vec![and_on(node("a=b", &["child"]))]);
    assert_eq!(lanes(&tree, &notification(&[("a", "b")], &[], "web")), ["child"]);
}

#[test]
fn a_routes_topic_rule_comes_before_the_chats_and_leaves_to_it_what_it_does_not_say() {
    let by_team = |map: &[(&str, i32)], create| TopicRule::ByLabel {
        label: "team".into(),
        map: map.iter().map(|(value, topic)| ((*value).to_owned(), TopicId(*topic))).collect(),
        default: None,
        create,
    };
    let route = Route { topic: Some(by_team(&[("db", 12)], false)), ..node("", &["ops", "full"]) };
    let topics = Own(vec![("ops", by_team(&[("db", 1), ("web", 14)], true)), ("full", fixed(5))]);
    for (team, expected) in [
        ("db", ["ops/12", "full/12"]),
        ("web", ["ops/14", "full/5"]),
        ("net", ["ops/\"net\"", "full/5"]),
    ] {
        let destinations = route.route(&notification(&[("team", team)], &[], "web"), &topics);
        let lanes: Vec<_> = destinations.iter().map(|to| to.lane.to_string()).collect();
        assert_eq!(lanes, expected, "{team}");
    }
    let creating = Route { topic: Some(by_team(&[], true)), ..node("", &["ops", "full"]) };
    let destinations = creating.route(&notification(&[("team", "net")], &[], "web"), &topics);
    assert_eq!(destinations[0].lane.topic, TopicName::new("net").map(Topic::Named));
    assert_eq!(destinations[1].lane.topic, Some(Topic::Number(TopicId(5))), "it has enough");
}
