//! Pins and sounds, as a chat wants them.

use nabat::sandbox::{Fault, Limits, Trouble};
use serde_json::Value;

use crate::support::DEADLINE;
use crate::support::stage::{BOSS, OPS, Stage, configuration, sandbox, webhook};

/// A stage whose chat `ops` has more settings.
async fn with(settings: &str) -> Stage {
    let sandbox = sandbox(Limits::None);
    let chats = format!(
        "  ops: {{id: -1001234567890, {settings}}}\n  boss: {{id: 1000042, pin: critical}}"
    );
    Stage::with(sandbox.clone(), configuration(&sandbox, &chats, "")).await
}

fn pins(stage: &Stage) -> usize {
    stage.sandbox.requests().iter().filter(|seen| seen.method.ends_with("inChatMessage")).count()
}

fn of_severity(severity: &str, group: &str) -> Value {
    let mut body = webhook(group, &["a"]);
    body["alerts"][0]["labels"]["severity"] = severity.into();
    body
}

#[tokio::test]
async fn without_the_right_to_pin_alerts_come_all_the_same_and_it_is_asked_and_told_once() {
    let stage = with("pin: [critical]").await;
    stage.sandbox.set_admin(OPS, false);
    for group in ["One", "Two", "Three"] {
        stage.post("ops", &webhook(group, &["a"])).await;
        stage.shows_text(OPS, group).await;
        stage.drained().await;
    }
    stage.post("ops", &webhook("One", &["-a"])).await;
    stage.drained().await;
    assert_eq!(pins(&stage), 1);
    let said = stage.nabat.process.output();
    assert_eq!(said.matches("nabat may not pin messages in this chat").count(), 1, "{said}");
    assert_eq!(stage.sandbox.messages(OPS).len(), 4);
    stage.post("boss", &webhook("One", &["a"])).await;
    stage.shows(BOSS, |shown| shown.iter().any(|shown| shown.pinned)).await;
}

#[tokio::test]
async fn only_the_configured_severities_are_pinned() {
    let stage = with("pin: critical").await;
    for severity in ["warning", "info", "Critical"] {
        stage.post("ops", &of_severity(severity, severity)).await;
        stage.drained().await;
    }
    let shown = stage.sandbox.messages(OPS);
    let pinned: Vec<bool> = shown.iter().map(|shown| shown.pinned).collect();
    assert_eq!(pinned, [false, false, true]);
}

#[tokio::test]
async fn a_pin_that_telegram_fails_on_slows_nothing_down_and_is_tried_again_at_the_next_change() {
    for trouble in [Trouble::internal_server_error(), Trouble::Hang] {
        let stage = with("pin: critical").await;
        stage.sandbox.inject(Fault::new(trouble.clone()).method("pinChatMessage"));
        stage.post("boss", &webhook("One", &["a", "b"])).await;
        stage.drained().await;
        assert_eq!((stage.sandbox.messages(BOSS).len(), pins(&stage)), (1, 1), "{trouble:?}");
        let said = stage.nabat.process.output();
        assert!(!said.contains("a message could not be sent"), "the lane pauses: {said}");
        assert_eq!(stage.metric("ambiguous_sends_total").await, 0, "nobody sees a pin twice");

        stage.post("boss", &webhook("One", &["a", "-b"])).await;
        stage.drained().await;
        let shown = stage.sandbox.messages(BOSS);
        assert!(shown.len() == 1 && shown[0].pinned, "{trouble:?}: {shown:?}");
    }
}

#[tokio::test]
async fn a_pin_that_could_not_be_taken_away_is_taken_away_at_the_next_change() {
    let stage = with("").await;
    stage.post("boss", &webhook("One", &["a"])).await;
    stage.drained().await;
    let bad_gateway = Fault::new(Trouble::bad_gateway()).method("unpinChatMessage");
    stage.sandbox.inject(bad_gateway);
    for (alerts, pinned) in [(&["-a"][..], true), (&["-a", "-b"][..], false)] {
        stage.post("boss", &webhook("One", alerts)).await;
        stage.drained().await;
        assert_eq!(stage.sandbox.messages(BOSS)[0].pinned, pinned, "{alerts:?}");
    }
}

#[tokio::test]
async fn a_card_that_someone_deleted_is_replaced_without_a_sound_and_pinned_again() {
    for updates in ["thread", "edit"] {
        let sandbox = sandbox(Limits::None);
        let chats = "  ops: {id: -1001234567890}\n  boss: {id: 1000042, pin: critical}";
        let text = configuration(&sandbox, chats, &format!("  updates: {updates}"));
        let stage = Stage::with(sandbox, text).await;
        stage.post("boss", &webhook("One", &["a", "b"])).await;
        stage.drained().await;
        let card = stage.sandbox.messages(BOSS).remove(0);
        assert!(card.pinned, "{updates}");
        stage.sandbox.delete_message(BOSS, card.id);
        stage.post("boss", &webhook("One", &["a", "-b"])).await;
        stage.drained().await;
        let shown = stage.sandbox.messages(BOSS);
        let [card] = &shown[..] else { panic!("{updates}: {shown:?}") };
        assert!(card.pinned && card.silent, "{updates}: {card:?}");
        stage.post("boss", &webhook("One", &["-a", "-b"])).await;
        stage.drained().await;
        assert!(!stage.sandbox.messages(BOSS)[0].pinned, "{updates}: it ended");
    }
}

#[tokio::test]
async fn a_card_that_can_not_be_edited_any_more_hands_its_pin_to_the_new_one() {
    let stage = with("").await;
    stage.post("boss", &webhook("One", &["a", "b"])).await;
    stage.drained().await;
    let refusal = Trouble::refusal(400, "Bad Request: message can't be edited");
    stage.sandbox.inject(Fault::new(refusal).method("editMessageText"));
    stage.post("boss", &webhook("One", &["a", "-b"])).await;
    stage.drained().await;
    let pinned: Vec<bool> = stage.sandbox.messages(BOSS).iter().map(|shown| shown.pinned).collect();
    assert_eq!(pinned, [false, true]);
}

#[tokio::test]
async fn a_429_of_a_pin_stops_the_chat_as_any_other_and_the_pin_follows() {
    let stage = with("pin: critical").await;
    let limited = Trouble::too_many_requests(Some(6));
    stage.sandbox.inject(Fault::new(limited).method("pinChatMessage"));
    stage.post("ops", &webhook("One", &["a"])).await;
    assert!(stage.sandbox.wait_for(DEADLINE, |sandbox| sandbox.count_429() == 1).await);
    stage.post("ops", &webhook("Two", &["a"])).await;
    stage.shows_text(OPS, "Two").await;
    stage.drained().await;
    let seen: Vec<_> =
        stage.sandbox.requests().into_iter().filter(|s| s.chat == Some(OPS)).collect();
    let methods: Vec<_> = seen.iter().map(|seen| seen.method.as_str()).collect();
    let news_first =
        ["sendMessage", "pinChatMessage", "sendMessage", "pinChatMessage", "pinChatMessage"];
    assert_eq!(methods, news_first);
    assert!(seen[2].at_ms - seen[1].at_ms >= 6000);
    assert!(stage.sandbox.messages(OPS).iter().all(|shown| shown.pinned));
}

#[tokio::test]
async fn a_critical_cards_pin_waits_for_the_news_of_every_other_group() {
    let sandbox = sandbox(Limits::Real);
    let chats = "  ops: {id: -1001234567890, pin: critical}";
    let stage = Stage::with(sandbox.clone(), configuration(&sandbox, chats, "")).await;
    stage.post("ops", &webhook("One", &["a"])).await;
    stage.drained().await;
    // Should its turn come before the news are there, it has another one behind them.
    let early = Fault::new(Trouble::too_many_requests(Some(6))).method("pinChatMessage");
    sandbox.inject(early);
    // The third of the messages that a quiet chat gets at once; its pin must wait.
    stage.post("ops", &webhook("Two", &["a"])).await;
    stage.shows_text(OPS, "Two").await;
    for severity in ["warning", "info"] {
        stage.post("ops", &of_severity(severity, severity)).await;
    }
    sandbox.clear_faults();
    stage.drained().await;
    let done = sandbox.requests().into_iter().filter(|seen| seen.status == Some(200));
    let methods: Vec<_> = done.map(|seen| seen.method).filter(|method| method != "getMe").collect();
    let after_two = &methods[3..];
    assert_eq!(after_two, ["sendMessage", "sendMessage", "pinChatMessage"]);
}

#[tokio::test]
async fn quiet_hours_and_silent_severities_take_the_sound_away() {
    let always = "quiet_hours: [{from: \"00:00\", to: \"24:00\"}]";
    let stage = with(always).await;
    for severity in ["critical", "warning", "info", "page"] {
        stage.post("ops", &of_severity(severity, severity)).await;
        stage.drained().await;
    }
    let silent = |stage: &Stage| -> Vec<bool> {
        stage.sandbox.messages(OPS).iter().map(|shown| shown.silent).collect()
    };
    assert_eq!(silent(&stage), [false, true, true, false]);

    let stage = with("silent: {severities: [info], kinds: [reminder]}").await;
    stage.post("ops", &of_severity("info", "Quiet")).await;
    stage.post("ops", &of_severity("warning", "Loud")).await;
    stage.drained().await;
    let mut repeat = of_severity("warning", "Loud");
    repeat["notification_reason"] = "repeat interval elapsed".into();
    stage.post("ops", &repeat).await;
    stage.drained().await;
    let mut ended = of_severity("warning", "Loud");
    ended["status"] = "resolved".into();
    ended["alerts"][0]["status"] = "resolved".into();
    ended["alerts"][0]["endsAt"] = "2026-01-31T12:05:00Z".into();
    stage.post("ops", &ended).await;
    stage.drained().await;
    let shown = stage.sandbox.messages(OPS);
    let silent = |text: &str, reply: bool| {
        let of: Vec<_> = shown
            .iter()
            .filter(|shown| shown.text.contains(text) && shown.reply_to.is_some() == reply)
            .map(|shown| shown.silent)
            .collect();
        of
    };
    assert_eq!(silent("Quiet", false), [true]);
    assert_eq!(silent("Loud", false), [false]);
    assert_eq!(silent("Loud", true), [true, false], "a reminder is silent, an end is not");
}
