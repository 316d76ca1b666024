//! What Alertmanager's `amtool config routes test` says of the same expressions and values.

use proptest::prelude::*;

use super::super::{Matcher, Operator, compile};

#[test]
fn an_expression_matches_what_it_matches_in_alertmanager() {
    // The expression, values that it takes, values that it does not take.
    let table: [(&str, &[&str], &[&str]); 66] = [
        ("/api/{id}", &["/api/{id}"], &["/api/id"]),
        ("{", &["{"], &[""]),
        ("}", &["}"], &[""]),
        ("]", &["]"], &[""]),
        ("x{2", &["x{2"], &["xx"]),
        ("x{2}", &["xx"], &["x{2}", "x"]),
        ("x{2,}", &["xx", "xxx"], &["x"]),
        ("x{2,3}", &["xx", "xxx"], &["x", "xxxx"]),
        ("x{,5}", &["x{,5}"], &["xx"]),
        ("x{02}", &["x{02}"], &["xx"]),
        ("x{ 2 }", &["x{ 2 }"], &["xx"]),
        (r"\Qa.b\E", &["a.b"], &["axb"]),
        (r"\Qa.b\E+", &["a.b", "a.bb"], &["a.ba.b"]),
        (r"x\Q\E", &["x"], &[""]),
        (r"\Qa\Eb", &["ab"], &["a"]),
        ("[[a]", &["[", "a"], &["[a", "]"]),
        ("[a[b]", &["a", "[", "b"], &["]"]),
        ("[[b]]", &["b]", "[]"], &["b"]),
        ("[a&&b]", &["a", "&", "b"], &[""]),
        ("[a~~b]", &["a", "~", "b"], &[""]),
        ("[a-b--z]", &["a", "c", "z", "-"], &["!"]),
        ("[a-b-c]", &["a", "b", "-", "c"], &["d"]),
        ("[a-]", &["a", "-"], &["b"]),
        ("[-a]", &["a", "-"], &["b"]),
        ("[]a]", &["]", "a"], &["b"]),
        ("[^]a]", &["b", "\n"], &["]", "a"]),
        (r"[\d-z]", &["1", "-", "z"], &["a"]),
        (r"[\w-z]", &["a", "-"], &["."]),
        (r"\d", &["3"], &["٣", "a"]),
        (r"\D", &["٣", "a"], &["3"]),
        (r"\w", &["a", "_", "9"], &["я", "é"]),
        (r"\W", &["я", "."], &["a"]),
        (r"\s", &[" ", "\t", "\n"], &["\u{a0}", "\u{b}"]),
        (r"\S", &["\u{a0}", "\u{b}", "x"], &[" "]),
        (r"[\d_]+", &["3_3"], &["٣"]),
        (r"[^\d]", &["٣"], &["3"]),
        (r"[\D3]", &["3", "٣"], &["4"]),
        (r"[\W\s]+", &["я ."], &["a"]),
        (r".*\bdb\b.*", &["db", "a db.", "яdbя"], &["adb", "db1"]),
        (r".*\bя.*", &[], &["я", " я"]),
        (r"я\Bя", &["яя"], &[]),
        (r"a\Bb", &["ab"], &[]),
        (r"(?i)\w", &["K", "\u{212a}"], &["я"]),
        (r"(?i)\W", &["я"], &["k", "\u{212a}"]),
        ("(?i)db|INFRA", &["DB", "infra"], &["dbx"]),
        ("(?i:a)B", &["AB", "aB"], &["ab"]),
        ("(?s).", &["\n"], &[""]),
        (".", &["я"], &["\n"]),
        ("(?U)a+", &["aa"], &[""]),
        ("(?P<n>a)b", &["ab"], &["a"]),
        ("(?P<1>a)b", &["ab"], &["a"]),
        ("(?:a|b)c", &["ac", "bc"], &["c"]),
        ("(|a)b", &["b", "ab"], &["a"]),
        ("()", &[""], &["a"]),
        (r"\pL\PL", &["я1"], &["11"]),
        (r"\p{Greek}\P{Greek}", &["αa"], &["aα"]),
        (r"\p{^L}\P{^L}", &["1я"], &["я1"]),
        ("[[:word:]][[:^alpha:]]", &["a1"], &["aa", "я1"]),
        (r"\x41\x{42}\103\0", &["ABC\0"], &["ABC"]),
        (r"[\x41-\x{43}]", &["B"], &["D"]),
        (r"\a\f\n\r\t\v", &["\u{7}\u{c}\n\r\t\u{b}"], &[""]),
        (r"\<a\>", &["<a>"], &["a"]),
        (r"\b{start}a", &[], &["a"]),
        (r"\_\-\#\ \&", &["_-# &"], &[""]),
        (r"\Aa\z", &["a"], &["b"]),
        ("#[&] ~", &["#& ~"], &["#"]),
    ];
    for (pattern, taken, refused) in table {
        let matcher = Matcher::new("x", Operator::Regex, pattern).unwrap_or_else(|e| panic!("{e}"));
        for (values, expected) in [(taken, true), (refused, false)] {
            for value in values {
                assert_eq!(matcher.matches(value), expected, "{pattern} over {value:?}");
            }
        }
    }
}

#[test]
fn what_alertmanager_refuses_says_why() {
    let table = [
        (r"\C", r"\C is no escape sequence here"),
        (r"\Z", r"\Z is no escape sequence here"),
        (r"\1", r"\1 is no escape sequence here"),
        (r"\я", r"\я is no escape sequence here"),
        (r"\u0041", r"\u is no escape sequence here"),
        (r"\x4", r"\x is no escape sequence here"),
        (r"\x{}", r"\x is no escape sequence here"),
        (r"[\b]", r"\b is no escape sequence here"),
        (r"[a-\d]", r"\d is no escape sequence here"),
        (r"[\Qa]\E]", r"\Q is no escape sequence here"),
        ("a\\", "it ends in a backslash"),
        (r"\Qa.b", r"\Q has no \E behind it"),
        ("[a", "a [ has no ] behind it"),
        ("[]", "a [ has no ] behind it"),
        ("[[:alpha:", "a [ has no ] behind it"),
        ("[[:foo:]]", "[:foo:] is no set of characters"),
        ("[z-a]", "the range z-a runs backwards"),
        (r"\p{sc=Greek}", r"\p{sc=Greek} is no set of characters"),
        ("(?=a)", "(?= begins no group that RE2 has; its flags are i, m, s and U"),
        ("(?<=a)", "(?< begins no group that RE2 has; its flags are i, m, s and U"),
        ("(?x)a b", "(?x begins no group that RE2 has; its flags are i, m, s and U"),
        ("(?P<>a)", "a group's name is letters, digits and _ between < and >"),
        ("a(b", "unclosed group"),
        ("*a", "repetition operator missing expression"),
    ];
    for (pattern, reason) in table {
        let told = compile(pattern).unwrap_err().to_string();
        assert_eq!(told, format!("the regular expression {pattern:?} is not valid: {reason}"));
    }
}

proptest! {
    #[test]
    fn quoted_text_matches_itself_alone(text in "\\PC{0,12}", other in "\\PC{0,12}") {
        prop_assume!(!text.contains("\\E") && !text.ends_with('\\'));
        let matcher = Matcher::new("x", Operator::Regex, format!("\\Q{text}\\E")).unwrap();
        prop_assert!(matcher.matches(&text));
        prop_assert_eq!(matcher.matches(&other), text == other);
    }

    #[test]
    fn any_text_is_an_expression_or_refused_without_a_panic(
        pattern in r"[\[\](){}\\^$.|?*+:,\-&~<>=!a-eQEPdwsbxpiя0-9]{0,16}",
    ) {
        let _ = compile(&pattern);
    }
}
