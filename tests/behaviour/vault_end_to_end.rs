//! The whole program with a real Vault server: the token may come late, change, be wrong.

use nabat::lifecycle::Tasks;
use nabat::sandbox::{ChatKind, Limits, Sandbox, SandboxOptions};
use nabat::telegram::ChatId;
use serde_json::json;
use tempfile::TempDir;

use crate::support::eventually;
use crate::support::nabat::{Nabat, client};
use crate::support::openbao::OpenBao;
use crate::support::webhook::firing;

const OPS: ChatId = ChatId(-1_001_234_567_890);
const OTHER: ChatId = ChatId(-1_001_234_567_891);
const TOKEN: &str = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw";
const ROTATED: &str = "110201543:BBHrotatedCH1vGWJxfSeofSAs0K5PALDsb";
const WRONG: &str = "110201543:CCHwrong-CH1vGWJxfSeofSAs0K5PALDsc";

/// A sandbox that knows [`TOKEN`].
fn sandbox() -> Sandbox {
    let options = SandboxOptions {
        limits: Limits::None,
        token: TOKEN.to_owned(),
        ..SandboxOptions::default()
    };
    let sandbox = Sandbox::start(options, &Tasks::default()).expect("a free port");
    sandbox.add_chat(OPS, ChatKind::Supergroup { forum: false }, "ops");
    sandbox.add_chat(OTHER, ChatKind::Supergroup { forum: false }, "other");
    sandbox
}

/// A Vault that holds the token and the chat's number, and the login that may read them.
struct Vault {
    bao: OpenBao,
    secret_id: String,
    role_id: String,
}

impl Vault {
    async fn with(token: &str) -> Self {
        let bao = OpenBao::start().await;
        bao.mount_kv("kv", 2).await;
        bao.allow_reading("nabat", "kv").await;
        bao.enable_approle().await;
        let (role_id, secret_id) = bao.approle("nabat", json!({"token_policies": ["nabat"]})).await;
        let vault = Self { bao, secret_id, role_id };
        vault.put(token, OPS).await;
        vault
    }

    async fn put(&self, token: &str, chat: ChatId) {
        self.bao.put("kv", "monitoring", json!({"TOKEN": token, "CHAT": chat})).await;
    }

    fn configuration(&self, directory: &TempDir, sandbox: &Sandbox, refresh: &str) -> String {
        std::fs::write(directory.path().join("role-id"), &self.role_id).unwrap();
        std::fs::write(directory.path().join("secret-id"), &self.secret_id).unwrap();
        format!(
            "telegram:\n  bot_token: {{vault: {{mount: kv, path: monitoring, field: TOKEN}}}}\n  \
             api_url: {}\nvault:\n  address: '{}'\n  refresh_interval: {refresh}\n  \
             auth: {{approle: {{role_id: {{file: role-id}}, secret_id: {{file: secret-id}}}}}}\n\
             chats: {{ops: {{id: {{vault: {{mount: kv, path: monitoring, field: CHAT}}}}}}}}\n\
             route: {{chats: [ops]}}\n",
            sandbox.url(),
            self.bao.address()
        )
    }
}

async fn shown(sandbox: &Sandbox, chat: ChatId, name: &str) {
    eventually(&format!("{name} is shown"), async || {
        sandbox.messages(chat).iter().any(|shown| shown.text.contains(name))
    })
    .await;
}

async fn says(nabat: &mut Nabat, words: &[&str]) {
    let said = |output: &str| {
        let told = |line: &str| words.iter().all(|word| line.contains(word));
        output.lines().any(told).then_some(())
    };
    nabat.process.wait_for(said).await;
}

async fn reload(nabat: &Nabat) -> u16 {
    let answer = client().post(format!("{}/-/reload", nabat.url)).send().await.expect("an answer");
    answer.status().as_u16()
}

#[tokio::test]
async fn alerts_wait_for_a_sealed_vault_and_go_out_when_it_is_unsealed() {
    let (sandbox, directory) = (sandbox(), TempDir::new().unwrap());
    let vault = Vault::with(TOKEN).await;
    vault.bao.seal().await;
    let configuration = vault.configuration(&directory, &sandbox, "1s");
    let mut nabat = Nabat::start(directory.path(), &configuration, &sandbox).await;

    assert_eq!(nabat.post(&firing("Early")).await, 200);
    says(&mut nabat, &["telegram.bot_token", "sealed"]).await;
    assert_eq!(nabat.get("/-/ready").await.0, 200, "alerts are accepted");
    assert!(nabat.get("/api/v1/status").await.1.contains("\"waiting\":1"));
    assert!(nabat.get("/metrics").await.1.contains("nabat_vault_up 0"));
    assert!(sandbox.requests().is_empty(), "there was nothing to ask Telegram with");

    vault.bao.unseal().await;
    shown(&sandbox, OPS, "Early").await;
    assert!(nabat.get("/metrics").await.1.contains("nabat_vault_up 1"));
}

#[tokio::test]
async fn a_rotated_token_is_fetched_as_soon_as_the_old_one_is_refused() {
    let (sandbox, directory) = (sandbox(), TempDir::new().unwrap());
    let vault = Vault::with(TOKEN).await;
    // Only a refusal can make it look again.
    let configuration = vault.configuration(&directory, &sandbox, "1h");
    let nabat = Nabat::start(directory.path(), &configuration, &sandbox).await;
    assert_eq!(nabat.post(&firing("Before")).await, 200);
    shown(&sandbox, OPS, "Before").await;

    vault.put(ROTATED, OPS).await;
    sandbox.set_token(ROTATED);
    assert_eq!(nabat.post(&firing("After")).await, 200);
    shown(&sandbox, OPS, "After").await;
    let refused = sandbox.requests().iter().filter(|seen| seen.status == Some(401)).count();
    assert_eq!(refused, 1, "one refusal is enough");
}

#[tokio::test]
async fn a_wrong_new_token_is_refused_and_the_old_one_goes_on() {
    let (sandbox, directory) = (sandbox(), TempDir::new().unwrap());
    let vault = Vault::with(TOKEN).await;
    let configuration = vault.configuration(&directory, &sandbox, "200ms");
    let mut nabat = Nabat::start(directory.path(), &configuration, &sandbox).await;
    says(&mut nabat, &["telegram.bot_token", "has arrived"]).await;

    vault.put(WRONG, OPS).await;
    says(&mut nabat, &["telegram.bot_token", "does not work"]).await;
    assert_eq!(nabat.post(&firing("WithTheOld")).await, 200);
    shown(&sandbox, OPS, "WithTheOld").await;

    sandbox.accept_token(ROTATED);
    vault.put(ROTATED, OTHER).await;
    says(&mut nabat, &["telegram.bot_token", "the new value is in use"]).await;
    says(&mut nabat, &["chats.ops.id", "the new value is in use"]).await;
    sandbox.set_token(ROTATED);
    assert_eq!(nabat.post(&firing("WithTheNew")).await, 200);
    shown(&sandbox, OTHER, "WithTheNew").await;
}

#[tokio::test]
async fn a_reload_to_another_vault_goes_on_with_what_is_known_until_that_one_answers() {
    let (sandbox, directory) = (sandbox(), TempDir::new().unwrap());
    let vault = Vault::with(TOKEN).await;
    let configuration = vault.configuration(&directory, &sandbox, "1s");
    let mut nabat = Nabat::start(directory.path(), &configuration, &sandbox).await;
    assert_eq!(nabat.post(&firing("Before")).await, 200);
    shown(&sandbox, OPS, "Before").await;

    let other = Vault::with(ROTATED).await;
    other.bao.seal().await;
    let configuration = other.configuration(&directory, &sandbox, "1s");
    std::fs::write(directory.path().join("nabat.yml"), configuration).unwrap();
    assert_eq!(reload(&nabat).await, 200);
    says(&mut nabat, &["telegram.bot_token", "sealed"]).await;
    assert_eq!(nabat.post(&firing("Between")).await, 200);
    shown(&sandbox, OPS, "Between").await;

    sandbox.set_token(ROTATED);
    other.bao.unseal().await;
    assert_eq!(nabat.post(&firing("Afterwards")).await, 200);
    shown(&sandbox, OPS, "Afterwards").await;
}

#[tokio::test]
async fn while_vault_is_sealed_the_last_token_goes_on_sending() {
    let (sandbox, directory) = (sandbox(), TempDir::new().unwrap());
    let vault = Vault::with(TOKEN).await;
    let configuration = vault.configuration(&directory, &sandbox, "200ms");
    let nabat = Nabat::start(directory.path(), &configuration, &sandbox).await;
    assert_eq!(nabat.post(&firing("Before")).await, 200);
    shown(&sandbox, OPS, "Before").await;

    vault.bao.seal().await;
    let down = async || nabat.get("/metrics").await.1.contains("nabat_vault_up 0");
    eventually("vault is down", down).await;
    assert_eq!(nabat.post(&firing("Meanwhile")).await, 200);
    shown(&sandbox, OPS, "Meanwhile").await;
}
