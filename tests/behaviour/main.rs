//! How nabat behaves, seen from outside: one binary, a module a subject.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should panic where it is")]

mod chat_page;
mod configuration;
mod crash;
mod delivery;
mod ingest;
mod lifecycle;
mod main_job;
mod markup;
mod outbox_contract;
mod render_command;
mod rendering;
mod sandbox;
mod support;
mod vault;
mod web;
