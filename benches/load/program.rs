//! The programs under measurement, as processes of their own.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nabat::sandbox::Sandbox;

/// A server process; killed when dropped.
#[derive(Debug)]
pub struct Program {
    child: Child,
    pub address: String,
}

impl Program {
    /// nabat on a store in `directory`: this build, or the program that `PROGRAM` names.
    pub fn nabat(directory: &Path, configuration: &str) -> Self {
        let file = directory.join("nabat.yml");
        std::fs::write(&file, configuration).expect("written");
        let program = std::env::var_os("PROGRAM");
        let mut command =
            Command::new(program.unwrap_or_else(|| env!("CARGO_BIN_EXE_nabat").into()));
        command
            .arg("serve")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.path={}", directory.join("data").display()))
            .arg("--web.listen-address=127.0.0.1:0")
            .env("TEST_BOT_TOKEN", nabat::sandbox::TOKEN)
            .env("NO_COLOR", "1")
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("nabat starts");
        let stderr = child.stderr.take().expect("piped");
        Self { address: said(stderr, "nabat is ready"), child }
    }

    /// The handler that stores nothing.
    pub fn baseline() -> Self {
        let own = std::env::current_exe().expect("this program has a path");
        let mut child = Command::new(own)
            .arg("baseline")
            .stdout(Stdio::piped())
            .spawn()
            .expect("the baseline starts");
        let stdout = child.stdout.take().expect("piped");
        Self { address: said(stdout, "address="), child }
    }

    /// Resident memory in KiB.
    pub fn resident(&self) -> u64 {
        self.status("VmRSS:")
    }

    /// The most resident memory it has ever had, in KiB.
    pub fn most_resident(&self) -> u64 {
        self.status("VmHWM:")
    }

    /// How many files and sockets it has open.
    pub fn handles(&self) -> u64 {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id()))
            .map_or(0, |handles| handles.count() as u64)
    }

    /// A number of the process's status, as Linux keeps it.
    fn status(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap_or(0)
    }

    /// Processor time it has used, in microseconds.
    pub fn processor(&self) -> u64 {
        /// The kernel counts in hundredths of a second, whatever its own clock.
        const TICK_US: u64 = 10_000;
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()));
        let stat = stat.unwrap_or_default();
        // The name in parentheses may hold spaces; user and system time are the 12th and 13th
        // field behind it.
        let behind = stat.rsplit_once(')').map_or("", |(_, behind)| behind);
        let ticks = behind.split_whitespace().skip(11).take(2);
        ticks.filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>() * TICK_US
    }

    /// Asks it to stop and waits until it has.
    pub fn stop(mut self) {
        let _ = Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The address in the first line that holds `mark`; the rest of the output is read and dropped.
fn said(stream: impl std::io::Read + Send + 'static, mark: &str) -> String {
    let mut lines = BufReader::new(stream).lines();
    let mut before = String::new();
    let address = loop {
        let line = lines.next().and_then(Result::ok);
        let line = line.unwrap_or_else(|| panic!("the program ended:\n{before}"));
        if line.contains(mark) {
            let (_, rest) = line.split_once("address=").expect("an address");
            break rest.split(' ').next().unwrap_or(rest).to_owned();
        }
        before.push_str(&line);
        before.push('\n');
    };
    std::thread::spawn(move || lines.for_each(drop));
    address
}

/// A configuration with `chats` group chats `c0`, `c1`, …; notifications by the tree go to `c0`.
pub fn configuration(sandbox: &Sandbox, chats: u32) -> String {
    let mut text = format!(
        "telegram:\n  bot_token: {{env: TEST_BOT_TOKEN}}\n  api_url: {}\nchats:\n",
        sandbox.url()
    );
    for chat in 0..chats {
        let _ = writeln!(text, "  c{chat}: {{id: {}}}", chat_id(chat).0);
    }
    text.push_str("route: {chats: [c0]}\n");
    text
}

/// The sandbox's chat behind `c<number>`.
pub fn chat_id(number: u32) -> nabat::telegram::ChatId {
    nabat::telegram::ChatId(-1_001_000_000_000 - i64::from(number))
}

/// A sandbox in this process with the configured chats.
pub fn sandbox(limits: nabat::sandbox::Limits, chats: u32) -> Sandbox {
    use nabat::sandbox::{ChatKind, SandboxOptions};
    let options = SandboxOptions { limits, ..SandboxOptions::default() };
    let sandbox =
        Sandbox::start(options, &nabat::lifecycle::Tasks::default()).expect("a free port");
    for chat in 0..chats {
        sandbox.add_chat(chat_id(chat), ChatKind::Supergroup { forum: false }, "bench");
    }
    sandbox
}
