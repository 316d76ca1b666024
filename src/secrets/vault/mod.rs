//! Vault's HTTP API through vaultrs: reading the key-value stores, and the login that it needs.
//!
//! vaultrs has no retries, no timeout by default and errors whose `Debug` holds values; it is
//! seen by nobody outside this room.

mod client;
mod error;
mod login;
mod read;
mod session;

pub use error::VaultError;
pub(super) use session::VaultSession;
