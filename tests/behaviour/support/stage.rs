//! A stage: nabat as a process, the sandbox in this one, and webhooks to play on it.

use std::time::Duration;

use nabat::lifecycle::Tasks;
use nabat::sandbox::{ChatKind, Fault, Limits, Sandbox, SandboxOptions, Shown, Trouble};
use nabat::telegram::ChatId;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::nabat::{Nabat, client};
use super::{DEADLINE, eventually};

/// The group chat `ops`, which most is sent to.
pub const OPS: ChatId = ChatId(-1_001_234_567_890);
/// The private chat `boss`.
pub const BOSS: ChatId = ChatId(1_000_042);

/// nabat and Telegram's stand-in, with the chats `ops` and `boss`.
#[derive(Debug)]
pub struct Stage {
    pub sandbox: Sandbox,
    pub nabat: Nabat,
    pub directory: TempDir,
    configuration: String,
}

/// A stand-in for Telegram with both chats.
pub fn sandbox(limits: Limits) -> Sandbox {
    let options = SandboxOptions { limits, ..SandboxOptions::default() };
    let sandbox = Sandbox::start(options, &Tasks::default()).expect("a free port");
    sandbox.add_chat(OPS, ChatKind::Supergroup { forum: false }, "ops");
    sandbox.add_chat(BOSS, ChatKind::Private, "boss");
    sandbox
}

/// A configuration with `chats` (the lines below `chats:`) and more top-level keys. What no
/// webhook names a chat for goes to `ops`.
pub fn configuration(sandbox: &Sandbox, chats: &str, more: &str) -> String {
    format!(
        "telegram:\n  bot_token: {{env: TEST_BOT_TOKEN}}\n  api_url: {}\n\
         chats:\n{chats}\nroute:\n  chats: [ops]\n{more}\n",
        sandbox.url()
    )
}

/// The two chats as the configuration names them.
pub const CHATS: &str = "  ops: {id: -1001234567890}\n  boss: {id: 1000042}";

impl Stage {
    /// Telegram's real limits, both chats, and more top-level keys of the configuration.
    pub async fn open(more: &str) -> Self {
        let sandbox = sandbox(Limits::Real);
        let configuration = configuration(&sandbox, CHATS, more);
        Self::with(sandbox, configuration).await
    }

    /// Any sandbox and configuration.
    pub async fn with(sandbox: Sandbox, configuration: String) -> Self {
        let directory = TempDir::new().expect("a temporary directory");
        let nabat = Nabat::start(directory.path(), &configuration, &sandbox).await;
        Self { sandbox, nabat, directory, configuration }
    }

    /// A nabat that was started in its own way.
    pub fn around(sandbox: Sandbox, nabat: Nabat, directory: TempDir) -> Self {
        Self { sandbox, nabat, directory, configuration: String::new() }
    }

    /// Starts nabat again on the same store; the former process must have ended.
    pub async fn restart(&mut self) {
        self.nabat = Nabat::start(self.directory.path(), &self.configuration, &self.sandbox).await;
    }

    /// Asks nabat to end and waits for its exit code.
    pub async fn stop(&mut self) -> Option<i32> {
        self.nabat.process.signal("TERM");
        self.nabat.process.ended().await
    }

    /// Writes another configuration file beneath the running nabat.
    pub fn rewrite(&mut self, configuration: String) {
        std::fs::write(self.directory.path().join("nabat.yml"), &configuration).unwrap();
        self.configuration = configuration;
    }

    /// Posts a webhook for a chat; it must be taken.
    pub async fn post(&self, chat: &str, body: &Value) {
        let url = format!("{}/alertmanager/{chat}", self.nabat.url);
        let answer = client().post(url).json(body).send().await.expect("an answer");
        assert_eq!(answer.status(), 200, "{:?}", answer.text().await);
    }

    /// Has nabat read its configuration again, which ends the pauses that failures have brought.
    pub async fn go_on_at_once(&self) {
        let reload = format!("{}/-/reload", self.nabat.url);
        assert_eq!(client().post(reload).send().await.expect("an answer").status(), 200);
    }

    /// Posts while Telegram fails in `ops`: whatever is tried there afterwards tells of all that was
    /// posted, however long that took. It is tried soon if nabat is told to [go on at
    /// once](Stage::go_on_at_once).
    pub async fn while_away(&self, posting: impl Future<Output = ()>) {
        self.sandbox.inject(Fault::new(Trouble::bad_gateway()).chat(OPS).always());
        posting.await;
        // A chat is sent one request at a time, so one more ends what was begun before the last post.
        let seen = self.requests(OPS).len();
        self.go_on_at_once().await;
        let tried = |sandbox: &Sandbox| {
            sandbox.requests().iter().filter(|seen| seen.chat == Some(OPS)).count() > seen
        };
        assert!(self.sandbox.wait_for(DEADLINE, tried).await, "no try after the last post");
        self.sandbox.clear_faults();
    }

    /// Waits until the chat's messages are as wanted.
    ///
    /// # Panics
    /// When they are not in time; says what is shown.
    pub async fn shows(&self, chat: ChatId, wanted: impl Fn(&[Shown]) -> bool) -> Vec<Shown> {
        let held = self.sandbox.wait_for(DEADLINE, |sandbox| wanted(&sandbox.messages(chat))).await;
        let messages = self.sandbox.messages(chat);
        let texts: Vec<_> = messages.iter().map(|shown| shown.text.as_str()).collect();
        assert!(
            held,
            "chat {chat} shows:\n{}\nnabat said:\n{}",
            texts.join("\n---\n"),
            self.nabat.process.output()
        );
        messages
    }

    /// Waits until one message of the chat holds `text`.
    pub async fn shows_text(&self, chat: ChatId, text: &str) -> Vec<Shown> {
        self.shows(chat, |shown| shown.iter().any(|shown| shown.text.contains(text))).await
    }

    /// Waits until nothing waits in the outbox.
    pub async fn drained(&self) {
        eventually("the outbox is empty", async || self.entries("waiting").await.is_empty()).await;
    }

    /// The outbox's entries in a state.
    pub async fn entries(&self, state: &str) -> Vec<Value> {
        let (_, body) = self.nabat.get(&format!("/api/v1/outbox?state={state}")).await;
        let body: Value = serde_json::from_str(&body).expect("JSON");
        body["entries"].as_array().expect("a list of entries").clone()
    }

    /// The whole number of a series, named as `/metrics` does, without the prefix `nabat_`.
    pub async fn metric(&self, series: &str) -> u64 {
        let (_, page) = self.nabat.get("/metrics").await;
        let value = page.lines().find_map(|line| {
            line.strip_prefix("nabat_")?.strip_prefix(series)?.strip_prefix(' ')?.parse().ok()
        });
        value.unwrap_or_else(|| panic!("no series {series} in\n{page}"))
    }

    /// Waits until nabat has written all of these words, which may be a moment after it did what
    /// they tell of.
    pub async fn says(&self, words: &[&str]) {
        let process = &self.nabat.process;
        let said = async || words.iter().all(|word| process.output().contains(word));
        eventually(&format!("it says {words:?}: {}", process.output()), said).await;
    }

    /// When the requests to a chat that send or edit came, in milliseconds, with their status.
    pub fn requests(&self, chat: ChatId) -> Vec<(u64, Option<u16>)> {
        let requests = self.sandbox.requests().into_iter();
        requests.filter(|seen| seen.chat == Some(chat)).map(|s| (s.at_ms, s.status)).collect()
    }
}

/// A webhook body of the group `group`: alerts by name that fire (`"db1"`) or ended (`"-db1"`).
pub fn webhook(group: &str, alerts: &[&str]) -> Value {
    let alert = |name: &&str| {
        let (name, status) = match name.strip_prefix('-') {
            Some(name) => (name, "resolved"),
            None => (*name, "firing"),
        };
        json!({
            "status": status,
            "labels": {"alertname": group, "instance": name, "severity": "critical"},
            "annotations": {"summary": format!("{name} of {group}")},
            "startsAt": "2026-01-31T12:00:00Z",
            "endsAt": if status == "firing" { "0001-01-01T00:00:00Z" } else { "2026-01-31T12:05:00Z" },
            "fingerprint": format!("{group}/{name}"),
        })
    };
    let fires = alerts.iter().any(|name| !name.starts_with('-'));
    json!({
        "version": "4",
        "groupKey": format!("{{}}:{{alertname={group:?}}}"),
        "receiver": "telegram",
        "status": if fires { "firing" } else { "resolved" },
        "groupLabels": {"alertname": group},
        "externalURL": "http://alertmanager:9093",
        "alerts": alerts.iter().map(alert).collect::<Vec<_>>(),
    })
}

/// A moment, for what must *not* happen within it.
pub async fn a_moment(milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
}
