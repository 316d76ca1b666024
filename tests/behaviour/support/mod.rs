//! The harness: the peers that tests run against.

pub mod notifications;
pub mod tdlib;
