//! A wall clock that jumps. What waits runs on a clock that can't.

use nabat::sandbox::Limits;
use tempfile::TempDir;

use super::interposer::Interposer;
use super::{group, play, post, serve, telegram, told};
use crate::support::eventually;
use crate::support::nabat::Nabat;

const HOUR: i64 = 3600;

#[tokio::test]
async fn jumps_of_an_hour_there_and_back_bring_neither_a_burst_nor_a_stall() {
    let directory = TempDir::new().unwrap();
    let interposer = Interposer::new(directory.path());
    let sandbox = telegram(Limits::Real);
    let data = directory.path().join("data");
    let mut command = serve(directory.path(), &sandbox);
    interposer.below(&mut command, &data);
    let mut stage = play(command, sandbox, directory).await;

    // One person, who may be written to once a second: most waits while the clock jumps.
    let mut names = Vec::new();
    for (number, jump) in [0, 0, HOUR, HOUR, -HOUR, -HOUR].into_iter().enumerate() {
        interposer.move_clock(jump);
        let (body, name) = group(number);
        assert_eq!(post(&stage.nabat.url, "person0", &body).await, 200);
        names.push(name);
        let so_far = names.len().saturating_sub(1);
        let shown = async || names.iter().filter(|name| told(&stage.sandbox, name) == 1).count();
        eventually("the ones before are shown", async || shown().await >= so_far).await;
    }
    stage.drained().await;

    // What a restart remembers of the pace has times of before the jump.
    assert_eq!(stage.stop().await, Some(0));
    interposer.move_clock(-2 * HOUR);
    let mut command = serve(stage.directory.path(), &stage.sandbox);
    interposer.below(&mut command, &data);
    stage.nabat = Nabat::run(&mut command).await;
    let (body, name) = group(names.len());
    assert_eq!(post(&stage.nabat.url, "person0", &body).await, 200);
    names.push(name);
    stage.drained().await;
    for name in &names {
        assert_eq!(told(&stage.sandbox, name), 1, "{name}");
    }
    assert_eq!(stage.sandbox.count_429(), 0, "no burst");
}
