//! The HTTP side beside the webhook: the server's patience and stop, health, the outbox's
//! doors, test alerts, and what keeps strangers out.

mod commands;
mod connections;
mod doors;
mod security;
mod test_alert;
