//! What is refused or questioned, and in which words.

use super::*;

#[test]
fn all_faults_are_reported_at_once_in_the_order_of_the_file() {
    let text = r"
telegram: {bot_token: {file: /etc/hostname}, api_url: vault:8200}
chats:
  ops: {id: -1001234567890, timezone: Asia/Almati, langauge: ru}
  boss: {id: 0, topic: 1, language: de}
route:
  chats: [opps]
  updates: threads
  routes:
    - matchers: ['severity', 'a=~(']
      template: defualt
delivery: {dedup_window: 30, dead_after: 1 day, storm: {treshold: 30s}}
";
    assert_eq!(
        faults(text),
        [
            "nabat.yml:2: telegram.api_url: is no URL with http://, https:// and a host; \
             write it like https://api.telegram.org",
            "nabat.yml:4: chats.ops.langauge: unknown key; did you mean \"language\"?",
            "nabat.yml:4: chats.ops.timezone: \"Asia/Almati\" is no time zone; \
             did you mean \"Asia/Almaty\"?",
            "nabat.yml:5: chats.boss.id: no chat can have the id 0; \
             a group's id looks like -1001234567890, a private chat's like 123456789",
            "nabat.yml:5: chats.boss.topic: topic 1 is the group's general topic, \
             which Telegram wants unnamed; leave topic out",
            "nabat.yml:7: route.chats[0]: no chat is called \"opps\"; did you mean \"ops\"?",
            "nabat.yml:8: route.updates: \"threads\" is no way to show updates; \
             did you mean \"thread\"?",
            "nabat.yml:10: route.routes[0].matchers[0]: \"severity\" is no matcher: \
             column 9: expected one of = != =~ !~, found the end; \
             write it like severity=\"critical\"",
            "nabat.yml:10: route.routes[0].matchers[1]: \"a=~(\" is no matcher: \
             the regular expression \"(\" is not valid: unclosed group; mend the expression, or put \
             a backslash before what is meant literally; the syntax is RE2's, as in Alertmanager",
            "nabat.yml:11: route.routes[0].template: no template is called \"defualt\"; \
             did you mean \"default\"?",
            "nabat.yml:12: delivery.dedup_window: 30 has no unit; \
             write it like 30s, 2m, 1h30m, 1d or 1w",
            "nabat.yml:12: delivery.dead_after: \"1 day\" is no duration; \
             write it like 30s, 2m, 1h30m, 1d or 1w",
            "nabat.yml:12: delivery.storm.treshold: unknown key; did you mean \"threshold\"?",
        ]
    );
}

#[test]
fn wrong_types_say_what_is_there_and_what_should_be() {
    let text = with(
        "fallback_chat: 7\n\
         templates: x.hbs\n\
         delivery: {max_entries: many, max_bytes: [], severities: critical, dead_after: true}\n\
         alertmanagers: [main]\n",
    );
    assert_eq!(
        faults(&text),
        [
            "nabat.yml:4: fallback_chat: must be text, but is a number; put it in quotes",
            "nabat.yml:5: templates: must be a list, but is text; write it in brackets: [one, two]",
            "nabat.yml:6: delivery.dead_after: must be a duration, but is true or false; \
             write it like 30s, 2m, 1h30m, 1d or 1w",
            "nabat.yml:6: delivery.max_entries: must be a whole number, but is text; \
             write it without quotes or a unit",
            "nabat.yml:6: delivery.max_bytes: must be a size, but is a list; \
             write bytes or a binary unit: 512MiB, 2GiB",
            "nabat.yml:6: delivery.severities: must be a list, but is text; \
             write it in brackets: [one, two]",
            "nabat.yml:7: alertmanagers: must be a map, but is a list; \
             write a name and its settings under it",
        ]
    );
}

#[test]
fn what_must_be_there_is_asked_for() {
    assert_eq!(
        faults("vault: {}\n"),
        [
            "nabat.yml: telegram: is missing; give the bot's token: telegram: {bot_token: …}",
            "nabat.yml: chats: is missing; name at least one: chats: {ops: {id: -1001234567890}}",
            "nabat.yml:1: vault.address: is missing; write it like https://vault:8200",
            "nabat.yml:1: vault.auth: is missing; write {token: {file: PATH}} or \
             {approle: {role_id: …, secret_id: …}}",
        ]
    );
    assert_eq!(
        faults("telegram: {bot_token: {env: TOKEN}}\nchats: {a: {id: 5555555}, b: {}}\n"),
        [
            "nabat.yml: route: is missing; say who hears what: route: {chats: [a]}",
            "nabat.yml:2: chats.b.id: is missing; a group's id looks like -1001234567890, \
             a private chat's like 123456789",
        ]
    );
    assert_eq!(
        faults("# nothing\n"),
        ["nabat.yml: must be a map, but is empty; its keys are telegram, vault, chats, route, \
          fallback_chat, templates, delivery, heartbeats, images, alertmanagers"]
    );
}

#[test]
fn zero_is_refused_where_it_would_stop_everything() {
    let text = with(
        "delivery: {dead_after: 0s, max_entries: 0, max_bytes: 1MiB, storm: {threshold: 0}}\n\
         images: {allow: [grafana], max_bytes: 0, timeout: 0}\n",
    );
    assert_eq!(
        faults(&text),
        [
            "nabat.yml:4: delivery.dead_after: must be longer than zero; \
             leave it out for the default",
            "nabat.yml:4: delivery.max_entries: 0 is too small; at least 1",
            "nabat.yml:4: delivery.max_bytes: is too small for a webhook; at least 16MiB",
            "nabat.yml:4: delivery.storm.threshold: must be longer than zero; \
             leave it out for the default",
            "nabat.yml:5: images.max_bytes: is too small for a picture; at least 1KiB",
            "nabat.yml:5: images.timeout: must be longer than zero; leave it out for the default",
        ]
    );
    assert_eq!(
        faults(&with("delivery: {max_bytes: 0}\n")),
        ["nabat.yml:4: delivery.max_bytes: is too small for a webhook; at least 16MiB"]
    );
}

#[test]
fn chat_ids_that_are_probably_wrong_are_questioned() {
    let text = "telegram: {bot_token: {env: TOKEN}}\nroute: {chats: [a]}\nchats:\n  \
                a: {id: 123}\n  b: {id: 1001234567890}\n  c: {id: -123456, topic: 5}\n  \
                d: {id: '-1001234567890'}\n";
    assert_eq!(
        warnings(text),
        [
            "nabat.yml:4: chats.a.id: 123 is no group id; \
             groups start with -100 (ask Telegram: nabat check --live)",
            "nabat.yml:5: chats.b.id: 1001234567890 looks like a group's id without its minus; \
             groups start with -100 (ask Telegram: nabat check --live)",
            "nabat.yml:6: chats.c.topic: -123456 is not the id of a supergroup, \
             and only these have topics; a supergroup's id starts with -100",
        ]
    );
}

#[test]
fn ids_that_no_chat_can_have_are_refused() {
    for (id, problem) in [
        ("-1001234567890123", "no chat can have the id -1001234567890123"),
        ("'@ops'", "\"@ops\" is a name, not an id"),
        ("ops", "is no chat id"),
        ("1.5", "is no chat id"),
        ("99999999999999999999", "is no chat id"),
    ] {
        let text = with("").replace("123456789}", &format!("{id}}}"));
        let faults = faults(&text);
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(
            faults[0].starts_with(&format!("nabat.yml:2: chats.boss.id: {problem}; ")),
            "{faults:?}"
        );
    }
}

#[test]
fn a_chats_name_must_fit_into_a_url() {
    let text = "telegram: {bot_token: {env: TOKEN}}\nchats: {a/b: {id: 5555555}, ops: {id: 5555555}}\n\
                route: {chats: [ops]}\n";
    assert_eq!(
        faults(text),
        ["nabat.yml:2: chats: \"a/b\" is no usable name; \
          use 1 to 64 of the characters A-Z a-z 0-9 _ - and ."]
    );
}

#[test]
fn a_time_zone_can_be_found_by_its_city() {
    let text = with("").replace("{id: 123456789}", "{id: 123456789, timezone: almaty}");
    assert_eq!(
        faults(&text),
        ["nabat.yml:2: chats.boss.timezone: \"almaty\" is no time zone; \
          did you mean \"Asia/Almaty\"?"]
    );
}

#[test]
fn a_topic_is_not_inherited_by_other_chats() {
    let text = with("").replace(
        "{chats: [ops]}",
        "{chats: [ops], topic: 7, routes: [{matchers: [a=b]}, {chats: [boss]}]}",
    );
    let routes = parse(&text).unwrap().route.routes;
    let topic = TopicRule::Fixed(TopicId(7));
    assert_eq!((routes[0].topic.as_ref(), routes[1].topic.as_ref()), (Some(&topic), None));

    let text = with("").replace("{chats: [ops]}", "{chats: [ops, boss], topic: 7}");
    assert_eq!(
        faults(&text),
        ["nabat.yml:3: route.topic: one topic can't belong to 2 chats; \
          give each chat its own topic under chats"]
    );
}

#[test]
fn the_root_takes_everything_and_says_so() {
    let text = with("").replace("{chats: [ops]}", "{chats: [], matchers: [a=b], continue: true}");
    assert_eq!(
        faults(&text),
        [
            "nabat.yml:3: route.matchers: the root of the tree takes everything; \
             move it to a route below, under routes",
            "nabat.yml:3: route.continue: the root of the tree takes everything; \
             move it to a route below, under routes",
            "nabat.yml:3: route.chats: names no chat; \
             name one, or leave it out to keep the parent's",
        ]
    );
}

#[test]
fn a_chat_that_is_named_without_a_list_is_one_fault() {
    let text = with("").replace("{chats: [ops]}", "{chats: ops}");
    assert_eq!(
        faults(&text),
        ["nabat.yml:3: route.chats: must be a list, but is text; write it in brackets: [one, two]"]
    );
}

#[test]
fn a_route_that_can_never_apply_is_pointed_out() {
    let text =
        with("").replace("{chats: [ops]}", "{chats: [ops], routes: [{}, {matchers: [a=b]}]}");
    assert_eq!(
        warnings(&text),
        ["nabat.yml:3: route.routes[1]: never applies: route.routes[0] takes everything; \
          give that route matchers, or put it last"]
    );
}

#[test]
fn what_a_chat_wants_to_hear_is_checked() {
    let text = with("").replace(
        "{id: 123456789}",
        "{id: 123456789, silent: {severities: [], kinds: [card, reminders], sverities: [a]}, \
         quiet_hours: [{from: \"22:00\"}, {from: \"24:00\", to: \"8:00\"}, \
         {from: \"08:00\", to: \"08:00\"}, {from: \"22:00\", to: \"08:00\", days: [mon, monday]}]}",
    );
    assert_eq!(
        faults(&text),
        [
            "nabat.yml:2: chats.boss.silent.sverities: unknown key; did you mean \"severities\"?",
            "nabat.yml:2: chats.boss.silent.kinds[1]: \"reminders\" is no kind of message; \
             did you mean \"reminder\"?",
            "nabat.yml:2: chats.boss.quiet_hours[0].to: is missing; \
             write it like \"22:00\"; \"24:00\" ends a day",
            "nabat.yml:2: chats.boss.quiet_hours[1].from: \"24:00\" is no time of the day; \
             write it like \"22:00\"; \"24:00\" ends a day",
            "nabat.yml:2: chats.boss.quiet_hours[1].to: \"8:00\" is no time of the day; \
             write it like \"22:00\"; \"24:00\" ends a day",
            "nabat.yml:2: chats.boss.quiet_hours[2]: begins and ends at the same time; \
             for the whole day write from: \"00:00\", to: \"24:00\"",
            "nabat.yml:2: chats.boss.quiet_hours[3].days[1]: \"monday\" is no day; \
             use one of mon, tue, wed, thu, fri, sat, sun",
        ]
    );
}

#[test]
fn a_severity_that_nothing_has_is_questioned() {
    let chat = "{id: 123456789, silent: {severities: [Info, infos]}}";
    let text = with("").replace("{id: 123456789}", chat);
    assert_eq!(
        warnings(&text),
        ["nabat.yml:2: chats.boss.silent.severities[1]: \"infos\" is not in delivery.severities; \
          did you mean \"info\"?"]
    );
}

#[test]
fn a_choice_of_topics_is_checked() {
    let text = with("").replace(
        "-1001234567890}",
        "-1001234567890, topic: {map: {db: 1, web: x}, default: 1, cerate: true}}",
    );
    assert_eq!(
        faults(&text),
        [
            "nabat.yml:2: chats.ops.topic.cerate: unknown key; did you mean \"create\"?",
            "nabat.yml:2: chats.ops.topic.by: is missing; name the label that chooses: by: team",
            "nabat.yml:2: chats.ops.topic.map[\"db\"]: topic 1 is the group's general topic, \
             which Telegram wants unnamed; leave topic out",
            "nabat.yml:2: chats.ops.topic.map[\"web\"]: must be a whole number, but is text; \
             write it without quotes or a unit",
            "nabat.yml:2: chats.ops.topic.default: topic 1 is the group's general topic, \
             which Telegram wants unnamed; leave topic out",
        ]
    );
    let text = with("").replace("-1001234567890}", "-1001234567890, topic: {by: team}}");
    assert_eq!(
        faults(&text),
        ["nabat.yml:2: chats.ops.topic: chooses nothing; add map: {value: 12}, or create: true"]
    );
    let route = |topic| with("").replace("[ops]}", &format!("[ops, boss], topic: {topic}}}"));
    assert_eq!(
        faults(&route("{by: team, map: {db: 12}}")),
        ["nabat.yml:3: route.topic: one topic can't belong to 2 chats; \
          give each chat its own topic under chats"]
    );
    assert!(parse(&route("{by: team, create: true}")).is_ok(), "each chat gets its own");
}

#[test]
fn a_heartbeat_says_which_alerts_it_is() {
    let text = with(
        "heartbeats:\n  a: {interval: 0s, chats: [opps]}\n  b: {matchers: [], url: monitor}\n  \
         c: {matchers: ['x'], url: {vault: {mount: m, path: p, field: f}}}\n",
    );
    let remedy = "say which alerts are the heartbeat: matchers: ['alertname=\"Watchdog\"']";
    assert_eq!(
        faults(&text),
        [
            format!("nabat.yml:5: heartbeats.a.matchers: is missing; {remedy}").as_str(),
            "nabat.yml:5: heartbeats.a.interval: must be longer than zero; \
             leave it out for the default",
            "nabat.yml:5: heartbeats.a.chats[0]: no chat is called \"opps\"; did you mean \"ops\"?",
            format!("nabat.yml:6: heartbeats.b.matchers: takes alerts of every name; {remedy}")
                .as_str(),
            "nabat.yml:6: heartbeats.b.url: is no URL with http://, https:// and a host; \
             write it like https://monitor.example.org/ping/nabat",
            "nabat.yml:7: heartbeats.c.matchers[0]: \"x\" is no matcher: column 2: expected one of \
             = != =~ !~, found the end; write it like severity=\"critical\"",
            "nabat.yml:7: heartbeats.c.url.vault: there is no vault section; add vault: {address: …, auth: …}",
        ]
    );
}
