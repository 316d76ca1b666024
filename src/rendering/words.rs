//! Times, durations and severities, as people read them.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::Language;
use super::language::Units;

/// A duration as people say it, in its two biggest units: `45 s`, `12 min`, `3 h 5 min`, `2 d 4 h`.
pub fn duration(seconds: i64, language: Language) -> String {
    let seconds = seconds.max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let Units { second, minute, hour, day } = &language.words().units;
    let (big, big_unit, small, small_unit) = if days > 0 {
        (days, day, hours % 24, hour)
    } else if hours > 0 {
        (hours, hour, minutes % 60, minute)
    } else if minutes > 0 {
        (minutes, minute, 0, second)
    } else {
        (seconds, second, 0, minute)
    };
    if small == 0 {
        format!("{big} {big_unit}")
    } else {
        format!("{big} {big_unit} {small} {small_unit}")
    }
}

/// A time of day in `timezone`, with the date when it is not `now`'s and the year when that
/// differs too; marked when the zone is UTC.
pub fn clock(time: Timestamp, now: Timestamp, timezone: &TimeZone, language: Language) -> String {
    let (local, today) = (timezone.to_datetime(time), timezone.to_datetime(now));
    let hour = format!("{:02}:{:02}", local.hour(), local.minute());
    let zone = if *timezone == TimeZone::UTC { " UTC" } else { "" };
    if local.date() == today.date() {
        return format!("{hour}{zone}");
    }
    let words = language.words();
    let this_year = local.year() == today.year();
    let date = if this_year { &words.date } else { &words.date_with_year };
    let month = usize::try_from(local.month() - 1).unwrap_or_default();
    let date = date
        .replace("{month}", &words.months[month])
        .replace("{day}", &local.day().to_string())
        .replace("{year}", &local.year().to_string());
    format!("{date} {hour}{zone}")
}

/// How bad a severity is shown: in colour, worst in red.
pub fn severity_emoji(severity: &str) -> &'static str {
    well_known(severity).unwrap_or("🔥")
}

/// The colour of a severity whose name says how bad it is.
pub fn well_known(severity: &str) -> Option<&'static str> {
    Some(match severity.to_ascii_lowercase().as_str() {
        "critical" | "crit" | "page" | "emergency" | "fatal" | "disaster" | "p1" => "🔴",
        "error" | "major" | "high" | "p2" => "🟠",
        "warning" | "warn" | "minor" | "medium" | "p3" => "🟡",
        "info" | "notice" | "low" | "p4" => "🔵",
        "none" | "debug" => "⚪",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_said_in_their_two_biggest_units() {
        for (seconds, en, ru) in [
            (-5, "0 s", "0 с"),
            (59, "59 s", "59 с"),
            (720, "12 min", "12 мин"),
            (3600, "1 h", "1 ч"),
            (11_100, "3 h 5 min", "3 ч 5 мин"),
            (187_300, "2 d 4 h", "2 д 4 ч"),
        ] {
            assert_eq!(duration(seconds, Language::EN), en);
            assert_eq!(duration(seconds, Language::from_code("ru").unwrap()), ru);
        }
    }

    #[test]
    fn times_are_local_and_name_the_date_only_when_it_helps() {
        let now: Timestamp = "2026-11-03T10:00:00Z".parse().unwrap();
        let almaty = TimeZone::get("Asia/Almaty").unwrap();
        for (time, zone, language, said) in [
            ("2026-11-03T09:05:00Z", &almaty, "ru", "14:05"),
            ("2026-11-02T09:05:00Z", &almaty, "ru", "2 ноя 14:05"),
            ("2026-11-02T09:05:00Z", &almaty, "en", "Nov 2 14:05"),
            ("2025-05-02T09:05:00Z", &almaty, "kk", "2025 ж. 2 мам 14:05"),
            ("2025-05-02T09:05:00Z", &TimeZone::UTC, "en", "May 2 2025 09:05 UTC"),
        ] {
            let language = Language::from_code(language).unwrap();
            assert_eq!(clock(time.parse().unwrap(), now, zone, language), said);
        }
    }
}
