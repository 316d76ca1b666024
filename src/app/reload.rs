//! Reloading: everything is made anew from the file first, and only then put in force.

use std::sync::Arc;

use async_trait::async_trait;

use super::rooms::{self, Present};
use super::{Options, token};
use crate::config::Config;
use crate::delivery::Delivery;
use crate::heartbeats::Heartbeats;
use crate::outbox::sqlite::SqliteOutbox;
use crate::web::Reload;

#[derive(Debug)]
pub struct Reloader {
    pub options: Options,
    pub present: Arc<Present>,
    pub store: Arc<SqliteOutbox>,
    pub delivery: Delivery,
    pub heartbeats: Arc<Heartbeats>,
    pub token: token::Keeper,
    /// One reload at a time.
    pub turn: tokio::sync::Mutex<()>,
}

#[async_trait]
impl Reload for Reloader {
    async fn reload(&self) -> Result<(), String> {
        let _turn = self.turn.lock().await;
        let outcome = self.try_reload().await;
        match &outcome {
            Ok(()) => tracing::info!("configuration loaded again"),
            Err(faults) => {
                let metrics = &self.delivery.surroundings().metrics;
                metrics.config_last_reload_successful.set(0);
                tracing::error!("the configuration is faulty; the former one stays:\n{faults}");
            }
        }
        outcome
    }
}

impl Reloader {
    async fn try_reload(&self) -> Result<(), String> {
        let (file, environment) = (self.options.config_file.clone(), self.options.environment);
        let read = move || {
            let config = Config::load(file.as_deref(), &environment).map_err(|f| f.to_string())?;
            let renderer = rooms::renderer(&config).map_err(|faults| super::lines(&faults))?;
            let client = rooms::client(&config).map_err(|error| error.to_string())?;
            let images = rooms::images(&config).map_err(|error| error.to_string())?;
            let pusher = rooms::pusher(&config).map_err(|error| error.to_string())?;
            Ok::<_, String>((config, renderer, client, images, pusher))
        };
        let read = tokio::task::spawn_blocking(read).await.map_err(|error| error.to_string())?;
        let (config, renderer, client, images, pusher) = read?;

        // Nothing below can fail.
        let with = self.delivery.surroundings();
        let config = Arc::new(config);
        with.client.store(Arc::new(client));
        rooms::introduce_templates(&renderer);
        with.renderer.store(Arc::new(renderer));
        with.options.store(Arc::new(rooms::delivery_options(&config, images)));
        let kept = self.token.keep(&config);
        with.chats.replace(kept.chats);
        self.heartbeats.replace(rooms::heartbeats(&config, kept.pushes, pusher.as_ref()));
        self.store.set_options(rooms::store_options(&config));
        rooms::introduce(&config, &with.metrics, &with.clock);
        self.present.replace(config);
        self.delivery.urge_all();
        self.delivery.look_at_moves(None);
        Ok(())
    }
}
