//! Helpers that speak the chat's language.

use handlebars::Handlebars;
use jiff::Timestamp;

use super::super::words;
use super::{Arguments, Fault, function, markup, text_of, time};

pub fn register(handlebars: &mut Handlebars<'_>) {
    function(handlebars, "say", |arguments| {
        let (phrase, language) = (arguments.text(0), arguments.language());
        if !language.has(&phrase) {
            return Err(Fault(format!("say: there is no phrase {phrase:?}")));
        }
        let values: Vec<String> = arguments.values.iter().skip(1).copied().map(text_of).collect();
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        Ok(language.say(&phrase, &values).into())
    });
    markup(handlebars, "period", |arguments| period(arguments).unwrap_or_default());
}

/// Since when, or from when until when, and how long that is; for the reader's own clock when the
/// chat wants that. `None` without a start.
fn period(arguments: &Arguments<'_>) -> Option<String> {
    let time = |index| arguments.text(index).parse::<Timestamp>().ok();
    let now: Timestamp = arguments.root["now"].as_str()?.parse().ok()?;
    let zone = time::zone(arguments.root["timezone"].as_str()?).ok()?;
    let language = arguments.language();
    let live = arguments.root["tgTime"].as_bool() == Some(true);
    let tagged = |time: Timestamp, format: &str, text: String| {
        if live {
            format!("<tg-time unix=\"{}\" format=\"{format}\">{text}</tg-time>", time.as_second())
        } else {
            text
        }
    };
    let clock = |time: Timestamp| {
        let text = words::clock(time, now, &zone, language);
        let today = zone.to_datetime(time).date() == zone.to_datetime(now).date();
        tagged(time, if today { "t" } else { "dt" }, text)
    };
    let from = time(0)?;
    let lasted = |until: Timestamp| words::duration(until.duration_since(from).as_secs(), language);
    Some(match time(1) {
        None => language.say("since", &[&clock(from), &tagged(from, "r", lasted(now))]),
        Some(until) => {
            let (start, end) = (clock(from), clock(until));
            let start = start.strip_suffix(" UTC").unwrap_or(&start);
            language.say("from_to", &[start, &end, &lasted(until)])
        }
    })
}
