//! What nabat says about itself: logs and metrics.

pub mod logs;
pub mod metrics;
pub mod scrub;

pub use metrics::Metrics;
pub use scrub::Scrubber;
