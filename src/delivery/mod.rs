//! Lane workers: they lease what waits, have it rendered, keep the pace and judge the answers.

mod report;

pub use report::{Outcome, Report};
