//! From the start of the process to accepting webhooks.

use std::time::{Duration, Instant};

use nabat::sandbox::Limits;
use tempfile::TempDir;

use super::program::{self, Program};
use super::sender::{Connection, body, request};

const ENTRIES: u64 = 100_000;
const STARTS: usize = 11;

pub async fn run() {
    let sandbox = program::sandbox(Limits::default(), 1);
    let configuration = program::configuration(&sandbox, 1);
    let mut empty = Vec::new();
    for _ in 0..STARTS {
        let directory = tempfile::tempdir().expect("a directory");
        empty.push(time(&directory, &configuration));
    }
    say("empty store", empty);

    // Telegram is away while the entries come in.
    let away = configuration.replace(&sandbox.url(), "http://127.0.0.1:9");
    let directory = tempfile::tempdir().expect("a directory");
    let nabat = Program::nabat(directory.path(), &away);
    let senders: Vec<_> = (0..16)
        .map(|part| {
            let address = nabat.address.clone();
            tokio::spawn(async move {
                let mut connection = Connection::open(&address).await;
                for group in (0..ENTRIES).filter(|group| group % 16 == part) {
                    let status = connection.send(&request("/alertmanager", &body(group, 1))).await;
                    assert_eq!(status, 200, "every webhook is accepted");
                }
            })
        })
        .collect();
    for sender in senders {
        sender.await.expect("no panic");
    }
    println!("resident with {ENTRIES} waiting entries: {} KiB", nabat.resident());
    nabat.stop();
    let full = (0..STARTS).map(|_| time(&directory, &away)).collect();
    say("100,000 waiting entries", full);
}

fn time(directory: &TempDir, configuration: &str) -> Duration {
    let started = Instant::now();
    let nabat = Program::nabat(directory.path(), configuration);
    let took = started.elapsed();
    nabat.stop();
    took
}

fn say(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    println!(
        "{what}: median {:.1?}, fastest {:.1?}, slowest {:.1?}",
        times[times.len() / 2],
        times[0],
        times[times.len() - 1]
    );
}
