//! How nabat behaves, seen from outside: one binary, a module a subject.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should panic where it is")]

mod canary;
mod chat_page;
mod check_live;
mod configuration;
mod documents;
mod crash;
mod delivery;
mod ingest;
mod lifecycle;
mod main_job;
mod markup;
mod outbox_contract;
mod demo;
mod ingest;
mod main_job;
mod markup;
mod reload;
mod render_command;
mod rendering;
mod sandbox;
mod support;
mod vault;
mod vault_end_to_end;
mod web;
