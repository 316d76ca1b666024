//! A sender that costs as little as it can: one keep-alive connection a task, bytes made once.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What the load showed.
#[derive(Debug)]
pub struct Load {
    pub requests: u64,
    pub took: Duration,
    pub refused: u64,
    latencies: Vec<Duration>,
}

impl Load {
    pub fn rate(&self) -> f64 {
        self.requests as f64 / self.took.as_secs_f64()
    }

    /// The latency below which this share of the requests stayed.
    pub fn percentile(&mut self, share: f64) -> Duration {
        self.latencies.sort_unstable();
        let last = self.latencies.len().saturating_sub(1);
        let index = (self.latencies.len() as f64 * share) as usize;
        self.latencies.get(index.min(last)).copied().unwrap_or_default()
    }
}

/// A webhook body of about 4 KiB: six firing alerts of one group. `occurrence` makes it another
/// event each time.
pub fn body(group: u64, occurrence: u64) -> String {
    let alert = |index: u64| {
        let filler = "a service that has been failing for some time now; ".repeat(7);
        format!(
            r#"{{"status":"firing","labels":{{"alertname":"Group{group}","instance":"host{index}.example.org:9100","job":"node","severity":"warning","team":"db"}},"annotations":{{"summary":"instance host{index} of group {group}","description":"{filler}","runbook":"https://runbooks.example.org/{group}"}},"startsAt":"2026-11-23T10:{:02}:{:02}.{:09}Z","endsAt":"0001-01-01T00:00:00Z","generatorURL":"https://prometheus.example.org/graph?g0.expr=up%7Binstance%3D%22host{index}%22%7D","fingerprint":"{:016x}"}}"#,
            occurrence / 60 % 60,
            occurrence % 60,
            occurrence % 1_000_000_000,
            group * 100 + index,
        )
    };
    let alerts: Vec<String> = (0..5).map(alert).collect();
    format!(
        r#"{{"version":"4","groupKey":"{{}}:{{alertname=\"Group{group}\"}}","truncatedAlerts":0,"status":"firing","receiver":"web\\.hook","groupLabels":{{"alertname":"Group{group}"}},"commonLabels":{{"alertname":"Group{group}","job":"node","severity":"warning","team":"db"}},"commonAnnotations":{{}},"externalURL":"https://alertmanager.example.org","alerts":[{}]}}"#,
        alerts.join(",")
    )
}

/// A whole HTTP/1.1 request.
pub fn request(path: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nHost: nabat\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// One keep-alive connection.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub async fn open(address: &str) -> Self {
        let stream = TcpStream::connect(address).await.expect("the server listens");
        stream.set_nodelay(true).expect("a TCP socket");
        Self { stream, buffer: vec![0; 16 << 10] }
    }

    /// Sends a request and reads its answer; returns the status.
    pub async fn send(&mut self, request: &[u8]) -> u16 {
        self.stream.write_all(request).await.expect("the server takes it");
        let mut filled = 0;
        loop {
            let read = self.stream.read(&mut self.buffer[filled..]).await.expect("an answer");
            assert!(read > 0, "the server closed the connection");
            filled += read;
            let head = &self.buffer[..filled];
            let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
            let text = String::from_utf8_lossy(&head[..end]).to_lowercase();
            let length = text
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .and_then(|length| length.trim().parse::<usize>().ok())
                .unwrap_or(0);
            if filled >= end + 4 + length {
                return text[9..12].parse().unwrap_or(0);
            }
        }
    }
}

/// Sends from `connections` connections for `span`, a group a connection.
pub async fn load(address: &str, connections: u64, span: Duration, round: u64) -> Load {
    let started = Instant::now();
    let senders: Vec<_> = (0..connections)
        .map(|group| {
            let address = address.to_owned();
            tokio::spawn(async move {
                let mut connection = Connection::open(&address).await;
                let (mut latencies, mut refused) = (Vec::new(), 0);
                let mut occurrence = round * 100_000_000;
                while started.elapsed() < span {
                    occurrence += 1;
                    let request = request("/alertmanager", &body(group, occurrence));
                    let sent = Instant::now();
                    let status = connection.send(&request).await;
                    latencies.push(sent.elapsed());
                    refused += u64::from(status != 200);
                }
                (latencies, refused)
            })
        })
        .collect();
    let (mut latencies, mut refused) = (Vec::new(), 0);
    for sender in senders {
        let (mut of_one, refused_of_one) = sender.await.expect("no panic");
        latencies.append(&mut of_one);
        refused += refused_of_one;
    }
    Load { requests: latencies.len() as u64, took: started.elapsed(), refused, latencies }
}
