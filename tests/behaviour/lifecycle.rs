//! Starting, reloading, stopping.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use nabat::lifecycle::Readiness;
use nabat::lifecycle::{StopOrder, Tasks};
use nabat::outbox::sqlite::{SqliteOptions, SqliteOutbox};
use nabat::outbox::{Outbox, StoreError};
use nabat::sandbox::{ChatKind, Fault, Limits, Trouble};
use nabat::telegram::ChatId;
use prometheus::{Histogram, HistogramOpts};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::support::eventually;
use crate::support::nabat::{Nabat, client};
use crate::support::process::Process;
use crate::support::stage::{BOSS, CHATS, OPS, Stage, configuration, sandbox, webhook};

const RELOADED: &str = "config_last_reload_successful";

fn store(directory: &Path) -> Arc<dyn Outbox> {
    let commits = Histogram::with_opts(HistogramOpts::new("commits", "of the test")).unwrap();
    Arc::new(SqliteOutbox::open(directory, SqliteOptions::default(), commits).unwrap())
}

#[tokio::test]
async fn each_step_of_the_stop_waits_for_the_one_before() {
    let directory = TempDir::new().unwrap();
    let outbox = store(directory.path());
    let readiness = Readiness::default();
    let close = CancellationToken::new();
    let (front, back, server_tasks) = (Tasks::default(), Tasks::default(), Tasks::default());
    let (say, mut said) = mpsc::unbounded_channel();
    assert_eq!(readiness.check(&*outbox).await, Ok(()));

    let server = server_tasks.spawn("server", {
        let (close, say, readiness) = (close.clone(), say.clone(), readiness.clone());
        let (outbox, front, back) = (outbox.clone(), front.clone(), back.clone());
        async move {
            close.cancelled().await;
            let not_ready = readiness.check(&*outbox).await;
            assert_eq!(not_ready, Err("stopping".to_owned()), "1: not ready before doors close");
            assert!(!front.is_stopping() && !back.is_stopping());
            say.send("2: the doors close").unwrap();
        }
    });
    front.spawn("accept", {
        let (front, back, outbox, say) = (front.clone(), back.clone(), outbox.clone(), say.clone());
        async move {
            front.stopping().await;
            tokio::time::sleep(Duration::from_millis(50)).await;
            assert!(!back.is_stopping(), "delivery goes on while requests are answered");
            outbox.probe().await.unwrap();
            say.send("2: the last request is answered").unwrap();
        }
    });
    back.spawn("lane", {
        let (back, outbox, say) = (back.clone(), outbox.clone(), say.clone());
        async move {
            back.stopping().await;
            tokio::time::sleep(Duration::from_millis(50)).await;
            outbox.probe().await.unwrap();
            say.send("3: the last send has ended").unwrap();
        }
    });
    let grace = Duration::from_secs(5);
    let order = StopOrder { readiness, close, server, front, back, outbox: outbox.clone(), grace };
    order.stop().await;
    say.send("4: the store is closed").unwrap();
    assert!(matches!(outbox.probe().await, Err(StoreError::Closed)));
    drop(say);
    let mut order = Vec::new();
    while let Ok(step) = said.try_recv() {
        order.push(step);
    }
    let expected = [
        "2: the doors close",
        "2: the last request is answered",
        "3: the last send has ended",
        "4: the store is closed",
    ];
    assert_eq!(order, expected);
    store(directory.path()).probe().await.unwrap();
}

#[tokio::test]
async fn what_does_not_end_within_the_grace_time_does_not_hold_the_stop_up() {
    let directory = TempDir::new().unwrap();
    let outbox = store(directory.path());
    let (front, back) = (Tasks::default(), Tasks::default());
    for tasks in [&front, &back] {
        tasks.spawn("stuck", std::future::pending::<()>());
    }
    let server = Tasks::default().spawn("server", async {});
    let order = StopOrder {
        readiness: Readiness::default(),
        close: CancellationToken::new(),
        server,
        front,
        back,
        outbox: outbox.clone(),
        grace: Duration::from_millis(20),
    };
    tokio::time::timeout(Duration::from_secs(5), order.stop()).await.expect("it ends");
    assert!(matches!(outbox.probe().await, Err(StoreError::Closed)));
}

#[tokio::test]
async fn messages_are_delivered_on_a_thread_that_takes_no_webhooks() {
    /// How often each of the process's threads has waited for something, by its name.
    fn waits(process: u32) -> HashMap<String, u64> {
        let mut waits = HashMap::new();
        for thread in std::fs::read_dir(format!("/proc/{process}/task")).unwrap() {
            let status = std::fs::read_to_string(thread.unwrap().path().join("status")).unwrap();
            let field = |name: &str| {
                let line = status.lines().find_map(|line| line.strip_prefix(name));
                line.unwrap_or_default().trim().to_owned()
            };
            let count: u64 = field("voluntary_ctxt_switches:").parse().unwrap();
            *waits.entry(field("Name:")).or_default() += count;
        }
        waits
    }
    const MESSAGES: u64 = 5;
    let stage = Stage::open("").await;
    let process = stage.nabat.process.pid();
    let before = waits(process);
    for number in 0..MESSAGES {
        let group = format!("Group{number}");
        stage.post("ops", &webhook(&group, &["db1"])).await;
        stage.shows_text(OPS, &group).await;
    }
    let after = waits(process);
    // Each of them waited for a webhook, a commit, an answer of Telegram's.
    for thread in ["doors", "delivery", "outbox"] {
        let waited = after[thread] - before[thread];
        assert!(waited >= MESSAGES, "{thread} waited {waited} times: {before:?}, {after:?}");
    }
}

#[tokio::test]
async fn a_request_in_flight_is_answered_and_the_listener_is_closed() {
    let mut stage = Stage::open("").await;
    let address = stage.nabat.url.trim_start_matches("http://").to_owned();
    let body = webhook("DiskFull", &["db1"]).to_string();
    let (first, rest) = body.split_at(body.len() / 2);
    let mut request = TcpStream::connect(&address).await.unwrap();
    let head = format!(
        "POST /alertmanager HTTP/1.1\r\nHost: nabat\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{first}",
        body.len()
    );
    request.write_all(head.as_bytes()).await.unwrap();
    // An answered request on a later connection: the head of this one has been read by now.
    assert_eq!(stage.nabat.get("/-/ready").await.0, 200);

    stage.nabat.process.signal("TERM");
    eventually("no new connection is taken", async || TcpStream::connect(&address).await.is_err())
        .await;
    request.write_all(rest.as_bytes()).await.unwrap();
    let mut answer = String::new();
    request.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(stage.nabat.process.ended().await, Some(0));

    stage.restart().await;
    stage.shows_text(OPS, "DiskFull").await;
}

#[tokio::test]
async fn a_send_in_flight_is_finished_and_not_repeated_by_the_next_start() {
    let mut stage = Stage::open("").await;
    stage.sandbox.inject(Fault::new(Trouble::DelayAfter { ms: 1500 }).method("sendMessage"));
    stage.post("ops", &webhook("DiskFull", &["db1"])).await;
    stage.shows_text(OPS, "DiskFull").await;
    assert_eq!(stage.stop().await, Some(0), "{}", stage.nabat.process.output());

    stage.restart().await;
    assert_eq!(stage.metric("ambiguous_sends_total").await, 0);
    stage.post("ops", &webhook("NetDown", &["sw1"])).await;
    let shown = stage.shows_text(OPS, "NetDown").await;
    assert_eq!(shown.len(), 2, "each once");
    assert!(stage.nabat.process.output().contains("nabat is ready"));
}

#[tokio::test]
async fn what_waits_at_the_stop_is_given_back_and_sent_by_the_next_start() {
    let mut stage = Stage::open("").await;
    let fault = Fault::new(Trouble::too_many_requests(Some(8))).method("sendMessage");
    stage.sandbox.inject(fault);
    stage.post("ops", &webhook("DiskFull", &["db1"])).await;
    assert!(stage.sandbox.wait_for(Duration::from_secs(10), |s| s.count_429() == 1).await);
    stage.post("ops", &webhook("NetDown", &["sw1"])).await;
    let asked = tokio::time::Instant::now();
    assert_eq!(stage.stop().await, Some(0));
    assert!(asked.elapsed() < Duration::from_secs(5), "a wait is no send in flight");

    stage.restart().await;
    assert_eq!(stage.metric("ambiguous_sends_total").await, 0, "nothing was cut");
    stage.shows_text(OPS, "DiskFull").await;
    stage.shows_text(OPS, "NetDown").await;
}

#[tokio::test]
async fn a_send_cut_off_by_the_grace_time_is_counted_and_repeated_by_the_next_start() {
    let sandbox = sandbox(Limits::Real);
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("nabat.yml");
    std::fs::write(&file, configuration(&sandbox, CHATS, "")).unwrap();
    let mut command = serve(directory.path(), "127.0.0.1:0");
    command.arg("--shutdown.grace=300ms").env("TEST_BOT_TOKEN", sandbox.token());
    let mut nabat = Nabat::run(&mut command).await;
    sandbox.inject(Fault::new(Trouble::Hang).method("sendMessage"));
    assert_eq!(nabat.post(&webhook("DiskFull", &["db1"])).await, 200);
    let sent = |sandbox: &nabat::sandbox::Sandbox| {
        sandbox.requests().iter().any(|seen| seen.method == "sendMessage")
    };
    assert!(sandbox.wait_for(Duration::from_secs(10), sent).await);
    nabat.process.signal("TERM");
    assert_eq!(nabat.process.ended().await, Some(0));

    let nabat = Nabat::run(&mut command).await;
    let (_, page) = nabat.get("/metrics").await;
    assert!(page.contains("\nnabat_ambiguous_sends_total 1\n"), "{page}");
    let shown = |sandbox: &nabat::sandbox::Sandbox| sandbox.messages(OPS).len() == 1;
    assert!(sandbox.wait_for(Duration::from_secs(20), shown).await);
}

#[tokio::test]
async fn a_reload_by_sighup_is_all_or_nothing() {
    const NEW: ChatId = ChatId(-1_009_999_999_999);
    let mut stage = Stage::open("").await;
    stage.sandbox.add_chat(NEW, ChatKind::Supergroup { forum: false }, "new");
    assert_eq!(stage.metric(RELOADED).await, 1);

    let chats = "  ops: {id: -1009999999999}\n  boss: {idd: 5}";
    stage.rewrite(configuration(&stage.sandbox, chats, ""));
    stage.nabat.process.signal("HUP");
    eventually("the reload failed", async || stage.metric(RELOADED).await == 0).await;
    stage.says(&["chats.boss.idd", "the former one stays"]).await;
    stage.post("ops", &webhook("DiskFull", &["db1"])).await;
    stage.shows_text(OPS, "DiskFull").await;

    let chats = "  ops: {id: -1009999999999}";
    stage.rewrite(configuration(&stage.sandbox, chats, ""));
    stage.nabat.process.signal("HUP");
    eventually("the reload succeeded", async || stage.metric(RELOADED).await == 1).await;
    stage.post("ops", &webhook("NetDown", &["sw1"])).await;
    stage.shows_text(NEW, "NetDown").await;
    let gone = format!("{}/alertmanager/boss", stage.nabat.url);
    let answer = client().post(gone).json(&webhook("Power", &["ups"])).send().await.unwrap();
    assert_eq!(answer.status(), 404);
    assert!(stage.sandbox.messages(BOSS).is_empty());
}

#[tokio::test]
async fn a_faulty_reload_over_http_is_answered_with_its_faults() {
    let mut stage = Stage::open("").await;
    stage.rewrite("chats: {ops: {id: 0}}".into());
    let reload = format!("{}/-/reload", stage.nabat.url);
    let answer = client().post(&reload).send().await.unwrap();
    assert_eq!(answer.status(), 500);
    let told = answer.text().await.unwrap();
    assert!(told.contains("chats.ops.id") && told.contains("telegram"), "{told}");
    assert_eq!(stage.metric(RELOADED).await, 0);
}

#[tokio::test]
async fn a_second_instance_on_the_same_storage_exits_with_a_clear_message() {
    let stage = Stage::open("").await;
    let mut command = serve(stage.directory.path(), "127.0.0.1:0");
    let mut second = Process::start(command.env("TEST_BOT_TOKEN", stage.sandbox.token()));
    assert_eq!(second.ended().await, Some(1));
    let told = second.output();
    let first = format!("(process {})", stage.nabat.process.pid());
    assert!(told.contains(&first) && told.contains("--storage.path"), "{told}");
}

#[tokio::test]
async fn a_busy_port_is_named_and_the_exit_code_is_1() {
    let stage = Stage::open("").await;
    let address = stage.nabat.url.trim_start_matches("http://");
    let elsewhere = TempDir::new().unwrap();
    let text = configuration(&stage.sandbox, CHATS, "");
    std::fs::write(elsewhere.path().join("nabat.yml"), text).unwrap();
    let mut command = serve(elsewhere.path(), address);
    let mut second = Process::start(command.env("TEST_BOT_TOKEN", stage.sandbox.token()));
    assert_eq!(second.ended().await, Some(1));
    let told = second.output();
    assert!(told.contains(address) && told.contains("--web.listen-address"), "{told}");
}

/// `nabat serve` with the configuration and the store in `directory`.
fn serve(directory: &Path, address: &str) -> Command {
    let mut command = Nabat::command(&["serve"]);
    command
        .arg(format!("--config.file={}", directory.join("nabat.yml").display()))
        .arg(format!("--storage.path={}", directory.join("data").display()))
        .arg(format!("--web.listen-address={address}"));
    command
}
