//! Helpers that make numbers readable, as Prometheus' templates do.

use handlebars::Handlebars;
use serde_json::Value;

use super::{Arguments, Fault, function};

pub fn register(handlebars: &mut Handlebars<'_>) {
    function(handlebars, "humanize", |arguments| shown(arguments, humanize));
    function(handlebars, "humanize1024", |arguments| shown(arguments, humanize1024));
    function(handlebars, "humanizePercentage", |arguments| {
        shown(arguments, |ratio| format!("{}%", significant(ratio * 100.0)))
    });
    function(handlebars, "humanizeDuration", |arguments| shown(arguments, humanize_duration));
    function(handlebars, "plural", |arguments| {
        let count = arguments.number(0)?.unwrap_or_default().abs();
        if count.fract() != 0.0 {
            // 1.5 alerts, 1,5 алерта: the second form.
            return Ok(arguments.text(2).into());
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "whole, positive"
        )]
        let count = count as u64;
        let forms: Vec<String> =
            (1..arguments.values.len()).map(|index| arguments.text(index)).collect();
        Ok(arguments.language().form(count, &forms).into())
    });
}

/// A missing number shows as nothing.
fn shown(arguments: &Arguments<'_>, show: impl Fn(f64) -> String) -> Result<Value, Fault> {
    Ok(arguments.number(0)?.map(show).unwrap_or_default().into())
}

/// Four significant digits, without trailing zeros.
fn significant(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    if !value.is_finite() {
        return value.to_string();
    }
    #[expect(clippy::cast_possible_truncation, reason = "a logarithm is below 400")]
    let magnitude = value.abs().log10().floor() as i32;
    let decimals = usize::try_from(3 - magnitude).unwrap_or_default();
    let rounded = format!("{value:.decimals$}");
    if rounded.contains('.') {
        rounded.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        rounded
    }
}

/// A number as people read it at a glance: `91.53`, and from a million on `1.235M`.
pub fn readable(value: f64) -> String {
    if value.abs() < 1e6 { significant(value) } else { humanize(value) }
}

/// `1234567` as `1.235M`, `0.0012` as `1.2m`.
fn humanize(value: f64) -> String {
    const BIG: [&str; 8] = ["k", "M", "G", "T", "P", "E", "Z", "Y"];
    const SMALL: [&str; 8] = ["m", "u", "n", "p", "f", "a", "z", "y"];
    let mut scaled = value;
    let mut prefix = "";
    if scaled.abs() >= 1.0 {
        for name in BIG {
            if scaled.abs() < 1000.0 {
                break;
            }
            (scaled, prefix) = (scaled / 1000.0, name);
        }
    } else if scaled != 0.0 && scaled.is_finite() {
        for name in SMALL {
            if scaled.abs() >= 1.0 {
                break;
            }
            (scaled, prefix) = (scaled * 1000.0, name);
        }
    }
    format!("{}{prefix}", significant(scaled))
}

/// `1536` as `1.5ki`.
fn humanize1024(value: f64) -> String {
    let mut scaled = value;
    let mut prefix = "";
    for name in ["ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"] {
        if scaled.abs() < 1024.0 || !scaled.is_finite() {
            break;
        }
        (scaled, prefix) = (scaled / 1024.0, name);
    }
    format!("{}{prefix}", significant(scaled))
}

/// `90061` as `1d 1h 1m 1s`, `0.0123` as `12.3ms`.
fn humanize_duration(seconds: f64) -> String {
    if !seconds.is_finite() {
        return seconds.to_string();
    }
    if seconds.abs() < 1.0 {
        return if seconds == 0.0 { "0s".to_owned() } else { format!("{}s", humanize(seconds)) };
    }
    let sign = if seconds < 0.0 { "-" } else { "" };
    let seconds = seconds.abs();
    let (minutes, hours, days) =
        ((seconds / 60.0).floor(), (seconds / 3600.0).floor(), (seconds / 86_400.0).floor());
    let second = (seconds % 60.0).floor();
    if days > 0.0 {
        format!("{sign}{days}d {}h {}m {second}s", hours % 24.0, minutes % 60.0)
    } else if hours > 0.0 {
        format!("{sign}{hours}h {}m {second}s", minutes % 60.0)
    } else if minutes > 0.0 {
        format!("{sign}{minutes}m {second}s")
    } else {
        format!("{sign}{}s", significant(seconds))
    }
}
