//! Names in templates that are nowhere in the data.

use super::user::source;
use super::*;

fn told(sources: &[(&str, &str)]) -> Vec<String> {
    let sources = sources.iter().map(|(file, text)| source(file, text)).collect();
    let renderer = Renderer::new(sources).unwrap();
    renderer.unknown_names().iter().map(ToString::to_string).collect()
}

#[test]
fn a_misspelt_name_is_told_with_its_place_and_the_name_that_was_meant() {
    for (text, said) in [
        (
            "a\n {{comonLabels.x}}",
            "ops.hbs:2:2: there is no \"comonLabels\" here; did you mean \"commonLabels\"?",
        ),
        ("{{CommonLabels.severity}}", "did you mean \"commonLabels\"?"),
        ("{{#if sumary}}x{{/if}}", "there is no \"sumary\" here; did you mean \"summary\"?"),
        ("{{toUpper (trimSpace stattus)}}", "did you mean \"status\"?"),
        ("{{default commonLabels.x recever}}", "did you mean \"receiver\"?"),
        ("{{counts.fireing}}", "there is no \"fireing\" here; did you mean \"firing\"?"),
        ("{{#each firing}}{{labels.a}}{{anotations.b}}{{/each}}", "did you mean \"annotations\"?"),
        (
            "{{#each firing}}{{#with labels}}{{../stared}}{{/with}}{{/each}}",
            "did you mean \"started\"?",
        ),
        ("{{#each firing}}{{commonLabels.team}}{{/each}}", "did you mean \"@root.commonLabels\"?"),
        ("{{#each firing}}{{@root.grupKey}}{{/each}}", "did you mean \"groupKey\"?"),
        ("{{#each firing as |one|}}{{one.severty}}{{/each}}", "did you mean \"severity\"?"),
        ("{{#each (sortedPairs commonLabels)}}{{nam}}{{/each}}", "did you mean \"name\"?"),
        (
            "{{#each firing}}{{@indx}}{{/each}}",
            "there is no \"@indx\" here; did you mean \"@index\"?",
        ),
        ("{{#if name}}{{else if test}}\n{{tst}}{{/if}}", "ops.hbs:2:1: "),
        ("{{#each nofing}}{{nothing}}{{/each}}", "there is no \"nofing\" here"),
        ("{{zzzzzzzz}}", "ops.hbs:1:1: there is no \"zzzzzzzz\" here"),
        ("{{commonLabels.a.b}}", "written in brackets"),
        ("{{#if test}}{{firing.labels}}{{/if}}", "go through it with {{#each firing}}"),
    ] {
        // What goes through the lists of a list fails when it is tried, which is told elsewhere.
        let text = text.replace("{{#if test}}", "{{#if (eq status \"never\")}}");
        let said_all = told(&[("ops.hbs", &text)]);
        assert_eq!(said_all.len(), 1, "{text}: {said_all:?}");
        assert!(said_all[0].contains(said), "{text}: {said_all:?}");
    }
}

#[test]
fn what_may_be_there_is_no_fault() {
    for text in [
        "{{commonLabels.whatever}}{{groupLabels.[a b]}}{{commonAnnotations.x}}",
        "{{#each firing}}{{labels.x}}{{annotations.y}}{{@index}}{{@first}}{{/each}}",
        "{{#each firing}}{{../name}}{{@root.name}}{{#each labels}}{{@key}}={{this}}{{/each}}{{/each}}",
        "{{#each firing}}{{#with labels}}{{anything}}{{/with}}{{/each}}",
        "{{#each firing as |alert at|}}{{alert.labels.x}}{{at}}{{alert.status}}{{/each}}",
        "{{#with firing.[0]}}{{status}}{{this.status}}{{./status}}{{else}}{{receiver}}{{/with}}",
        "{{#with (lookup firing 0)}}{{anything}}{{/with}}",
        "{{#each (stringSlice \"a\" \"b\")}}{{this}}{{@last}}{{/each}}",
        "{{#each details.links}}{{text}}{{url}}{{/each}}{{details.runbook}}{{note}}",
        "{{#unless test}}{{#eq status \"firing\"}}{{name}}{{else}}{{kind}}{{/eq}}{{/unless}}",
        "{{../../name}}{{{name}}}{{&name}}{{(toUpper name)}}",
    ] {
        assert_eq!(told(&[("ops.hbs", text)]), [""; 0], "{text}");
    }
}

#[test]
fn an_included_template_is_judged_where_it_is_included() {
    let row = ("row.hbs", "{{labels.x}}{{text}}{{statos}}");
    let card = ("ops.hbs", "{{#each firing}}{{> row text=\"y\"}}{{/each}}");
    let said = told(&[row, card]);
    assert_eq!(said, ["row.hbs:1:21: there is no \"statos\" here; did you mean \"status\"?"]);
    // In one place it has labels, in the other a receiver: somebody wants it so.
    let both = ("row.hbs", "{{labels.x}}{{receiver}}");
    let card = ("ops.hbs", "{{> row}}{{#each firing}}{{> row}}{{/each}}");
    assert_eq!(told(&[both, card]), [""; 0]);
    let about = [("row.hbs", "{{instance}}"), ("ops.hbs", "{{> row commonLabels}}")];
    assert_eq!(told(&about), [""; 0]);
}

#[test]
fn a_users_part_of_the_built_in_templates_is_judged_in_them() {
    let said = told(&[("alert.hbs", "{{labels.instance}} {{summry}}\n")]);
    assert_eq!(said, ["alert.hbs:1:21: there is no \"summry\" here; did you mean \"summary\"?"]);
}

#[test]
fn every_name_of_the_document_is_known() {
    let document = include_str!("../../../docs/templates.md");
    let data = document.split("\n## Data\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let mut text = String::new();
    let scopes = [("", ""), ("{{#each firing}}", "{{/each}}")];
    for (table, (open, close)) in data.split("Each alert:").zip(scopes) {
        text.push_str(open);
        for row in table.lines().filter(|line| line.starts_with("| `")) {
            for name in row.split('|').nth(1).unwrap().split('`').skip(1).step_by(2) {
                text.extend(["{{#if ", name, "}}{{/if}}"]);
            }
        }
        text.push_str(close);
    }
    assert!(text.matches("{{#if").count() > 40, "{text}");
    assert_eq!(told(&[("ops.hbs", &text)]), [""; 0]);
}
