//! The smallest HTTP server: one answer to everything, and what it was asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use nabat::lifecycle::Tasks;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A server that plays a broken front, a proxy, or nobody in particular.
#[derive(Debug)]
pub struct Tiny {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    tasks: Tasks,
}

impl Drop for Tiny {
    fn drop(&mut self) {
        self.tasks.stop();
    }
}

impl Tiny {
    /// Starts it; `answer` makes the whole response from the request's first line.
    pub async fn start(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let tasks = Tasks::default();
        let (heads, stop) = (asked.clone(), tasks.clone());
        let serving = async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let Some(head) = request(&mut stream).await else { continue };
                let response = answer(head.lines().next().unwrap_or_default());
                heads.lock().expect("no panic while held").push(head);
                // The caller may have gone.
                let _ = stream.write_all(response.as_bytes()).await;
            }
        };
        tasks.spawn("tiny", async move {
            tokio::select! {
                () = serving => {}
                () = stop.stopping() => {}
            }
        });
        Self { address, asked, tasks }
    }

    /// The heads of the requests so far.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no panic while held").clone()
    }
}

/// A response that ends its connection.
pub fn response(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

/// The head of a request, once its body is read too.
async fn request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
            });
            if body.len() >= length.unwrap_or(0) {
                return Some(head.to_owned());
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}
