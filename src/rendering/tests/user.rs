//! Templates that users bring.

use std::path::Path;

use super::*;

pub(super) fn source(file: &str, text: &str) -> TemplateSource {
    TemplateSource::from_file(Path::new(file), text.to_owned())
}

pub(super) fn one(file: &str, text: &str) -> Renderer {
    Renderer::new(vec![source(file, text)]).unwrap()
}

fn faults(file: &str, text: &str) -> Vec<String> {
    let faults = Renderer::new(vec![source(file, text)]).unwrap_err();
    faults.iter().map(ToString::to_string).collect()
}

pub(super) fn first(renderer: &Renderer, scene: &Scene<'_>) -> (String, Option<String>) {
    let Rendered { parts, fell_back, .. } = renderer.render(scene);
    (parts[0].html.clone(), fell_back)
}

#[test]
fn a_file_names_its_template_and_language() {
    for (file, name, language) in [
        ("/etc/nabat/ops.hbs", "ops", None),
        ("ops.ru.hbs", "ops", Some(Language::from_code("ru").unwrap())),
        ("ops.news.en.hbs", "ops.news", Some(Language::EN)),
        ("ops.de.hbs", "ops.de", None),
    ] {
        let source = source(file, "x");
        assert_eq!((source.name.as_str(), source.language), (name, language), "{file}");
    }
}

#[test]
fn a_users_template_replaces_the_card_of_its_name_only() {
    let state = group(vec![alert("a", "info")]);
    let renderer = one("default.hbs", "<u>{{name}}</u> {{kind}}");
    assert_eq!(first(&renderer, &scene(&state)), ("<u>HighCPU</u> card".to_owned(), None));
    let reminder = Scene { kind: Kind::Reminder, ..scene(&state) };
    assert!(first(&renderer, &reminder).0.starts_with("🔁 "));
    let renderer = one("default.reminder.hbs", "again: {{name}}");
    assert_eq!(first(&renderer, &reminder), ("again: HighCPU".to_owned(), None));
}

#[test]
fn a_template_in_the_chats_language_goes_before_one_for_all() {
    let state = group(vec![alert("a", "info")]);
    let renderer =
        Renderer::new(vec![source("ops.ru.hbs", "рус"), source("ops.hbs", "any")]).unwrap();
    for (language, said) in [(Language::from_code("ru").unwrap(), "рус"), (Language::EN, "any")]
    {
        let scene = Scene { template: "ops", language, ..scene(&state) };
        assert_eq!(first(&renderer, &scene).0, said);
    }
    assert!(renderer.has_template("ops") && renderer.has_template("default"));
    assert!(!renderer.has_template("ups"));
}

#[test]
fn a_users_partial_changes_the_built_in_templates() {
    let state = group(vec![alert("a", "info"), alert("b", "info")]);
    let renderer = one("alert.hbs", "* {{labels.instance}}\n");
    let (html, fell_back) = first(&renderer, &scene(&state));
    assert_eq!(fell_back, None);
    assert!(html.contains("\n\n* a\n* b\n"), "{html}");
}

#[test]
fn alertmanagers_data_is_there_under_its_own_names() {
    let state = group(vec![alert("a", "info"), ended(alert("b", "info"), 5)]);
    let text = "{{status}} {{receiver}} {{commonLabels.alertname}} {{commonAnnotations.summary}} \
                {{len alerts}}{{#each alerts}} {{labels.instance}}={{status}}@{{startsAt}}\
                {{/each}}";
    let (html, _) = first(&one("default.hbs", text), &scene(&state));
    assert_eq!(
        html,
        "firing telegram HighCPU CPU over 80 % 2 a=firing@2026-11-03T09:00:00Z \
         b=resolved@2026-11-03T09:00:00Z"
    );
}

#[test]
fn a_template_that_fails_at_an_alert_gives_way_to_the_built_in_one() {
    let state = group(vec![alert("a", "info")]);
    for (text, why) in [
        (
            "{{#if (eq labels.x 1)}}{{/if}}{{#each firing}}{{#if (eq labels.job \"calc\")}}<b>{{/if}}{{/each}}",
            "can't parse entities",
        ),
        ("{{#each firing}}{{since labels.job}}{{/each}}", "\"calc\" is no time"),
        ("{{#each firing}}{{#if labels.job}} {{else}}x{{/if}}{{/each}}", "message text is empty"),
    ] {
        let (html, fell_back) = first(&one("default.hbs", text), &scene(&state));
        assert!(html.contains("HighCPU · a"), "{html}");
        let said = fell_back.unwrap();
        assert!(said.starts_with("template \"default\"") && said.contains(why), "{said}");
    }
    let unknown = Scene { template: "ops", ..scene(&state) };
    let (html, fell_back) = first(&Renderer::default(), &unknown);
    assert!(html.contains("HighCPU · a"));
    assert_eq!(fell_back.unwrap(), "there is no template \"ops\"");
}

#[test]
fn a_template_that_writes_without_end_is_stopped() {
    let mut state = group(vec![alert("a", "info")]);
    for number in 0..40 {
        let name = format!("l{number}");
        state.alerts[0].labels.insert(name, "x".to_owned());
    }
    let nested = "{{#each labels}}".replace("labels", "@root.commonLabels");
    let text = format!("{}{}{}", nested.repeat(4), "x".repeat(60), "{{/each}}".repeat(4));
    let (html, fell_back) = first(&one("default.hbs", &text), &scene(&state));
    assert!(html.contains("HighCPU · a"));
    assert!(fell_back.unwrap().contains("wrote over 524288 bytes"));
}

#[test]
fn a_template_that_loops_without_writing_is_stopped() {
    let state = group((0..60).map(|number| alert(&number.to_string(), "info")).collect());
    let nested = "{{#each @root.firing}}".repeat(5) + &"{{/each}}".repeat(5);
    let (html, fell_back) = first(&one("default.hbs", &format!("x{nested}")), &scene(&state));
    assert!(html.contains("60 firing"));
    assert!(fell_back.unwrap().contains("over 50000 steps"));
    let big = format!("x{{{{#each firing}}}}{}{{{{/each}}}}", "{{#if name}}{{/if}}".repeat(3_000));
    let (_, fell_back) = first(&one("default.hbs", &big), &scene(&state));
    assert!(fell_back.unwrap().contains("over 50000 steps"));
    let includes = vec![
        source("default.hbs", "x{{#each firing}}{{#each @root.firing}}{{> a}}{{/each}}{{/each}}"),
        source("a.hbs", &"{{> b}}".repeat(10)),
        source("b.hbs", &"{{#if name}}{{/if}}".repeat(2)),
    ];
    let (_, fell_back) = first(&Renderer::new(includes).unwrap(), &scene(&state));
    assert!(fell_back.unwrap().contains("over 50000 steps"));
}

#[test]
fn a_helper_whose_result_explodes_is_stopped() {
    let state = group(vec![alert("a", "info")]);
    let nested = "(reReplaceAll \".\" \"$0$0$0$0\" ".repeat(12) + "name" + &")".repeat(12);
    let at_once = format!("(reReplaceAll \".*\" {:?} {:?})", "$0".repeat(5_000), "x".repeat(5_000));
    let join = format!("(join {:?} (stringSlice{}))", "x".repeat(5_000), " 1".repeat(5_000));
    let always = format!("{{{{len {nested}}}}}");
    assert!(faults("default.hbs", &always)[0].contains("over 50000 steps"));
    for call in [at_once, join] {
        let always = format!("{{{{len {call}}}}}");
        let fault = &faults("default.hbs", &always)[0];
        assert!(fault.contains(": the result is over 524288 bytes"), "{fault}");
        let later = format!("x{{{{#if (eq commonLabels.job \"calc\")}}}}{always}{{{{/if}}}}");
        let (html, fell_back) = first(&one("default.hbs", &later), &scene(&state));
        assert!(html.contains("HighCPU · a"), "{html}");
        assert!(fell_back.unwrap().contains(": the result is over 524288 bytes"));
    }
}

#[test]
fn a_pattern_that_takes_too_much_work_is_stopped() {
    let state = group((0..60).map(|number| alert(&number.to_string(), "info")).collect());
    let long = "ab".repeat(10_000);
    let text = format!(
        "x{{{{#each firing}}}}{{{{#if (match \"[ab]*a[ab]{{200}}c\" {long:?})}}}}{{{{/if}}}}{{{{/each}}}}"
    );
    let (_, fell_back) = first(&one("default.hbs", &text), &scene(&state));
    assert!(fell_back.unwrap().contains("over 50000 steps"));
    let fault = &faults("default.hbs", "{{match \"(?:\\\\w{50}){50}\" name}}")[0];
    assert!(fault.contains("bad pattern"), "{fault}");
}

#[test]
fn a_pattern_that_looks_to_the_end_at_every_match_is_stopped() {
    let long = format!("(reReplaceAll \"a\" {:?} \"{}\")", "A".repeat(1_000), "a".repeat(60));
    let text = format!("{{{{len (reReplaceAll \".*[^A-Z]|[A-Z]\" \"x\" {long})}}}}");
    let fault = &faults("default.hbs", &text)[0];
    assert!(fault.contains("over 50000 steps"), "{fault}");
}

#[test]
fn patterns_with_many_matches_in_a_long_text_are_not_stopped() {
    let long = "the disk of db-1 is full ".repeat(4_096 / 25);
    for pattern in [r"\\s+", r"[a-z]+", r"\\w+"] {
        let text = format!("{{{{len (reReplaceAll \"{pattern}\" \"_\" \"{long}\")}}}}");
        one("default.hbs", &text);
    }
    let state = group((0..60).map(|number| alert(&number.to_string(), "info")).collect());
    let short = &long[..400];
    let text = format!(
        "{{{{#each alerts}}}}{{{{len (reReplaceAll \"\\\\w+\" \"_\" \"{short}\")}}}}{{{{/each}}}}"
    );
    assert_eq!(first(&one("default.hbs", &text), &scene(&state)).1, None);
}

#[test]
fn usual_patterns_over_all_alerts_are_not_stopped() {
    let state = group((0..60).map(|number| alert(&number.to_string(), "info")).collect());
    let text = "{{#each alerts}}{{reReplaceAll \"^([\\\\w.-]+):\\\\d+$\" \"$1\" labels.instance}}\
                {{#if (match \"(?i)^high|disk.*full\" labels.alertname)}}\
                {{reReplaceAll \"\\\\s+\" \" \" annotations.description}}{{/if}}\n{{/each}}";
    assert_eq!(first(&one("default.hbs", text), &scene(&state)).1, None);
}

#[test]
fn a_template_that_goes_through_all_labels_of_all_alerts_is_not_stopped() {
    let many = (0..60).map(|number| {
        let mut alert = alert(&number.to_string(), "info");
        for label in 0..40 {
            alert.labels.insert(format!("label{label}"), "x".to_owned());
        }
        alert
    });
    let state = group(many.collect());
    let text = "{{#each alerts}}{{#each (sortedPairs labels)}}{{code name}}={{value}} {{/each}}\n\
                {{/each}}";
    assert_eq!(first(&one("default.hbs", text), &scene(&state)).1, None);
}

#[test]
fn naming_a_large_computed_value_again_and_again_is_stopped() {
    let big = format!("(list{})", " 1".repeat(6_000));
    let often = format!("(list{})", " 1".repeat(100));
    for named in ["{{#if big}}{{/if}}", "{{#each (list 1)}}{{#if (len big)}}{{/if}}{{/each}}"] {
        let text = format!(
            "x{{{{#with {big} as |big|}}}}{{{{#each {often}}}}}{{{{#each {often}}}}}{named}\
             {{{{/each}}}}{{{{/each}}}}{{{{/with}}}}"
        );
        let fault = &faults("default.hbs", &text)[0];
        assert!(fault.contains("over 50000 steps"), "{fault}");
    }
    let text = format!(
        "x{{{{#with (list 1) as |small|}}}}{{{{#each {often}}}}}{{{{#each {often}}}}}\
         {{{{#if small}}}}{{{{/if}}}}{{{{/each}}}}{{{{/each}}}}{{{{/with}}}}"
    );
    one("default.hbs", &text);
    let state = group((0..60).map(|number| alert(&number.to_string(), "info")).collect());
    let text = "{{#each firing}}{{#if (gt (len ../firing) 1)}}{{label}}{{/if}}\n{{/each}}";
    assert_eq!(first(&one("default.hbs", text), &scene(&state)).1, None);
}

#[test]
fn alerts_that_a_template_has_no_room_for_are_told_even_if_it_does_not() {
    let fires = (0..500).map(|number| alert(&format!("db-{number}"), "info"));
    let over = (500..700).map(|number| ended(alert(&format!("db-{number}"), "info"), 5));
    let state = group(fires.chain(over).collect());
    let row = ("row.hbs", "{{label}}\n");
    for (template, firing, resolved) in [
        ("{{#each firing}}{{label}}\n{{/each}}", "+455 more", ""),
        ("{{#each alerts}}{{> row}}{{/each}}", "+455 more", "✅ +185 more"),
        ("{{#each firing}}{{> row}}{{/each}}{{> over}}", "+455 more", ""),
        ("{{#each firing}}{{> row}}{{/each}}-{{more.firing}}", "-455", ""),
        ("{{#each firing}}{{> row}}{{/each}}{{> more}}", "+455 more", ""),
        ("{{counts.all}}{{#if firing}}!{{/if}}", "700!", ""),
    ] {
        let sources = vec![source(row.0, row.1), source("default.hbs", template)];
        let rendered = Renderer::new(sources).unwrap().render(&scene(&state));
        assert_eq!(rendered.fell_back, None);
        let text: String = rendered.parts.iter().map(|part| part.plain.as_str()).collect();
        assert_eq!(text.matches(firing).count(), 1, "{template}: {text}");
        assert!(text.contains(resolved), "{template}: {text}");
        let told = text.matches("more").count();
        let meant = firing.matches("more").count() + resolved.matches("more").count();
        assert_eq!(told, meant, "{template}: {text}");
    }
    let few = group(vec![alert("a", "info"), ended(alert("b", "info"), 5)]);
    let renderer = one("default.hbs", "{{#each alerts}}{{label}}\n{{/each}}");
    assert_eq!(first(&renderer, &scene(&few)), ("a\nb".to_owned(), None));
}

#[test]
fn a_users_partial_leaves_the_built_in_list_and_table_as_they_are() {
    let state = group((0..40).map(|number| alert(&number.to_string(), "info")).collect());
    let scene = Scene { table: true, ..scene(&state) };
    let built_in = Renderer::default().render(&scene);
    let changed = one("links.hbs", "links\n").render(&scene);
    assert!(changed.parts[0].plain.contains("+28 more"), "{}", changed.parts[0].plain);
    assert!(changed.parts[0].plain.ends_with("links"), "{}", changed.parts[0].plain);
    assert!(built_in.table.is_some() && changed.table.is_some());
    let own = one("card.hbs", "{{#each firing}}*{{/each}}").render(&scene);
    assert_eq!((own.parts[0].plain.as_str(), own.table.is_some()), (&*"*".repeat(40), false));
}

#[test]
fn the_form_of_a_noun_follows_the_chats_language() {
    let state = group(vec![alert("a", "info")]);
    let text = "{{plural 1 \"a\" \"b\" \"c\"}}{{plural 3 \"a\" \"b\" \"c\"}}\
                {{plural 5 \"a\" \"b\" \"c\"}}{{plural 21 \"a\" \"b\" \"c\"}}{{plural 1.5 \"a\" \"b\"}}";
    let renderer = one("default.hbs", text);
    for (code, said) in [("en", "abbbb"), ("ru", "abcab"), ("kk", "aaaab")] {
        let language = Language::from_code(code).unwrap();
        assert_eq!(first(&renderer, &Scene { language, ..scene(&state) }).0, said, "{code}");
    }
}

#[test]
fn includes_that_multiply_or_go_deep_are_refused() {
    let chain = |times: usize, length: usize| {
        let mut sources = vec![source("t0.hbs", "x")];
        for level in 1..=length {
            let text = format!("{{{{> t{}}}}}", level - 1).repeat(times);
            sources.push(source(&format!("t{level}.hbs"), &text));
        }
        Renderer::new(sources).map(|_| ()).map_err(|faults| faults[0].message.clone())
    };
    assert_eq!(chain(2, 8), Ok(()));
    assert!(chain(3, 8).unwrap_err().contains("includes over 1000 others"));
    assert!(chain(2, 64).unwrap_err().contains("includes over 1000 others"));
    assert!(chain(1, 9).unwrap_err().contains("over 8 deep"));
}

#[test]
fn what_a_users_template_writes_too_much_is_cut_and_counted() {
    let state = group(vec![alert("a", "info")]);
    let text = format!("{{{{name}}}} {}", "word ".repeat(10_000));
    let rendered = one("default.hbs", &text).render(&scene(&state));
    assert_eq!(rendered.parts.len(), 6);
    let last = &rendered.parts[5].plain;
    assert!(last.contains("characters left out\n(6/6)"), "{last}");
}

#[test]
fn broken_templates_are_refused_with_their_place() {
    for (text, fault) in [
        ("a\n{{#if x}}", "ops.hbs:2:"),
        ("a\n {{nope name}}", "ops.hbs:2:2: there is no helper \"nope\""),
        ("{{#if (nope name)}}{{/if}}", "there is no helper \"nope\""),
        (
            "<b>{{name}}",
            "can't parse entities: Can't find end tag corresponding to start tag \"b\"",
        ),
        ("{{match \"(\" name}}", "bad pattern \"(\""),
        ("a {{{{raw}}}}{{x}}{{{{/raw}}}}", "ops.hbs:1:3: there is no helper \"raw\""),
        (
            "{{#if name}}\n{{else if (nope name)}}{{/if}}",
            "ops.hbs:1:1: there is no helper \"nope\"",
        ),
        ("{{toUppr name}}", "there is no helper \"toUppr\"; did you mean \"toUpper\"?"),
        ("{{(nope name)}}", "there is no helper \"nope\""),
        ("{{len (eq a x=(nope b))}}", "there is no helper \"nope\""),
        (
            "x\n {{> aalert}}",
            "ops.hbs:2:2: there is no template \"aalert\" to include; did you mean \"alert\"?",
        ),
        ("{{> missing}}", "there is no template \"missing\" to include"),
        ("{{> (lookup this \"name\")}}", "computed partial name"),
        ("{{#> card}}x{{/card}}", "not supported"),
        ("{{#*inline \"x\"}}{{> x}}{{/inline}}", "not supported"),
    ] {
        let said = faults("ops.hbs", text);
        assert!(said[0].contains(fault), "{text}: {said:?}");
    }
}

#[test]
fn templates_that_would_overflow_the_stack_are_refused() {
    assert!(faults("ops.hbs", "{{#if name}}{{> ops}}{{/if}}")[0].contains("includes itself"));
    let circle = vec![source("a.hbs", "{{> b}}"), source("b.hbs", "{{> a}}")];
    assert!(Renderer::new(circle).unwrap_err()[0].message.contains("includes itself"));
    let deep = format!("{}{}", "{{#if name}}".repeat(3_000), "{{/if}}".repeat(3_000));
    assert!(faults("ops.hbs", &deep)[0].contains("nested more than 32 deep"));
    let calls =
        format!("{{{{#if {}name{}}}}}{{{{/if}}}}", "(not ".repeat(9_000), ")".repeat(9_000));
    assert!(faults("ops.hbs", &calls)[0].contains("nested more than 32 deep"));
    assert!(faults("ops.hbs", &"x".repeat(70_000))[0].contains("larger than 65536 bytes"));
}

#[test]
fn all_faults_are_told_at_once() {
    let both = vec![source("a.hbs", "{{nope 1}}"), source("b.hbs", "{{#if}}")];
    assert_eq!(Renderer::new(both).unwrap_err().len(), 2);
}
