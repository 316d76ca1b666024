//! The fields and methods of Alertmanager's data, and what nabat's data and helpers have for them.

use super::expression::{Expression, Kind, Place, Value, condition};
use super::fault::Fault;

/// `.name` of a value, called with `arguments`.
pub(super) fn field(
    at: usize,
    of: Value,
    name: &str,
    arguments: Vec<Value>,
) -> Result<Value, Fault> {
    let takes_arguments = matches!(
        (of.kind, name),
        (Kind::Map, "Remove") | (Kind::Time, "Format" | "Add" | "Sub" | "After" | "Before")
    );
    if !arguments.is_empty() && !takes_arguments {
        return Err(Fault::new(at, format!(".{name} takes no argument")));
    }
    match of.kind {
        Kind::Data => data(at, of, name),
        Kind::AllAlerts => match name {
            "Firing" => Ok(listed("firing", Kind::Alerts)),
            "Resolved" => Ok(listed("resolved", Kind::Alerts)),
            _ => Err(unknown(at, name, "a list of alerts")),
        },
        Kind::Alert => alert(at, of, name),
        Kind::Map => map(at, of, name, arguments),
        Kind::Pairs => match name {
            "Names" => Ok(Value::call("names", vec![of.expression], Kind::Texts)),
            "Values" => Ok(Value::call("values", vec![of.expression], Kind::Texts)),
            _ => Err(unknown(at, name, "a list of pairs")),
        },
        Kind::Pair => match name {
            "Name" => Ok(of.part("name", Kind::Text)),
            "Value" => Ok(of.part("value", Kind::Text)),
            _ => Err(unknown(at, name, "a pair")),
        },
        Kind::Time => time(at, of, name, &arguments),
        Kind::Any => any(at, of, name),
        _ => Err(unknown(at, name, "this value")),
    }
}

fn unknown(at: usize, name: &str, of: &str) -> Fault {
    Fault::new(at, format!("{of} has no .{name}"))
}

/// A list of the data, of which there is one.
fn listed(name: &str, kind: Kind) -> Value {
    Value::new(Expression::Path(Place::Level(0), vec![name.to_owned()]), kind)
}

fn data(at: usize, of: Value, name: &str) -> Result<Value, Fault> {
    let (name, kind) = match name {
        "Receiver" => ("receiver", Kind::Text),
        "Status" => ("status", Kind::Text),
        "Alerts" => ("alerts", Kind::AllAlerts),
        "GroupLabels" => ("groupLabels", Kind::Map),
        "CommonLabels" => ("commonLabels", Kind::Map),
        "CommonAnnotations" => ("commonAnnotations", Kind::Map),
        "ExternalURL" => ("externalURL", Kind::Text),
        "NotificationReason" => ("notificationReason", Kind::Text),
        "Labels" | "Annotations" | "StartsAt" | "EndsAt" | "GeneratorURL" | "Fingerprint" => {
            return Err(unknown(at, name, "the data")
                .instead("only an alert has it: ask for it inside of {{#each alerts}}"));
        }
        _ => return Err(unknown(at, name, "the data")),
    };
    Ok(of.part(name, kind))
}

fn alert(at: usize, of: Value, name: &str) -> Result<Value, Fault> {
    let (name, kind) = match name {
        "Status" => ("status", Kind::Text),
        "Labels" => ("labels", Kind::Map),
        "Annotations" => ("annotations", Kind::Map),
        "StartsAt" => ("startsAt", Kind::Time),
        "EndsAt" => ("endsAt", Kind::Time),
        "GeneratorURL" => ("generatorURL", Kind::Text),
        "Fingerprint" => ("fingerprint", Kind::Text),
        "ValueString" => ("values", Kind::Text),
        "SilenceURL" | "DashboardURL" | "PanelURL" | "ImageURL" => {
            return Err(unknown(at, name, "an alert of Alertmanager's")
                .instead("Grafana's links are in details.links"));
        }
        "ExternalURL" | "CommonLabels" | "CommonAnnotations" | "GroupLabels" | "Receiver" => {
            return Err(unknown(at, name, "an alert")
                .instead(format!("the data has it: write @root.{}", first_lower(name))));
        }
        _ => return Err(unknown(at, name, "an alert")),
    };
    Ok(of.part(name, kind))
}

fn first_lower(name: &str) -> String {
    let mut characters = name.chars();
    characters
        .next()
        .map(|first| first.to_lowercase().chain(characters).collect())
        .unwrap_or_default()
}

fn map(at: usize, of: Value, name: &str, arguments: Vec<Value>) -> Result<Value, Fault> {
    Ok(match name {
        "SortedPairs" => Value::call("sortedPairs", vec![of.expression], Kind::Pairs),
        "Names" => Value::call("names", vec![of.expression], Kind::Texts),
        "Values" => Value::call("values", vec![of.expression], Kind::Texts),
        "Remove" => match <[Value; 1]>::try_from(arguments) {
            Ok([names]) if matches!(names.kind, Kind::Texts | Kind::Any) => {
                Value::call("remove", vec![of.expression, names.expression], Kind::Map)
            }
            _ => return Err(Fault::new(at, ".Remove takes one list of names")),
        },
        key => of.part(key, Kind::Text),
    })
}

fn time(at: usize, of: Value, name: &str, arguments: &[Value]) -> Result<Value, Fault> {
    let date = |of: Value, layout: &str| {
        let layout = Expression::Text(layout.to_owned());
        Value::call("date", vec![layout, of.expression], Kind::Text)
    };
    Ok(match (name, arguments) {
        ("Format", [layout]) => {
            Value::call("date", vec![layout.expression.clone(), of.expression], Kind::Text)
        }
        ("Unix", []) => date(of, "%s"),
        ("Year", []) => date(of, "2006"),
        ("Month", []) => date(of, "January"),
        ("Weekday", []) => date(of, "Monday"),
        ("Day", []) => date(of, "%-d"),
        ("Hour", []) => date(of, "%-H"),
        ("Minute", []) => date(of, "%-M"),
        ("Second", []) => date(of, "%-S"),
        ("String", []) => printed_time(of),
        ("UTC", []) => in_zone(of, "UTC"),
        // Times are in the chat's zone unless they say another.
        ("Local", []) => of,
        ("Add", [Value { expression: Expression::Number(nanoseconds), .. }]) => {
            in_zone(of, &shifted(nanoseconds).ok_or_else(|| no_arithmetic(at, name))?)
        }
        ("IsZero", []) => Value::call("not", vec![condition(&of.expression)], Kind::Bool),
        ("Format", _) => return Err(Fault::new(at, ".Format takes one layout")),
        _ => return Err(no_arithmetic(at, name)),
    })
}

fn no_arithmetic(at: usize, name: &str) -> Fault {
    Fault::new(at, format!("nothing computes with times as .{name} does"))
        .instead("lasted, started and ended are ready words, (since startsAt) counts seconds")
}

fn in_zone(of: Value, zone: &str) -> Value {
    Value::call("tz", vec![Expression::Text(zone.to_owned()), of.expression], Kind::Time)
}

/// People add some hours to show a time in their zone; this is that zone.
fn shifted(nanoseconds: &str) -> Option<String> {
    let nanoseconds: f64 = nanoseconds.parse().ok()?;
    let minutes = nanoseconds / 60e9;
    if minutes.fract() != 0.0 || minutes.abs() > 24.0 * 60.0 {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "a whole number below 1441")]
    let minutes = minutes as i64;
    let sign = if minutes < 0 { '-' } else { '+' };
    let minutes = minutes.abs();
    Some(format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60))
}

/// A time as Go writes it when nobody said how.
pub(super) fn printed_time(of: Value) -> Value {
    let layout = Expression::Text("%Y-%m-%d %H:%M:%S%.f %z %Z".to_owned());
    Value::call("date", vec![layout, of.expression], Kind::Text)
}

/// A field of a value of which nothing is known.
fn any(at: usize, of: Value, name: &str) -> Result<Value, Fault> {
    let known = data(at, of.clone(), name).or_else(|_| alert(at, of.clone(), name));
    known.or_else(|fault| match name {
        "Name" => Ok(of.part("name", Kind::Text)),
        "Value" => Ok(of.part("value", Kind::Text)),
        _ => Err(fault),
    })
}
