//! The small languages inside values: durations and sizes.

use std::time::Duration;

/// Prometheus' units, in the order in which they may follow one another, in milliseconds.
const UNITS: [(&str, u64); 7] = [
    ("y", 365 * 24 * 3_600_000),
    ("w", 7 * 24 * 3_600_000),
    ("d", 24 * 3_600_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Longer than any setting needs; keeps sums of durations and dates in range.
const LONGEST: u64 = 100 * UNITS[0].1;

/// Reads a duration as Prometheus writes it: `30s`, `1h30m`, `1d`, `0`. `None` when it is none.
pub(super) fn duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text;
    let mut units = UNITS.iter();
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        let unit_end = rest[digits..]
            .find(|c: char| c.is_ascii_digit())
            .map_or(rest.len(), |length| digits + length);
        let unit = &rest[digits..unit_end];
        // `find` goes on where the unit before was found: each unit once, largest first.
        let (_, milliseconds) = units.find(|(name, _)| *name == unit)?;
        total = total.checked_add(number.checked_mul(*milliseconds)?)?;
        rest = &rest[unit_end..];
    }
    (!text.is_empty() && total <= LONGEST).then(|| Duration::from_millis(total))
}

/// Reads a size in bytes: `1048576` or with a unit, `512MiB`, `2GiB`. `None` when it is none.
pub(super) fn bytes(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let shift = match text[digits..].trim_start() {
        "" | "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        "TiB" => 40,
        _ => return None,
    };
    text[..digits].parse::<u64>().ok()?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_prometheus_reads_them() {
        let table = [
            ("0", 0),
            ("0s", 0),
            ("250ms", 250),
            ("30s", 30_000),
            ("2m", 120_000),
            ("1h30m", 5_400_000),
            ("1d", 86_400_000),
            ("1w", 604_800_000),
            ("1y2w3d4h5m6s7ms", 33_019_506_007),
        ];
        for (text, milliseconds) in table {
            assert_eq!(duration(text), Some(Duration::from_millis(milliseconds)), "{text}");
        }
    }

    #[test]
    fn what_prometheus_refuses_is_no_duration() {
        for text in [
            "",
            "30",
            "s",
            "-1s",
            "1.5h",
            "30 s",
            "1m1h",
            "1h1h",
            "1S",
            "1min",
            "1h30",
            "ä",
            "1ä",
            "999y",
            "99999999999999999999s",
        ] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn sizes_take_binary_units() {
        assert_eq!(bytes("1048576"), Some(1 << 20));
        assert_eq!(bytes("2GiB"), Some(2 << 30));
        assert_eq!(bytes("512 MiB"), Some(512 << 20));
        for text in ["", "GiB", "2GB", "2gib", "-1", "1.5GiB", "99999999999TiB"] {
            assert_eq!(bytes(text), None, "{text}");
        }
    }
}
