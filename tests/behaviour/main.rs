//! How nabat behaves, seen from outside: one binary, a module a subject.

mod main_job;
mod configuration;
mod rendering;
mod sandbox;
mod support;
