//! How nabat behaves, seen from outside, with the real programs around it.

mod support;
mod vault;
//! How nabat behaves, seen from outside: one binary, a module a subject.

mod rendering;
mod sandbox;
mod support;
