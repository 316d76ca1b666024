//! The commands that talk to a running nabat, run as a person runs them.

use std::time::Duration;

use nabat::delivery::Outcome;
use nabat::lifecycle::Tasks;
use nabat::outbox::sqlite::SqliteOptions;
use nabat::outbox::{EntryState, Outbox};
use nabat::telegram::{ChatId, MessageId};

use crate::support::house::{BODY, House, Setup};

struct Told {
    code: i32,
    out: String,
    err: String,
}

async fn nabat(url: &str, arguments: &[&str]) -> Told {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_nabat"));
    command.args(arguments).env("NABAT_URL", url).kill_on_drop(true);
    let output = tokio::time::timeout(crate::support::DEADLINE, command.output());
    let output = output.await.expect("the command does not end").unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Told { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

impl House {
    async fn told(&self, arguments: &[&str]) -> Told {
        nabat(&self.url(""), arguments).await
    }
}

#[tokio::test]
async fn the_outbox_is_listed_shown_retried_and_dropped() {
    let house = House::open(Setup::default()).await;
    let empty = house.told(&["outbox", "list"]).await;
    assert_eq!((empty.code, empty.out.lines().count()), (0, 1));
    assert!(empty.out.contains("empty"), "{}", empty.out);

    house.dead_letter("ops", "disk").await;
    let listed = house.told(&["outbox", "list", "--state", "dead"]).await.out;
    assert!(listed.contains("web.hook disk") && listed.contains("unreachable"), "{listed}");
    let json = house.told(&["outbox", "list", "--json"]).await.out;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let id = json[0]["id"].to_string();
    let shown = house.told(&["outbox", "show", &id]).await.out;
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["notification"]["group"]["receiver"], "web.hook");

    let retried = house.told(&["outbox", "retry", "--all"]).await;
    assert_eq!(retried.code, 0, "{}", retried.err);
    let waiting = house.store.list(Some(EntryState::Waiting), 5).await.unwrap();
    let id = waiting[0].id.to_string();
    assert_eq!(house.told(&["outbox", "drop", &id]).await.code, 0);
    let again = house.told(&["outbox", "drop", &id]).await;
    assert_eq!(again.code, 1);
    assert!(again.err.contains(&format!("there is no entry {id}")), "{}", again.err);
}

#[tokio::test]
async fn a_retry_of_all_tries_what_waits_too() {
    let house = House::open(Setup::default()).await;
    let nothing = house.told(&["outbox", "retry", "--all"]).await;
    assert_eq!((nothing.code, nothing.out.as_str()), (0, "there are no dead letters\n"));
    house.webhook("/alertmanager", BODY).await;
    let tried = house.told(&["outbox", "retry", "--all"]).await;
    let said = "there are no dead letters\nwhat waits is tried now: ops\n";
    assert_eq!((tried.code, tried.out.as_str()), (0, said), "{}", tried.err);
}

#[tokio::test]
async fn an_empty_list_says_what_there_is_none_of() {
    let house = House::open(Setup::default()).await;
    house.webhook("/alertmanager", BODY).await;
    let dead = house.told(&["outbox", "list", "--state", "dead"]).await;
    assert_eq!((dead.code, dead.out.as_str()), (0, "there are no dead entries\n"));
    let none = house.told(&["outbox", "list", "--limit", "0"]).await;
    assert_eq!((none.code, none.out.as_str()), (0, "nothing is listed: --limit is 0\n"));
    let other = House::open(Setup::default()).await;
    other.dead_letter("ops", "disk").await;
    let waiting = other.told(&["outbox", "list", "--state", "waiting"]).await;
    assert_eq!((waiting.code, waiting.out.as_str()), (0, "there are no waiting entries\n"));
}

#[tokio::test]
async fn of_several_entries_each_is_done_and_what_can_not_be_is_told() {
    let house = House::open(Setup::default()).await;
    let first = house.dead_letter("ops", "disk").await.to_string();
    let second = house.dead_letter("ops", "cpu").await.to_string();
    let retried = house.told(&["outbox", "retry", "998", &first, "999", &second]).await;
    assert_eq!(retried.code, 1, "{}", retried.err);
    let again = format!("entry {first} waits again\nentry {second} waits again\n");
    assert_eq!(retried.out, again, "{}", retried.err);
    assert_eq!(retried.err.lines().count(), 2, "{}", retried.err);
    assert!(retried.err.contains("entry 998") && retried.err.contains("entry 999"));

    let dropped = house.told(&["outbox", "drop", "999", &first, &second]).await;
    assert_eq!(dropped.code, 1, "{}", dropped.err);
    assert_eq!(dropped.out, format!("entry {first} dropped\nentry {second} dropped\n"));
    assert_eq!(dropped.err, "nabat: can't drop entry 999: there is no entry 999\n");
    assert_eq!(house.store.list(None, 5).await.unwrap(), []);

    house.stopped().await;
    let gone = house.told(&["outbox", "drop", "1", "2"]).await;
    assert_eq!((gone.code, gone.err.lines().count()), (1, 1), "{}", gone.err);
    assert!(gone.err.contains("entry 1: nabat does not answer"), "{}", gone.err);
}

#[tokio::test]
async fn dead_letters_of_a_group_are_retried_as_one_and_each_is_told_of() {
    for wanted in ["older first", "newer first", "--all"] {
        let again_at_once = SqliteOptions { dedup_window: Duration::ZERO, ..Default::default() };
        let house = House::open(Setup { store: again_at_once, ..Setup::default() }).await;
        let older = house.dead_letter("ops", "disk").await.to_string();
        let newer = house.dead_letter("ops", "disk").await.to_string();
        let (first, second) = (
            format!("entry {older} waits again as {newer}\n"),
            format!("entry {newer} waits again\n"),
        );
        let (arguments, said) = match wanted {
            "older first" => (vec![&*older, &newer], format!("{first}{second}")),
            "newer first" => (vec![&*newer, &older], format!("{second}{first}")),
            all => (vec![all], format!("{first}{second}what waits is tried now: ops\n")),
        };
        let retried = house.told(&[&["outbox", "retry"], &*arguments].concat()).await;
        assert_eq!((retried.code, retried.out, retried.err), (0, said, String::new()), "{wanted}");
        assert_eq!(house.store.list(None, 5).await.unwrap().len(), 1, "{wanted}");
    }
}

#[tokio::test]
async fn what_was_asked_for_is_done_though_nobody_reads_of_it() {
    let house = House::open(Setup::default()).await;
    let first = house.dead_letter("ops", "disk").await.to_string();
    let second = house.dead_letter("ops", "cpu").await.to_string();
    for arguments in [&["outbox", "list"][..], &["outbox", "drop", &first, &second]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_nabat"));
        command.args(arguments).env("NABAT_URL", house.url("")).stdout(writer);
        command.stderr(std::process::Stdio::piped()).kill_on_drop(true);
        let child = command.spawn().unwrap();
        let output = tokio::time::timeout(crate::support::DEADLINE, child.wait_with_output());
        let output = output.await.expect("the command does not end").unwrap();
        let complaints = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), complaints.as_str()), (Some(0), ""), "{arguments:?}");
    }
    assert_eq!(house.store.list(None, 5).await.unwrap(), []);
}

#[tokio::test]
async fn what_would_die_again_at_once_is_left_and_counted() {
    let house = House::open(Setup::default()).await;
    let lost = house.dead_letter("night", "disk").await.to_string();
    let lost_too = house.dead_letter("night", "cpu").await.to_string();
    let mended = house.dead_letter("ops", "disk").await.to_string();
    let why = "chat \"night\" is not configured any more; configure it again and retry, or drop \
               the entry";
    let one = house.told(&["outbox", "retry", &lost]).await;
    assert_eq!((one.code, one.out.as_str()), (1, ""));
    assert_eq!(one.err, format!("nabat: can't retry entry {lost}: {why}\n"));
    let all = house.told(&["outbox", "retry", "--all"]).await;
    let tried = format!("entry {mended} waits again\nwhat waits is tried now: ops\n");
    assert_eq!((all.code, all.out), (1, tried));
    assert_eq!(all.err, format!("nabat: 2 dead letters are left: {why}\n"));
    let dead = house.store.list(Some(EntryState::Dead), 5).await.unwrap();
    let dead: Vec<String> = dead.iter().map(|entry| entry.id.to_string()).collect();
    assert_eq!(dead, [lost, lost_too]);
}

#[tokio::test]
async fn what_was_left_is_told_though_what_waits_can_not_be_tried() {
    use axum::routing::{get, post};
    use http::StatusCode;

    let refused = async |status, why| (status, format!("{{\"error\": \"{why}\"}}"));
    let app = axum::Router::new()
        .route("/api/v1/outbox", get(async || r#"{"entries": [{"id": 5}]}"#))
        .route("/api/v1/outbox/5/retry", post(move || refused(StatusCode::CONFLICT, "no chat")))
        .route(
            "/api/v1/outbox/retry",
            post(move || refused(StatusCode::SERVICE_UNAVAILABLE, "the store is closed")),
        );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    Tasks::default().spawn("nabat", async move { drop(axum::serve(listener, app).await) });

    let told = nabat(&url, &["outbox", "retry", "--all"]).await;
    assert_eq!((told.code, told.out.as_str()), (1, ""));
    let lines: Vec<&str> = told.err.lines().collect();
    assert_eq!(lines[0], "nabat: 1 dead letter is left: no chat");
    assert!(lines[1].contains("the store is closed"), "{}", told.err);
}

#[tokio::test]
async fn refused_webhooks_are_listed_with_their_reason_and_their_head() {
    let house = House::open(Setup::default()).await;
    house.webhook("/alertmanager", "{\"alerts\": \u{1b}[31m\u{202e}\u{2066}\u{9b}").await;
    house.rejected(1).await;
    let listed = house.told(&["outbox", "list", "--rejected"]).await.out;
    assert!(listed.contains("400  /alertmanager  from 127.0.0.1:"), "{listed}");
    assert!(
        listed.contains("{\"alerts\": \u{fffd}[31m\u{fffd}\u{fffd}\u{fffd}\n"),
        "no control character reaches a terminal: {listed:?}"
    );
    let json = house.told(&["outbox", "list", "--rejected", "--json"]).await.out;
    assert!(!json.contains(['\u{202e}', '\u{2066}', '\u{9b}']), "nor does one in JSON: {json:?}");
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(json[0]["head"].as_str().unwrap().ends_with("\u{202e}\u{2066}\u{9b}"), "{json}");

    house.webhook("/webhook", BODY).await;
    house.rejected(2).await;
    let listed = house.told(&["outbox", "list", "--rejected"]).await.out;
    assert_eq!(listed.lines().count(), 3, "there is no head to show: {listed}");
}

#[tokio::test]
async fn a_test_alert_ends_with_0_only_when_it_was_delivered() {
    let house = House::open(Setup::default()).await;
    let (told, ()) = tokio::join!(house.told(&["test-alert", "--chat", "db"]), async {
        let shown = Outcome::Shown { chat: ChatId(-100), message: MessageId(5) };
        house.deliver(shown).await;
    });
    assert_eq!((told.code, told.out.as_str()), (0, "db: delivered, message 5\n"), "{}", told.err);
    let arguments = ["test-alert", "--label", "team=web", "--severity", "critical"];
    let (told, ()) = tokio::join!(house.told(&arguments), async {
        house.deliver(Outcome::Dead { why: "bot was kicked".into() }).await;
    });
    assert_eq!((told.code, told.out.as_str()), (1, "ops: failed: bot was kicked\n"));
    let unknown = house.told(&["test-alert", "--chat", "dbb"]).await;
    assert_eq!(unknown.code, 1);
    assert!(unknown.err.contains("did you mean \"db\"?"), "{}", unknown.err);
}

#[tokio::test]
async fn a_health_check_tells_by_its_exit_code() {
    let house = House::open(Setup::default()).await;
    assert_eq!(house.told(&["healthcheck"]).await.code, 0);
    let _latch = house.readiness.hold("starting");
    assert_eq!(house.told(&["healthcheck"]).await.code, 0, "healthy is not ready");
    let told = house.told(&["healthcheck", "--ready"]).await;
    assert_eq!((told.code, told.out.as_str()), (1, "nabat is not ready: starting\n"));
    house.stopped().await;
    let gone = house.told(&["healthcheck"]).await;
    assert_eq!(gone.code, 1);
    assert!(gone.err.contains("is \"nabat serve\" running there?"), "{}", gone.err);
}

#[tokio::test]
async fn a_command_that_was_called_wrongly_ends_with_2() {
    for (url, arguments) in [
        ("ftp://127.0.0.1", &["healthcheck"][..]),
        ("http://127.0.0.1:1", &["outbox", "list", "--ca-file=/nowhere.pem"]),
        ("http://127.0.0.1:1", &["render", "--templates=a***b"]),
        ("http://127.0.0.1:1", &["demo", "--log.level=nabat=nonsense"]),
    ] {
        let told = nabat(url, arguments).await;
        assert_eq!(told.code, 2, "{arguments:?}: {}", told.err);
    }
}

#[tokio::test]
async fn the_shells_get_their_completions() {
    for shell in ["bash", "zsh", "fish"] {
        let told = nabat("http://127.0.0.1:1", &["completions", shell]).await;
        assert_eq!(told.code, 0, "{}", told.err);
        assert!(told.out.contains("test-alert"), "{shell}");
    }
}

#[tokio::test]
async fn serve_with_a_broken_web_configuration_ends_with_2_and_names_the_fault() {
    let home = tempfile::tempdir().unwrap();
    let web = home.path().join("web.yml");
    std::fs::write(&web, "basic_auth_user: {ann: x}\n").unwrap();
    let config = home.path().join("nabat.yml");
    let text = "telegram: {bot_token: {env: PATH}}\nchats: {ops: {id: -1001234567890}}\n\
                route: {chats: [ops]}\n";
    std::fs::write(&config, text).unwrap();
    let path = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    let arguments = [
        "serve",
        "--config.file",
        &path(&config),
        "--storage.path",
        &path(&home.path().join("data")),
        "--web.listen-address=127.0.0.1:0",
        "--web.config.file",
        &path(&web),
    ];
    let told = nabat("http://127.0.0.1:1", &arguments).await;
    assert_eq!(told.code, 2, "{}", told.err);
    assert!(told.err.contains("basic_auth_user") && told.err.contains("web.yml"), "{}", told.err);
}
