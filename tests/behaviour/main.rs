//! How nabat behaves, seen from outside: one binary, a module a subject.

mod configuration;
mod main_job;
mod rendering;
mod sandbox;
mod support;
