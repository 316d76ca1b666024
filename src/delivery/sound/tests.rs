use super::*;

const WEEK: [Weekday; 7] = [
    Weekday::Monday,
    Weekday::Tuesday,
    Weekday::Wednesday,
    Weekday::Thursday,
    Weekday::Friday,
    Weekday::Saturday,
    Weekday::Sunday,
];

fn time(text: &str) -> Time {
    text.parse().unwrap()
}

/// Quiet hours as the configuration writes them; `24:00` is the day's end.
fn quiet(from: &str, to: &str, days: &[Weekday]) -> QuietHours {
    let to = if to == "24:00" { Time::midnight() } else { time(to) };
    QuietHours { from: time(from), to, days: days.to_vec() }
}

fn at(text: &str) -> ZonedDateTime {
    text.parse().unwrap()
}

/// Every combination of settings, time, severity and kind. The letters of a column are the kinds
/// that ring: Card, News, Ended, Reminder.
const RINGS: &str = "
    settings   time   critical  warning  info  page  none
    default    day    CN.R      CN.R     CN.R  CN.R  CN.R
    default    night  CN.R      CN.R     CN.R  CN.R  CN.R
    ends       day    CNER      CNER     CNER  CNER  CNER
    ends       night  CNER      CNER     CNER  CNER  CNER
    few        day    CN..      CN..     CN..  CN..  CN..
    few        night  CN..      CN..     CN..  CN..  CN..
    no-info    day    CN.R      CN.R     ....  CN.R  CN.R
    no-info    night  CN.R      CN.R     ....  CN.R  CN.R
    quiet      day    CN.R      CN.R     CN.R  CN.R  CN.R
    quiet      night  CN.R      ....     ....  CN.R  CN.R
    both       day    CN..      CN..     ....  CN..  CN..
    both       night  CN..      ....     ....  CN..  CN..
    mute       day    ....      CN.R     CN.R  CN.R  CN.R
    mute       night  ....      CN.R     CN.R  CN.R  CN.R
";

#[test]
fn a_message_rings_by_its_kind_its_severity_the_time_and_the_chats_wishes() {
    let default = Sound::default();
    let night = vec![quiet("22:00", "08:00", &WEEK)];
    let sound = |name: &str| match name {
        "default" => default.clone(),
        "ends" => Sound { silent_kinds: vec![], ..default.clone() },
        "few" => Sound { silent_kinds: vec![Kind::Ended, Kind::Reminder], ..default.clone() },
        "no-info" => Sound { silent_severities: vec!["Info".into()], ..default.clone() },
        "quiet" => Sound { quiet_hours: night.clone(), ..default.clone() },
        "both" => Sound {
            silent_severities: vec!["info".into()],
            silent_kinds: vec![Kind::Ended, Kind::Reminder],
            quiet_hours: night.clone(),
        },
        "mute" => Sound { silent_severities: vec!["critical".into()], ..default.clone() },
        other => panic!("no settings are called {other}"),
    };
    let mut lines =
        RINGS.lines().map(str::split_whitespace).filter(|line| line.clone().count() > 0);
    let severities: Vec<&str> = lines.next().unwrap().skip(2).collect();
    let mut judged = 0;
    for mut line in lines {
        let (settings, hour) = (line.next().unwrap(), line.next().unwrap());
        let now = match hour {
            "day" => at("2026-11-03T12:00+05[Asia/Almaty]"),
            _ => at("2026-11-03T03:00+05[Asia/Almaty]"),
        };
        for (severity, letters) in severities.iter().zip(line) {
            let severity = if *severity == "none" { "" } else { severity };
            for (kind, letter) in
                [(Kind::Card, 'C'), (Kind::News, 'N'), (Kind::Ended, 'E'), (Kind::Reminder, 'R')]
            {
                let rings = sound(settings).rings(kind, severity, &now, &Severities::default());
                let wanted = letters.contains(letter);
                assert_eq!(rings, wanted, "{settings}, {hour}, {severity:?}, {kind:?}");
                judged += 1;
            }
        }
    }
    assert_eq!(judged, 7 * 2 * 5 * 4);
}

#[test]
fn the_first_severity_of_the_configuration_and_what_is_called_critical_are_never_muted() {
    let sound = Sound { quiet_hours: vec![quiet("00:00", "24:00", &WEEK)], ..Sound::default() };
    let now = at("2026-11-03T03:00+00[UTC]");
    let rings = |severity, severities: &[&str]| {
        let severities = Severities::new(severities.iter().map(|name| (*name).to_owned()));
        sound.rings(Kind::Card, severity, &now, &severities)
    };
    assert!(rings("PAGE", &["page", "ticket"]));
    assert!(!rings("ticket", &["page", "ticket"]));
    assert!(rings("critical", &["page", "ticket"]), "nobody said that it is less");
    for name in ["critical", "Critical", "CRITICAL"] {
        assert!(
            rings(name, &["page", "critical", "ticket"]),
            "{name}: the word itself says enough"
        );
    }
    assert!(rings("page", &["page", "critical", "ticket"]));
    assert!(!rings("ticket", &["page", "critical", "ticket"]));
    assert!(rings("info", &[]), "without an order there is nothing less than the worst");
}

#[test]
fn quiet_hours_begin_and_end_on_the_minute_and_go_over_midnight() {
    let night = quiet("22:00", "08:00", &WEEK);
    let lunch = quiet("12:00", "13:30", &WEEK);
    let evening = quiet("18:00", "24:00", &WEEK);
    let whole = quiet("00:00", "24:00", &WEEK);
    let same = quiet("09:00", "09:00", &WEEK);
    for (time, covered) in [
        ("00:00:00", [true, false, false, true, true]),
        ("07:59:59", [true, false, false, true, true]),
        ("08:00:00", [false, false, false, true, true]),
        ("12:00:00", [false, true, false, true, true]),
        ("13:29:59", [false, true, false, true, true]),
        ("13:30:00", [false, false, false, true, true]),
        ("17:59:59", [false, false, false, true, true]),
        ("21:59:59", [false, false, true, true, true]),
        ("22:00:00", [true, false, true, true, true]),
        ("23:59:59", [true, false, true, true, true]),
    ] {
        let now = at(&format!("2026-11-03T{time}+05[Asia/Almaty]"));
        let found = [&night, &lunch, &evening, &whole, &same].map(|hours| hours.cover(&now));
        assert_eq!(found, covered, "{time}");
    }
}

#[test]
fn days_are_those_on_which_the_quiet_hours_begin() {
    // 2026-11-06 is a Friday.
    let friday = quiet("22:00", "08:00", &[Weekday::Friday]);
    let weekend = quiet("00:00", "24:00", &[Weekday::Saturday, Weekday::Sunday]);
    for (now, covered) in [
        ("2026-11-06T07:00", [false, false]),
        ("2026-11-06T23:00", [true, false]),
        ("2026-11-07T07:00", [true, true]),
        ("2026-11-07T23:00", [false, true]),
        ("2026-11-08T23:59", [false, true]),
        ("2026-11-09T00:00", [false, false]),
    ] {
        let now = at(&format!("{now}+05[Asia/Almaty]"));
        assert_eq!([&friday, &weekend].map(|hours| hours.cover(&now)), covered, "{now}");
    }
}

#[test]
fn the_chats_own_time_counts() {
    let night = quiet("22:00", "08:00", &WEEK);
    let moment: Timestamp = "2026-11-03T18:00:00Z".parse().unwrap();
    assert!(night.cover(&moment.in_tz("Asia/Almaty").unwrap()), "23:00 there");
    assert!(!night.cover(&moment.in_tz("Europe/Berlin").unwrap()), "19:00 there");
}

#[test]
fn on_the_days_on_which_clocks_change_the_night_is_as_long_as_it_is() {
    let night = quiet("22:00", "08:00", &WEEK);
    // In Berlin the night to 29 March 2026 has no 02:30, the one to 25 October has it twice.
    for (from, hours) in [("2026-03-28", 9), ("2026-10-24", 11), ("2026-06-01", 10)] {
        let start = at(&format!("{from}T12:00[Europe/Berlin]"));
        let quiet_minutes = (0..24 * 60)
            .filter(|minute| night.cover(&(&start + jiff::SignedDuration::from_mins(*minute))))
            .count();
        assert_eq!(quiet_minutes, hours * 60, "the night after {from}");
    }
}

#[test]
fn a_time_that_comes_twice_or_never_makes_quiet_hours_shorter() {
    let minutes = |hours: &QuietHours, day: &str| {
        let start = at(&format!("{day}T00:00[Europe/Berlin]"));
        (0..12 * 60)
            .filter(|minute| hours.cover(&(&start + jiff::SignedDuration::from_mins(*minute))))
            .count()
    };
    let (spring, autumn) = ("2026-03-29", "2026-10-25");
    let until = quiet("01:00", "02:30", &WEEK);
    let since = quiet("02:30", "04:00", &WEEK);
    assert_eq!(minutes(&until, "2026-06-01"), 90);
    assert_eq!(minutes(&until, spring), 30, "it ends when 02:30 would have been, less an hour");
    assert_eq!(minutes(&until, autumn), 90, "it ends at the first 02:30");
    assert_eq!(minutes(&since, spring), 30, "it begins when 02:30 would have been, plus an hour");
    assert_eq!(minutes(&since, autumn), 90, "it begins at the second 02:30");
    assert_eq!(minutes(&quiet("02:10", "02:50", &WEEK), spring), 0);
}
