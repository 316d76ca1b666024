//! What becomes of single constructs. Whole templates are compared with Alertmanager's own rendering
//! in `tests/behaviour/convert.rs`.

use super::*;
use crate::rendering::{Renderer, TemplateSource};

fn converted(text: &str) -> Conversion {
    let source = Source { file: "x.tmpl".into(), text: text.to_owned() };
    convert(&[source])
}

/// The template `x` of a file, converted without a rest.
fn of(body: &str) -> String {
    let conversion = converted(&format!("{{{{define \"x\"}}}}{body}{{{{end}}}}"));
    assert_eq!(conversion.problems, [], "{body}");
    let sources = conversion.templates.iter().map(|template| TemplateSource {
        name: template.name.clone(),
        language: None,
        text: template.text.clone(),
        file: format!("{}.hbs", template.name).into(),
    });
    if let Err(faults) = Renderer::new(sources.collect()) {
        panic!("{faults:?} in {:?}", conversion.templates);
    }
    conversion.templates[0].text.clone()
}

fn problems(text: &str) -> Vec<String> {
    converted(text).problems.iter().map(ToString::to_string).collect()
}

#[test]
fn values_are_named_as_in_nabats_data() {
    for (go, handlebars) in [
        ("{{ .Status | toUpper }}", "{{toUpper status}}"),
        ("{{ .CommonLabels.severity }}", "{{commonLabels.severity}}"),
        ("{{ index .CommonLabels \"severity\" }}", "{{commonLabels.severity}}"),
        ("{{ index .CommonLabels \"a b\" }}", "{{commonLabels.[a b]}}"),
        ("{{ len .Alerts }} {{ .Alerts.Firing | len }}", "{{counts.all}} {{counts.firing}}"),
        ("{{ .Alerts.Resolved | len }}", "{{counts.resolved}}"),
        ("{{ (index .Alerts 0).Labels.job }}", "{{alerts.[0].labels.job}}"),
        (
            "{{ .GroupLabels.SortedPairs.Values | join \" \" }}",
            "{{join \" \" (values (sortedPairs groupLabels))}}",
        ),
        ("{{ \"<b>x</b> & 1 < 2\" | safeHtml }}", "<b>x</b> &amp; 1 &lt; 2"),
        ("{{ or .CommonLabels.team \"nobody\" }}", "{{default commonLabels.team \"nobody\"}}"),
        ("{{ printf \"%s: %d\\n\" .Status (len .Alerts) }}", "{{status}}: {{counts.all}}\n"),
        (
            "<a href=\"{{ .ExternalURL }}/#/x\">{{ .Status }}</a>",
            "<a href=\"{{attribute externalURL}}/#/x\">{{status}}</a>",
        ),
        ("{{ \"a < b\" }}{{ 1 }}", "a &lt; b1"),
        ("{{ reReplaceAll \"a\" `\\1` .Receiver }}", "{{reReplaceAll \"a\" \"\\\\1\" receiver}}"),
    ] {
        assert_eq!(of(go), handlebars, "{go}");
    }
}

#[test]
fn conditions_ask_what_go_asks() {
    for (go, test) in [
        ("eq .Status \"firing\"", "(eq status \"firing\")"),
        ("gt (len .Alerts.Firing) 0", "firing"),
        ("gt (len .Alerts.Firing) 1", "(gt counts.firing 1)"),
        ("eq .Status \"a\" \"b\"", "(or (eq status \"a\") (eq status \"b\"))"),
        ("ne .CommonLabels.team \"\"", "commonLabels.team"),
        ("eq \"\" .CommonLabels.team", "(not commonLabels.team)"),
        ("and .CommonLabels.a (not .CommonLabels.b)", "(and commonLabels.a (not commonLabels.b))"),
        ("or .CommonLabels.a .CommonLabels.b", "(or commonLabels.a commonLabels.b)"),
        ("ge (len .Alerts) 1", "alerts"),
        ("match \"^db\" .CommonLabels.job", "(match \"^db\" commonLabels.job)"),
    ] {
        assert_eq!(
            of(&format!("{{{{if {go}}}}}x{{{{end}}}}")),
            format!("{{{{#if {test}}}}}\nx{{{{/if}}}}"),
            "{go}"
        );
    }
}

#[test]
fn outer_values_are_reached_from_loops() {
    assert_eq!(
        of(
            "{{ range $i, $a := .Alerts }}-{{ range .Labels.SortedPairs }}{{ $i }}{{ .Name }}{{ $a.Status }}{{ $.Receiver }}{{ end }}{{ end }}"
        ),
        "{{#each alerts}}\n-{{#each (sortedPairs labels)}}{{@../index}}{{name}}{{../status}}{{../../receiver}}{{/each}}{{/each}}"
    );
}

#[test]
fn variables_become_what_they_stand_for() {
    assert_eq!(
        of("{{$e := \"🟡\"}}{{if eq .Status \"firing\"}}{{$e = \"🔴\"}}{{end}}{{$e}}"),
        "{{#if (eq status \"firing\")}}\n{{/if}}\n{{#if (eq status \"firing\")}}\n🔴{{else}}🟡{{/if}}"
    );
    assert_eq!(
        of("{{range .Alerts}}{{with $l := .Labels}}{{$l.a}}{{end}}{{end}}"),
        "{{#each alerts}}\n{{#with labels}}\n{{a}}{{/with}}{{/each}}"
    );
}

#[test]
fn what_a_template_is_given_decides_what_its_fields_are() {
    let conversion = converted(
        "{{define \"one\"}}{{range .Alerts}}{{template \"list\" .Labels}}{{end}}{{template \"url\" .}}{{end}}\
         {{define \"list\"}}{{.Status}}{{end}}{{define \"url\"}}{{.Status}}{{.ExternalURL}}{{end}}",
    );
    assert_eq!(conversion.problems, []);
    let texts: Vec<_> =
        conversion.templates.iter().map(|of| (of.name.as_str(), of.text.as_str())).collect();
    assert_eq!(
        texts,
        [
            ("one", "{{#each alerts}}\n{{> list labels}}\n{{/each}}\n{{> url}}\n"),
            ("list", "{{Status}}"),
            ("url", "{{status}}{{externalURL}}"),
        ]
    );
}

#[test]
fn what_takes_alerts_and_is_not_called_is_left_out() {
    let conversion = converted(
        "{{define \"a\"}}{{range .}}{{.Labels}}{{end}}{{end}}{{define \"b\"}}{{template \"a\" .}}{{end}}\
         {{define \"c\"}}{{.Labels.x}}{{end}}{{define \"d\"}}{{.Receiver}}{{end}}",
    );
    assert_eq!(conversion.problems, []);
    assert_eq!(conversion.unused, ["b", "c", "a"]);
    assert_eq!(conversion.templates.len(), 1);
}

#[test]
fn a_round_that_is_left_early_becomes_a_condition() {
    assert_eq!(
        of("{{range $i, $a := .Alerts}}{{if ge $i 5}}{{break}}{{end}}x{{end}}"),
        "{{#each alerts}}\n{{#if (gte @index 5)}}\n{{else}}\nx{{/if}}{{/each}}"
    );
    assert_eq!(
        of("{{range .Alerts}}{{if .Labels.a}}y{{continue}}{{end}}x{{end}}"),
        "{{#each alerts}}\n{{#if labels.a}}\ny{{else}}x{{/if}}{{/each}}"
    );
}

#[test]
fn what_cannot_be_said_is_told_with_its_place_and_stays_visible() {
    let text = "{{ define \"x\" }}{{ range .Alerts }}\n  a {{ .EndsAt.Sub .StartsAt }} b\n{{ end }}{{ end }}";
    let conversion = converted(text);
    assert_eq!(
        problems(text),
        [
            "x.tmpl:2:8: nothing computes with times as .Sub does; lasted, started and ended are ready \
          words, (since startsAt) counts seconds"
        ]
    );
    assert_eq!(
        conversion.templates[0].text,
        "{{#each alerts}}\n\n  a {{!-- not converted: {{ .EndsAt.Sub .StartsAt }}: \
         nothing computes with times as .Sub does --}} b\n{{/each}}\n"
    );
    for (text, told) in [
        ("{{range .Alerts}}{{break}}{{end}}", "x.tmpl:1:18: a loop can't be left"),
        ("{{template \"y\"}}", "x.tmpl:1:1: no file defines the template \"y\""),
        (
            "{{$n := 0}}{{range .Alerts}}{{$n = 1}}{{end}}",
            "x.tmpl:1:31: $n can't be kept from round to round",
        ),
        ("{{ .Nonsense }}", "x.tmpl:1:4: the data has no .Nonsense"),
        (
            "{{ range .Alerts }}{{ .ExternalURL }}{{ end }}",
            "x.tmpl:1:23: an alert has no .ExternalURL; the data has it: write @root.externalURL",
        ),
        ("<br>{{ .Status }}", "x.tmpl:1:1: Telegram has no <br>, it is shown as text"),
        ("{{ add 1 2 }}", "x.tmpl:1:4: there is no helper for the function add"),
    ] {
        let problems = problems(text);
        assert!(problems.len() == 1 && problems[0].starts_with(told), "{text}: {problems:?}");
    }
}

#[test]
fn markup_that_a_label_could_forge_becomes_text_and_is_named() {
    for (text, written) in [
        ("{{ .Receiver | safeHtml }}", "{{linked receiver}}"),
        ("{{ printf \"<b>%s</b>\" .Receiver | safeHtml }}", "<b>{{linked receiver}}</b>"),
        ("{{ safeHtml (.Receiver | toUpper) }}", "{{linked (toUpper receiver)}}"),
    ] {
        let conversion = converted(text);
        assert_eq!(conversion.templates[0].text, written);
        let [problem] = &conversion.problems[..] else { panic!("{:?}", conversion.problems) };
        let told = problem.to_string();
        assert!(told.starts_with("x.tmpl:1:4: safeHtml shows what labels hold as text"), "{told}");
    }
}

#[test]
fn gos_mistakes_are_told_where_they_are() {
    for (text, told) in [
        ("a\n{{ if .Status }}", "2:1: this has no {{end}}"),
        ("{{ end }}", "1:1: {{end}} ends nothing"),
        ("{{ .Status ", "1:1: the action has no closing }}"),
        ("{{ \"a }}", "1:4: the text has no closing \""),
        ("{{ if }}x{{ end }}", "1:6: if lacks a value"),
        ("{{ .Status | \"a\" }}", "1:14: only a function or a method can stand behind |"),
        ("{{ 'ab' }}", "1:4: single quotes hold one character; use double ones"),
        ("{{ (.Status }}", "1:4: the parenthesis is not closed"),
        ("{{/* a", "1:1: the comment has no end"),
        ("{{ break }}", "1:1: {{break}} stands outside of a range"),
        ("{{ template .Status }}", "1:12: a template needs a name in quotes"),
        ("{{ . % 2 }}", "1:6: '%' has no meaning here"),
    ] {
        assert_eq!(problems(text), [format!("x.tmpl:{told}")], "{text}");
    }
}

#[test]
fn names_that_nabat_gives_a_meaning_are_changed() {
    for (name, file) in [
        ("slack.default.title", "slack.default.title"),
        ("a/b c", "a-b-c"),
        ("alert", "alert_"),
        ("ops.ru", "ops.ru_"),
        ("ops.news", "ops.news_"),
        ("../../etc", "_..-..-etc"),
        ("..", "_.._"),
        ("", "_"),
    ] {
        assert_eq!(file_name(name), file);
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_text_makes_it_panic(parts in proptest::collection::vec(fragment(), 0..24)) {
        let conversion = converted(&parts.concat());
        for problem in conversion.problems {
            let _ = problem.to_string();
        }
    }
}

fn fragment() -> impl proptest::strategy::Strategy<Value = String> {
    use proptest::prelude::*;
    let known = proptest::sample::select(vec![
        "{{",
        "}}",
        "{{- ",
        " -}}",
        "{{if ",
        "{{else}}",
        "{{else if ",
        "{{end}}",
        "{{range ",
        "{{with ",
        "{{define \"x\"}}",
        "{{block \"y\" ",
        "{{template \"x\" ",
        ".",
        ".Alerts",
        ".Labels",
        ".Status",
        "$",
        "$x",
        " := ",
        " = ",
        ", ",
        "(",
        ")",
        "|",
        "\"a\"",
        "`b`",
        "'c'",
        "1",
        "-2.5e3",
        "0x1F",
        " ",
        "\n",
        "/*",
        "*/",
        "eq ",
        "len ",
        "index ",
        "printf \"%s\" ",
        "{{break}}",
        "{{continue}}",
        "nil",
        "true",
        "<b>",
        "<",
        "&",
        "\\",
        "{",
        "é🔥",
        ".Format",
        ".SortedPairs",
    ]);
    prop_oneof![9 => known.prop_map(str::to_owned), 1 => ".{0,8}"]
}
