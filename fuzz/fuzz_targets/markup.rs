//! Any text → read as Telegram's HTML, put in order, written and read again.
#![no_main]

#[path = "../checks.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::markup(data));
