//! Which lanes a notification goes to. Pure: no I/O, no time.
//!
//! [`Route`] is a tree that works like Alertmanager's, over [`Matcher`]s in Alertmanager's
//! syntax; [`Severities`] says how urgent a notification is.

mod lane;
mod matcher;
mod severity;
mod topic;
mod tree;

pub use lane::{ChatAlias, Destination, LaneId, Updates};
pub use matcher::{Matcher, MatcherError, Operator, parse_matchers};
pub use severity::Severities;
pub use topic::{Topic, TopicName, TopicRule, Topics};
pub use tree::Route;
