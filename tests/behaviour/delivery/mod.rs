//! How messages get through whatever Telegram does, seen in the chat.

mod chats;
mod pace;
mod panics;
mod pins;
mod storms;
mod storyboard;
mod topics;
mod trouble;
mod updates;

use nabat::sandbox::{Fault, Trouble};

use crate::support::stage::OPS;

/// A fault of the next message sent to `ops`.
fn next_send(trouble: Trouble) -> Fault {
    Fault::new(trouble).method("sendMessage").chat(OPS)
}
