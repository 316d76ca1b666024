//! What the YAML parser says, in words for who writes the file and not for who programs with it.

use serde_saphyr::Error;
use serde_saphyr::budget::BudgetBreach;

/// The message alone, without the place: that is reported apart.
pub(super) fn told(error: &Error) -> String {
    let words = match error.without_snippet() {
        Error::AliasError { error, .. } => return told(error),
        Error::Eof { .. } => "it ends too soon",
        Error::MultipleDocuments { .. } => "a second document begins (---), and only one is read",
        Error::UnknownAnchor { .. } => "an alias (*name) has no anchor (&name) before it",
        Error::RecursiveReferencesRequireWeakTypes { .. } => {
            "an alias (*name) stands inside of what it repeats"
        }
        Error::MergeValueNotMapOrSeqOfMaps { .. } => "<< takes a map or a list of maps",
        Error::InvalidScalar { .. } | Error::InvalidBooleanStrict { .. } => {
            "a value is not what its tag (!!int, !!bool) says"
        }
        Error::NullIntoString { .. } | Error::Unexpected { .. } => "a key is no text",
        Error::Budget { breach: BudgetBreach::Depth { .. }, .. } => {
            "it is nested too deeply, more than 40 levels"
        }
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => {
            "it is far too large, with its aliases (*name) written out"
        }
        error => return shortened(&error.to_string()),
    };
    words.to_owned()
}

/// A message without its place and its advice to programmers.
fn shortened(text: &str) -> String {
    let text = text.lines().next().unwrap_or_default();
    let text = text.strip_prefix("error: ").unwrap_or(text);
    let text = text.split(" at line ").next().unwrap_or(text);
    let text = text.split("; ").next().unwrap_or(text);
    match text.trim_end_matches('.') {
        "recursion limit exceeded" => "it is nested too deeply, more than 40 levels".to_owned(),
        text => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use crate::config::yaml::read;

    #[test]
    fn the_parsers_words_are_said_plainly() {
        let tenfold = |c: u8| {
            let before = format!("*{}", char::from(c - 1));
            format!("{0}: &{0} [{1}]\n", char::from(c), [before.as_str(); 10].join(", "))
        };
        let laughs = (b'b'..=b'g').map(tenfold).collect::<Vec<_>>().concat();
        let nested = |depth| " ".repeat(depth) + "a:\n";
        let deep = (0..3000).map(nested).collect::<Vec<_>>().concat();
        let table = [
            ("a: &x [*x]", "an alias (*name) stands inside of what it repeats"),
            ("a: *nope", "an alias (*name) has no anchor (&name) before it"),
            ("a: 1\n---\nb: 2", "a second document begins (---), and only one is read"),
            ("a: !!int x", "a value is not what its tag (!!int, !!bool) says"),
            ("a: !!bool x", "a value is not what its tag (!!int, !!bool) says"),
            ("<<: 3\na: 1", "<< takes a map or a list of maps"),
            ("? [x]\n: y", "a key is no text"),
            ("~: 1", "a key is no text"),
            ("a: {b: 1", "unclosed bracket '{'"),
            (&"[".repeat(3000), "it is nested too deeply, more than 40 levels"),
            (&deep, "it is nested too deeply, more than 40 levels"),
            (
                &format!("a: &a [x, x]\n{laughs}"),
                "it is far too large, with its aliases (*name) written out",
            ),
        ];
        for (text, words) in table {
            assert_eq!(read(text).map(|_| ()).unwrap_err().0, words);
        }
    }
}
