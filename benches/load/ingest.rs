//! Durable ingest beside a handler that parses the same bodies and stores nothing.

use std::time::Duration;

use nabat::sandbox::Limits;

use super::program::{self, Program};
use super::sender::{self, load};

const CONNECTIONS: u64 = 64;
const SPAN: Duration = Duration::from_secs(5);
const ROUNDS: u64 = 5;

pub async fn run() {
    let sandbox = program::sandbox(Limits::default(), 1);
    let directory = tempfile::tempdir().expect("a directory");
    let nabat = Program::nabat(directory.path(), &program::configuration(&sandbox, 1));
    let baseline = Program::baseline();
    println!(
        "{CONNECTIONS} connections, {} bytes a body, {SPAN:?} a round",
        sender::body(1, 1).len()
    );
    load(&nabat.address, CONNECTIONS, Duration::from_secs(1), 0).await;
    load(&baseline.address, CONNECTIONS, Duration::from_secs(1), 0).await;
    let mut ratios = Vec::new();
    for round in 1..=ROUNDS {
        let before = (nabat.processor(), baseline.processor());
        let mut durable = load(&nabat.address, CONNECTIONS, SPAN, round).await;
        let mut plain = load(&baseline.address, CONNECTIONS, SPAN, round).await;
        let each = |program: &Program, before, requests: u64| {
            (program.processor() - before) / requests.max(1)
        };
        let used =
            (each(&nabat, before.0, durable.requests), each(&baseline, before.1, plain.requests));
        assert_eq!(durable.refused + plain.refused, 0, "every webhook is accepted");
        let ratio = durable.rate() / plain.rate();
        println!(
            "durable {:>6.0}/s p50 {:>7.2?} p99 {:>7.2?} cpu {} µs   nothing stored {:>6.0}/s p99 {:>7.2?} cpu {} µs   ratio {ratio:.2}",
            durable.rate(),
            durable.percentile(0.5),
            durable.percentile(0.99),
            used.0,
            plain.rate(),
            plain.percentile(0.99),
            used.1,
        );
        ratios.push(ratio);
    }
    ratios.sort_by(f64::total_cmp);
    println!("median ratio {:.2}; resident {} KiB", ratios[ratios.len() / 2], nabat.resident());
}
