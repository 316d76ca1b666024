//! What one message costs: the built-in card of a small, a large and a huge group.
//!
//! ```text
//! cargo bench --bench render
//! ```
//!
//! Before the times it prints how often one rendering allocates, the first time and the
//! thousandth (a rendering that kept anything would show it there), and the time on the processor
//! (Linux only), which other work on the machine changes less.
//!
//! Behind them it prints what Alertmanager's own Telegram template takes for the same groups, where
//! `amtool` is installed.

#![expect(clippy::print_stdout, reason = "what a bench measures it prints")]
#![expect(clippy::disallowed_methods, reason = "a bench measures real time")]

use std::alloc::{GlobalAlloc, Layout};
use std::fs;
use std::hint::black_box;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use nabat::alert::{Alert, Forgotten, GroupId, Notification, Reason, Source, Status};
use nabat::rendering::{ButtonKind, Kind, Language, Renderer, Scene};

#[cfg(feature = "mimalloc")]
use mimalloc::MiMalloc as Program;
#[cfg(not(feature = "mimalloc"))]
use std::alloc::System as Program;

/// Alerts in a group.
const SIZES: [usize; 4] = [1, 5, 60, 500];

/// Renderings of which the processor time is taken.
const PROCESSOR_ROUNDS: u32 = 1_000;

/// The program's allocator, with what it gives counted.
struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);
static HELD: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is the program's allocator's own; the counters touch no memory of it.
#[expect(unsafe_code, reason = "an allocator can't be counted without being one")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        HELD.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { Program.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { Program.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn owned<const N: usize>(pairs: [(&str, String); N]) -> nabat::alert::Labels {
    pairs.map(|(name, value)| (name.to_owned(), value)).into()
}

/// A group as Prometheus makes them: a common rule, alerts that differ in place and value.
fn group(size: usize) -> Notification {
    let start: Timestamp = "2026-11-03T09:00:00Z".parse().expect("a time");
    let alert = |number: usize| Alert {
        fingerprint: format!("{number:016x}"),
        status: if number % 5 == 4 { Status::Resolved } else { Status::Firing },
        labels: owned([
            ("alertname", "DiskWillFillInFourHours".into()),
            (
                "severity",
                if number.is_multiple_of(7) { "critical".into() } else { "warning".into() },
            ),
            ("instance", format!("db-{number}.prod.example.com:9100")),
            ("device", format!("/dev/nvme{}n1p{}", number % 4, number % 3)),
            ("mountpoint", format!("/var/lib/postgresql/{number}")),
            ("cluster", "eu-west-1".into()),
            ("job", "node".into()),
            ("team", "storage".into()),
        ]),
        annotations: owned([
            ("summary", format!("Disk of db-{number} is {}% full", 80 + number % 20)),
            (
                "description",
                format!(
                    "The file system /var/lib/postgresql/{number} fills up at {} MiB/s and has \
                     {} GiB left.",
                    number % 90,
                    number % 40
                ),
            ),
            ("runbook_url", "https://runbooks.example.com/storage/disk-will-fill".into()),
        ]),
        starts_at: start + SignedDuration::from_secs(i64::try_from(number).unwrap_or_default()),
        ends_at: (number % 5 == 4).then(|| start + SignedDuration::from_mins(9)),
        generator_url: format!("https://prometheus.example.com/graph?g0.expr=disk%3E{number}"),
        grafana: None,
        unlisted: false,
    };
    Notification {
        group: GroupId {
            source: Source::Alertmanager,
            receiver: "telegram".to_owned(),
            key: "{}:{alertname=\"DiskWillFillInFourHours\"}".to_owned(),
        },
        status: Status::Firing,
        reason: Reason::NewAlertsAdded,
        alerts: (0..size).map(alert).collect(),
        group_labels: owned([("alertname", "DiskWillFillInFourHours".into())]),
        common_labels: owned([("cluster", "eu-west-1".into()), ("job", "node".into())]),
        common_annotations: owned([]),
        external_url: "https://alertmanager.example.com".to_owned(),
        truncated_alerts: 0,
    }
}

fn scene<'a>(state: &'a Notification, timezone: &'a TimeZone) -> Scene<'a> {
    let now = "2026-11-03T09:12:00Z".parse().expect("a time");
    Scene {
        kind: Kind::Card,
        state,
        news: &[],
        merged: 1,
        forgotten: Forgotten::default(),
        accepted_at: now,
        now,
        note: None,
        template: "default",
        language: Language::from_code("en").expect("a language"),
        timezone,
        tg_time: false,
        buttons: &ButtonKind::ALL,
        table: false,
    }
}

/// What the kernel says this thread has run, so that what else the machine does is not counted.
fn on_processor() -> Duration {
    let told = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = told.split(' ').next().and_then(|first| first.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or_default())
}

/// The processor time of one rendering, over many: the kernel counts in ticks.
fn processor_time(renderer: &Renderer, scene: &Scene<'_>) -> Duration {
    let before = on_processor();
    for _ in 0..PROCESSOR_ROUNDS {
        black_box(renderer.render(black_box(scene)));
    }
    on_processor().saturating_sub(before) / PROCESSOR_ROUNDS
}

/// How often one rendering allocates, and how much more is held after it than before.
fn cost(renderer: &Renderer, scene: &Scene<'_>) -> (usize, isize) {
    let before = (ALLOCATIONS.load(Ordering::Relaxed), HELD.load(Ordering::Relaxed));
    drop(black_box(renderer.render(black_box(scene))));
    let after = (ALLOCATIONS.load(Ordering::Relaxed), HELD.load(Ordering::Relaxed));
    (after.0 - before.0, after.1.wrapping_sub(before.1).cast_signed())
}

fn rendering(criterion: &mut Criterion) {
    let renderer = Renderer::default();
    let timezone = TimeZone::get("Asia/Almaty").expect("a zone");
    let mut times = criterion.benchmark_group("card");
    for size in SIZES {
        let state = group(size);
        let scene = scene(&state, &timezone);
        let (first, _) = cost(&renderer, &scene);
        let mut held = 0;
        let mut last = 0;
        for _ in 1..1_000 {
            let (allocations, kept) = cost(&renderer, &scene);
            (last, held) = (allocations, held + kept);
        }
        println!(
            "{size} alerts: {first} allocations the first time, {last} the thousandth; \
             {held} bytes more held after all; {:?} on the processor",
            processor_time(&renderer, &scene)
        );
        assert_eq!(held, 0, "a rendering keeps nothing");
        times.bench_with_input(BenchmarkId::from_parameter(size), &scene, |bencher, scene| {
            bencher.iter(|| renderer.render(black_box(scene)));
        });
    }
    times.finish();
}

/// Renderings of one `amtool` beyond the first: enough to stand out from its start.
const AMTOOL_ROUNDS: u32 = 400;

/// Pairs of `amtool` runs; the middle one is told.
const AMTOOL_PAIRS: usize = 7;

/// The group as Alertmanager's templates are given it.
fn data(state: &Notification) -> serde_json::Value {
    let alert = |alert: &Alert| {
        serde_json::json!({
            "status": alert.status,
            "labels": alert.labels,
            "annotations": alert.annotations,
            "startsAt": alert.starts_at,
            "endsAt": alert.ends_at.unwrap_or_default(),
            "generatorURL": alert.generator_url,
            "fingerprint": alert.fingerprint,
        })
    };
    serde_json::json!({
        "receiver": state.group.receiver,
        "status": state.status,
        "alerts": state.alerts.iter().map(alert).collect::<Vec<_>>(),
        "groupLabels": state.group_labels,
        "commonLabels": state.common_labels,
        "commonAnnotations": state.common_annotations,
        "externalURL": state.external_url,
    })
}

/// Alertmanager's default templates, where Debian has them: its `amtool` knows none by itself.
const THEIR_TEMPLATES: &str = "/usr/share/prometheus/alertmanager/default.tmpl";

/// What a run of `amtool` takes that renders the default message so often.
fn amtool(data: &str, times: u32) -> Option<Duration> {
    let message = r#"{{ template "telegram.default.message" . }}"#;
    let started = Instant::now();
    let status = Command::new("amtool")
        .args(["template", "render", "--template.type=html"])
        .arg(format!("--template.glob={THEIR_TEMPLATES}"))
        .arg(format!("--template.text={}", message.repeat(times as usize)))
        .arg(format!("--template.data={data}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success()).then(|| started.elapsed())
}

/// What Alertmanager takes for one rendering: the difference of two runs, so that the start of the
/// process and reading its data are not in it. Compiling the longer text is; it is one call a time.
fn alertmanager(_: &mut Criterion) {
    for size in SIZES {
        let path = std::env::temp_dir().join(format!("nabat-render-{}.json", std::process::id()));
        fs::write(&path, data(&group(size)).to_string())
            .expect("a file in the temporary directory");
        let file = path.display().to_string();
        let pair = |_| {
            let (one, many) = (amtool(&file, 1)?, amtool(&file, 1 + AMTOOL_ROUNDS)?);
            Some(many.saturating_sub(one) / AMTOOL_ROUNDS)
        };
        let pairs: Option<Vec<Duration>> = (0..AMTOOL_PAIRS).map(pair).collect();
        fs::remove_file(&path).expect("the file that was just written");
        match pairs {
            Some(mut pairs) => {
                pairs.sort();
                println!(
                    "{size} alerts: Alertmanager's own message takes {:?} ({:?} to {:?})",
                    pairs[AMTOOL_PAIRS / 2],
                    pairs[0],
                    pairs[AMTOOL_PAIRS - 1]
                );
            }
            None => {
                println!("{size} alerts: no amtool with its templates; nothing to compare with");
            }
        }
    }
}

criterion_group!(benches, rendering, alertmanager);
criterion_main!(benches);
