//! The monitoring of the stack: rules, routes, the exporter and the dashboards, by the real tools.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use regex::Regex;
use tempfile::TempDir;

const RULES: [&str; 4] = ["business", "infrastructure", "vault", "watchdog"];
const ALERTMANAGER: &str = "config/stack/alertmanager/alertmanager.yml";

fn place(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(place(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn rules(name: &str) -> String {
    format!("config/stack/prometheus/rules/{name}.rules.yml")
}

fn tests(name: &str) -> String {
    format!("config/stack/prometheus/rules/{name}.test.yml")
}

/// Runs a program in the project's directory; it must succeed.
fn run(program: &str, arguments: &[&str]) -> String {
    let output =
        Command::new(program).args(arguments).current_dir(place(".")).output().unwrap_or_else(
            |error| panic!("{program} ({error}): install it with scripts/setup-test-peers.sh"),
        );
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
    said
}

/// The first groups of what a pattern finds.
fn found(text: &str, pattern: &str) -> BTreeSet<String> {
    let pattern = Regex::new(pattern).unwrap();
    pattern.captures_iter(text).map(|found| found[1].to_owned()).collect()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn prometheus_takes_its_configuration_with_all_rules_and_secrets() {
    // In a copy, for promtool wants the token's file where the configuration says.
    let directory = TempDir::new().unwrap();
    copy(&place("config/stack/prometheus"), &directory.path().join("stack/prometheus"));
    copy(&place("config/prometheus"), &directory.path().join("prometheus"));
    std::fs::write(directory.path().join("vault-metrics-token"), "token").unwrap();
    std::fs::write(directory.path().join("nabat-prometheus-password"), "password").unwrap();
    let file = directory.path().join("stack/prometheus/prometheus.yml");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("/run/secrets/"));
    let secrets = format!("{}/", directory.path().display());
    std::fs::write(&file, text.replace("/run/secrets/", &secrets)).unwrap();

    let said = run("promtool", &["check", "config", file.to_str().unwrap()]);
    // A pattern that finds no file is no fault to promtool, so what was found has to be looked at.
    for name in ["business.rules", "infrastructure.rules", "vault.rules", "watchdog.rules"] {
        assert!(said.contains(name), "{name}: {said}");
    }
    assert!(said.contains("nabat.rules.yml"), "{said}");
}

#[test]
fn the_stacks_rules_do_what_their_tests_say() {
    let mut arguments = vec!["test".to_owned(), "rules".to_owned()];
    arguments.extend(RULES.map(tests));
    run("promtool", &arguments.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn every_alert_of_the_stack_says_all_it_should_and_is_tried_out() {
    let page = read("docs/stack-monitoring.md");
    let mut seen = 0;
    let labels = Regex::new(r"exp_labels: (.*)").unwrap();
    for name in RULES {
        let (text, tests) = (read(&rules(name)), read(&tests(name)));
        for alert in found(&text, r"- alert: (\w+)") {
            seen += 1;
            assert!(page.contains(&format!("\n### {alert}\n")), "{alert} is not explained");
            let anchor = format!("#{}\n", alert.to_lowercase());
            assert!(text.contains(&anchor), "{alert} has no runbook");
            let fires = format!("alertname: {alert}\n        exp_alerts:\n");
            assert!(tests.contains(&fires), "no test lets {alert} fire");
            let rests = format!("alertname: {alert}, exp_alerts: []");
            assert!(alert == "Watchdog" || tests.contains(&rests), "{alert} has no quiet test");
        }
        // promtool compares whole alerts, so what the tests expect is what the alerts have.
        for labels in labels.captures_iter(&tests) {
            assert!(labels[1].contains("severity: "), "{name}: {}", &labels[1]);
            assert!(labels[1].contains("service: "), "{name}: {}", &labels[1]);
        }
        let alerts = tests.matches("exp_labels:").count();
        for annotation in ["summary", "description", "action"] {
            let english = tests.matches(&format!("              {annotation}: ")).count();
            let russian = tests.matches(&format!("              {annotation}_ru: ")).count();
            assert_eq!((alerts, alerts), (english, russian), "{name}: {annotation}");
        }
        assert_eq!(tests.matches("              runbook: ").count(), alerts, "{name}");
        assert!(!tests.contains("error expanding template"), "{name}");
    }
    assert!(seen > 12, "only {seen} alerts found");
}

#[test]
fn alertmanager_takes_its_configuration_and_routes_as_listed() {
    run("amtool", &["check-config", ALERTMANAGER]);
    let listed = read("config/stack/alertmanager/routes.txt");
    let config = format!("--config.file={ALERTMANAGER}");
    let mut seen = 0;
    for line in listed.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (receivers, labels) = line.split_once(": ").unwrap();
        let verify = format!("--verify.receivers={receivers}");
        let mut arguments = vec!["config", "routes", "test", &config, &verify];
        arguments.extend(labels.split(' '));
        run("amtool", &arguments);
        seen += 1;
    }
    assert!(seen > 10, "only {seen} routes found");
}

#[test]
fn the_exporter_does_what_its_own_tests_say() {
    let said = run("python3", &["-B", "-m", "unittest", "discover", "config/stack/exporter"]);
    assert!(said.contains("Ran ") && !said.contains("Ran 0 "), "{said}");
    assert!(!said.contains("skipped"), "promtool is missing: {said}");
}

#[test]
fn the_dashboards_are_in_shape_and_ask_nabat_for_what_there_is() {
    run("python3", &["-B", "scripts/check-dashboards.py", "config/stack/grafana"]);
    run("python3", &["-B", "scripts/check-dashboard-schema.py", "config/stack/grafana/dashboards"]);
    let operations = read("docs/operations.md");
    let known = found(&operations, r"(?m)^\| `(nabat_[a-z_]+)` \|");
    assert!(known.len() > 20, "{known:?}");
    let suffix = Regex::new("_(bucket|sum|count)$").unwrap();
    for name in ["nabat", "business"] {
        let dashboard = read(&format!("config/stack/grafana/dashboards/{name}.json"));
        for metric in found(&dashboard, r"\b(nabat_[a-z_]+)\b") {
            let metric = suffix.replace(&metric, "");
            assert!(known.contains(&*metric), "{name}: there is no metric {metric}");
        }
    }
}

#[test]
fn a_dashboard_that_is_out_of_shape_is_found() {
    let faults = [
        ("\"uid\": \"prometheus\"", "\"uid\": \"other\"", "is not provisioned"),
        ("\"unit\": \"s\"", "\"unit\": \"\"", "has no unit"),
        ("\"id\": 3,", "\"id\": 2,", "is no number of its own"),
        ("\"x\": 4", "\"x\": 3", "lies over"),
        ("\"x\": 22", "\"x\": 23", "is not within 24 columns"),
        ("\"title\": \"Waiting\"", "\"title\": \"\"", "has no title"),
        ("=~\\\"$chat\\\"", "=~\\\"$chta\\\"", "there is no variable $chta"),
        ("\"schemaVersion\": 42", "\"schemaVersion\": 16", "is older than"),
    ];
    for (from, to, said) in faults {
        let directory = TempDir::new().unwrap();
        copy(&place("config/stack/grafana"), directory.path());
        let file = directory.path().join("dashboards/nabat.json");
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "{from}");
        std::fs::write(&file, text.replace(from, to)).unwrap();
        let output = Command::new("python3")
            .arg(place("scripts/check-dashboards.py"))
            .arg(directory.path())
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{to}: {stderr}");
        assert!(stderr.contains(said), "{to}: {stderr}");
    }
}
