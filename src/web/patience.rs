//! How long a connection may keep us waiting.
//!
//! hyper's own header timeout also runs between two requests of a kept-alive connection, so it
//! can't be short and let Alertmanager keep its connections for five minutes. This wrapper around
//! the connection's bytes knows both waits: a head that has begun (or a connection that never
//! sent anything) is given seconds, a connection at rest minutes, a request at work as long as it
//! needs. A peer that does not read its answer is cut off too.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// The waits of one connection.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// From a request's first byte (or the connection's start) to the end of its head; also for
    /// the TLS handshake.
    pub head: Duration,
    /// Between two requests. Alertmanager keeps its connections for 5 minutes; closing before
    /// it does would break a request now and then.
    pub rest: Duration,
    /// Without the peer taking any byte of an answer.
    pub write: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            rest: Duration::from_secs(6 * 60 + 30),
            write: Duration::from_mins(1),
        }
    }
}

/// What is known of a connection's requests; shared by its bytes and its service.
#[derive(Debug)]
pub(super) struct Activity {
    born: Instant,
    /// Requests whose answers are not finished.
    at_work: AtomicUsize,
    /// Whether bytes of the next head have come. True at the start: a new connection has to
    /// say something soon.
    head_begun: AtomicBool,
    /// HTTP/2 frames come at any time, so bytes do not mean that a head has begun.
    multiplexed: AtomicBool,
    /// When the present wait began, in milliseconds after `born`.
    since_ms: AtomicU64,
}

impl Activity {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            born: Instant::now(),
            at_work: AtomicUsize::new(0),
            head_begun: AtomicBool::new(true),
            multiplexed: AtomicBool::new(false),
            since_ms: AtomicU64::new(0),
        })
    }

    /// A request's head is complete. The request is at work until the value is dropped.
    pub(super) fn request(self: &Arc<Self>, version: http::Version) -> AtWork {
        if version == http::Version::HTTP_2 {
            self.multiplexed.store(true, Ordering::Relaxed);
        }
        self.at_work.fetch_add(1, Ordering::AcqRel);
        self.head_begun.store(false, Ordering::Release);
        AtWork(self.clone())
    }

    fn bytes_came(&self) {
        let idle = self.at_work.load(Ordering::Acquire) == 0;
        let single = !self.multiplexed.load(Ordering::Relaxed);
        if idle && single && !self.head_begun.swap(true, Ordering::AcqRel) {
            self.wait_begins();
        }
    }

    fn wait_begins(&self) {
        let since = u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.since_ms.store(since, Ordering::Release);
    }

    /// When patience with the present wait ends; `None` while a request is at work.
    fn deadline(&self, patience: Patience) -> Option<Instant> {
        if self.at_work.load(Ordering::Acquire) > 0 {
            return None;
        }
        let since = self.born + Duration::from_millis(self.since_ms.load(Ordering::Acquire));
        let head_begun = self.head_begun.load(Ordering::Acquire);
        Some(since + if head_begun { patience.head } else { patience.rest })
    }
}

/// A request whose answer is not finished yet.
#[derive(Debug)]
pub(super) struct AtWork(Arc<Activity>);

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.wait_begins();
        self.0.at_work.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A connection that ends with [`io::ErrorKind::TimedOut`] when patience does.
#[derive(Debug)]
pub(super) struct Patient<IO> {
    io: IO,
    activity: Arc<Activity>,
    patience: Patience,
    reading: Option<Pin<Box<Sleep>>>,
    writing: Option<Pin<Box<Sleep>>>,
}

impl<IO> Patient<IO> {
    pub(super) fn new(io: IO, activity: Arc<Activity>, patience: Patience) -> Self {
        Self { io, activity, patience, reading: None, writing: None }
    }

    fn out_of_patience(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = self.activity.deadline(self.patience) else {
            return Poll::Pending;
        };
        let sleep = self.reading.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if sleep.deadline() != deadline {
            sleep.as_mut().reset(deadline);
        }
        sleep.as_mut().poll(cx)
    }

    /// Passes on what a write came to, and gives up when it makes no progress for too long.
    fn written<T>(
        &mut self,
        cx: &mut Context<'_>,
        result: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.writing = None;
            return result;
        }
        let write = self.patience.write;
        let sleep =
            self.writing.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + write)));
        ready!(sleep.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer takes no answer")))
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Patient<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        match Pin::new(&mut self.io).poll_read(cx, buf) {
            Poll::Ready(result) => {
                if buf.filled().len() > before {
                    self.activity.bytes_came();
                }
                // A peer that sends a byte now and then must not keep a head open for ever.
                match self.activity.deadline(self.patience) {
                    Some(deadline) if deadline <= Instant::now() => Poll::Ready(Err(too_slow())),
                    _ => Poll::Ready(result),
                }
            }
            Poll::Pending => {
                ready!(self.out_of_patience(cx));
                Poll::Ready(Err(too_slow()))
            }
        }
    }
}

fn too_slow() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "no complete request in time")
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Patient<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.io).poll_write(cx, buf);
        self.written(cx, result)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.io).poll_flush(cx);
        self.written(cx, result)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.io).poll_shutdown(cx);
        self.written(cx, result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.written(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience {
        head: Duration::from_secs(10),
        rest: Duration::from_mins(5),
        write: Duration::from_mins(1),
    };

    async fn at(seconds: u64) {
        tokio::time::advance(Duration::from_secs(seconds)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_connection_must_speak_soon_and_a_resting_one_may_take_its_time() {
        let activity = Activity::new();
        let start = Instant::now();
        assert_eq!(activity.deadline(PATIENCE), Some(start + PATIENCE.head));
        at(1).await;
        let work = activity.request(http::Version::HTTP_11);
        assert_eq!(activity.deadline(PATIENCE), None);
        at(400).await;
        drop(work);
        let rest = Instant::now() + PATIENCE.rest;
        assert_eq!(activity.deadline(PATIENCE), Some(rest));
        at(200).await;
        activity.bytes_came();
        let head = Instant::now() + PATIENCE.head;
        assert_eq!(activity.deadline(PATIENCE), Some(head));
        at(5).await;
        activity.bytes_came();
        assert_eq!(activity.deadline(PATIENCE), Some(head), "one byte more is no new patience");
    }

    #[tokio::test(start_paused = true)]
    async fn frames_of_http_2_do_not_begin_a_head() {
        let activity = Activity::new();
        drop(activity.request(http::Version::HTTP_2));
        let rest = Instant::now() + PATIENCE.rest;
        at(30).await;
        activity.bytes_came();
        assert_eq!(activity.deadline(PATIENCE), Some(rest));
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_no_answer_is_cut_off() {
        use tokio::io::AsyncWriteExt;
        let (ours, _theirs) = tokio::io::duplex(16);
        let mut patient = Patient::new(ours, Activity::new(), PATIENCE);
        let error = patient.write_all(&[0; 1024]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
