//! What is between here and somebody else: names that have addresses, and addresses that take connections.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// Leads to others. A trait, so that a test can be a name server that lies, hangs or changes its mind, and somebody who
/// is called without a network.
pub trait Internet: fmt::Debug + Send + Sync {
    /// The addresses of a host, in the order in which they are to be tried. An empty list and an error mean the same.
    fn resolve<'a>(&'a self, host: &'a str) -> Resolving<'a>;

    /// A connection to an address; by TCP, unless a test says otherwise.
    fn connect(&self, address: SocketAddr) -> Connecting<'_> {
        Box::pin(async move {
            let stream = TcpStream::connect(address).await?;
            // One write makes one packet: a message is small, and nothing follows it.
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as Box<dyn Stream>)
        })
    }
}

/// A connection, whatever it is made of.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// The addresses that an [`Internet`] finds.
pub type Resolving<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>>;

/// The connection that an [`Internet`] makes.
pub type Connecting<'a> = Pin<Box<dyn Future<Output = io::Result<Box<dyn Stream>>> + Send + 'a>>;

/// The internet as the operating system reaches it.
///
/// A look-up that is given up goes on in its thread until the system gives up too.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemInternet;

impl Internet for SystemInternet {
    fn resolve<'a>(&'a self, host: &'a str) -> Resolving<'a> {
        Box::pin(async move {
            // The port is of no use to a look-up, but the function asks for one.
            let found = tokio::net::lookup_host((host, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}
