//! Foreign text makes nothing of itself: what Telegram finds in a message of its own accord is
//! what a template put there. Telegram's own finder is the judge.

use std::path::Path;

use nabat::alert::{Forgotten, Notification};
use nabat::rendering::{
    Glance, Head, Kind, Language, Limits, Part, Renderer, Scene, TemplateSource,
};
use nabat::telegram::markup::{EntityKind, FormattedText};
use proptest::prelude::*;

use crate::rendering::{accepted, renderer, scenes};
use crate::support::notifications::{all_of, corpus};
use crate::support::tdlib::{Found, tdlib};

/// What Telegram finds in a part beside what is meant: the targets of links, once written out.
fn finds(part: &Part) -> Result<Vec<Found>, String> {
    let shown = accepted(part, Limits::TELEGRAM)?;
    let mut found = tdlib().find(&shown.text);
    found.retain(|found| {
        !shown.entities.iter().any(|entity| hides(&entity.kind, entity.offset, entity.end(), found))
    });
    let targets = targets(&shown);
    found.extend(tdlib().find(&part.plain).into_iter().filter(|found| {
        let meant = |target: &String| match found.kind.as_str() {
            "textEntityTypeUrl" => target.starts_with(&found.text),
            // In an address that Telegram does not take for one it sees the number of a card, which
            // calls nobody. What would hide it would break the address.
            "textEntityTypeBankCardNumber" => target.contains(&found.text),
            _ => false,
        };
        !targets.iter().any(meant)
    }));
    Ok(found)
}

/// Whether Telegram drops what it found for a stretch that is code or a link already.
fn hides(kind: &EntityKind, start: usize, end: usize, found: &Found) -> bool {
    let solid = matches!(
        kind,
        EntityKind::Code
            | EntityKind::Pre
            | EntityKind::PreCode { .. }
            | EntityKind::TextLink { .. }
    );
    solid && start < found.offset + found.length && found.offset < end
}

/// The targets of links as a plain text writes them.
fn targets(shown: &FormattedText) -> Vec<String> {
    let targets = shown.entities.iter().filter_map(|entity| match &entity.kind {
        EntityKind::TextLink { url } => Some(url),
        _ => None,
    });
    targets
        .map(|url| {
            let url = url::Url::parse(url).map_or_else(|_| url.clone(), String::from);
            url.chars()
                .map(|c| {
                    if "\"'()<>[]{}|^`\\".contains(c) {
                        format!("%{:02X}", u32::from(c))
                    } else {
                        c.into()
                    }
                })
                .collect()
        })
        .collect()
}

fn nothing_is_found(renderer: &Renderer, scene: &Scene<'_>) -> Result<(), String> {
    let mut parts = renderer.render(scene).parts;
    parts.push(renderer.minimal(scene));
    for part in &parts {
        let found = finds(part)?;
        if !found.is_empty() {
            return Err(format!("{found:?} in {part:?}"));
        }
    }
    Ok(())
}

/// Pieces of what Telegram looks for, and what it looks at around it.
fn bait() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        6 => prop::sample::select(vec![
            "@", "admin", "@all", "/", "stop", "/stop@bot", "#", "tag", "тег", "$", "USD", "1INCH",
            ".", "com", "example.com", "сайт.рф", "evil.sh", "http://", "https://", "ftp://", "tg://",
            "ton://", "tonsite://", "resolve?domain=x", "user?id=7", "10.0.0.1", "1.2.3.4.5.6.7", "a@b.org",
            "+7 701 123-45-67", "+1-212-555-0123", "4111 1111 1111 1111", "5500005555555559",
            "t.me/x", "www.", ":8080", "?", "=", "&", "(", ")", "[", "]", "<", ">", "\"", "'", "«",
        ]).prop_map(str::to_owned),
        3 => prop::sample::select(vec![
            "a", "Z", "7", "42", "_", "-", "~", " ", "  ", "\n", ",", "ё", "²", "é", "\u{301}", "漢", "ש",
            "\u{200d}", "\u{200b}", "\u{2060}", "\u{a0}", "\u{202e}", "🔥", "·", "…", "。",
        ]).prop_map(str::to_owned),
        1 => "[0-9][0-9 -]{8,24}",
        1 => any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 1..9).prop_map(|pieces| pieces.concat())
}

fn card<'a>(state: &'a Notification, template: &'a str) -> Scene<'a> {
    let scene = scenes(state, "").swap_remove(0);
    assert_eq!(scene.kind, Kind::Card);
    Scene { template, note: None, ..scene }
}

#[test]
fn no_text_of_the_corpus_becomes_a_mention_or_a_link_of_its_own() {
    for (file, text) in corpus() {
        let state = all_of(&text);
        for scene in scenes(&state, "") {
            nothing_is_found(renderer(), &scene).unwrap_or_else(|why| panic!("{file}: {why}"));
        }
    }
}

/// A template as people write them: values between words, in tags, in code. Words or signs stand
/// between values: two numbers side by side could make the number of a card.
fn user_template() -> Renderer {
    let text = "{{#each alerts}}{{labels.instance}} on {{annotations.summary}}: \
                <b>{{annotations.description}}</b>\n<code>{{labels.alertname}}</code>; \
                ({{linked annotations.action}}), {{link annotations.runbook \"\"}}\n{{/each}}";
    let source = TemplateSource::from_file(Path::new("own.hbs"), text.to_owned());
    Renderer::new(vec![source]).expect("a template without faults")
}

#[test]
fn a_value_can_stand_in_a_link_and_in_code_as_it_is() {
    let text = "<a href=\"{{annotations.runbook}}\">x</a> <code>{{annotations.summary}}</code>";
    let source = TemplateSource::from_file(
        Path::new("own.hbs"),
        format!("{{{{#each firing}}}}{text}\n{{{{/each}}}}"),
    );
    let renderer = Renderer::new(vec![source]).unwrap();
    let mut state = all_of("x");
    state.alerts.truncate(1);
    for name in ["runbook", "summary"] {
        state.alerts[0]
            .annotations
            .insert(name.to_owned(), "https://a.b.example/c.d?e=@f".to_owned());
    }
    let scene = Scene { forgotten: Forgotten::default(), ..card(&state, "own") };
    let message = renderer.render(&scene);
    assert_eq!(message.fell_back, None);
    assert_eq!(
        message.parts[0].html,
        "<a href=\"https://a.b.example/c.d?e=@f\">x</a> <code>https://a.b.example/c.d?e=@f</code>"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Of a digest, too, whose groups are told as a scene shows them.
    #[test]
    fn no_bait_is_taken_in_a_digest(texts in prop::collection::vec(bait(), 1..30), alike in 1..9usize) {
        let glances: Vec<Glance> = texts
            .iter()
            .enumerate()
            .map(|(index, text)| {
                let mut state = all_of(text);
                // Some have a name in common.
                for alert in &mut state.alerts {
                    alert.labels.insert("alertname".into(), texts[index / alike].clone());
                }
                renderer().glance(&card(&state, "default"))
            })
            .collect();
        let totals: Vec<(String, u64)> = texts.iter().map(|text| (text.clone(), 3)).collect();
        for head in [Head::Storm { totals: &totals, late: 90 }, Head::Standing, Head::Over { seconds: 61, groups: 9 }] {
            let (part, _) = renderer().digest(head, &glances, Language::EN);
            let found = finds(&part);
            prop_assert!(found.as_ref().is_ok_and(Vec::is_empty), "{found:?} in {part:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_bait_is_taken(text in bait()) {
        let state = all_of(&text);
        nothing_is_found(renderer(), &card(&state, "default")).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn no_bait_is_taken_in_a_users_template(text in bait()) {
        static OWN: std::sync::LazyLock<Renderer> = std::sync::LazyLock::new(user_template);
        let state = all_of(&text);
        nothing_is_found(&OWN, &card(&state, "own")).map_err(TestCaseError::fail)?;
    }
}
