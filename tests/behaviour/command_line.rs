//! What all commands have in common, as a shell meets it: where their output goes, what the
//! environment says, and how an error is told.

use std::fs::File;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// The command in `directory`, with only these variables in its environment.
fn nabat(directory: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nabat"));
    command.args(arguments).current_dir(directory).env_clear().envs(environment.iter().copied());
    command.stdin(Stdio::null());
    command
}

/// Runs a command to its end: its exit code, what it printed, and what it complained.
fn ended(mut command: Command) -> (i32, String, String) {
    let output = command.output().expect("nabat runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code().expect("an exit code"), text(output.stdout), text(output.stderr))
}

fn said(directory: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> (i32, String) {
    let (code, _, complaints) = ended(nabat(directory, arguments, environment));
    (code, complaints)
}

const TOKEN: (&str, &str) = ("TELEGRAM_BOT_TOKEN", "123456:canary");
const CHAT: (&str, &str) = ("TELEGRAM_CHAT_ID", "-1001234567890");
const BODY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus/webhooks/anti_dumping.json");
const SUITE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/templates/brief.test.yml");

/// Commands that print something, all of which end with 0.
const PRINTING: [&[&str]; 7] = [
    &["check"],
    &["render", BODY],
    &["render", BODY, "--format=json"],
    &["template", "test", SUITE],
    &["template", "convert", "ops.tmpl"],
    &["template", "convert", "ops.tmpl", "--output-dir=.", "--force"],
    &["completions", "bash"],
];

fn with_a_template() -> TempDir {
    let directory = TempDir::new().unwrap();
    let template = "{{ define \"ops\" }}{{ .Status }}{{ end }}";
    std::fs::write(directory.path().join("ops.tmpl"), template).unwrap();
    directory
}

#[test]
fn output_that_can_not_be_written_is_a_failure() {
    let directory = with_a_template();
    for arguments in PRINTING {
        let mut command = nabat(directory.path(), arguments, &[TOKEN, CHAT]);
        command.stdout(File::options().write(true).open("/dev/full").unwrap());
        let (code, _, complaints) = ended(command);
        assert_eq!(code, 1, "{arguments:?}: {complaints}");
        assert!(complaints.contains("can't write to standard output"), "{complaints}");
    }
}

#[test]
fn a_reader_that_went_away_is_no_failure() {
    let directory = with_a_template();
    for arguments in PRINTING {
        let mut command = nabat(directory.path(), arguments, &[TOKEN, CHAT]);
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        command.stdout(writer);
        let (code, _, complaints) = ended(command);
        assert_eq!((code, complaints.as_str()), (0, ""), "{arguments:?}");
    }
}

#[test]
fn complaints_that_nobody_reads_change_no_exit_code() {
    let directory = TempDir::new().unwrap();
    for (arguments, code) in [(&["check"][..], 2), (&["render", "nowhere.json"], 1)] {
        let mut command = nabat(directory.path(), arguments, &[]);
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        command.stderr(writer);
        assert_eq!(ended(command).0, code, "{arguments:?}");
    }
}

/// The variables that stand for flags of a command, as its help names them.
fn twins(directory: &Path, command: &[&str]) -> Vec<String> {
    let arguments = [command, &["--help"]].concat();
    let (_, help, _) = ended(nabat(directory, &arguments, &[]));
    let names = help.split("[env: ").skip(1).filter_map(|rest| rest.split(['=', ']']).next());
    names.map(str::to_owned).collect()
}

#[test]
fn an_empty_variable_is_no_variable() {
    let directory = TempDir::new().unwrap();
    let nowhere = "does not answer at http://127.0.0.1:1/";
    for (command, arguments, code, says) in [
        (&["serve"][..], &[][..], 2, "TELEGRAM_BOT_TOKEN"),
        (&["demo"], &["--log.level=nabat=nonsense"], 2, "nonsense"),
        (&["check"], &[], 2, "TELEGRAM_BOT_TOKEN"),
        (&["render"], &["nowhere.json"], 1, "can't read nowhere.json"),
        (&["test-alert"], &[], 1, nowhere),
        (&["outbox", "list"], &[], 1, nowhere),
        (&["healthcheck"], &[], 1, nowhere),
    ] {
        let twins = twins(directory.path(), command);
        assert!(!twins.is_empty(), "{command:?}");
        let mut nabat = nabat(directory.path(), &[command, arguments].concat(), &[]);
        nabat.env("NABAT_WEB_LISTEN_ADDRESS", "127.0.0.1:1");
        nabat.envs(twins.iter().map(|name| (name, "")));
        let (ended_with, _, complaints) = ended(nabat);
        assert_eq!(ended_with, code, "{command:?} {twins:?}: {complaints}");
        assert!(complaints.contains(says), "{command:?} {twins:?}: {complaints}");
    }
}

#[test]
fn a_switch_in_the_environment_takes_what_people_write() {
    let directory = TempDir::new().unwrap();
    // The story can't end when there is none, and the level is never right: nothing starts.
    let demo = ["demo", "--once", "--log.level=nabat=nonsense"];
    for on in ["1", "yes", "true", "on", "TRUE"] {
        let (code, complaints) = said(directory.path(), &demo, &[("NABAT_DEMO_NO_STORY", on)]);
        assert_eq!(code, 2, "{complaints}");
        assert!(complaints.contains("cannot be used with"), "{on}: {complaints}");
    }
    for off in ["0", "no", "false", "off", ""] {
        let (code, complaints) = said(directory.path(), &demo, &[("NABAT_DEMO_NO_STORY", off)]);
        assert_eq!(code, 2, "{complaints}");
        assert!(complaints.contains("log level"), "{off}: {complaints}");
    }
    let (code, complaints) = said(directory.path(), &demo, &[("NABAT_DEMO_NO_STORY", "maybe")]);
    assert_eq!(code, 2, "{complaints}");
    assert!(complaints.contains("invalid value 'maybe'"), "{complaints}");
}

#[test]
fn an_address_without_its_scheme_is_refused_with_the_whole_address() {
    let directory = TempDir::new().unwrap();
    for (url, remedy) in [
        ("127.0.0.1:9087", "write http://127.0.0.1:9087"),
        ("localhost:9087", "write http://localhost:9087"),
        ("nabat.example/base", "write http://nabat.example/base"),
        ("http://", "write it like http://127.0.0.1:9087"),
        ("ftp://127.0.0.1", "neither http nor https"),
        ("ann:hunter2@127.0.0.1:9087", "write http:// before it"),
        ("http://ann:hunter2@:x", "write it like http://127.0.0.1:9087"),
    ] {
        for (arguments, environment) in [
            (vec!["healthcheck"], vec![("NABAT_URL", url)]),
            (vec!["outbox", "list", "--url", url], vec![]),
        ] {
            let (code, complaints) = said(directory.path(), &arguments, &environment);
            assert_eq!(code, 2, "{url}: {complaints}");
            assert!(complaints.contains(remedy), "{url}: {complaints}");
            assert!(!complaints.contains("hunter2"), "{url}: {complaints}");
        }
    }
}

#[test]
fn a_cause_is_told_once() {
    let directory = TempDir::new().unwrap();
    let body = directory.path().join("cut.json");
    std::fs::write(&body, "{\"alerts\": 1").unwrap();
    let (code, complaints) = said(directory.path(), &["render", "cut.json"], &[]);
    assert_eq!((code, complaints.matches("line 1 column").count()), (1, 1), "{complaints}");

    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    let flag = format!("--web.listen-address={}", busy.local_addr().unwrap());
    let demo = ["demo", "--page.listen-address=127.0.0.1:0", &flag];
    let (code, complaints) = said(directory.path(), &demo, &[]);
    assert_eq!((code, complaints.matches("in use").count()), (1, 1), "{complaints}");
}

#[test]
fn a_start_that_fails_is_told_in_the_format_of_the_log() {
    let directory = TempDir::new().unwrap();
    std::fs::create_dir(directory.path().join("damaged")).unwrap();
    std::fs::write(directory.path().join("damaged/outbox.sqlite3"), [b'x'; 8192]).unwrap();
    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    let busy = format!("--web.listen-address={}", busy.local_addr().unwrap());
    let free = "--web.listen-address=127.0.0.1:0";
    let variables = [TOKEN, CHAT];
    for (arguments, code, says) in [
        (&["--config.file=nowhere.yml"][..], 2, "nowhere.yml"),
        (&[free, "--storage.path=damaged"], 1, "damaged/outbox.sqlite3"),
        (&[busy.as_str()], 1, "can't listen on"),
        (&["--log.level=loud"], 2, "\"loud\""),
    ] {
        let text = [&["serve"], arguments].concat();
        let (ended_with, complaints) = said(directory.path(), &text, &variables);
        assert_eq!(ended_with, code, "{arguments:?}: {complaints}");
        let last = complaints.lines().last().unwrap();
        assert!(last.starts_with("nabat: ") && last.contains(says), "{complaints}");

        let json = [&text[..], &["--log.format=json"]].concat();
        let (ended_with, complaints) = said(directory.path(), &json, &variables);
        assert_eq!(ended_with, code, "{arguments:?}: {complaints}");
        let events: Vec<Value> =
            complaints.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let errors: Vec<&Value> = events.iter().filter(|event| event["level"] == "ERROR").collect();
        assert_eq!(errors.len(), 1, "{arguments:?}: {complaints}");
        assert!(errors[0]["message"].as_str().unwrap().contains(says), "{complaints}");
    }
    // A log that is switched off does not hide why nothing runs.
    let silent = ["serve", "--config.file=nowhere.yml", "--log.format=json", "--log.level=off"];
    let (code, complaints) = said(directory.path(), &silent, &variables);
    assert_eq!(code, 2);
    assert!(complaints.starts_with("nabat: "), "{complaints}");
}
