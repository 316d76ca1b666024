//! Load and latency of the real program, side by side with a handler that stores nothing.
//!
//! ```text
//! cargo bench --bench load -- ingest     requests/s and p99 at 64 connections, and the ratio
//! cargo bench --bench load -- latency    webhook sent → request at Telegram's side, idle chats
//! cargo bench --bench load -- memory     resident memory, idle and over a million webhooks
//! cargo bench --bench load -- start      start to ready, empty and with 100,000 entries
//! cargo bench --bench load -- pace       what of the allowed pace is used, and 429s
//! cargo bench --bench load -- storm      how soon a storm is on the screen
//! cargo bench --bench load -- outage     a million webhooks without Telegram, and its return
//! cargo bench --bench load -- soak       an hour of steady load; a number of minutes may follow
//! ```
//!
//! Everything runs on loopback, bounded in time and count.

#![expect(
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a load program asks the time itself, owns its tasks, and rounds what it prints"
)]

mod baseline;
mod ingest;
mod latency;
mod memory;
mod outage;
mod pace;
mod program;
mod sender;
mod soak;
mod start;
mod storm;

/// As in the program, so that what it is measured against has no other one.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime starts");
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    runtime.block_on(async {
        match words.as_slice() {
            ["baseline"] => baseline::serve().await,
            ["ingest"] => ingest::run().await,
            ["latency"] => latency::run().await,
            ["memory", rest @ ..] => memory::run(rest.first().copied()).await,
            ["start"] => start::run().await,
            ["pace"] => pace::run().await,
            ["storm"] => storm::run().await,
            ["outage", rest @ ..] => outage::run(rest.first().copied()).await,
            ["soak", rest @ ..] => soak::run(rest.first().copied()).await,
            // `cargo bench` and `cargo test --benches` start it without a word.
            _ => println!(
                "say what to measure: ingest, latency, memory, start, pace, storm, outage or soak"
            ),
        }
    });
}
