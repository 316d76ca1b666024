//! The harness: the peers that tests run against.

pub mod alertmanager;
pub mod nabat;
pub mod process;
pub mod tdlib;
