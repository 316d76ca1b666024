//! Disks that are full, take no more, or lie.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use nabat::sandbox::{Fault, Limits, Trouble};
use rand::Rng;
use rand::distr::Alphanumeric;
use serde_json::Value;
use tempfile::TempDir;

use super::interposer::{Interposer, READ_ONLY, Switch};
use super::{PEOPLE, group, play, post, serve, telegram, told, with_own_mounts};
use crate::support::eventually;
use crate::support::nabat::{Nabat, client};
use crate::support::process::Process;
use crate::support::stage::{Stage, webhook};

const SMALL_DISK: &str = "mkdir \"$1\"\nmount -t tmpfs -o size=64m tmpfs \"$1\"";
const READ_ONLY_DISK: &str = "mkdir \"$1\"\nmount -t tmpfs -o ro tmpfs \"$1\"";

/// The file that fills the small disk, seen from here.
fn filler(stage: &Stage) -> PathBuf {
    let store = stage.directory.path().join("data/filler");
    PathBuf::from(format!("/proc/{}/root{}", stage.nabat.process.pid(), store.display()))
}

/// Fills the disk to its last byte.
fn fill(path: &PathBuf) {
    let mut file = File::options().create(true).append(true).open(path).unwrap();
    let mut chunk = 1 << 16;
    while chunk > 0 {
        if file.write_all(&vec![b'x'; chunk]).is_err() {
            chunk /= 2;
        }
    }
}

async fn ready(stage: &Stage) -> u16 {
    stage.nabat.get("/-/ready").await.0
}

#[tokio::test]
async fn on_a_full_disk_webhooks_are_503_and_what_waits_is_sent_all_the_same() {
    let directory = TempDir::new().unwrap();
    let sandbox = telegram(Limits::Real);
    let data = directory.path().join("data");
    let command = with_own_mounts(SMALL_DISK, &[&data], &serve(directory.path(), &sandbox));
    let stage = play(command, sandbox, directory).await;
    let telegram_is_away = Fault::new(Trouble::internal_server_error()).always();
    stage.sandbox.inject(telegram_is_away);

    let mut taken = Vec::new();
    let post_next = async |number: usize| {
        let (body, name) = group(number);
        let chat = format!("person{}", number % usize::try_from(PEOPLE).unwrap());
        (post(&stage.nabat.url, &chat, &body).await, name)
    };
    for number in 0..16 {
        let (status, name) = post_next(number).await;
        assert_eq!(status, 200);
        taken.push(name);
    }
    let filler = filler(&stage);
    fill(&filler);
    // What the log has room for within itself is still taken.
    let mut number = 16;
    loop {
        let (status, name) = post_next(number).await;
        number += 1;
        match status {
            200 => taken.push(name),
            503 => break,
            other => panic!("{other}"),
        }
        assert!(number < 5000, "the disk is not full");
    }
    eventually("it is not ready", async || ready(&stage).await == 503).await;
    let (status, _) = post_next(number).await;
    assert_eq!(status, 503);

    stage.sandbox.clear_faults();
    stage.go_on_at_once().await;
    stage.drained().await;
    for name in &taken {
        assert_eq!(told(&stage.sandbox, name), 1, "{name}\n{}", stage.nabat.process.output());
    }
    assert_eq!(stage.metric("ambiguous_sends_total").await, 0);
    assert_eq!(ready(&stage).await, 503, "what became free is no room for more");

    std::fs::remove_file(filler).unwrap();
    eventually("it is ready again", async || ready(&stage).await == 200).await;
    let (status, name) = post_next(number + 1).await;
    assert_eq!(status, 200);
    eventually("it is shown", async || told(&stage.sandbox, &name) == 1).await;
}

#[tokio::test]
async fn a_start_on_a_read_only_file_system_is_refused_with_a_remedy() {
    let directory = TempDir::new().unwrap();
    let sandbox = telegram(Limits::None);
    let data = directory.path().join("data");
    let command = serve(directory.path(), &sandbox);
    let mut nabat = Process::start(&mut with_own_mounts(READ_ONLY_DISK, &[&data], &command));
    assert_eq!(nabat.ended().await, Some(1), "{}", nabat.output());
    eventually("it says why", async || nabat.output().contains("--storage.path")).await;
    let said = nabat.output();
    assert!(said.contains(&*data.to_string_lossy()) && said.contains("Read-only"), "{said}");
}

/// nabat above the interposer.
async fn above(interposer: &Interposer, directory: TempDir) -> Stage {
    let sandbox = telegram(Limits::None);
    let mut command = serve(directory.path(), &sandbox);
    interposer.below(&mut command, &directory.path().join("data"));
    play(command, sandbox, directory).await
}

#[tokio::test]
async fn while_the_file_system_is_read_only_webhooks_are_503_and_nothing_is_sent_twice() {
    let directory = TempDir::new().unwrap();
    let interposer = Interposer::new(directory.path());
    let stage = above(&interposer, directory).await;
    let (body, name) = group(0);
    assert_eq!(post(&stage.nabat.url, "person0", &body).await, 200);
    eventually("it is shown", async || told(&stage.sandbox, &name) == 1).await;
    stage.drained().await;

    interposer.set(Switch::WriteError, READ_ONLY);
    let (body, name) = group(1);
    for _ in 0..3 {
        assert_eq!(post(&stage.nabat.url, "person0", &body).await, 503);
    }
    eventually("it is not ready", async || ready(&stage).await == 503).await;
    assert_eq!(told(&stage.sandbox, &name), 0);

    interposer.set(Switch::WriteError, 0);
    eventually("it is ready again", async || ready(&stage).await == 200).await;
    assert_eq!(post(&stage.nabat.url, "person0", &body).await, 200);
    eventually("it is shown", async || told(&stage.sandbox, &name) == 1).await;
    stage.drained().await;
    assert_eq!(told(&stage.sandbox, &name), 1);
}

#[tokio::test]
async fn after_a_failed_flush_nabat_stops_and_flushes_nothing_more() {
    let directory = TempDir::new().unwrap();
    let interposer = Interposer::new(directory.path());
    let mut stage = above(&interposer, directory).await;
    let (body, before) = group(0);
    assert_eq!(post(&stage.nabat.url, "person0", &body).await, 200);
    eventually("it is shown", async || told(&stage.sandbox, &before) == 1).await;
    stage.drained().await;

    interposer.set(Switch::FlushErrors, 1);
    let (body, lost) = group(1);
    assert_eq!(post(&stage.nabat.url, "person0", &body).await, 503);
    assert_eq!(stage.nabat.process.ended().await, Some(1));
    stage.says(&["can't be trusted"]).await;
    assert_eq!(interposer.get(Switch::Failed), 1);
    assert_eq!(interposer.get(Switch::FlushedAfter), 0, "a later success would mean nothing");
    assert_eq!(told(&stage.sandbox, &lost), 0);

    stage.nabat = Nabat::run(&mut serve(stage.directory.path(), &stage.sandbox)).await;
    post(&stage.nabat.url, "person0", &body).await;
    eventually("it is shown", async || told(&stage.sandbox, &lost) == 1).await;
}

/// 400 KiB that can't be squeezed, as an alert of the group.
fn bulky(number: usize, noise: &str) -> Value {
    let mut body = webhook(&format!("Bulky{number}"), &["db1"]);
    body["alerts"][0]["annotations"]["noise"] = noise.into();
    body
}

#[tokio::test]
async fn a_failed_flush_that_no_webhook_waits_for_stops_nabat_too() {
    let directory = TempDir::new().unwrap();
    let interposer = Interposer::new(directory.path());
    let mut stage = above(&interposer, directory).await;
    let wait = Trouble::too_many_requests(Some(60));
    stage.sandbox.inject(Fault::new(wait).always());
    interposer.set(Switch::SpareTheLog, 1);
    interposer.set(Switch::FlushErrors, 1);

    let noise: String =
        rand::rng().sample_iter(Alphanumeric).take(400 << 10).map(char::from).collect();
    // The log is moved into the file, which is flushed then, once it is long enough.
    let mut number = 0;
    while interposer.get(Switch::Failed) == 0 {
        let status = post(&stage.nabat.url, "person0", &bulky(number, &noise)).await;
        number += 1;
        assert!([200, 0, 503].contains(&status) && number < 500, "{status} at {number}");
    }
    assert_eq!(stage.nabat.process.ended().await, Some(1));
    assert_eq!(interposer.get(Switch::FlushedAfter), 0, "a later success would mean nothing");
}

#[tokio::test]
async fn without_power_everything_that_was_answered_2xx_is_there_at_the_next_start() {
    let directory = TempDir::new().unwrap();
    let interposer = Interposer::new(directory.path());
    interposer.set(Switch::Mirror, 1);
    let mut stage = above(&interposer, directory).await;
    stage.sandbox.inject(Fault::new(Trouble::internal_server_error()).always());

    let url = stage.nabat.url.clone();
    let taken = AtomicUsize::new(0);
    let people = usize::try_from(PEOPLE).unwrap();
    let until_the_power_goes = (0..people).map(|person| {
        let (url, taken) = (&url, &taken);
        async move {
            let mut names = Vec::new();
            for number in 0.. {
                let (body, name) = group(number * people + person);
                match post(url, &format!("person{person}"), &body).await {
                    200 => names.push(name),
                    _ => break,
                }
                taken.fetch_add(1, Ordering::Relaxed);
            }
            names
        }
    });
    let (taken, ()) = tokio::join!(join_all(until_the_power_goes), async {
        eventually("some are taken", async || taken.load(Ordering::Relaxed) >= 60).await;
        stage.nabat.process.kill();
    });

    // What the disk holds is what was flushed last, file by file.
    let data = stage.directory.path().join("data");
    std::fs::remove_dir_all(&data).unwrap();
    std::fs::rename(interposer.mirror(), &data).unwrap();
    stage.nabat = Nabat::run(&mut serve(stage.directory.path(), &stage.sandbox)).await;
    let listed = client().get(format!("{}/api/v1/outbox?limit=1000", stage.nabat.url));
    let listed = listed.send().await.unwrap().text().await.unwrap();
    for name in taken.concat() {
        assert!(listed.contains(&name), "{name} is lost: {listed}");
    }
}
