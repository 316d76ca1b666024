//! Templates, and data, made to stall the process or to end it.

use super::user::{first, one, source};
use super::*;
use crate::rendering::catalogue::{Catalogue, write};
use crate::rendering::subject::Subject;
use crate::rendering::view::View;

const TOO_MUCH: &str = "over 50000 steps";

/// As much data as a template is ever given of usual alerts: sixty of them, with many labels.
fn much() -> Notification {
    let alerts = (0..60).map(|number| {
        let mut alert = alert(&format!("db-{number}"), "critical");
        for label in 0..40 {
            alert.labels.insert(format!("label{label}"), format!("value {number} of {label}"));
        }
        alert
    });
    group(alerts.collect())
}

/// Renders `files`, of which the first is the chat's template; why they gave way.
fn stopped(files: &[(&str, &str)]) -> String {
    let sources = files.iter().map(|(file, text)| source(file, text)).collect();
    let (html, fell_back) = first(&Renderer::new(sources).unwrap(), &scene(&much()));
    assert!(html.contains("HighCPU"), "{html}");
    fell_back.unwrap_or_else(|| panic!("{files:?} came through: {html:.200}"))
}

/// Renders `body` once for each alert, in an include: there all names are copied.
fn stopped_in_an_include(body: &str) -> String {
    stopped(&[
        ("default.hbs", "x{{#each firing}}{{> whole ../this}}{{/each}}"),
        ("whole.hbs", body),
    ])
}

#[test]
fn an_include_pays_for_the_data_that_is_copied_for_it() {
    let one = "x{{#each firing}}{{> empty ../this}}{{> empty @root/this a=1}}{{> empty b=@root/this}}{{/each}}";
    assert!(stopped(&[("default.hbs", one), ("empty.hbs", "")]).contains(TOO_MUCH));
    let deep = [
        ("default.hbs", "x{{#each firing}}{{> a ../this}}{{/each}}"),
        ("a.hbs", "{{> b}}{{> b}}"),
        ("b.hbs", "{{> c}}{{> c}}"),
        ("c.hbs", ""),
    ];
    assert!(stopped(&deep).contains(TOO_MUCH));
}

#[test]
fn a_name_shown_in_an_include_pays_for_its_copy() {
    // All of the data shows as `[object]`.
    for shown in ["{{this}}", "{{{this}}}", "{{./this}}"] {
        let said = stopped_in_an_include(&shown.repeat(20));
        assert!(said.contains(TOO_MUCH), "{shown}: {said}");
    }
}

#[test]
fn what_a_call_is_given_pays_for_its_copy() {
    for call in [
        "{{#if this}}{{/if}}",
        "{{#if (not this)}}{{/if}}",
        "{{#if x=this}}{{/if}}",
        "{{toUpper \"\" a=this}}",
        "{{(len this)}}",
        "{{#each firing}}{{/each}}",
        "{{#with this}}{{/with}}",
        "{{#with firing as |f|}}{{#if f}}{{/if}}{{/with}}",
    ] {
        let said = stopped_in_an_include(&call.replace("#if x=", "#if 1 x=").repeat(20));
        assert!(said.contains(TOO_MUCH), "{call}: {said}");
    }
}

#[test]
fn what_lies_in_the_data_is_free_until_it_is_copied_or_compared() {
    let each = |body: &str| format!("x{{{{#each firing}}}}{}{{{{/each}}}}", body.repeat(50));
    for body in [
        "{{#if (lookup @root/this \"firing\")}}{{/if}}",
        "{{#if (eq @root/this ../this)}}{{/if}}",
        "{{#ne @root.firing @root.alerts}}{{/ne}}",
        "{{#if (gt @root.firing @root.firing)}}{{/if}}",
    ] {
        let said = stopped(&[("default.hbs", &each(body))]);
        assert!(said.contains(TOO_MUCH), "{body}: {said}");
    }
    let text = each("{{#if @root/this}}{{/if}}{{#if (len @root.firing)}}{{/if}}");
    let (_, fell_back) = first(&one("default.hbs", &text), &scene(&much()));
    assert_eq!(fell_back, None);
}

#[test]
fn a_long_path_pays_for_each_of_its_parts() {
    let path = |part: &str| format!("firing{}", part.repeat(9_000));
    for path in [path(".x"), path("x"), path("/x")] {
        for text in [
            format!(
                "x{{{{#each firing}}}}{{{{#each @root.firing}}}}{{{{{path}}}}}{{{{/each}}}}{{{{/each}}}}"
            ),
            format!(
                "x{{{{#each firing}}}}{{{{#each @root.firing}}}}{{{{#if {path}}}}}{{{{/if}}}}{{{{/each}}}}{{{{/each}}}}"
            ),
        ] {
            let said = stopped(&[("default.hbs", &text)]);
            assert!(said.contains(TOO_MUCH), "{text:.80}: {said}");
        }
        let include = format!("x{{{{#each firing}}}}{{{{> empty {path}}}}}{{{{/each}}}}");
        let said = stopped(&[("default.hbs", &include), ("empty.hbs", "")]);
        assert!(said.contains(TOO_MUCH), "{said}");
    }
}

#[test]
fn what_grows_by_being_put_into_itself_is_stopped() {
    for wrap in [
        "(list this this)",
        "(dict \"a\" this \"b\" this)",
        "(append (list this) this this)",
        "(list (toJson this) (toJson this))",
        "(printf \"%v%v%v\" this this this)",
        "(join this (list this this this))",
    ] {
        let open = format!("{{{{#with {wrap}}}}}").repeat(30);
        let text = format!("x{{{{#if alerts}}}}{open}y{}{{{{/if}}}}", "{{/with}}".repeat(30));
        let renderer = Renderer::new(vec![source("default.hbs", &text)]);
        let said = match renderer {
            Ok(renderer) => first(&renderer, &scene(&much())).1.unwrap(),
            Err(faults) => faults[0].message.clone(),
        };
        assert!(said.contains("524288 bytes") || said.contains(TOO_MUCH), "{wrap}: {said}");
    }
}

#[test]
fn loops_over_what_is_no_list_are_no_loops() {
    let text = "x{{#each receiver}}y{{/each}}{{#each 7}}y{{/each}}{{#each \"abc\"}}y{{/each}}\
                {{#each nothing}}y{{else}}z{{/each}}";
    assert_eq!(first(&one("default.hbs", text), &scene(&much())), ("xz".to_owned(), None));
}

/// A chain of `levels` includes, each in blocks `deep`, and calls within calls at its end.
fn nested(levels: usize, deep: usize, open: &str, close: &str) -> Vec<TemplateSource> {
    let calls = format!("{{{{len {}this{}}}}}", "(list ".repeat(31), ")".repeat(31));
    let mut sources = vec![source(&format!("t{levels}.hbs"), &calls)];
    for level in 0..levels {
        let name = if level == 0 { "default.hbs".to_owned() } else { format!("t{level}.hbs") };
        let text = format!("{}{{{{> t{}}}}}{}", open.repeat(deep), level + 1, close.repeat(deep));
        sources.push(source(&name, &text));
    }
    sources
}

#[test]
fn templates_nest_so_deep_in_all_that_the_stack_stays_whole() {
    let state = group(vec![alert("a", "info")]);
    for (open, close) in [
        ("{{#if @root.firing}}", "{{/if}}"),
        ("{{#unless @root.firing}}{{else}}", "{{/unless}}"),
        ("{{#with @root.counts}}", "{{/with}}"),
        ("{{#each @root.firing}}", "{{/each}}"),
    ] {
        for (levels, deep) in [(3, 31), (8, 11)] {
            let renderer = Renderer::new(nested(levels, deep, open, close)).unwrap();
            assert_eq!(first(&renderer, &scene(&state)), ("1".to_owned(), None), "{open}");
        }
        for (levels, deep) in [(4, 24), (8, 12), (8, 32)] {
            let faults = Renderer::new(nested(levels, deep, open, close)).unwrap_err();
            assert!(faults[0].message.contains("nested more than 96 deep"), "{faults:?}");
        }
    }
}

#[test]
fn a_long_pattern_pays_for_being_compiled() {
    // Each looks at half of Unicode, and is to be found no time.
    let patterns = (0..30).map(|number| format!("{}{number}", "((?i)[^\\\\pL]){0}".repeat(40)));
    let calls =
        patterns.map(|pattern| format!("{{{{#if (match \"{pattern}\" name)}}}}{{{{/if}}}}"));
    let text = format!("x{{{{#if firing.[1]}}}}{}{{{{/if}}}}", calls.collect::<String>());
    let said = stopped(&[("default.hbs", &text)]);
    assert!(said.contains(TOO_MUCH), "{said}");
    // What people write is far from it, though a pattern is compiled for each alert.
    let text = "x{{#each firing}}{{#if (match (print \"(?i)^\" label \"(:\\\\d+)?$\") who)}}x{{/if}}{{/each}}";
    assert_eq!(first(&one("default.hbs", text), &scene(&much())).1, None);
}

#[test]
fn what_a_fault_says_is_short() {
    let said =
        stopped(&[("default.hbs", "x{{#if firing.[1]}}{{append (toJson firing) 1}}{{/if}}")]);
    assert!(said.ends_with(" is no list") && said.contains("append: "), "{said}");
    assert!(said.len() < 1_000, "{} bytes", said.len());
}

/// Groups that no installation has.
fn monsters() -> Vec<(&'static str, Notification)> {
    let with = |change: &dyn Fn(&mut Alert)| {
        let mut alert = alert("a", "info");
        change(&mut alert);
        group(vec![alert.clone(), ended(Alert { fingerprint: "b".to_owned(), ..alert }, 5)])
    };
    let many = |alert: &mut Alert| {
        for number in 0..20_000 {
            alert.labels.insert(format!("l{number}"), "x".to_owned());
            alert.annotations.insert(format!("a{number}"), "x".to_owned());
        }
    };
    let mut all = vec![
        ("labels", with(&many)),
        (
            "label's name",
            with(&|alert| {
                alert.labels.insert("я".repeat(300_000), "x".to_owned());
            }),
        ),
        (
            "severity",
            with(&|alert| {
                alert.labels.insert("severity".to_owned(), "s".repeat(600_000));
            }),
        ),
        (
            "link",
            with(&|alert| alert.generator_url = format!("https://a.b/{}", ")".repeat(600_000))),
        ),
        (
            "address",
            with(&|alert| {
                let text = format!("https://a.example/{}", ")".repeat(600_000));
                alert.annotations.insert("description".to_owned(), text);
            }),
        ),
        (
            "marks",
            with(&|alert| {
                alert.annotations.insert("summary".to_owned(), "\u{301}".repeat(300_000));
            }),
        ),
    ];
    let severities = (0..5_000).map(|number| alert(&number.to_string(), &format!("s{number}")));
    all.push(("severities", group(severities.collect())));
    all
}

#[test]
fn the_built_in_templates_stay_far_below_the_budget() {
    let catalogue = Catalogue::new(&[]).unwrap();
    let registry = &catalogue.of(Language::EN).registry;
    let sixty = (0..60).map(|number| {
        let mut alert = alert(&format!("db-{number}"), "critical");
        alert.annotations.insert("description".to_owned(), format!("text {number} ").repeat(100));
        alert
    });
    let mut states = monsters();
    states.push(("sixty alerts", group(sixty.collect())));
    for (what, state) in &states {
        for kind in ["card", "news", "ended", "reminder"] {
            let scene = Scene { note: Some("a note"), merged: 3, now: at(20), ..scene(state) };
            let subject = Subject::new(&scene, &[]);
            // As many as they list, and as many as they would be given as a user's.
            for (most, share) in [(12, 25), (60, 5)] {
                write(registry, kind, &View::new(&subject, most, most > 12)).unwrap();
                let taken = budget::taken();
                println!("{what}: {kind} of {most} took {taken} steps");
                assert!(taken < budget::STEPS / share, "{what}: {kind} took {taken} steps");
            }
        }
    }
}

#[test]
fn monsters_are_shown_by_the_built_in_templates_and_survived_by_users() {
    let users = one(
        "default.hbs",
        "{{name}}\n{{#each alerts}}{{#each labels}}{{#if this}}{{@key}}={{this}} {{/if}}{{/each}}\
         {{#each (sortedPairs annotations)}}{{name}}={{value}} {{/each}}\n{{/each}}",
    );
    for (what, state) in monsters() {
        let message = Renderer::default().render(&Scene { table: true, ..scene(&state) });
        assert_eq!(message.fell_back, None, "{what}");
        assert!(!users.render(&scene(&state)).parts.is_empty(), "{what}");
    }
}
