//! HTTP: the server itself, its security, health, metrics, and the JSON interface.

mod answer;
mod files;
mod guard;
mod health;
mod metrics;
mod outbox;
mod patience;
mod security;
mod serve;
mod signposts;
mod status;
mod test_alert;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::routing::{get, post};

use crate::clock::Clock;
use crate::delivery::Insight;
use crate::ingest::{Bodies, BodyLimits, Intake};
use crate::lifecycle::Readiness;
use crate::outbox::{Outbox, StoreError, Totals};

pub use guard::{Guard, guard};
pub use patience::Patience;
pub use security::{Security, SecurityError, Tls};
pub use serve::{ServeOptions, Site, serve};

/// An order of a test alert is a few labels.
const ORDER_LIMITS: BodyLimits =
    BodyLimits { size: 64 << 10, in_flight: 1 << 20, timeout: Duration::from_secs(30) };

/// Loads the configuration again.
#[async_trait]
pub trait Reload: fmt::Debug + Send + Sync + 'static {
    /// All or nothing.
    ///
    /// # Errors
    /// The faults, as text for people; the old configuration stays in force.
    async fn reload(&self) -> Result<(), String>;
}

/// The handles through which HTTP reaches the rest of the program.
#[derive(Debug)]
pub struct Doors {
    intake: Arc<Intake>,
    readiness: Readiness,
    reload: Arc<dyn Reload>,
    delivery: Arc<dyn Insight>,
    version: &'static str,
    started_at: jiff::Timestamp,
    test_pace: test_alert::Pace,
    /// Reads the orders of test alerts.
    orders: Bodies,
}

impl Doors {
    /// `version` is the program's own, for the status.
    pub fn new(
        intake: Arc<Intake>,
        readiness: Readiness,
        reload: Arc<dyn Reload>,
        delivery: Arc<dyn Insight>,
        version: &'static str,
    ) -> Self {
        let started_at = intake.clock.now();
        let orders = Bodies::new(ORDER_LIMITS, intake.tasks.clone());
        Self {
            intake,
            readiness,
            reload,
            delivery,
            version,
            started_at,
            test_pace: test_alert::Pace::default(),
            orders,
        }
    }

    fn outbox(&self) -> &dyn Outbox {
        self.intake.outbox.as_ref()
    }

    fn clock(&self) -> &Clock {
        &self.intake.clock
    }

    /// What the store holds, every configured chat included; another one only while it has
    /// something there.
    async fn totals(&self) -> Result<Totals, StoreError> {
        let mut totals = self.outbox().totals().await?;
        totals.chats.retain(|_, of_chat| of_chat.waiting + of_chat.dead > 0);
        for chat in self.intake.router.chats() {
            totals.chats.entry(chat).or_default();
        }
        Ok(totals)
    }
}

/// Every route except the webhook's own, which `ingest` brings.
pub fn router(doors: Doors) -> axum::Router {
    axum::Router::new()
        .route("/", get(signposts::landing).post(signposts::post_to_root))
        .route("/-/healthy", get(health::healthy))
        .route("/-/ready", get(health::ready))
        .route("/-/reload", post(health::reload).put(health::reload))
        .route("/metrics", get(metrics::metrics))
        .route("/api/v1/status", get(status::status))
        .route("/api/v1/outbox", get(outbox::list))
        .route("/api/v1/outbox/rejected", get(outbox::rejected))
        .route("/api/v1/outbox/{id}", get(outbox::show).delete(outbox::drop_entry))
        .route("/api/v1/outbox/retry", post(outbox::try_now))
        .route("/api/v1/outbox/{id}/retry", post(outbox::retry))
        .route("/api/v1/test-alert", post(test_alert::test_alert))
        .with_state(Arc::new(doors))
}

/// Puts the routes together and answers what none of them knows.
pub fn site(ingest: axum::Router, web: axum::Router) -> axum::Router {
    ingest
        .merge(web)
        .method_not_allowed_fallback(signposts::wrong_method)
        .fallback(signposts::unknown_path)
}
