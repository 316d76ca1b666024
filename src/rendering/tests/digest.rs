//! What a digest says of groups that are much alike.

use std::collections::HashSet;

use super::*;

/// What a digest says of a group with these labels beside its name, all of which it is grouped by.
fn glance(grouped_by: &[(&str, &str)]) -> Glance {
    let mut one = alert("x", "warning");
    one.labels = labels(grouped_by);
    one.labels.extend(labels(&[("alertname", "DiskFull"), ("severity", "warning")]));
    let mut state = group(vec![one]);
    state.group_labels.clone_from(&state.alerts[0].labels);
    Renderer::default().glance(&scene(&state))
}

/// What stands behind the number of groups in a digest's only line; each told apart by a comma.
fn told(glances: &[Glance]) -> (String, Vec<String>) {
    let head = Head::Storm { totals: &[], late: 0 };
    let (part, taken) = Renderer::default().digest(head, glances, Language::EN);
    let text = markup::parse_html(&part.html).unwrap().text.replace('\u{2060}', "");
    let (start, list) = text.split_once(&format!("×{taken}\n")).expect(&text);
    let start = start.lines().last().unwrap_or_default().to_owned();
    (start, list.split(", ").map(str::to_owned).collect())
}

#[test]
fn groups_that_differ_in_any_group_label_are_told_apart() {
    let disks: Vec<Glance> = (0..40)
        .map(|number| {
            glance(&[("instance", "db-1:9100"), ("mountpoint", &format!("/mnt/vol{number:02}"))])
        })
        .collect();
    let (start, said) = told(&disks);
    assert_eq!(start, "🟡 DiskFull · db-1:9100 ");
    let wanted: Vec<String> = (0..40).map(|number| format!("/mnt/vol{number:02}")).collect();
    assert_eq!(said, wanted);
}

#[test]
fn more_groups_than_fit_are_told_apart_when_they_are_cut() {
    let grouped = |number: usize| {
        let instance = format!("db-{:02}.a-long-name.example.org:9100", number / 30);
        let path = format!("/var/lib/a/long/path/to/vol{:02}", number % 30);
        glance(&[("instance", &instance), ("mountpoint", &path), ("cluster", "fra")])
    };
    let glances: Vec<Glance> = (0..300).map(grouped).collect();
    let (_, said) = told(&glances);
    assert!(said.len() > 60, "they are short: {}", said.len());
    assert_eq!(said.iter().collect::<HashSet<_>>().len(), said.len(), "{said:?}");
}

#[test]
fn a_group_is_named_by_what_it_is_grouped_by_and_nothing_twice() {
    let long = "x".repeat(90);
    let cut = format!("{}…{}", "x".repeat(14), "x".repeat(14));
    for (grouped_by, place, also) in [
        (vec![("instance", "db-1"), ("mountpoint", "/a")], "db-1", "/a".to_owned()),
        (vec![("cluster", "fra"), ("pod", "a-0"), ("shard", "0")], "a-0", "0 fra".to_owned()),
        (vec![("instance", "db-1"), ("host", "db-1")], "db-1", String::new()),
        (vec![("team", "db"), ("rule", "DiskFull")], "", "db".to_owned()),
        (vec![("a", "1"), ("b", "2"), ("c", "3")], "", "1 2 3".to_owned()),
        (vec![("instance", "db-1"), ("a", &long), ("b", "2")], "db-1", format!("{cut} 2")),
        (vec![("instance", "db-1"), ("a", "✅ ok\n@all")], "db-1", "[✅] ok⏎ @all".to_owned()),
    ] {
        let glance = glance(&grouped_by);
        assert_eq!((&*glance.place, &*glance.also), (place, &*also), "{grouped_by:?}");
    }
}

#[test]
fn the_end_of_a_long_place_is_not_cut() {
    let pod = |end: &str| format!("{}-{end}", "a-very-long-name".repeat(5));
    let [one, other] = ["7d9f8", "x2k4j"].map(|end| glance(&[("pod", &pod(end))]));
    assert_ne!(one.place, other.place);
    assert_eq!(one.place.chars().count(), 60);
}
