//! Grafana's pictures beneath alerts, and big groups as tables: more than text, never instead of
//! an alert.

use nabat::sandbox::{Block, Fault, Limits, Shown, Trouble};
use nabat::telegram::TopicId;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::eventually;
use crate::support::stage::{BOSS, CHATS, OPS, Stage, configuration, sandbox, webhook};
use crate::support::tiny::{Tiny, response};

/// The head of a WebP file, which is text by chance.
const PICTURE: &str = "RIFF\0\0\0\0WEBPVP8 ";

/// Grafana's webhook with these pictures, one an alert.
fn grafana(pictures: &[&str]) -> Value {
    let names: Vec<String> = (0..pictures.len()).map(|number| format!("panel{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut body = webhook("DiskFull", &names);
    body["orgId"] = json!(1);
    for (alert, picture) in body["alerts"].as_array_mut().unwrap().iter_mut().zip(pictures) {
        alert["imageURL"] = json!(picture);
    }
    body
}

fn photos(shown: &[Shown]) -> Vec<&Shown> {
    shown.iter().filter(|shown| shown.photo.is_some()).collect()
}

fn image(body: &str) -> String {
    response("200 OK", "content-type: image/webp\r\n", body)
}

#[tokio::test]
async fn a_picture_follows_the_text_quietly_into_its_topic() {
    let grafana_server = Tiny::start(|_| image(PICTURE)).await;
    let sandbox = sandbox(Limits::Real);
    sandbox.add_chat(OPS, nabat::sandbox::ChatKind::Supergroup { forum: true }, "ops");
    sandbox.add_topic(OPS, TopicId(7), "alerts");
    let text = configuration(
        &sandbox,
        "  ops: {id: -1001234567890, topic: 7}",
        &format!("images: {{allow: ['{}']}}", grafana_server.address),
    );
    let stage = Stage::with(sandbox, text).await;
    let picture = format!("http://{}/a.webp", grafana_server.address);
    stage.post("ops", &grafana(&[&picture, &picture])).await;
    let shown = stage.shows(OPS, |shown| !photos(shown).is_empty()).await;
    let [card, photo] = &shown[..] else { panic!("the same picture is shown once") };
    assert!(card.text.contains("DiskFull") && card.photo.is_none(), "the text goes first");
    assert_eq!(photo.photo.as_ref().unwrap().content, PICTURE);
    assert_eq!((photo.topic, photo.reply_to), (Some(TopicId(7)), Some(card.id)));
    assert!(photo.silent);
    eventually("it is counted", async || stage.metric("images_total{outcome=\"sent\"}").await == 1)
        .await;
    assert_eq!(grafana_server.asked().len(), 1);
}

#[tokio::test]
async fn only_allowed_hosts_are_asked_whatever_an_alert_or_a_redirect_names() {
    let inside = Tiny::start(|_| image(PICTURE)).await;
    let away = format!("location: http://{}/secret\r\n", inside.address);
    let allowed = Tiny::start(move |line| match line {
        line if line.contains("/away") => response("302 Found", &away, ""),
        line if line.contains("/file") => {
            response("302 Found", "location: file:///etc/passwd\r\n", "")
        }
        _ => response("302 Found", "location: /again\r\n", ""),
    })
    .await;
    let stage = Stage::open(&format!("images: {{allow: ['{}']}}", allowed.address)).await;
    let of = |path: &str| format!("http://{}{path}", allowed.address);
    let direct = format!("http://{}/x", inside.address);
    stage.post("ops", &grafana(&[&direct, "file:///etc/passwd", &of("/away")])).await;
    stage.shows_text(OPS, "DiskFull").await;
    let outcome =
        async |outcome: &str| stage.metric(&format!("images_total{{outcome=\"{outcome}\"}}")).await;
    eventually("three refused", async || outcome("not_allowed").await == 3).await;

    let mut other = grafana(&[&of("/file"), &of("/round")]);
    other["groupKey"] = json!("another");
    stage.post("ops", &other).await;
    eventually("a file", async || outcome("not_allowed").await == 4).await;
    eventually("a circle", async || outcome("unreachable").await == 1).await;
    assert_eq!(inside.asked(), Vec::<String>::new(), "nobody asked the other host");
    assert!(photos(&stage.sandbox.messages(OPS)).is_empty());
}

#[tokio::test]
async fn what_is_no_fitting_picture_is_left_out_and_the_text_stands() {
    let server = Tiny::start(|line| match line {
        line if line.contains("/large") => image(&format!("{PICTURE}{}", "x".repeat(2000))),
        line if line.contains("/page") => {
            response("200 OK", "content-type: text/html\r\n", "<html>log in</html>")
        }
        _ => image("<svg>a script in disguise</svg>"),
    })
    .await;
    let options = format!("images: {{allow: ['{}'], max_bytes: 1KiB}}", server.address);
    let stage = Stage::open(&options).await;
    let of = |path: &str| format!("http://{}{path}", server.address);
    stage.post("ops", &grafana(&[&of("/large"), &of("/page"), &of("/svg")])).await;
    stage.shows_text(OPS, "DiskFull").await;
    eventually("all three are counted", async || {
        stage.metric("images_total{outcome=\"unfit\"}").await == 3
    })
    .await;
    assert_eq!(stage.sandbox.messages(OPS).len(), 1);
}

#[tokio::test]
async fn a_server_that_never_answers_holds_up_no_alert() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let stage = Stage::open(&format!("images: {{allow: ['{address}'], timeout: 1h}}")).await;
    stage.post("ops", &grafana(&[&format!("http://{address}/x.png")])).await;
    stage.post("ops", &webhook("NetDown", &["sw1"])).await;
    stage.shows_text(OPS, "DiskFull").await;
    stage.shows_text(OPS, "NetDown").await;
}

#[tokio::test]
async fn a_429_of_a_picture_stops_the_chat_once_and_the_pictures_for_longer() {
    let server = Tiny::start(|_| image(PICTURE)).await;
    let stage = Stage::open(&format!("images: {{allow: ['{}']}}", server.address)).await;
    let limited = Fault::new(Trouble::too_many_requests(Some(2))).method("sendPhoto");
    stage.sandbox.inject(limited);
    stage.post("ops", &grafana(&[&format!("http://{}/a.webp", server.address)])).await;
    let outcome =
        async |outcome: &str| stage.metric(&format!("images_total{{outcome=\"{outcome}\"}}")).await;
    eventually("it is dropped", async || outcome("dropped").await == 1).await;
    stage.post("ops", &webhook("NetDown", &["sw1"])).await;
    stage.shows_text(OPS, "NetDown").await;
    let sent = stage.requests(OPS);
    assert_eq!(sent.len(), 3, "the text, the picture, the other text");
    assert!(sent[2].0 - sent[1].0 >= 2000, "{sent:?}");
    assert_eq!(stage.metric("telegram_rate_limited_total{chat=\"ops\"}").await, 1);
    assert!(photos(&stage.sandbox.messages(OPS)).is_empty());
}

#[tokio::test]
async fn a_picture_for_a_person_leaves_the_next_text_its_slot() {
    let server = Tiny::start(|_| image(PICTURE)).await;
    let stage = Stage::open(&format!("images: {{allow: ['{}']}}", server.address)).await;
    stage.post("boss", &grafana(&[&format!("http://{}/a.webp", server.address)])).await;
    stage.shows(BOSS, |shown| !photos(shown).is_empty()).await;
    stage.post("boss", &webhook("NetDown", &["sw1"])).await;
    stage.shows_text(BOSS, "NetDown").await;
    stage.drained().await;
    assert_eq!(stage.requests(BOSS).len(), 3);
    let paced = "delivery_latency_seconds_count{class=\"news\",during=\"pace\"}";
    assert_eq!(stage.metric(paced).await, 0, "the text waits for the picture");
    assert_eq!(stage.sandbox.count_429(), 0);
}

/// A chat that takes tables.
async fn rich() -> Stage {
    let sandbox = sandbox(Limits::Real);
    let text = configuration(&sandbox, &CHATS.replace("}\n", ", rich: true}\n"), "");
    Stage::with(sandbox, text).await
}

const SEVEN: [&str; 7] = ["db1", "db2", "db3", "db4", "db5", "db6", "<b>&7"];

#[tokio::test]
async fn a_big_group_is_a_table_that_is_edited_and_becomes_text_when_it_shrinks() {
    let stage = rich().await;
    stage.post("ops", &webhook("DiskFull", &SEVEN)).await;
    let card = stage.shows_text(OPS, "DiskFull").await.remove(0);
    let table = |shown: &Shown| -> Vec<Vec<String>> {
        let blocks = shown.rich.iter().flatten();
        let tables = blocks.filter_map(|block| match block {
            Block::Table(rows) => Some(rows),
            _ => None,
        });
        tables
            .flatten()
            .map(|row| row.iter().map(|cell| cell.text.text.clone()).collect())
            .collect()
    };
    let rows = table(&card);
    assert_eq!(rows[0][1], "instance");
    assert_eq!(rows.len(), 8, "{rows:?}");
    assert!(rows.iter().any(|row| row[0] == "🔴" && row[1] == "<b>&7"), "{rows:?}");

    stage
        .post("ops", &webhook("DiskFull", &["db1", "db2", "db3", "db4", "db5", "db6", "-<b>&7"]))
        .await;
    let shown = stage.shows(OPS, |shown| shown[0].edits == 1).await;
    assert!(table(&shown[0]).iter().any(|row| row[0] == "✅" && row[1] == "<b>&7"));
    assert_eq!(shown.len(), 1, "an end of some is shown in the card");

    // A group that small is lines of text, as for every chat.
    stage.post("ops", &webhook("NetDown", &["sw1"])).await;
    let shown = stage.shows_text(OPS, "NetDown").await;
    assert_eq!(shown.last().unwrap().rich, None);
}

#[tokio::test]
async fn a_server_without_tables_gets_text_and_is_not_asked_again_for_a_while() {
    let stage = rich().await;
    let unknown = Trouble::refusal(404, "Not Found");
    stage.sandbox.inject(Fault::new(unknown).method("sendRichMessage").always());
    for group in ["DiskFull", "NetDown"] {
        stage.post("ops", &webhook(group, &SEVEN)).await;
        let shown = stage.shows_text(OPS, group).await;
        let text = shown.last().unwrap();
        assert_eq!(text.rich, None);
        assert!(text.text.contains("db1"), "{}", text.text);
    }
    let tried =
        stage.sandbox.requests().iter().filter(|seen| seen.method == "sendRichMessage").count();
    assert_eq!(tried, 1);
    assert_eq!(stage.metric("table_fallbacks_total").await, 1);
}

#[tokio::test]
async fn a_table_that_is_refused_takes_the_tables_from_no_other_group() {
    let stage = rich().await;
    let refusal = Trouble::refusal(400, "Bad Request: RICH_MESSAGE_CONTENT_REQUIRED");
    stage.sandbox.inject(Fault::new(refusal).method("sendRichMessage"));
    stage.post("ops", &webhook("DiskFull", &SEVEN)).await;
    let shown = stage.shows_text(OPS, "DiskFull").await;
    assert_eq!(shown.last().unwrap().rich, None);
    stage.post("ops", &webhook("NetDown", &SEVEN)).await;
    let shown = stage.shows_text(OPS, "NetDown").await;
    assert!(shown.last().unwrap().rich.is_some());
    assert_eq!(stage.metric("table_fallbacks_total").await, 1);
}
