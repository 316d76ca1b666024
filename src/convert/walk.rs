//! From the tree of a Go template to the text of a handlebars template.

use super::ast::{Branch, BranchKind, Command, Node, Operand, Pipeline, Term};
use super::expression::{Expression, Kind, Place, Value, condition};
use super::fault::Fault;
use super::rounds::without_jumps;
use super::write::{Writer, escaped, foreign_tag};
use super::{fields, functions};

/// What the walk asks about other templates.
pub(super) trait Templates {
    /// The name of the handlebars template for `name` that is given a value of this kind; `None`
    /// when nothing defines it.
    fn include(&mut self, name: &str, kind: Kind) -> Option<String>;
}

/// Writes `nodes`, which are given a value of this kind. The source is quoted where something is
/// left.
pub(super) fn written(
    nodes: &[Node],
    dot: Kind,
    source: &str,
    templates: &mut dyn Templates,
) -> (String, Vec<Fault>) {
    let dot = Value::new(Expression::Path(Place::Level(0), Vec::new()), dot);
    let dollar = Variable { name: String::new(), value: dot.clone(), loops: 0 };
    let mut walk = Walk {
        source,
        templates,
        out: Writer::default(),
        faults: Vec::new(),
        dots: vec![dot],
        loops: 0,
        variables: vec![dollar],
    };
    walk.nodes(nodes);
    (walk.out.into_text(), walk.faults)
}

#[derive(Clone)]
struct Variable {
    name: String,
    value: Value,
    /// How many loops stand around its declaration.
    loops: usize,
}

pub(super) struct Walk<'a> {
    source: &'a str,
    templates: &'a mut dyn Templates,
    pub(super) out: Writer,
    faults: Vec<Fault>,
    /// The dot of each block that has one of its own, outermost first.
    dots: Vec<Value>,
    loops: usize,
    variables: Vec<Variable>,
}

impl Walk<'_> {
    pub(super) fn depth(&self) -> usize {
        self.dots.len() - 1
    }

    fn dot(&self) -> Value {
        self.dots[self.depth()].clone()
    }

    fn nodes(&mut self, nodes: &[Node]) {
        let outside = self.variables.len();
        for (index, node) in nodes.iter().enumerate() {
            match node {
                Node::Text(text) => {
                    let before_value = matches!(nodes.get(index + 1), Some(Node::Action(_)));
                    self.text(text, before_value);
                }
                Node::Comment(text) => self.out.tag(&comment(text)),
                Node::Action(pipeline) => self.action(pipeline),
                Node::Branch(branch) => self.branch(branch),
                Node::Template { at, name, argument } => {
                    let included = self.include(*at, name, argument.as_ref());
                    let end = self.source[*at..].find("}}").map_or(*at, |end| at + end + 2);
                    self.or_left(included, *at, end);
                }
                Node::Break(at) => self.left(
                    Fault::new(*at, "a loop can't be left")
                        .instead("put what follows into {{#if}}, such as {{#if (lt @index 5)}}"),
                    at + "{{break}}".len(),
                ),
                Node::Continue(at) => self.left(
                    Fault::new(*at, "a round of a loop can't be left from here")
                        .instead("put what follows into {{#unless}}"),
                    at + "{{continue}}".len(),
                ),
            }
        }
        self.variables.truncate(outside);
    }

    fn text(&mut self, text: &str, before_value: bool) {
        if let Some((_, tag)) = foreign_tag(text) {
            self.remark(format!("Telegram has no <{tag}>, it is shown as text"), text);
        } else if before_value && text.ends_with('<') {
            self.remark("this is shown as text, Slack's <url|text> is no link".to_owned(), text);
        }
        self.out.markup(&escaped(text));
    }

    /// A fault of a text, which has no place of its own: what the source holds first.
    fn remark(&mut self, what: String, text: &str) {
        let at = self.source.find(text).unwrap_or_default() + text.find('<').unwrap_or_default();
        self.faults.push(Fault::new(at, what).instead("write {{link url \"text\"}} for links"));
    }

    /// What was converted, but not to what the author may expect.
    pub(super) fn note(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    fn action(&mut self, pipeline: &Pipeline) {
        let done = match pipeline.variables.as_slice() {
            [] => self.value(pipeline).and_then(|value| self.show(pipeline.at, value)),
            [name] => self.value(pipeline).and_then(|value| self.set(pipeline, name, value)),
            _ => Err(Fault::new(pipeline.at, "only a range sets two variables")),
        };
        self.or_left(done, pipeline.at, pipeline.end);
    }

    fn set(&mut self, pipeline: &Pipeline, name: &str, value: Value) -> Result<(), Fault> {
        if !pipeline.assigns {
            self.declare(name, value);
            return Ok(());
        }
        let (at, loops) = (pipeline.at, self.loops);
        let variable = self.variable(at, name)?;
        if variable.loops < loops {
            return Err(Fault::new(at, format!("${name} can't be kept from round to round"))
                .instead("@first, @last and @index tell the rounds apart"));
        }
        variable.value = value;
        Ok(())
    }

    fn declare(&mut self, name: &str, value: Value) {
        self.variables.push(Variable { name: name.to_owned(), value, loops: self.loops });
    }

    fn variable(&mut self, at: usize, name: &str) -> Result<&mut Variable, Fault> {
        let mut inner = self.variables.iter_mut().rev();
        inner
            .find(|variable| variable.name == name)
            .ok_or_else(|| Fault::new(at, format!("nothing sets ${name}")))
    }

    fn include(&mut self, at: usize, name: &str, argument: Option<&Pipeline>) -> Result<(), Fault> {
        let argument = argument.map(|pipeline| self.value(pipeline)).transpose()?;
        let kind = argument.as_ref().map_or(Kind::Data, |argument| argument.kind);
        let file = self.templates.include(name, kind).ok_or_else(|| {
            Fault::new(at, format!("no file defines the template {name:?}"))
                .instead("name the file that does on the command line too")
        })?;
        let depth = self.depth();
        let here = Expression::Path(Place::Level(depth), Vec::new());
        match argument {
            Some(argument) if argument.expression != here => {
                let argument = argument.expression.written(depth, false)?;
                self.out.include(&format!("{file} {argument}"));
            }
            _ => self.out.include(&file),
        }
        Ok(())
    }

    fn branch(&mut self, branch: &Branch) {
        match branch.kind {
            BranchKind::If => {
                let outside = self.variables.len();
                self.if_branch(branch, "#if");
                self.out.tag("/if");
                self.variables.truncate(outside);
            }
            BranchKind::With | BranchKind::Range => self.block(branch),
        }
    }

    /// `{{#if}}` up to its end, or one of its `{{else if}}`.
    fn if_branch(&mut self, branch: &Branch, opens: &str) {
        let value = self.value(&branch.pipeline).and_then(|value| {
            let test = condition(&value.expression).written(self.depth(), false);
            test.map(|test| (value, test))
        });
        let test = match value {
            Ok((value, test)) => {
                self.out.tag(&format!("{opens} {test}"));
                if let [name] = branch.pipeline.variables.as_slice() {
                    self.declare(name, value.clone());
                }
                Some(value.expression)
            }
            Err(fault) => {
                self.out.tag(&format!("{opens} true"));
                self.left(at_least(fault, branch.pipeline.at), branch.pipeline.end);
                None
            }
        };
        let before = self.variables.clone();
        self.nodes(&branch.body);
        let then = std::mem::replace(&mut self.variables, before);
        match branch.otherwise.as_slice() {
            [] => {}
            [Node::Branch(next)] if next.kind == BranchKind::If && is_quiet(next) => {
                let outside = self.variables.len();
                self.if_branch(next, "else if");
                self.variables.truncate(outside);
            }
            nodes => {
                self.out.tag("else");
                self.nodes(nodes);
            }
        }
        self.merge(test.as_ref(), then);
    }

    /// Variables that were set in a branch depend on its condition from now on.
    fn merge(&mut self, test: Option<&Expression>, then: Vec<Variable>) {
        let Some(test) = test else { return };
        for (after, then) in self.variables.iter_mut().zip(then) {
            if after.value != then.value {
                let kind =
                    if after.value.kind == then.value.kind { then.value.kind } else { Kind::Any };
                let parts =
                    vec![condition(test), then.value.expression, after.value.expression.clone()];
                after.value = Value::call("choose", parts, kind);
            }
        }
    }

    /// `with` and `range`, whose dot is another.
    fn block(&mut self, branch: &Branch) {
        let is_loop = branch.kind == BranchKind::Range;
        let word = if is_loop { "each" } else { "with" };
        let pipeline = &branch.pipeline;
        let value = self.value(pipeline).and_then(|value| {
            if is_loop && pipeline.assigns {
                return Err(Fault::new(pipeline.at, "a range can't set variables from outside"));
            }
            let kind = if is_loop { element(pipeline.at, value.kind)? } else { value.kind };
            let written = value.expression.written(self.depth(), false)?;
            Ok((value, kind, written))
        });
        let (value, kind) = match value {
            Ok((value, kind, written)) => {
                self.out.tag(&format!("#{word} {written}"));
                (Some(value), kind)
            }
            Err(fault) => {
                self.out.tag(&format!("#{word} {}", if is_loop { "[]" } else { "true" }));
                self.left(at_least(fault, pipeline.at), pipeline.end);
                (None, Kind::Any)
            }
        };
        let outside = self.variables.clone();
        let level = self.depth() + 1;
        let dot = Value::new(Expression::Path(Place::Level(level), Vec::new()), kind);
        self.dots.push(dot.clone());
        self.loops += usize::from(is_loop);
        let is_map = value.as_ref().is_some_and(|value| value.kind == Kind::Map);
        match pipeline.variables.as_slice() {
            [name] => self.declare(name, dot),
            [index, name] => {
                let place = if is_map { Place::Key(level) } else { Place::Index(level) };
                let kind = if is_map { Kind::Text } else { Kind::Number };
                self.declare(index, Value::new(Expression::Path(place, Vec::new()), kind));
                self.declare(name, dot);
            }
            _ => {}
        }
        if is_loop {
            let index = match pipeline.variables.as_slice() {
                [index, _] if !is_map => Some(index.as_str()),
                _ => None,
            };
            self.nodes(&without_jumps(branch.body.clone(), index));
        } else {
            self.nodes(&branch.body);
        }
        self.loops -= usize::from(is_loop);
        self.dots.pop();
        let mut then = std::mem::replace(&mut self.variables, outside);
        if !branch.otherwise.is_empty() {
            self.out.tag("else");
            self.nodes(&branch.otherwise);
        }
        self.out.tag(&format!("/{word}"));
        // Only a `with` sets variables of outside, to what still has a name there.
        let depth = self.depth();
        for (then, before) in then.iter_mut().zip(&self.variables) {
            if !then.value.expression.reaches(depth) {
                then.value = before.value.clone();
                let what = format!("${} can't be set to what ends with the {word}", then.name);
                self.faults.push(Fault::new(pipeline.at, what));
            }
        }
        self.merge(value.map(|value| value.expression).as_ref(), then);
    }

    /// The value of a pipeline.
    fn value(&mut self, pipeline: &Pipeline) -> Result<Value, Fault> {
        let mut value = None;
        for command in &pipeline.commands {
            value = Some(self.command(command, value)?);
        }
        value.ok_or_else(|| Fault::new(pipeline.at, "a value is missing"))
    }

    /// The value of a command; what was piped into it is its last argument.
    fn command(&mut self, command: &Command, piped: Option<Value>) -> Result<Value, Fault> {
        let Some((first, rest)) = command.terms.split_first() else {
            return Err(Fault::new(command.at, "a value is missing"));
        };
        let arguments: Result<Vec<Value>, Fault> =
            rest.iter().map(|term| self.term(term, Vec::new())).chain(piped.map(Ok)).collect();
        self.term(first, arguments?)
    }

    /// The value of an operand, whose last field or function takes the arguments.
    fn term(&mut self, term: &Term, arguments: Vec<Value>) -> Result<Value, Fault> {
        let at = term.at;
        let mut value = match &term.operand {
            Operand::Dot => self.dot(),
            Operand::Variable(name) => self.variable(at, name)?.value.clone(),
            Operand::Function(name) => return functions::call(at, name, arguments),
            Operand::Text(text) => Value::new(Expression::Text(text.clone()), Kind::Text),
            Operand::Number(number) => Value::new(Expression::Number(number.clone()), Kind::Number),
            Operand::Bool(truth) => Value::new(Expression::Bool(*truth), Kind::Bool),
            Operand::Nil => return Err(Fault::new(at, "nil has no counterpart")),
            Operand::Parenthesis(pipeline) => {
                let value = self.value(pipeline)?;
                if let [name] = pipeline.variables.as_slice() {
                    self.set(pipeline, name, value.clone())?;
                }
                value
            }
        };
        let Some((last, fields)) = term.fields.split_last() else { return Ok(value) };
        for name in fields {
            value = fields::field(at, value, name, Vec::new())?;
        }
        fields::field(at, value, last, arguments)
    }

    /// Leaves a visible remark where `done` failed.
    fn or_left(&mut self, done: Result<(), Fault>, at: usize, end: usize) {
        if let Err(fault) = done {
            self.left(at_least(fault, at), end);
        }
    }

    fn left(&mut self, fault: Fault, end: usize) {
        let from = self.source[..fault.at].rfind("{{").unwrap_or(fault.at);
        let end = end.max(fault.at).min(self.source.len());
        let quoted = self.source.get(from..end).unwrap_or_default();
        self.out.tag(&comment(&format!("not converted: {quoted}: {}", fault.what)));
        self.faults.push(fault);
    }
}

/// A fault of a path knows no place.
fn at_least(fault: Fault, at: usize) -> Fault {
    Fault { at: fault.at.max(at), ..fault }
}

fn comment(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    format!("!-- {} --", text.replace("--", "- -"))
}

/// An `else if` that says nothing before its condition.
fn is_quiet(branch: &Branch) -> bool {
    branch.pipeline.variables.is_empty()
}

/// What a range over a value of this kind gives.
fn element(at: usize, kind: Kind) -> Result<Kind, Fault> {
    Ok(match kind {
        Kind::AllAlerts | Kind::Alerts => Kind::Alert,
        Kind::Map | Kind::Texts => Kind::Text,
        Kind::Pairs => Kind::Pair,
        Kind::Any => Kind::Any,
        _ => return Err(Fault::new(at, "only lists and labels can be ranged over")),
    })
}
