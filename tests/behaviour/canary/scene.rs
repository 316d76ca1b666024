//! One nabat with the world around it, and all that it may be asked; every answer is searched.

use std::path::Path;
use std::process::Command;

use nabat::lifecycle::Tasks;
use nabat::sandbox::{ChatKind, Limits, Sandbox, SandboxOptions};
use nabat::telegram::ChatId;
use serde_json::Value;
use tempfile::TempDir;

use super::hunt::{Hunt, all_encoded};
use crate::support::eventually;
use crate::support::nabat::{Nabat, client};
use crate::support::tiny::{Tiny, response};
use crate::support::webhook::firing;

pub const TOKEN: &str = "7712345678:AAH-CANARY_never-Print-Me_0123456789x";
/// What follows the bot's number, which is no secret.
pub const SECRET: &str = "AAH-CANARY_never-Print-Me_0123456789x";
pub const PROXY_PASSWORD: &str = "CANARY-proxy-password-0123456789";
pub const OPS: ChatId = ChatId(-1_001_000_000_000);
/// Chats named c0 to c9, each for one trouble.
pub const CHATS: i64 = 10;
pub const LEVEL: &str = "trace,hyper=trace,hyper_util=trace,reqwest=trace,rustls=trace,h2=trace,\
                     tower=trace,vaultrs=trace,rustify=trace,teloxide_core=trace";

pub fn chat(number: i64) -> ChatId {
    ChatId(-1_002_000_000_000 - number)
}

/// The world around one nabat, and what it may be asked.
pub struct Scene {
    directory: TempDir,
    pub sandbox: Sandbox,
    /// The `bot_token:` reference.
    token_at: String,
    pub proxy: Tiny,
    pub hunt: Hunt,
}

impl Scene {
    pub async fn set(token_at: &str, secrets: &[&str]) -> Self {
        let options = SandboxOptions {
            limits: Limits::None,
            token: TOKEN.to_owned(),
            ..SandboxOptions::default()
        };
        let sandbox = Sandbox::start(options, &Tasks::default()).expect("a free port");
        sandbox.add_chat(OPS, ChatKind::Supergroup { forum: false }, "ops");
        for number in 0..CHATS {
            sandbox.add_chat(chat(number), ChatKind::Supergroup { forum: false }, "c");
        }
        // A proxy that does not work, and repeats what it was asked for in its page.
        let proxy = Tiny::start(|line| {
            response("502 Bad Gateway", "content-type: text/html\r\n", &format!("<p>{line}</p>"))
        })
        .await;
        let directory = TempDir::new().unwrap();
        std::fs::write(directory.path().join("bot-token"), format!("{TOKEN}\n")).unwrap();
        std::fs::write(directory.path().join("body.json"), firing("Rendered").to_string()).unwrap();
        let secrets = [&[SECRET, PROXY_PASSWORD], secrets].concat();
        let hunt = Hunt::for_secrets(&secrets);
        Self { directory, sandbox, token_at: token_at.to_owned(), proxy, hunt }
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Writes the configuration with this Bot API server and these further lines.
    pub fn configure(&self, api_url: &str, telegram: &str, rest: &str) {
        let mut text = format!(
            "telegram:\n  bot_token: {}\n  api_url: {api_url}\n{telegram}{rest}\
             route: {{chats: [ops], updates: new}}\nfallback_chat: ops\nchats:\n  ops: {{id: {OPS}}}\n",
            self.token_at
        );
        text.extend((0..CHATS).map(|number| format!("  c{number}: {{id: {}}}\n", chat(number))));
        std::fs::write(self.path().join("nabat.yml"), text).unwrap();
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Nabat::command(arguments);
        command
            .current_dir(self.path())
            .env("CANARY_BOT_TOKEN", TOKEN)
            .env("CANARY_PROXY", format!("http://ann:{PROXY_PASSWORD}@{}", self.proxy.address));
        command
    }

    pub async fn serve(&self, format: &str) -> Nabat {
        let log = [format!("--log.level={LEVEL}"), format!("--log.format={format}")];
        let flags = ["--config.file=nabat.yml", "--storage.path=data"];
        let mut command = self.command(&["serve", "--web.listen-address=127.0.0.1:0"]);
        Nabat::run(command.args(flags).args(log)).await
    }

    /// Runs a command of nabat's and looks at all it says.
    pub async fn run(&mut self, arguments: &[&str]) -> Option<i32> {
        let mut command = self.command(arguments);
        let output = tokio::task::spawn_blocking(move || command.output().expect("nabat runs"));
        let output = output.await.expect("it was waited for");
        let place = format!("nabat {}", arguments.join(" "));
        self.hunt.look(&place, &[output.stdout, output.stderr].concat());
        output.status.code()
    }

    /// Asks nabat and looks at the whole answer.
    pub async fn ask(
        &mut self,
        nabat: &Nabat,
        method: &str,
        path: &str,
        body: &str,
    ) -> (u16, String) {
        let request = client().request(method.parse().unwrap(), format!("{}{path}", nabat.url));
        let request = request.header("content-type", "application/json").body(body.to_owned());
        let answer = request.send().await.expect("nabat answers");
        let (status, headers) = (answer.status().as_u16(), format!("{:?}", answer.headers()));
        let text = answer.text().await.expect("a text");
        self.hunt.look(&format!("{method} {path}"), format!("{headers}{text}").as_bytes());
        (status, text)
    }

    pub async fn reload(&mut self, nabat: &Nabat) -> u16 {
        self.ask(nabat, "POST", "/-/reload", "").await.0
    }

    pub async fn post(&mut self, nabat: &Nabat, to: i64, name: &str) {
        let body = firing(name).to_string();
        let status = self.ask(nabat, "POST", &format!("/alertmanager/c{to}"), &body).await.0;
        assert_eq!(status, 200, "{name}");
    }

    pub async fn shown(&self, number: i64, name: &str) {
        eventually(&format!("{name} is shown"), async || {
            self.sandbox.messages(chat(number)).iter().any(|shown| shown.text.contains(name))
        })
        .await;
    }

    /// Every door of the HTTP side, right and wrong.
    pub async fn knock(&mut self, nabat: &Nabat) {
        let (_, listed) = self.ask(nabat, "GET", "/api/v1/outbox", "").await;
        let listed: Value = serde_json::from_str(&listed).unwrap();
        for entry in listed["entries"].as_array().unwrap() {
            self.ask(nabat, "GET", &format!("/api/v1/outbox/{}", entry["id"]), "").await;
        }
        for path in [
            "/",
            "/-/healthy",
            "/-/ready",
            "/metrics",
            "/api/v1/status",
            "/api/v1/outbox?state=dead",
            "/api/v1/outbox/rejected",
            "/nowhere",
            "/-/reload",
            "/alertmanager",
        ] {
            self.ask(nabat, "GET", path, "").await;
        }
        self.ask(nabat, "POST", "/alertmanager", "{broken").await;
        self.ask(nabat, "POST", "/alertmanager/nobody", &firing("Lost").to_string()).await;
        // What was put where it does not belong is not repeated either.
        for chat in [TOKEN.to_owned(), all_encoded(TOKEN)] {
            let path = format!("/alertmanager/{chat}");
            self.ask(nabat, "POST", &path, &firing("Lost").to_string()).await;
        }
        for body in [format!("{{{TOKEN}"), format!("{{\"alerts\": \"{TOKEN}\"}}")] {
            self.ask(nabat, "POST", "/alertmanager", &body).await;
        }
        for path in [format!("/bot{TOKEN}/getMe"), format!("/api/v1/outbox/{TOKEN}")] {
            self.ask(nabat, "GET", &path, "").await;
        }
        self.ask(nabat, "POST", "/api/v1/test-alert?timeout=2", r#"{"chat":"c0"}"#).await;
    }

    /// Every command a person may type.
    pub async fn type_commands(&mut self, nabat: &Nabat) {
        let url = format!("--url={}", nabat.url);
        let (_, listed) = nabat.get("/api/v1/outbox").await;
        let listed: Value = serde_json::from_str(&listed).unwrap();
        let first = listed["entries"][0]["id"].to_string();
        for arguments in [
            &["check", "--config.file=nabat.yml"][..],
            &["check", "--live", "--config.file=nabat.yml"],
            &["outbox", "list", &url],
            &["outbox", "list", "--rejected", &url],
            &["outbox", "list", "--json", &url],
            &["outbox", "show", &url, &first],
            &["outbox", "retry", "--all", &url],
            &["test-alert", &url, "--chat=c0", "--timeout=1s"],
            &["render", "body.json"],
            &["healthcheck", "--ready", &url],
            &["serve", "--help"],
            &["check", "--help"],
            &["demo", "--help"],
            &["serve", "--no-such-flag"],
        ] {
            self.run(arguments).await;
        }
    }
}
