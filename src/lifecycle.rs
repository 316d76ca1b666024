//! Starting, being ready, stopping.

use std::future::Future;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

/// The owner of every background task.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Tasks {
    /// Starts a named task. It should return soon after [`Tasks::stopping`] completes.
    #[expect(clippy::disallowed_methods, reason = "this is the owner that spawns")]
    pub fn spawn<T: Send + 'static>(
        &self,
        name: &'static str,
        task: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        let task = task.instrument(tracing::debug_span!("task", name));
        tokio::spawn(self.tracker.track_future(task))
    }

    /// Completes when the program is asked to stop.
    pub async fn stopping(&self) {
        self.stop.cancelled().await;
    }

    /// Whether the program was asked to stop.
    pub fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Asks every task to stop.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Waits until every task has returned. Call [`Tasks::stop`] first.
    pub async fn finished(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }
}
