//! `nabat render`, as a person at a shell uses it.

use std::io::Write as _;
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
    child.stdin.take().expect("a pipe").write_all(input).expect("nabat reads");
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
         инструкция (https://wiki.example.com/runbooks/anti-dumping)\n"
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
    let messages: Value = serde_json::from_str(&json).unwrap();
    assert!(messages[0]["html"].as_str().unwrap().contains("<b>CRITICAL · "), "{json}");
    assert!(messages[0]["plain"].as_str().unwrap().contains("🔴 CRITICAL · "), "{json}");
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
