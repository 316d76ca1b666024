//! How much work one rendering may be: loops and includes multiply, and one that writes nothing
//! would run for hours. Every template and every body of `each` starts, once compiled, with a
//! hidden call that takes its size from the budget, and that of what was copied for it; a name
//! that is shown is paid for where it is, and names that a call is given just before it.

mod hidden;
mod meter;

use std::cell::Cell;

use handlebars::{RenderError, RenderErrorReason};
use serde_json::Value;

pub(super) use hidden::register;
pub(super) use meter::{Author, metered};

/// The steps of one rendering: elements of templates, parameters, 256 bytes read or made by a
/// helper. The built-in templates take under 2,000 for the twelve alerts that they list.
pub(super) const STEPS: usize = 50_000;

/// Text that is read or made, in bytes: so much is a step.
const READ_A_STEP: usize = 256;

/// Values are copied where they are computed, and in an include all are: so much is a step, as
/// [`weight`] has it.
const COPIED_A_STEP: usize = 512;

thread_local! {
    /// What is left to the rendering that runs on this thread; one runs at a time.
    static LEFT: Cell<usize> = const { Cell::new(STEPS) };
}

/// Starts a rendering.
pub(super) fn refill() {
    LEFT.set(STEPS);
}

/// What the last rendering on this thread took.
#[cfg(test)]
pub(super) fn taken() -> usize {
    STEPS - LEFT.get()
}

/// Takes steps from the running rendering.
///
/// # Errors
///
/// There are not so many left.
pub(super) fn spend(steps: usize) -> Result<(), RenderError> {
    let left = LEFT.get().checked_sub(steps).ok_or_else(|| {
        let message = format!("the template loops or includes too much: over {STEPS} steps");
        RenderError::from(RenderErrorReason::Other(message))
    })?;
    LEFT.set(left);
    Ok(())
}

/// What a helper pays for a value.
pub(super) fn spend_on(value: &Value) -> Result<(), RenderError> {
    spend(bytes(value) / READ_A_STEP)
}

/// What a copy of a value costs, or another walk through all of it.
fn spend_on_copy(value: &Value) -> Result<(), RenderError> {
    spend(weight(value) / COPIED_A_STEP)
}

/// About how much text a value is.
pub(super) fn bytes(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(|item| 8 + bytes(item)).sum(),
        Value::Object(map) => map.iter().map(|(name, item)| 8 + name.len() + bytes(item)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
    }
}

/// How hard it is to copy a value. What is allocated counts more than what it holds: thirty-two
/// small values are as hard as 8 KiB of text.
fn weight(value: &Value) -> usize {
    let text = |text: &str| 16 + text.len() / 16;
    match value {
        Value::String(said) => text(said),
        Value::Array(items) => 16 + items.iter().map(weight).sum::<usize>(),
        Value::Object(map) => {
            16 + map.iter().map(|(name, item)| text(name) + weight(item)).sum::<usize>()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => 16,
    }
}
