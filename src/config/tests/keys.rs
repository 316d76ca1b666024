//! Keys that nabat does not know, or that are given twice.

use super::*;

#[test]
fn a_key_that_is_given_twice_is_named_beside_all_other_faults() {
    let text = "telegram: {bot_token: {env: TOKEN, env: TOKEN}}\nchats:\n  \
                ops:\n    id: -1001234567890\n    id: 5555555\n    topic: {by: a, map: {x: 2, x: 3}}\n  \
                ops: {id: 5555555, langauge: ru}\nwings: 1\nwings: 2\n";
    assert_eq!(
        faults(text),
        [
            "nabat.yml:1: telegram.bot_token: gives a key twice (not shown, it may be a secret); \
             keep one of them; the first is in line 1",
            "nabat.yml:5: chats.ops.id: is given twice; keep one of them; the first is in line 4",
            "nabat.yml:6: chats.ops.topic.map.x: is given twice; \
             keep one of them; the first is in line 6",
            "nabat.yml:7: chats.ops: is given twice; keep one of them; the first is in line 3",
            "nabat.yml:7: chats.ops.langauge: unknown key; did you mean \"language\"?",
            "nabat.yml:8: wings: unknown key; use one of telegram, vault, chats, route, \
             fallback_chat, templates, delivery, heartbeats, images, alertmanagers",
            "nabat.yml:9: wings: is given twice; keep one of them; the first is in line 8",
            "nabat.yml:9: wings: unknown key; use one of telegram, vault, chats, route, \
             fallback_chat, templates, delivery, heartbeats, images, alertmanagers",
        ]
    );
}

#[test]
fn what_a_merge_brings_may_be_given_again() {
    let text = "telegram: {bot_token: {env: TOKEN}}\nroute: {chats: [ops]}\nchats:\n  \
                ops: &ops {id: -1001234567890, language: ru}\n  boss: {<<: *ops, id: 5555555}\n";
    let chats = parse(text).unwrap().chats;
    let boss = &chats[&ChatAlias("boss".to_owned())];
    assert_eq!(
        (boss.id.clone(), boss.language.code()),
        (ChatIdSource::Known(crate::telegram::ChatId(5_555_555)), "ru")
    );
}

#[test]
fn an_unknown_key_names_the_nearest_known_one() {
    assert_eq!(
        faults(&with("fallback_chats: ops\nwings: 2\n")),
        [
            "nabat.yml:4: fallback_chats: unknown key; did you mean \"fallback_chat\"?",
            "nabat.yml:5: wings: unknown key; use one of telegram, vault, chats, route, \
             fallback_chat, templates, delivery, heartbeats, images, alertmanagers",
        ]
    );
}

#[test]
fn alertmanagers_own_keys_in_a_route_lead_to_nabats() {
    let text = with("").replace(
        "{chats: [ops]}",
        "{receiver: ops, group_by: [a], chats: [ops], \
         routes: [{match: {a: b}}, {match_re: {a: b}}]}",
    );
    assert_eq!(
        faults(&text),
        [
            "nabat.yml:3: route.receiver: unknown key; name chats instead: chats: [ops]",
            "nabat.yml:3: route.group_by: unknown key; \
             take it out: that is up to Alertmanager, and stays in its own file",
            "nabat.yml:3: route.routes[0].match: unknown key; \
             write matchers: ['severity=\"critical\"'], a list of such lines",
            "nabat.yml:3: route.routes[1].match_re: unknown key; \
             write matchers: ['team=~\"db|infra\"'], a list of such lines",
        ]
    );
}
