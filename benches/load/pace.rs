//! What of the allowed pace is used while there is work, under Telegram's real limits.

use std::time::{Duration, Instant};

use nabat::sandbox::Limits;

use super::program::{self, Program};
use super::sender::{Connection, body, request};

const CHATS: u32 = 3;
const MINUTES: u64 = 5;

pub async fn run() {
    let sandbox = program::sandbox(Limits::default(), CHATS);
    let directory = tempfile::tempdir().expect("a directory");
    let mut configuration = program::configuration(&sandbox, CHATS);
    // In digests the work would be done before the first minute is over.
    configuration.push_str("delivery: {storm: {threshold: 100h}}\n");
    let nabat = Program::nabat(directory.path(), &configuration);
    let mut connection = Connection::open(&nabat.address).await;
    for group in 0..MINUTES * 20 * 2 {
        for chat in 0..CHATS {
            let path = format!("/alertmanager/c{chat}");
            let status = connection.send(&request(&path, &body(group, 1))).await;
            assert_eq!(status, 200);
        }
    }
    let (started, span) = (Instant::now(), Duration::from_mins(MINUTES));
    while started.elapsed() < span {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let allowed = MINUTES * 20;
    for chat in 0..CHATS {
        let shown = sandbox.messages(program::chat_id(chat)).len();
        println!("c{chat}: {shown} of {allowed} allowed messages in {MINUTES} min");
    }
    println!("429s: {}", sandbox.count_429());
}
