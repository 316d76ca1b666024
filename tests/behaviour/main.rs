//! How nabat behaves, seen from outside.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should panic where it is")]

mod sandbox;
