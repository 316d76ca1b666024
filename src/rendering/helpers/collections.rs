//! Helpers over lists and maps.

use handlebars::Handlebars;
use serde_json::{Map, Value, json};

use super::{Arguments, Fault, function, text_of};

pub fn register(handlebars: &mut Handlebars<'_>) {
    function(handlebars, "stringSlice", |arguments| Ok(all(arguments)));
    function(handlebars, "list", |arguments| Ok(all(arguments)));
    function(handlebars, "append", append);
    function(handlebars, "dict", dict);
    function(handlebars, "join", join);
    function(handlebars, "sortedPairs", |arguments| {
        let pairs = pairs(arguments)?;
        Ok(pairs.into_iter().map(|(name, value)| json!({"name": name, "value": value})).collect())
    });
    function(handlebars, "names", |arguments| {
        Ok(pairs(arguments)?.into_iter().map(|(name, _)| Value::from(name)).collect())
    });
    function(handlebars, "values", |arguments| {
        Ok(pairs(arguments)?.into_iter().map(|(_, value)| value.clone()).collect())
    });
    function(handlebars, "remove", remove);
    function(handlebars, "index", |arguments| {
        let keys = &arguments.values[arguments.values.len().min(1)..];
        let found = keys.iter().try_fold(arguments.value(0), |value, key| match (value, key) {
            (Value::Array(items), Value::Number(index)) => {
                items.get(usize::try_from(index.as_u64()?).ok()?)
            }
            (value, key) => value.get(text_of(key)),
        });
        Ok(found.cloned().unwrap_or_default())
    });
    function(handlebars, "slice", slice);
    function(handlebars, "toJson", |arguments| Ok(arguments.value(0).to_string().into()));
}

fn all(arguments: &Arguments<'_>) -> Value {
    arguments.values.iter().copied().cloned().collect()
}

/// `append list more…`
fn append(arguments: &Arguments<'_>) -> Result<Value, Fault> {
    let mut items = match arguments.value(0) {
        Value::Array(items) => items.clone(),
        Value::Null => Vec::new(),
        other => return Err(Fault(format!("append: {other} is no list"))),
    };
    items.extend(arguments.values.iter().skip(1).copied().cloned());
    Ok(items.into())
}

/// `dict name value…`
fn dict(arguments: &Arguments<'_>) -> Result<Value, Fault> {
    let mut map = Map::new();
    for pair in arguments.values.chunks(2) {
        match pair {
            [Value::String(name), value] => map.insert(name.clone(), (*value).clone()),
            [name, _] => return Err(Fault(format!("dict: {name} is no name"))),
            _ => return Err(Fault("dict: the last name has no value".to_owned())),
        };
    }
    Ok(map.into())
}

/// `join ", " list`
fn join(arguments: &Arguments<'_>) -> Result<Value, Fault> {
    match arguments.value(1) {
        Value::Array(items) => {
            let between = arguments.text(0);
            arguments.check_size(between.len().saturating_mul(items.len()))?;
            let items: Vec<_> = items.iter().map(text_of).collect();
            Ok(items.join(&between).into())
        }
        Value::Null => Ok("".into()),
        other => Err(Fault(format!("join: {other} is no list"))),
    }
}

/// The pairs of a map, as Alertmanager's `SortedPairs` has them: `alertname` first. A list of
/// such pairs is taken too.
fn pairs<'a>(arguments: &'a Arguments<'_>) -> Result<Vec<(&'a str, &'a Value)>, Fault> {
    let no_map = |value: &Value| Fault(format!("{}: {value} is no map", arguments.name));
    match arguments.value(0) {
        Value::Object(map) => {
            let mut pairs: Vec<_> =
                map.iter().map(|(name, value)| (name.as_str(), value)).collect();
            pairs.sort_by_key(|(name, _)| (*name != "alertname", *name));
            Ok(pairs)
        }
        Value::Array(items) => {
            let pair = |item: &'a Value| Some((item["name"].as_str()?, item.get("value")?));
            items.iter().map(|item| pair(item).ok_or_else(|| no_map(item))).collect()
        }
        Value::Null => Ok(Vec::new()),
        other => Err(no_map(other)),
    }
}

/// `remove map (stringSlice "a" "b")` or `remove map "a" "b"`: the map without these.
fn remove(arguments: &Arguments<'_>) -> Result<Value, Fault> {
    let mut map = match arguments.value(0) {
        Value::Object(map) => map.clone(),
        Value::Null => Map::new(),
        other => return Err(Fault(format!("remove: {other} is no map"))),
    };
    for names in arguments.values.iter().skip(1) {
        match names {
            Value::Array(names) => names.iter().for_each(|name| drop(map.remove(&text_of(name)))),
            name => drop(map.remove(&text_of(name))),
        }
    }
    Ok(map.into())
}

/// `slice what from to`: a part of a list or, counted in characters, of a text. What is out of
/// range is left out.
fn slice(arguments: &Arguments<'_>) -> Result<Value, Fault> {
    let place = |index: usize| -> Result<Option<usize>, Fault> {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped first"
        )]
        let place = arguments.number(index)?.map(|place| place.clamp(0.0, 1e9) as usize);
        Ok(place)
    };
    let from = place(1)?.unwrap_or_default();
    let count = place(2)?.map_or(usize::MAX, |to| to.saturating_sub(from));
    Ok(match arguments.value(0) {
        Value::Array(items) => items.iter().skip(from).take(count).cloned().collect(),
        other => text_of(other).chars().skip(from).take(count).collect::<String>().into(),
    })
}
