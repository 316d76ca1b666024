//! The document for authors of templates says what is.

use super::user::{first, one};
use super::*;

/// The rows of the table with these heads: code as it is written there.
fn table(heads: &str) -> Vec<[String; 3]> {
    let document = include_str!("../../../docs/templates.md");
    let table = document.split(heads).nth(1).unwrap();
    table
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let line = line.trim_start_matches("| ").trim_end_matches(" |");
            let cells: Vec<&str> = line.split(" | ").collect();
            assert_eq!(cells.len(), 3, "{line}");
            let cell = |index: usize| cells[index].trim_matches('`').replace("\\|", "|");
            [cell(0), cell(1), cell(2).replace("\\n", "\n")]
        })
        .collect()
}

/// The rows of the table of helpers: name, template, what it gives.
fn rows() -> Vec<[String; 3]> {
    table("| helper | for example | gives |")
}

#[test]
fn every_form_of_alertmanagers_gives_here_what_the_document_says() {
    let mut state = group(vec![alert("db-1", "critical")]);
    state.group_labels = labels(&[("alertname", "HighCPU")]);
    for [_, template, gives] in table("| Alertmanager | here | gives |") {
        let renderer = one("default.hbs", &template);
        let Rendered { parts, fell_back, .. } = renderer.render(&scene(&state));
        assert_eq!((&parts[0].plain, fell_back), (&gives, None), "{template}");
    }
}

#[test]
fn every_helpers_example_gives_what_the_document_says() {
    let state = group(vec![alert("db-1", "critical")]);
    for [name, template, gives] in rows() {
        assert!(template.contains(&name), "{name}: {template}");
        let (html, fell_back) = first(&one("default.hbs", &template), &scene(&state));
        assert_eq!((html, fell_back), (gives, None), "{template}");
    }
}

#[test]
fn every_helper_is_in_the_document() {
    let documented: Vec<String> = rows().into_iter().map(|[name, ..]| name).collect();
    for name in helpers::OWN {
        assert!(documented.iter().any(|documented| documented == name), "{name}");
    }
    assert_eq!(documented.len(), helpers::OWN.len());
}

#[test]
fn the_documents_example_renders() {
    let document = include_str!("../../../docs/templates.md");
    let example = document.split("```handlebars\n").nth(1).unwrap().split("```").next().unwrap();
    let state = group(vec![alert("db-1", "critical")]);
    let (html, fell_back) = first(&one("default.hbs", example), &scene(&state));
    assert_eq!(fell_back, None);
    assert_eq!(
        html,
        "🔴 <b>HighCPU</b> 1 / 0\n<code>db-1</code> load &gt; 80 &amp; rising (12m 0s)"
    );
}

#[test]
fn every_name_of_the_data_is_in_the_document() {
    let document = include_str!("../../../docs/templates.md");
    let state = group(vec![alert("db-1", "critical")]);
    let scene = scene(&state);
    let subject = subject::Subject::new(&scene, &[]);
    let data = serde_json::to_value(view::View::new(&subject, 1, true)).unwrap();
    let alert = &data["firing"][0];
    for name in [&data, alert].into_iter().flat_map(|map| map.as_object().unwrap().keys()) {
        let named =
            document.contains(&format!("`{name}`")) || document.contains(&format!("`{name}."));
        assert!(named, "{name}");
    }
}
