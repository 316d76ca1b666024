//! Answers that are errors, answers that are none, messages that are gone.

use nabat::sandbox::{ChatKind, Fault, Limits, Trouble};
use nabat::telegram::ChatId;
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use super::next_send;
use crate::support::eventually;
use crate::support::nabat::client;
use crate::support::stage::{BOSS, CHATS, OPS, Stage, a_moment, configuration, sandbox, webhook};

#[tokio::test]
async fn a_server_error_an_html_page_and_a_cut_connection_are_retried() {
    let stage = Stage::open("").await;
    for trouble in [Trouble::internal_server_error(), Trouble::bad_gateway(), Trouble::DropBefore] {
        stage.sandbox.inject(next_send(trouble));
    }
    stage.post("ops", &webhook("DiskFull", &["db1"])).await;
    let shown = stage.shows_text(OPS, "DiskFull").await;
    assert_eq!(shown.len(), 1);
    let answers: Vec<_> = stage.requests(OPS).into_iter().map(|(_, status)| status).collect();
    assert_eq!(answers, [Some(500), Some(502), None, Some(200)]);
    stage.drained().await;
    assert_eq!(stage.metric("ambiguous_sends_total").await, 1, "the cut one may have arrived");
    let late = |during: &str| {
        format!("delivery_latency_seconds_count{{class=\"news\",during=\"{during}\"}}")
    };
    assert_eq!(stage.metric(&late("trouble")).await, 1, "Telegram's delay is not nabat's");
    stage.post("ops", &webhook("NetDown", &["sw1"])).await;
    stage.shows_text(OPS, "NetDown").await;
    stage.drained().await;
    // The tries before have used up the burst: it may have had to wait for the pace.
    let fair = stage.metric(&late("calm")).await + stage.metric(&late("pace")).await;
    assert_eq!(fair, 1);
}

#[tokio::test]
async fn alerts_that_came_and_went_while_telegram_was_away_are_all_counted_in_what_is_told_then() {
    let stage = Stage::open("").await;
    stage.sandbox.inject(Fault::new(Trouble::bad_gateway()).always());
    let mut ended = 0;
    // Nothing is let go of while it is being told, so it is not known how many it takes.
    while stage.entries("waiting").await.iter().all(|entry| entry["forgotten"].is_null()) {
        let jobs = (ended..ended + 200).map(|number| format!("-job{number}"));
        let names: Vec<String> = jobs.chain(["steady".to_owned()]).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        stage.post("ops", &webhook("JobFailed", &names)).await;
        ended += 200;
        assert!(ended <= 20_000, "it keeps all of them");
    }
    stage.sandbox.clear_faults();
    stage.go_on_at_once().await;
    let shown = stage.shows_text(OPS, "JobFailed").await;
    assert_eq!(shown.len(), 1);
    let counted = format!("1 firing, {ended} resolved");
    assert!(shown[0].text.contains(&counted), "{counted}: {}", shown[0].text);
}

#[tokio::test]
async fn a_send_whose_answer_was_cut_is_counted_and_sent_again() {
    let stage = Stage::open("").await;
    stage.sandbox.inject(next_send(Trouble::DropAfter));
    stage.post("ops", &webhook("DiskFull", &["db1"])).await;
    let shown = stage.shows(OPS, |shown| shown.len() == 2).await;
    assert_eq!(shown[0].text, shown[1].text, "at least once");
    stage.drained().await;
    assert_eq!(stage.metric("ambiguous_sends_total").await, 1);
    stage.post("ops", &webhook("DiskFull", &["-db1"])).await;
    stage.shows(OPS, |shown| shown.last().is_some_and(|last| last.silent)).await;
    let ended = stage.sandbox.messages(OPS).pop().unwrap();
    assert_eq!(ended.reply_to, Some(shown[1].id), "the card is the one that was confirmed");
}

#[tokio::test]
async fn a_success_that_does_not_read_is_ambiguous() {
    let stage = Stage::open("").await;
    let torn = Trouble::AnswerAfter { status: 200, body: "{\"ok\":true,\"resu".into() };
    stage.sandbox.inject(next_send(torn));
    stage.post("ops", &webhook("DiskFull", &["db1"])).await;
    stage.shows(OPS, |shown| shown.len() == 2).await;
    assert_eq!(stage.metric("ambiguous_sends_total").await, 1);
}

#[tokio::test]
async fn text_that_telegram_cannot_parse_goes_out_plain_at_once() {
    let stage = Stage::open("").await;
    let refusal = "Bad Request: can't parse entities: Unsupported start tag \"x\"";
    stage.sandbox.inject(next_send(Trouble::refusal(400, refusal)));
    stage.post("ops", &webhook("DiskFull", &["db1"])).await;
    let shown = stage.shows_text(OPS, "db1 of DiskFull").await;
    assert!(shown[0].entities.is_empty(), "plain: {:?}", shown[0].entities);
    let requests = stage.requests(OPS);
    assert_eq!(requests.len(), 2);
    assert!(requests[1].0 - requests[0].0 < 1500, "at once: {requests:?}");
    assert_eq!(stage.metric("plain_fallbacks_total").await, 1);
    stage.says(&["Telegram refused the formatting", "Unsupported start tag"]).await;
}

#[tokio::test]
async fn text_refused_in_every_form_is_a_dead_letter_that_says_why() {
    let stage = Stage::open("").await;
    let refusal = Trouble::refusal(400, "Bad Request: a wording of tomorrow");
    stage.sandbox.inject(next_send(refusal).times(3));
    stage.post("ops", &webhook("DiskFull", &["db1"])).await;
    stage.post("boss", &webhook("Other", &["db1"])).await;
    stage.shows_text(BOSS, "Other").await;
    eventually("a dead letter", async || !stage.entries("dead").await.is_empty()).await;
    let dead = &stage.entries("dead").await[0];
    assert_eq!(dead["reason"], "refused");
    assert!(dead["last_error"].as_str().unwrap().contains("a wording of tomorrow"), "{dead}");
    let deaths = stage.metric("dead_letters_total{chat=\"ops\",reason=\"refused\"}").await;
    assert_eq!(deaths, 1);
}

#[tokio::test]
async fn an_entry_that_the_disk_garbled_is_a_counted_dead_letter_and_the_others_are_shown() {
    let mut stage = Stage::open("").await;
    let failure = Trouble::internal_server_error();
    stage.sandbox.inject(next_send(failure).always());
    stage.post("ops", &webhook("Torn", &["db1"])).await;
    stage.post("ops", &webhook("Whole", &["db1"])).await;
    assert_eq!(stage.stop().await, Some(0));
    let file = rusqlite::Connection::open(stage.directory.path().join("data/outbox.sqlite3"));
    let torn = "UPDATE entries SET body = x'7b' WHERE id = 1 AND state = 0";
    assert_eq!(file.unwrap().execute(torn, []), Ok(1));
    stage.sandbox.clear_faults();
    stage.restart().await;
    stage.shows_text(OPS, "Whole").await;
    let died = "dead_letters_total{chat=\"ops\",reason=\"poisonous\"}";
    assert_eq!(stage.metric(died).await, 1);
    assert_eq!(stage.entries("dead").await.len(), 1);
}

#[tokio::test]
async fn a_message_that_is_too_long_is_split_smaller() {
    // No limits, or the parts would come three seconds apart.
    let sandbox = sandbox(Limits::None);
    let stage = Stage::with(sandbox.clone(), configuration(&sandbox, CHATS, "")).await;
    let refusal = Trouble::refusal(400, "Bad Request: message is too long");
    stage.sandbox.inject(next_send(refusal));
    let names: Vec<String> = (0..12).map(|number| format!("db{number}x")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut body = webhook("DiskFull", &names);
    for alert in body["alerts"].as_array_mut().unwrap() {
        let summary = format!("{} {}", alert["labels"]["instance"], "long ".repeat(50));
        alert["annotations"] = json!({"summary": summary});
    }
    stage.post("ops", &body).await;
    stage.drained().await;
    let shown = stage.sandbox.messages(OPS);
    assert!(shown.len() >= 2, "{shown:?}");
    assert!(shown.iter().all(|shown| shown.text.chars().count() <= 2048));
    for name in names {
        assert!(shown.iter().any(|shown| shown.text.contains(name)), "{name} is shown");
    }
    assert_eq!(shown.iter().filter(|shown| !shown.silent).count(), 1, "one sound");
}

#[tokio::test]
async fn what_is_too_long_however_small_it_is_split_is_one_line() {
    let sandbox = sandbox(Limits::None);
    let stage = Stage::with(sandbox.clone(), configuration(&sandbox, CHATS, "")).await;
    let refusal = Trouble::refusal(400, "Bad Request: message is too long");
    stage.sandbox.inject(next_send(refusal).times(4));
    let names: Vec<String> = (0..12).map(|number| format!("db{number}x")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    stage.post("ops", &long(&names)).await;
    stage.drained().await;
    let shown = stage.sandbox.messages(OPS);
    assert_eq!(shown.len(), 1, "{shown:?}");
    assert!(shown[0].text.ends_with("FIRING 12 · DiskFull"), "{}", shown[0].text);
    // What is new about it is worth all forms again.
    stage.post("ops", &webhook("DiskFull", &["db0x", "db1x"])).await;
    stage.shows(OPS, |shown| shown[0].text.contains("db0x of DiskFull")).await;
}

#[tokio::test]
async fn of_a_card_whose_part_was_deleted_nothing_stale_stays() {
    let sandbox = sandbox(Limits::None);
    let text = configuration(&sandbox, CHATS, "  updates: edit");
    let stage = Stage::with(sandbox, text).await;
    let names: Vec<String> = (0..20).map(|number| format!("db{number}x")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    stage.post("ops", &long(&names)).await;
    stage.drained().await;
    let parts = stage.sandbox.messages(OPS);
    assert!(parts.len() >= 2, "{}", parts.len());
    stage.sandbox.delete_message(OPS, parts[1].id);
    stage.post("ops", &long(&names[..19])).await;
    stage.drained().await;
    let shown = stage.sandbox.messages(OPS);
    assert!(shown.iter().all(|shown| parts.iter().all(|part| part.id != shown.id)), "{shown:?}");
    let told = shown.iter().filter(|shown| shown.text.contains("db3x")).count();
    assert_eq!(told, 1);
}

#[tokio::test]
async fn a_deleted_card_is_replaced_and_news_come_without_their_reply() {
    let stage = Stage::open("").await;
    stage.post("boss", &webhook("DiskFull", &["db1"])).await;
    let card = stage.shows_text(BOSS, "db1").await.remove(0);
    stage.drained().await;
    stage.sandbox.delete_message(BOSS, card.id);
    stage.post("boss", &webhook("DiskFull", &["db1", "db2"])).await;
    stage.drained().await;
    let shown = stage.sandbox.messages(BOSS);
    assert_eq!(shown.len(), 2, "{shown:?}");
    let (news, card) = (&shown[0], &shown[1]);
    assert!(news.text.contains("db2") && news.reply_to.is_none() && !news.silent, "{news:?}");
    assert!(card.text.contains("db1") && card.text.contains("db2") && card.silent, "{card:?}");
    stage.post("boss", &webhook("DiskFull", &["-db1", "-db2"])).await;
    stage.drained().await;
    let shown = stage.sandbox.messages(BOSS);
    assert_eq!(shown[2].reply_to, Some(card.id), "the new card is the card now");
    assert_eq!(shown[1].edits, 1);
}

/// A body that fills several messages.
pub(super) fn long(names: &[&str]) -> Value {
    let mut body = webhook("DiskFull", names);
    for alert in body["alerts"].as_array_mut().unwrap() {
        let summary = format!("{} {}", alert["labels"]["instance"], "long ".repeat(30));
        let description = format!("of {} {}", alert["labels"]["instance"], "long ".repeat(90));
        alert["annotations"] = json!({"summary": summary, "description": description});
    }
    body
}

#[tokio::test]
async fn a_part_that_is_too_old_to_be_deleted_says_that_it_counts_no_longer() {
    let sandbox = sandbox(Limits::None);
    let text = configuration(&sandbox, CHATS, "  updates: edit");
    let stage = Stage::with(sandbox, text).await;
    let names: Vec<String> = (0..12).map(|number| format!("db{number}x")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    stage.post("ops", &long(&names)).await;
    stage.drained().await;
    let parts = stage.sandbox.messages(OPS).len();
    assert!(parts >= 2, "{parts}");
    let refusal = Trouble::refusal(400, "Bad Request: message can't be deleted for everyone");
    stage.sandbox.inject(Fault::new(refusal).method("deleteMessage").always());
    let ended: Vec<String> = names.iter().map(|name| format!("-{name}")).collect();
    let ended: Vec<&str> = ended.iter().map(String::as_str).collect();
    stage.post("ops", &webhook("DiskFull", &ended)).await;
    stage.drained().await;
    let shown = stage.sandbox.messages(OPS);
    assert_eq!(shown.len(), parts);
    for left_over in &shown[1..] {
        assert!(!left_over.text.contains("long"), "stale: {}", left_over.text);
        assert!(left_over.text.contains("superseded"), "{}", left_over.text);
    }
}

const FRESH: &str = "700000001:FRESH-FRESH-FRESH-FRESH-FRESH-00000";

/// A stage whose token is in a file of its own.
async fn with_token_file() -> (Stage, NamedTempFile) {
    let sandbox = sandbox(Limits::Real);
    let file = NamedTempFile::new().unwrap();
    std::fs::write(&file, sandbox.token()).unwrap();
    let at = format!("{{file: {}}}", file.path().display());
    let text = configuration(&sandbox, CHATS, "").replace("{env: TEST_BOT_TOKEN}", &at);
    let stage = Stage::with(sandbox, text).await;
    stage.post("ops", &webhook("DiskFull", &["db1"])).await;
    stage.shows_text(OPS, "DiskFull").await;
    (stage, file)
}

async fn unauthorized(stage: &Stage) -> u64 {
    let series = "telegram_requests_total{method=\"sendMessage\",outcome=\"unauthorized\"}";
    stage.metric(series).await
}

#[tokio::test]
async fn a_rotated_token_is_in_use_at_once_after_a_401() {
    let (stage, file) = with_token_file().await;
    std::fs::write(&file, FRESH).unwrap();
    stage.sandbox.set_token(FRESH);
    stage.post("boss", &webhook("NetDown", &["sw1"])).await;
    stage.shows_text(BOSS, "NetDown").await;
    assert_eq!(unauthorized(&stage).await, 1);
}

#[tokio::test]
async fn while_the_token_is_refused_nothing_is_lost_and_telegram_is_not_hammered() {
    let (stage, file) = with_token_file().await;
    stage.sandbox.set_token(FRESH);
    stage.post("ops", &webhook("NetDown", &["sw1"])).await;
    eventually("a 401", async || unauthorized(&stage).await > 0).await;
    stage.post("boss", &webhook("Power", &["ups"])).await;
    a_moment(1500).await;
    assert_eq!(unauthorized(&stage).await, 1, "the whole bot is paused");
    assert_eq!(stage.entries("waiting").await.len(), 2, "everything is kept");

    std::fs::write(&file, FRESH).unwrap();
    stage.nabat.process.signal("HUP");
    stage.shows_text(OPS, "NetDown").await;
    stage.shows_text(BOSS, "Power").await;
    assert_eq!(unauthorized(&stage).await, 1);
}

#[tokio::test]
async fn what_waited_for_a_token_goes_where_the_chat_is_by_then() {
    const NEW: ChatId = ChatId(-1_001_234_567_899);
    let (mut stage, file) = with_token_file().await;
    stage.sandbox.add_chat(NEW, ChatKind::Supergroup { forum: false }, "new");
    stage.sandbox.set_token(FRESH);
    stage.post("ops", &webhook("NetDown", &["sw1"])).await;
    eventually("a 401", async || unauthorized(&stage).await > 0).await;
    let chats = CHATS.replace(&OPS.to_string(), &NEW.to_string());
    let at = format!("{{file: {}}}", file.path().display());
    let text = configuration(&stage.sandbox, &chats, "").replace("{env: TEST_BOT_TOKEN}", &at);
    stage.rewrite(text);
    stage.go_on_at_once().await;
    std::fs::write(&file, FRESH).unwrap();
    stage.go_on_at_once().await;
    stage.shows_text(NEW, "NetDown").await;
    assert_eq!(stage.sandbox.messages(OPS).len(), 1, "the first one");
}

#[tokio::test]
async fn a_429_does_not_outlast_the_chats_id() {
    const NEW: ChatId = ChatId(-1_001_234_567_899);
    let mut stage = Stage::open("").await;
    stage.sandbox.add_chat(NEW, ChatKind::Supergroup { forum: false }, "new");
    stage.sandbox.inject(next_send(Trouble::too_many_requests(Some(36_000))));
    stage.post("ops", &webhook("NetDown", &["sw1"])).await;
    let limited = async || stage.metric("telegram_rate_limited_total{chat=\"ops\"}").await > 0;
    eventually("a 429", limited).await;
    let chats = CHATS.replace(&OPS.to_string(), &NEW.to_string());
    let text = configuration(&stage.sandbox, &chats, "");
    stage.rewrite(text);
    stage.go_on_at_once().await;
    stage.shows_text(NEW, "NetDown").await;
}

/// Orders a test alert, and returns what it says of the first chat.
async fn test_alert(stage: &Stage, chat: &str, timeout: &str) -> String {
    let order = client()
        .post(format!("{}/api/v1/test-alert?timeout={timeout}", stage.nabat.url))
        .json(&json!({"chat": chat}));
    let said: Value = order.send().await.unwrap().json().await.unwrap();
    said["results"][0]["error"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_test_alert_that_meets_a_rotated_token_waits_for_the_fresh_one() {
    let (stage, file) = with_token_file().await;
    std::fs::write(&file, FRESH).unwrap();
    stage.sandbox.set_token(FRESH);
    assert_eq!(test_alert(&stage, "boss", "20s").await, "", "it is shown");
    assert_eq!(stage.sandbox.messages(BOSS).len(), 1);
    assert_eq!(unauthorized(&stage).await, 1);
}

#[tokio::test]
async fn a_test_alert_says_why_nothing_can_be_sent() {
    let (mut stage, file) = with_token_file().await;
    stage.sandbox.kick(OPS);
    assert!(test_alert(&stage, "ops", "20s").await.contains("kicked"));
    stage.sandbox.set_token(FRESH);
    let said = test_alert(&stage, "boss", "2s").await;
    assert!(said.contains("401"), "{said}");
    let refused = unauthorized(&stage).await;
    assert!(test_alert(&stage, "boss", "2s").await.contains("401"));
    assert_eq!(unauthorized(&stage).await, refused, "so soon nobody has put it right");

    assert_eq!(stage.stop().await, Some(0));
    stage.restart().await;
    let why = async || {
        let waiting = stage.entries("waiting").await;
        let of_boss = waiting.iter().find(|entry| entry["chat"] == "boss").unwrap();
        of_boss["last_error"].as_str().unwrap_or_default().to_owned()
    };
    let known = "no bot token: Telegram refuses it";
    eventually("the list says why", async || why().await.contains(known)).await;
    assert!(test_alert(&stage, "boss", "2s").await.contains(known));
    std::fs::write(&file, FRESH).unwrap();
    stage.nabat.process.signal("HUP");
    stage.shows_text(BOSS, "NabatTestAlert").await;
}
