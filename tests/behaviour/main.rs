//! How nabat behaves, seen from outside: one binary, a module a subject.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should panic where it is")]

mod configuration;
mod main_job;
mod outbox_contract;
mod rendering;
mod sandbox;
mod support;
mod vault;
