//! What must hold.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use nabat::outbox::{EntryState, Outbox};
use nabat::routing::Updates;
use nabat::telegram::MessageId;

use crate::ledger::Spot;
use crate::model::Known;
use crate::network::PLANTED;
use crate::reading::Stands;
use crate::run::Run;
use crate::world::Process;

/// News in a chat that is well are shown within this time.
pub const SOON: Duration = Duration::from_secs(10);
/// The same for some three hundred groups at once.
pub const SOON_IN_STORMS: Duration = Duration::from_secs(90);
/// A chat is well so long after the last trouble: by then every pause is over and the pace is
/// back.
const WELL_AFTER: Duration = Duration::from_mins(40);

/// Whether nothing was wrong with a chat for long.
pub fn is_well(run: &Run, chat: &str, now: Duration) -> bool {
    let well = |name: &str| {
        run.trouble.get(name).is_none_or(|at| *at + WELL_AFTER < now)
            && run.ill.iter().all(|(ill, _)| ill != name)
    };
    let lives = |process: &Process| process.began.duration_since(run.began) + WELL_AFTER < now;
    well("") && well(chat) && run.world.process.as_ref().is_some_and(lives)
}

/// Strikes out the news that were shown, or whose chat got into trouble; the others must be
/// younger than what they are given.
pub fn soon(run: &mut Run, now: Duration) {
    let awaited = std::mem::take(&mut run.awaited);
    for news in awaited {
        let spot = (news.chat.clone(), news.group);
        let told = run.ledger.alerts.get(&(spot.clone(), news.alert));
        let told = told.filter(|heard| heard.what.number >= news.number).map(|heard| heard.at);
        let named = run.ledger.groups.get(&spot).map(|heard| heard.at);
        let named = named.filter(|at| *at >= news.since);
        let shown = told.into_iter().chain(named).min();
        if shown.is_some_and(|at| at <= news.since + news.within) {
            run.outcome.quick += 1;
        } else if !is_well(run, &news.chat, now) {
            // Something came between.
        } else if now > news.since + news.within {
            run.ledger.faults.push(format!("not shown in time: {news:?}, but {shown:?}"));
        } else {
            run.awaited.push(news);
        }
    }
}

/// What must hold when all trouble is over and nothing waits.
pub async fn all(run: &mut Run) -> Result<(), String> {
    run.check_store().await?;
    let dead = dead_letters(run).await?;
    run.outcome.dead = dead.values().map(|alerts| alerts.len() as u64).sum();
    let mut faults = Vec::new();
    for (spot, known) in &run.model.known {
        let dead = dead.get(spot);
        faults.extend(hidden(run, spot, known, dead));
    }
    let (network, ledger) = (&run.world.network, &run.ledger);
    // A card that was sent without nabat learning of it is nobody's.
    let stale = stale_cards(run, &dead);
    if stale.len() as u64 > network.unanswered() + run.world.cut {
        faults.extend(stale);
    }
    let allowed =
        network.unanswered() + run.world.cut + ledger.deleted + ledger.retried.len() as u64;
    if run.ledger.doubled > allowed {
        faults.push(format!("{} told twice, {allowed} may be", run.ledger.doubled));
    }
    let own = run.world.sandbox.requests().into_iter().filter(|seen| {
        seen.status == Some(429) && !seen.description.as_deref().unwrap_or("").contains(PLANTED)
    });
    faults.extend(own.map(|seen| format!("a 429 by nabat's own doing: {seen:?}")));
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n")) }
}

/// The alerts of dead letters, with their numbers.
async fn dead_letters(run: &Run) -> Result<BTreeMap<Spot, BTreeMap<usize, u32>>, String> {
    let outbox = run.world.process.as_ref().unwrap().outbox.clone();
    let mut dead: BTreeMap<Spot, BTreeMap<usize, u32>> = BTreeMap::new();
    for view in outbox.list(Some(EntryState::Dead), 100_000).await.unwrap() {
        if view.reason.as_deref() == Some("poisonous") {
            return Err(format!("a panic: {view:?}"));
        }
        let Some(group) = view.group.key.strip_prefix("Grp") else { continue };
        let spot = (view.chat.0.clone(), group.parse().unwrap());
        let full = outbox.show(view.id).await.unwrap();
        for alert in full.notification.unwrap().alerts {
            let (at, number) = alert.annotations["mark"][6..].split_once('n').unwrap();
            let held = dead.entry(spot.clone()).or_default();
            let held = held.entry(at.parse().unwrap()).or_default();
            *held = (*held).max(number.parse().unwrap());
        }
    }
    Ok(dead)
}

/// Alerts of a group whose last state people were not told.
fn hidden(
    run: &Run,
    spot: &Spot,
    known: &Known,
    dead: Option<&BTreeMap<usize, u32>>,
) -> Vec<String> {
    let mut faults = Vec::new();
    let named = run.ledger.groups.get(spot);
    let updates = run.world.setting.updates(&spot.0, spot.1);
    // Where each notification is a message of its own, that says what it lists and no more.
    let each_alone = updates == Updates::New;
    // Where nothing is said but by edits, a line or a card in the minimal form stays as it is when it
    // would say the same word for word.
    let says_the_same = updates == Updates::Edit;
    // What a dead letter of the newest state does not list, it would tell as not reported any more.
    let newest = dead.is_some_and(|dead| {
        dead.iter().all(|(alert, number)| {
            known.alerts.get(alert).is_some_and(|last| last.number == *number)
        })
    });
    for (alert, last) in &known.alerts {
        let died = match dead.and_then(|dead| dead.get(alert)) {
            Some(number) => *number >= last.number,
            None => newest && last.unlisted,
        };
        if died {
            continue;
        }
        let told = run.ledger.alerts.get(&(spot.clone(), *alert));
        // A truncated notification that is merged into a complete one takes back what followed
        // from that one's silence.
        let said = told.is_some_and(|heard| {
            heard.what.number == last.number
                && (known.was_truncated || heard.what.unlisted == last.unlisted)
                // A dead letter that is older than all that is known.
                || heard.what.unlisted && run.ledger.retried.contains(spot)
        });
        // A line that was true of it and is true now says of one that was left out in between what it
        // said before.
        let in_digest = named.is_some_and(|named| {
            let since = if named.is_true(known) && !last.unlisted { last.first } else { last.at };
            named.true_at.is_some_and(|true_at| true_at >= since)
        });
        // A line says how many of a group's alerts fire and not which. What fired and was over
        // before anybody was told changes nothing there, as long as others fire.
        let fires = last.number % 2 == 1 && !last.unlisted;
        let unseen = known.stands() == Stands::Fires
            && named.is_some_and(|named| named.is_true(known) && (!fires || says_the_same));
        let left_out = each_alone && last.unlisted;
        if !said && !in_digest && !unseen && !left_out {
            let told = told.map(|heard| (heard.what, heard.at));
            faults.push(format!(
                "{spot:?}: alert {alert} was {last:?}, told was {told:?}; the group stands {:?}, named {named:?}",
                known.stands()
            ));
        }
    }
    faults
}

/// Cards that still say something older of an alert than what was accepted last.
fn stale_cards(run: &Run, dead: &BTreeMap<Spot, BTreeMap<usize, u32>>) -> Vec<String> {
    let mut faults = Vec::new();
    for (id, chat) in &run.numbers {
        if run.is_old(*id) {
            continue;
        }
        let there: BTreeSet<MessageId> =
            run.world.sandbox.messages(*id).iter().map(|shown| shown.id).collect();
        for (group, card) in run.ledger.cards(*id, &there) {
            let spot = (chat.clone(), group);
            let Some(known) = run.model.known.get(&spot) else { continue };
            if dead.contains_key(&spot) {
                continue;
            }
            // Long after its end a group that fires anew is no business of its old card, and a
            // digest may be the place to tell of it.
            let past = card.alerts.iter().all(|mark| mark.number % 2 == 0 || mark.unlisted);
            let named = run.ledger.groups.get(&spot);
            let each_alone = run.world.setting.updates(chat, group) == Updates::New;
            for mark in &card.alerts {
                let last = known.alerts[&mark.alert];
                let moved_on = (past || each_alone)
                    && named.is_some_and(|named| {
                        named.true_at.is_some_and(|at| at >= last.at) || named.is_true(known)
                    });
                let agrees = mark.number == last.number
                    && (each_alone || known.was_truncated || mark.unlisted == last.unlisted);
                if !agrees && !moved_on {
                    faults.push(format!("{spot:?}: the card shows {mark:?}, it is {last:?}"));
                }
            }
        }
    }
    faults
}
