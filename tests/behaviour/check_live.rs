//! `nabat check --live`, as a person at a shell uses it before the first alert.

use std::path::Path;

use nabat::lifecycle::Tasks;
use nabat::sandbox::{Access, ChatKind, Sandbox, SandboxOptions};
use nabat::telegram::{ChatId, TopicId};
use serde_json::json;
use tempfile::TempDir;

use crate::support::alertmanager::{Alertmanager, TIMING};
use crate::support::nabat::Nabat;
use crate::support::openbao::OpenBao;
use crate::support::process::free_port;

const OPS: ChatId = ChatId(-1_001_234_567_890);
const OLD: ChatId = ChatId(-4_242);
const BOSS: ChatId = ChatId(12_345_678);

fn sandbox() -> Sandbox {
    let sandbox =
        Sandbox::start(SandboxOptions::default(), &Tasks::default()).expect("a free port");
    sandbox.add_chat(OPS, ChatKind::Supergroup { forum: true }, "On call");
    sandbox.add_topic(OPS, TopicId(7), "Databases");
    sandbox.add_chat(BOSS, ChatKind::Private, "Aigerim");
    sandbox
}

/// Runs `nabat check --live` over a configuration; its exit code and what it printed.
async fn check(directory: &Path, configuration: String, token: &str) -> (i32, String) {
    let file = directory.join("nabat.yml");
    std::fs::write(&file, configuration).expect("the configuration is written");
    let mut command = Nabat::command(&["check", "--live"]);
    command.arg(format!("--config.file={}", file.display())).env("TEST_BOT_TOKEN", token);
    let output = tokio::task::spawn_blocking(move || command.output().expect("nabat runs"));
    let output = output.await.expect("it was waited for");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code().expect("an exit code"), text)
}

fn telegram(sandbox: &Sandbox) -> String {
    format!("telegram: {{bot_token: {{env: TEST_BOT_TOKEN}}, api_url: {}}}\n", sandbox.url())
}

#[tokio::test]
async fn everything_that_answers_is_named_and_nothing_is_written_to_the_chats() {
    let sandbox = sandbox();
    let directory = TempDir::new().unwrap();
    let alertmanager = Alertmanager::start("http://127.0.0.1:9/alertmanager", TIMING).await;
    let configuration = format!(
        "{}chats:\n  ops: {{id: {OPS}, topic: 7}}\n  boss: {{id: {BOSS}}}\nroute: {{chats: [ops]}}\n\
         alertmanagers: {{main: {{url: {}}}}}\n",
        telegram(&sandbox),
        alertmanager.url()
    );
    let (code, shown) = check(directory.path(), configuration, sandbox.token()).await;
    assert_eq!(code, 0, "{shown}");
    for line in [
        "✓ telegram.bot_token  read from environment variable TEST_BOT_TOKEN",
        "✓ telegram            the bot is @nabat_sandbox_bot",
        "✓ chats.boss          private \"Aigerim\" (12345678)",
        "✓ chats.ops           supergroup \"On call\" (-1001234567890), topic 7",
        "✓ alertmanagers.main  Alertmanager 0.",
    ] {
        assert!(shown.contains(line), "no {line:?} in:\n{shown}");
    }
    assert!(!shown.contains('\x1b'), "colours are for terminals");
    assert_eq!(sandbox.messages(OPS), []);
    assert_eq!(sandbox.messages(BOSS), []);
}

#[tokio::test]
async fn each_trouble_has_its_line_and_its_remedy() {
    let sandbox = sandbox();
    sandbox.kick(BOSS);
    sandbox.add_chat(ChatId(-1_009), ChatKind::Group, "Mute");
    sandbox.set_access(ChatId(-1_009), Access::NoRights);
    let directory = TempDir::new().unwrap();
    let configuration = format!(
        "{}chats:\n  ops: {{id: {OPS}, topic: 9}}\n  boss: {{id: {BOSS}}}\n  mute: {{id: -1009}}\n  \
         nowhere: {{id: -1009999999999}}\n  filed: {{id: {{file: chat-id}}}}\n\
         route: {{chats: [ops]}}\nalertmanagers: {{main: {{url: http://127.0.0.1:{}}}}}\n",
        telegram(&sandbox),
        free_port()
    );
    std::fs::write(directory.path().join("chat-id"), "the ops group\n").unwrap();
    let (code, shown) = check(directory.path(), configuration, sandbox.token()).await;
    assert_eq!(code, 1, "{shown}");
    for (line, remedy) in [
        ("✗ chats.boss ", "write to the bot first"),
        ("✗ chats.filed ", "looks like -100"),
        ("✗ chats.mute ", "make it an administrator"),
        ("✗ chats.nowhere ", "add the bot to the group"),
        ("✗ chats.ops ", "the topic's number"),
        ("✗ alertmanagers.main ", "path prefix"),
    ] {
        let (_, after) =
            shown.split_once(line).unwrap_or_else(|| panic!("no {line:?} in\n{shown}"));
        let next: Vec<&str> = after.lines().take(2).collect();
        assert!(next[1].contains('→') && next[1].contains(remedy), "{line}: {next:?}");
    }
    assert!(!shown.contains("the ops group"), "a secret's content is not shown");
}

#[tokio::test]
async fn a_refused_token_is_told_and_the_chats_are_not_asked() {
    let sandbox = sandbox();
    let directory = TempDir::new().unwrap();
    let configuration =
        format!("{}chats: {{ops: {{id: {OPS}}}}}\nroute: {{chats: [ops]}}\n", telegram(&sandbox));
    let (code, shown) = check(directory.path(), configuration, "12345:wrong-wrong").await;
    assert_eq!(code, 1, "{shown}");
    assert!(shown.contains("✗ telegram ") && shown.contains("@BotFather"), "{shown}");
    assert!(shown.contains("– chats.ops "), "{shown}");
    assert!(sandbox.requests().iter().all(|seen| seen.method == "getMe"));
}

#[tokio::test]
async fn what_stands_around_a_token_is_left_out_and_what_stands_in_it_is_refused() {
    let sandbox = sandbox();
    let directory = TempDir::new().unwrap();
    let configuration = format!(
        "telegram: {{bot_token: {{file: token}}, api_url: {}}}\nchats: {{ops: {{id: {OPS}}}}}\n",
        sandbox.url()
    );
    let token = directory.path().join("token");
    std::fs::write(&token, format!("\u{feff} {}\t\r\n", sandbox.token())).unwrap();
    let (code, shown) = check(directory.path(), configuration.clone(), "").await;
    assert_eq!(code, 0, "{shown}");

    let asked = sandbox.requests().len();
    std::fs::write(&token, "123456:wrong wrong\n").unwrap();
    let (code, shown) = check(directory.path(), configuration, "").await;
    assert_eq!(code, 1, "{shown}");
    assert!(shown.contains("token holds no token: it has a space"), "{shown}");
    assert!(!shown.contains("wrong") && sandbox.requests().len() == asked, "{shown}");
}

#[tokio::test]
async fn an_alertmanager_behind_a_password_is_asked_with_it() {
    use axum::routing::get;

    let app = axum::Router::new().route(
        "/api/v2/status",
        get(async |headers: http::HeaderMap| {
            // "user:pa55word"
            let known =
                headers.get("authorization").is_some_and(|v| v == "Basic dXNlcjpwYTU1d29yZA==");
            let status = if known { 200 } else { 401 };
            let body = r#"{"versionInfo": {"version": "0.34.0"}}"#;
            (http::StatusCode::from_u16(status).unwrap(), body)
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serve = async move { drop(axum::serve(listener, app).await) };
    Tasks::default().spawn("alertmanager", serve);

    let sandbox = sandbox();
    let directory = TempDir::new().unwrap();
    let secret = directory.path().join("url");
    std::fs::write(&secret, format!("http://user:pa55word@{address}\n")).unwrap();
    let configuration = format!(
        "{}chats: {{ops: {{id: {OPS}}}}}\nalertmanagers:\n  bare: {{url: 'http://{address}'}}\n  \
         main: {{url: {{file: url}}}}\n",
        telegram(&sandbox)
    );
    let (code, shown) = check(directory.path(), configuration, sandbox.token()).await;
    assert_eq!(code, 1, "{shown}");
    assert!(
        shown.contains(&format!("✓ alertmanagers.main  Alertmanager 0.34.0 at {address}")),
        "{shown}"
    );
    assert!(
        shown.contains(&format!("✗ alertmanagers.bare  {address} wants another user")),
        "{shown}"
    );
    assert!(shown.contains("main  URL from file ") && !shown.contains("pa55word"), "{shown}");
}

#[tokio::test]
async fn a_group_that_moved_is_followed_and_its_new_number_told() {
    let sandbox = sandbox();
    sandbox.add_chat(OLD, ChatKind::Group, "Duty");
    sandbox.migrate_chat(OLD, ChatId(-1_002_000_000_001));
    let directory = TempDir::new().unwrap();
    let configuration =
        format!("{}chats: {{ops: {{id: {OLD}}}}}\nroute: {{chats: [ops]}}\n", telegram(&sandbox));
    let (code, shown) = check(directory.path(), configuration, sandbox.token()).await;
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains("write -1002000000001 instead"), "{shown}");
}

#[tokio::test]
async fn a_faulty_configuration_is_told_before_anybody_is_asked() {
    let sandbox = sandbox();
    let directory = TempDir::new().unwrap();
    let configuration = format!("{}chats: {{}}\n", telegram(&sandbox));
    let (code, _) = check(directory.path(), configuration, sandbox.token()).await;
    assert_eq!(code, 2);
    assert!(sandbox.requests().is_empty());
}

#[tokio::test]
async fn vault_is_asked_for_the_token_and_a_sealed_one_is_named() {
    let sandbox = sandbox();
    let bao = OpenBao::start().await;
    bao.mount_kv("kv", 2).await;
    bao.put("kv", "monitoring", json!({"TOKEN": sandbox.token(), "CHAT": OPS})).await;
    bao.allow_reading("nabat", "kv").await;
    let vault_token = bao.token(json!({"policies": ["nabat"], "ttl": "1h"})).await;
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join("vault-token"), vault_token).unwrap();
    let configuration = |path: &str| {
        format!(
            "telegram: {{bot_token: {{vault: {{mount: kv, path: {path}, field: TOKEN}}}}, api_url: {}}}\n\
             vault: {{address: '{}', auth: {{token: {{file: vault-token}}}}}}\n\
             chats: {{ops: {{id: {{vault: {{mount: kv, path: monitoring, field: CHAT}}}}}}}}\n\
             route: {{chats: [ops]}}\n",
            sandbox.url(),
            bao.address()
        )
    };

    let (code, shown) = check(directory.path(), configuration("monitoring"), "").await;
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains("✓ vault ") && shown.contains("✓ chats.ops "), "{shown}");

    let (code, shown) = check(directory.path(), configuration("elsewhere"), "").await;
    assert_eq!(code, 1, "{shown}");
    assert!(shown.contains("✗ telegram.bot_token") && shown.contains("vault kv get"), "{shown}");

    bao.seal().await;
    let (code, shown) = check(directory.path(), configuration("monitoring"), "").await;
    assert_eq!(code, 1, "{shown}");
    assert!(shown.contains("✗ vault ") && shown.contains("sealed"), "{shown}");
    assert!(shown.contains("– chats.ops "), "{shown}");
}
