//! Topics by a label's value, made when they are first needed.

use nabat::sandbox::{ChatKind, Fault, Limits, Sandbox, Trouble};
use nabat::telegram::TopicId;
use serde_json::Value;

use crate::support::stage::{OPS, Stage, configuration, sandbox, webhook};

const BY_TEAM: &str = "  ops: {id: -1001234567890, topic: {by: team, map: {db: 7}, create: true}}";

/// A forum with the topic 7, and nothing of Telegram's pace: these tests are about places.
fn forum() -> Sandbox {
    let sandbox = sandbox(Limits::None);
    sandbox.add_chat(OPS, ChatKind::Supergroup { forum: true }, "ops");
    sandbox.add_topic(OPS, TopicId(7), "Databases");
    sandbox
}

async fn stage() -> Stage {
    let sandbox = forum();
    Stage::with(sandbox.clone(), configuration(&sandbox, BY_TEAM, "")).await
}

/// A body of a group whose alerts share the label `team`.
fn of_team(team: &str, group: &str, alerts: &[&str]) -> Value {
    let mut body = webhook(group, alerts);
    body["groupLabels"]["team"] = team.into();
    for alert in body["alerts"].as_array_mut().unwrap() {
        alert["labels"]["team"] = team.into();
    }
    body
}

/// The names of the topics that were made.
fn made(stage: &Stage) -> Vec<String> {
    let topics = stage.sandbox.topics(OPS).into_iter();
    topics.map(|(_, name)| name).filter(|name| name != "Databases").collect()
}

/// The topic in which the group's card stands.
async fn topic_of(stage: &Stage, group: &str) -> Option<TopicId> {
    let shown = stage.shows_text(OPS, group).await;
    shown.iter().find(|shown| shown.text.contains(group)).unwrap().topic
}

/// How often a topic was asked for.
fn asked(stage: &Stage) -> usize {
    stage.sandbox.requests().iter().filter(|seen| seen.method == "createForumTopic").count()
}

#[tokio::test]
async fn each_value_has_its_topic_which_is_made_once() {
    let mut stage = stage().await;
    stage.post("ops", &of_team("db", "DiskFull", &["db1"])).await;
    assert_eq!(topic_of(&stage, "DiskFull").await, Some(TopicId(7)), "the configured one");
    // Many at once, before the topic is there.
    for group in ["SiteDown", "SiteSlow", "SiteOld"] {
        stage.post("ops", &of_team("web  team", group, &["w1"])).await;
    }
    let topic = topic_of(&stage, "SiteDown").await;
    for group in ["SiteSlow", "SiteOld"] {
        assert_eq!(topic_of(&stage, group).await, topic);
    }
    assert_eq!(made(&stage), ["web team"]);

    stage.drained().await;
    assert_eq!(stage.stop().await, Some(0));
    stage.restart().await;
    stage.post("ops", &of_team("web  team", "SiteGone", &["w1"])).await;
    assert_eq!(topic_of(&stage, "SiteGone").await, topic, "it is remembered over a restart");
    assert_eq!((made(&stage).len(), asked(&stage)), (1, 1));
    stage.post("ops", &webhook("NoTeam", &["x"])).await;
    assert_eq!(topic_of(&stage, "NoTeam").await, None, "no default: the main chat");
}

#[tokio::test]
async fn an_alert_does_not_wait_for_a_topic_that_telegram_does_not_make() {
    for trouble in [
        Trouble::Hang,
        Trouble::internal_server_error(),
        Trouble::bad_gateway(),
        Trouble::too_many_requests(Some(600)),
        Trouble::refusal(404, "Not Found"),
    ] {
        let stage = stage().await;
        stage.sandbox.inject(Fault::new(trouble.clone()).method("createForumTopic").times(99));
        // The webhook's answer is asserted by the post itself.
        stage.post("ops", &of_team("web", "SiteDown", &["w1"])).await;
        assert_eq!(topic_of(&stage, "SiteDown").await, None, "{trouble:?}");
        let shown = stage.shows_text(OPS, "web").await;
        assert_eq!(shown.len(), 1, "{trouble:?}");
        stage.post("ops", &of_team("web", "SiteSlow", &["w1"])).await;
        assert_eq!(topic_of(&stage, "SiteSlow").await, None);
        assert_eq!(asked(&stage), 1, "{trouble:?}");
        stage.drained().await;
        assert_eq!(stage.metric("ambiguous_sends_total").await, 0, "{trouble:?}");
    }
}

#[tokio::test]
async fn without_the_right_to_make_topics_the_main_chat_is_told_and_telegram_is_asked_once() {
    let mut stage = stage().await;
    stage.sandbox.set_admin(OPS, false);
    for (group, team) in [("SiteDown", "web"), ("SiteSlow", "web"), ("NetDown", "net")] {
        stage.post("ops", &of_team(team, group, &["w1"])).await;
        assert_eq!(topic_of(&stage, group).await, None);
    }
    assert_eq!((asked(&stage), made(&stage).len()), (1, 0));
    stage.drained().await;
    assert_eq!(stage.metric("topic_fallbacks_total").await, 3);

    stage.sandbox.set_admin(OPS, true);
    stage.nabat.process.signal("HUP");
    stage
        .nabat
        .process
        .wait_for(|said| said.contains("configuration loaded again").then_some(()))
        .await;
    stage.post("ops", &of_team("web", "SiteOld", &["w1"])).await;
    assert!(topic_of(&stage, "SiteOld").await.is_some(), "a reload tries again");
}

#[tokio::test]
async fn a_label_without_end_can_not_fill_the_chat_with_topics() {
    let sandbox = forum();
    let chats = BY_TEAM.replace("map: {db: 7}", "default: 7");
    let stage = Stage::with(sandbox.clone(), configuration(&sandbox, &chats, "")).await;
    // Nothing is sent: it is about where things wait.
    stage.sandbox.revoke_token();
    for number in 0..60 {
        stage.post("ops", &of_team(&format!("t{number}"), &format!("Group{number}"), &["a"])).await;
    }
    let waiting = stage.entries("waiting").await;
    let named = waiting.iter().filter(|entry| entry["topic"].is_string()).count();
    let others = waiting.iter().filter(|entry| entry["topic"] == 7).count();
    assert_eq!((named, others), (50, 10));
}

#[tokio::test]
async fn a_deleted_topic_is_made_anew_when_it_is_surely_gone() {
    let stage = stage().await;
    stage.post("ops", &of_team("web", "SiteDown", &["w1"])).await;
    let first = topic_of(&stage, "SiteDown").await.expect("a topic");
    stage.drained().await;
    stage.sandbox.delete_topic(OPS, first);
    for (group, in_a_topic) in [("One", false), ("Two", false), ("Three", false), ("Four", true)] {
        stage.post("ops", &of_team("web", group, &["w1"])).await;
        let topic = topic_of(&stage, group).await;
        assert_eq!(topic.is_some(), in_a_topic, "{group}");
        assert_ne!(topic, Some(first));
        stage.drained().await;
    }
    assert_eq!(made(&stage), ["web"]);
}

#[tokio::test]
async fn a_closed_topic_is_never_made_anew() {
    let stage = stage().await;
    stage.post("ops", &of_team("web", "SiteDown", &["w1"])).await;
    let first = topic_of(&stage, "SiteDown").await.expect("a topic");
    stage.sandbox.close_topic(OPS, first);
    for group in ["One", "Two", "Three", "Four", "Five"] {
        stage.post("ops", &of_team("web", group, &["w1"])).await;
        assert_eq!(topic_of(&stage, group).await, None);
    }
    assert_eq!(made(&stage).len(), 1);
}

#[tokio::test]
async fn news_of_a_card_in_a_closed_topic_come_to_the_main_chat() {
    let stage = stage().await;
    stage.post("ops", &of_team("db", "DiskFull", &["db1"])).await;
    assert_eq!(topic_of(&stage, "DiskFull").await, Some(TopicId(7)));
    stage.drained().await;
    stage.sandbox.close_topic(OPS, TopicId(7));
    stage.post("ops", &of_team("db", "DiskFull", &["db1", "db2"])).await;
    let shown = stage
        .shows(OPS, |shown| shown.iter().any(|one| one.topic.is_none() && one.text.contains("db2")))
        .await;
    let news = shown.iter().find(|shown| shown.topic.is_none()).unwrap();
    assert_eq!((news.reply_to, news.silent), (None, false));
}

#[tokio::test]
async fn a_card_that_grows_or_was_deleted_stays_in_the_topic_that_was_made() {
    let sandbox = forum();
    let text = configuration(&sandbox, BY_TEAM, "  updates: edit");
    let stage = Stage::with(sandbox, text).await;
    stage.post("ops", &of_team("web", "SiteDown", &["w1"])).await;
    let card = stage.shows_text(OPS, "SiteDown").await.remove(0);
    assert!(card.topic.is_some());
    stage.drained().await;

    let names: Vec<String> = (0..12).map(|number| format!("web{number}x")).collect();
    let mut body =
        of_team("web", "SiteDown", &names.iter().map(String::as_str).collect::<Vec<_>>());
    for alert in body["alerts"].as_array_mut().unwrap() {
        alert["annotations"]["summary"] =
            format!("{} {}", alert["labels"]["instance"], "long ".repeat(30)).into();
        alert["annotations"]["description"] =
            format!("of {} {}", alert["labels"]["instance"], "long ".repeat(90)).into();
    }
    stage.post("ops", &body).await;
    let shown = stage.shows(OPS, |shown| shown.len() >= 2).await;
    assert!(shown.iter().all(|shown| shown.topic == card.topic), "{shown:?}");
    stage.drained().await;

    stage.sandbox.delete_message(OPS, card.id);
    stage.post("ops", &of_team("web", "SiteDown", &["w2"])).await;
    let shown = stage.shows_text(OPS, "w2 of").await;
    assert!(shown.iter().all(|shown| shown.topic == card.topic), "{shown:?}");
    assert_eq!(asked(&stage), 1);
}

/// A group by alertname alone: the teams of its alerts differ, or not.
fn of_teams(alerts: &[(&str, &str)]) -> Value {
    let names: Vec<&str> = alerts.iter().map(|(name, _)| *name).collect();
    let mut body = webhook("DiskFull", &names);
    let teams: Vec<&str> = alerts.iter().map(|(_, team)| *team).collect();
    for (alert, team) in body["alerts"].as_array_mut().unwrap().iter_mut().zip(&teams) {
        alert["labels"]["team"] = (*team).into();
    }
    if teams.iter().all(|team| *team == teams[0]) {
        body["commonLabels"] = serde_json::json!({"alertname": "DiskFull", "team": teams[0]});
    }
    body
}

#[tokio::test]
async fn a_group_whose_alerts_share_the_label_no_more_stays_in_its_topic_until_it_ended() {
    let mut stage = stage().await;
    stage.post("ops", &of_teams(&[("db1", "db")])).await;
    assert_eq!(topic_of(&stage, "DiskFull").await, Some(TopicId(7)));
    stage.drained().await;
    stage.post("ops", &of_teams(&[("db1", "db"), ("web1", "web")])).await;
    stage.drained().await;
    // It is remembered over a restart.
    assert_eq!(stage.stop().await, Some(0));
    stage.restart().await;
    stage.post("ops", &of_teams(&[("-db1", "db"), ("-web1", "web")])).await;
    stage.drained().await;
    let shown = stage.sandbox.messages(OPS);
    assert!(shown.iter().all(|shown| shown.topic == Some(TopicId(7))), "{shown:?}");
    assert_eq!(shown.len(), 3, "the card, the news, the end");
    assert!(shown[1..].iter().all(|reply| reply.reply_to == Some(shown[0].id)));
    assert_eq!((shown[0].edits, made(&stage).len()), (2, 0));
}
