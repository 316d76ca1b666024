//! nabat's HTTP side alone: the real server and the real store, with delivery played by the test.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use nabat::alert::Notification;
use nabat::clock::Clock;
use nabat::delivery::{Hindrance, Insight, Outcome, Report};
use nabat::heartbeats::{Heartbeat, Heartbeats};
use nabat::ingest::{self, Bodies, BodyLimits, Door, Intake, Router, Wake};
use nabat::lifecycle::Readiness;
use nabat::lifecycle::Tasks;
use nabat::outbox::sqlite::{SqliteOptions, SqliteOutbox};
use nabat::outbox::{Class, DeathReason, Outbox, Priority, Rejected, Settlement, Submission};
use nabat::routing::{ChatAlias, Destination, LaneId, Updates};
use nabat::telemetry::{Metrics, Scrubber};
use nabat::web::{self, Doors, Reload, Security, ServeOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;

use super::DEADLINE;

/// A webhook body with one alert.
pub const BODY: &str = include_str!("../../data/webhooks/alertmanager-0.25-firing.json");

/// What a test may set up differently.
#[derive(Debug, Default)]
pub struct Setup<'a> {
    pub body: BodyLimits,
    pub serve: ServeOptions,
    pub store: SqliteOptions,
    /// The web configuration file.
    pub web_config: Option<&'a Path>,
}

/// Two chats: everything goes to `ops`, and to `db` too when the label `team` says so.
#[derive(Debug)]
struct TwoChats;

fn destination(chat: &str) -> Destination {
    Destination {
        lane: LaneId { chat: ChatAlias(chat.into()), topic: None },
        by_label: false,
        template: "default".into(),
        updates: Updates::Thread,
        buttons: None,
    }
}

impl Router for TwoChats {
    fn destinations(&self, notification: &Notification) -> Vec<Destination> {
        let mut destinations = vec![destination("ops")];
        if notification.shared_label("team") == Some("db") {
            destinations.push(destination("db"));
        }
        destinations
    }

    fn direct(&self, _: &Notification, chat: &ChatAlias) -> Option<Destination> {
        self.chats().contains(chat).then(|| destination(chat.as_str()))
    }

    fn severity(&self, _: &Notification) -> u8 {
        0
    }

    fn chats(&self) -> Vec<ChatAlias> {
        vec![ChatAlias("db".into()), ChatAlias("ops".into())]
    }
}

#[derive(Debug)]
struct Bell(mpsc::UnboundedSender<LaneId>);

impl Wake for Bell {
    fn wake(&self, lane: &LaneId) {
        // The test may have ended.
        let _ = self.0.send(lane.clone());
    }
}

/// Answers a reload with what the test has put here.
#[derive(Debug)]
pub struct PlayedReload(pub Mutex<Result<(), String>>);

#[async_trait]
impl Reload for PlayedReload {
    async fn reload(&self) -> Result<(), String> {
        self.0.lock().unwrap().clone()
    }
}

/// Delivery as the test plays it.
#[derive(Debug)]
pub struct PlayedDelivery {
    reports: broadcast::Sender<Report>,
    pub hindrance: Mutex<Option<Hindrance>>,
}

impl Insight for PlayedDelivery {
    fn reports(&self) -> broadcast::Receiver<Report> {
        self.reports.subscribe()
    }

    fn hindrance(&self, _: &LaneId) -> Option<Hindrance> {
        self.hindrance.lock().unwrap().clone()
    }
}

#[derive(Debug)]
pub struct House {
    pub address: SocketAddr,
    pub intake: Arc<Intake>,
    pub store: Arc<SqliteOutbox>,
    pub metrics: Arc<Metrics>,
    pub readiness: Readiness,
    pub reload: Arc<PlayedReload>,
    /// When a web configuration file was given.
    pub security: Option<Arc<Security>>,
    pub http: reqwest::Client,
    pub stop: CancellationToken,
    pub delivery: Arc<PlayedDelivery>,
    bell: tokio::sync::Mutex<mpsc::UnboundedReceiver<LaneId>>,
    tasks: Tasks,
    _home: tempfile::TempDir,
}

impl House {
    pub async fn open(setup: Setup<'_>) -> Self {
        super::install_crypto();
        let home = tempfile::tempdir().unwrap();
        let metrics = Arc::new(Metrics::new("0.0.0"));
        let commits = metrics.outbox_commit_duration.clone();
        let store = Arc::new(SqliteOutbox::open(home.path(), setup.store, commits).unwrap());
        let (ring, bell) = mpsc::unbounded_channel();
        let tasks = Tasks::default();
        let wake = Arc::new(Bell(ring));
        let clock = Arc::new(Clock::system());
        let heartbeats = Arc::new(Heartbeats::new(
            store.clone(),
            wake.clone(),
            clock.clone(),
            metrics.clone(),
            tasks.clone(),
        ));
        let intake = Arc::new(Intake {
            router: Arc::new(TwoChats),
            outbox: store.clone(),
            wake,
            heartbeats,
            clock,
            metrics: metrics.clone(),
            scrubber: Scrubber::new(),
            tasks: tasks.clone(),
        });
        let readiness = Readiness::default();
        let reload = Arc::new(PlayedReload(Mutex::new(Ok(()))));
        let reports = broadcast::Sender::new(16);
        let delivery = Arc::new(PlayedDelivery { reports, hindrance: Mutex::default() });
        let doors = Doors::new(
            intake.clone(),
            readiness.clone(),
            reload.clone(),
            delivery.clone(),
            "0.0.0",
        );
        let ingest = ingest::router(Door {
            intake: intake.clone(),
            bodies: Bodies::new(setup.body, tasks.clone()),
        });
        let mut site = web::site(ingest, web::router(doors));
        let mut tls = None;
        let security = setup.web_config.map(|path| Arc::new(Security::load(path).unwrap()));
        if let Some(security) = security.clone() {
            tls = security.tls();
            site = security.protect(site);
        }
        let site = ingest::keep_books(web::guard(site), intake.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let serving = web::serve(listener, site, setup.serve, tls, tasks.clone(), stop.clone());
        tasks.spawn("web", serving);
        Self {
            address,
            intake,
            store,
            metrics,
            readiness,
            reload,
            security,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            stop,
            delivery,
            bell: tokio::sync::Mutex::new(bell),
            tasks,
            _home: home,
        }
    }

    /// Listens for a heartbeat, a minute at a time.
    pub fn listen_for(&self, name: &str, matchers: &str) {
        let heartbeat = Heartbeat {
            matchers: nabat::routing::parse_matchers(matchers).unwrap(),
            interval: Duration::from_mins(1),
            lanes: Vec::new(),
            push: None,
        };
        self.intake.heartbeats.replace([(name.to_owned(), heartbeat)].into());
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Posts a webhook and returns the status and the answer.
    pub async fn webhook(&self, path: &str, body: impl Into<String>) -> (u16, serde_json::Value) {
        let request = self.http.post(self.url(path)).body(body.into());
        answer(request.header("content-type", "application/json")).await
    }

    /// Returns the status and the JSON of a request without a body.
    pub async fn ask(&self, method: &str, path: &str) -> (u16, serde_json::Value) {
        answer(self.http.request(method.parse().unwrap(), self.url(path))).await
    }

    /// Returns the status and the text.
    pub async fn get(&self, path: &str) -> (u16, String) {
        let response = self.http.get(self.url(path)).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    pub async fn dial(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// The refused webhooks, newest first, once there are so many of them.
    pub async fn rejected(&self, count: usize) -> Vec<Rejected> {
        let kept = async {
            loop {
                let kept = self.store.rejected().await.unwrap();
                if kept.len() >= count {
                    return kept;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(DEADLINE, kept).await.expect("fewer refused webhooks were kept")
    }

    /// The next lane that delivery is woken for.
    pub async fn woken(&self) -> LaneId {
        let mut bell = self.bell.lock().await;
        tokio::time::timeout(DEADLINE, bell.recv()).await.expect("nobody was woken").unwrap()
    }

    /// Puts a dead letter of a group into the store, for any chat, and returns its number.
    pub async fn dead_letter(&self, chat: &str, group: &str) -> i64 {
        let at = self.intake.clock.now();
        let mut notification = ingest::parse(BODY.as_bytes(), at).unwrap();
        group.clone_into(&mut notification.group.key);
        let destination = destination(chat);
        let lane = destination.lane.clone();
        let submission = Submission {
            notification: Arc::new(notification),
            destinations: vec![destination],
            priority: Priority { class: Class::News, severity: 0 },
            at,
        };
        self.store.accept(submission).await.unwrap();
        let leased = self.store.lease(&lane).await.unwrap().unwrap();
        let dead = Settlement::Dead { reason: DeathReason::Unreachable, detail: "kicked".into() };
        self.store.settle(leased.lease, dead).await.unwrap();
        leased.entry.id.0
    }

    /// Plays delivery once: the next lane that is woken reports `outcome` for its entry.
    pub async fn deliver(&self, outcome: Outcome) {
        // A person's order wakes its lanes once more.
        let (lane, leased) = loop {
            let lane = self.woken().await;
            if let Some(leased) = self.store.lease(&lane).await.unwrap() {
                break (lane, leased);
            }
        };
        let group = leased.entry.state.group;
        self.delivery.reports.send(Report { lane, group, outcome }).unwrap();
    }

    /// Asks the server to stop, and waits until it and all it started have ended.
    pub async fn stopped(&self) {
        self.stop.cancel();
        self.tasks.stop();
        let ended = tokio::time::timeout(DEADLINE, self.tasks.finished()).await;
        ended.expect("the server does not stop");
    }
}

pub async fn answer(request: reqwest::RequestBuilder) -> (u16, serde_json::Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    let json = serde_json::from_str(&text);
    (status, json.unwrap_or_else(|_| panic!("answered {status} without JSON: {text}")))
}

/// Sends raw bytes and reads until the peer closes, or for at most the test's deadline.
pub async fn exchange(stream: &mut TcpStream, bytes: &[u8]) -> String {
    // The peer may close before it has read everything.
    let _ = stream.write_all(bytes).await;
    read_to_end(stream).await
}

pub async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let read = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut answer)).await;
    // A reset is an end too.
    let _ = read.expect("the server keeps the connection open");
    String::from_utf8_lossy(&answer).into_owned()
}

/// Reads one answer with a `Content-Length` from a connection that stays open.
pub async fn read_answer(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let reading = async {
        loop {
            let mut chunk = [0; 4096];
            let length = stream.read(&mut chunk).await.unwrap();
            assert!(length > 0, "closed after {:?}", String::from_utf8_lossy(&answer));
            answer.extend_from_slice(&chunk[..length]);
            let text = String::from_utf8_lossy(&answer).to_lowercase();
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.trim().parse().unwrap()) {
                return;
            }
        }
    };
    tokio::time::timeout(DEADLINE, reading).await.expect("no whole answer");
    String::from_utf8_lossy(&answer).into_owned()
}

/// How long short waits in these tests are: long enough for a busy machine.
pub const SHORT: Duration = Duration::from_millis(300);
