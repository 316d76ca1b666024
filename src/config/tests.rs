use std::time::Duration;

use super::*;
use crate::rendering::Language;
use crate::routing::Updates;
use crate::secrets::{KvVersion, VaultField};
use crate::telegram::ChatId;

const TOKEN: &str = "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw0";

fn environment(name: &str) -> Option<String> {
    match name {
        "TOKEN" => Some(TOKEN.to_owned()),
        "CHAT" => Some(" -1001234567890\n".to_owned()),
        "PROXY" => Some("socks5h://user:pa55word@proxy:1080".to_owned()),
        "BLANK" => Some(" ".to_owned()),
        _ => None,
    }
}

fn parse_in(base: &Path, text: &str) -> Result<Config, Faults> {
    Config::parse(text, "nabat.yml", base, &environment)
}

fn parse(text: &str) -> Result<Config, Faults> {
    parse_in(Path::new("/etc/nabat"), text)
}

/// A small valid file with `more` behind it.
fn with(more: &str) -> String {
    format!(
        "telegram: {{bot_token: {{env: TOKEN}}}}\n\
         chats: {{ops: {{id: -1001234567890}}, boss: {{id: 123456789}}}}\n\
         route: {{chats: [ops]}}\n{more}"
    )
}

/// The faults, one a line; panics when there are none.
fn faults(text: &str) -> Vec<String> {
    let faults = parse(text).expect_err("the configuration is accepted");
    faults.to_string().lines().map(str::to_owned).collect()
}

fn warnings(text: &str) -> Vec<String> {
    parse(text).unwrap().warnings.iter().map(Fault::to_string).collect()
}

#[test]
fn every_setting_is_read() {
    let config = parse(
        r#"
telegram:
  bot_token: {vault: {mount: /zakupai/, path: monitoring/bot, field: TELEGRAM_BOT_TOKEN}}
  api_url: http://botapi:8081/prefix
  proxy_url: socks5h://proxy:1080
vault:
  address: https://vault:8200
  ca_file: vault-ca.pem
  namespace: team-a
  auth: {approle: {mount: nabat/, role_id: {file: role}, secret_id: {env: TOKEN}}}
  refresh_interval: 5m
  timeout: 3s
chats:
  ops: {id: -1001234567890, topic: 7, language: ru, timezone: Asia/Almaty}
  boss: {id: {vault: {mount: zakupai, path: m, field: CHAT, kv_version: 1}}}
  night: {id: {env: CHAT}}
route:
  chats: [ops]
  updates: edit
  routes:
    - matchers: ['severity="critical",env!=test', 'team=~"db|infra"']
      chats: [ops, boss]
      continue: true
      routes:
        - matchers: [team=db]
          updates: new
    - matchers: [team=web]
      topic: 9
fallback_chat: boss
delivery:
  severities: [page, ticket]
  dedup_window: 0
  dead_after: 1d12h
  new_card_after: 30m
  max_entries: 1000
  max_bytes: 64MiB
  storm: {threshold: 1m}
alertmanagers:
  main: {url: http://alertmanager:9093}
"#,
    )
    .unwrap();

    let field = |path: &str, field: &str, engine| {
        let (mount, path, field) = ("zakupai".to_owned(), path.to_owned(), field.to_owned());
        SecretRef::Vault(VaultField { mount, path, field, engine })
    };
    let token = field("monitoring/bot", "TELEGRAM_BOT_TOKEN", KvVersion::V2);
    assert_eq!(config.telegram.bot_token, token);
    assert_eq!(config.telegram.api_url.as_str(), "http://botapi:8081/prefix");
    assert_eq!(config.telegram.proxy_url.unwrap().expose().as_str(), "socks5h://proxy:1080");

    let vault = config.vault.unwrap();
    assert_eq!(vault.ca_file.unwrap(), Path::new("/etc/nabat/vault-ca.pem"));
    assert_eq!(vault.namespace.as_deref(), Some("team-a"));
    assert_eq!((vault.refresh_interval.as_secs(), vault.timeout.as_secs()), (300, 3));
    let role_id = SecretRef::File(PathBuf::from("/etc/nabat/role"));
    let secret_id = SecretRef::Env("TOKEN".to_owned());
    assert_eq!(vault.auth, VaultAuth::AppRole { mount: "nabat".into(), role_id, secret_id });

    let chat = |alias: &str| &config.chats[&ChatAlias(alias.to_owned())];
    assert_eq!(chat("ops").id, ChatIdSource::Known(ChatId(-1_001_234_567_890)));
    assert_eq!(chat("ops").topic, Some(TopicId(7)));
    assert_eq!(chat("ops").language, Language::Ru);
    assert_eq!(chat("ops").timezone.iana_name(), Some("Asia/Almaty"));
    assert_eq!(chat("boss").id, ChatIdSource::Secret(field("m", "CHAT", KvVersion::V1)));
    assert_eq!(chat("night").id, ChatIdSource::Known(ChatId(-1_001_234_567_890)));

    let [critical, web] = config.route.routes.as_slice() else { panic!("two routes") };
    assert_eq!(critical.matchers.len(), 3);
    assert!(critical.continues && !web.continues);
    assert_eq!(critical.chats.len(), 2);
    assert_eq!((critical.updates, critical.routes[0].updates), (Updates::Edit, Updates::New));
    assert_eq!(critical.routes[0].chats, critical.chats);
    assert_eq!((web.topic, web.chats[0].as_str()), (Some(TopicId(9)), "ops"));

    assert_eq!(config.fallback_chat, Some(ChatAlias("boss".into())));
    assert_eq!(config.delivery.severities.names(), ["page", "ticket"]);
    assert_eq!(config.delivery.dedup_window, Duration::ZERO);
    assert_eq!(config.delivery.dead_after, Duration::from_hours(36));
    assert_eq!(config.delivery.new_card_after, Duration::from_mins(30));
    assert_eq!((config.delivery.max_entries, config.delivery.max_bytes), (1000, 64 << 20));
    assert_eq!(config.delivery.storm_threshold, Duration::from_mins(1));
    assert_eq!(config.alertmanagers["main"].url.as_str(), "http://alertmanager:9093/");
}

#[test]
fn a_bot_and_a_chat_are_a_whole_configuration() {
    let config =
        parse("telegram: {bot_token: {env: TOKEN}}\nchats: {ops: {id: -1001234567890}}\n").unwrap();
    assert_eq!(config.route, Route::to(vec![ChatAlias("ops".into())]));
    assert_eq!(config.telegram.api_url.as_str(), "https://api.telegram.org/");
    assert_eq!(config.delivery, Delivery::default());
    assert!(config.vault.is_none() && config.fallback_chat.is_none());
    let chat = config.chats.values().next().unwrap();
    assert_eq!((chat.language, chat.timezone.clone()), (Language::En, jiff::tz::TimeZone::UTC));
    assert_eq!(config.warnings, []);
}

#[test]
fn all_faults_are_reported_at_once_in_the_order_of_the_file() {
    let text = r#"
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
"#;
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
             the regular expression \"(\" is not valid: unclosed group; \
             write it like severity=\"critical\"",
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
fn an_unknown_key_names_the_nearest_known_one() {
    assert_eq!(
        faults(&with("fallback_chats: ops\nwings: 2\n")),
        [
            "nabat.yml:4: fallback_chats: unknown key; did you mean \"fallback_chat\"?",
            "nabat.yml:5: wings: unknown key; use one of telegram, vault, chats, route, \
             fallback_chat, templates, delivery, alertmanagers",
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
          fallback_chat, templates, delivery, alertmanagers"]
    );
}

#[test]
fn zero_is_refused_where_it_would_stop_everything() {
    let text = with("delivery: {dead_after: 0s, max_entries: 0, max_bytes: 1MiB}\n");
    assert_eq!(
        faults(&text),
        [
            "nabat.yml:4: delivery.dead_after: must be longer than zero; \
             leave it out for the default",
            "nabat.yml:4: delivery.max_entries: 0 is too small; at least 1",
            "nabat.yml:4: delivery.max_bytes: is too small for a webhook; at least 16MiB",
        ]
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
    assert_eq!((routes[0].topic, routes[1].topic), (Some(TopicId(7)), None));

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
fn templates_are_read_and_can_be_named() {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in [("card.hbs", "any"), ("card.ru.hbs", "по-русски"), ("my.card.hbs", "x")]
    {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let text = with("templates: ['*.hbs', card.hbs, 'none/*.hbs']\n")
        .replace("{chats: [ops]}", "{chats: [ops], template: card}");
    let config = parse_in(dir.path(), &text).unwrap();
    let shown: Vec<_> =
        config.templates.iter().map(|t| (t.name.as_str(), t.language, t.text.as_str())).collect();
    assert_eq!(
        shown,
        [("card", None, "any"), ("card", Some(Language::Ru), "по-русски"), ("my.card", None, "x")]
    );
    assert_eq!(config.warnings.len(), 1);
    assert!(config.warnings[0].problem.ends_with("none/*.hbs finds no file"));

    let unknown = parse_in(dir.path(), &text.replace("template: card", "template: cart"));
    let fault = &unknown.unwrap_err().0[0];
    assert_eq!(fault.remedy, "did you mean \"card\"?");
}

#[test]
fn two_files_of_one_template_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    for sub in ["a", "b"] {
        std::fs::create_dir(dir.path().join(sub)).unwrap();
        std::fs::write(dir.path().join(sub).join("card.hbs"), "x").unwrap();
    }
    let faults = parse_in(dir.path(), &with("templates: ['*/card.hbs']\n")).unwrap_err();
    assert_eq!(faults.0.len(), 1);
    assert!(faults.0[0].problem.ends_with("b/card.hbs are the same template"), "{faults}");
}

#[test]
fn a_file_that_is_not_there_yet_is_only_a_warning() {
    let text = with("").replace("{env: TOKEN}", "{file: /run/secrets/no-such-token}");
    assert_eq!(
        warnings(&text),
        ["nabat.yml:1: telegram.bot_token.file: /run/secrets/no-such-token does not exist (yet); \
          check the path, or provide the file"]
    );
}

#[test]
fn a_vault_reference_needs_a_vault() {
    let text = with("").replace("{env: TOKEN}", "{vault: {mount: kv, path: bot, field: token}}");
    assert_eq!(
        faults(&text),
        ["nabat.yml:1: telegram.bot_token.vault: there is no vault section; \
          add vault: {address: …, auth: …}"]
    );
}

#[test]
fn what_opens_vault_is_not_kept_in_vault() {
    let vault =
        "vault: {address: 'https://v', auth: {token: {vault: {mount: a, path: b, field: c}}}}";
    assert_eq!(
        faults(&with(vault)),
        ["nabat.yml:4: vault.auth.token: what opens Vault can't be kept in Vault; \
          use {env: NAME} or {file: PATH}"]
    );
}

#[test]
fn references_to_secrets_must_lead_somewhere() {
    for (reference, fault) in [
        ("{env: NO_SUCH}", "telegram.bot_token.env: the environment variable NO_SUCH is not set"),
        ("{env: BLANK}", "telegram.bot_token.env: the environment variable BLANK is not set"),
        ("{}", "telegram.bot_token: says nowhere where the secret is"),
        ("{env: TOKEN, file: x}", "telegram.bot_token: names more than one place"),
        ("{vault: {mount: a, path: b}}", "telegram.bot_token.vault.field: is missing"),
    ] {
        let faults = faults(&with("").replace("{env: TOKEN}", reference));
        let expected = format!("nabat.yml:1: {fault}; ");
        assert!(faults.iter().any(|fault| fault.starts_with(&expected)), "{faults:?}");
    }
}

#[test]
fn the_proxys_password_comes_from_elsewhere_and_is_not_shown() {
    let text = with("").replace("{env: TOKEN}", "{env: TOKEN}, proxy_url: {env: PROXY}");
    let proxy = parse(&text).unwrap().telegram.proxy_url.unwrap();
    assert_eq!(proxy.expose().password(), Some("pa55word"));
    assert_eq!(format!("{proxy} {proxy:?}"), "socks5h://proxy:1080 ProxyUrl(socks5h://proxy:1080)");
}

/// The token stands where people put it by mistake, in every place that could repeat it.
#[test]
fn no_fault_ever_shows_a_secret() {
    let places = [
        "telegram: {bot_token: TOKEN}",
        "telegram: {bot_token: [TOKEN]}",
        "telegram: {bot_token: {TOKEN}}",
        "telegram: {bot_token: {hunter2}}",
        "telegram: {bot_token: {env: TOKEN}}",
        "telegram: {bot_token: {env: hvs.CAESIJlWh2o1Qp0xTqXk3yq}}",
        "telegram: {bot_token: {vault: {mount: [TOKEN]}}}",
        "telegram: {bot_token: {vault: {TOKEN: TOKEN}}}",
        "telegram: {TOKEN: x}",
        "telegram: TOKEN",
        "TOKEN: TOKEN",
        "telegram: {api_url: 'https://api.telegram.org/botTOKEN/'}",
        "telegram: {api_url: 'https://user:pa55word@api.telegram.org/'}",
        "telegram: {api_url: TOKEN, proxy_url: TOKEN}",
        "telegram: {proxy_url: 'socks5://user:pa55word@proxy:1080'}",
        "telegram: {proxy_url: 'user:pa55word@proxy:1080'}",
        "vault: {address: 'https://user:pa55word@vault'}",
        "vault: {auth: {token: hunter2}}",
        "vault: {auth: {approle: {role_id: hunter2, secret_id: {hunter2: x}, hunter2: y}}}",
        "vault: {auth: hunter2, refresh_interval: TOKEN}",
        "chats: {ops: {id: 'TOKEN', topic: TOKEN, language: 'TOKEN', timezone: 'TOKEN'}}",
        "chats: {'TOKEN': {id: 5}}",
        "route: {chats: ['TOKEN'], template: 'TOKEN', updates: 'TOKEN'}",
        "route: {chats: [], routes: [{matchers: ['TOKEN']}]}",
        "fallback_chat: 'TOKEN'",
        "delivery: {dedup_window: 'TOKEN', max_bytes: 'TOKEN', max_entries: 'TOKEN'}",
        "alertmanagers: {main: {url: 'http://user:pa55word@am:9093'}}",
    ];
    for place in places {
        let shown = faults(&place.replace("TOKEN", TOKEN)).join("\n");
        for secret in ["AAHdqTcv", "CAESIJlW", "hunter2", "pa55word"] {
            assert!(!shown.contains(secret), "{place} gives {shown}");
        }
    }
}

#[test]
fn two_variables_are_enough_without_a_file() {
    let both = |name: &str| match name {
        TOKEN_VARIABLE => Some(TOKEN.to_owned()),
        CHAT_ID_VARIABLE => Some("-1001234567890".to_owned()),
        _ => None,
    };
    let config = Config::load(None, &both).unwrap();
    assert_eq!(config.telegram.bot_token, SecretRef::Env(TOKEN_VARIABLE.to_owned()));
    assert_eq!(config.telegram.api_url.as_str(), "https://api.telegram.org/");
    let alias = ChatAlias("default".into());
    assert_eq!(config.chats[&alias].id, ChatIdSource::Known(ChatId(-1_001_234_567_890)));
    assert_eq!(config.route, Route::to(vec![alias]));

    let elsewhere = |name: &str| match name {
        API_URL_VARIABLE => Some("http://127.0.0.1:8081".to_owned()),
        name => both(name),
    };
    let config = Config::load(None, &elsewhere).unwrap();
    assert_eq!(config.telegram.api_url.as_str(), "http://127.0.0.1:8081/");
}

#[test]
fn neither_file_nor_variables_teaches_both_ways() {
    let faults = Config::load(None, &|_| None).unwrap_err().to_string();
    assert_eq!(
        faults,
        "environment: TELEGRAM_BOT_TOKEN: is not set, and there is no configuration file; \
         set TELEGRAM_BOT_TOKEN and TELEGRAM_CHAT_ID, or name a file with --config.file\n\
         environment: TELEGRAM_CHAT_ID: is not set, and there is no configuration file; \
         set TELEGRAM_BOT_TOKEN and TELEGRAM_CHAT_ID, or name a file with --config.file"
    );
    let swapped = |_: &str| Some(TOKEN.to_owned());
    let faults = Config::load(None, &swapped).unwrap_err().to_string();
    assert!(faults.contains("TELEGRAM_CHAT_ID holds no chat id"), "{faults}");
    assert!(!faults.contains("AAHdq"), "{faults}");
}

#[test]
fn a_missing_file_is_named() {
    let faults = Config::load(Some(Path::new("/no/such.yml")), &environment).unwrap_err();
    let text = faults.to_string();
    assert!(text.starts_with("/no/such.yml: cannot be read: No such file"), "{text}");
    assert!(text.contains("--config.file") && text.contains(CHAT_ID_VARIABLE), "{text}");
}

#[test]
fn the_secrets_are_listed_by_their_keys() {
    let text = with("vault: {address: 'https://v', auth: {token: {env: TOKEN}}}\n")
        .replace("id: 123456789", "id: {vault: {mount: kv, path: bot, field: chat}}");
    let config = parse(&text).unwrap();
    let names: Vec<_> = config.secret_refs().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["telegram.bot_token", "chats.boss.id"]);
}
