//! The faults of `docs/faults.md` that need more than a strange answer: full disks, disks that
//! lie, clocks that jump, networks that break, processes that stop. `scripts/faults.sh` runs all.

mod clock;
mod disk;
mod interposer;
mod network;
mod process;
mod relay;
mod webhooks;

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use nabat::sandbox::{ChatKind, Limits, Sandbox};
use nabat::telegram::ChatId;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::nabat::{Nabat, client};
use crate::support::stage::{self, Stage, webhook};

/// How many people there are to write to, `person0` and so on. Each may be written to once a
/// second, so that what waits for them is sent soon.
const PEOPLE: i64 = 8;

fn person(number: i64) -> ChatId {
    ChatId(3_000_000 + number)
}

/// Telegram with a group and some people.
fn telegram(limits: Limits) -> Sandbox {
    let sandbox = stage::sandbox(limits);
    for number in 0..PEOPLE {
        sandbox.add_chat(person(number), ChatKind::Private, "a person");
    }
    sandbox
}

/// Writes the configuration for these chats, and returns the command that serves with it and has
/// its store in `data` of the same directory.
fn serve(directory: &Path, sandbox: &Sandbox) -> Command {
    let mut chats = stage::CHATS.to_owned();
    for number in 0..PEOPLE {
        write!(chats, "\n  person{number}: {{id: {}}}", person(number)).unwrap();
    }
    let file = directory.join("nabat.yml");
    std::fs::write(&file, stage::configuration(sandbox, &chats, "")).unwrap();
    let mut command = Nabat::command(&["serve"]);
    command
        .arg(format!("--config.file={}", file.display()))
        .arg(format!("--storage.path={}", directory.join("data").display()))
        .arg("--web.listen-address=127.0.0.1:0")
        .env("TEST_BOT_TOKEN", sandbox.token());
    command
}

/// Runs a prepared command on the stage.
async fn play(mut command: Command, sandbox: Sandbox, directory: TempDir) -> Stage {
    let nabat = Nabat::run(&mut command).await;
    Stage::around(sandbox, nabat, directory)
}

/// How to get mounts of one's own here.
static OWN_MOUNTS: LazyLock<&[&str]> = LazyLock::new(|| {
    let ways: [&[&str]; 2] = [&["--map-root-user", "--mount"], &["--mount"]];
    let works = |way: &&[&str]| {
        let mut tried = Command::new("unshare");
        tried.args(*way).args(["mount", "-t", "tmpfs", "x", "/mnt"]);
        tried.output().is_ok_and(|output| output.status.success())
    };
    ways.into_iter().find(works).expect(
        "no mounts of one's own: allow user namespaces (sysctl kernel.unprivileged_userns_clone=1, \
         kernel.apparmor_restrict_unprivileged_userns=0; in a container --security-opt \
         seccomp=unconfined), or run as root with CAP_SYS_ADMIN",
    )
});

/// The command with mounts of its own, which `script` makes with the arguments `$1` and so on;
/// nobody else sees them. The process is still the one that was started.
fn with_own_mounts(script: &str, arguments: &[&Path], command: &Command) -> Command {
    let mut wrapped = Command::new("unshare");
    let script = format!("{script}\nshift {}\nexec \"$@\"", arguments.len());
    wrapped.args(*OWN_MOUNTS).args(["sh", "-ec", &script, "sh"]).args(arguments);
    wrapped.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => wrapped.env(name, value),
            None => wrapped.env_remove(name),
        };
    }
    wrapped
}

/// A webhook of a group of its own, and what its message is known by.
fn group(number: usize) -> (Value, String) {
    let name = format!("Group{number:03}x");
    (webhook(&name, &["db1"]), name)
}

/// Posts to a chat; returns the status, or 0 without an answer.
async fn post(url: &str, chat: &str, body: &Value) -> u16 {
    let sent = client().post(format!("{url}/alertmanager/{chat}")).json(body).send().await;
    sent.map_or(0, |answer| answer.status().as_u16())
}

/// How many messages of all people's chats hold `text`.
fn told(sandbox: &Sandbox, text: &str) -> usize {
    let people = (0..PEOPLE).flat_map(|number| sandbox.messages(person(number)));
    people.filter(|shown| shown.text.contains(text)).count()
}
