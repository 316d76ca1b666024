//! Scenes that are written, not drawn: what takes minutes of waiting on another stage.

use std::ops::Range;
use std::time::Duration;

use nabat::routing::{ChatAlias, Destination, LaneId, Updates};
use nabat::sandbox::{ChatKind, Shown};
use nabat::telegram::ChatId;
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::network::Weather;
use crate::run::Run;
use crate::setting::{ChatSetting, GroupSetting, Setting};

const OPS: ChatId = ChatId(-1_001_000_000_300);
/// More than are told one by one within the threshold, fewer than fill a digest.
const GROUPS: usize = 60;
/// The first of them are critical.
const CRITICAL: usize = 10;
/// One more, whose alerts take a message of several parts.
const BIG: usize = GROUPS;

/// Plays a scene in one chat with many groups.
fn play(scene: impl AsyncFnOnce(&mut Run)) {
    let lane = LaneId { chat: ChatAlias("chat0".into()), topic: None };
    let to = Destination {
        by_label: false,
        lane,
        template: "sim".into(),
        updates: Updates::Thread,
        buttons: None,
    };
    let group = |number| GroupSetting {
        severity: if number < CRITICAL { "critical" } else { "warning" },
        destinations: vec![to.clone()],
        most_alerts: 30,
        padding: if number == BIG { 250 } else { 0 },
        listed: usize::MAX,
    };
    let kind = ChatKind::Supergroup { forum: false };
    let setting = Setting {
        chats: vec![ChatSetting { alias: "chat0".into(), id: OPS, kind, pin: Vec::new() }],
        groups: (0..=BIG).map(group).collect(),
        everyday: BIG + 1,
        storm_threshold: Duration::from_secs(30),
        dead_after: Duration::from_hours(10),
        new_card_after: Duration::from_hours(1),
        keep_cards: Duration::from_hours(24),
        fallback: None,
        latency: 50,
    };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(async {
        let mut run = Run::of(setting, StdRng::seed_from_u64(1), false);
        run.world.start().await;
        scene(&mut run).await;
    });
}

/// The groups fire, or end.
async fn post(run: &mut Run, groups: Range<usize>, fire: bool) {
    for group in groups {
        let now = run.world.clock.now();
        let (alertmanager, random) = (&mut run.alertmanager, &mut run.random);
        let said = if fire {
            alertmanager.flare(group, now, random)
        } else {
            alertmanager.calm(group, now, random)
        };
        run.post(said.unwrap()).await;
    }
}

async fn minutes(run: &mut Run, minutes: u64) {
    run.wait(Duration::from_mins(minutes)).await.unwrap();
}

fn shown(run: &Run) -> Vec<Shown> {
    run.world.sandbox.messages(OPS)
}

fn telling(shown: &[Shown], what: &str) -> usize {
    shown.iter().filter(|shown| shown.text.contains(what)).count()
}

#[test]
fn a_storm_in_a_long_outage_of_telegrams_own_is_told_in_digests_behind_it() {
    play(async |run| {
        run.world.network.set(None, Some(Weather::Internal));
        post(run, 0..GROUPS, true).await;
        minutes(run, 10).await;
        run.world.network.clear();
        minutes(run, 2).await;
        let shown = shown(run);
        assert!(telling(&shown, "⛈") > 0, "{shown:?}");
        assert!(shown.len() <= 6, "one glance: {shown:?}");
        assert_eq!(run.ledger.alerts.len() + run.ledger.groups.len(), GROUPS, "{shown:?}");
    });
}

#[test]
fn an_end_that_comes_in_an_outage_of_telegrams_own_changes_its_digests_line_behind_it() {
    play(async |run| {
        post(run, 0..GROUPS, true).await;
        minutes(run, 2).await;
        let before = shown(run).len();
        run.world.network.set(None, Some(Weather::Internal));
        post(run, 50..51, false).await;
        minutes(run, 10).await;
        run.world.network.clear();
        minutes(run, 2).await;
        let shown = shown(run);
        assert_eq!(shown.len(), before, "it has no card of its own: {shown:?}");
        assert_eq!(telling(&shown, "\n✅ Grp0050"), 1, "{shown:?}");
    });
}

#[test]
fn an_end_is_told_alone_where_telegram_fails_on_its_digest_alone() {
    play(async |run| {
        post(run, 0..GROUPS, true).await;
        minutes(run, 2).await;
        run.world.network.set(None, Some(Weather::Not("⛈")));
        post(run, 50..51, false).await;
        // Nothing else happens in any chat.
        minutes(run, 8).await;
        let shown = shown(run);
        assert_eq!(telling(&shown, "m0050a000n2"), 1, "{shown:?}");
    });
}

#[test]
fn what_people_are_to_notice_waits_for_no_line_that_fails() {
    play(async |run| {
        post(run, 10..GROUPS, true).await;
        minutes(run, 2).await;
        run.world.network.set(None, Some(Weather::Not("⛈")));
        post(run, 50..51, false).await;
        minutes(run, 2).await;
        let asked = run.now();
        post(run, 0..1, true).await;
        run.wait(Duration::from_secs(5)).await.unwrap();
        let shown = shown(run);
        let critical = shown.iter().find(|shown| shown.text.contains("m0000a000n1")).unwrap();
        assert!(critical.sent_at < asked + Duration::from_secs(4), "{asked:?} {critical:?}");
    });
}

#[test]
fn a_reply_whose_second_part_telegram_fails_on_says_so_in_one_line() {
    play(async |run| {
        let swell = async |run: &mut Run, alerts| {
            let (alertmanager, random) = (&mut run.alertmanager, &mut run.random);
            let said = alertmanager.swell(BIG, alerts, run.world.clock.now(), random);
            run.post(said.unwrap()).await;
        };
        swell(run, 1).await;
        minutes(run, 1).await;
        run.world.network.set(None, Some(Weather::Not("a029n1")));
        swell(run, 30).await;
        minutes(run, 8).await;
        let shown = shown(run);
        let news: Vec<&Shown> = shown.iter().filter(|shown| shown.reply_to.is_some()).collect();
        assert!(news[0].text.contains("News of Grp"), "{news:?}");
        assert!(news[1].text.ends_with("FIRING 30 · Grp0060"), "{news:?}");
    });
}

#[test]
fn groups_are_told_one_by_one_where_telegram_fails_on_digests_alone() {
    play(async |run| {
        run.world.network.set(None, Some(Weather::Not("⛈")));
        post(run, 0..GROUPS, true).await;
        // Two minutes to find out, and three at the pace.
        minutes(run, 6).await;
        let shown = shown(run);
        assert_eq!(telling(&shown, "Card of Grp"), GROUPS, "{} shown", shown.len());
    });
}

#[test]
fn that_the_worst_get_through_shows_that_digests_do_not() {
    play(async |run| {
        run.world.network.set(None, Some(Weather::Not("⛈")));
        post(run, CRITICAL..GROUPS, true).await;
        for critical in 0..CRITICAL {
            post(run, critical..critical + 1, true).await;
            run.wait(Duration::from_secs(20)).await.unwrap();
        }
        minutes(run, 4).await;
        let shown = shown(run);
        assert_eq!(telling(&shown, "Card of Grp"), GROUPS, "{} shown", shown.len());
    });
}
