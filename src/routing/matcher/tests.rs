use proptest::prelude::*;

use super::*;

#[test]
fn what_is_large_but_reasonable_is_taken_and_what_is_too_large_is_called_so() {
    let name = parse_matchers(r#"app=~"[\\pL\\pN_-]{1,253}""#).unwrap();
    assert!(name[0].matches("биржа-1") && !name[0].matches("a b"));
    let fault = parse_matchers(r#"app=~"(\\pL{1000}){1000}""#).unwrap_err().to_string();
    assert!(fault.contains("it becomes too large"), "{fault}");
}

fn one(name: &str, operator: Operator, value: &str) -> Vec<Matcher> {
    vec![Matcher::new(name, operator, value).unwrap()]
}

/// What Alertmanager's UTF-8 parser takes; most of it the classic one takes alike.
#[test]
fn lines_mean_what_they_mean_to_alertmanager() {
    use Operator::{Equal, NotEqual, NotRegex, Regex};
    let table = [
        ("{foo=bar}", "foo", Equal, "bar"),
        ("{foo=bar,}", "foo", Equal, "bar"),
        ("{ foo = bar , }", "foo", Equal, "bar"),
        ("foo=bar", "foo", Equal, "bar"),
        ("foo=bar,", "foo", Equal, "bar"),
        ("foo!=bar", "foo", NotEqual, "bar"),
        ("foo=~[a-z]+", "foo", Regex, "[a-z]+"),
        ("foo!~[a-z]+", "foo", NotRegex, "[a-z]+"),
        (r#"{"foo"="bar"}"#, "foo", Equal, "bar"),
        (r#""foo"=~"[a-z]+","#, "foo", Regex, "[a-z]+"),
        ("foo=🙂bar", "foo", Equal, "🙂bar"),
        ("Σ=1", "Σ", Equal, "1"),
        ("команда=база", "команда", Equal, "база"),
        (r#""my label"="x y""#, "my label", Equal, "x y"),
        (r#""foo"="\xf0\x9f\x99\x82""#, "foo", Equal, "🙂"),
        (r#""foo"="\U0001f642\u0041\101""#, "foo", Equal, "🙂AA"),
        (r#"{"foo"="bar\n"}"#, "foo", Equal, "bar\n"),
        (r#"{"foo"="bar\t"}"#, "foo", Equal, "bar\t"),
        (r#"{"foo"="\"bar\""}"#, "foo", Equal, "\"bar\""),
        (r#"{"foo"="bar\\"}"#, "foo", Equal, r"bar\"),
        (r#"foo="a,b""#, "foo", Equal, "a,b"),
        (r#"foo="""#, "foo", Equal, ""),
        (r#"foo="{}""#, "foo", Equal, "{}"),
    ];
    for (line, name, operator, value) in table {
        assert_eq!(parse_matchers(line), Ok(one(name, operator, value)), "{line}");
    }
}

#[test]
fn what_only_the_classic_parser_takes_is_taken() {
    use Operator::{Equal, Regex};
    let table = [
        ("foo=", "foo", Equal, ""),
        ("foo=a b", "foo", Equal, "a b"),
        ("foo=bar}", "foo", Equal, "bar"),
        ("{foo=bar", "foo", Equal, "bar"),
        ("foo==bar", "foo", Equal, "=bar"),
        ("foo=~bar|baz.+", "foo", Regex, "bar|baz.+"),
        (r"foo=bar\n", "foo", Equal, "bar\n"),
        (r"foo=bar\w", "foo", Equal, r"bar\w"),
        (r#"foo=~"\d+\.\w""#, "foo", Regex, r"\d+\.\w"),
        (r"foo=bar\", "foo", Equal, r"bar\"),
        ("foo='bar'", "foo", Equal, "'bar'"),
        ("foo=\"a\nb\"", "foo", Equal, "a\nb"),
    ];
    for (line, name, operator, value) in table {
        assert_eq!(parse_matchers(line), Ok(one(name, operator, value)), "{line:?}");
    }
}

/// `\t` in quotes is a tab for the UTF-8 parser and a literal backslash for the classic one.
#[test]
fn where_both_parsers_disagree_the_classic_one_is_believed() {
    assert_eq!(parse_matchers(r#"foo="bar\t""#), Ok(one("foo", Operator::Equal, r"bar\t")));
    assert_eq!(utf8::parse(r#"foo="bar\t""#), Ok(one("foo", Operator::Equal, "bar\t")));
}

#[test]
fn a_line_may_hold_several_matchers_or_none() {
    let pair = [one("foo", Operator::Equal, "bar,x"), one("bar", Operator::NotEqual, "baz")];
    for line in [r#"{foo="bar,x",bar!=baz}"#, r#" foo = "bar,x" , bar != baz , "#] {
        assert_eq!(parse_matchers(line), Ok(pair.concat()), "{line}");
    }
    for line in ["", "{}", "  "] {
        assert_eq!(parse_matchers(line), Ok(Vec::new()), "{line}");
    }
}

#[test]
fn refused_lines_say_where_and_what() {
    let table = [
        (",", "column 1: expected a label name, found ','"),
        ("{,}", "column 2: expected a label name, found ','"),
        ("foo", "column 4: expected one of = != =~ !~, found the end"),
        ("foo bar", "column 5: expected one of = != =~ !~, found 'b'"),
        ("foo!bar", "column 4: expected one of = != =~ !~, found '!'"),
        ("0foo!", "column 5: expected one of = != =~ !~, found '!'"),
        ("=bar", "column 1: expected a label name, found '='"),
        ("'foo'=bar", "column 1: expected a label name, found '\\''"),
        ("foo=bar,,", "column 9: expected a label name, found ','"),
        ("имя=", "column 5: expected a value, found the end"),
        ("имя=x}", "column 6: expected a comma or the end of the line, found '}'"),
        ("{имя=x", "column 7: expected a comma or a closing brace, found the end"),
        ("{имя=x}}", "column 8: expected the end of the line, found '}'"),
        (r#"foo="bar"#, "column 5: the quote is never closed"),
        (r#"foo:="bar"baz"#, "column 11: expected a comma or the end of the line, found 'b'"),
        (r#""foo"="\w""#, r"column 8: \w is no escape sequence (a backslash is written \\)"),
        (r#""foo"="\xf0\x9f""#, "column 7: the escapes spell no valid UTF-8"),
        (r#""foo"="\777""#, r"column 8: \7 is no escape sequence (a backslash is written \\)"),
        ("foo=~a(b", r#"the regular expression "a(b" is not valid: unclosed group"#),
        ("foo=~a)(b", r#"the regular expression "a)(b" is not valid: unopened group"#),
    ];
    for (line, message) in table {
        let error = parse_matchers(line).unwrap_err();
        assert_eq!(error.to_string(), message, "{line}");
    }
}

#[test]
fn regular_expressions_must_match_the_whole_value() {
    let matcher = &parse_matchers("team=~db|infra").unwrap()[0];
    assert!(matcher.matches("db") && matcher.matches("infra"));
    assert!(!matcher.matches("dbx") && !matcher.matches("xinfra") && !matcher.matches(""));
    let not = &parse_matchers("team!~db|infra").unwrap()[0];
    assert!(!not.matches("db") && not.matches("dbx") && not.matches(""));
}

proptest! {
    #[test]
    fn printing_and_reading_gives_the_same_matcher(name in "\\PC{1,8}", value in any::<String>()) {
        for operator in [Operator::Equal, Operator::NotEqual] {
            let matcher = Matcher::new(name.as_str(), operator, value.as_str()).unwrap();
            prop_assert_eq!(parse_matchers(&matcher.to_string()), Ok(vec![matcher]));
        }
    }

    #[test]
    fn any_line_is_taken_or_refused_without_a_panic(
        line in r#"[{},=!~"\\ a-zя'`]{0,24}"#,
        other in any::<String>(),
    ) {
        let _ = parse_matchers(&line);
        let _ = parse_matchers(&other);
    }
}
