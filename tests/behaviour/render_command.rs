//! `nabat render`, as a person at a shell uses it.

use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

fn webhook() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/webhooks/anti_dumping.json")
}

/// Runs the command over `input`: its exit code and what it printed and complained.
fn render(arguments: &[&str], input: &[u8]) -> (i32, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_nabat"))
        .arg("render")
        .args(arguments)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("nabat starts");
    let written = child.stdin.take().expect("a pipe").write_all(input);
    // One that complains of its arguments ends without reading.
    if let Err(error) = written {
        assert_eq!(error.kind(), ErrorKind::BrokenPipe, "nabat reads");
    }
    let output = child.wait_with_output().expect("nabat ends");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code().expect("an exit code"), text(output.stdout), text(output.stderr))
}

#[test]
fn a_body_from_a_file_is_shown_as_the_chat_would_read_it() {
    let file = webhook();
    let (code, shown, complaints) = render(
        &[
            file.to_str().unwrap(),
            "--language=ru",
            "--timezone=Asia/Almaty",
            "--at=2026-11-03T09:00:00Z",
        ],
        b"",
    );
    assert_eq!((code, complaints.as_str()), (0, ""));
    assert_eq!(
        shown,
        "🔴 КРИТИЧНО · AntiDumpingRatioHigh · risk-engine:7002\n\
         Доля нарушений демпинга > 15 %\n\
         1 горит, 1 решён · с 13:48 (12 мин)\n\
         \n\
         🔴 lot_id=8741-В\n\
         18.2 нарушений на 100 лотов за 5 мин\n\
         👉 docker compose logs risk-engine --since 10m | grep -i 'ratio' && exit\n\
         \n\
         ✅ lot_id=8702-А (25 мин)\n\
         \n\
         service=risk-engine\n\
         [ 📖 Ранбук ] [ 📋 Команда ]\n"
    );
}

#[test]
fn a_body_from_standard_input_is_shown_as_markup_or_json() {
    let body = std::fs::read(webhook()).unwrap();
    let (code, html, _) = render(&["-", "--format=html", "--kind=reminder"], &body);
    assert_eq!(code, 0);
    assert!(
        html.starts_with("🔁 🔴 <b>CRITICAL · AntiDumpingRatioHigh · risk-engine:7002</b>\n"),
        "{html}"
    );
    let (code, json, _) = render(&["--format=json"], &body);
    assert_eq!(code, 0);
    let calls: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(calls[0]["method"], "sendMessage", "{json}");
    let parameters = &calls[0]["parameters"];
    assert!(parameters["text"].as_str().unwrap().contains("<b>CRITICAL · "), "{json}");
    assert_eq!(parameters["parse_mode"], "HTML", "{json}");
    assert_eq!(parameters.get("chat_id"), None, "{json}");
}

#[test]
fn formatting_is_shown_where_it_is_wanted() {
    let body = std::fs::read(webhook()).unwrap();
    let (_, plain, _) = render(&["-"], &body);
    assert!(!plain.contains('\x1b'), "no terminal, no escape sequences: {plain:?}");
    let (_, formatted, _) = render(&["-", "--color=always"], &body);
    assert!(formatted.contains("\x1b[1mCRITICAL · "), "{formatted:?}");
    assert!(formatted.contains("\x1b[7m[ 📖 Runbook ]\x1b[0m"), "{formatted:?}");
}

#[test]
fn a_chat_lends_its_looks_and_its_number() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let file = dir.path().join(name);
        std::fs::write(&file, text).unwrap();
        file
    };
    write("short.hbs", "{{name}} {{date \"15:04\" now}}");
    let config = write(
        "nabat.yml",
        "telegram: {bot_token: {file: token}}\n\
         chats:\n  ops: {id: -1001234567890, topic: 7, language: ru, timezone: Asia/Almaty}\n\
         route: {chats: [ops], template: short}\n\
         templates: ['*.hbs']\n",
    );
    let body = std::fs::read(webhook()).unwrap();
    let config = format!("--config.file={}", config.display());
    let at = "--at=2026-11-03T09:00:00Z";
    let (code, shown, complaints) = render(&["-", "--chat=ops", &config, at], &body);
    assert_eq!((code, complaints.as_str()), (0, ""));
    assert_eq!(shown, "AntiDumpingRatioHigh 14:00\n[ 📖 Ранбук ] [ 📋 Команда ]\n");
    let (_, shown, _) =
        render(&["-", "--chat=ops", &config, at, "--timezone=UTC", "--template=default"], &body);
    assert!(shown.starts_with("🔴 КРИТИЧНО · "), "{shown}");
    let (_, json, _) = render(&["-", "--chat=ops", &config, at, "--format=json"], &body);
    let calls: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(calls[0]["parameters"]["chat_id"], -1_001_234_567_890_i64, "{json}");
    assert_eq!(calls[0]["parameters"]["message_thread_id"], 7, "{json}");
    let (code, _, complaints) = render(&["-", "--chat=night", &config], &body);
    assert_eq!(code, 2);
    assert!(complaints.contains("no chat \"night\"; it has ops"), "{complaints}");
}

/// Width and height of a PNG.
fn size(picture: &[u8]) -> (u32, u32) {
    assert_eq!(&picture[..8], b"\x89PNG\r\n\x1a\n");
    let number = |at: usize| u32::from_be_bytes(picture[at..at + 4].try_into().unwrap());
    (number(16), number(20))
}

#[test]
fn a_picture_is_as_wide_as_a_phone_and_as_high_as_the_message() {
    let dir = tempfile::tempdir().unwrap();
    let body = std::fs::read(webhook()).unwrap();
    let shoot = |name: &str, arguments: &[&str]| {
        let file = dir.path().join(name);
        let output = format!("--output={}", file.display());
        let path = format!("--browser={}", chromium().display());
        let mut all = vec!["-", "--format=png", &output, &path];
        all.extend(arguments);
        let (code, shown, complaints) = render(&all, &body);
        assert_eq!((code, shown.as_str()), (0, ""), "{complaints}");
        std::fs::read(file).unwrap()
    };
    std::fs::write(dir.path().join("one.hbs"), "<b>{{name}}</b>").unwrap();
    let templates = format!("--templates={}", dir.path().join("one.hbs").display());
    let one = shoot("one.png", &[&templates, "--template=one"]);
    let whole = shoot("whole.png", &["--language=ru"]);
    assert_eq!((size(&one).0, size(&whole).0), (630, 630), "420 CSS pixels at 1.5");
    assert!(size(&one).1 > 100, "{:?}", size(&one));
    assert!(size(&whole).1 > size(&one).1 + 100, "{:?} {:?}", size(&one), size(&whole));
    // An empty page of this size compresses to next to nothing.
    assert!(whole.len() > 20_000, "{} bytes", whole.len());
}

fn chromium() -> PathBuf {
    let folders = std::env::var_os("PATH").expect("a PATH");
    let mut found = std::env::split_paths(&folders).map(|folder| folder.join("chromium"));
    found
        .find(|file| file.is_file())
        .expect("chromium: install it with scripts/setup-test-peers.sh")
}

#[test]
fn without_a_browser_the_remedy_is_told() {
    let body = std::fs::read(webhook()).unwrap();
    let (code, _, complaints) = render(&["-", "--format=png"], &body);
    assert_eq!(code, 1);
    assert!(
        complaints.contains("needs Chromium") && complaints.contains("--browser"),
        "{complaints}"
    );
}

#[test]
fn faults_are_told_with_an_exit_code_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    write("broken.hbs", "x\n{{#if x}}");
    write("late.hbs", "{{since labels.x}}{{#each firing}}{{since labels.service}}{{/each}}");
    write("ops.hbs", "<u>{{name}}</u>");
    let body = std::fs::read(webhook()).unwrap();
    let with = |file: &str, name: &str| {
        let templates = format!("--templates={}", dir.path().join(file).display());
        render(&["-", "--format=html", &templates, &format!("--template={name}")], &body)
    };
    assert_eq!(
        with("ops.hbs", "ops"),
        (0, "<u>AntiDumpingRatioHigh</u>\n".to_owned(), String::new())
    );
    let (code, _, complaints) = with("broken.hbs", "broken");
    assert_eq!(code, 2);
    assert!(complaints.contains("broken.hbs:2:"), "{complaints}");
    let (code, shown, complaints) = with("late.hbs", "late");
    assert_eq!(code, 1);
    assert!(shown.contains("CRITICAL · "), "{shown}");
    assert!(complaints.contains("\"risk-engine\" is no time"), "{complaints}");
    let (code, _, complaints) = with("missing*.hbs", "x");
    assert_eq!(code, 2);
    assert!(complaints.contains("finds no file"), "{complaints}");
    let (code, _, complaints) = render(&["-"], b"{\"alerts\": 1");
    assert_eq!(code, 1);
    assert!(complaints.contains("line 1"), "{complaints}");
}
