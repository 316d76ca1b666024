//! Writing values as Go writes them.

use super::expression::{Expression, Kind, Value, condition};
use super::fault::Fault;
use super::fields;
use super::walk::Walk;
use super::write::escaped;
use crate::telegram::markup::escape;

impl Walk<'_> {
    /// Writes a value as Go would.
    pub(super) fn show(&mut self, at: usize, value: Value) -> Result<(), Fault> {
        let depth = self.depth();
        let placed = |fault: Fault| Fault { at, ..fault };
        match (value.kind, &value.expression) {
            (Kind::Html, Expression::Text(text)) => self.out.markup(&escaped(text)),
            (_, Expression::Text(text) | Expression::Number(text)) => {
                self.out.markup(&escape(text));
            }
            (_, Expression::Bool(truth)) => self.out.markup(&truth.to_string()),
            (Kind::Time, _) => return self.show(at, fields::printed_time(value)),
            (Kind::Seconds, _) => {
                let words = Value::call("humanizeDuration", vec![value.expression], Kind::Text);
                return self.show(at, words);
            }
            (Kind::Texts, list) => {
                let space = Expression::Text(" ".to_owned());
                let joined = Expression::Call("join", vec![space, list.clone()]);
                self.out.markup("[");
                self.out.value(&joined.written(depth, true).map_err(placed)?);
                self.out.markup("]");
            }
            (Kind::Map | Kind::Pairs, _) => self.show_pairs(value).map_err(placed)?,
            (Kind::Data | Kind::AllAlerts | Kind::Alerts | Kind::Alert | Kind::Pair, _) => {
                return Err(Fault::new(at, "Go's inner form of this value has no counterpart")
                    .instead("name the fields to show"));
            }
            (_, Expression::Call("choose", parts)) => {
                let parts = parts.clone();
                let test = condition(&parts[0]).written(depth, false).map_err(placed)?;
                self.out.tag(&format!("#if {test}"));
                self.show(at, Value::new(parts[1].clone(), value.kind))?;
                self.out.tag("else");
                self.show(at, Value::new(parts[2].clone(), value.kind))?;
                self.out.tag("/if");
            }
            (_, Expression::Call("join", parts)) if is_concatenation(parts) => {
                let Expression::Call(_, pieces) = parts[1].clone() else { return Ok(()) };
                for piece in pieces {
                    self.show(at, Value::new(piece, value.kind))?;
                }
            }
            (_, other) if self.out.is_inside_tag() => {
                let attribute = Expression::Call("attribute", vec![other.clone()]);
                self.out.value(&attribute.written(depth, true).map_err(placed)?);
            }
            (Kind::Html, other) => {
                let linked = Expression::Call("linked", vec![other.clone()]);
                self.out.value(&linked.written(depth, true).map_err(placed)?);
                self.note(
                    Fault::new(at, "safeHtml shows what labels hold as text, they could forge it")
                        .instead("{{{…}}} shows markup, if nobody else can set it"),
                );
            }
            (_, other) => self.out.value(&other.written(depth, true).map_err(placed)?),
        }
        Ok(())
    }

    /// A map as Alertmanager writes it: `name=value, name=value`.
    fn show_pairs(&mut self, value: Value) -> Result<(), Fault> {
        let pairs = match value.kind {
            Kind::Map => Expression::Call("sortedPairs", vec![value.expression]),
            _ => value.expression,
        };
        self.out.tag(&format!("#each {}", pairs.written(self.depth(), false)?));
        self.out.tag("#unless @first");
        self.out.markup(", ");
        self.out.tag("/unless");
        self.out.value("this.name");
        self.out.markup("=");
        self.out.value("this.value");
        self.out.tag("/each");
        Ok(())
    }
}

/// `join "" (stringSlice …)`.
fn is_concatenation(parts: &[Expression]) -> bool {
    matches!(parts, [Expression::Text(between), Expression::Call("stringSlice", _)] if between.is_empty())
}
