//! How nabat behaves, seen from outside: one binary, a module a subject.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should panic where it is")]

mod buttons;
mod canary;
mod chat_page;
mod check_live;
mod command_line;
mod configuration;
mod convert;
mod crash;
mod delivery;
mod demo;
mod documents;
mod faults;
mod fuzz_corpus;
mod golden;
mod heartbeats;
mod hostile;
mod ingest;
mod lifecycle;
mod main_job;
mod markup;
mod outbox_contract;
mod pictures;
mod reload;
mod render_command;
mod rendering;
mod sandbox;
mod stack_monitoring;
mod stack_setup;
mod support;
mod templates;
mod user_templates;
mod vault;
mod vault_end_to_end;
mod web;
