//! Chats that move, close, shut the bot out, or are configured no more.

use nabat::sandbox::{Access, ChatKind, Fault, Limits, Sandbox, Trouble};
use nabat::telegram::{ChatId, TopicId};

use crate::support::eventually;
use crate::support::nabat::client;
use crate::support::stage::{BOSS, CHATS, OPS, Stage, configuration, sandbox, webhook};

#[tokio::test]
async fn a_group_that_became_a_supergroup_is_followed_also_after_a_restart() {
    const OLD: ChatId = ChatId(-4242);
    let sandbox = sandbox(Limits::Real);
    sandbox.add_chat(OLD, ChatKind::Group, "ops");
    sandbox.migrate_chat(OLD, OPS);
    let text = configuration(&sandbox, "  ops: {id: -4242}", "");
    let mut stage = Stage::with(sandbox, text).await;
    stage.post("ops", &webhook("DiskFull", &["db1"])).await;
    stage.shows_text(OPS, "DiskFull").await;
    assert_eq!(stage.requests(OLD).len(), 1);

    assert_eq!(stage.stop().await, Some(0));
    stage.restart().await;
    stage.post("ops", &webhook("NetDown", &["sw1"])).await;
    stage.shows_text(OPS, "NetDown").await;
    assert_eq!(stage.requests(OLD).len(), 1, "the old id is not asked again");
}

#[tokio::test]
async fn the_fallback_chat_hears_of_a_move_until_the_configuration_knows_it() {
    const OLD: ChatId = ChatId(-4242);
    let sandbox = sandbox(Limits::Real);
    sandbox.add_chat(OLD, ChatKind::Group, "ops");
    sandbox.migrate_chat(OLD, OPS);
    let configured = |sandbox: &Sandbox, ops: ChatId| {
        let chats = format!("  ops: {{id: {ops}}}\n  boss: {{id: {BOSS}}}");
        configuration(sandbox, &chats, "fallback_chat: boss")
    };
    let text = configured(&sandbox, OLD);
    let mut stage = Stage::with(sandbox, text).await;
    stage.post("ops", &webhook("DiskFull", &["db1"])).await;
    let told = stage.shows_text(BOSS, "NabatChatMoved").await.remove(0);
    assert!(told.text.contains(&format!("set chats.ops.id to {OPS}")), "{}", told.text);

    // Neither another alert nor another process tells it again.
    stage.drained().await;
    assert_eq!(stage.stop().await, Some(0));
    stage.restart().await;
    stage.post("ops", &webhook("NetDown", &["sw1"])).await;
    stage.shows_text(OPS, "NetDown").await;
    stage.drained().await;
    assert_eq!(stage.sandbox.messages(BOSS).len(), 1);

    let text = configured(&stage.sandbox, OPS);
    stage.rewrite(text);
    stage.go_on_at_once().await;
    stage.shows(BOSS, |shown| shown[0].text.contains("RESOLVED")).await;
}

#[tokio::test]
async fn what_is_for_a_closed_topic_goes_to_the_main_chat_with_a_note() {
    let sandbox = sandbox(Limits::Real);
    sandbox.add_chat(OPS, ChatKind::Supergroup { forum: true }, "ops");
    sandbox.add_topic(OPS, TopicId(7), "alerts");
    let text = configuration(&sandbox, "  ops: {id: -1001234567890, topic: 7}", "");
    let stage = Stage::with(sandbox, text).await;
    stage.post("ops", &webhook("DiskFull", &["db1"])).await;
    assert_eq!(stage.shows_text(OPS, "DiskFull").await[0].topic, Some(TopicId(7)));
    stage.drained().await;

    stage.sandbox.close_topic(OPS, TopicId(7));
    stage.post("ops", &webhook("NetDown", &["sw1"])).await;
    let shown = stage.shows_text(OPS, "NetDown").await.pop().unwrap();
    assert_eq!(shown.topic, None);
    assert!(shown.text.contains("topic 7 can't be used"), "{}", shown.text);
    assert_eq!(stage.metric("topic_fallbacks_total").await, 1);
}

#[tokio::test]
async fn a_chat_that_shut_the_bot_out_is_parked_told_of_and_recovers() {
    let stage = Stage::open("fallback_chat: boss\ndelivery: {dead_after: 8s}").await;
    stage.sandbox.kick(OPS);
    stage.post("ops", &webhook("DiskFull", &["db1"])).await;
    let told = stage.shows_text(BOSS, "NabatChatUnreachable").await.remove(0);
    assert!(told.text.contains("ops") && told.text.contains("kicked"), "{}", told.text);
    assert_eq!(stage.entries("dead").await.len(), 0, "it waits");
    // What was told of it may be a moment from being settled.
    let it_alone = async || {
        let waiting = stage.entries("waiting").await;
        waiting.len() == 1 && waiting[0]["chat"] == "ops"
    };
    eventually("it alone waits", it_alone).await;

    stage.sandbox.set_access(OPS, Access::Open);
    stage.shows_text(OPS, "DiskFull").await;
    let held = stage.shows(BOSS, |shown| shown.len() >= 2 && shown[0].edits >= 1).await;
    assert!(held[1].silent, "its end is told silently: {held:?}");
    assert!(!held[1].text.contains("(0 s)"), "since it was told of: {}", held[1].text);
}

#[tokio::test]
async fn a_chat_that_recovers_while_nabat_is_away_is_told_of_all_the_same() {
    let mut stage = Stage::open("fallback_chat: boss").await;
    stage.sandbox.kick(OPS);
    stage.post("ops", &webhook("DiskFull", &["db1"])).await;
    stage.shows_text(BOSS, "NabatChatUnreachable").await;
    assert_eq!(stage.stop().await, Some(0));
    stage.sandbox.set_access(OPS, Access::Open);
    stage.restart().await;
    stage.shows_text(OPS, "DiskFull").await;
    let told = stage.shows(BOSS, |shown| shown.len() >= 2 && shown[0].edits >= 1).await;
    assert!(told[1].silent && told[1].reply_to == Some(told[0].id), "the notice ended: {told:?}");

    // A chat that nobody was told of gives nobody a notice of its recovery.
    assert_eq!(stage.stop().await, Some(0));
    stage.restart().await;
    stage.post("ops", &webhook("Other", &["db1"])).await;
    stage.shows_text(OPS, "Other").await;
    stage.drained().await;
    assert_eq!(stage.sandbox.messages(BOSS).len(), 2);
}

#[tokio::test]
async fn what_is_too_old_for_an_unreachable_chat_dies_visibly_and_can_be_revived() {
    let stage = Stage::open("delivery: {dead_after: 1s}").await;
    stage.sandbox.kick(BOSS);
    stage.post("boss", &webhook("DiskFull", &["db1"])).await;
    eventually("a dead letter", async || !stage.entries("dead").await.is_empty()).await;
    let dead = &stage.entries("dead").await[0];
    assert_eq!(dead["reason"], "unreachable");
    assert_eq!(dead["chat"], "boss");
    let died = "dead_letters_total{chat=\"boss\",reason=\"unreachable\"}";
    assert_eq!(stage.metric(died).await, 1);
    assert_eq!(stage.metric("outbox_entries{chat=\"boss\",state=\"dead\"}").await, 1);

    stage.sandbox.set_access(BOSS, Access::Open);
    let url = format!("{}/api/v1/outbox/{}/retry", stage.nabat.url, dead["id"]);
    assert_eq!(client().post(url).send().await.unwrap().status(), 200);
    stage.shows_text(BOSS, "DiskFull").await;
    eventually("no dead letter", async || stage.entries("dead").await.is_empty()).await;
}

#[tokio::test]
async fn the_fallback_chat_is_told_of_an_outage_once_over_restarts() {
    let mut stage = Stage::open("fallback_chat: boss").await;
    stage.sandbox.kick(OPS);
    stage.post("ops", &webhook("DiskFull", &["db1"])).await;
    let told = stage.shows_text(BOSS, "NabatChatUnreachable").await.remove(0);
    let attempts = async |stage: &Stage| {
        let waiting = stage.entries("waiting").await;
        let of_ops = waiting.iter().find(|entry| entry["chat"] == "ops");
        of_ops.and_then(|entry| entry["attempts"].as_u64()).unwrap_or_default()
    };
    eventually("it is noted", async || attempts(&stage).await == 1).await;
    assert_eq!(stage.stop().await, Some(0));
    stage.restart().await;
    eventually("another try", async || attempts(&stage).await == 2).await;
    stage.sandbox.set_access(OPS, Access::Open);
    stage.go_on_at_once().await;
    stage.shows(BOSS, |shown| shown[0].text.contains("RESOLVED")).await;
    stage.drained().await;
    let shown = stage.sandbox.messages(BOSS);
    assert_eq!(shown.len(), 2, "the card, and the reply that it is over: {shown:?}");
    assert_eq!(shown[0].id, told.id);
}

/// A parked chat waits for half a minute and more; a person who has mended it does not.
#[tokio::test]
async fn a_retry_and_a_reload_by_a_person_end_the_pause_of_a_parked_chat() {
    for by in ["retry", "retry of all", "reload"] {
        let stage = Stage::open("").await;
        stage.sandbox.kick(OPS);
        stage.post("ops", &webhook("DiskFull", &["db1"])).await;
        let failed = async || {
            let waiting = stage.entries("waiting").await;
            waiting.first().is_some_and(|entry| entry["attempts"] == 1)
        };
        eventually("a failed attempt", failed).await;
        stage.sandbox.set_access(OPS, Access::Open);
        let id = stage.entries("waiting").await[0]["id"].clone();
        let path = match by {
            "retry" => format!("/api/v1/outbox/{id}/retry"),
            "retry of all" => "/api/v1/outbox/retry".to_owned(),
            _ => "/-/reload".to_owned(),
        };
        let url = format!("{}{path}", stage.nabat.url);
        assert_eq!(client().post(url).send().await.unwrap().status(), 200);
        stage.shows_text(OPS, "DiskFull").await;
    }
}

#[tokio::test]
async fn what_waits_for_a_chat_that_is_configured_no_more_is_a_dead_letter() {
    let mut stage = Stage::open("").await;
    let fault = Fault::new(Trouble::internal_server_error()).chat(BOSS).always();
    stage.sandbox.inject(fault);
    stage.post("boss", &webhook("DiskFull", &["db1"])).await;
    let without = configuration(&stage.sandbox, "  ops: {id: -1001234567890}", "");
    let with = configuration(&stage.sandbox, CHATS, "");
    stage.rewrite(without);
    let reload = format!("{}/-/reload", stage.nabat.url);
    assert_eq!(client().post(&reload).send().await.unwrap().status(), 200);
    eventually("a dead letter", async || !stage.entries("dead").await.is_empty()).await;
    let dead = &stage.entries("dead").await[0];
    assert_eq!(dead["reason"], "no_such_chat");

    stage.sandbox.clear_faults();
    stage.rewrite(with);
    assert_eq!(client().post(&reload).send().await.unwrap().status(), 200);
    let url = format!("{}/api/v1/outbox/{}/retry", stage.nabat.url, dead["id"]);
    assert_eq!(client().post(url).send().await.unwrap().status(), 200);
    stage.shows_text(BOSS, "DiskFull").await;
}

#[tokio::test]
async fn what_waited_is_sent_as_the_present_state() {
    let stage = Stage::open("").await;
    let states = [&["db1"][..], &["db1", "db2"], &["-db1", "db2", "db3"], &["-db2", "-db3"]];
    let posting = async {
        for alerts in states {
            stage.post("ops", &webhook("DiskFull", alerts)).await;
        }
    };
    stage.while_away(posting).await;
    stage.go_on_at_once().await;
    let shown = stage.shows(OPS, |shown| !shown.is_empty()).await;
    stage.drained().await;
    assert_eq!(stage.sandbox.messages(OPS).len(), 1, "one message, not four");
    for name in ["db1", "db2", "db3"] {
        assert!(shown[0].text.contains(name), "no alert's end is hidden: {}", shown[0].text);
    }
    assert!(shown[0].silent, "it ended before anyone was told");
}
