//! Secrets from a real Vault server: logging in, staying logged in, and what happens when the
//! server, the login or the secret goes wrong.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use nabat::clock::Clock;
use nabat::config::{self, VaultAuth};
use nabat::lifecycle::Tasks;
use nabat::secrets::{
    Check, Checker, KvVersion, Pace, SecretRef, SecretWatch, Secrets, SecretsOptions, Sources,
    VaultField, Wanted,
};
use nabat::telemetry::{Metrics, Scrubber};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use tempfile::TempDir;

use crate::support::logs::Logs;
use crate::support::openbao::OpenBao;
use crate::support::{DEADLINE, eventually};

const TOKEN: &str = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw";
const ROTATED: &str = "110201543:BBHrotatedCH1vGWJxfSeofSAs0K5PALDsb";
const BROKEN: &str = "110201543:broken-CH1vGWJxfSeofSAs0K5PALDsa";

/// A program that keeps secrets, and stops with this value.
struct Program {
    directory: TempDir,
    vault: config::Vault,
    metrics: Arc<Metrics>,
    tasks: Tasks,
    scrubber: Scrubber,
    started: Option<Secrets>,
}

impl Drop for Program {
    fn drop(&mut self) {
        self.tasks.stop();
    }
}

impl Program {
    fn with_auth(bao: &OpenBao, auth: impl FnOnce(&Program) -> VaultAuth) -> Self {
        let mut program = Self {
            directory: tempfile::tempdir().unwrap(),
            vault: config::Vault {
                address: bao.address().clone(),
                ca_file: None,
                namespace: None,
                auth: VaultAuth::Token(SecretRef::Env(String::new())),
                refresh_interval: Duration::from_millis(100),
                timeout: Duration::from_secs(5),
            },
            metrics: Arc::new(Metrics::new("test")),
            tasks: Tasks::default(),
            scrubber: Scrubber::new(),
            started: None,
        };
        program.vault.auth = auth(&program);
        program
    }

    /// Logs in with a token, kept in a file as `echo` writes it.
    fn with_token(bao: &OpenBao, token: &str) -> Self {
        Self::with_auth(bao, |program| VaultAuth::Token(program.file("vault-token", token)))
    }

    fn with_approle(bao: &OpenBao, (role_id, secret_id): &(String, String)) -> Self {
        Self::with_auth(bao, |program| VaultAuth::AppRole {
            mount: "approle".to_owned(),
            role_id: program.file("role-id", role_id),
            secret_id: program.file("secret-id", secret_id),
        })
    }

    fn file(&self, name: &str, content: &str) -> SecretRef {
        let path: PathBuf = self.directory.path().join(name);
        std::fs::write(&path, format!("{content}\n")).unwrap();
        SecretRef::File(path)
    }

    fn options(&self) -> SecretsOptions {
        let mut options = SecretsOptions::new(Some(self.vault.clone()), self.scrubber.clone());
        options.retry = Pace { first: Duration::from_millis(20), cap: Duration::from_millis(100) };
        options
    }

    /// Starts keeping the bot token.
    fn keep(&mut self, checker: Option<Arc<dyn Checker>>) -> SecretWatch {
        let clock = Arc::new(Clock::system());
        let secrets = Secrets::start(self.options(), self.metrics.clone(), &clock, &self.tasks);
        let watch = secrets.keep(Wanted {
            name: "telegram.bot_token".to_owned(),
            at: bot_token(),
            checker,
        });
        self.started = Some(secrets);
        watch
    }

    /// Reads once, as `nabat check --live` does.
    async fn read_once(&self, at: &SecretRef) -> Result<String, String> {
        let clock = Arc::new(Clock::system());
        let sources = Sources::new(&self.options(), &self.metrics, &clock);
        let read = sources.read(at).await;
        sources.close().await;
        read.map(|secret| secret.expose_secret().to_owned()).map_err(|error| error.to_string())
    }

    fn failures(&self) -> u64 {
        self.metrics.secret_refresh_failures.with_label_values(&["telegram.bot_token"]).get()
    }

    async fn stop(&mut self) {
        self.tasks.stop();
        tokio::time::timeout(DEADLINE, self.tasks.finished()).await.expect("all tasks end");
    }
}

fn field(mount: &str, field: &str, engine: KvVersion) -> SecretRef {
    SecretRef::Vault(VaultField {
        mount: mount.to_owned(),
        path: "monitoring".to_owned(),
        field: field.to_owned(),
        engine,
    })
}

fn bot_token() -> SecretRef {
    field("zakupai", "TELEGRAM_BOT_TOKEN", KvVersion::V2)
}

/// A server that holds the bot token, and lets AppRole logins of the policy read it.
async fn server() -> OpenBao {
    filled(OpenBao::start().await).await
}

async fn filled(bao: OpenBao) -> OpenBao {
    bao.mount_kv("zakupai", 2).await;
    rotate(&bao, TOKEN).await;
    bao.allow_reading("nabat", "zakupai").await;
    bao.enable_approle().await;
    bao
}

async fn rotate(bao: &OpenBao, token: &str) {
    let data = json!({"TELEGRAM_BOT_TOKEN": token, "TELEGRAM_CHAT_ID": -1_001_234_567_890_i64});
    bao.put("zakupai", "monitoring", data).await;
}

async fn arrives(watch: &mut SecretWatch, expected: &str) {
    let is_it = |value: &Option<Arc<SecretString>>| {
        value.as_ref().is_some_and(|secret| secret.expose_secret() == expected)
    };
    let arrived = tokio::time::timeout(DEADLINE, watch.wait_for(is_it)).await;
    arrived.expect("the secret arrives in time").expect("it is still kept");
}

#[tokio::test]
async fn both_versions_of_the_key_value_store_are_read() {
    let bao = server().await;
    bao.mount_kv("old", 1).await;
    bao.write("old/monitoring", json!({"TOKEN": TOKEN, "CHAT": -100_123})).await;
    let program = Program::with_token(&bao, bao.root_token());

    assert_eq!(program.read_once(&bot_token()).await.unwrap(), TOKEN);
    let chat = field("zakupai", "TELEGRAM_CHAT_ID", KvVersion::V2);
    assert_eq!(program.read_once(&chat).await.unwrap(), "-1001234567890");
    assert_eq!(program.read_once(&field("old", "TOKEN", KvVersion::V1)).await.unwrap(), TOKEN);
    assert_eq!(program.read_once(&field("old", "CHAT", KvVersion::V1)).await.unwrap(), "-100123");
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let bao = server().await;
    let program = Program::with_token(&bao, bao.root_token());

    let error = program.read_once(&field("zakupai", "TOKEN", KvVersion::V2)).await.unwrap_err();
    assert!(error.contains("no field \"TOKEN\"; its fields are: TELEGRAM_BOT_TOKEN"), "{error}");
    let error = program.read_once(&field("nowhere", "TOKEN", KvVersion::V2)).await.unwrap_err();
    assert!(error.contains("vault has nothing at nowhere/monitoring"), "{error}");
    bao.write("zakupai/delete/monitoring", json!({"versions": [1]})).await;
    let error = program.read_once(&bot_token()).await.unwrap_err();
    assert!(error.contains("vault has nothing at zakupai/monitoring"), "{error}");
}

#[tokio::test]
async fn a_rotated_secret_is_used_without_a_restart() {
    let bao = server().await;
    let role = bao.approle("nabat", json!({"token_policies": "nabat"})).await;
    let mut program = Program::with_approle(&bao, &role);
    let mut token = program.keep(None);
    arrives(&mut token, TOKEN).await;
    assert_eq!(program.metrics.vault_up.get(), 1);
    assert!(program.metrics.vault_token_expiry.get() > 0.0);

    rotate(&bao, ROTATED).await;
    arrives(&mut token, ROTATED).await;
    assert_eq!(program.failures(), 0);
}

#[tokio::test]
async fn a_login_is_renewed_before_it_ends() {
    let bao = server().await;
    let role = json!({"token_policies": "nabat", "token_ttl": "2s", "token_max_ttl": "1h"});
    let role = bao.approle("nabat", role).await;
    let mut program = Program::with_approle(&bao, &role);
    let mut token = program.keep(None);
    arrives(&mut token, TOKEN).await;
    let login = bao.approle_logins().await;
    let first_end = program.metrics.vault_token_expiry.get();

    eventually("the login outlives its first end twice over", async || {
        program.metrics.vault_token_expiry.get() > first_end + 3.0
    })
    .await;
    assert_eq!(bao.approle_logins().await, login);
    rotate(&bao, ROTATED).await;
    arrives(&mut token, ROTATED).await;
    assert_eq!(program.failures(), 0);
}

#[tokio::test]
async fn a_login_near_its_maximal_age_is_replaced_before_a_read_fails() {
    let bao = server().await;
    let role = json!({"token_policies": "nabat", "token_ttl": "3s", "token_max_ttl": "4s"});
    let role = bao.approle("nabat", role).await;
    let mut program = Program::with_approle(&bao, &role);
    let mut token = program.keep(None);
    arrives(&mut token, TOKEN).await;
    let first = bao.approle_logins().await;

    eventually("the first login is gone and another is there", async || {
        let logins = bao.approle_logins().await;
        !logins.is_empty() && !logins.contains(&first[0])
    })
    .await;
    assert_eq!(program.failures(), 0);
}

#[tokio::test]
async fn a_revoked_login_is_made_again() {
    let bao = server().await;
    let role = bao.approle("nabat", json!({"token_policies": "nabat"})).await;
    let mut program = Program::with_approle(&bao, &role);
    let mut token = program.keep(None);
    arrives(&mut token, TOKEN).await;

    for login in bao.approle_logins().await {
        bao.revoke(&login).await;
    }
    rotate(&bao, ROTATED).await;
    arrives(&mut token, ROTATED).await;
    assert_eq!(program.failures(), 0);
}

#[tokio::test]
async fn a_denied_path_does_not_pile_up_logins() {
    let bao = server().await;
    let role = bao.approle("nabat", json!({"token_policies": "default"})).await;
    let mut program = Program::with_approle(&bao, &role);
    let logs = Logs::capture();
    let token = program.keep(None);

    eventually("it was tried many times", async || program.failures() >= 5).await;
    assert!(token.borrow().is_none());
    assert_eq!(bao.approle_logins().await.len(), 1);
    assert_eq!(logs.count("vault denied it"), 1, "{}", logs.text());
    assert_eq!(program.metrics.vault_up.get(), 1);

    bao.allow_reading("default", "zakupai").await;
    let mut token = token;
    arrives(&mut token, TOKEN).await;
}

#[tokio::test]
async fn the_stop_gives_the_login_back() {
    let bao = server().await;
    let role = bao.approle("nabat", json!({"token_policies": "nabat"})).await;
    let mut program = Program::with_approle(&bao, &role);
    let mut token = program.keep(None);
    arrives(&mut token, TOKEN).await;
    assert_eq!(bao.approle_logins().await.len(), 1);

    program.stop().await;
    assert_eq!(bao.approle_logins().await.len(), 0);
}

#[tokio::test]
async fn a_token_that_was_given_is_renewed_and_never_given_back() {
    let bao = server().await;
    let given = bao.token(json!({"policies": ["nabat"], "ttl": "2s"})).await;
    let mut program = Program::with_token(&bao, &given);
    let mut token = program.keep(None);
    arrives(&mut token, TOKEN).await;
    let first_end = program.metrics.vault_token_expiry.get();
    eventually("the token outlives its first end", async || {
        program.metrics.vault_token_expiry.get() > first_end + 2.0
    })
    .await;
    assert_eq!(program.failures(), 0);

    program.stop().await;
    assert_eq!(program.read_once(&bot_token()).await.unwrap(), TOKEN);
}

#[tokio::test]
async fn a_token_that_ended_is_replaced_by_what_its_file_holds_then() {
    let bao = server().await;
    let given = bao.token(json!({"policies": ["nabat"], "ttl": "1s", "renewable": false})).await;
    let mut program = Program::with_token(&bao, &given);
    let mut token = program.keep(None);
    arrives(&mut token, TOKEN).await;
    eventually("the token has ended", async || program.failures() >= 1).await;
    assert!(token.borrow().is_some(), "the last good value stays in use");

    let next = bao.token(json!({"policies": ["nabat"]})).await;
    program.file("vault-token", &next);
    rotate(&bao, ROTATED).await;
    arrives(&mut token, ROTATED).await;
}

#[tokio::test]
async fn a_server_sealed_at_the_start_is_waited_for() {
    let bao = server().await;
    let role = bao.approle("nabat", json!({"token_policies": "nabat"})).await;
    bao.seal().await;
    let mut program = Program::with_approle(&bao, &role);
    let logs = Logs::capture();
    let mut token = program.keep(None);

    eventually("it was tried several times", async || program.failures() >= 3).await;
    assert!(token.borrow().is_none());
    assert_eq!(program.metrics.vault_up.get(), 0);
    assert_eq!(logs.count("vault is sealed; unseal it"), 1, "{}", logs.text());

    bao.unseal().await;
    arrives(&mut token, TOKEN).await;
    assert_eq!(program.metrics.vault_up.get(), 1);
}

#[tokio::test]
async fn a_server_sealed_while_running_leaves_the_last_value_in_use() {
    let bao = server().await;
    let role = bao.approle("nabat", json!({"token_policies": "nabat"})).await;
    let mut program = Program::with_approle(&bao, &role);
    let logs = Logs::capture();
    let mut token = program.keep(None);
    arrives(&mut token, TOKEN).await;

    bao.seal().await;
    eventually("reads fail", async || program.failures() >= 3).await;
    assert_eq!(program.metrics.vault_up.get(), 0);
    assert_eq!(token.borrow().as_ref().unwrap().expose_secret(), TOKEN);
    assert_eq!(logs.count("vault is sealed; unseal it"), 1, "{}", logs.text());
    assert_eq!(logs.count("the last good value stays in use"), 1, "{}", logs.text());

    bao.unseal().await;
    eventually("vault is up", async || program.metrics.vault_up.get() == 1).await;
    eventually("so it is said", async || logs.count("can be read again") == 1).await;
    rotate(&bao, ROTATED).await;
    arrives(&mut token, ROTATED).await;
}

#[tokio::test]
async fn a_server_that_is_away_is_named_and_waited_for() {
    let bao = server().await;
    let mut program = Program::with_token(&bao, bao.root_token());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    program.vault.address.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
    program.vault.timeout = Duration::from_millis(100);
    // Nobody accepts: the connection stands, the answer does not come.
    let error = program.read_once(&bot_token()).await.unwrap_err();
    assert_eq!(error, "vault did not answer in time");
    drop(listener);
    let error = program.read_once(&bot_token()).await.unwrap_err();
    assert!(error.starts_with("vault cannot be reached: Connection refused"), "{error}");
}

#[tokio::test]
async fn a_wrong_credential_is_explained_and_never_shown() {
    let bao = server().await;
    let (role_id, secret_id) = bao.approle("nabat", json!({"token_policies": "nabat"})).await;
    let wrong = "00000000-1111-2222-3333-444444444444".to_owned();
    for role in [(role_id.clone(), wrong.clone()), (wrong.clone(), secret_id.clone())] {
        let mut program = Program::with_approle(&bao, &role);
        let logs = Logs::capture();
        let token = program.keep(None);
        eventually("it was tried several times", async || program.failures() >= 3).await;
        assert!(token.borrow().is_none());
        assert_eq!(
            logs.count("check vault.auth.approle.role_id and secret_id"),
            1,
            "{}",
            logs.text()
        );
        for value in [&role_id, &secret_id, &wrong] {
            assert!(!logs.text().contains(value.as_str()), "{}", logs.text());
        }
    }

    let program = Program::with_token(&bao, "s.this-token-is-wrong");
    let error = program.read_once(&bot_token()).await.unwrap_err();
    assert!(error.contains("vault denied it"), "{error}");
    assert!(!error.contains("s.this-token"), "{error}");
}

#[tokio::test]
async fn nothing_logged_at_any_level_holds_a_secret() {
    let bao = server().await;
    let role = bao.approle("nabat", json!({"token_policies": "nabat", "token_ttl": "1s"})).await;
    let mut program = Program::with_approle(&bao, &role);
    let logs = Logs::capture();
    let mut token = program.keep(Some(Arc::new(Telegram)));
    arrives(&mut token, TOKEN).await;
    rotate(&bao, BROKEN).await;
    eventually("the broken token is refused", async || program.failures() >= 1).await;
    rotate(&bao, ROTATED).await;
    arrives(&mut token, ROTATED).await;
    eventually("the login is renewed", async || logs.count("renewed the login") > 0).await;
    program.stop().await;

    let text = logs.text();
    assert!(text.contains("gave the vault token back"), "{text}");
    // The scrubber knows all of them: nabat's own Vault tokens too.
    assert!(program.scrubber.clean(TOKEN) != TOKEN && program.scrubber.clean(&role.1) != role.1);
    assert_eq!(program.scrubber.clean(&text), text);
}

/// Refuses broken tokens, as getMe would.
struct Telegram;

#[async_trait]
impl Checker for Telegram {
    async fn check(&self, candidate: &SecretString) -> Check {
        match candidate.expose_secret() {
            BROKEN => Check::Bad("telegram answers Unauthorized".to_owned()),
            _ => Check::Good,
        }
    }
}

#[tokio::test]
async fn a_rotated_secret_that_does_not_work_is_not_used() {
    let bao = server().await;
    let role = bao.approle("nabat", json!({"token_policies": "nabat"})).await;
    let mut program = Program::with_approle(&bao, &role);
    let logs = Logs::capture();
    let mut token = program.keep(Some(Arc::new(Telegram)));
    arrives(&mut token, TOKEN).await;

    rotate(&bao, BROKEN).await;
    eventually("it was refused twice", async || program.failures() >= 2).await;
    assert_eq!(token.borrow().as_ref().unwrap().expose_secret(), TOKEN);
    assert_eq!(logs.count("telegram answers Unauthorized"), 1, "{}", logs.text());

    rotate(&bao, ROTATED).await;
    arrives(&mut token, ROTATED).await;
}

#[tokio::test]
async fn tls_is_checked_against_the_ca_file() {
    let bao = filled(OpenBao::start_with_tls().await).await;
    let mut program = Program::with_token(&bao, bao.root_token());

    let error = program.read_once(&bot_token()).await.unwrap_err();
    assert!(error.starts_with("vault's certificate is not trusted"), "{error}");
    program.vault.ca_file = Some(program.directory.path().join("vault-token"));
    let error = program.read_once(&bot_token()).await.unwrap_err();
    assert!(error.contains("it holds no PEM certificate"), "{error}");
    program.vault.ca_file = Some(bao.ca_file());
    assert_eq!(program.read_once(&bot_token()).await.unwrap(), TOKEN);
}

#[tokio::test]
async fn a_namespace_is_asked_for_by_its_name() {
    let bao = server().await;
    bao.write("sys/namespaces/team-a", json!({})).await;
    bao.mount_kv_in("team-a", "zakupai").await;
    bao.write("team-a/zakupai/monitoring", json!({"TELEGRAM_BOT_TOKEN": ROTATED})).await;
    let mut program = Program::with_token(&bao, bao.root_token());
    let at = field("zakupai", "TELEGRAM_BOT_TOKEN", KvVersion::V1);
    program.vault.namespace = Some("team-a".to_owned());
    assert_eq!(program.read_once(&at).await.unwrap(), ROTATED);
    program.vault.namespace = Some("team-b".to_owned());
    program.read_once(&at).await.unwrap_err();
}
