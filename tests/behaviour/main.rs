//! How nabat behaves, seen from outside: one binary, a module a subject.

mod rendering;
mod sandbox;
mod support;
