//! Which form of a noun goes with a whole number: conditions written as in Unicode's CLDR, such
//! as `n % 10 = 2..4 and n % 100 != 12..14`.

use serde::Deserialize;

/// A condition on a number.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Rule {
    /// Any of these must hold; of each, all.
    any: Vec<Vec<Relation>>,
}

#[derive(Debug)]
struct Relation {
    modulus: Option<u64>,
    negated: bool,
    ranges: Vec<(u64, u64)>,
}

impl Rule {
    pub fn holds(&self, number: u64) -> bool {
        self.any.iter().any(|all| all.iter().all(|relation| relation.holds(number)))
    }
}

impl Relation {
    fn holds(&self, number: u64) -> bool {
        let value = self.modulus.map_or(number, |modulus| number % modulus);
        self.ranges.iter().any(|(from, to)| (*from..=*to).contains(&value)) != self.negated
    }

    /// Reads `n [% NUMBER] (=|!=) RANGE, …`.
    fn read(text: &str) -> Option<Self> {
        let (left, right) = text.split_once('=')?;
        let (left, negated) = match left.strip_suffix('!') {
            Some(left) => (left, true),
            None => (left, false),
        };
        let modulus = match left.trim().strip_prefix('n')?.trim() {
            "" => None,
            rest => Some(rest.strip_prefix('%')?.trim().parse().ok().filter(|by| *by > 0)?),
        };
        let range = |text: &str| {
            let (from, to) = text.split_once("..").unwrap_or((text, text));
            Some((from.trim().parse().ok()?, to.trim().parse().ok()?))
        };
        Some(Self { modulus, negated, ranges: right.split(',').map(range).collect::<Option<_>>()? })
    }
}

impl TryFrom<String> for Rule {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let any = text.split(" or ").map(|all| all.split(" and ").map(Relation::read).collect());
        let any = any.collect::<Option<_>>().ok_or_else(|| format!("{text:?} is no condition"))?;
        Ok(Self { any })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(rule: &str) -> Vec<u64> {
        let rule = Rule::try_from(rule.to_owned()).unwrap();
        (0..=30).filter(|number| rule.holds(*number)).collect()
    }

    #[test]
    fn conditions_are_read_as_cldr_writes_them() {
        assert_eq!(holds("n = 1"), [1]);
        assert_eq!(holds("n % 10 = 1 and n % 100 != 11"), [1, 21]);
        assert_eq!(holds("n % 10 = 2..4 and n % 100 != 12..14"), [2, 3, 4, 22, 23, 24]);
        assert_eq!(holds("n = 0,7..8 or n = 30"), [0, 7, 8, 30]);
    }

    #[test]
    fn what_is_no_condition_is_refused() {
        for text in ["", "n", "x = 1", "n % 0 = 1", "n = a", "n % 10 = 1 and"] {
            assert!(Rule::try_from(text.to_owned()).is_err(), "{text:?}");
        }
    }
}
