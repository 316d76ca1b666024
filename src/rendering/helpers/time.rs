//! Helpers over times. A time is what the data holds (`2026-11-03T10:00:00Z`), or what `tz` gave.

use handlebars::Handlebars;
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp, ZonedDateTime};
use serde_json::Value;

use super::super::words;
use super::{Arguments, Fault, function};

pub fn register(handlebars: &mut Handlebars<'_>) {
    function(handlebars, "since", |arguments| {
        let Some(time) = timestamp(arguments, 0)? else { return Ok(Value::Null) };
        Ok(now(arguments)?.duration_since(time).as_secs_f64().into())
    });
    function(handlebars, "tz", |arguments| {
        let zone = zone(&arguments.text(0))?;
        let Some(time) = timestamp(arguments, 1)? else { return Ok(Value::Null) };
        Ok(time.to_zoned_datetime(zone).to_string().into())
    });
    function(handlebars, "date", |arguments| {
        let Some(time) = zoned(arguments, 1)? else { return Ok(Value::Null) };
        let layout = arguments.text(0);
        let format = if layout.contains('%') { layout } else { strftime_of(&layout) };
        let text = jiff::fmt::strtime::format(&format, &time)
            .map_err(|error| Fault(format!("date: {format:?}: {error}")))?;
        Ok(text.into())
    });
    function(handlebars, "time", |arguments| {
        let Some(time) = zoned(arguments, 0)? else { return Ok(Value::Null) };
        let (now, language) = (now(arguments)?, arguments.language());
        Ok(words::clock(time.timestamp(), now, time.time_zone(), language).into())
    });
    function(handlebars, "humanizeTimestamp", |arguments| {
        let Some(seconds) = arguments.number(0)? else { return Ok(Value::Null) };
        let time = SignedDuration::try_from_secs_f64(seconds)
            .and_then(Timestamp::from_duration)
            .map_err(|_| Fault(format!("humanizeTimestamp: {seconds} is no time")))?;
        Ok(time.strftime("%Y-%m-%d %H:%M:%S%.f +0000 UTC").to_string().into())
    });
    function(handlebars, "duration", |arguments| {
        let Some(seconds) = arguments.number(0)? else { return Ok(Value::Null) };
        #[expect(clippy::cast_possible_truncation, reason = "a duration in whole seconds")]
        let seconds = seconds as i64;
        Ok(words::duration(seconds, arguments.language()).into())
    });
}

fn now(arguments: &Arguments<'_>) -> Result<Timestamp, Fault> {
    let now = arguments.root["now"].as_str().unwrap_or_default();
    now.parse().map_err(|_| Fault("the data has no time `now`".to_owned()))
}

/// The time that an argument names; `None` when it is missing.
fn timestamp(arguments: &Arguments<'_>, index: usize) -> Result<Option<Timestamp>, Fault> {
    let text = arguments.text(index);
    if text.is_empty() {
        return Ok(None);
    }
    let time = text.parse();
    time.map(Some).map_err(|_| Fault(format!("{}: {text:?} is no time", arguments.name)))
}

/// The time in the zone it names itself, or else in the chat's.
fn zoned(arguments: &Arguments<'_>, index: usize) -> Result<Option<ZonedDateTime>, Fault> {
    if let Ok(zoned) = arguments.text(index).parse() {
        return Ok(Some(zoned));
    }
    let zone = zone(arguments.root["timezone"].as_str().unwrap_or("UTC"))?;
    Ok(timestamp(arguments, index)?.map(|time| time.to_zoned_datetime(zone)))
}

/// A zone by its IANA name, or a fixed offset like `+05:00`. jiff keeps zones loaded.
pub fn zone(name: &str) -> Result<TimeZone, Fault> {
    if let Ok(zone) = TimeZone::get(name) {
        return Ok(zone);
    }
    fixed_offset(name)
        .map(TimeZone::fixed)
        .ok_or_else(|| Fault(format!("there is no time zone {name:?}")))
}

fn fixed_offset(name: &str) -> Option<Offset> {
    let sign = match name.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = name[1..].split_once(':').unwrap_or((&name[1..], "0"));
    let (hours, minutes) = (hours.parse::<i32>().ok()?, minutes.parse::<i32>().ok()?);
    let minutes = hours.checked_mul(60)?.checked_add(minutes)?;
    // jiff refuses what is over 25 hours and 59 minutes.
    Offset::from_seconds(minutes.checked_mul(60 * sign)?).ok()
}

/// Go's layouts, which Alertmanager's templates use, as strftime's format.
fn strftime_of(layout: &str) -> String {
    const PARTS: [(&str, &str); 27] = [
        ("January", "%B"),
        ("Jan", "%b"),
        ("Monday", "%A"),
        ("Mon", "%a"),
        ("MST", "%Z"),
        ("2006", "%Y"),
        ("-07:00", "%:z"),
        ("-0700", "%z"),
        ("Z07:00", "%:z"),
        ("01", "%m"),
        ("02", "%d"),
        ("03", "%I"),
        ("04", "%M"),
        ("05", "%S"),
        ("06", "%y"),
        ("15", "%H"),
        ("PM", "%p"),
        ("pm", "%P"),
        (".000000", "%.6f"),
        (".000", "%.3f"),
        ("_2", "%e"),
        ("%", "%%"),
        ("1", "%-m"),
        ("2", "%-d"),
        ("3", "%-I"),
        ("4", "%-M"),
        ("5", "%-S"),
    ];
    let mut format = String::new();
    let mut rest = layout;
    'layout: while let Some(next) = rest.chars().next() {
        for (go, strftime) in PARTS {
            if let Some(behind) = rest.strip_prefix(go) {
                format.push_str(strftime);
                rest = behind;
                continue 'layout;
            }
        }
        format.push(next);
        rest = &rest[next.len_utf8()..];
    }
    format
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_that_no_zone_has_are_refused() {
        assert_eq!(fixed_offset("+05:30").unwrap().seconds(), 19_800);
        assert_eq!(fixed_offset("-3").unwrap().seconds(), -10_800);
        for offset in ["+26", "-26:00", "+35791394:08", "+2147483647", "-1:2147483647", "+"] {
            assert_eq!(fixed_offset(offset), None, "{offset}");
        }
    }

    #[test]
    fn go_layouts_are_understood() {
        for (layout, format) in [
            ("2006-01-02 15:04:05", "%Y-%m-%d %H:%M:%S"),
            ("Mon, 02 Jan 2006 15:04:05 MST", "%a, %d %b %Y %H:%M:%S %Z"),
            ("3:04 PM", "%-I:%M %p"),
            ("02.01.06 -07:00", "%d.%m.%y %:z"),
        ] {
            assert_eq!(strftime_of(layout), format);
        }
    }
}
