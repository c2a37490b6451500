//! The shop's end of webhooks, without a network: takes what is posted, or does not, as the dice say.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kith_connectors::{Connecting, Internet, Resolving, Stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use crate::fault::Fault;
use crate::gate::{Gate, Waits};

/// Where the endpoint is. Nobody listens there.
pub(crate) const URL: &str = "http://127.0.0.1:9/kith";
/// More than a message has.
const PIPE_BYTES: usize = 64 * 1_024;
/// Longer than anybody waits.
const FOR_EVER: Duration = Duration::from_secs(60);

/// Everything that an endpoint took: the bodies by the id that they came with.
pub(crate) type Taken = BTreeMap<String, Vec<String>>;

/// An internet with one endpoint in it.
#[derive(Debug, Clone)]
pub(crate) struct OneEndpoint {
    gate: Gate,
    taken: Arc<Mutex<Taken>>,
}

impl OneEndpoint {
    pub(crate) fn new(gate: Gate) -> Self {
        Self {
            gate,
            taken: Arc::default(),
        }
    }

    pub(crate) fn taken(&self) -> Taken {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.clone()
    }

    async fn serve(&self, mut stream: DuplexStream) -> io::Result<()> {
        let (head, body) = read(&mut stream).await?;
        let label = "post to the endpoint".to_owned();
        match self.gate.pass(Waits::Post, label).await {
            None => {
                self.take(&head, body);
                answer(&mut stream, "204 No Content").await
            }
            Some(Fault::EndpointForgets) => {
                self.take(&head, body);
                Ok(())
            }
            Some(Fault::EndpointHangs) => {
                tokio::time::sleep(FOR_EVER).await;
                Ok(())
            }
            Some(_) => answer(&mut stream, "500 Internal Server Error").await,
        }
    }

    fn take(&self, head: &str, body: String) {
        let mut lines = head.lines();
        let id = lines.find_map(|line| line.strip_prefix("webhook-id: "));
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let id = id.unwrap_or_default().to_owned();
        taken.entry(id).or_default().push(body);
    }
}

impl Internet for OneEndpoint {
    fn resolve<'a>(&'a self, _: &'a str) -> Resolving<'a> {
        Box::pin(async { Err(io::ErrorKind::NotFound.into()) })
    }

    fn connect(&self, _: SocketAddr) -> Connecting<'_> {
        Box::pin(async {
            let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
            let endpoint = self.clone();
            tokio::spawn(async move {
                // Whoever calls may hang up at any time.
                let _ = endpoint.serve(theirs).await;
            });
            Ok(Box::new(ours) as Box<dyn Stream>)
        })
    }
}

/// The head and the body of a request.
async fn read(stream: &mut DuplexStream) -> io::Result<(String, String)> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(": ")?;
                let is_length = name.eq_ignore_ascii_case("content-length");
                is_length.then(|| value.parse::<usize>().unwrap())
            });
            if body.len() >= length.unwrap_or(0) {
                return Ok((head.to_ascii_lowercase(), body.to_owned()));
            }
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

async fn answer(stream: &mut DuplexStream, status: &str) -> io::Result<()> {
    let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    stream.shutdown().await
}
