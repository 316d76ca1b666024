//! `nabat template convert`, judged by Alertmanager: what a Go template writes there and what the
//! converted one writes here is the same text.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use jiff::tz::TimeZone;
use nabat::alert::Forgotten;
use nabat::convert::{Conversion, Source, convert};
use nabat::ingest;
use nabat::rendering::{Kind, Language, Renderer, Scene, TemplateSource};
use nabat::telegram::markup::{self, FormattedText};

/// Debian's copy of the templates that come with Alertmanager.
const DEFAULT: &str = "/usr/share/prometheus/alertmanager/default.tmpl";

fn corpus(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/go_templates").join(name)
}

fn source(file: &Path) -> Source {
    let text = std::fs::read_to_string(file).unwrap_or_else(|error| {
        panic!("{} ({error}): run scripts/setup-test-peers.sh", file.display())
    });
    Source { file: file.to_owned(), text }
}

/// What Alertmanager writes.
fn theirs(file: &Path, text: &str, kind: &str) -> String {
    theirs_for(&corpus("data.json"), file, text, kind)
}

fn theirs_for(data: &Path, file: &Path, text: &str, kind: &str) -> String {
    let output = Command::new("amtool")
        .args(["template", "render"])
        .arg(format!("--template.glob={}", file.display()))
        .arg(format!("--template.data={}", data.display()))
        .arg(format!("--template.text={text}"))
        .arg(format!("--template.type={kind}"))
        .env("TZ", "UTC")
        .output()
        .unwrap_or_else(|error| panic!("amtool ({error}): run scripts/setup-test-peers.sh first"));
    assert!(output.status.success(), "{text}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn renderer(conversion: &Conversion) -> Renderer {
    let sources = conversion.templates.iter().map(|template| TemplateSource {
        name: template.name.clone(),
        language: None,
        text: template.text.clone(),
        file: format!("{}.hbs", template.name).into(),
    });
    Renderer::new(sources.collect()).unwrap_or_else(|faults| panic!("{faults:?}\n{conversion:#?}"))
}

/// What nabat writes with the converted template, as Telegram reads it.
fn ours(renderer: &Renderer, template: &str) -> FormattedText {
    ours_for(&std::fs::read(corpus("data.json")).unwrap(), renderer, template)
}

fn ours_for(body: &[u8], renderer: &Renderer, template: &str) -> FormattedText {
    let now = "2026-11-03T09:00:00Z".parse().unwrap();
    let state = ingest::parse(body, now).unwrap();
    let message = renderer.render(&Scene {
        kind: Kind::Card,
        state: &state,
        news: &[],
        merged: 1,
        forgotten: Forgotten::default(),
        accepted_at: now,
        now,
        note: None,
        template,
        language: Language::default(),
        timezone: &TimeZone::UTC,
        tg_time: false,
        buttons: &[],
        table: false,
    });
    assert_eq!(message.fell_back, None, "{template}");
    assert_eq!(message.parts.len(), 1, "{template}");
    markup::parse_html(&message.parts[0].html).unwrap()
}

/// What Telegram would show of Alertmanager's text: nabat writes no two blank lines in a row.
fn as_shown(html: &str) -> FormattedText {
    let mut html = html.to_owned();
    while html.contains("\n\n\n") {
        html = html.replace("\n\n\n", "\n\n");
    }
    markup::parse_html(&html).unwrap_or_else(|error| panic!("{error}: {html}"))
}

/// Without the joiners that keep foreign text from becoming commands.
fn text_of(formatted: &FormattedText) -> String {
    formatted.text.replace('\u{2060}', "")
}

fn converted(file: &Path) -> Conversion {
    let conversion = convert(&[source(file)]);
    assert_eq!(conversion.problems, [], "{conversion:#?}");
    conversion
}

#[test]
fn templates_in_the_styles_that_people_publish_write_what_alertmanager_writes() {
    for (file, name) in [
        ("labels.tmpl", "labels.list"),
        ("slack.tmpl", "list.subject"),
        ("slack.tmpl", "list.body"),
        ("variables.tmpl", "variables"),
        ("times.tmpl", "times"),
    ] {
        let file = corpus(file);
        let conversion = converted(&file);
        let text = theirs(&file, &format!("{{{{ template {name:?} . }}}}"), "text");
        let ours = ours(&renderer(&conversion), name);
        assert_eq!(
            text_of(&ours),
            as_shown(&markup::escape(&text)).text,
            "{name}: {conversion:#?}"
        );
    }
}

#[test]
fn markup_and_its_escaping_are_alertmanagers_for_html() {
    for (file, name) in [("emoji.tmpl", "telegram.emoji"), ("nested.tmpl", "nested")] {
        let file = corpus(file);
        let conversion = converted(&file);
        let html = theirs(&file, &format!("{{{{ template {name:?} . }}}}"), "html");
        let ours = ours(&renderer(&conversion), name);
        let theirs = as_shown(&unescaped(&html));
        assert_eq!(text_of(&ours), theirs.text, "{name}: {conversion:#?}");
        let kinds = |text: &FormattedText| -> Vec<_> {
            text.entities.iter().map(|entity| entity.kind.clone()).collect()
        };
        assert_eq!(kinds(&ours), kinds(&theirs), "{name}");
    }
}

/// Go writes a bare `<` of the template's own text as it is, and quotes by their number.
fn unescaped(html: &str) -> String {
    html.replace(" < ", " &lt; ")
}

#[test]
fn counts_are_alertmanagers_where_not_all_alerts_are_listed() {
    let directory = tempfile::tempdir().unwrap();
    let body = std::fs::read(corpus("data.json")).unwrap();
    let mut body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let alerts = (0..200).map(|number| {
        let mut alert = body["alerts"][0].clone();
        alert["labels"]["instance"] = format!("db-{number}").into();
        alert["fingerprint"] = format!("{number:016x}").into();
        if number % 4 == 0 {
            alert["status"] = "resolved".into();
            alert["endsAt"] = "2026-11-03T08:59:00Z".into();
        } else {
            alert["status"] = "firing".into();
        }
        alert
    });
    body["alerts"] = alerts.collect::<Vec<_>>().into();
    let body = body.to_string();
    let data = directory.path().join("data.json");
    std::fs::write(&data, &body).unwrap();
    let file = directory.path().join("counts.tmpl");
    let text = "{{ define \"counts\" }}{{ len .Alerts }} {{ .Alerts.Firing | len }} \
                {{ .Alerts.Resolved | len }} {{ printf \"%d\" (len .Alerts.Firing) }}\
                {{ if gt (len .Alerts) 199 }} many{{ end }}{{ end }}";
    std::fs::write(&file, text).unwrap();
    let theirs = theirs_for(&data, &file, "{{ template \"counts\" . }}", "text");
    assert_eq!(theirs, "200 150 50 150 many");
    let ours = ours_for(body.as_bytes(), &renderer(&converted(&file)), "counts");
    assert_eq!(ours.text, theirs);
}

#[test]
fn alertmanagers_default_template_is_converted_whole() {
    let file = Path::new(DEFAULT);
    let conversion = converted(file);
    assert_eq!(conversion.unused, ["pagerduty.default.instances"]);
    let renderer = renderer(&conversion);
    let mut compared = 0;
    for template in &conversion.templates {
        if template.define == "__text_alert_list" {
            continue; // It takes a list, and is compared where it is called.
        }
        let text = theirs(file, &format!("{{{{ template {:?} . }}}}", template.define), "text");
        if text.trim().is_empty() {
            continue;
        }
        let ours = ours(&renderer, &template.name);
        let theirs = as_shown(&markup::escape(&text));
        assert_eq!(text_of(&ours), theirs.text, "{}: {}", template.define, template.text);
        compared += 1;
    }
    assert!(compared > 20, "{compared} templates");
}

/// Bodies whose spaces and line ends are all that differs.
fn spaced() -> Vec<String> {
    let tags = [
        ("{{ if .Status }}", "{{ else }}", "{{ end }}"),
        ("{{ range .Alerts }}", "{{ else }}", "{{ end }}"),
        ("{{ with .Status }}", "{{/* no */}}", "{{ end }}"),
        ("{{- if .Nothing }}", "{{ else -}}", "{{- end -}}"),
        ("{{ template \"part\" . }}", "{{- template \"part\" . -}}", "{{ template \"part\" . }}"),
    ];
    let gaps = ["", " ", "\n", "\n\n", "  \n", "\n  ", " \n \n ", "x\n", "\nx", " x "];
    let mut bodies = Vec::new();
    for (tag, (open, middle, close)) in tags.iter().enumerate() {
        for (index, gap) in gaps.iter().enumerate() {
            let next = gaps[(index + 3 + tag) % gaps.len()];
            let after = gaps[(index * 7 + tag) % gaps.len()];
            let open = open.replace(".Nothing", ".CommonLabels.nothing");
            bodies.push(format!("a{gap}{open}{next}{middle}{after}{close}{gap}b"));
            bodies.push(format!("{open}{gap}{middle}{next}{close}{after}"));
        }
    }
    bodies
}

#[test]
fn every_space_and_line_end_is_where_go_puts_it() {
    // Marks keep Telegram from trimming and nabat from joining blank lines.
    let bodies = spaced();
    let mut text = "{{ define \"part\" }}1\n2{{ end }}".to_owned();
    let mut all = String::new();
    for (index, body) in bodies.iter().enumerate() {
        let _ = write!(text, "{{{{ define \"t{index}\" }}}}{body}{{{{ end }}}}");
        let _ = write!(all, "<{index}>{{{{ template \"t{index}\" . }}}}</{index}>");
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("spaces.tmpl");
    std::fs::write(&file, &text).unwrap();
    let theirs = theirs(&file, &all, "text");
    let conversion = converted(&file);
    let mut registry = handlebars::Handlebars::new();
    for template in &conversion.templates {
        let compiled =
            handlebars::Template::compile_with_name(&template.text, template.name.clone()).unwrap();
        registry.register_template(&template.name, compiled);
    }
    let data: serde_json::Value =
        serde_json::from_slice(&std::fs::read(corpus("data.json")).unwrap()).unwrap();
    for (index, body) in bodies.iter().enumerate() {
        let (_, rest) = theirs.split_once(&format!("<{index}>")).unwrap();
        let (expected, _) = rest.split_once(&format!("</{index}>")).unwrap();
        let template = conversion.templates.iter().find(|of| of.define == format!("t{index}"));
        let written = registry.render(&template.unwrap().name, &data).unwrap();
        assert_eq!(written, expected, "{body:?} as {:?}", template.unwrap().text);
    }
}

#[test]
fn the_command_writes_files_and_names_what_it_left() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ops.tmpl");
    std::fs::write(
        &file,
        "{{ define \"ops\" }}{{ .Status }}\n{{ range .Alerts }}{{ .EndsAt.Sub .StartsAt }}{{ end }}{{ end }}",
    )
    .unwrap();
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_nabat"))
            .args(["template", "convert"])
            .arg(&file)
            .args(arguments)
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let out = directory.path().join("templates");
    let flag = format!("--output-dir={}", out.display());
    let (code, told, complaints) = run(&[&flag]);
    assert_eq!(code, Some(1), "{complaints}");
    assert_eq!(told, format!("{}\n", out.join("ops.hbs").display()));
    let place = format!("{}:2:", file.display());
    assert!(complaints.starts_with(&place) && complaints.lines().count() == 1, "{complaints}");
    let written = std::fs::read_to_string(out.join("ops.hbs")).unwrap();
    assert!(
        written.starts_with("{{status}}\n{{#each alerts}}\n{{!-- not converted: "),
        "{written}"
    );

    let (code, _, complaints) = run(&[&flag]);
    assert_eq!(code, Some(2), "{complaints}");
    assert!(complaints.contains("--force replaces it"), "{complaints}");

    std::fs::write(&file, "{{ define \"ops\" }}{{ .Status }}{{ end }}").unwrap();
    let (code, _, complaints) = run(&[&flag, "--force"]);
    assert_eq!((code, complaints.as_str()), (Some(0), ""));
    let (code, told, _) = run(&[]);
    assert_eq!((code, told.as_str()), (Some(0), "==> ops.hbs (define \"ops\") <==\n{{status}}\n"));
}
