//! The configuration against Alertmanager's own tool: its example is valid, and a tree of routes
//! means the same on both sides.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use jiff::Timestamp;
use nabat::alert::{Alert, GroupId, Labels, Notification, Reason, Source, Status};
use nabat::config::Config;
use nabat::routing::ChatAlias;

/// Runs Alertmanager's `amtool`.
fn amtool(arguments: &[&str]) -> Output {
    Command::new("amtool").args(arguments).output().unwrap_or_else(|error| {
        panic!("amtool does not run ({error}): install it with scripts/setup-test-peers.sh")
    })
}

#[test]
fn the_alertmanager_example_is_valid_to_alertmanager() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/alertmanager.yml");
    let output = amtool(&["check-config", example.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("3 receivers"));
    let leads_to = |labels: &[&str]| {
        let mut arguments = vec!["config", "routes", "test", "--config.file"];
        arguments.push(example.to_str().unwrap());
        arguments.extend(labels);
        String::from_utf8(amtool(&arguments).stdout).unwrap().trim().to_owned()
    };
    assert_eq!(leads_to(&["alertname=NabatDown", "about=nabat"]), "past-nabat,nabat");
    assert_eq!(leads_to(&["alertname=Watchdog"]), "nabat");
    assert_eq!(leads_to(&["alertname=DiskFull", "severity=critical"]), "nabat");
}

#[test]
fn the_nabat_example_loads_from_its_place() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/nabat.yml");
    let token = |name: &str| (name == "TELEGRAM_BOT_TOKEN").then(|| "123456:token".to_owned());
    let config = Config::load(Some(&example), &token).unwrap_or_else(|faults| panic!("{faults}"));
    // The receivers of the Alertmanager example that name a chat name one of these.
    let chats: Vec<&str> = config.chats.keys().map(ChatAlias::as_str).collect();
    assert_eq!(chats, ["boss", "ops"]);
}

/// Runs `nabat check` in `dir`, with only these variables in its environment.
fn check(dir: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_nabat"))
        .arg("check")
        .args(arguments)
        .current_dir(dir)
        .env_clear()
        .envs(environment.iter().copied())
        .output()
        .expect("nabat runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().expect("nabat exits"), text(&output.stdout), text(&output.stderr))
}

#[test]
fn check_shows_what_a_good_file_means_and_exits_with_0() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/config/nabat.yml");
    let dir = tempfile::tempdir().unwrap();
    let flag = format!("--config.file={example}");
    let (code, shown, faults) =
        check(dir.path(), &[&flag], &[("TELEGRAM_BOT_TOKEN", "123456:canary")]);
    assert_eq!((code, faults.as_str()), (0, ""));
    assert!(shown.starts_with(&format!("ok: {example} is fine\n")), "{shown}");
    assert!(shown.contains(r#"├─ severity="critical", team=~"db|infra" → ops, boss"#), "{shown}");
    // Not a terminal: no colours. Never a secret.
    assert!(!shown.contains('\x1b') && !shown.contains("canary"), "{shown}");
}

#[test]
fn check_names_every_fault_and_exits_with_2() {
    let dir = tempfile::tempdir().unwrap();
    let file = "telegram: {bot_token: 123456:canary}\nchats: {ops: {id: 0}}\nroutes: {}\n";
    std::fs::write(dir.path().join("nabat.yml"), file).unwrap();
    let (code, shown, faults) = check(dir.path(), &[], &[]);
    assert_eq!((code, shown.as_str()), (2, ""));
    let lines: Vec<&str> = faults.lines().collect();
    assert_eq!(lines.len(), 3, "{faults}");
    assert!(lines[0].starts_with("error: nabat.yml:1: telegram.bot_token: a secret does not"));
    assert!(lines[1].starts_with("error: nabat.yml:2: chats.ops.id: no chat can have the id 0"));
    assert_eq!(lines[2], "error: nabat.yml:3: routes: unknown key; did you mean \"route\"?");
    assert!(!faults.contains("canary"));
}

#[test]
fn check_without_a_file_looks_at_the_environment() {
    let dir = tempfile::tempdir().unwrap();
    let both = [("TELEGRAM_BOT_TOKEN", "123456:canary"), ("TELEGRAM_CHAT_ID", "-1001234567890")];
    let (code, shown, _) = check(dir.path(), &[], &both);
    assert_eq!(code, 0);
    assert!(shown.contains("everything → default"), "{shown}");

    let (code, _, faults) = check(dir.path(), &[], &[]);
    assert_eq!(code, 2);
    assert!(faults.contains("TELEGRAM_CHAT_ID") && faults.contains("--config.file"), "{faults}");
}

#[test]
fn check_and_render_need_no_secret_that_they_do_not_use() {
    let dir = tempfile::tempdir().unwrap();
    let file = "telegram: {bot_token: {env: NO_SUCH}}\nchats: {ops: {id: 5555555, language: ru}}\n";
    std::fs::write(dir.path().join("nabat.yml"), file).unwrap();
    let (code, _, told) = check(dir.path(), &[], &[]);
    assert_eq!(code, 0, "{told}");
    assert!(told.starts_with("warning: nabat.yml:1: telegram.bot_token.env: "), "{told}");
    assert!(told.contains("NO_SUCH is not set"), "{told}");
    let (code, _, told) = check(dir.path(), &["--live"], &[]);
    assert_eq!(code, 2);
    assert!(told.starts_with("error: nabat.yml:1: ") && told.contains("NO_SUCH"), "{told}");

    let body = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/webhooks/alertmanager-0.34.json");
    let output = Command::new(env!("CARGO_BIN_EXE_nabat"))
        .args(["render", body, "--chat=ops", "--config.file=nabat.yml"])
        .current_dir(dir.path())
        .env_clear()
        .output()
        .expect("nabat runs");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &*told), (Some(0), ""));
}

#[test]
fn a_server_that_could_take_no_body_is_not_started() {
    let dir = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_nabat"))
        .args(["serve", "--web.max-body-bytes=0"])
        .current_dir(dir.path())
        .env_clear()
        .output()
        .expect("nabat runs");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("--web.max-body-bytes") && told.contains("1.."), "{told}");
}

/// A tree that both sides read; `to NAME` is where a node sends.
const TREE: &str = r#"
route:
  to root
  routes:
    - matchers: ['severity="critical"', 'team=~"db|infra"']
      to pager
      continue: true
      routes:
        - matchers: ['team=db,env=production']
          to dba
        - matchers: ['env!~"prod.*"']
          to quiet
    - matchers: ['{ team = "db" , }']
      to db
    - matchers: ['owner=""', 'team=web']
      to orphans
    - matchers: ['owner=~team-(B|C)']
      to bc
      routes:
        - matchers: ['city="Алматы"']
          to almaty
          continue: true
        - matchers: ['note=~"a\\.b\\n?"']
          to notes
        - matchers: ['note="say \"hi\", you"']
          to quotes
    - matchers: ['owner!=ops', 'team!~.+', 'severity=~(?i)CRITICAL']
      to loud
"#;

const NAMES: [&str; 11] =
    ["root", "pager", "dba", "quiet", "db", "orphans", "bc", "almaty", "notes", "quotes", "loud"];

fn tree(with: impl Fn(&str) -> String) -> String {
    let line = |line: &str| match line.trim_start().strip_prefix("to ") {
        Some(name) => line.replace(&format!("to {name}"), &with(name)),
        None => line.to_owned(),
    };
    TREE.lines().map(line).collect::<Vec<_>>().join("\n")
}

fn notification(labels: &[(&str, &str)]) -> Notification {
    let labels: Labels =
        labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Notification {
        group: GroupId {
            source: Source::Alertmanager,
            receiver: "nabat".to_owned(),
            key: "{}:{}".to_owned(),
        },
        status: Status::Firing,
        reason: Reason::Unknown,
        alerts: vec![Alert {
            fingerprint: "0123456789abcdef".to_owned(),
            status: Status::Firing,
            labels: labels.clone(),
            annotations: BTreeMap::new(),
            starts_at: Timestamp::UNIX_EPOCH,
            ends_at: None,
            generator_url: String::new(),
            grafana: None,
            unlisted: false,
        }],
        group_labels: BTreeMap::new(),
        common_labels: labels,
        common_annotations: BTreeMap::new(),
        external_url: String::new(),
        truncated_alerts: 0,
    }
}

#[test]
fn a_tree_copied_from_alertmanager_routes_as_it_does_there() {
    let dir = tempfile::tempdir().unwrap();
    let theirs = dir.path().join("alertmanager.yml");
    let receivers = NAMES.map(|name| format!("  - name: {name}")).join("\n");
    let text = format!("{}\nreceivers:\n{receivers}\n", tree(|name| format!("receiver: {name}")));
    std::fs::write(&theirs, text).unwrap();

    let ours = dir.path().join("nabat.yml");
    let chats = NAMES.map(|name| format!("  {name}: {{id: 5555555}}")).join("\n");
    let text = format!(
        "telegram: {{bot_token: {{env: TOKEN}}}}\nchats:\n{chats}\n{}\n",
        tree(|name| format!("chats: [{name}]"))
    );
    std::fs::write(&ours, text).unwrap();
    let config = Config::load(Some(&ours), &|_| Some("123456:token".to_owned()))
        .unwrap_or_else(|faults| panic!("{faults}"));

    let table: [&[(&str, &str)]; 16] = [
        &[],
        &[("severity", "critical")],
        &[("severity", "critical"), ("team", "db")],
        &[("severity", "critical"), ("team", "db"), ("env", "production")],
        &[("severity", "critical"), ("team", "infra"), ("env", "production")],
        &[("severity", "critical"), ("team", "infra"), ("env", "test")],
        &[("severity", "warning"), ("team", "db")],
        &[("team", "dbx")],
        &[("team", "web")],
        &[("team", "web"), ("owner", "team-B")],
        &[("owner", "team-C"), ("city", "Алматы")],
        &[("owner", "team-C"), ("city", "Алматы"), ("note", "a.b")],
        &[("owner", "team-C"), ("note", "axb")],
        &[("owner", "team-C"), ("note", "say \"hi\", you")],
        &[("owner", "xteam-C")],
        &[("owner", "ops"), ("severity", "Critical")],
    ];
    for labels in table {
        // Quoted, or amtool would cut the value at commas.
        let pairs: Vec<String> = labels
            .iter()
            .map(|(name, value)| format!("{name}=\"{}\"", value.replace('"', "\\\"")))
            .collect();
        let file = format!("--config.file={}", theirs.display());
        let mut arguments = vec!["config", "routes", "test", file.as_str()];
        arguments.extend(pairs.iter().map(String::as_str));
        let output = amtool(&arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let expected = String::from_utf8_lossy(&output.stdout).trim().to_owned();

        let notification = notification(labels);
        let destinations = config.route.route(&notification, &config);
        let chosen: Vec<&str> = destinations.iter().map(|to| to.lane.chat.as_str()).collect();
        assert_eq!(chosen.join(","), expected, "{labels:?}");
    }
}
