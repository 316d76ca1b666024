//! Resident memory: idle, and flat over many webhooks to the same groups.

use std::time::Duration;

use nabat::sandbox::Limits;

use super::program::{self, Program};
use super::sender::load;

/// Sends until this many webhooks were taken; `memory 200000` says another number.
const WEBHOOKS: u64 = 1_000_000;

pub async fn run(number: Option<&str>) {
    let wanted = number.and_then(|number| number.parse().ok()).unwrap_or(WEBHOOKS);
    let sandbox = program::sandbox(Limits::default(), 1);
    let directory = tempfile::tempdir().expect("a directory");
    let nabat = Program::nabat(directory.path(), &program::configuration(&sandbox, 1));
    tokio::time::sleep(Duration::from_secs(3)).await;
    println!("idle: {} KiB", nabat.resident());
    let (mut taken, mut round) = (0, 0);
    while taken < wanted {
        round += 1;
        let load = load(&nabat.address, 64, Duration::from_secs(8), round).await;
        taken += load.requests;
        println!("after {taken:>8} webhooks: {} KiB", nabat.resident());
    }
}
