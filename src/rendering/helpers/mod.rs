//! What templates can call. Names are Alertmanager's where it has the same; a missing value
//! counts as an empty text, so that a template never fails for a label that is not there.

mod collections;
mod go;
mod html;
mod numbers;
mod printf;
mod text;
mod time;
mod words;

use handlebars::{
    Context, Handlebars, Helper, HelperDef, HelperResult, Output, RenderContext, RenderError,
    RenderErrorReason, ScopedJson,
};
use serde_json::Value;

pub(super) use numbers::readable;

use super::budget;
use super::catalogue::MAX_OUTPUT;

/// What handlebars brings along.
const BUILT_IN: [&str; 15] = [
    "if", "unless", "each", "with", "lookup", "eq", "ne", "gt", "gte", "lt", "lte", "and", "or",
    "not", "len",
];

/// What nabat adds.
pub(super) const OWN: [&str; 46] = [
    "toUpper",
    "toLower",
    "title",
    "trimSpace",
    "urlUnescape",
    "urlquery",
    "truncate",
    "severityEmoji",
    "default",
    "match",
    "reReplaceAll",
    "stringSlice",
    "list",
    "append",
    "dict",
    "join",
    "sortedPairs",
    "names",
    "values",
    "remove",
    "index",
    "slice",
    "toJson",
    "print",
    "printf",
    "humanize",
    "humanize1024",
    "humanizePercentage",
    "humanizeDuration",
    "humanizeTimestamp",
    "plural",
    "since",
    "tz",
    "date",
    "time",
    "duration",
    "code",
    "pre",
    "link",
    "say",
    "period",
    "linked",
    "choose",
    "attribute",
    "safeHtml",
    "safeUrl",
];

/// Whether templates can call `name`.
pub fn exists(name: &str) -> bool {
    BUILT_IN.contains(&name) || OWN.contains(&name)
}

/// All that templates can call.
pub fn names() -> impl Iterator<Item = &'static str> {
    BUILT_IN.into_iter().chain(OWN)
}

/// Registers every helper, and takes back those that templates can't call.
pub fn register(handlebars: &mut Handlebars<'_>) {
    handlebars.unregister_helper("log");
    handlebars.unregister_helper("raw");
    text::register(handlebars);
    collections::register(handlebars);
    printf::register(handlebars);
    numbers::register(handlebars);
    time::register(handlebars);
    html::register(handlebars);
    words::register(handlebars);
    go::register(handlebars);
}

/// What a helper was called with.
struct Arguments<'a> {
    name: &'a str,
    values: Vec<&'a Value>,
    /// The data of the whole template, for the time, the zone and the language.
    root: &'a Value,
}

impl Arguments<'_> {
    fn value(&self, index: usize) -> &Value {
        self.values.get(index).copied().unwrap_or(&Value::Null)
    }

    /// The argument as text; numbers and booleans are written out.
    fn text(&self, index: usize) -> String {
        text_of(self.value(index))
    }

    /// The argument as a number; `None` when it is missing.
    fn number(&self, index: usize) -> Result<Option<f64>, Fault> {
        match self.value(index) {
            Value::Null => return Ok(None),
            Value::Number(number) => number.as_f64(),
            Value::String(text) if text.trim().is_empty() => return Ok(None),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        }
        .map(Some)
        .ok_or_else(|| Fault(format!("{}: {} is no number", self.name, self.value(index))))
    }

    /// Refuses a result that is larger than all a template may write. Helpers that multiply what
    /// they are given ask before they make it.
    fn check_size(&self, bytes: usize) -> Result<(), Fault> {
        if bytes > MAX_OUTPUT {
            return Err(Fault(format!("{}: the result is over {MAX_OUTPUT} bytes", self.name)));
        }
        Ok(())
    }

    fn language(&self) -> super::Language {
        self.root["language"].as_str().and_then(super::Language::from_code).unwrap_or_default()
    }
}

fn text_of(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Bytes of what is said about a fault, at each of its ends: between them it may name a long value.
const ENDS_OF_A_FAULT: usize = 400;

/// Why a helper gave up.
struct Fault(String);

impl From<RenderError> for Fault {
    fn from(error: RenderError) -> Self {
        Self(error.reason().to_string())
    }
}

impl From<Fault> for RenderError {
    fn from(fault: Fault) -> Self {
        let Fault(mut said) = fault;
        let start = said.floor_char_boundary(ENDS_OF_A_FAULT);
        let end = said.ceil_char_boundary(said.len().saturating_sub(ENDS_OF_A_FAULT));
        if start < end {
            said.replace_range(start..end, "…");
        }
        RenderErrorReason::Other(said).into()
    }
}

/// A helper that computes a value, which is escaped when it is shown.
struct Function<F>(F);

impl<F> HelperDef for Function<F>
where
    F: Fn(&Arguments<'_>) -> Result<Value, Fault> + Send + Sync,
{
    fn call_inner<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        context: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
    ) -> Result<ScopedJson<'rc>, RenderError> {
        let arguments = arguments(helper, context)?;
        let value = (self.0)(&arguments)?;
        arguments.check_size(budget::bytes(&value))?;
        budget::spend_on(&value)?;
        Ok(ScopedJson::Derived(value))
    }
}

/// A helper that writes markup, which is not escaped again.
struct Markup<F>(F);

impl<F> HelperDef for Markup<F>
where
    F: Fn(&Arguments<'_>) -> String + Send + Sync,
{
    fn call<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        context: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
        out: &mut dyn Output,
    ) -> HelperResult {
        out.write(&(self.0)(&arguments(helper, context)?))?;
        Ok(())
    }
}

/// Reads what a helper was called with, and pays for reading it.
fn arguments<'a>(
    helper: &'a Helper<'_>,
    context: &'a Context,
) -> Result<Arguments<'a>, RenderError> {
    let values: Vec<_> = helper.params().iter().map(handlebars::PathAndJson::value).collect();
    values.iter().try_for_each(|value| budget::spend_on(value))?;
    Ok(Arguments { name: helper.name(), values, root: context.data() })
}

fn function<F>(handlebars: &mut Handlebars<'_>, name: &str, body: F)
where
    F: Fn(&Arguments<'_>) -> Result<Value, Fault> + Send + Sync + 'static,
{
    handlebars.register_helper(name, Box::new(Function(body)));
}

fn markup<F>(handlebars: &mut Handlebars<'_>, name: &str, body: F)
where
    F: Fn(&Arguments<'_>) -> String + Send + Sync + 'static,
{
    handlebars.register_helper(name, Box::new(Markup(body)));
}
