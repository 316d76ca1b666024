//! Which lanes a notification goes to. Pure: no I/O, no time.

mod lane;

pub use lane::{ChatAlias, Destination, LaneId, Updates};
