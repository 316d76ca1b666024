//! POST → Notification → outbox: the door Alertmanager and Grafana knock at.
//!
//! [`parse`] turns a body into the domain's words, [`Intake`] has it routed and stored durably,
//! and [`router`] answers over HTTP: 200 only after the store has committed. Nothing behind this
//! room sees the wire's types.

mod body;
mod books;
mod fingerprint;
mod http;
mod intake;
mod outage;
mod parse;
mod refusal;
mod text;
mod wire;

pub use body::{Bodies, BodyLimits, Held, require_json};
pub use books::{Booked, keep_books};
pub use http::{Door, router};
pub(crate) use intake::nearest;
pub use intake::{Intake, IntakeError, Router, Wake};
pub use parse::{BodyError, parse};
pub use refusal::{BodyTrouble, refused};
