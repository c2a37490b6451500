//! Sending, and what became of it.

use std::fmt;
use std::pin::Pin;

use crate::address::cut_at;
use crate::mail::Mail;

/// The longest explanation that is kept of a failure.
const DETAIL_BYTES_MAX: usize = 300;

/// Sends mail. Implementations never repeat a request on their own.
pub trait Mailer: fmt::Debug + Send + Sync {
    /// Sends the mail once.
    fn send<'a>(&'a self, mail: &'a Mail) -> SendFuture<'a>;
}

/// The answer of a [`Mailer`].
pub type SendFuture<'a> = Pin<Box<dyn Future<Output = SendOutcome> + Send + 'a>>;

/// What became of a mail. Only [`SendOutcome::NotSent`] may be tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendOutcome {
    /// The provider has it and answers for the rest.
    Sent {
        /// The provider's own id, which its events name.
        provider_id: String,
    },
    /// It surely did not leave, and may leave later.
    NotSent {
        /// What has to change first.
        reason: NotSentReason,
        /// The evidence.
        fault: SendFault,
    },
    /// The provider will never take this mail.
    Refused {
        /// The evidence.
        fault: SendFault,
    },
    /// It may have left. Never sent again: settled by the provider's events, or by the owner.
    Unknown {
        /// The evidence.
        fault: SendFault,
    },
}

/// What has to change before a mail can leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NotSentReason {
    /// The rate or the daily quota of the account is used up: time heals it.
    Throttled,
    /// The provider could not be reached: no connection was made, so nothing was written.
    Unreachable,
    /// The account or the bundle is not set up for it: sender not verified, sending paused or suspended, permission
    /// missing, configuration set missing. The owner mends it, and the mail waits.
    Configuration,
}

/// Evidence of a failure, fit for logs and records: it holds nothing of the mail.
///
/// The provider's own message is left out on purpose, since it may name the recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendFault {
    /// The provider's error code, such as `MessageRejected`.
    pub code: Option<String>,
    /// The status of its HTTP answer.
    pub status: Option<u16>,
    /// Why there was no answer, or none that could be read. At most 300 bytes.
    pub detail: String,
}

impl SendFault {
    pub(crate) fn new(code: Option<String>, status: Option<u16>, detail: &str) -> Self {
        Self {
            code,
            status,
            detail: cut_at(detail, DETAIL_BYTES_MAX).to_owned(),
        }
    }
}

impl fmt::Display for SendFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)?;
        if let Some(code) = &self.code {
            write!(f, ": {code}")?;
        }
        if let Some(status) = self.status {
            write!(f, " ({status})")?;
        }
        Ok(())
    }
}
