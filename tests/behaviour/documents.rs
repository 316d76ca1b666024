//! What the documents promise, held against the program.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use nabat::config::Config;
use nabat::lifecycle::Tasks;
use nabat::sandbox::{ChatKind, Sandbox, SandboxOptions};
use nabat::telegram::ChatId;
use regex::Regex;
use tempfile::TempDir;

use crate::support::nabat::{Nabat, configuration};

const OPS: ChatId = ChatId(-1_001_234_567_890);

fn place(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(place(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Every Markdown document of the project, by its path.
fn documents() -> BTreeMap<String, String> {
    let mut names = vec!["README.md".to_owned(), "CHANGELOG.md".to_owned()];
    for directory in ["docs", "docs/adr"] {
        for file in std::fs::read_dir(place(directory)).unwrap() {
            let name = file.unwrap().file_name().into_string().unwrap();
            if Path::new(&name).extension().is_some_and(|extension| extension == "md") {
                names.push(format!("{directory}/{name}"));
            }
        }
    }
    names.into_iter().map(|name| (name.clone(), read(&name))).collect()
}

/// The code blocks of a document in one language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let fence = Regex::new(&format!("(?s)\n```{language}\n(.*?)\n```")).unwrap();
    fence.captures_iter(text).map(|found| found[1].to_owned()).collect()
}

fn words<'t>(text: &'t str, pattern: &str) -> BTreeSet<&'t str> {
    Regex::new(pattern).unwrap().find_iter(text).map(|found| found.as_str()).collect()
}

/// What a command says about itself, in one line.
fn help(command: &[&str]) -> String {
    let output = Nabat::command(command).arg("--help").output().expect("nabat runs");
    assert!(output.status.success(), "nabat {}: no such command", command.join(" "));
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The metrics that a fresh nabat shows, with their labels.
async fn metrics() -> BTreeMap<String, BTreeSet<String>> {
    let sandbox = Sandbox::start(SandboxOptions::default(), &Tasks::default()).unwrap();
    sandbox.add_chat(OPS, ChatKind::Supergroup { forum: false }, "ops");
    let directory = TempDir::new().unwrap();
    let heartbeats = "heartbeats: {watchdog: {matchers: [alertname=Watchdog]}}\n";
    let configuration = configuration(&sandbox, OPS.0) + heartbeats;
    let nabat = Nabat::start(directory.path(), &configuration, &sandbox).await;
    let (status, text) = nabat.get("/metrics").await;
    assert_eq!(status, 200);
    let label = Regex::new(r#"([a-z_]+)=""#).unwrap();
    let mut metrics: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut name = String::new();
    for line in text.lines() {
        if let Some(typed) = line.strip_prefix("# TYPE ") {
            typed.split(' ').next().unwrap().clone_into(&mut name);
            metrics.entry(name.clone()).or_default();
        } else if !line.starts_with('#') {
            let labels = label.captures_iter(line).map(|found| found[1].to_owned());
            metrics.get_mut(&name).unwrap().extend(labels.filter(|label| label != "le"));
        }
    }
    metrics
}

#[tokio::test]
async fn every_metric_is_documented_with_its_labels_and_no_other_is() {
    let text = read("docs/operations.md");
    let row = Regex::new(r"(?m)^\| `(nabat_[a-z_]+)` \|([^|]*)\|").unwrap();
    let documented: BTreeMap<String, BTreeSet<String>> = row
        .captures_iter(&text)
        .map(|row| {
            let labels = words(&row[2], "[a-z_]+").into_iter().map(str::to_owned).collect();
            (row[1].to_owned(), labels)
        })
        .collect();
    let metrics = metrics().await;
    assert_eq!(documented, metrics);

    let suffix = Regex::new("_(bucket|sum|count)$").unwrap();
    for (document, text) in documents() {
        for word in words(&text, r"\bnabat_[a-z_]+\b") {
            let name = suffix.replace(word, "");
            assert!(metrics.contains_key(&*name), "{document}: there is no metric {word}");
        }
    }
}

const RULES: &str = "config/prometheus/nabat.rules.yml";

fn promtool(arguments: &[&str]) {
    let output =
        Command::new("promtool").args(arguments).current_dir(place(".")).output().unwrap_or_else(
            |error| panic!("promtool ({error}): install it with scripts/setup-test-peers.sh"),
        );
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&said));
}

#[tokio::test]
async fn the_alert_rules_do_what_their_tests_say_and_ask_for_what_there_is() {
    promtool(&["check", "rules", RULES]);
    promtool(&["test", "rules", "config/prometheus/nabat.rules.test.yml"]);
    let (rules, metrics) = (read(RULES), metrics().await);
    let suffix = Regex::new("_(bucket|sum|count)$").unwrap();
    for word in words(&rules, r"\bnabat_[a-z_]+\b") {
        let name = suffix.replace(word, "");
        assert!(metrics.contains_key(&*name), "there is no metric {word}");
    }
    // Every alert goes past nabat, and is tried out.
    let tests = read("config/prometheus/nabat.rules.test.yml");
    for alert in Regex::new(r"- alert: (\w+)").unwrap().captures_iter(&rules) {
        assert!(tests.contains(&alert[1]), "{} has no test", &alert[1]);
    }
    let labels = rules.lines().filter(|line| line.contains("labels: {severity"));
    assert!(labels.clone().count() > 10);
    assert!(labels.into_iter().all(|line| line.contains("about: nabat}")), "{rules}");
}

#[test]
fn every_flag_of_serve_is_documented_with_its_twin_in_the_environment() {
    let help = help(&["serve"]);
    let flag = Regex::new(r"--([a-z.-]+) <[A-Z]+>.*?\[env: ([A-Z_]+)=?\]").unwrap();
    let flags: BTreeSet<(String, String)> = flag
        .captures_iter(&help)
        .map(|found| (format!("--{}", &found[1]), found[2].to_owned()))
        .collect();
    assert!(flags.len() > 5, "{help}");
    let text = read("docs/operations.md");
    let row = Regex::new(r"(?m)^\| `(--[a-z.-]+)` \| `([A-Z_]+)` \| ([^|]*) \|").unwrap();
    let documented: BTreeSet<(String, String)> =
        row.captures_iter(&text).map(|row| (row[1].to_owned(), row[2].to_owned())).collect();
    assert_eq!(documented, flags);
    for row in row.captures_iter(&text) {
        let Some(default) = row[3].strip_prefix('`').and_then(|rest| rest.strip_suffix('`')) else {
            continue;
        };
        let said = Regex::new(&format!(
            r"{} <[A-Z]+>[^<]*\[default: {}\]",
            regex::escape(&row[1]),
            regex::escape(default)
        ));
        assert!(said.unwrap().is_match(&help), "{}: {default} is not the default", &row[1]);
    }
}

#[test]
fn every_variable_of_nabat_that_is_named_exists() {
    let commands: [&[&str]; 7] = [
        &["serve"],
        &["check"],
        &["demo"],
        &["render"],
        &["test-alert"],
        &["outbox", "list"],
        &["healthcheck"],
    ];
    let mut known: String = commands.map(help).join(" ");
    known.push_str(nabat::config::API_URL_VARIABLE);
    // What makes campaigns of tests.
    for test in ["tests/behaviour/crash/mod.rs", "tests/simulation/main.rs"] {
        known.push_str(&read(test));
    }
    let mut texts = documents();
    texts.insert("Dockerfile".into(), read("Dockerfile"));
    for (document, text) in texts {
        for variable in words(&text, r"\bNABAT_[A-Z_]+\b") {
            assert!(known.contains(variable), "{document}: nothing reads {variable}");
        }
    }
}

#[test]
fn every_command_that_the_documents_show_exists() {
    let mut seen = 0;
    for (document, text) in documents() {
        for line in blocks(&text, "sh").iter().flat_map(|block| block.lines()) {
            let line = line.split(" #").next().unwrap_or(line).trim();
            if let Some(script) = line.strip_prefix("bash ") {
                assert!(place(script).is_file(), "{document}: {line}");
            }
            let Some(rest) =
                line.strip_prefix("nabat ").or_else(|| line.strip_prefix("cargo run -- "))
            else {
                continue;
            };
            let mut words: Vec<&str> = rest.split_whitespace().collect();
            let depth = if matches!(words[0], "outbox" | "template") { 2 } else { 1 };
            let flags = words.split_off(depth);
            let help = help(&words);
            for flag in flags.iter().filter(|word| word.starts_with("--")) {
                let name = flag.split('=').next().unwrap_or(flag);
                let known =
                    help.contains(&format!("{name} ")) || help.contains(&format!("{name}="));
                assert!(known, "{document}: {line}: there is no {name}");
            }
            seen += 1;
        }
    }
    assert!(seen > 10, "only {seen} commands found");
}

#[test]
fn the_configurations_of_the_readme_load() {
    let readme = read("README.md");
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("nabat.yml");
    let mut loaded = 0;
    for block in blocks(&readme, "yaml").into_iter().filter(|block| block.contains("telegram:")) {
        std::fs::write(&file, &block).unwrap();
        Config::load(Some(&file), &|_| None).unwrap_or_else(|faults| panic!("{block}\n{faults}"));
        loaded += 1;
    }
    assert_eq!(loaded, 2);
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    let link = Regex::new(r#"\]\(([^)#]+)(?:#[^)]*)?\)|src="([^"]+)""#).unwrap();
    for (document, text) in documents() {
        let home = place(&document);
        for found in link.captures_iter(&text) {
            let target = found.get(1).or_else(|| found.get(2)).unwrap().as_str();
            if target.contains("://") {
                continue;
            }
            assert!(home.parent().unwrap().join(target).exists(), "{document}: {target}");
        }
    }
}

#[test]
fn every_file_that_a_document_names_exists() {
    let file =
        Regex::new(r"`((?:src|docs|tests|benches|scripts|config)/[A-Za-z0-9_./-]+)`").unwrap();
    for (document, text) in documents() {
        for found in file.captures_iter(&text) {
            assert!(place(&found[1]).exists(), "{document}: {}", &found[1]);
        }
    }
}

#[test]
fn the_changelog_knows_the_version() {
    let heading = format!("\n## [{}]", env!("CARGO_PKG_VERSION"));
    assert!(read("CHANGELOG.md").contains(&heading));
}

/// Every test of this binary, by its path, as the program that runs now lists them.
fn tests() -> BTreeSet<String> {
    let listed = Command::new(std::env::current_exe().unwrap()).arg("--list").output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    listed.lines().filter_map(|line| Some(line.strip_suffix(": test")?.to_owned())).collect()
}

#[test]
fn every_fault_has_tests_that_exist_or_is_not_built_yet() {
    let text = read("docs/faults.md");
    let row = Regex::new(r"(?m)^\| (\d+) \| [^|]+ \| ([^|]+) \| ([^|]+) \|$").unwrap();
    let tests = tests();
    let mut numbers = Vec::new();
    for found in row.captures_iter(&text) {
        numbers.push(found[1].parse::<u32>().unwrap());
        let named = words(&found[3], r"[a-z0-9_]+(::[a-z0-9_]+)+");
        assert_eq!(named.is_empty(), &found[2] == "not built yet", "fault {}", &found[1]);
        for name in named {
            assert!(tests.contains(name), "fault {}: there is no test {name}", &found[1]);
        }
    }
    assert_eq!(numbers, (1..=55).collect::<Vec<_>>());
}
