//! The hidden calls. Templates cannot spell them: they may call only what `helpers` knows.

use handlebars::{
    Context, Handlebars, Helper, HelperDef, HelperResult, JsonRender as _, JsonValue, Output,
    RenderContext, RenderError, RenderErrorReason, ScopedJson,
};

use super::{READ_A_STEP, spend, spend_on_copy};

/// `spend-steps steps`: begins a template, or a round of a loop.
pub(super) const SPEND: &str = "spend-steps";

/// `spend-on-names compared names…`: as many of the names as `compared` says are looked through,
/// the others copied unless they lie in the data.
pub(super) const NAMES: &str = "spend-on-names";

/// `show-name name`: shows it as handlebars does.
pub(super) const SHOW: &str = "show-name";

/// Registers the hidden calls, and handlebars' `lookup` anew: it copies what it finds.
pub fn register(handlebars: &mut Handlebars<'_>) {
    handlebars.register_helper(SPEND, Box::new(Spend));
    handlebars.register_helper(NAMES, Box::new(SpendOnNames));
    handlebars.register_helper(SHOW, Box::new(Show));
    handlebars.register_helper("lookup", Box::new(Lookup));
}

/// A count among the parameters.
fn count(helper: &Helper<'_>) -> usize {
    let count = helper.param(0).and_then(|count| count.value().as_u64()).unwrap_or_default();
    usize::try_from(count).unwrap_or(usize::MAX)
}

struct Spend;

impl HelperDef for Spend {
    fn call<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        _: &'rc Context,
        render: &mut RenderContext<'reg, 'rc>,
        _: &mut dyn Output,
    ) -> HelperResult {
        spend(count(helper))?;
        // What an include or a round is about is a copy, unless it lies in the data.
        render.block().and_then(|block| block.base_value()).map_or(Ok(()), spend_on_copy)
    }
}

struct SpendOnNames;

impl HelperDef for SpendOnNames {
    fn call<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        _: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
        _: &mut dyn Output,
    ) -> HelperResult {
        let compared = count(helper);
        helper.params().iter().skip(1).enumerate().try_for_each(|(index, named)| {
            let is_free = index >= compared && named.context_path().is_some();
            if is_free { Ok(()) } else { spend_on_copy(named.value()) }
        })
    }
}

struct Show;

impl HelperDef for Show {
    fn call<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        handlebars: &'reg Handlebars<'reg>,
        _: &'rc Context,
        render: &mut RenderContext<'reg, 'rc>,
        out: &mut dyn Output,
    ) -> HelperResult {
        let Some(named) = helper.param(0) else { return Ok(()) };
        if named.context_path().is_none() {
            spend_on_copy(named.value())?;
        }
        let rendered;
        let text = match named.value() {
            JsonValue::String(text) => text,
            other => {
                rendered = other.render();
                &rendered
            }
        };
        // Making foreign text safe takes a look at each of its characters.
        spend(text.len() / READ_A_STEP)?;
        if render.is_disable_escape() {
            out.write(text)?;
        } else {
            out.write(&handlebars.get_escape_fn()(text))?;
        }
        Ok(())
    }
}

struct Lookup;

impl HelperDef for Lookup {
    fn call_inner<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        _: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
    ) -> Result<ScopedJson<'rc>, RenderError> {
        let param = |index| {
            let missing = RenderErrorReason::ParamNotFoundForIndex("lookup", index);
            helper.param(index).ok_or(missing)
        };
        let key = param(1)?.value();
        let found = match param(0)?.value() {
            JsonValue::Array(items) => {
                key.as_u64().and_then(|index| items.get(usize::try_from(index).ok()?))
            }
            JsonValue::Object(map) => key.as_str().and_then(|name| map.get(name)),
            _ => None,
        };
        found.map_or(Ok(()), spend_on_copy)?;
        Ok(ScopedJson::Derived(found.cloned().unwrap_or_default()))
    }
}
