//! A Go template, parsed.

/// What a template consists of.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Text(String),
    Comment(String),
    /// A value to write, or a variable to set.
    Action(Pipeline),
    Branch(Box<Branch>),
    Template {
        at: usize,
        name: String,
        argument: Option<Pipeline>,
    },
    Break(usize),
    Continue(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BranchKind {
    If,
    With,
    Range,
}

/// `if`, `with` and `range`. An `else if` is a branch alone in `otherwise`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Branch {
    pub kind: BranchKind,
    pub pipeline: Pipeline,
    pub body: Vec<Node>,
    pub otherwise: Vec<Node>,
}

/// `$x := a | b`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pipeline {
    /// Bytes from the start of the template.
    pub at: usize,
    pub end: usize,
    /// The variables that are set, without their sign.
    pub variables: Vec<String>,
    /// `=` instead of `:=`.
    pub assigns: bool,
    pub commands: Vec<Command>,
}

/// What is called, or the value; and the arguments.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Command {
    pub at: usize,
    pub terms: Vec<Term>,
}

/// An operand and the fields asked of it: `$x.Labels.team`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Term {
    pub at: usize,
    pub operand: Operand,
    pub fields: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Operand {
    Dot,
    /// `$` has an empty name.
    Variable(String),
    Function(String),
    Text(String),
    Number(String),
    Bool(bool),
    Nil,
    Parenthesis(Pipeline),
}

/// A named template.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Define {
    pub name: String,
    pub body: Vec<Node>,
}
