//! What the program logged, for tests that read it.

use std::io;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use nabat::telemetry::Scrubber;
use nabat::telemetry::logs::{Format, subscriber};
use tracing::Dispatch;
use tracing::subscriber::DefaultGuard;

/// While there is only one subscriber, tracing asks the thread that comes first to a place in
/// the code whether anybody listens there; that may be another test's, which has none. A second
/// one makes it ask them all.
static SECOND: LazyLock<Dispatch> = LazyLock::new(|| {
    let scrubber = Scrubber::new();
    Dispatch::new(subscriber("off", Format::Text, &scrubber, io::sink, false).unwrap())
});

/// Everything logged on this thread, at trace level and not scrubbed, until it is dropped.
pub struct Logs {
    lines: Lines,
    _installed: DefaultGuard,
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Logs {
    pub fn capture() -> Self {
        LazyLock::force(&SECOND);
        let lines = Lines::default();
        let writer = lines.clone();
        let scrubber = Scrubber::new();
        let subscriber =
            subscriber("trace", Format::Text, &scrubber, move || writer.clone(), false).unwrap();
        Self { lines, _installed: tracing::subscriber::set_default(subscriber) }
    }

    pub fn text(&self) -> String {
        let lines = self.lines.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&lines).into_owned()
    }

    /// How many lines hold `part`.
    pub fn count(&self, part: &str) -> usize {
        self.text().lines().filter(|line| line.contains(part)).count()
    }
}
