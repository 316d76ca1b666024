//! Reading secrets, and what happens when the server or the secret goes wrong.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use nabat::secrets::{Check, Checker, KvVersion};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::*;
use crate::support::eventually;
use crate::support::logs::Logs;
use crate::support::openbao::OpenBao;

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
