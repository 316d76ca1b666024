//! The only place that wires everyone: from a configuration to a running program.

mod reload;
mod rooms;
mod token;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::{Config, Faults};
use crate::delivery::{Bot, Chats, Delivery, Surroundings, TopicBook};
use crate::heartbeats::{Heartbeat, Heartbeats};
use crate::ingest::{self, Bodies, BodyLimits, Door, Intake};
use crate::lifecycle::{Readiness, StopOrder, Tasks};
use crate::outbox::sqlite::{OpenError, SqliteOutbox};
use crate::outbox::{Outbox, StoreError};
use crate::telegram::ClientError;
use crate::telemetry::{Metrics, Scrubber};
use crate::web::{self, Doors, Reload, Security, SecurityError, ServeOptions};

pub use self::rooms::{client, renderer};

use self::reload::Reloader;
use self::rooms::{Present, Waker};

/// What [`start`] needs beside the configuration file.
#[derive(Debug, Clone)]
pub struct Options {
    /// The file to load; without one the environment is enough.
    pub config_file: Option<PathBuf>,
    pub storage_path: PathBuf,
    pub listen_address: SocketAddr,
    /// TLS and users of the HTTP side; without one it is plain HTTP, open to everyone.
    pub web_config_file: Option<PathBuf>,
    pub body: BodyLimits,
    /// How long sends in flight may take once the program is asked to stop.
    pub grace: Duration,
    pub environment: fn(&str) -> Option<String>,
    pub clock: Arc<Clock>,
    pub scrubber: Scrubber,
    /// Where delivery, secrets and heartbeats run; the doors run where [`start`] is called.
    pub delivery: Handle,
}

/// Why the program does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("{0}")]
    Config(#[from] Faults),
    #[error("{}", lines(.0))]
    Templates(Vec<crate::rendering::TemplateError>),
    #[error(transparent)]
    Web(#[from] SecurityError),
    #[error(transparent)]
    Store(#[from] OpenError),
    #[error("the outbox does not answer: {0}")]
    Outbox(#[from] StoreError),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("the HTTP client for pictures and monitors can't be set up: {0}")]
    Http(#[source] reqwest::Error),
    #[error(
        "can't listen on {address}: {source}; is another nabat running? Name another address with --web.listen-address"
    )]
    Listen { address: SocketAddr, source: std::io::Error },
}

impl StartError {
    /// Whether the operator's configuration is at fault (exit code 2).
    pub fn is_configuration(&self) -> bool {
        matches!(self, Self::Config(_) | Self::Templates(_) | Self::Client(_) | Self::Web(_))
    }
}

fn lines<T: std::fmt::Display>(items: &[T]) -> String {
    items.iter().map(T::to_string).collect::<Vec<_>>().join("\n")
}

/// The running program.
#[derive(Debug)]
pub struct App {
    address: SocketAddr,
    reloader: Arc<Reloader>,
    delivery: Delivery,
    intake: Arc<Intake>,
    metrics: Arc<Metrics>,
    fatal: CancellationToken,
    stop: StopOrder,
}

/// Starts everything; returns when webhooks are accepted.
pub async fn start(options: Options) -> Result<App, StartError> {
    let config = Config::load(options.config_file.as_deref(), &options.environment)?;
    let config = Arc::new(config);

    let metrics = Arc::new(Metrics::new(env!("CARGO_PKG_VERSION")));
    let readiness = Readiness::default();
    let starting = readiness.hold("starting");

    let renderer = renderer(&config).map_err(StartError::Templates)?;
    rooms::introduce_templates(&renderer);
    let client = Arc::new(ArcSwap::from_pointee(client(&config)?));
    let images = rooms::images(&config).map_err(StartError::Http)?;
    let pusher = rooms::pusher(&config).map_err(StartError::Http)?;
    let security = options.web_config_file.as_deref().map(Security::load).transpose()?;
    let listener = listen(options.listen_address).await?;
    let address = listener.local_addr().unwrap_or(options.listen_address);

    let commits = metrics.outbox_commit_duration.clone();
    let store = SqliteOutbox::open(&options.storage_path, rooms::store_options(&config), commits)?;
    let store = Arc::new(store);
    let dead_letters = metrics.dead_letters.clone();
    store.on_deaths(move |chat, reason, deaths| {
        dead_letters.with_label_values(&[chat.as_str(), reason.as_str()]).inc_by(deaths);
    });
    let fatal = store.fatal();
    let outbox: Arc<dyn Outbox> = store.clone();
    count_cut_sends(outbox.cut_sends().values().sum(), &metrics);

    let (front, back) = (Tasks::on(Handle::current()), Tasks::on(options.delivery.clone()));
    let token = token::Keeper::new(&options, &metrics, client.clone(), &back);
    let kept = token.keep(&config);
    let chats = Arc::new(Chats::new(kept.chats, outbox.migrations().await?));
    let topics = Arc::new(TopicBook::new(chats.clone(), outbox.topics().await?));
    let present = Arc::new(Present::new(config.clone(), topics.clone()));
    let delivery = Delivery::new(Surroundings {
        outbox: outbox.clone(),
        client: client.clone(),
        bot: Bot::new(token.watch(), token.ask(), token.why_none()),
        chats: chats.clone(),
        topics,
        renderer: Arc::new(ArcSwap::from_pointee(renderer)),
        metrics: metrics.clone(),
        clock: options.clock.clone(),
        options: ArcSwap::from_pointee(rooms::delivery_options(&config, images)),
        tasks: back.clone(),
    });
    rooms::introduce(&config, &metrics, &options.clock);

    let wake = Arc::new(Waker(delivery.clone()));
    let heartbeats = Heartbeats::new(
        outbox.clone(),
        wake.clone(),
        options.clock.clone(),
        metrics.clone(),
        back.clone(),
    );
    let configured = rooms::heartbeats(&config, kept.pushes, pusher.as_ref());
    let heartbeats = hear(heartbeats, configured, &back).await?;
    let intake = Arc::new(Intake {
        router: present.clone(),
        outbox: outbox.clone(),
        wake,
        heartbeats: heartbeats.clone(),
        clock: options.clock.clone(),
        metrics: metrics.clone(),
        scrubber: options.scrubber.clone(),
        tasks: front.clone(),
    });
    let reloader = Arc::new(Reloader {
        options: options.clone(),
        present,
        store,
        delivery: delivery.clone(),
        heartbeats,
        token,
        turn: tokio::sync::Mutex::new(()),
    });
    let door = Door { intake: intake.clone(), bodies: Bodies::new(options.body, front.clone()) };
    let doors = Doors::new(
        intake.clone(),
        readiness.clone(),
        reloader.clone(),
        Arc::new(delivery.clone()),
        env!("CARGO_PKG_VERSION"),
    );
    let mut site = web::site(ingest::router(door), web::router(doors));
    let mut tls = None;
    if let Some(security) = security.map(Arc::new) {
        tls = security.tls();
        back.spawn("web config", security.clone().watch(back.clone()));
        site = security.protect(site);
    }
    let site = ingest::keep_books(web::guard(site), intake.clone());
    // Before the doors open: an alert must not be sent before it is known what was sent lately.
    delivery.start().await?;
    // Their workers wait at the store before the first alert comes.
    rooms::lanes(&config).for_each(|lane| delivery.wake(&lane));
    let close = CancellationToken::new();
    let serve = ServeOptions { grace: options.grace, ..ServeOptions::default() };
    let server =
        front.spawn("web", web::serve(listener, site, serve, tls, front.clone(), close.clone()));

    drop(starting);
    tracing::info!(%address, version = env!("CARGO_PKG_VERSION"), "nabat is ready");
    let stop = StopOrder { readiness, close, server, front, back, outbox, grace: options.grace };
    Ok(App { address, reloader, delivery, intake, metrics, fatal, stop })
}

fn count_cut_sends(sends: u64, metrics: &Metrics) {
    metrics.ambiguous_sends.inc_by(sends);
    if sends > 0 {
        tracing::warn!(
            sends,
            "the last process ended while it was sending; these messages may appear twice"
        );
    }
}

/// Listens for the heartbeats, knowing of which of them people believe that they are silent.
async fn hear(
    heartbeats: Heartbeats,
    configured: BTreeMap<String, Heartbeat>,
    tasks: &Tasks,
) -> Result<Arc<Heartbeats>, StoreError> {
    let heartbeats = Arc::new(heartbeats);
    heartbeats.replace(configured);
    heartbeats.recall().await?;
    tasks.spawn("heartbeats", heartbeats.clone().watch());
    Ok(heartbeats)
}

async fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|source| StartError::Listen { address, source })
}

impl App {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The way in, for a program that plays alerts itself (the demo).
    pub fn intake(&self) -> &Intake {
        &self.intake
    }

    /// What delivery does.
    pub fn delivery(&self) -> &Delivery {
        &self.delivery
    }

    /// What is counted.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Loads the configuration again, all or nothing.
    pub async fn reload(&self) -> Result<(), String> {
        self.reloader.reload().await
    }

    /// Completes when the store's disk can't be trusted any more; then only a stop helps.
    pub async fn failed(&self) {
        self.fatal.cancelled().await;
    }

    /// Stops in order; see [`StopOrder`].
    pub async fn stop(self) {
        self.stop.stop().await;
    }
}
