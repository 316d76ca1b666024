//! References to secrets, and that no fault shows one.

use std::collections::BTreeSet;

use super::*;

#[test]
fn a_file_that_is_not_there_yet_is_only_a_warning() {
    let text = with("").replace("{env: TOKEN}", "{file: /run/secrets/no-such-token}");
    assert_eq!(
        warnings(&text),
        [
            "nabat.yml:1: telegram.bot_token.file: \"/run/secrets/no-such-token\" does not exist (yet); \
          check the path, or provide the file"
        ]
    );
}

#[test]
fn a_variable_that_is_not_set_is_only_a_warning_where_nothing_is_sent() {
    let text = with("")
        .replace("{env: TOKEN}", "{env: NO_SUCH}, proxy_url: {env: NO_PROXY}")
        .replace("id: 123456789", "id: {env: BLANK}");
    let lint = || {
        let walk = Walk::over("nabat.yml", Path::new("/etc/nabat"), &environment);
        Walk { purpose: Purpose::Lint, ..walk }
    };
    let config = Config::walked(&text, lint()).unwrap();
    let unset = |line, path, name| {
        format!(
            "nabat.yml:{line}: {path}.env: the environment variable {name} is not set; \
             set it, or refer to a file or to Vault"
        )
    };
    assert_eq!(
        config.warnings.iter().map(Fault::to_string).collect::<Vec<_>>(),
        [
            unset(1, "telegram.bot_token", "NO_SUCH"),
            unset(1, "telegram.proxy_url", "NO_PROXY"),
            unset(2, "chats.boss.id", "BLANK"),
        ]
    );
    let boss = &config.chats[&ChatAlias("boss".to_owned())];
    assert_eq!(boss.id, ChatIdSource::Secret(SecretRef::Env("BLANK".to_owned())));
    assert_eq!(faults(&text).len(), 3);
    assert!(Config::walked(&text.replace("BLANK", "1BLANK"), lint()).is_err(), "a real fault");
}

#[test]
fn a_token_with_a_space_inside_is_refused_before_telegram_is_asked() {
    let of = |value: &'static str| move |name: &str| (name == "TOKEN").then(|| value.to_owned());
    let (around, inside) = (of("\u{feff} 123456789:AAHdq\r\n"), of("123456789:AAHdq TcvCH1"));
    let walk = |environment| Walk::over("nabat.yml", Path::new(""), environment);
    assert!(Config::walked(&with(""), walk(&around)).is_ok());
    let faults = Config::walked(&with(""), walk(&inside)).unwrap_err().to_string();
    assert_eq!(
        faults,
        "nabat.yml:1: telegram.bot_token: the environment variable TOKEN holds no token: it has a \
         space or another character inside that no token has; \
         copy it again from @BotFather: one line, nothing inside of it but the token"
    );
    let bare = |name: &str| match name {
        TOKEN_VARIABLE => inside("TOKEN"),
        CHAT_ID_VARIABLE => Some("\u{feff}-1001234567890".to_owned()),
        _ => None,
    };
    let faults = Config::load(None, &bare).unwrap_err().to_string();
    assert!(faults.starts_with("environment: TELEGRAM_BOT_TOKEN: the environment"), "{faults}");
    assert!(!faults.contains("AAHdq") && !faults.contains('\n'), "{faults}");
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

#[test]
fn an_alertmanager_behind_a_password_is_kept_elsewhere() {
    let url = |url: &str| with(&format!("alertmanagers: {{main: {{url: {url}}}}}\n"));
    let config = parse(&url("{env: TOKEN}")).unwrap();
    let secret = UrlSource::Secret(SecretRef::Env("TOKEN".to_owned()));
    assert_eq!(config.alertmanagers["main"].url, secret);
    assert_eq!(
        faults(&url("'http://user:pa55word@am:9093'")),
        ["nabat.yml:4: alertmanagers.main.url: a secret does not belong in this file; \
          keep the whole URL elsewhere: use {env: NAME}, {file: PATH} or \
          {vault: {mount: …, path: …, field: …}}"]
    );
    assert_eq!(
        faults(&url("{vault: {mount: kv, path: am, field: url}}")),
        ["nabat.yml:4: alertmanagers.main.url.vault: there is no vault section; \
          add vault: {address: …, auth: …}"]
    );
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
        "telegram: {bot_token: {file: 'TOKEN'}}",
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
fn the_secrets_are_listed_by_their_keys() {
    let text = with(
        "vault: {address: 'https://v', auth: {token: {env: TOKEN}}}\n\
                     alertmanagers: {main: {url: {file: url}}, other: {url: 'http://am'}}\n",
    )
    .replace("id: 123456789", "id: {vault: {mount: kv, path: bot, field: chat}}");
    let config = parse(&text).unwrap();
    let names: Vec<_> = config.secret_refs().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["telegram.bot_token", "chats.boss.id", "alertmanagers.main.url"]);
}

/// Every place of the example gets a token pasted into it, as happens to people in a hurry.
#[test]
fn a_token_pasted_anywhere_into_the_file_is_never_shown() {
    let example = documented::with_everything_on();
    let settings: Vec<&str> =
        example.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    let example = settings.join("\n");
    let seams = example.char_indices().filter(|(_, c)| " \n:{[,'\"".contains(*c));
    let places: BTreeSet<usize> = seams.flat_map(|(at, c)| [at, at + c.len_utf8()]).collect();
    for place in places {
        let (before, after) = example.split_at(place);
        let shown = match parse(&format!("{before}{TOKEN}{after}")) {
            Ok(config) => config.warnings.iter().map(Fault::to_string).collect::<String>(),
            Err(faults) => faults.to_string(),
        };
        assert!(!shown.contains("AAHdqTcv"), "pasted behind {before:?} gives {shown}");
    }
}
