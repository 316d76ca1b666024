//! `continue` and `break`, which handlebars lacks, said with conditions.

use super::ast::{BranchKind, Node, Operand, Pipeline, Term};

/// The body of a range without a `continue` at the end of a condition: what would follow moves into
/// the other branch. What can't be said so stays.
///
/// A `break` from a round on (`if ge $i 5`) ends every later round as well, so it is a `continue`.
pub(super) fn without_jumps(nodes: Vec<Node>, index: Option<&str>) -> Vec<Node> {
    let mut kept = Vec::new();
    let mut nodes = nodes.into_iter();
    while let Some(node) = nodes.next() {
        match node {
            Node::Branch(branch) if branch.kind == BranchKind::If => {
                let mut branch = *branch;
                if ends_later_rounds(&branch.pipeline, index)
                    && let Some(last @ Node::Break(_)) = branch.body.last_mut()
                    && let Node::Break(at) = *last
                {
                    *last = Node::Continue(at);
                }
                let skips = |nodes: &[Node]| matches!(nodes.last(), Some(Node::Continue(_)));
                match (skips(&branch.body), skips(&branch.otherwise)) {
                    (true, false) => {
                        branch.body.pop();
                        branch.otherwise.extend(nodes);
                        branch.otherwise = without_jumps(branch.otherwise, index);
                    }
                    (false, true) => {
                        branch.otherwise.pop();
                        branch.body.extend(nodes);
                        branch.body = without_jumps(branch.body, index);
                    }
                    _ => {
                        kept.push(Node::Branch(Box::new(branch)));
                        continue;
                    }
                }
                kept.push(Node::Branch(Box::new(branch)));
                return kept;
            }
            // Nothing behind it is reached.
            Node::Continue(_) => return kept,
            node => kept.push(node),
        }
    }
    kept
}

/// `ge $i 5` or `gt $i 4`, of the range's own index.
fn ends_later_rounds(pipeline: &Pipeline, index: Option<&str>) -> bool {
    let [command] = pipeline.commands.as_slice() else { return false };
    let [
        Term { operand: Operand::Function(name), .. },
        Term { operand: Operand::Variable(variable), fields, .. },
        Term { operand: Operand::Number(_), .. },
    ] = command.terms.as_slice()
    else {
        return false;
    };
    matches!(name.as_str(), "ge" | "gt") && Some(variable.as_str()) == index && fields.is_empty()
}
