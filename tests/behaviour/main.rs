//! How nabat behaves, seen from outside.

mod sandbox;
