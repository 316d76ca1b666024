//! Processes that a test owns: killed by pid when the test ends, their output kept.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;

/// How long an ended process's last words may take to be read.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// A child process whose output is collected line by line.
#[derive(Debug)]
pub struct Process {
    child: Child,
    name: String,
    output: Arc<Mutex<String>>,
    lines: watch::Receiver<usize>,
}

impl Process {
    /// Starts a program; a missing one fails the test with the remedy.
    pub fn start(command: &mut Command) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("can't start {name}: {error}; run scripts/setup-test-peers.sh first")
            });
        let output = Arc::new(Mutex::new(String::new()));
        let (seen, lines) = watch::channel(0);
        let seen = Arc::new(seen);
        let streams: [Box<dyn Read + Send>; 2] = [
            Box::new(child.stdout.take().expect("piped")),
            Box::new(child.stderr.take().expect("piped")),
        ];
        for stream in streams {
            let (output, seen) = (Arc::clone(&output), Arc::clone(&seen));
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    let mut output = output.lock().expect("no panic while held");
                    output.push_str(&line);
                    output.push('\n');
                    drop(output);
                    seen.send_modify(|lines| *lines += 1);
                }
            });
        }
        Self { child, name, output, lines }
    }

    /// Everything it has written to stdout and stderr.
    pub fn output(&self) -> String {
        self.output.lock().expect("no panic while held").clone()
    }

    /// Waits until its output holds something; returns what `find` made of it.
    pub async fn wait_for<T>(&mut self, find: impl Fn(&str) -> Option<T>) -> T {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
        loop {
            self.lines.mark_unchanged();
            if let Some(found) = find(&self.output()) {
                return found;
            }
            let ended = self.child.try_wait().expect("a child can be asked");
            let change = tokio::time::timeout_at(deadline, self.lines.changed()).await;
            assert!(
                change.is_ok() && (ended.is_none() || matches!(change, Ok(Ok(())))),
                "{} never said it ({ended:?}):\n{}",
                self.name,
                self.output()
            );
        }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills it without a warning (SIGKILL).
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Sends a signal by name (`TERM`, `HUP`).
    pub fn signal(&self, name: &str) {
        let sent =
            Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status();
        assert!(sent.is_ok_and(|status| status.success()), "kill -{name} {}", self.pid());
    }

    /// Waits until it ends by itself, and its last words are in the output; returns its exit code.
    pub async fn ended(&mut self) -> Option<i32> {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child can be asked") {
                break status;
            }
            assert!(tokio::time::Instant::now() < deadline, "{} does not end", self.name);
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        // The readers end with the pipes, which a child of its own may hold open.
        let deadline = tokio::time::Instant::now() + LAST_WORDS;
        while let Ok(Ok(())) = tokio::time::timeout_at(deadline, self.lines.changed()).await {}
        status.code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port that was free a moment ago, for programs that can't say which one they took.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("bound").port()
}
