//! Mail to people: what it says, and how it leaves.
//!
//! A message is a folder under `templates/` with a subject, a text and an HTML part for each
//! [`Language`], and a struct here that fills them: [`RewardIssued`], [`SurveyInvitation`],
//! [`WebhookDisabled`]. Composing one gives a [`Mail`], whose addresses and headers are checked once, when it is made. A [`Mailer`]
//! sends it and says what became of it: [`SendOutcome`]. Whether to send at all is decided elsewhere.
//!
//! Mail has no idempotency key: a mail that may have left is never sent again. So nothing here
//! repeats a request, and [`SesMailer`] tells a mail that surely did not leave from one that may have.

mod address;
mod compose;
mod language;
mod mail;
mod reward_issued;
mod send;
mod ses;
mod survey_invitation;
mod webhook_disabled;

pub use address::{Address, AddressError, Mailbox};
pub use compose::Envelope;
pub use language::{Language, money};
pub use mail::{Header, Mail, MailError};
pub use reward_issued::{Beneficiary, Gift, RewardIssued, Voucher};
pub use send::{Mailer, NotSentReason, SendFault, SendFuture, SendOutcome};
pub use ses::{SesMailer, SesSettings};
pub use survey_invitation::SurveyInvitation;
pub use webhook_disabled::WebhookDisabled;
