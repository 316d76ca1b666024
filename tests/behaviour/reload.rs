//! What a reload changes in the running program, and that a faulty one changes nothing.

use nabat::lifecycle::Tasks;
use nabat::sandbox::{ChatKind, Fault, Limits, Sandbox, SandboxOptions, Trouble};
use nabat::telegram::ChatId;
use tempfile::TempDir;

use crate::support::eventually;
use crate::support::nabat::{Nabat, client};
use crate::support::webhook::firing;

const OPS: ChatId = ChatId(-1_001_234_567_890);
const DB: ChatId = ChatId(-1_001_234_567_891);

/// A nabat with a configuration that the test changes.
struct Stage {
    sandbox: Sandbox,
    directory: TempDir,
    nabat: Nabat,
}

impl Stage {
    async fn set(rest: &str) -> Self {
        let options = SandboxOptions { limits: Limits::None, ..SandboxOptions::default() };
        let sandbox = Sandbox::start(options, &Tasks::default()).expect("a free port");
        sandbox.add_chat(OPS, ChatKind::Supergroup { forum: false }, "ops");
        sandbox.add_chat(DB, ChatKind::Supergroup { forum: false }, "db");
        let directory = TempDir::new().unwrap();
        let text = configuration(&sandbox, rest);
        let nabat = Nabat::start(directory.path(), &text, &sandbox).await;
        Self { sandbox, directory, nabat }
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.directory.path().join(name), text).unwrap();
    }

    /// Reloads with another rest of the configuration; the status and the error.
    async fn reload(&self, rest: &str) -> (u16, String) {
        self.write("nabat.yml", &configuration(&self.sandbox, rest));
        let answer = client().post(format!("{}/-/reload", self.nabat.url)).send().await.unwrap();
        let status = answer.status().as_u16();
        let said: serde_json::Value = answer.json().await.unwrap();
        (status, said["error"].as_str().unwrap_or_default().to_owned())
    }

    async fn post(&self, path: &str, name: &str) -> u16 {
        let request = client().post(format!("{}{path}", self.nabat.url)).json(&firing(name));
        request.send().await.unwrap().status().as_u16()
    }

    async fn metric(&self, line: &str) -> bool {
        self.nabat.get("/metrics").await.1.lines().any(|shown| shown == line)
    }

    async fn shown(&self, chat: ChatId, text: &str) {
        eventually(&format!("{text} is shown"), async || {
            self.sandbox.messages(chat).iter().any(|shown| shown.text.contains(text))
        })
        .await;
    }
}

fn configuration(sandbox: &Sandbox, rest: &str) -> String {
    let url = sandbox.url();
    format!("telegram: {{bot_token: {{env: TEST_BOT_TOKEN}}, api_url: {url}}}\n{rest}")
}

fn ops() -> String {
    format!("chats: {{ops: {{id: {OPS}}}}}\nroute: {{chats: [ops]}}\n")
}

#[tokio::test]
async fn a_new_chat_with_a_new_template_speaks_after_the_reload() {
    let stage = Stage::set(&ops()).await;
    assert_eq!(stage.post("/alertmanager/db", "Unknown").await, 404);

    stage.write("brief.hbs", "short and to the point");
    let rest = format!(
        "chats: {{ops: {{id: {OPS}}}, db: {{id: {DB}}}}}\nroute: {{chats: [ops], template: brief}}\n\
         templates: ['*.hbs']\n"
    );
    assert_eq!(stage.reload(&rest).await, (200, String::new()));
    assert!(stage.metric("nabat_outbox_entries{chat=\"db\",state=\"waiting\"} 0").await);
    assert_eq!(stage.post("/alertmanager/db", "Known").await, 200);
    stage.shown(DB, "short and to the point").await;
    assert_eq!(stage.sandbox.messages(OPS), []);
}

#[tokio::test]
async fn a_chats_template_is_used_where_the_route_names_none() {
    let stage = Stage::set(&ops()).await;
    stage.write("calm.hbs", "calm: {{name}} {{nothingOfTheKind}}");
    stage.write("loud.hbs", "LOUD: {{name}}");
    let rest = format!(
        "chats: {{ops: {{id: {OPS}, template: calm}}, db: {{id: {DB}}}}}\n\
         route:\n  chats: [ops, db]\n  routes:\n    \
         - {{matchers: ['alertname=\"Fire\"'], template: loud}}\n\
         templates: ['*.hbs']\n"
    );
    // A name that is nowhere in the data is only warned of here; `nabat check` refuses it.
    assert_eq!(stage.reload(&rest).await, (200, String::new()));
    assert_eq!(stage.post("/alertmanager", "Smoke").await, 200);
    assert_eq!(stage.post("/alertmanager", "Fire").await, 200);
    stage.shown(OPS, "calm: Smoke").await;
    stage.shown(OPS, "LOUD: Fire").await;
    // The built-in template says since when.
    stage.shown(DB, "since ").await;
    assert_eq!(stage.post("/alertmanager/ops", "Direct").await, 200);
    stage.shown(OPS, "calm: Direct").await;
}

#[tokio::test]
async fn a_changed_dedup_window_holds_from_the_reload_on() {
    let rest = |window: &str| {
        format!(
            "chats: {{ops: {{id: {OPS}}}}}\nroute: {{chats: [ops], updates: new}}\n\
             delivery: {{dedup_window: {window}}}\n"
        )
    };
    let stage = Stage::set(&rest("1h")).await;
    for _ in 0..2 {
        assert_eq!(stage.post("/alertmanager", "Twice").await, 200);
        stage.shown(OPS, "Twice").await;
    }
    assert_eq!(stage.sandbox.messages(OPS).len(), 1);
    assert_eq!(stage.reload(&rest("0s")).await.0, 200);
    assert_eq!(stage.post("/alertmanager", "Twice").await, 200);
    let twice = async || stage.sandbox.messages(OPS).len() == 2;
    eventually("it is no duplicate any more", twice).await;
}

#[tokio::test]
async fn a_raised_cap_lets_alerts_in_again() {
    let rest = |cap: u32| format!("{}delivery: {{max_entries: {cap}}}\n", ops());
    let stage = Stage::set(&rest(1)).await;
    stage.sandbox.revoke_token();
    assert_eq!(stage.post("/alertmanager", "First").await, 200);
    assert_eq!(stage.post("/alertmanager", "Second").await, 503);
    assert_eq!(stage.reload(&rest(2)).await.0, 200);
    assert_eq!(stage.post("/alertmanager", "Second").await, 200);
}

#[tokio::test]
async fn a_broken_template_refuses_the_whole_reload_by_name() {
    let stage = Stage::set(&ops()).await;
    stage.write("broken.hbs", "{{#if firing}} and no end");
    let rest = format!(
        "chats: {{ops: {{id: {OPS}}}, db: {{id: {DB}}}}}\nroute: {{chats: [ops]}}\n\
         templates: ['*.hbs']\n"
    );
    let (status, said) = stage.reload(&rest).await;
    assert_eq!(status, 500);
    assert!(said.contains("broken.hbs"), "{said}");
    assert!(stage.metric("nabat_config_last_reload_successful 0").await);
    assert_eq!(stage.post("/alertmanager/db", "StillUnknown").await, 404);
    assert_eq!(stage.post("/alertmanager", "StillHere").await, 200);
    stage.shown(OPS, "StillHere").await;

    stage.write("broken.hbs", "{{#if firing}}mended{{/if}}");
    assert_eq!(stage.reload(&rest).await.0, 200);
    assert!(stage.metric("nabat_config_last_reload_successful 1").await);
    assert_eq!(stage.post("/alertmanager/db", "KnownNow").await, 200);
}

#[tokio::test]
async fn all_faults_of_a_reload_are_told_at_once() {
    let stage = Stage::set(&ops()).await;
    let (status, said) = stage.reload("chats: {ops: {id: 0}}\nroute: {chat: [ops]}\n").await;
    assert_eq!(status, 500);
    for fault in ["chats.ops.id", "route.chat"] {
        assert!(said.contains(fault), "no {fault} in:\n{said}");
    }
}

#[tokio::test]
async fn a_chat_that_is_configured_no_more_is_shown_only_while_it_has_something_left() {
    let both = format!(
        "chats: {{ops: {{id: {OPS}}}, db: {{id: {DB}}}}}\nroute: {{chats: [ops], updates: new}}\n"
    );
    let stage = Stage::set(&both).await;
    let told = async || {
        let (_, metrics) = stage.nabat.get("/metrics").await;
        let (_, status) = stage.nabat.get("/api/v1/status").await;
        let told = (metrics.contains("chat=\"db\""), status.contains("\"chat\":\"db\""));
        assert_eq!(told.0, told.1, "{metrics}\n{status}");
        told.0
    };
    assert_eq!(stage.post("/alertmanager/db", "Shown").await, 200);
    stage.shown(DB, "Shown").await;
    eventually("nothing waits", async || {
        stage.metric("nabat_outbox_entries{chat=\"db\",state=\"waiting\"} 0").await
    })
    .await;
    assert!(told().await);
    assert_eq!(stage.reload(&ops()).await.0, 200);
    assert!(!told().await, "nothing is left");

    assert_eq!(stage.reload(&both).await.0, 200);
    stage.sandbox.inject(Fault::new(Trouble::bad_gateway()).chat(DB).always());
    assert_eq!(stage.post("/alertmanager/db", "Waits").await, 200);
    assert_eq!(stage.reload(&ops()).await.0, 200);
    let dead = "nabat_dead_letters_total{chat=\"db\",reason=\"no_such_chat\"} 1";
    eventually("it has a dead letter", async || stage.metric(dead).await).await;
    assert!(told().await);
    let (_, listed) = stage.nabat.get("/api/v1/outbox?state=dead").await;
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    let entry = format!("{}/api/v1/outbox/{}", stage.nabat.url, listed["entries"][0]["id"]);
    assert_eq!(client().delete(entry).send().await.unwrap().status().as_u16(), 200);
    assert!(!told().await, "the dead letter is gone");
}

#[tokio::test]
async fn the_question_whose_a_token_is_is_counted_and_timed() {
    let stage = Stage::set(&ops()).await;
    for line in [
        "nabat_telegram_requests_total{method=\"getMe\",outcome=\"ok\"} 1",
        "nabat_telegram_request_duration_seconds_count{method=\"getMe\"} 1",
    ] {
        eventually(line, async || stage.metric(line).await).await;
    }
}
