//! The harness: the peers that tests run against, each started and stopped by the test that
//! needs it, and what tests wait with.

pub mod alertmanager;
pub mod browser;
pub mod fleet;
pub mod house;
pub mod logs;
pub mod nabat;
pub mod notifications;
pub mod openbao;
pub mod process;
pub mod stage;
pub mod tdlib;
pub mod tiny;
pub mod webhook;
pub mod wired;

use std::time::Duration;

/// How long a test waits for what must happen, on a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Installs the process's crypto provider, as `main` does.
pub fn install_crypto() {
    // The second test of the process finds it installed.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// Waits until `condition` holds.
///
/// # Panics
/// When it does not within [`DEADLINE`].
pub async fn eventually(what: &str, condition: impl AsyncFn() -> bool) {
    let waiting = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(tokio::time::timeout(DEADLINE, waiting).await.is_ok(), "not in time: {what}");
}
