//! From pieces to the tree of a Go template.

use std::vec::IntoIter;

use super::ast::{Branch, BranchKind, Command, Define, Node, Operand, Pipeline, Term};
use super::fault::Fault;
use super::lex::{Action, Piece, Token, TokenKind, pieces};

/// Blocks, or parentheses, nest this deep at most; nabat's templates may nest less.
const MAX_DEPTH: usize = 100;

/// A file: what it defines, and what stands outside of definitions.
#[derive(Debug, PartialEq)]
pub(super) struct File {
    pub defines: Vec<Define>,
    pub body: Vec<Node>,
}

/// Parses a file.
pub(super) fn parse(source: &str) -> Result<File, Fault> {
    let mut parser =
        Parser { pieces: pieces(source)?.into_iter(), defines: Vec::new(), open: Vec::new() };
    let (body, end) = parser.list()?;
    match end {
        None => Ok(File { defines: parser.defines, body }),
        Some(end) => Err(Fault::new(end.at, format!("{{{{{}}}}} ends nothing", end.word()))),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Define,
    Branch,
    Range,
}

/// What ends a list of nodes: `end` or `else`, with what stands behind it.
struct End {
    at: usize,
    stops: bool,
    rest: Tokens,
}

impl End {
    fn word(&self) -> &'static str {
        if self.stops { "end" } else { "else" }
    }
}

struct Parser {
    pieces: IntoIter<Piece>,
    defines: Vec<Define>,
    /// The blocks that are open.
    open: Vec<Open>,
}

impl Parser {
    /// Reads nodes until an `end`, an `else` or the end of the file.
    fn list(&mut self) -> Result<(Vec<Node>, Option<End>), Fault> {
        let mut nodes = Vec::new();
        while let Some(piece) = self.pieces.next() {
            match piece {
                Piece::Text(text) => nodes.push(Node::Text(text)),
                Piece::Comment(text) => nodes.push(Node::Comment(text)),
                Piece::Action(action) => {
                    let (at, mut tokens) = (action.at, Tokens::new(action));
                    match tokens.keyword().as_deref() {
                        Some("end") => {
                            tokens.finish()?;
                            return Ok((nodes, Some(End { at, stops: true, rest: tokens })));
                        }
                        Some("else") => {
                            return Ok((nodes, Some(End { at, stops: false, rest: tokens })));
                        }
                        Some(word) => nodes.extend(self.statement(at, word, tokens)?),
                        None => nodes.push(Node::Action(tokens.whole_pipeline("an action")?)),
                    }
                }
            }
        }
        Ok((nodes, None))
    }

    fn statement(
        &mut self,
        at: usize,
        word: &str,
        mut tokens: Tokens,
    ) -> Result<Option<Node>, Fault> {
        Ok(Some(match word {
            "if" => self.branch(at, BranchKind::If, tokens)?,
            "with" => self.branch(at, BranchKind::With, tokens)?,
            "range" => self.branch(at, BranchKind::Range, tokens)?,
            "define" => {
                if !self.open.is_empty() {
                    return Err(Fault::new(at, "a define can't stand inside of a block"));
                }
                let name = tokens.name("define")?;
                tokens.finish()?;
                let body = self.until_end(at, Open::Define)?;
                self.defines.push(Define { name, body });
                return Ok(None);
            }
            "block" => {
                let name = tokens.name("block")?;
                let argument = Some(tokens.whole_pipeline("a block")?);
                let body = self.until_end(at, Open::Define)?;
                self.defines.push(Define { name: name.clone(), body });
                Node::Template { at, name, argument }
            }
            "template" => {
                let name = tokens.name("template")?;
                let argument = if tokens.is_empty() {
                    None
                } else {
                    Some(tokens.whole_pipeline("a template")?)
                };
                Node::Template { at, name, argument }
            }
            _ => {
                tokens.finish()?;
                let inner = self.open.iter().rev().take_while(|open| **open != Open::Define);
                if !inner.into_iter().any(|open| *open == Open::Range) {
                    return Err(Fault::new(
                        at,
                        format!("{{{{{word}}}}} stands outside of a range"),
                    ));
                }
                if word == "break" { Node::Break(at) } else { Node::Continue(at) }
            }
        }))
    }

    fn until_end(&mut self, at: usize, open: Open) -> Result<Vec<Node>, Fault> {
        let (body, end) = self.inside(at, open)?;
        match end {
            End { stops: true, .. } => Ok(body),
            End { at, .. } => Err(Fault::new(at, "{{else}} belongs to no if, with or range")),
        }
    }

    fn inside(&mut self, at: usize, open: Open) -> Result<(Vec<Node>, End), Fault> {
        if self.open.len() >= MAX_DEPTH {
            return Err(Fault::new(at, format!("blocks nest more than {MAX_DEPTH} deep")));
        }
        self.open.push(open);
        let (body, end) = self.list()?;
        self.open.pop();
        let end = end.ok_or_else(|| Fault::new(at, "this has no {{end}}"))?;
        Ok((body, end))
    }

    fn branch(&mut self, at: usize, kind: BranchKind, mut tokens: Tokens) -> Result<Node, Fault> {
        let word = match kind {
            BranchKind::If => "if",
            BranchKind::With => "with",
            BranchKind::Range => "range",
        };
        let pipeline = tokens.pipeline_with(kind == BranchKind::Range, word)?;
        tokens.finish()?;
        let open = if kind == BranchKind::Range { Open::Range } else { Open::Branch };
        let (body, end) = self.inside(at, open)?;
        let otherwise = if end.stops { Vec::new() } else { self.otherwise(kind, end)? };
        Ok(Node::Branch(Box::new(Branch { kind, pipeline, body, otherwise })))
    }

    /// What stands behind an `else`.
    fn otherwise(&mut self, kind: BranchKind, end: End) -> Result<Vec<Node>, Fault> {
        let End { at, mut rest, .. } = end;
        match rest.keyword().as_deref() {
            None => {
                rest.finish()?;
                self.until_end(at, Open::Branch)
            }
            Some("if") if kind == BranchKind::If => self.chained(at, BranchKind::If, rest),
            Some("with") if kind == BranchKind::With => self.chained(at, BranchKind::With, rest),
            Some(word) => Err(Fault::new(at, format!("{{{{else {word}}}}} can't stand here"))),
        }
    }

    fn chained(&mut self, at: usize, kind: BranchKind, rest: Tokens) -> Result<Vec<Node>, Fault> {
        // A chain is read recursively, and counts as one level a link.
        self.open.push(Open::Branch);
        let branch = self.branch(at, kind, rest)?;
        self.open.pop();
        Ok(vec![branch])
    }
}

/// The tokens of an action, read from the front.
struct Tokens {
    left: std::iter::Peekable<IntoIter<Token>>,
    /// Where the last token that was read ends.
    read: usize,
    end: usize,
    depth: usize,
}

impl Tokens {
    fn new(action: Action) -> Self {
        let Action { at, end, tokens } = action;
        Self { left: tokens.into_iter().peekable(), read: at, end, depth: 0 }
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.left.next()?;
        self.read = token.end;
        Some(token)
    }

    fn is_empty(&mut self) -> bool {
        self.left.peek().is_none()
    }

    /// Takes the word that says what kind of action this is.
    fn keyword(&mut self) -> Option<String> {
        const KEYWORDS: [&str; 10] = [
            "if", "else", "end", "range", "with", "define", "block", "template", "break",
            "continue",
        ];
        let is_keyword = |token: &Token| matches!(&token.kind, TokenKind::Word(word) if KEYWORDS.contains(&word.as_str()));
        let token = self.left.next_if(is_keyword)?;
        self.read = token.end;
        match token.kind {
            TokenKind::Word(word) => Some(word),
            _ => None,
        }
    }

    /// Nothing may follow.
    fn finish(&mut self) -> Result<(), Fault> {
        match self.next() {
            None => Ok(()),
            Some(token) => Err(Fault::new(token.at, "this is one word too many")),
        }
    }

    fn name(&mut self, of: &str) -> Result<String, Fault> {
        let at = self.read;
        match self.next() {
            Some(Token { kind: TokenKind::Text(name), .. }) => Ok(name),
            _ => Err(Fault::new(at, format!("a {of} needs a name in quotes"))),
        }
    }

    fn whole_pipeline(&mut self, of: &str) -> Result<Pipeline, Fault> {
        let pipeline = self.pipeline_with(false, of)?;
        self.finish()?;
        Ok(pipeline)
    }

    /// A pipeline that may set variables: one, or two for a range.
    fn pipeline_with(&mut self, two: bool, of: &str) -> Result<Pipeline, Fault> {
        let at = self.left.peek().map_or(self.read, |token| token.at);
        let mut variables = Vec::new();
        let mut assigns = false;
        let ahead: Vec<TokenKind> = {
            let ahead = self.left.clone();
            ahead.take(4).map(|token| token.kind).collect()
        };
        let sets = |kind: Option<&TokenKind>| match kind {
            Some(TokenKind::Declare) => Some(false),
            Some(TokenKind::Assign) => Some(true),
            _ => None,
        };
        if let Some(TokenKind::Variable(first)) = ahead.first() {
            if let Some(assign) = sets(ahead.get(1)) {
                (variables, assigns) = (vec![first.clone()], assign);
                self.skip(2);
            } else if let (
                Some(TokenKind::Comma),
                Some(TokenKind::Variable(second)),
                Some(assign),
            ) = (ahead.get(1), ahead.get(2), sets(ahead.get(3)))
            {
                if !two {
                    return Err(Fault::new(at, "only a range sets two variables"));
                }
                (variables, assigns) = (vec![first.clone(), second.clone()], assign);
                self.skip(4);
            }
        }
        let commands = self.commands(of)?;
        let end = if self.is_empty() && self.depth == 0 { self.end } else { self.read };
        Ok(Pipeline { at, end, variables, assigns, commands })
    }

    fn skip(&mut self, count: usize) {
        for _ in 0..count {
            self.next();
        }
    }

    fn commands(&mut self, of: &str) -> Result<Vec<Command>, Fault> {
        let mut commands = Vec::new();
        loop {
            let at = self.left.peek().map_or(self.read, |token| token.at);
            let mut terms = Vec::new();
            while let Some(term) = self.term()? {
                terms.push(term);
            }
            let Some(first) = terms.first() else {
                return Err(Fault::new(at, format!("{of} lacks a value")));
            };
            let callable = match &first.operand {
                Operand::Function(_) => true,
                Operand::Dot | Operand::Variable(_) | Operand::Parenthesis(_) => {
                    !first.fields.is_empty()
                }
                _ => false,
            };
            if !commands.is_empty() && !callable {
                return Err(Fault::new(at, "only a function or a method can stand behind |"));
            }
            if terms.len() > 1 && !callable {
                return Err(Fault::new(terms[1].at, "what stands before this takes no argument"));
            }
            commands.push(Command { at, terms });
            if self.left.next_if(|token| token.kind == TokenKind::Pipe).is_none() {
                return Ok(commands);
            }
            self.read += 1;
        }
    }

    /// An operand with its fields; `None` where a command ends.
    fn term(&mut self) -> Result<Option<Term>, Fault> {
        let ends = |token: &Token| matches!(token.kind, TokenKind::Pipe | TokenKind::Close);
        if self.left.peek().is_none_or(ends) {
            return Ok(None);
        }
        let Some(Token { at, end, kind }) = self.next() else { return Ok(None) };
        let mut fields = Vec::new();
        let operand = match kind {
            TokenKind::Dot => Operand::Dot,
            TokenKind::Field(name) => {
                fields.push(name);
                Operand::Dot
            }
            TokenKind::Variable(name) => Operand::Variable(name),
            TokenKind::Word(word) => match word.as_str() {
                "true" => Operand::Bool(true),
                "false" => Operand::Bool(false),
                "nil" => Operand::Nil,
                _ => Operand::Function(word),
            },
            TokenKind::Text(text) => Operand::Text(text),
            TokenKind::Number(number) => Operand::Number(number),
            TokenKind::Open => self.parenthesis(at)?,
            TokenKind::Comma | TokenKind::Declare | TokenKind::Assign => {
                return Err(Fault::new(at, "this sign can't stand here"));
            }
            TokenKind::Pipe | TokenKind::Close => return Ok(None),
        };
        // A field belongs to what it touches.
        let mut touched = if matches!(operand, Operand::Parenthesis(_)) { self.read } else { end };
        while let Some(token) = self
            .left
            .next_if(|token| token.at == touched && matches!(token.kind, TokenKind::Field(_)))
        {
            touched = token.end;
            self.read = token.end;
            if let TokenKind::Field(name) = token.kind {
                fields.push(name);
            }
        }
        let takes_fields =
            matches!(operand, Operand::Dot | Operand::Variable(_) | Operand::Parenthesis(_));
        if !fields.is_empty() && !takes_fields {
            return Err(Fault::new(at, "this has no fields"));
        }
        if let Some(next) = self.left.peek()
            && next.at == touched
            && !ends(next)
        {
            return Err(Fault::new(next.at, "a space is missing here"));
        }
        Ok(Some(Term { at, operand, fields }))
    }

    fn parenthesis(&mut self, at: usize) -> Result<Operand, Fault> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Fault::new(at, format!("parentheses nest more than {MAX_DEPTH} deep")));
        }
        let pipeline = self.pipeline_with(false, "a parenthesis")?;
        self.depth -= 1;
        match self.next() {
            Some(Token { kind: TokenKind::Close, .. }) => Ok(Operand::Parenthesis(pipeline)),
            _ => Err(Fault::new(at, "the parenthesis is not closed")),
        }
    }
}
