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
    let group = || GroupSetting {
        severity: "warning",
        destinations: vec![to.clone()],
        most_alerts: 1,
        padding: 0,
        listed: usize::MAX,
    };
    let kind = ChatKind::Supergroup { forum: false };
    let setting = Setting {
        chats: vec![ChatSetting { alias: "chat0".into(), id: OPS, kind, pin: Vec::new() }],
        groups: std::iter::repeat_with(group).take(GROUPS).collect(),
        everyday: GROUPS,
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
fn groups_are_told_one_by_one_where_telegram_fails_on_digests_alone() {
    play(async |run| {
        run.world.network.set(None, Some(Weather::NoDigests));
        post(run, 0..GROUPS, true).await;
        minutes(run, 15).await;
        let shown = shown(run);
        assert_eq!(telling(&shown, "Card of Grp"), GROUPS, "{} shown", shown.len());
    });
}
