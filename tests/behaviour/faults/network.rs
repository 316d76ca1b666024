//! Names that do not resolve, connections that are refused, broken or mute, answers without end.

use std::cell::Cell;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use nabat::lifecycle::Tasks;
use nabat::sandbox::{Fault, Limits, Sandbox, Trouble};
use rustls::ServerConfig;
use rustls_pki_types::PrivateKeyDer;
use secrecy::SecretString;
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::relay::{Manner, Relay};
use super::{group, person, play, post, serve, telegram, told, with_own_mounts};
use crate::outbox_contract::{fires, submission};
use crate::support::process::free_port;
use crate::support::stage::{OPS, Stage, sandbox, webhook};
use crate::support::wired::Wired;
use crate::support::{eventually, install_crypto};

/// How long a call may take where it is to be given up soon.
const TIMEOUT: Duration = Duration::from_secs(5);
const OWN_NAMES: &str = "mount --bind \"$1\" /etc/hosts\n\
     if [ -e /etc/resolv.conf ]; then mount --bind \"$2\" /etc/resolv.conf; fi";

/// Changes the configuration that [`serve`] has written.
fn reconfigure(directory: &Path, from: &str, to: &str) {
    let file = directory.join("nabat.yml");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains(from), "{from} in {text}");
    std::fs::write(file, text.replace(from, to)).unwrap();
}

/// Without what the machine knows of proxies.
fn direct(command: &mut Command) {
    for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
        command.env_remove(name).env_remove(name.to_uppercase());
    }
}

/// Waits until a send came to this end, for lack of something.
async fn has_failed(stage: &Stage, outcome: &str) {
    let series = format!("telegram_requests_total{{method=\"sendMessage\",outcome=\"{outcome}\"}}");
    eventually(&series, async || stage.metric(&series).await > 0).await;
}

#[tokio::test]
async fn a_name_is_resolved_again_at_every_try_until_it_leads_to_telegram() {
    let directory = TempDir::new().unwrap();
    let sandbox = telegram(Limits::None);
    let (hosts, servers) = (directory.path().join("hosts"), directory.path().join("resolv.conf"));
    std::fs::write(&hosts, "").unwrap();
    std::fs::write(&servers, "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n").unwrap();
    let mut command = serve(directory.path(), &sandbox);
    reconfigure(directory.path(), "127.0.0.1", "telegram.test");
    direct(&mut command);
    let command = with_own_mounts(OWN_NAMES, &[&hosts, &servers], &command);
    let stage = play(command, sandbox, directory).await;
    let (body, name) = group(1);
    assert_eq!(post(&stage.nabat.url, "person0", &body).await, 200);
    has_failed(&stage, "dns").await;
    // A record of before, where nobody listens any more.
    std::fs::write(&hosts, "127.0.0.2 telegram.test\n").unwrap();
    has_failed(&stage, "connect").await;
    std::fs::write(&hosts, "127.0.0.1 telegram.test\n").unwrap();
    stage.drained().await;
    assert_eq!(told(&stage.sandbox, &name), 1);
    assert_eq!(stage.metric("ambiguous_sends_total").await, 0, "no request had left");
}

/// Plays nabat against a way to Telegram that does not lead there, until `outcome` is counted and
/// the log says `why`; then mends it.
async fn until_mended(break_it: impl Fn(&Path, &str), outcome: &str, why: &str) {
    let directory = TempDir::new().unwrap();
    let sandbox = telegram(Limits::None);
    let mut command = serve(directory.path(), &sandbox);
    direct(&mut command);
    let text = std::fs::read_to_string(directory.path().join("nabat.yml")).unwrap();
    break_it(directory.path(), &sandbox.url());
    let stage = play(command, sandbox, directory).await;
    let (body, name) = group(1);
    assert_eq!(post(&stage.nabat.url, "person0", &body).await, 200);
    has_failed(&stage, outcome).await;
    stage.says(&[why]).await;
    assert_eq!(stage.entries("waiting").await.len(), 1);

    std::fs::write(stage.directory.path().join("nabat.yml"), text).unwrap();
    stage.go_on_at_once().await;
    stage.drained().await;
    assert_eq!(told(&stage.sandbox, &name), 1);
    assert_eq!(stage.metric("ambiguous_sends_total").await, 0);
}

#[tokio::test]
async fn a_refused_connection_is_tried_again_and_called_so() {
    let nowhere = format!("http://127.0.0.1:{}", free_port());
    let break_it = |directory: &Path, url: &str| reconfigure(directory, url, &nowhere);
    until_mended(break_it, "connect", "onnection refused").await;
}

#[tokio::test]
async fn a_server_with_a_certificate_of_nobody_is_tried_again_and_called_so() {
    install_crypto();
    let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(pair.signing_key.serialize_der()).unwrap();
    let certificate = pair.cert.der().clone();
    let config = ServerConfig::builder().with_no_client_auth();
    let config = config.with_single_cert(vec![certificate], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let tasks = Tasks::default();
    tasks.spawn("tls", async move {
        while let Ok((stream, _)) = listener.accept().await {
            // nabat breaks it off.
            let _ = acceptor.accept(stream).await;
        }
    });
    let break_it = |directory: &Path, url: &str| {
        reconfigure(directory, url, &format!("https://localhost:{port}"));
    };
    until_mended(break_it, "tls", "invalid peer certificate").await;
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_tried_again_and_called_so() {
    let break_it = |directory: &Path, url: &str| {
        reconfigure(directory, url, &url.replace("http:", "https:"));
    };
    until_mended(break_it, "tls", "received corrupt message").await;
}

#[tokio::test]
async fn a_proxy_that_does_not_lead_to_telegram_is_tried_again_and_called_so() {
    let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = proxy.local_addr().unwrap();
    let tasks = Tasks::default();
    tasks.spawn("proxy", async move {
        while let Ok((mut stream, _)) = proxy.accept().await {
            let mut head = [0; 4096];
            let _ = stream.read(&mut head).await;
            let _ = stream.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").await;
        }
    });
    let break_it = |directory: &Path, url: &str| {
        let through = format!("https://telegram.test\n  proxy_url: http://{address}");
        reconfigure(directory, url, &through);
    };
    until_mended(break_it, "proxy", "tunnel error").await;
}

/// What becomes of a message whose first connection is harmed: it is sent again.
async fn through(manner: Manner, outcome: &str, ambiguous: u64) -> (Sandbox, Relay) {
    let sandbox = sandbox(Limits::None);
    let relay = Relay::start(&sandbox, manner).await;
    let (_token, watched) = watch::channel(Some(Arc::new(SecretString::from(sandbox.token()))));
    let wired = Wired::new(&relay.url(), TIMEOUT, watched, Arc::new(|| {}));
    wired.outbox.accept(submission("DiskFull", &[fires("a")])).await.unwrap();
    wired.delivery.start().await.unwrap();
    wired.drained().await;
    let requests = &wired.metrics.telegram_requests;
    assert_eq!(requests.with_label_values(&["sendMessage", outcome]).get(), 1, "{outcome}");
    assert_eq!(requests.with_label_values(&["sendMessage", "ok"]).get(), 1);
    assert_eq!(wired.metrics.ambiguous_sends.get(), ambiguous);
    wired.stop().await;
    (sandbox, relay)
}

#[tokio::test]
async fn a_connection_that_goes_mute_after_the_request_ends_in_a_timeout_and_is_ambiguous() {
    let (sandbox, _) = through(Manner::Mute, "timeout", 1).await;
    assert_eq!(sandbox.messages(OPS).len(), 2, "Telegram had it the first time");
}

#[tokio::test]
async fn an_answer_that_trickles_is_cut_off_at_the_deadline_of_the_whole_call() {
    let (sandbox, _) = through(Manner::Trickle, "timeout", 1).await;
    assert_eq!(sandbox.messages(OPS).len(), 2, "Telegram had it the first time");
}

#[tokio::test]
async fn of_an_answer_without_end_no_more_than_a_little_is_read() {
    let (sandbox, relay) = through(Manner::Endless, "bad_body", 1).await;
    assert_eq!(sandbox.messages(OPS).len(), 2);
    // What the kernel buffers comes on top.
    assert!(relay.written() < 32 << 20, "{}", relay.written());
}

#[tokio::test]
async fn a_429_that_does_not_say_how_long_or_says_more_than_known_stops_that_chat_alone() {
    let directory = TempDir::new().unwrap();
    let sandbox = telegram(Limits::None);
    let command = serve(directory.path(), &sandbox);
    let strange = json!({
        "ok": false, "error_code": 429, "description": "Too Many Requests: retry after 1",
        "parameters": {"retry_after": 1, "adaptive": {"until": [1, 2]}}, "more": null,
    });
    let strange = Trouble::Answer { status: 429, body: strange.to_string() };
    let bare = Trouble::too_many_requests(None);
    sandbox.inject(Fault::new(bare).method("sendMessage").chat(person(0)));
    sandbox.inject(Fault::new(strange).method("sendMessage").chat(person(1)));
    let stage = play(command, sandbox, directory).await;
    let posts = (0..3).map(|number| {
        let url = stage.nabat.url.clone();
        async move { post(&url, &format!("person{number}"), &group(number).0).await }
    });
    assert_eq!(futures_util::future::join_all(posts).await, [200; 3]);
    let shown = |number: usize| told(&stage.sandbox, &group(number).1);
    eventually("the third is shown", async || shown(2) == 1).await;
    stage.drained().await;
    assert_eq!([shown(0), shown(1), shown(2)], [1; 3]);
    for number in 0..2 {
        let statuses: Vec<_> =
            stage.requests(person(number)).into_iter().map(|(_, status)| status).collect();
        assert_eq!(statuses, [Some(429), Some(200)], "one wait, one send");
    }
}

#[tokio::test]
async fn an_edit_that_changes_nothing_is_a_success() {
    let directory = TempDir::new().unwrap();
    let sandbox = telegram(Limits::None);
    let same = "Bad Request: message is not modified: specified new message content and reply \
                markup are exactly the same as a current content and reply markup of the message";
    sandbox.inject(Fault::new(Trouble::refusal(400, same)).method("editMessageText"));
    let command = serve(directory.path(), &sandbox);
    let stage = play(command, sandbox, directory).await;
    for alerts in [&["db1"][..], &["db1", "db2"]] {
        assert_eq!(post(&stage.nabat.url, "person0", &webhook("DiskFull", alerts)).await, 200);
        stage.drained().await;
    }
    assert_eq!(stage.sandbox.messages(person(0)).len(), 2, "the card and one reply");
    assert_eq!(stage.metric("plain_fallbacks_total").await, 0);
    assert!(stage.entries("dead").await.is_empty());
}

const FEW_FILES: &str = "ulimit -n 256\nexec \"$@\"";

/// Idle connections, each dialled again whenever nabat closes it, until the tasks are stopped.
fn flood(address: &str, count: usize, tasks: &Tasks) {
    for _ in 0..count {
        let (address, stop) = (address.to_owned(), tasks.clone());
        tasks.spawn("idle", async move {
            let idle = async {
                loop {
                    if let Ok(mut stream) = TcpStream::connect(&address).await {
                        let _ = stream.read(&mut [0]).await;
                    }
                }
            };
            tokio::select! { () = idle => {}, () = stop.stopping() => {} }
        });
    }
}

#[tokio::test]
async fn more_idle_connections_than_there_may_be_open_files_do_not_stop_what_waits() {
    let directory = TempDir::new().unwrap();
    let sandbox = telegram(Limits::None);
    let serving = serve(directory.path(), &sandbox);
    let mut command = Command::new("sh");
    command.args(["-ec", FEW_FILES, "sh"]).arg(serving.get_program()).args(serving.get_args());
    command.envs(serving.get_envs().filter_map(|(name, value)| Some((name, value?))));
    // Each try needs a connection, and so an open file, of its own.
    sandbox.inject(Fault::new(Trouble::DropBefore).always());
    let stage = play(command, sandbox, directory).await;
    let (body, name) = group(1);
    assert_eq!(post(&stage.nabat.url, "person0", &body).await, 200);

    let idle = Tasks::default();
    flood(stage.nabat.url.trim_start_matches("http://"), 400, &idle);
    let files = format!("/proc/{}/fd", stage.nabat.process.pid());
    let seen = Cell::new((0, 0));
    let is_flooded = async || {
        let open = std::fs::read_dir(&files).unwrap().count();
        let (before, times) = seen.get();
        seen.set((open, if open == before { times + 1 } else { 0 }));
        open > 100 && times >= 20
    };
    eventually("it takes no more", is_flooded).await;
    stage.sandbox.clear_faults();
    eventually("it is shown", async || told(&stage.sandbox, &name) == 1).await;
    idle.stop();
    idle.finished().await;
    let (body, name) = group(2);
    assert_eq!(post(&stage.nabat.url, "person0", &body).await, 200);
    eventually("it is shown", async || told(&stage.sandbox, &name) == 1).await;
}
