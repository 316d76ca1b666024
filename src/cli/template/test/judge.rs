//! Whether a message is what a test expects, and if not, how it differs.

use std::fmt::Write as _;

use similar::{ChangeTag, TextDiff};

use super::super::super::check::Paint;
use super::suite::Test;
use crate::alert::Forgotten;
use crate::rendering::{ButtonKind, Part, Renderer, Scene};
use crate::telegram::{Button, ButtonAction};

/// Stands between the messages of one text that takes several.
const NEXT: &str = "\n--- the next message ---\n";

/// What is wrong with the message that `test` is about; nothing, if it is as expected.
pub fn judge(renderer: &Renderer, test: &Test, paint: Paint) -> Vec<String> {
    let everything: Vec<usize> = (0..test.state.alerts.len()).collect();
    let message = renderer.render(&Scene {
        kind: test.kind,
        state: &test.state,
        news: &everything,
        merged: 1,
        forgotten: Forgotten::default(),
        accepted_at: test.now,
        now: test.now,
        note: None,
        template: &test.template,
        language: test.language,
        timezone: &test.timezone,
        buttons: &ButtonKind::ALL,
        tg_time: false,
        table: false,
    });
    let joined =
        |form: fn(&Part) -> &str| message.parts.iter().map(form).collect::<Vec<_>>().join(NEXT);
    let (said, html) = (joined(|part| &part.plain), joined(|part| &part.html));
    let expect = &test.expect;
    let mut failures = Vec::new();
    if let Some(why) = &message.fell_back {
        failures.push(format!("the built-in template had to take its place: {why}"));
    }
    for (what, expected, rendered) in [("text", &expect.text, &said), ("html", &expect.html, &html)]
    {
        if let Some(expected) = expected
            && expected != rendered
        {
            let difference = difference(expected, rendered, paint);
            failures.push(format!("{what} is another (- expected, + rendered):\n{difference}"));
        }
    }
    let mut odd = false;
    for fragment in expect.contains.iter().filter(|fragment| !said.contains(*fragment)) {
        failures.push(format!("the text does not contain {fragment:?}"));
        odd = true;
    }
    for fragment in expect.not_contains.iter().filter(|fragment| said.contains(*fragment)) {
        failures.push(format!("the text contains {fragment:?}"));
        odd = true;
    }
    if odd {
        failures.push(format!("the text is:\n{}", quoted(&said)));
    }
    if let Some(expected) = &expect.buttons {
        let buttons: Vec<String> = message.buttons.iter().flatten().map(described).collect();
        if *expected != buttons {
            let lines = |buttons: &[String]| -> String {
                buttons.iter().flat_map(|button| [button.as_str(), "\n"]).collect()
            };
            let (expected, buttons) = (lines(expected), lines(&buttons));
            let difference = difference(&expected, &buttons, paint);
            failures
                .push(format!("the buttons are others (- expected, + rendered):\n{difference}"));
        }
    }
    if let Some(parts) = expect.parts
        && usize::try_from(parts) != Ok(message.parts.len())
    {
        failures.push(format!("{parts} parts are expected, but there are {}", message.parts.len()));
    }
    failures
}

/// A button's label, and where it leads or what it copies.
fn described(button: &Button) -> String {
    match button.action() {
        ButtonAction::Url(url) => format!("{} {url}", button.text()),
        ButtonAction::Copy(copied) => format!("{} {copied}", button.text()),
    }
}

/// A unified diff with three lines around each change.
fn difference(expected: &str, rendered: &str, paint: Paint) -> String {
    let diff = TextDiff::from_lines(expected, rendered);
    let mut shown = String::new();
    for hunk in diff.unified_diff().context_radius(3).iter_hunks() {
        let _ = writeln!(shown, "{}", hunk.header());
        for change in hunk.iter_changes() {
            let line = change.value().trim_end_matches('\n');
            let _ = match change.tag() {
                ChangeTag::Equal => writeln!(shown, " {line}"),
                ChangeTag::Delete => writeln!(shown, "{}", paint.bad(format!("-{line}"))),
                ChangeTag::Insert => writeln!(shown, "{}", paint.good(format!("+{line}"))),
            };
        }
    }
    shown
}

fn quoted(text: &str) -> String {
    text.lines().map(|line| ["  ", line].concat()).collect::<Vec<_>>().join("\n")
}
