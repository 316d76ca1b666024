//! Logging in, staying logged in, and giving the login back.

use serde_json::json;

use super::*;
use crate::support::eventually;
use crate::support::logs::Logs;

#[tokio::test]
async fn a_login_is_renewed_before_it_ends() {
    let bao = server().await;
    let role = json!({"token_policies": "nabat", "token_ttl": "9s", "token_max_ttl": "1h"});
    let role = bao.approle("nabat", role).await;
    let mut program = Program::with_approle(&bao, &role);
    let mut token = program.keep(None);
    arrives(&mut token, TOKEN).await;
    let login = bao.approle_logins().await;
    let first_end = program.metrics.vault_token_expiry.get();

    // Renewed at two thirds of its life: the second time behind its first end.
    eventually("the login outlives its first end", async || {
        program.metrics.vault_token_expiry.get() > first_end + 9.0
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
    let given = bao.token(json!({"policies": ["nabat"], "ttl": "9s"})).await;
    let mut program = Program::with_token(&bao, &given);
    let mut token = program.keep(None);
    arrives(&mut token, TOKEN).await;
    let first_end = program.metrics.vault_token_expiry.get();
    eventually("the token outlives its first end", async || {
        program.metrics.vault_token_expiry.get() > first_end + 9.0
    })
    .await;
    assert_eq!(program.failures(), 0);

    program.stop().await;
    assert_eq!(program.read_once(&bot_token()).await.unwrap(), TOKEN);
}

#[tokio::test]
async fn a_token_that_ended_is_replaced_by_what_its_file_holds_then() {
    let bao = server().await;
    let given = bao.token(json!({"policies": ["nabat"], "ttl": "9s", "renewable": false})).await;
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
