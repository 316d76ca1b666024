//! How nabat behaves, seen from outside.

mod sandbox;
//! How nabat behaves, seen from outside: one binary, a module a subject.

mod rendering;
mod support;
