//! The async threads: the doors' and delivery's, which do not wait for each other.

use std::io;
use std::thread::available_parallelism;

use tokio::runtime::{Builder, Handle, Runtime};

/// A webhook takes about 30 µs of a door's thread and 9 of the store's (docs/performance.md): more of
/// them would wait for the store's.
const MOST_DOORS: usize = 4;

/// The async threads of a program that serves.
///
/// The doors have as many as there are processors, but one: the store's thread needs that, and
/// no webhook is answered before it. They are one at least and four at most. Delivery has one of its
/// own: Telegram takes 30 messages a second at most, and a message that is being rendered keeps no
/// webhook waiting, nor a thousand webhooks a message.
#[derive(Debug)]
pub struct Threads {
    doors: Runtime,
    delivery: Runtime,
}

impl Threads {
    /// Starts them.
    ///
    /// # Errors
    /// When the system gives no threads, or nothing to wait for sockets with.
    pub fn start() -> io::Result<Self> {
        let processors = available_parallelism().map_or(1, Into::into);
        Ok(Self { doors: group("doors", doors(processors))?, delivery: group("delivery", 1)? })
    }

    /// Where delivery's tasks run.
    pub fn delivery(&self) -> &Handle {
        self.delivery.handle()
    }

    /// Runs `program`; what it spawns runs on the doors' threads. When it returns, delivery is told to end
    /// and not waited for; what is left of the doors is dropped where it waits, blocking work done first.
    pub fn run<T>(self, program: impl Future<Output = T>) -> T {
        let done = self.doors.block_on(program);
        self.delivery.shutdown_background();
        done
    }
}

fn doors(processors: usize) -> usize {
    processors.saturating_sub(1).clamp(1, MOST_DOORS)
}

fn group(name: &str, threads: usize) -> io::Result<Runtime> {
    Builder::new_multi_thread().thread_name(name).worker_threads(threads).enable_all().build()
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use super::super::Tasks;
    use super::*;

    fn here() -> Option<String> {
        thread::current().name().map(str::to_owned)
    }

    #[test]
    fn a_processor_is_left_for_the_store_and_no_machine_is_filled_with_threads() {
        let threads = [1, 2, 3, 5, 64].map(doors);
        assert_eq!(threads, [1, 1, 2, 4, 4]);
    }

    #[test]
    fn a_door_that_is_busy_keeps_delivery_from_nothing() {
        let threads = Threads::start().unwrap();
        let back = Tasks::on(threads.delivery().clone());
        let front = Tasks::default();
        let (door, delivery) = threads.run(async move {
            let (say, said) = std::sync::mpsc::channel();
            // Blocks its thread until delivery has done something; in vain, were they one.
            let door = async move { (here(), said.recv_timeout(Duration::from_secs(30))) };
            let door = front.spawn("door", door);
            back.spawn("delivery", async move { say.send(here()) });
            door.await.unwrap()
        });
        assert_eq!(door.as_deref(), Some("doors"));
        assert_eq!(delivery.unwrap().as_deref(), Some("delivery"));
    }
}
