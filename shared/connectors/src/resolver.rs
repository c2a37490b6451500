//! From a host's name to its addresses.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;

/// Looks names up. A trait, so that a test can be a name server that lies, hangs or changes its mind.
pub trait Resolve: fmt::Debug + Send + Sync {
    /// The addresses of a host, in the order in which they are to be tried. An empty list and an error mean the same.
    fn resolve<'a>(&'a self, host: &'a str) -> Resolving<'a>;
}

/// The answer of a [`Resolve`].
pub type Resolving<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>>;

/// The resolver of the operating system.
///
/// A look-up that is given up goes on in its thread until the system gives up too.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a str) -> Resolving<'a> {
        Box::pin(async move {
            // The port is of no use to a look-up, but the function asks for one.
            let found = tokio::net::lookup_host((host, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}
