//! Templates as nobody would write them: whatever compiles renders or is replaced, and Telegram
//! takes the message.

use std::sync::LazyLock;

use nabat::alert::{Forgotten, Notification};
use nabat::rendering::{Limits, Renderer, Scene, TemplateSource};
use proptest::prelude::*;

use crate::rendering::{accepted, scenes};
use crate::support::notifications::any_notification;

fn own(text: String) -> TemplateSource {
    TemplateSource { name: "own".to_owned(), language: None, text, file: "own.hbs".into() }
}

fn card(state: &Notification) -> Scene<'_> {
    Scene { template: "own", ..scenes(state, "").swap_remove(0) }
}

/// A value of the data, or one that a helper makes of it.
fn value() -> impl Strategy<Value = String> {
    let path = prop::sample::select(vec![
        "name",
        "severity",
        "summary",
        "shared",
        "counts.firing",
        "more",
        "firing",
        "alerts",
        "labels",
        "labels.instance",
        "annotations.description",
        "../name",
        "@index",
        "this",
        "startsAt",
        "now",
        "commonLabels",
        "externalURL",
        "firing.[0].labels.[a b]",
        "\"a\\nb\"",
        "7",
        "-1e9",
        "true",
        "null",
        "missing.deeper",
    ])
    .prop_map(str::to_owned);
    path.prop_recursive(3, 8, 2, |inner| {
        let helper = prop::sample::select(vec![
            "toUpper",
            "title",
            "trimSpace",
            "urlUnescape",
            "stringSlice",
            "join \"@\"",
            "sortedPairs",
            "truncate 9",
            "default \"x\"",
            "match \"(a|b)*c\"",
            "reReplaceAll \"(.)\" \"$1$1<\"",
            "humanize",
            "humanizePercentage",
            "humanizeDuration",
            "plural 3",
            "since",
            "tz \"Asia/Almaty\"",
            "date \"%Q 2006\"",
            "time",
            "duration",
            "lookup this",
            "len",
            "eq 1",
            "gt 2",
            "not",
        ]);
        (helper, inner).prop_map(|(helper, inside)| format!("({helper} {inside})"))
    })
}

/// Templates whose blocks are balanced, so that most of them compile.
fn template() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        3 => "[a-zё🔥 \n.<&]{0,12}",
        4 => value().prop_map(|value| format!("{{{{{}}}}}", value.trim_matches(['(', ')']))),
        2 => (prop::sample::select(vec!["code", "pre", "linked", "link externalURL"]), value())
            .prop_map(|(helper, value)| format!("{{{{{helper} {value}}}}}")),
        1 => value().prop_map(|value| format!("{{{{{{default {value} 1}}}}}}")),
        1 => prop::sample::select(vec![
            "{{> alert}}", "{{> details details}}", "{{> notes}}", "{{> own}}", "{{else}}", "</b>", "<b>", "{{",
        ]).prop_map(str::to_owned),
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        let block = prop_oneof![
            3 => prop::sample::select(vec![
                ("<b>", "</b>"), ("<code>", "</code>"), ("<pre>", "</pre>"),
                ("<blockquote expandable>", "</blockquote>"), ("<a href=\"{{externalURL}}\">", "</a>"),
                ("{{#each firing}}", "{{/each}}"), ("{{#each alerts}}", "{{/each}}"),
            ]).prop_map(|(open, close)| (open.to_owned(), close.to_owned())),
            2 => (prop::sample::select(vec!["if", "unless", "each", "with"]), value())
                .prop_map(|(block, value)| (format!("{{{{#{block} {value}}}}}"), format!("{{{{/{block}}}}}"))),
        ];
        (block, prop::collection::vec(inner, 1..5))
            .prop_map(|((open, close), inside)| format!("{open}{}{close}", inside.concat()))
    })
}

/// A template that shows each alert as a line and counts the rest.
fn counter() -> &'static Renderer {
    static COUNTER: LazyLock<Renderer> = LazyLock::new(|| {
        let text = "{{#each firing}}f{{#if unlisted}}u{{/if}}\n{{/each}}{{#each resolved}}r\n{{/each}}\
                    .{{more.firing}} {{more.unlisted}} {{more.resolved}}";
        Renderer::new(vec![own(text.to_owned())]).expect("a template without faults")
    });
    &COUNTER
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 80, ..ProptestConfig::default() })]

    #[test]
    fn whatever_compiles_becomes_a_message_that_telegram_takes(
        text in prop::collection::vec(template(), 1..4).prop_map(|parts| parts.concat()),
        state in any_notification(),
    ) {
        if let Ok(renderer) = Renderer::new(vec![own(text)]) {
            for limits in [Limits::TELEGRAM, Limits { characters: 500, entities: 20 }] {
                for part in renderer.render_within(&card(&state), limits).parts {
                    accepted(&part, limits).map_err(TestCaseError::fail)?;
                }
            }
        }
    }

    #[test]
    fn every_alert_is_shown_or_counted(
        state in any_notification(),
        (ended, unlisted) in (0..9_u32, 0..9_u32),
    ) {
        let forgotten = Forgotten { ended, unlisted };
        let rendered = counter().render(&Scene { forgotten, ..card(&state) });
        prop_assert_eq!(rendered.fell_back, None);
        let said = &rendered.parts[0].plain;
        let (shown, more) = said.rsplit_once('.').expect("what the template wrote");
        let more: Vec<usize> = more.split(' ').map(|number| number.parse().unwrap()).collect();
        let count = |wanted: &str| shown.lines().filter(|line| line.trim() == wanted).count();
        let of = |fires: bool, unlisted: bool| state
            .alerts
            .iter()
            .filter(|alert| alert.fires() == fires && (!fires || alert.unlisted == unlisted))
            .count();
        prop_assert_eq!(count("f") + more[0], of(true, false));
        prop_assert_eq!(count("fu") + more[1], of(true, true) + unlisted as usize);
        prop_assert_eq!(count("r") + more[2], of(false, false) + ended as usize);
    }
}
