//! The functions of Go's templates and of Alertmanager's, as nabat's helpers.

use super::expression::{Expression, Kind, Value, condition};
use super::fault::Fault;
use crate::rendering::has_helper;

/// Calls the function `name`.
pub(super) fn call(at: usize, name: &str, arguments: Vec<Value>) -> Result<Value, Fault> {
    let count = arguments.len();
    let wrong_count = || Fault::new(at, format!("{name} can't take {count} arguments"));
    let pass = |helper: &'static str, expected: usize, kind: Kind| {
        let ready = arguments.iter().map(|argument| argument.expression.clone()).collect();
        if count == expected { Ok(Value::call(helper, ready, kind)) } else { Err(wrong_count()) }
    };
    match name {
        "toUpper" => pass("toUpper", 1, Kind::Text),
        "toLower" => pass("toLower", 1, Kind::Text),
        "title" => pass("title", 1, Kind::Text),
        "trimSpace" => pass("trimSpace", 1, Kind::Text),
        "urlUnescape" => pass("urlUnescape", 1, Kind::Text),
        "urlquery" => pass("urlquery", 1, Kind::Text),
        "join" => pass("join", 2, Kind::Text),
        "match" => pass("match", 2, Kind::Bool),
        "reReplaceAll" => pass("reReplaceAll", 3, Kind::Text),
        "date" => pass("date", 2, Kind::Text),
        "tz" => pass("tz", 2, Kind::Time),
        "since" => pass("since", 1, Kind::Seconds),
        "humanizeDuration" => pass("humanizeDuration", 1, Kind::Text),
        "len" => pass("len", 1, Kind::Number),
        "gt" => pass("gt", 2, Kind::Bool),
        "ge" => pass("gte", 2, Kind::Bool),
        "lt" => pass("lt", 2, Kind::Bool),
        "le" => pass("lte", 2, Kind::Bool),
        "stringSlice" => {
            let items = arguments.into_iter().map(|argument| argument.expression).collect();
            Ok(Value::call("stringSlice", items, Kind::Texts))
        }
        "safeHtml" | "safeUrl" | "html" => {
            let [of] = <[Value; 1]>::try_from(arguments).map_err(|_| wrong_count())?;
            let kind = if name == "safeHtml" { Kind::Html } else { of.kind };
            Ok(Value::new(of.expression, kind))
        }
        "eq" | "ne" => equal(name == "ne", arguments).ok_or_else(wrong_count),
        "not" => {
            let [of] = <[Value; 1]>::try_from(arguments).map_err(|_| wrong_count())?;
            Ok(Value::call("not", vec![condition(&of.expression)], Kind::Bool))
        }
        "and" | "or" => either(name == "and", arguments).ok_or_else(wrong_count),
        "index" => index(at, arguments),
        "print" => Ok(concatenated(print(arguments, " ", false))),
        "println" => Ok(concatenated(print(arguments, " ", true))),
        "printf" => printf(at, arguments),
        _ => {
            let known = SAME.iter().find(|(same, _)| *same == name && has_helper(same));
            let (helper, kind) = known.ok_or_else(|| no_function(at, name))?;
            let ready = arguments.into_iter().map(|argument| argument.expression).collect();
            Ok(Value::call(helper, ready, *kind))
        }
    }
}

/// The functions of newer Alertmanagers whose helpers have their names and take what they take.
const SAME: [(&str, Kind); 9] = [
    ("dict", Kind::Any),
    ("list", Kind::Any),
    ("append", Kind::Any),
    ("slice", Kind::Any),
    ("toJson", Kind::Text),
    ("humanize", Kind::Text),
    ("humanize1024", Kind::Text),
    ("humanizePercentage", Kind::Text),
    ("humanizeTimestamp", Kind::Text),
];

fn no_function(at: usize, name: &str) -> Fault {
    let fault = Fault::new(at, format!("there is no helper for the function {name}"));
    match name {
        "reReplaceAllLiteral" | "replace" => fault.instead("write reReplaceAll"),
        "trunc" => fault.instead("write (truncate 20 text)"),
        "add" | "sub" | "mul" | "div" => fault.instead("counts and more hold what can be counted"),
        "js" | "call" => fault.instead("leave it out"),
        _ => fault.instead("docs/templates.md lists the helpers"),
    }
}

/// `eq a b c` asks whether a is one of the others.
fn equal(differs: bool, arguments: Vec<Value>) -> Option<Value> {
    let mut arguments = arguments.into_iter().map(|argument| argument.expression);
    let first = arguments.next()?;
    let mut tests: Vec<Expression> =
        arguments.map(|other| equals(differs, first.clone(), other)).collect();
    match tests.len() {
        0 => None,
        1 => Some(Value::new(tests.remove(0), Kind::Bool)),
        _ if differs => None,
        _ => Some(Value::call("or", tests, Kind::Bool)),
    }
}

fn equals(differs: bool, one: Expression, other: Expression) -> Expression {
    let empty = Expression::Text(String::new());
    // A label that is missing equals the empty text in Go, and nothing in handlebars.
    let subject = if other == empty { Some(&one) } else { (one == empty).then_some(&other) };
    let Some(subject) = subject else {
        return Expression::Call(if differs { "ne" } else { "eq" }, vec![one, other]);
    };
    let is_empty = Expression::Call("not", vec![condition(subject)]);
    if differs { Expression::Call("not", vec![is_empty]) } else { is_empty }
}

/// `and` and `or` give one of their arguments in Go.
fn either(all: bool, arguments: Vec<Value>) -> Option<Value> {
    let same = arguments.windows(2).all(|pair| pair[0].kind == pair[1].kind);
    let kind = if same { arguments.first()?.kind } else { Kind::Any };
    let expressions = arguments.into_iter().map(|argument| argument.expression);
    if kind == Kind::Bool {
        let tests = expressions.map(|expression| condition(&expression)).collect();
        return Some(Value::call(if all { "and" } else { "or" }, tests, Kind::Bool));
    }
    let joined = expressions.rev().reduce(|last, first| {
        if all {
            Expression::Call("choose", vec![first.clone(), last, first])
        } else {
            Expression::Call("default", vec![first, last])
        }
    });
    Some(Value::new(joined?, kind))
}

fn index(at: usize, arguments: Vec<Value>) -> Result<Value, Fault> {
    let mut arguments = arguments.into_iter();
    let mut value = arguments.next().ok_or_else(|| Fault::new(at, "index needs a value"))?;
    for key in arguments {
        let kind = match value.kind {
            Kind::Map | Kind::Texts => Kind::Text,
            Kind::AllAlerts | Kind::Alerts => Kind::Alert,
            Kind::Pairs => Kind::Pair,
            _ => Kind::Any,
        };
        value = match key.expression {
            Expression::Text(name) | Expression::Number(name) => value.part(&name, kind),
            other => Value::call("lookup", vec![value.expression, other], kind),
        };
    }
    Ok(value)
}

/// What Go's `print` puts together.
fn print(arguments: Vec<Value>, between: &str, line: bool) -> Vec<Expression> {
    let mut pieces: Vec<Expression> = Vec::new();
    let mut previous = None;
    for argument in arguments {
        // `print` keeps apart what is no text, `println` everything.
        let is_text = !matches!(argument.kind, Kind::Number | Kind::Bool);
        if previous.is_some_and(|previous_text| line || !(previous_text || is_text)) {
            pieces.push(Expression::Text(between.to_owned()));
        }
        previous = Some(is_text);
        pieces.push(argument.expression);
    }
    if line {
        pieces.push(Expression::Text("\n".to_owned()));
    }
    pieces
}

/// The pieces as one text; a tag that only shows them writes them one after the other.
fn concatenated(pieces: Vec<Expression>) -> Value {
    let mut merged: Vec<Expression> = Vec::new();
    for piece in pieces {
        match (merged.last_mut(), piece) {
            (Some(Expression::Text(text)), Expression::Text(more)) => text.push_str(&more),
            (_, piece) => merged.push(piece),
        }
    }
    match merged.len() {
        0 => Value::new(Expression::Text(String::new()), Kind::Text),
        1 if matches!(merged[0], Expression::Text(_)) => Value::new(merged.remove(0), Kind::Text),
        _ => {
            let list = Expression::Call("stringSlice", merged);
            Value::call("join", vec![Expression::Text(String::new()), list], Kind::Text)
        }
    }
}

/// `printf` whose verbs only insert.
fn printf(at: usize, arguments: Vec<Value>) -> Result<Value, Fault> {
    let whole: Vec<Expression> =
        arguments.iter().map(|argument| argument.expression.clone()).collect();
    let mut arguments = arguments.into_iter();
    let Some(Value { expression: Expression::Text(format), .. }) = arguments.next() else {
        return Err(Fault::new(at, "printf needs a format in quotes"));
    };
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut characters = format.chars();
    while let Some(character) = characters.next() {
        if character != '%' {
            text.push(character);
            continue;
        }
        let verb = characters.next();
        match verb {
            Some('%') => text.push('%'),
            Some('s' | 'v' | 'd' | 't' | 'q') => {
                let argument =
                    arguments.next().ok_or_else(|| Fault::new(at, "printf lacks an argument"))?;
                let quote = if verb == Some('q') { "\"" } else { "" };
                text.push_str(quote);
                pieces.push(Expression::Text(std::mem::take(&mut text)));
                pieces.push(argument.expression);
                text.push_str(quote);
            }
            _ if has_helper("printf") => return Ok(Value::call("printf", whole, Kind::Text)),
            _ => {
                return Err(Fault::new(at, "printf inserts here, and does not format")
                    .instead("write %s, or humanize for a number"));
            }
        }
    }
    pieces.push(Expression::Text(text));
    if arguments.next().is_some() {
        return Err(Fault::new(at, "printf has more arguments than verbs"));
    }
    pieces.retain(|piece| *piece != Expression::Text(String::new()));
    Ok(concatenated(pieces))
}
