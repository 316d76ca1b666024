//! A relay on the way to Telegram that harms the first connection and leaves the others alone.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nabat::lifecycle::Tasks;
use nabat::sandbox::Sandbox;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

/// What becomes of the answer on the harmed connection; Telegram has got the request.
#[derive(Debug, Clone, Copy)]
pub enum Manner {
    /// Nothing comes any more, and the connection stays open.
    Mute,
    /// It comes a byte at a time.
    Trickle,
    /// Another comes, and does not end.
    Endless,
}

#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    written: Arc<AtomicU64>,
    _tasks: Tasks,
}

impl Relay {
    pub async fn start(sandbox: &Sandbox, manner: Manner) -> Self {
        let to = sandbox.url().trim_start_matches("http://").trim_end_matches('/').to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let written = Arc::new(AtomicU64::new(0));
        let tasks = Tasks::default();
        let (counted, spawner) = (written.clone(), tasks.clone());
        tasks.spawn("relay", async move {
            let mut first = true;
            while let Ok((stream, _)) = listener.accept().await {
                let telegram = TcpStream::connect(&to).await.unwrap();
                if std::mem::take(&mut first) {
                    spawner.spawn("harmed", harmed(stream, telegram, manner, counted.clone()));
                } else {
                    spawner.spawn("whole", whole(stream, telegram));
                }
            }
        });
        Self { address, written, _tasks: tasks }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How much was written on the harmed connection before nabat closed it.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }
}

async fn whole(mut stream: TcpStream, mut telegram: TcpStream) {
    // Either may be cut at any time.
    let _ = copy_bidirectional(&mut stream, &mut telegram).await;
}

async fn harmed(stream: TcpStream, telegram: TcpStream, manner: Manner, written: Arc<AtomicU64>) {
    let (mut from, mut into) = stream.into_split();
    let (mut answers, mut requests) = telegram.into_split();
    let up = tokio::io::copy(&mut from, &mut requests);
    let down = async {
        let mut answer = vec![0; 1 << 16];
        // The answer shows that Telegram has carried the request out.
        let length = answers.read(&mut answer).await.unwrap_or(0);
        match manner {
            Manner::Mute => std::future::pending().await,
            Manner::Trickle => {
                for byte in &answer[..length] {
                    if into.write_all(std::slice::from_ref(byte)).await.is_err() {
                        return;
                    }
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
            Manner::Endless => {
                let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\
                            content-length: 99999999999\r\n\r\n{\"ok\":true,\"result\":\"";
                let _ = into.write_all(head.as_bytes()).await;
                while into.write_all(&[b'x'; 1 << 14]).await.is_ok() {
                    written.fetch_add(1 << 14, Ordering::Relaxed);
                }
            }
        }
    };
    // nabat ends it by closing.
    tokio::select! { _ = up => {}, () = down => {} }
}
