//! Secrets stay secret: everything that the program prints, serves, stores or tells is searched
//! for canaries, at trace level, with its dependencies speaking too.

mod hunt;
mod scene;

use nabat::sandbox::{Fault, Trouble};
use serde_json::json;
use tempfile::TempDir;

use self::hunt::Hunt;
use self::scene::{CHATS, OPS, PROXY_PASSWORD, SECRET, Scene, TOKEN, chat};
use crate::support::eventually;
use crate::support::nabat::Nabat;
use crate::support::openbao::OpenBao;
use crate::support::process::free_port;
use crate::support::tiny::{Tiny, response};

impl Scene {
    /// Telegram's troubles, each in a chat of its own, several repeating the token.
    async fn suffer(&mut self, nabat: &Nabat) {
        let echo = format!("<p>/bot{TOKEN}/sendMessage, /bot{}</p>", TOKEN.replace(':', "%3A"));
        let said = format!("Forbidden: bot{TOKEN} was kicked");
        let content = format!("Bad Request: bot{TOKEN} said something else");
        let troubles = [
            (Trouble::too_many_requests(Some(1)), 1),
            (Trouble::internal_server_error(), 1),
            (Trouble::bad_gateway(), 1),
            (Trouble::Answer { status: 502, body: echo }, 1),
            (Trouble::DropAfter, 1),
            (Trouble::refusal(403, &said), 50),
            (Trouble::refusal(400, &content), 50),
        ];
        for (number, (trouble, times)) in (0..).zip(troubles) {
            let fault = Fault::new(trouble).method("sendMessage").chat(chat(number)).times(times);
            self.sandbox.inject(fault);
            self.post(nabat, number, &format!("Trouble{number}")).await;
        }
        for number in 0..5 {
            self.shown(number, &format!("Trouble{number}")).await;
        }
        eventually("the fallback chat hears of c5", async || {
            self.sandbox.messages(OPS).iter().any(|shown| shown.text.contains("c5"))
        })
        .await;
        eventually("c6 has a dead letter", async || {
            nabat.get("/api/v1/outbox?state=dead").await.1.contains("said something else")
        })
        .await;
        self.knock(nabat).await;
    }

    /// Ways to Telegram that lead astray.
    async fn wander(&mut self, nabat: &Nabat, rest: &str) {
        // A redirect to another host is not followed.
        let elsewhere =
            Tiny::start(|_| response("200 OK", "", r#"{"ok":true,"result":true}"#)).await;
        let address = elsewhere.address;
        let front = Tiny::start(move |line| {
            let path = line.split(' ').nth(1).unwrap_or_default();
            response("302 Found", &format!("location: http://{address}{path}\r\n"), "")
        })
        .await;
        self.configure(&format!("http://{}", front.address), "", rest);
        assert_eq!(self.reload(nabat).await, 200);
        self.post(nabat, 7, "Redirected").await;
        eventually("the redirect was met", async || {
            front.asked().iter().any(|head| head.contains("sendMessage"))
        })
        .await;

        // Nobody listens.
        self.configure(&format!("http://127.0.0.1:{}", free_port()), "", rest);
        assert_eq!(self.reload(nabat).await, 200);
        self.post(nabat, 8, "Refused").await;
        let connect = "telegram_requests_total{method=\"sendMessage\",outcome=\"connect\"} 0";
        eventually("the connection was refused", async || {
            !nabat.get("/metrics").await.1.contains(connect)
        })
        .await;
        self.knock(nabat).await;

        // A proxy with a password that does not let anything through.
        self.configure(&self.sandbox.url(), "  proxy_url: {env: CANARY_PROXY}\n", rest);
        assert_eq!(self.reload(nabat).await, 200);
        self.post(nabat, 9, "Proxied").await;
        eventually("the proxy was asked", async || {
            self.proxy.asked().iter().any(|head| head.contains("sendMessage"))
        })
        .await;
        self.run(&["check", "--live", "--config.file=nabat.yml"]).await;
        self.knock(nabat).await;
        assert!(elsewhere.asked().is_empty(), "a redirect was followed");
        for head in front.asked().iter().chain(&self.proxy.asked()) {
            assert!(!head.to_lowercase().contains("\nreferer:"), "{head}");
        }
    }

    /// Configurations that hold what they should not.
    async fn blunder(&mut self, nabat: &Nabat) {
        for fault in [
            format!("telegram: {{bot_token: '{TOKEN}'}}"),
            format!("telegram: {{bot_token: {{env: '{TOKEN}'}}, api_url: 'http://t/bot{TOKEN}/'}}"),
            format!("telegram: {{bot_token: {{file: bot-token, {SECRET}: 1}}}}\nchats: {TOKEN}"),
            format!(
                "telegram: {{bot_token: {{env: A}}, proxy_url: 'http://a:{PROXY_PASSWORD}@p'}}"
            ),
            format!("telegram: [{TOKEN}"),
        ] {
            std::fs::write(self.path().join("nabat.yml"), fault).unwrap();
            assert_eq!(self.reload(nabat).await, 500);
            assert_eq!(self.run(&["check", "--config.file=nabat.yml"]).await, Some(2));
            self.run(&["check", "--live", "--config.file=nabat.yml"]).await;
            self.run(&["serve", "--config.file=nabat.yml"]).await;
        }
    }

    /// Drives the whole program, then looks at everything.
    async fn play(mut self, format: &str, rest: &str, more: impl AsyncFn(&mut Self, &Nabat)) {
        let (api, log) = (self.sandbox.url(), format!("the log in {format}"));
        self.configure(&api, "", rest);
        let mut nabat = self.serve(format).await;
        let list = std::fs::read(format!("/proc/{}/cmdline", nabat.process.pid())).unwrap();
        self.hunt.look("the process list", &list);
        self.post(&nabat, 0, "First").await;
        self.shown(0, "First").await;

        self.suffer(&nabat).await;
        more(&mut self, &nabat).await;
        self.wander(&nabat, rest).await;
        self.blunder(&nabat).await;
        self.configure(&api, "", rest);
        nabat.process.signal("HUP");
        self.shown(9, "Proxied").await;

        self.sandbox.revoke_token();
        self.post(&nabat, 1, "Unauthorised").await;
        nabat
            .process
            .wait_for(|output| output.contains("refuses the bot token").then_some(()))
            .await;
        self.knock(&nabat).await;
        self.type_commands(&nabat).await;

        nabat.process.signal("TERM");
        assert_eq!(nabat.process.ended().await, Some(0));
        let said = nabat.process.output();
        assert!(said.contains("TRACE") || said.contains("DEBUG"), "it was to say everything");
        self.hunt.look(&log, said.as_bytes());
        for number in 0..CHATS {
            self.hunt
                .look("a chat", format!("{:?}", self.sandbox.messages(chat(number))).as_bytes());
        }
        self.hunt.look("the ops chat", format!("{:?}", self.sandbox.messages(OPS)).as_bytes());
        for file in std::fs::read_dir(self.path().join("data")).unwrap() {
            let path = file.unwrap().path();
            self.hunt.look(&path.display().to_string(), &std::fs::read(&path).unwrap());
        }
        assert!(self.hunt.places > 100, "only {} places", self.hunt.places);
        self.hunt.end();
    }
}

#[tokio::test]
async fn a_token_from_the_environment_appears_nowhere() {
    let scene = Scene::set("{env: CANARY_BOT_TOKEN}", &[]).await;
    scene.play("text", "", async |_, _| {}).await;
}

#[tokio::test]
async fn a_token_from_a_file_appears_nowhere() {
    let scene = Scene::set("{file: bot-token}", &[]).await;
    scene.play("json", "", async |_, _| {}).await;
}

#[tokio::test]
async fn neither_a_token_from_vault_nor_what_opens_vault_appears_anywhere() {
    let bao = OpenBao::start().await;
    bao.mount_kv("kv", 2).await;
    bao.put("kv", "bot", json!({"TOKEN": TOKEN})).await;
    bao.allow_reading("nabat", "kv").await;
    bao.enable_approle().await;
    let (role_id, secret_id) = bao.approle("nabat", json!({"token_policies": ["nabat"]})).await;
    let vault_token = bao.token(json!({"policies": ["nabat"], "ttl": "1h"})).await;

    let token_at = "{vault: {mount: kv, path: bot, field: TOKEN}}";
    let scene = Scene::set(token_at, &[&secret_id, &vault_token]).await;
    for (name, content) in
        [("role-id", &role_id), ("secret-id", &secret_id), ("vault-token", &vault_token)]
    {
        std::fs::write(scene.path().join(name), content).unwrap();
    }
    let vault = |auth: &str| {
        let address = bao.address();
        format!("vault: {{address: '{address}', refresh_interval: 1s, auth: {auth}}}\n")
    };
    let approle = vault("{approle: {role_id: {file: role-id}, secret_id: {file: secret-id}}}");
    let token = vault("{token: {file: vault-token}}");
    let wrong = vault("{approle: {role_id: {file: vault-token}, secret_id: {file: secret-id}}}");
    scene
        .play("text", &approle, async |scene, nabat| {
            let api = scene.sandbox.url();
            for rest in [&token, &wrong, &approle] {
                scene.configure(&api, "", rest);
                assert_eq!(scene.reload(nabat).await, 200);
                scene.run(&["check", "--live", "--config.file=nabat.yml"]).await;
            }
            bao.seal().await;
            scene.run(&["check", "--live", "--config.file=nabat.yml"]).await;
            let told = async || nabat.process.output().contains("vault is sealed");
            eventually("the sealed vault is told of", told).await;
            bao.unseal().await;
            let output = nabat.process.output();
            assert!(!holds_vault_token(&output), "a token of the login by AppRole was printed");
        })
        .await;
}

/// Whether the text holds what looks like a token of Vault's: `s.` or `hvs.` and 24 letters.
fn holds_vault_token(text: &str) -> bool {
    text.split("s.").skip(1).any(|after| {
        after.len() >= 24 && after.bytes().take(24).all(|byte| byte.is_ascii_alphanumeric())
    })
}

#[tokio::test]
async fn without_a_file_the_tokens_variable_appears_nowhere_either() {
    let mut hunt = Hunt::for_secrets(&[SECRET]);
    let directory = TempDir::new().unwrap();
    for (arguments, chat) in [
        (&["check"][..], "-1001234567890"),
        (&["check", "--live"], "the group"),
        (&["serve", "--storage.path=data", "--log.level=trace"], TOKEN),
    ] {
        let mut command = Nabat::command(arguments);
        command.current_dir(directory.path());
        command.env("TELEGRAM_BOT_TOKEN", TOKEN).env("TELEGRAM_CHAT_ID", chat);
        let output = tokio::task::spawn_blocking(move || command.output().expect("nabat runs"));
        let output = output.await.expect("it was waited for");
        hunt.look(&arguments.join(" "), &[output.stdout, output.stderr].concat());
    }
    hunt.end();
}
