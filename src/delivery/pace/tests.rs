use super::*;

/// Sends as fast as the pace allows for `span`; returns when.
async fn greedy(pace: &ChatPace, span: Duration) -> Vec<Instant> {
    let start = Instant::now();
    let mut sent = Vec::new();
    while start.elapsed() < span {
        match pace.take(Instant::now()).map(drop) {
            Ok(()) => sent.push(Instant::now()),
            Err(when) => tokio::time::sleep_until(when).await,
        }
    }
    sent
}

fn fullest(sent: &[Instant], span: Duration) -> usize {
    let held =
        |from: &Instant| sent.iter().filter(|at| *at >= from && **at <= *from + span).count();
    sent.iter().map(held).max().unwrap_or(0)
}

#[tokio::test(start_paused = true)]
async fn no_minute_of_a_group_holds_more_than_twenty_and_the_pace_is_used() {
    let sent = greedy(&ChatPace::new(Limit::GROUP), Duration::from_mins(30)).await;
    assert!(fullest(&sent, Limit::GROUP.span) <= 20);
    assert!(sent.len() >= 20 * 30 * 95 / 100, "{} of 600", sent.len());
}

#[tokio::test(start_paused = true)]
async fn a_busy_group_is_spoken_to_evenly_behind_its_first_burst() {
    let pace = ChatPace::new(Limit::GROUP);
    let first = Instant::now();
    let sent = greedy(&pace, Duration::from_mins(10)).await;
    let later: Vec<_> = sent.iter().filter(|at| **at - first > Limit::GROUP.span).collect();
    assert!(later.len() > 170, "{}", later.len());
    for pair in later.windows(2) {
        let gap = (*pair[1] - *pair[0]).as_millis();
        assert!((2_990..3_400).contains(&gap), "{gap} ms");
    }
    // When it has been quiet for a while, its next messages leave at once again.
    tokio::time::advance(Duration::from_mins(2)).await;
    for _ in 0..Limit::GROUP.burst {
        assert_eq!(pace.take(Instant::now()).map(drop), Ok(()));
    }
}

#[tokio::test(start_paused = true)]
async fn no_second_of_a_private_chat_holds_more_than_one() {
    let sent = greedy(&ChatPace::new(Limit::PRIVATE), Duration::from_mins(2)).await;
    assert!(fullest(&sent, Limit::PRIVATE.span) <= 1);
    assert!(sent.len() >= 120 * 95 / 100, "{} of 120", sent.len());
}

#[tokio::test(start_paused = true)]
async fn a_quiet_group_gets_its_first_messages_at_once() {
    let pace = ChatPace::new(Limit::GROUP);
    for _ in 0..Limit::GROUP.burst {
        assert_eq!(pace.take(Instant::now()).map(drop), Ok(()));
    }
    assert!(pace.take(Instant::now()).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_slot_that_was_asked_about_is_kept_and_counted_once() {
    let pace = ChatPace::new(Limit::GROUP);
    let now = Instant::now();
    for _ in 0..Limit::GROUP.burst {
        for _ in 0..10 {
            assert_eq!(pace.free_at(now), None);
        }
        assert_eq!(pace.take(now).map(drop), Ok(()));
    }
    let next = pace.free_at(now).expect("the burst is used up");
    assert_eq!(pace.take(now).map(drop), Err(next), "both know of the even pace");
    assert!(next > now + Duration::from_secs(2), "{:?}", next - now);
    tokio::time::advance(next - now).await;
    assert_eq!(pace.free_at(Instant::now()), None);
}

#[tokio::test(start_paused = true)]
async fn asking_before_each_send_changes_neither_limit_nor_pace() {
    let pace = ChatPace::new(Limit::GROUP);
    let start = Instant::now();
    let mut sent = Vec::new();
    while start.elapsed() < Duration::from_mins(30) {
        if let Some(at) = pace.free_at(Instant::now()) {
            tokio::time::sleep_until(at).await;
        } else {
            assert_eq!(pace.take(Instant::now()).map(drop), Ok(()));
            sent.push(Instant::now());
        }
    }
    assert!(fullest(&sent, Limit::GROUP.span) <= 20);
    assert!(sent.len() >= 20 * 30 * 95 / 100, "{} of 600", sent.len());
}

#[tokio::test(start_paused = true)]
async fn no_second_of_the_bot_holds_more_than_thirty() {
    let paces = Paces::default();
    let mut sent = Vec::new();
    for _ in 0..300 {
        let slot = paces.bot_slot().await;
        sent.push(Instant::now());
        slot.answered(Instant::now());
    }
    assert!(fullest(&sent, Limit::BOT.span) <= 30);
    let took = sent[299] - sent[0];
    assert!(took <= Duration::from_secs(10), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn requests_that_travel_differently_long_make_no_second_of_more_than_thirty() {
    let paces = &Paces::default();
    let started = Instant::now();
    let send = |number: u64| async move {
        let slot = paces.bot_slot().await;
        // Every second burst meets cold connections.
        tokio::time::sleep(Duration::from_millis((number / 30 + 1) % 2 * 400)).await;
        let counted = Instant::now();
        tokio::time::sleep(Duration::from_millis(5)).await;
        slot.answered(Instant::now());
        counted
    };
    let mut counted = futures_util::future::join_all((0..300).map(send)).await;
    counted.sort_unstable();
    assert!(fullest(&counted, Limit::BOT.span) <= 30);
    // Half a second on the way there is the price, at the most.
    assert!(started.elapsed() <= Duration::from_secs(16), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn requests_that_are_never_answered_keep_their_slots_for_two_seconds_at_the_most() {
    let paces = Paces::default();
    let mut hanging = Vec::new();
    for _ in 0..30 {
        hanging.push(paces.bot_slot().await);
    }
    let asked = Instant::now();
    let _slot = paces.bot_slot().await;
    let waited = asked.elapsed();
    assert!((1..=2100).contains(&waited.as_millis()), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_429_is_waited_out_then_the_pace_is_lower_and_recovers() {
    let pace = ChatPace::new(Limit::GROUP);
    let now = Instant::now();
    assert_eq!(pace.rate_limited(Some(Duration::from_secs(35)), now), Duration::from_secs(35));
    assert_eq!(pace.take(now).map(drop), Err(now + Duration::from_secs(35)));
    tokio::time::advance(Duration::from_secs(35)).await;
    let slow = greedy(&pace, Duration::from_mins(1)).await;
    assert!((10..=14).contains(&slow.len()), "{}", slow.len());
    tokio::time::advance(Duration::from_mins(10)).await;
    let _ = pace.take(Instant::now()).map(drop);
    assert!((pace.slowness() - 1.0).abs() < f64::EPSILON);
}

#[tokio::test(start_paused = true)]
async fn a_429_that_does_not_say_how_long_is_waited_out_for_five_seconds() {
    let pace = ChatPace::new(Limit::PRIVATE);
    assert_eq!(pace.rate_limited(None, Instant::now()), UNSAID_RETRY_AFTER);
}

#[tokio::test(start_paused = true)]
async fn a_send_that_travelled_long_counts_from_its_arrival() {
    let pace = ChatPace::new(Limit::GROUP);
    let mut arrived = Vec::new();
    // Over a cold connection, while a picture takes its time.
    let alert = pace.take(Instant::now()).unwrap();
    let mut picture = pace.take_spare(Instant::now());
    assert!(picture.is_some());
    let uploaded = Instant::now() + Duration::from_secs(20);
    tokio::time::advance(Duration::from_secs(2)).await;
    alert.arrived(&pace, Instant::now());
    arrived.push(Instant::now());
    while arrived.len() < 50 {
        match pace.take(Instant::now()) {
            Ok(slot) => {
                slot.arrived(&pace, Instant::now());
                arrived.push(Instant::now());
            }
            Err(when) => tokio::time::sleep_until(when).await,
        }
        if let Some(slot) = picture.take_if(|_| Instant::now() >= uploaded) {
            slot.arrived(&pace, Instant::now());
            arrived.push(Instant::now());
        }
    }
    assert!(fullest(&arrived, Limit::GROUP.span) <= 20);
}

#[tokio::test(start_paused = true)]
async fn a_picture_leaves_the_slot_in_which_the_next_alert_would_go_at_once() {
    let pace = ChatPace::new(Limit::GROUP);
    assert_eq!(pace.take(Instant::now()).map(drop), Ok(()));
    assert!(pace.take_spare(Instant::now()).is_some());
    assert!(pace.take_spare(Instant::now()).is_none(), "the last one of the burst is the alert's");
    assert_eq!(pace.take(Instant::now()).map(drop), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_lane_that_has_nothing_to_say_keeps_no_picture_back() {
    let pace = ChatPace::new(Limit::GROUP);
    assert_eq!(pace.free_at(Instant::now()), None);
    assert!(pace.take_spare(Instant::now()).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_picture_in_a_private_chat_waits_for_a_silence_and_leaves_the_slot_to_the_text() {
    let pace = ChatPace::new(Limit::PRIVATE);
    assert_eq!(pace.take(Instant::now()).map(drop), Ok(()));
    let mut waited = Duration::ZERO;
    while pace.take_spare(Instant::now()).is_none() {
        tokio::time::advance(Duration::from_secs(1)).await;
        waited += Duration::from_secs(1);
    }
    assert_eq!(waited, SPARE_SILENCE);
    assert_eq!(pace.take(Instant::now()).map(drop), Ok(()), "the text goes in the same moment");
    tokio::time::advance(SPARE_SILENCE / 2).await;
    assert!(pace.take_spare(Instant::now()).is_none(), "no second one so soon");
}

#[tokio::test(start_paused = true)]
async fn a_429_of_a_picture_is_waited_out_and_takes_nothing_of_the_texts_pace() {
    for limit in [Limit::GROUP, Limit::PRIVATE] {
        let pace = ChatPace::new(limit);
        assert!(pace.take_spare(Instant::now()).is_some());
        let asked = Duration::from_secs(35);
        pace.spare_rate_limited(Some(asked), Instant::now());
        assert_eq!(pace.free_at(Instant::now()), Some(Instant::now() + asked));
        tokio::time::advance(asked).await;
        assert!((pace.slowness() - 1.0).abs() < f64::EPSILON);
        let sent = greedy(&pace, Duration::from_mins(1)).await.len();
        let span = u32::try_from(Limit::GROUP.span.as_secs()).unwrap();
        let most = if limit == Limit::GROUP { limit.sends } else { span };
        assert!(sent >= most as usize * 9 / 10, "{sent} of {most}");
        let mut pictures = 0;
        for _ in 0..8 {
            tokio::time::advance(Duration::from_mins(1)).await;
            pictures += u32::from(pace.take_spare(Instant::now()).is_some());
        }
        assert_eq!(pictures, 0, "none for a while");
        tokio::time::advance(SPARE_REST).await;
        assert!(pace.take_spare(Instant::now()).is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn a_429_of_a_picture_shortens_no_longer_wait() {
    let pace = ChatPace::new(Limit::GROUP);
    let now = Instant::now();
    pace.rate_limited(Some(Duration::from_mins(10)), now);
    pace.spare_rate_limited(Some(Duration::from_secs(1)), now);
    assert_eq!(pace.take(now).map(drop), Err(now + Duration::from_mins(10)));
}

/// A pace that goes on from what an earlier one left, on a clock that went on by `gap`.
async fn after_a_restart(pace: &ChatPace, limit: Limit, gap: Duration) -> ChatPace {
    let clock = Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_hours(1);
    let footprint = pace.footprint(ChatId(-1), Instant::now(), clock);
    tokio::time::advance(gap).await;
    let next = ChatPace::new(limit);
    let later = clock + jiff::SignedDuration::try_from(gap).unwrap();
    next.restore(&footprint, Instant::now(), later);
    next
}

#[tokio::test(start_paused = true)]
async fn a_restart_in_a_full_minute_sends_nothing_before_the_minute_has_room() {
    let pace = ChatPace::new(Limit::GROUP);
    let mut sent = Vec::new();
    while sent.len() < 20 {
        match pace.take(Instant::now()).map(drop) {
            Ok(()) => sent.push(Instant::now()),
            Err(at) => tokio::time::sleep_until(at).await,
        }
    }
    let next = after_a_restart(&pace, Limit::GROUP, Duration::from_millis(20)).await;
    for _ in 0..40 {
        match next.take(Instant::now()).map(drop) {
            Ok(()) => sent.push(Instant::now()),
            Err(at) => tokio::time::sleep_until(at).await,
        }
    }
    for pair in sent.windows(21) {
        assert!(pair[20] - pair[0] >= Limit::GROUP.span, "{:?}", pair[20] - pair[0]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_restart_gives_no_second_burst_and_a_quiet_chat_its_first_message_at_once() {
    let pace = ChatPace::new(Limit::GROUP);
    for _ in 0..3 {
        assert_eq!(pace.take(Instant::now()).map(drop), Ok(()));
    }
    let next = after_a_restart(&pace, Limit::GROUP, Duration::from_secs(1)).await;
    assert!(next.take(Instant::now()).is_err());
    let rested = after_a_restart(&pace, Limit::GROUP, Duration::from_mins(2)).await;
    assert_eq!(rested.take(Instant::now()).map(drop), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_429_is_waited_out_over_a_restart_and_the_pace_stays_slow() {
    let pace = ChatPace::new(Limit::GROUP);
    pace.rate_limited(Some(Duration::from_secs(100)), Instant::now());
    let next = after_a_restart(&pace, Limit::GROUP, Duration::from_secs(40)).await;
    let until = next.take(Instant::now()).map(drop).unwrap_err();
    assert_eq!((until - Instant::now()).as_secs(), 60);
    assert!(next.slowness() > 1.0);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_was_moved_back_lengthens_no_wait_and_gives_no_burst() {
    let pace = ChatPace::new(Limit::GROUP);
    for _ in 0..3 {
        pace.take(Instant::now()).map(drop).unwrap();
    }
    pace.rate_limited(Some(Duration::from_secs(5)), Instant::now());
    let clock = Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_hours(1);
    let footprint = pace.footprint(ChatId(-1), Instant::now(), clock);
    let next = ChatPace::new(Limit::GROUP);
    next.restore(&footprint, Instant::now(), Timestamp::UNIX_EPOCH);
    let until = next.take(Instant::now()).map(drop).unwrap_err();
    assert_eq!((until - Instant::now()).as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_send_that_an_earlier_process_could_not_note_counts_all_the_same() {
    let pace = ChatPace::new(Limit::PRIVATE);
    pace.assume_sent(Instant::now());
    let free_at = pace.take(Instant::now()).map(drop).unwrap_err();
    assert!(free_at - Instant::now() >= Duration::from_secs(1));
    let paces = Paces::default();
    paces.restore(&[], 30, Instant::now(), Timestamp::UNIX_EPOCH);
    let asked = Instant::now();
    let _slot = paces.bot_slot().await;
    assert!(asked.elapsed() >= Duration::from_secs(1));
}

/// How many slots of the bot's there are in ten seconds.
async fn slots(paces: &Paces) -> usize {
    let end = Instant::now() + Duration::from_secs(10);
    let mut slots = 0;
    while let Ok(slot) = tokio::time::timeout_at(end, paces.bot_slot()).await {
        slot.answered(Instant::now());
        slots += 1;
    }
    slots
}

#[tokio::test(start_paused = true)]
async fn a_429_in_several_chats_at_once_slows_the_whole_bot_which_recovers() {
    let paces = Paces::default();
    let full = slots(&paces).await;
    assert!((285..=300).contains(&full), "{full}");
    let told = |chat: i64| {
        paces.rate_limited(ChatId(-chat), Some(Duration::from_secs(3)), Instant::now());
    };
    // One chat again and again, or two, say nothing about the bot.
    for chat in [1, 1, 1, 2] {
        told(chat);
    }
    assert_eq!(paces.bot.slowness().to_bits(), 1.0_f64.to_bits());
    told(3);
    let asked = Instant::now();
    let _slot = paces.bot_slot().await;
    assert_eq!(asked.elapsed().as_secs(), 3, "it waits as long as it was told");
    let slowed = slots(&paces).await;
    assert!(slowed * 3 <= full * 2 + 60, "{slowed} of {full}");
    tokio::time::sleep(RECOVERY).await;
    let recovered = slots(&paces).await;
    assert!(recovered >= 285, "{recovered}");
}

#[tokio::test(start_paused = true)]
async fn a_chat_that_is_told_to_wait_while_the_bot_recovers_silences_itself_alone() {
    let paces = Paces::default();
    let mut flooded = Instant::now();
    for _ in 0..2 {
        flooded = Instant::now();
        for chat in 1..=3 {
            paces.rate_limited(ChatId(-chat), Some(Duration::from_secs(1)), Instant::now());
        }
        tokio::time::sleep(bot::TOGETHER).await;
    }
    // The bot has just taken one of its two steps back.
    tokio::time::sleep_until(flooded + RECOVERY + Duration::from_secs(1)).await;
    paces.bot_slot().await.answered(Instant::now());
    assert_eq!(paces.bot.slowness().to_bits(), STEP.to_bits());
    paces.rate_limited(ChatId(-9), Some(Duration::from_secs(40)), Instant::now());
    assert_eq!(paces.silent_until(Instant::now()), None);
}

#[tokio::test(start_paused = true)]
async fn chats_that_are_told_to_wait_now_and_then_do_not_slow_the_bot() {
    let paces = Paces::default();
    for chat in 1..20 {
        paces.rate_limited(ChatId(-chat), None, Instant::now());
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
    assert_eq!(paces.bot.slowness().to_bits(), 1.0_f64.to_bits());
}

#[tokio::test(start_paused = true)]
async fn one_flood_slows_the_bot_once_and_is_remembered_over_a_restart() {
    let paces = Paces::default();
    for chat in 1..20 {
        paces.rate_limited(ChatId(-chat), Some(Duration::from_secs(30)), Instant::now());
        paces.rate_limited(ChatId(-chat), Some(Duration::from_secs(1)), Instant::now());
    }
    assert_eq!(paces.bot.slowness().to_bits(), STEP.to_bits());
    let clock = Timestamp::UNIX_EPOCH;
    let footprint = paces.footprint(Instant::now(), clock).expect("it is slowed");
    let next = Paces::default();
    let later = clock + jiff::SignedDuration::from_secs(10);
    next.restore(&[footprint], 0, Instant::now(), later);
    let asked = Instant::now();
    let _slot = next.bot_slot().await;
    assert_eq!(asked.elapsed().as_secs(), 20, "the shorter wait did not end the longer one");
    assert!(next.bot.slowness() > 1.0);
}

#[tokio::test(start_paused = true)]
async fn what_waits_in_a_chat_is_the_sum_of_its_lanes() {
    use crate::routing::{ChatAlias, Topic};
    use crate::telegram::TopicId;
    let lane = |topic| LaneId {
        chat: ChatAlias("ops".into()),
        topic: Some(Topic::Number(TopicId(topic))),
    };
    let pace = ChatPace::new(Limit::GROUP);
    assert_eq!(pace.waiting(&lane(2), 5), 5);
    assert_eq!(pace.waiting(&lane(3), 7), 12);
    assert_eq!(pace.waiting(&lane(2), 0), 7);
}
