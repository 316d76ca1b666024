//! From a webhook sent to the request at Telegram's side, in chats that were quiet.

use std::time::{Duration, Instant};

use nabat::sandbox::Limits;

use super::program::{self, Program};
use super::sender::{Connection, body, request};

const CHATS: u32 = 300;

pub async fn run() {
    let sandbox = program::sandbox(Limits::None, CHATS);
    let directory = tempfile::tempdir().expect("a directory");
    let nabat = Program::nabat(directory.path(), &program::configuration(&sandbox, CHATS));
    let mut connection = Connection::open(&nabat.address).await;
    let (mut answered, mut shown) = (Vec::new(), Vec::new());
    for chat in 0..CHATS {
        let webhook = request(&format!("/alertmanager/c{chat}"), &body(u64::from(chat), 1));
        let id = program::chat_id(chat);
        let sent = Instant::now();
        let arrival = async {
            let held = sandbox.wait_for(Duration::from_secs(5), |s| s.count_messages(id) > 0).await;
            assert!(held, "the message never came");
            sent.elapsed()
        };
        let answer = async {
            assert_eq!(connection.send(&webhook).await, 200);
            sent.elapsed()
        };
        let (at_telegram, at_sender) = tokio::join!(arrival, answer);
        // The first calls open the connections to Telegram.
        if chat >= 10 {
            shown.push(at_telegram);
            answered.push(at_sender);
        }
        // Not faster than the bot's pace, so that nothing waits for it.
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
    for (name, mut times) in [("answered", answered), ("at Telegram", shown)] {
        times.sort_unstable();
        println!(
            "{name:<12} p50 {:>7.2?} p90 {:>7.2?} p99 {:>7.2?}  ({} webhooks)",
            times[times.len() / 2],
            times[times.len() * 9 / 10],
            times[times.len() * 99 / 100],
            times.len(),
        );
    }
}
