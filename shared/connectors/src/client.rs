//! Posting to a [`Destination`]: one connection for one request, to an address that was looked at.
//!
//! The steps of a call stand here one after the other (look up, check, connect, secure, ask), each with its own end and under
//! its own time. What makes other clients dangerous with somebody else's URL is not switched off here but absent:
//! redirects, proxies, cookies, decompression, kept connections, repetition.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, RETRY_AFTER, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
    USER_AGENT,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use crate::destination::{Destination, Reach};
use crate::internet::{Internet, Stream, SystemInternet};
use crate::retry_after::RetryAfter;

/// The longest head of an answer, in bytes.
const HEAD_BYTES_MAX: usize = 16 * 1_024;
/// The most that is held of an answer at a time, in bytes.
const BUFFER_BYTES_MAX: usize = 32 * 1_024;
/// The most that is read and kept of an answer's body, in bytes; the rest is not fetched.
const BODY_BYTES_MAX: usize = 64 * 1_024;
/// The most that an excerpt of it has, in bytes.
const EXCERPT_BYTES_MAX: usize = 1_024;
/// The most addresses of a name that are tried.
const ADDRESSES_MAX: usize = 8;

/// Headers that belong to the connection, so to this client, whatever a caller gives.
const HEADERS_OF_THE_CONNECTION: [HeaderName; 8] = [
    CONNECTION,
    CONTENT_LENGTH,
    EXPECT,
    HOST,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Whom this machine trusts: read once. Some of a system's files may be unreadable or outdated; one good root is
/// what it takes.
static ROOTS: LazyLock<Arc<RootCertStore>> = LazyLock::new(|| {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    Arc::new(roots)
});

const AGENT: HeaderValue = HeaderValue::from_static("Kith-Webhooks");

/// How long a call may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Until there is a secure connection: look-up, connecting and TLS together.
    pub connect: Duration,
    /// Until the answer was read, the time to connect included.
    pub total: Duration,
}

impl Default for Limits {
    /// Five seconds to connect, fifteen altogether.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            total: Duration::from_secs(15),
        }
    }
}

/// A call and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// From the look-up to the last byte that was read.
    pub duration: Duration,
    /// How it ended.
    pub end: End,
}

/// How a call ended. Where there was no answer, the receiver may have the message all the same from
/// [`Phase::Answering`] and [`End::Broken`] on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// There was an answer, whatever it says. A body that stops in the middle does not unmake it.
    Answered(Answer),
    /// The name has no address, or whoever knows it was not to be reached.
    NotResolved,
    /// The name leads to addresses only that must not be called: private ones, or this machine's where the internet was meant.
    ForbiddenAddress,
    /// No address takes connections, or none can be reached.
    Refused,
    /// No secure connection came about: certificate, protocol, or the receiver hung up.
    Tls,
    /// It took too long.
    TimedOut(Phase),
    /// The connection broke, or what came is no answer: nonsense, or a head of more than 16 KiB or 100 headers.
    Broken,
}

/// What was being waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The addresses of the name.
    Resolving,
    /// The connection.
    Connecting,
    /// TLS.
    Securing,
    /// The head of the answer; the request is partly or wholly sent.
    Answering,
}

/// What a receiver answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status, from 100 to 999. Only 200 to 299 mean that the message was taken; redirects are not followed.
    pub status: u16,
    /// When the receiver wants to be asked again.
    pub retry_after: Option<RetryAfter>,
    /// The body, as far as it was read: at most 64 KiB, and perhaps cut off. Written by a stranger.
    pub body: Bytes,
    /// How the body begins, at most 1,024 bytes, for the owner to read. What is not UTF-8, and control characters other than
    /// line feed and tab, are replaced. Written by a stranger: to be escaped where it is shown.
    pub excerpt: String,
}

impl Answer {
    /// Whether the receiver took the message.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..=299).contains(&self.status)
    }
}

/// Why a destination would not be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Unreachable {
    /// The name has no address, or whoever knows it was not to be reached.
    #[error("its host is not found")]
    NotResolved,
    /// See [`End::ForbiddenAddress`].
    #[error("its host leads to an address that is private, local or reserved")]
    ForbiddenAddress,
    /// The look-up took too long.
    #[error("its host was not found in time")]
    TimedOut,
}

/// The operating system trusts no certificate authority, so no receiver could be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("the operating system has no root certificates: is its package ca-certificates installed?")]
pub struct NoRoots;

/// Posts to destinations. To be made once and kept: making one reads the system's root certificates.
#[derive(Clone)]
pub struct Client {
    reach: Reach,
    internet: Arc<dyn Internet>,
    tls: Arc<ClientConfig>,
}

impl Client {
    /// A client that asks the system for addresses, and trusts the certificate authorities that the system trusts. A reach
    /// that is less than a destination's own wins.
    ///
    /// # Errors
    /// [`NoRoots`]; not for [`Reach::LocalToo`], which does without TLS on this machine.
    pub fn new(reach: Reach) -> Result<Self, NoRoots> {
        Self::over(reach, Arc::new(SystemInternet))
    }

    /// The same over an internet of one's own. Its addresses are checked like the system's.
    ///
    /// # Errors
    /// [`NoRoots`].
    pub fn over(reach: Reach, internet: Arc<dyn Internet>) -> Result<Self, NoRoots> {
        Self::with_roots(reach, internet, Arc::clone(&ROOTS))
    }

    fn with_roots(
        reach: Reach,
        internet: Arc<dyn Internet>,
        roots: impl Into<Arc<RootCertStore>>,
    ) -> Result<Self, NoRoots> {
        let roots = roots.into();
        if roots.is_empty() && reach == Reach::Public {
            return Err(NoRoots);
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|_| NoRoots)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            reach,
            internet,
            tls: Arc::new(tls),
        })
    }

    /// How far it reaches.
    #[must_use]
    pub fn reach(&self) -> Reach {
        self.reach
    }

    /// Whether a destination would be called as things are now: looks its host up and checks the addresses, but calls
    /// nobody. For the moment when a URL is saved; [`Client::post`] looks again.
    ///
    /// # Errors
    /// [`Unreachable`].
    pub async fn check(
        &self,
        destination: &Destination,
        limits: Limits,
    ) -> Result<(), Unreachable> {
        let deadline = deadline(Instant::now(), limits.connect.min(limits.total));
        match self.addresses(destination, deadline).await {
            Ok(_) => Ok(()),
            Err(NoAddress::NotResolved) => Err(Unreachable::NotResolved),
            Err(NoAddress::Forbidden) => Err(Unreachable::ForbiddenAddress),
            Err(NoAddress::TimedOut) => Err(Unreachable::TimedOut),
        }
    }

    /// Posts a body, once: nothing is repeated here, and no redirect is followed.
    ///
    /// The caller gives the headers of the message, its `Content-Type` and signature among them. Those of the connection, such
    /// as `Host` and `Content-Length`, are this client's. The answer's body is read to its end, to 64 KiB, or until the time is
    /// over, whichever comes first.
    pub async fn post(
        &self,
        destination: &Destination,
        headers: HeaderMap,
        body: Bytes,
        limits: Limits,
    ) -> Delivery {
        let began = Instant::now();
        let end = match self.answer(destination, headers, body, began, limits).await {
            Ok(answer) => End::Answered(answer),
            Err(end) => end,
        };
        Delivery {
            duration: began.elapsed(),
            end,
        }
    }

    async fn answer(
        &self,
        destination: &Destination,
        headers: HeaderMap,
        body: Bytes,
        began: Instant,
        limits: Limits,
    ) -> Result<Answer, End> {
        let connected_by = deadline(began, limits.connect.min(limits.total));
        let answered_by = deadline(began, limits.total);
        let addresses = self.addresses(destination, connected_by).await?;
        let stream = self
            .connect(&addresses, destination.port(), connected_by)
            .await?;
        let request = request(destination, headers, body);
        if destination.is_secure() {
            let stream = self.secure(destination, stream, connected_by).await?;
            exchange(stream, request, answered_by).await
        } else {
            exchange(stream, request, answered_by).await
        }
    }

    /// The addresses that may be called. They are looked up once and connected to as they are, so that a name cannot lead
    /// elsewhere between the check and the connection.
    async fn addresses(
        &self,
        destination: &Destination,
        deadline: Instant,
    ) -> Result<Vec<IpAddr>, NoAddress> {
        if destination.is_local() && self.reach == Reach::Public {
            // Saved when more was allowed.
            return Err(NoAddress::Forbidden);
        }
        let found = match destination.literal() {
            Some(address) => vec![address],
            None => {
                let looked_up = self.internet.resolve(destination.host());
                timeout_at(deadline, looked_up)
                    .await
                    .map_err(|_| NoAddress::TimedOut)?
                    .map_err(|_| NoAddress::NotResolved)?
            }
        };
        if found.is_empty() {
            return Err(NoAddress::NotResolved);
        }
        let allowed: Vec<IpAddr> = found
            .into_iter()
            .filter(|address| destination.allows(*address))
            .take(ADDRESSES_MAX)
            .collect();
        if allowed.is_empty() {
            return Err(NoAddress::Forbidden);
        }
        Ok(allowed)
    }

    /// Tries one address after the other. Each gets its share of the time that is left, so that one that is silent does not
    /// take it from the others.
    async fn connect(
        &self,
        addresses: &[IpAddr],
        port: u16,
        deadline: Instant,
    ) -> Result<Box<dyn Stream>, End> {
        let mut end = End::Refused;
        for (address, others) in addresses.iter().zip((1..=addresses.len()).rev()) {
            let now = Instant::now();
            let left = deadline.saturating_duration_since(now);
            let share = u32::try_from(others).ok().and_then(|n| left.checked_div(n));
            let until = now.checked_add(share.unwrap_or(left)).unwrap_or(deadline);
            let connected = self.internet.connect(SocketAddr::new(*address, port));
            match timeout_at(until, connected).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(_)) => {}
                Err(_) => end = End::TimedOut(Phase::Connecting),
            }
        }
        Err(end)
    }

    async fn secure(
        &self,
        destination: &Destination,
        stream: Box<dyn Stream>,
        deadline: Instant,
    ) -> Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static, End> {
        let name = match destination.literal() {
            Some(address) => ServerName::IpAddress(address.into()),
            None => ServerName::try_from(destination.host().to_owned()).map_err(|_| End::Tls)?,
        };
        let secured = TlsConnector::from(Arc::clone(&self.tls)).connect(name, stream);
        timeout_at(deadline, secured)
            .await
            .map_err(|_| End::TimedOut(Phase::Securing))?
            .map_err(|_| End::Tls)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Client")
            .field("reach", &self.reach)
            .field("internet", &self.internet)
            .finish_non_exhaustive()
    }
}

/// Why there is nothing to connect to.
enum NoAddress {
    NotResolved,
    Forbidden,
    TimedOut,
}

impl From<NoAddress> for End {
    fn from(reason: NoAddress) -> Self {
        match reason {
            NoAddress::NotResolved => Self::NotResolved,
            NoAddress::Forbidden => Self::ForbiddenAddress,
            NoAddress::TimedOut => Self::TimedOut(Phase::Resolving),
        }
    }
}

/// When a time is over. More than a day is a day, so that every moment can be told.
fn deadline(began: Instant, after: Duration) -> Instant {
    const DAY: Duration = Duration::from_secs(24 * 3_600);
    began.checked_add(after.min(DAY)).unwrap_or(began)
}

fn request(destination: &Destination, mut headers: HeaderMap, body: Bytes) -> Request<Full<Bytes>> {
    for name in HEADERS_OF_THE_CONNECTION {
        headers.remove(name);
    }
    headers.insert(HOST, destination.authority().clone());
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    headers.entry(USER_AGENT).or_insert(AGENT);
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = Uri::from(destination.target().clone());
    *request.headers_mut() = headers;
    request
}

/// Sends the request and reads what is kept of the answer.
async fn exchange<S>(
    stream: S,
    request: Request<Full<Bytes>>,
    deadline: Instant,
) -> Result<Answer, End>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut sender, connection) = http1::Builder::new()
        .max_header_size(HEAD_BYTES_MAX)
        .max_buf_size(BUFFER_BYTES_MAX)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|_| End::Broken)?;
    // The set ends the connection when this function is left, however it is left.
    let mut driver = JoinSet::new();
    driver.spawn(async move {
        // Why it ended is told to whoever waits for the answer.
        connection.await.ok();
    });
    let response = timeout_at(deadline, sender.send_request(request))
        .await
        .map_err(|_| End::TimedOut(Phase::Answering))?
        .map_err(|_| End::Broken)?;
    let (head, body) = response.into_parts();
    let body = beginning(body, deadline).await;
    Ok(Answer {
        status: head.status.as_u16(),
        retry_after: head.headers.get(RETRY_AFTER).and_then(RetryAfter::read),
        excerpt: excerpt(body.get(..EXCERPT_BYTES_MAX).unwrap_or(&body)),
        body: Bytes::from(body),
    })
}

/// How a body begins. It is read further than that, so that an ordinary receiver sees its whole answer taken, but not without
/// bound; what it claims to be long is not believed.
async fn beginning(mut body: Incoming, deadline: Instant) -> Vec<u8> {
    let mut kept = Vec::with_capacity(EXCERPT_BYTES_MAX);
    while kept.len() < BODY_BYTES_MAX && !body.is_end_stream() {
        let Ok(Some(Ok(frame))) = timeout_at(deadline, body.frame()).await else {
            // The end, one that came too early, or one that does not come.
            break;
        };
        let Some(data) = frame.data_ref() else {
            continue;
        };
        let room = BODY_BYTES_MAX.saturating_sub(kept.len());
        kept.extend(data.iter().take(room));
    }
    kept
}

/// Text of whatever bytes, not longer than they may be.
fn excerpt(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(EXCERPT_BYTES_MAX);
    for letter in String::from_utf8_lossy(bytes).chars() {
        let is_control = letter.is_control() && !matches!(letter, '\n' | '\t');
        let letter = if is_control {
            char::REPLACEMENT_CHARACTER
        } else {
            letter
        };
        if text.len().saturating_add(letter.len_utf8()) > EXCERPT_BYTES_MAX {
            break;
        }
        text.push(letter);
    }
    text
}

#[cfg(test)]
mod tests;
