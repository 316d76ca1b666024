//! nabat carries what Prometheus Alertmanager says over its webhook to Telegram, and loses
//! nothing on the way.
//!
//! The rooms, in the order in which an alert walks through them:
//!
//! ```text
//! Alertmanager ─POST→ ingest ─Notification→ routing ─(lane, group)→ outbox ─commit→ 200
//!                                                                     │
//!               Telegram ←client─ delivery ←Message parts─ rendering ←┘ lease, merge, settle
//! ```
//!
//! Beside the way: [`secrets`] keeps the bot token fresh, [`web`] serves HTTP and health,
//! [`heartbeats`] tells when nothing comes any more, [`telemetry`] logs and counts, [`config`] reads the file, [`images`] fetches pictures,
//! [`convert`] translates Alertmanager's templates, [`sandbox`] plays Telegram for the demo and
//! the tests. [`app`] is the only place that wires everyone; [`lifecycle`] starts and
//! stops them in order.
#![forbid(unsafe_code)]

pub mod alert;
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod convert;
pub mod delivery;
pub mod heartbeats;
pub mod images;
pub mod ingest;
pub mod lifecycle;
pub mod outbox;
pub mod rendering;
pub mod routing;
pub mod sandbox;
pub mod secrets;
mod spelling;
pub mod telegram;
pub mod telemetry;
pub mod web;
