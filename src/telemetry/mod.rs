//! What nabat says about itself: logs and metrics.

pub mod metrics;

pub use metrics::Metrics;
