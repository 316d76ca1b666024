//! From a webhook sent to the request at Telegram's side, in chats that are quiet.

use std::time::{Duration, Instant};

use nabat::sandbox::{Limits, Sandbox};

use super::program::{self, Program};
use super::sender::{Connection, body, request};

const CHATS: u32 = 300;
/// Not faster than the bot's pace, so that nothing waits for it.
const BETWEEN: Duration = Duration::from_millis(40);

pub async fn run() {
    let sandbox = program::sandbox(Limits::None, CHATS);
    let directory = tempfile::tempdir().expect("a directory");
    let nabat = Program::nabat(directory.path(), &program::configuration(&sandbox, CHATS));
    let mut connection = Connection::open(&nabat.address).await;
    measure("a chat's first message", 0, &sandbox, &mut connection).await;
    measure("a later message", CHATS, &sandbox, &mut connection).await;
}

/// One webhook a chat, each of another group.
async fn measure(what: &str, first_group: u32, sandbox: &Sandbox, connection: &mut Connection) {
    let (mut answered, mut shown) = (Vec::new(), Vec::new());
    for chat in 0..CHATS {
        let group = u64::from(first_group + chat);
        let webhook = request(&format!("/alertmanager/c{chat}"), &body(group, 1));
        let id = program::chat_id(chat);
        let before = sandbox.count_messages(id);
        let (sent, started) = (Instant::now(), sandbox.elapsed());
        let arrival = async {
            let came = |s: &Sandbox| s.count_messages(id) > before;
            assert!(sandbox.wait_for(Duration::from_secs(5), came).await, "no message came");
            let message = sandbox.messages(id).pop().expect("it came");
            message.sent_at.saturating_sub(started)
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
        tokio::time::sleep(BETWEEN).await;
    }
    println!("{what}:");
    for (name, mut times) in [("answered", answered), ("at Telegram", shown)] {
        times.sort_unstable();
        println!(
            "  {name:<12} p50 {:>7.2?} p90 {:>7.2?} p99 {:>7.2?}  ({} webhooks)",
            times[times.len() / 2],
            times[times.len() * 9 / 10],
            times[times.len() * 99 / 100],
            times.len(),
        );
    }
}
