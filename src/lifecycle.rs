//! Starting, being ready, stopping.

mod readiness;
mod threads;

use std::future::Future;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::{AbortHandle, JoinHandle, spawn_blocking};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::outbox::Outbox;

pub use self::readiness::{Latch, Readiness};
pub use self::threads::Threads;

/// Does work that occupies a processor for a while, away from the async threads. It goes on when
/// the caller does not; a panic in it goes on in the caller. `None` when the program ends before
/// the work has begun.
pub async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    match spawn_blocking(work).await {
        Ok(done) => Some(done),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            Err(_) => None,
        },
    }
}

/// The owner of every background task.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
    /// What [`Tasks::kill`] ends; kept only for tasks that may have to die.
    mortal: Option<Arc<Mutex<Vec<AbortHandle>>>>,
    /// Where they run, when that is not where they are spawned.
    on: Option<Handle>,
}

impl Tasks {
    /// An owner whose tasks can be ended as a `kill -9` ends them: where they stand.
    pub fn mortal() -> Self {
        Self { mortal: Some(Arc::default()), ..Self::default() }
    }

    /// An owner whose tasks run on the threads of `on`, wherever they are spawned.
    pub fn on(on: Handle) -> Self {
        Self { on: Some(on), ..Self::default() }
    }

    /// Starts a named task. It should return soon after [`Tasks::stopping`] completes.
    #[expect(clippy::disallowed_methods, reason = "this is the owner that spawns")]
    pub fn spawn<T: Send + 'static>(
        &self,
        name: &'static str,
        task: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        let task = task.instrument(tracing::debug_span!("task", task = name));
        let task = self.tracker.track_future(task);
        let task = match &self.on {
            Some(on) => on.spawn(task),
            None => tokio::spawn(task),
        };
        if let Some(mortal) = &self.mortal {
            mortal.lock().unwrap_or_else(PoisonError::into_inner).push(task.abort_handle());
        }
        task
    }

    /// Ends every task at the point where it waits, and waits until all are gone. Only an owner
    /// that is [`Tasks::mortal`] can; any other waits for tasks to return.
    pub async fn kill(&self) {
        if let Some(mortal) = &self.mortal {
            let tasks = mortal.lock().unwrap_or_else(PoisonError::into_inner).split_off(0);
            tasks.iter().for_each(AbortHandle::abort);
        }
        self.finished().await;
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

/// Everything that has to stop, and the order in which it does.
#[derive(Debug)]
pub struct StopOrder {
    pub readiness: Readiness,
    /// Closes the doors.
    pub close: CancellationToken,
    /// The task that serves HTTP.
    pub server: JoinHandle<()>,
    /// Tasks that take webhooks in.
    pub front: Tasks,
    /// Tasks that deliver and keep secrets.
    pub back: Tasks,
    pub outbox: Arc<dyn Outbox>,
    /// For the requests and the sends in flight, each.
    pub grace: Duration,
}

impl StopOrder {
    /// Stops:
    ///
    /// 1. not ready any more;
    /// 2. no new connection; requests in flight are answered, within the grace time;
    /// 3. lanes end what they are sending, within the grace time, and give back what they leased;
    /// 4. the store is flushed and closed.
    ///
    /// What is cut off by the grace time is in the store and is sent by the next start.
    pub async fn stop(self) {
        let _never_ready_again = self.readiness.hold("stopping");
        tracing::info!("stopping: no new requests");
        self.close.cancel();
        let _ = self.server.await;
        self.front.stop();
        if timeout(self.grace, self.front.finished()).await.is_err() {
            tracing::warn!("some requests were cut off");
        }
        tracing::info!("stopping: sends in flight");
        self.back.stop();
        if timeout(self.grace, self.back.finished()).await.is_err() {
            tracing::warn!("some sends were cut off; their messages may appear twice");
        }
        self.outbox.close().await;
        tracing::info!("stopped");
    }
}
