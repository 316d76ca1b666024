//! Many groups at once: few messages, every group in one of them, the worst first.

use nabat::sandbox::{ChatKind, Fault, Limits, Shown, Trouble};
use nabat::telegram::{ChatId, TopicId};
use serde_json::Value;

use super::next_send;
use super::trouble::long;
use crate::support::nabat::client;
use crate::support::stage::{OPS, Stage, a_moment, configuration, sandbox, webhook};

/// A shorter storm than people have, so that its end is seen soon.
const STORM: &str = "delivery: {storm: {threshold: 6s}}";

/// The notification of a group of one alert.
fn group(number: usize, severity: &str, state: &str) -> Value {
    let mut body = webhook(&name(number), &[&format!("{state}db{number}")]);
    body["alerts"][0]["labels"]["severity"] = severity.into();
    body
}

fn name(number: usize) -> String {
    format!("Group{number:03}")
}

async fn post_all(stage: &Stage, numbers: impl IntoIterator<Item = usize>, sign: &str) {
    let numbers = numbers.into_iter();
    let bodies: Vec<Value> = numbers.map(|number| group(number, "warning", sign)).collect();
    post_bodies(stage, &bodies).await;
}

async fn post_bodies(stage: &Stage, bodies: &[Value]) {
    let (http, url) = (client(), format!("{}/alertmanager/ops", stage.nabat.url));
    for bodies in bodies.chunks(50) {
        let sent = bodies.iter().map(|body| http.post(&url).json(body).send());
        for answer in futures_util::future::join_all(sent).await {
            assert_eq!(answer.unwrap().status(), 200);
        }
    }
}

/// The same, and however long it takes to post them, all of them wait before the first is told.
async fn post_before_any_is_told(stage: &Stage, numbers: std::ops::Range<usize>) {
    stage.while_away(post_all(stage, numbers, "")).await;
    stage.go_on_at_once().await;
}

fn names_all(shown: &[Shown], numbers: std::ops::Range<usize>) -> bool {
    numbers.into_iter().all(|number| shown.iter().any(|shown| shown.text.contains(&name(number))))
}

fn digests(shown: &[Shown]) -> Vec<&Shown> {
    shown.iter().filter(|shown| shown.text.starts_with('⛈')).collect()
}

#[tokio::test]
async fn more_groups_than_the_pace_can_tell_soon_share_messages_and_each_is_named() {
    let stage = Stage::open(STORM).await;
    post_before_any_is_told(&stage, 0..150).await;
    let shown = stage.shows(OPS, |shown| names_all(shown, 0..150)).await;
    assert!(shown.len() <= 8, "{} messages", shown.len());
    assert!(!digests(&shown).is_empty());
    // What comes from then on finds the storm, and no trouble of Telegram's.
    stage.says(&["messages get through again"]).await;
    post_all(&stage, 150..300, "").await;
    stage.drained().await;
    assert!(names_all(&stage.sandbox.messages(OPS), 150..300));
    assert_eq!(stage.sandbox.count_429(), 0);
    assert!(stage.metric("digests_total").await >= 1);
    let in_storm = "delivery_latency_seconds_count{class=\"news\",during=\"storm\"}";
    assert!(stage.metric(in_storm).await > 100);
    assert!(stage.entries("dead").await.is_empty());
}

#[tokio::test]
async fn a_few_groups_have_messages_of_their_own() {
    let stage = Stage::open(STORM).await;
    post_all(&stage, 0..3, "").await;
    let shown = stage.shows(OPS, |shown| names_all(shown, 0..3)).await;
    assert_eq!(shown.len(), 3);
    assert_eq!(stage.metric("digests_total").await, 0);
}

#[tokio::test]
async fn ends_change_the_digest_and_the_storm_is_closed_by_a_summary() {
    // Long enough for the ends to come before it is over.
    let stage = Stage::open("delivery: {storm: {threshold: 12s}}").await;
    post_before_any_is_told(&stage, 0..40).await;
    let shown = stage.shows(OPS, |shown| names_all(shown, 0..40)).await;
    stage.drained().await;
    let told_by_digest = |number: usize| {
        let digests = digests(&shown);
        digests.iter().any(|digest| digest.text.contains(&name(number)))
    };
    let ending: Vec<usize> = (0..40).filter(|number| told_by_digest(*number)).collect();
    assert!(ending.len() > 30);
    let before = shown.len();
    let (ends, fires) = ending.split_at(20);
    post_all(&stage, ends.iter().copied(), "-").await;
    let ended = |shown: &[Shown]| {
        ends.iter().all(|number| {
            let line = |line: &str| line.starts_with('✅') && line.contains(&name(*number));
            digests(shown).iter().any(|digest| digest.text.lines().any(line))
        })
    };
    let shown = stage.shows(OPS, ended).await;
    assert!(shown.len() <= before + 1, "nothing but a summary is new: {}", shown.len());

    let over = |shown: &[Shown]| shown.iter().any(|shown| shown.text.starts_with('🌤'));
    let shown = stage.shows(OPS, over).await;
    let summary = shown.iter().find(|shown| shown.text.starts_with('🌤')).unwrap();
    for number in fires {
        assert!(summary.text.contains(&name(*number)), "{}", summary.text);
    }
    for number in ends {
        assert!(!summary.text.contains(&name(*number)), "{}", summary.text);
    }
    assert!(summary.silent);
    assert_eq!(summary.reply_to, digests(&shown).first().map(|digest| digest.id));
    assert_eq!(stage.sandbox.count_429(), 0);
}

#[tokio::test]
async fn a_storm_lasts_from_its_first_alert_on_not_from_its_first_digest() {
    let stage = Stage::open("delivery: {storm: {threshold: 3s}}").await;
    let posting = async {
        post_all(&stage, 0..40, "").await;
        a_moment(1500).await;
    };
    stage.while_away(posting).await;
    stage.go_on_at_once().await;
    let shown = stage.shows_text(OPS, "storm over").await;
    let summary = shown.iter().find(|shown| shown.text.starts_with('🌤')).unwrap();
    assert!(!summary.text.contains("after 0 s"), "{}", summary.text);
}

#[tokio::test]
async fn a_critical_alert_in_a_storm_is_the_next_message_and_its_own() {
    let stage = Stage::open("delivery: {storm: {threshold: 12s}}").await;
    post_before_any_is_told(&stage, 0..400).await;
    stage.shows(OPS, |shown| !digests(shown).is_empty()).await;
    stage.post("ops", &group(999, "critical", "")).await;
    let before = stage.sandbox.messages(OPS);
    assert!(!names_all(&before, 0..400), "the storm goes on");
    let shown = stage.shows_text(OPS, "Group999").await;
    let at = shown.iter().position(|shown| shown.text.contains("Group999")).unwrap();
    // One may have been on its way.
    assert!(at <= before.len() + 1, "{} messages went before it", at - before.len());
    assert!(shown[at].text.starts_with("🔴 CRITICAL · Group999"), "{}", shown[at].text);
    let shown = stage.shows(OPS, |shown| names_all(shown, 0..400)).await;
    assert!(digests(&shown).len() <= 8, "{}", digests(&shown).len());
}

#[tokio::test]
async fn news_of_a_group_in_a_digest_give_it_a_card_of_its_own() {
    let stage = Stage::open(STORM).await;
    post_all(&stage, 0..20, "").await;
    stage.shows(OPS, |shown| names_all(shown, 0..20)).await;
    stage.drained().await;
    let shown = stage.sandbox.messages(OPS);
    let number = (0..20)
        .find(|number| digests(&shown).iter().any(|digest| digest.text.contains(&name(*number))))
        .unwrap();
    stage.post("ops", &webhook(&name(number), &[&format!("db{number}"), "more"])).await;
    let shown = stage
        .shows(OPS, |shown| {
            shown.iter().any(|s| !s.text.starts_with('⛈') && s.text.contains(&name(number)))
        })
        .await;
    let card = shown.last().unwrap();
    assert!(card.text.contains("more") && !card.silent, "{}", card.text);
    // Its end is told there, and the digest's line follows.
    stage.post("ops", &webhook(&name(number), &[&format!("-db{number}"), "-more"])).await;
    let line = |line: &str| line.starts_with('✅') && line.contains(&name(number));
    stage.shows(OPS, |shown| digests(shown).iter().any(|d| d.text.lines().any(line))).await;
}

#[tokio::test]
async fn a_storm_goes_on_after_a_kill_and_still_ends() {
    let mut stage = Stage::open(STORM).await;
    post_all(&stage, 0..120, "").await;
    stage.shows(OPS, |shown| !digests(shown).is_empty()).await;
    stage.nabat.process.kill();
    stage.restart().await;
    stage.shows(OPS, |shown| names_all(shown, 0..120)).await;
    stage.shows(OPS, |shown| shown.iter().any(|shown| shown.text.starts_with('🌤'))).await;
    stage.drained().await;
    assert!(stage.entries("dead").await.is_empty());
}

#[tokio::test]
async fn a_digest_that_telegram_can_not_parse_goes_out_plain() {
    let stage = Stage::open(STORM).await;
    post_all(&stage, 0..3, "").await;
    stage.shows(OPS, |shown| shown.len() == 3).await;
    stage.while_away(post_all(&stage, 3..40, "")).await;
    stage.sandbox.inject(next_send(Trouble::refusal(
        400,
        "Bad Request: can't parse entities: unsupported start tag",
    )));
    stage.go_on_at_once().await;
    stage.shows(OPS, |shown| names_all(shown, 0..40)).await;
    stage.drained().await;
    assert_eq!(stage.metric("plain_fallbacks_total").await, 1);
    assert_eq!(stage.metric("digests_total").await, 1);
}

#[tokio::test]
async fn groups_of_a_digest_that_somebody_deleted_speak_for_themselves() {
    let stage = Stage::open(STORM).await;
    post_all(&stage, 0..20, "").await;
    stage.shows(OPS, |shown| names_all(shown, 0..20)).await;
    stage.drained().await;
    let shown = stage.sandbox.messages(OPS);
    let digest = digests(&shown)[0].clone();
    let number = (0..20).find(|number| digest.text.contains(&name(*number))).unwrap();
    stage.sandbox.delete_message(OPS, digest.id);
    stage.post("ops", &group(number, "warning", "-")).await;
    let end = format!("✅ RESOLVED · {}", name(number));
    stage.shows(OPS, |shown| shown.iter().any(|shown| shown.text.starts_with(&end))).await;
}

#[tokio::test]
async fn an_end_is_told_even_if_telegram_will_not_change_the_digest() {
    let stage = Stage::open(STORM).await;
    post_all(&stage, 0..20, "").await;
    stage.shows(OPS, |shown| names_all(shown, 0..20)).await;
    stage.drained().await;
    let shown = stage.sandbox.messages(OPS);
    let number = (0..20).find(|number| digests(&shown)[0].text.contains(&name(*number))).unwrap();
    let refusal = Trouble::refusal(400, "Bad Request: whatever");
    stage.sandbox.inject(Fault::new(refusal).method("editMessageText").chat(OPS).always());
    stage.post("ops", &group(number, "warning", "-")).await;
    let end = format!("✅ RESOLVED · {}", name(number));
    stage.shows(OPS, |shown| shown.iter().any(|shown| shown.text.starts_with(&end))).await;
    stage.drained().await;
    assert!(stage.entries("dead").await.is_empty());
}

#[tokio::test]
async fn a_429_in_a_storm_stops_the_chat_and_loses_nothing() {
    let stage = Stage::open(STORM).await;
    post_all(&stage, 0..3, "").await;
    stage.shows(OPS, |shown| shown.len() == 3).await;
    stage.sandbox.inject(next_send(Trouble::too_many_requests(Some(2))));
    post_all(&stage, 3..40, "").await;
    stage.shows(OPS, |shown| names_all(shown, 0..40)).await;
    stage.drained().await;
    assert_eq!(stage.metric("telegram_rate_limited_total{chat=\"ops\"}").await, 1);
}

#[tokio::test]
async fn in_a_chat_that_only_edits_a_storm_is_told_in_digests_too() {
    let stage = Stage::open("  updates: edit\ndelivery: {storm: {threshold: 6s}}").await;
    post_before_any_is_told(&stage, 0..60).await;
    let shown = stage.shows(OPS, |shown| names_all(shown, 0..60)).await;
    assert!(shown.len() <= 6, "{} messages", shown.len());
    stage.drained().await;
}

#[tokio::test]
async fn a_chat_can_have_a_threshold_of_its_own() {
    let sandbox = sandbox(Limits::Real);
    let chats = "  ops: {id: -1001234567890, storm: {threshold: 3s}}";
    let text = configuration(&sandbox, chats, "");
    let stage = Stage::with(sandbox, text).await;
    // A few seconds' worth at the pace of a group, which is no storm by default.
    post_before_any_is_told(&stage, 0..10).await;
    stage.shows(OPS, |shown| names_all(shown, 0..10)).await;
    stage.drained().await;
    assert_eq!(stage.metric("digests_total").await, 1);
}

#[tokio::test]
async fn a_chat_that_becomes_a_supergroup_in_a_storm_is_followed_and_every_group_is_named() {
    const OLD: ChatId = ChatId(-4242);
    let sandbox = sandbox(Limits::Real);
    sandbox.add_chat(OLD, ChatKind::Group, "ops");
    let text = configuration(&sandbox, "  ops: {id: -4242}", STORM);
    let mut stage = Stage::with(sandbox, text).await;
    post_all(&stage, 0..150, "").await;
    let told = |shown: &[Shown]| !digests(shown).is_empty();
    let before = stage.shows(OLD, told).await;
    stage.sandbox.migrate_chat(OLD, OPS);
    let named = |shown: &[Shown]| {
        let all: Vec<Shown> = before.iter().chain(shown).cloned().collect();
        names_all(&all, 0..150)
    };
    stage.shows(OPS, named).await;
    stage.drained().await;
    // What the old chat's digests told ends in the new one, where people are.
    let number = (0..150)
        .find(|number| digests(&before).iter().any(|digest| digest.text.contains(&name(*number))))
        .unwrap();
    stage.nabat.process.kill();
    stage.restart().await;
    stage.post("ops", &group(number, "warning", "-")).await;
    let ended = |shown: &[Shown]| {
        shown.iter().any(|s| s.text.starts_with('✅') && s.text.contains(&name(number)))
    };
    stage.shows(OPS, ended).await;
    assert!(stage.entries("dead").await.is_empty());
}

#[tokio::test]
async fn a_kill_between_a_digests_send_and_its_note_repeats_that_digest_and_no_other() {
    let mut stage = Stage::open(STORM).await;
    post_all(&stage, 0..3, "").await;
    stage.shows(OPS, |shown| shown.len() == 3).await;
    stage.drained().await;
    stage.while_away(post_all(&stage, 3..60, "")).await;
    // Telegram takes the digest, and nabat dies before it hears so.
    stage.sandbox.inject(next_send(Trouble::DelayAfter { ms: 60_000 }));
    stage.go_on_at_once().await;
    let shown = stage.shows(OPS, |shown| names_all(shown, 0..60)).await;
    assert_eq!(digests(&shown).len(), 1);
    stage.nabat.process.kill();
    stage.restart().await;
    let cut = stage.metric("ambiguous_sends_total").await;
    assert!(cut >= 1, "every group of the digest may appear twice");
    stage.shows(OPS, |shown| digests(shown).len() == 2).await;
    stage.drained().await;
    let shown = stage.sandbox.messages(OPS);
    for number in 3..60 {
        let times = shown.iter().filter(|shown| shown.text.contains(&name(number))).count();
        assert!(times <= 2, "{} is told {times} times", name(number));
    }
    assert!(stage.entries("dead").await.is_empty());
}

#[tokio::test]
async fn a_group_that_waits_behind_a_half_told_card_in_a_storm_is_told_after_it() {
    let stage = Stage::open("delivery: {storm: {threshold: 3s}}").await;
    // Slowed by a 429, a chat has a storm as soon as two groups wait.
    let slow_down = Trouble::too_many_requests(Some(2));
    stage.sandbox.inject(next_send(slow_down).skip(1));
    let names: Vec<String> = (0..12).map(|number| format!("db{number}x")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut body = long(&names);
    for alert in body["alerts"].as_array_mut().unwrap() {
        alert["labels"]["severity"] = "warning".into();
    }
    stage.post("ops", &body).await;
    stage.shows(OPS, |shown| shown.len() == 1).await;
    post_all(&stage, 0..1, "").await;
    stage.drained().await;
    let shown = stage.sandbox.messages(OPS);
    assert!(names.iter().all(|name| shown.iter().any(|shown| shown.text.contains(name))));
    assert!(names_all(&shown, 0..1), "{shown:?}");
}

#[tokio::test]
async fn a_critical_alert_does_not_wait_for_what_other_topics_have_to_say() {
    const TOPICS: usize = 8;
    let sandbox = sandbox(Limits::Real);
    sandbox.add_chat(OPS, ChatKind::Supergroup { forum: true }, "ops");
    let topics: Vec<String> = (0..TOPICS)
        .map(|number| {
            let id = 20 + i32::try_from(number).unwrap();
            sandbox.add_topic(OPS, TopicId(id), &format!("team {number}"));
            format!("t{number}: {id}")
        })
        .collect();
    let topic = format!("{{by: team, map: {{{}}}}}", topics.join(", "));
    let chats = format!("  ops: {{id: -1001234567890, topic: {topic}, storm: {{threshold: 1h}}}}");
    let text = configuration(&sandbox, &chats, "");
    let stage = Stage::with(sandbox, text).await;
    let in_topic = |number: usize, severity: &str, topic: usize| {
        let mut body = group(number, severity, "");
        let team = format!("t{topic}");
        body["alerts"][0]["labels"]["team"] = team.clone().into();
        body["commonLabels"]["team"] = team.into();
        body
    };
    // The pace has enough to do for a minute and a half.
    for number in 0..4 * (TOPICS - 1) {
        stage.post("ops", &in_topic(number, "warning", number % (TOPICS - 1))).await;
    }
    let told = stage.shows(OPS, |shown| shown.len() >= 4).await.len();
    stage.post("ops", &in_topic(999, "critical", TOPICS - 1)).await;
    let shown = stage.shows_text(OPS, "Group999").await;
    let before = shown.iter().position(|shown| shown.text.contains("Group999")).unwrap();
    // One may have had its turn by then, and one been on its way.
    assert!(before <= told + 2, "{} messages went before it", before - told);
    assert_eq!(stage.sandbox.count_429(), 0);
}

#[tokio::test]
async fn what_a_later_digest_tells_of_is_marked_in_the_former() {
    let stage = Stage::open(STORM).await;
    post_before_any_is_told(&stage, 0..40).await;
    stage.shows(OPS, |shown| names_all(shown, 0..40)).await;
    stage.drained().await;
    let told = |shown: &[Shown]| {
        let first = digests(shown)[0].text.clone();
        (0..40).filter(|number| first.contains(&name(*number))).collect::<Vec<usize>>()
    };
    let again = told(&stage.sandbox.messages(OPS));
    assert!(again.len() > 30);
    // One alert more in each: too much again to say it group by group.
    let bodies: Vec<Value> = again
        .iter()
        .map(|number| webhook(&name(*number), &[&format!("db{number}"), "more"]))
        .collect();
    stage.while_away(post_bodies(&stage, &bodies)).await;
    stage.go_on_at_once().await;
    stage.shows(OPS, |shown| digests(shown).len() >= 2).await;
    stage.drained().await;
    let shown = stage.sandbox.messages(OPS);
    let (first, later) = (digests(&shown)[0], &digests(&shown)[1..]);
    let mut moved = 0;
    for number in again {
        let of = |line: &&str| line.contains(&name(number));
        if later.iter().any(|digest| digest.text.contains(&name(number))) {
            let line = first.text.lines().find(of).unwrap();
            assert!(line.starts_with('↪'), "{line}");
            moved += 1;
        }
    }
    assert!(moved > 20, "{moved}");
    assert_eq!(stage.sandbox.count_429(), 0);
}

#[tokio::test]
async fn a_storm_that_is_spread_over_topics_is_one_all_the_same() {
    const TOPICS: usize = 5;
    let sandbox = sandbox(Limits::Real);
    sandbox.add_chat(OPS, ChatKind::Supergroup { forum: true }, "ops");
    for topic in 0..TOPICS {
        sandbox.add_topic(OPS, TopicId(20 + i32::try_from(topic).unwrap()), "a team");
    }
    let chats = "  ops: {id: -1001234567890, topic: \
                 {by: team, map: {t0: 20, t1: 21, t2: 22, t3: 23, t4: 24}}}";
    let text = configuration(&sandbox, chats, "");
    let stage = Stage::with(sandbox, text).await;
    // Ten in each: half a minute of the pace's, times five.
    let in_topic = |number: usize| {
        let mut body = group(number, "warning", "");
        let team = format!("t{}", number % TOPICS);
        body["alerts"][0]["labels"]["team"] = team.clone().into();
        body["commonLabels"]["team"] = team.into();
        body
    };
    let bodies: Vec<Value> = (0..10 * TOPICS).map(in_topic).collect();
    stage.while_away(post_bodies(&stage, &bodies)).await;
    stage.go_on_at_once().await;
    stage.shows(OPS, |shown| !digests(shown).is_empty()).await;
    let shown = stage.shows(OPS, |shown| names_all(shown, 0..10 * TOPICS)).await;
    assert!(shown.len() <= 15, "{} messages", shown.len());
    assert!(!digests(&shown).is_empty());
}
