//! Templates as their authors work with them: beside Alertmanager's own, and under test.

use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

/// Runs nabat in `directory`: its exit code, what it printed, and what it complained.
fn nabat(directory: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_nabat"))
        .args(arguments)
        .current_dir(directory)
        .env_clear()
        .output()
        .expect("nabat runs");
    let (code, shown, complaints) = said(output);
    (code.expect("nabat exits"), shown, complaints)
}

fn said(output: Output) -> (Option<i32>, String, String) {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn directory(files: &[(&str, &str)]) -> TempDir {
    let directory = TempDir::new().unwrap();
    for (name, text) in files {
        std::fs::write(directory.path().join(name), text).unwrap();
    }
    directory
}

const BODY: &str = r#"{
    "receiver": "telegram", "status": "firing",
    "alerts": [{
        "status": "firing",
        "labels": {"alertname": "HighCPU", "instance": "db-1", "job": "calc", "severity": "critical"},
        "annotations": {"summary": "CPU over 80 %"},
        "startsAt": "2026-11-03T09:00:00Z", "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "", "fingerprint": "0123456789abcdef"
    }],
    "groupLabels": {"alertname": "HighCPU"},
    "commonLabels": {"alertname": "HighCPU", "instance": "db-1", "job": "calc", "severity": "critical"},
    "commonAnnotations": {"summary": "CPU over 80 %"},
    "externalURL": "http://alertmanager:9093", "version": "4", "groupKey": "{}", "truncatedAlerts": 0
}"#;

/// What Alertmanager's own renderer makes of a Go template; `None` when it is older than what the
/// template uses.
fn alertmanagers(directory: &Path, template: &str) -> Option<String> {
    let output = Command::new("amtool")
        .args(["template", "render", "--template.glob=empty.tmpl", "--template.data=body.json"])
        .arg(format!("--template.text={template}"))
        .current_dir(directory)
        .output()
        .unwrap_or_else(|error| {
            panic!("amtool does not run ({error}): install it with scripts/setup-test-peers.sh")
        });
    let (code, shown, complaints) = said(output);
    let old = ["not defined", "can't evaluate field TruncatedAlerts"];
    if old.iter().any(|old| complaints.contains(old)) {
        return None;
    }
    assert_eq!((code, complaints.as_str()), (Some(0), ""), "{template}");
    Some(shown)
}

#[test]
fn alertmanagers_own_renderer_gives_what_the_documents_table_says() {
    let document = include_str!("../../docs/templates.md");
    let table = document.split("| Alertmanager | here | gives |\n").nth(1).unwrap();
    let directory = directory(&[("body.json", BODY), ("empty.tmpl", "")]);
    let mut compared = 0;
    for row in table.lines().skip(1).take_while(|line| line.starts_with('|')) {
        let cells: Vec<String> = row
            .trim_start_matches("| ")
            .trim_end_matches(" |")
            .split(" | ")
            .map(|cell| cell.trim_matches('`').replace("\\|", "|"))
            .collect();
        let [go, here, gives] = cells.as_slice() else { panic!("{row}") };
        if let Some(shown) = alertmanagers(directory.path(), go) {
            assert_eq!(shown.trim_end(), gives, "{go}");
            compared += 1;
            std::fs::write(directory.path().join("default.hbs"), here).unwrap();
            let (code, shown, complaints) =
                nabat(directory.path(), &["render", "body.json", "--templates", "default.hbs"]);
            assert_eq!((code, complaints.as_str()), (0, ""), "{here}");
            assert_eq!(shown.trim_end(), gives, "{here}");
        }
    }
    assert!(compared >= 34, "only {compared} rows were compared");
}

#[test]
fn the_example_templates_pass_their_tests() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/templates");
    let (code, shown, complaints) = nabat(&examples, &["template", "test", "brief.test.yml"]);
    assert_eq!((code, complaints.as_str()), (0, ""), "{shown}");
    assert_eq!(shown, "brief.test.yml: 4 passed, 0 failed\n");
}

#[test]
fn the_documents_example_of_a_test_passes() {
    let document = include_str!("../../docs/templates.md");
    let suite = document
        .split("```yaml\n")
        .map(|block| block.split("```").next().unwrap())
        .find(|block| block.contains("\ntests:"))
        .unwrap();
    let template = include_str!("../../config/templates/brief.hbs");
    let directory = directory(&[("brief.hbs", template), ("document.yml", suite)]);
    let (code, shown, complaints) = nabat(directory.path(), &["template", "test", "document.yml"]);
    assert_eq!((code, complaints.as_str()), (0, ""), "{shown}");
    assert_eq!(shown, "document.yml: 1 passed, 0 failed\n");
}

const SUITE: &str = "
templates: ['*.hbs']
tests:
  - name: good
    template: ops
    body: body.json
    expect: {text: 'HighCPU on db-1', parts: 1}
  - name: other text
    template: ops
    body: body.json
    expect:
      text: |
        HighCPU on db-2
  - name: fragments
    template: ops
    body: body.json
    expect: {contains: [db-1, db-3], not_contains: [HighCPU], parts: 2}
";

#[test]
fn a_failed_test_shows_the_difference_and_exits_with_1() {
    let template = "{{name}} on {{commonLabels.instance}}";
    let directory =
        directory(&[("body.json", BODY), ("ops.hbs", template), ("ops.test.yml", SUITE)]);
    let (code, shown, complaints) = nabat(directory.path(), &["template", "test", "ops.test.yml"]);
    assert_eq!((code, complaints.as_str()), (1, ""));
    assert_eq!(
        shown,
        "FAILED ops.test.yml:8: other text\n    \
             text is another (- expected, + rendered):\n    \
             @@ -1 +1 @@\n    \
             -HighCPU on db-2\n    \
             +HighCPU on db-1\n\
         FAILED ops.test.yml:14: fragments\n    \
             the text does not contain \"db-3\"\n    \
             the text contains \"HighCPU\"\n    \
             the text is:\n      \
               HighCPU on db-1\n    \
             2 parts are expected, but there are 1\n\
         ops.test.yml: 1 passed, 2 failed\n"
    );
    let one = ["template", "test", "ops.test.yml", "--only", "good"];
    assert_eq!(nabat(directory.path(), &one).1, "ops.test.yml: 1 passed, 0 failed\n");
    let none = ["template", "test", "ops.test.yml", "--only", "zzzz"];
    let (code, _, complaints) = nabat(directory.path(), &none);
    assert_eq!(code, 2);
    assert_eq!(complaints, "nabat: --only: no test has \"zzzz\" in its name\n");
}

#[test]
fn a_template_that_falls_back_fails_its_test() {
    let template =
        "x{{#if (eq status \"firing\")}}{{since commonLabels.absent}}{{since name}}{{/if}}";
    // The alert that templates are tried with when they are loaded is no HighCPU.
    let template = template.replace("(eq status \"firing\")", "(eq name \"HighCPU\")");
    let suite = "templates: [ops.hbs]\ntests:\n  - name: it\n    template: ops\n    \
                 body: body.json\n    expect: {contains: [HighCPU]}\n";
    let directory =
        directory(&[("body.json", BODY), ("ops.hbs", &template), ("ops.test.yml", suite)]);
    let (code, shown, _) = nabat(directory.path(), &["template", "test", "ops.test.yml"]);
    assert_eq!(code, 1, "{shown}");
    assert!(shown.contains("the built-in template had to take its place: template \"ops\""));
}

#[test]
fn a_faulty_file_of_tests_names_every_fault_with_its_line_and_exits_with_2() {
    let suite = "templates: [none.hbs]\ntests:\n  - nam: x\n    body: absent.json\n    \
                 kind: crad\n    timezone: Asia/Almati\n    now: today\n    expect: {txt: x}\n";
    let directory = directory(&[("ops.test.yml", suite)]);
    let (code, shown, complaints) = nabat(directory.path(), &["template", "test", "ops.test.yml"]);
    assert_eq!((code, shown.as_str()), (2, ""));
    for fault in [
        "error: ops.test.yml:1: templates[0]: \"none.hbs\" finds no file",
        "error: ops.test.yml:3: tests[0].nam: unknown key; did you mean \"name\"?",
        "error: ops.test.yml:4: tests[0].body: absent.json cannot be read",
        "error: ops.test.yml:5: tests[0].kind: \"crad\" is no kind of message; did you mean \"card\"?",
        "error: ops.test.yml:6: tests[0].timezone: \"Asia/Almati\" is no time zone",
        "error: ops.test.yml:7: tests[0].now: \"today\" is no time",
        "error: ops.test.yml:8: tests[0].expect.txt: unknown key; did you mean \"text\"?",
    ] {
        assert!(complaints.contains(fault), "{fault}\n{complaints}");
    }
}

#[test]
fn a_misspelt_name_in_a_template_is_refused_by_test_and_check() {
    let suite = "templates: [ops.hbs]\ntests: []\n";
    let config = "telegram: {bot_token: {file: token}}\nchats: {ops: {id: -1001234567890}}\n\
                  route: {chats: [ops], template: ops}\ntemplates: ['*.hbs']\n";
    let directory = directory(&[
        ("ops.hbs", "{{name}}\n{{comonLabels.team}}"),
        ("ops.test.yml", suite),
        ("nabat.yml", config),
        ("token", "123456:a-token"),
    ]);
    let said = "ops.hbs:2:1: there is no \"comonLabels\" here; did you mean \"commonLabels\"?";
    for arguments in [&["template", "test", "ops.test.yml"][..], &["check"]] {
        let (code, _, complaints) = nabat(directory.path(), arguments);
        assert_eq!(code, 2, "{complaints}");
        assert!(complaints.contains(said), "{complaints}");
    }
}
