//! Alertmanager's hash of a label set, for senders that leave it out.

use crate::alert::Labels;

/// FNV-1a, 64 bit: the offset basis and the prime.
const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;
/// Stands after every name and value; it occurs in no UTF-8 text.
const SEPARATOR: u8 = 0xff;

/// The fingerprint as Alertmanager prints it: 16 hex digits over the labels in order of name
/// (`labelSetToFingerprint` in prometheus/common).
pub(super) fn of(labels: &Labels) -> String {
    let mut hash = OFFSET;
    let mut add = |byte: u8| hash = (hash ^ u64::from(byte)).wrapping_mul(PRIME);
    for (name, value) in labels {
        name.bytes().for_each(&mut add);
        add(SEPARATOR);
        value.bytes().for_each(&mut add);
        add(SEPARATOR);
    }
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_label_set_has_the_hash_that_prometheus_gives_it() {
        assert_eq!(of(&Labels::new()), "cbf29ce484222325");
    }

    #[test]
    fn names_and_values_are_kept_apart() {
        let of = |name: &str, value: &str| of(&Labels::from([(name.into(), value.into())]));
        assert_ne!(of("ab", "c"), of("a", "bc"));
    }
}
