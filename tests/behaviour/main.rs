//! How nabat behaves, seen from outside, with the real programs around it.

mod support;
mod vault;
