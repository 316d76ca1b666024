//! Which lists of alerts a template goes through, and whether it tells of those that a message has
//! no room for. Where it does not, nabat does, for no alert may be lost to a template.

use handlebars::template::{HelperTemplate, Parameter, Template, TemplateElement};
use handlebars::{Path, PathSeg};

/// What stands behind a message whose template does not name `more`: each has a name that no
/// file can have, and its text.
pub(super) const RESTS: [(&str, &str); 2] = [
    ("/more", include_str!("../../templates/more.hbs")),
    ("/more.resolved", "{{#if more.resolved}}\n✅ {{say \"more\" more.resolved}}\n{{/if}}\n"),
];

/// Calls that ask about a list and do not show it.
const ASKING: [&str; 12] =
    ["if", "unless", "not", "and", "or", "len", "eq", "ne", "gt", "gte", "lt", "lte"];

/// What a template names.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "facts that are found one by one")]
pub(super) struct Lists {
    firing: bool,
    resolved: bool,
    /// `more`, or a part of it that is about firing alerts.
    more: bool,
    more_resolved: bool,
}

impl Lists {
    /// What `template` itself names, without what it includes.
    pub fn of(template: &Template) -> Self {
        let mut lists = Self::default();
        lists.template(template);
        lists
    }

    pub fn and(self, other: Self) -> Self {
        Self {
            firing: self.firing || other.firing,
            resolved: self.resolved || other.resolved,
            more: self.more || other.more,
            more_resolved: self.more_resolved || other.more_resolved,
        }
    }

    /// The names of those of [`RESTS`] that must follow the template.
    pub fn untold(self) -> Vec<&'static str> {
        let untold = [self.firing && !self.more, self.resolved && !self.more_resolved];
        RESTS.iter().zip(untold).filter(|(_, untold)| *untold).map(|((name, _), _)| *name).collect()
    }

    fn template(&mut self, template: &Template) {
        for element in &template.elements {
            match element {
                TemplateElement::Expression(call)
                | TemplateElement::HtmlExpression(call)
                | TemplateElement::HelperBlock(call) => {
                    self.call(call);
                    for inner in [&call.template, &call.inverse].into_iter().flatten() {
                        self.template(inner);
                    }
                }
                TemplateElement::PartialExpression(include) => {
                    for argument in include.params.iter().chain(include.hash.values()) {
                        self.argument(argument, true);
                    }
                }
                _ => {}
            }
        }
    }

    fn call(&mut self, call: &HelperTemplate) {
        self.argument(&call.name, true);
        let shows = call.name.as_name().is_none_or(|name| !ASKING.contains(&name));
        for argument in call.params.iter().chain(call.hash.values()) {
            self.argument(argument, shows);
        }
    }

    fn argument(&mut self, argument: &Parameter, shows: bool) {
        match argument {
            Parameter::Path(Path::Relative((segments, _))) => {
                let names = segments.iter().filter_map(|segment| match segment {
                    PathSeg::Named(name) if name != "this" => Some(name.as_str()),
                    _ => None,
                });
                self.path(&names.collect::<Vec<_>>(), shows);
            }
            Parameter::Subexpression(call) => {
                if let TemplateElement::Expression(call) = call.as_element() {
                    self.call(call);
                }
            }
            _ => {}
        }
    }

    fn path(&mut self, names: &[&str], shows: bool) {
        match names {
            ["more"] => (self.more, self.more_resolved) = (true, true),
            ["more", "resolved", ..] => self.more_resolved = true,
            ["more", ..] => self.more = true,
            ["firing"] => self.firing |= shows,
            ["resolved"] => self.resolved |= shows,
            ["alerts"] => {
                self.firing |= shows;
                self.resolved |= shows;
            }
            _ => {}
        }
    }
}
