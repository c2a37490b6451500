//! The way to people, for the functions that write to them: who sends, what links in mails lead to,
//! how long a sender is taken to be alive, and where the mails of test programs are kept.
//!
//! Whether to send is decided by the domain, and when by the function.

use aws_credential_types::provider::SharedCredentialsProvider;
use jiff::{SignedDuration, Timestamp};
use kith_domain::email::IdentityKey;
use kith_domain::id::MailId;
use kith_domain::participant::Participant;
use kith_domain::signed::TokenKeys;
use kith_domain::survey::Survey;
use kith_domain::token::{SurveyToken, UnsubscribeToken};
use kith_edge::Invocation;
use kith_edge::aws::Connection;
use kith_edge::config::{Origin, Variables};
use kith_mail::{Mail, Mailbox, Mailer, SesMailer, SesSettings};
use kith_store::items::TestMail;
use kith_store::keys::{self, Key};

/// What a sending may take, and noting its end.
const SENDING_TIME: SignedDuration = SignedDuration::from_secs(14);
/// How much longer than its invocation a worker is taken to be alive.
const LEASE_MARGIN: SignedDuration = SignedDuration::from_secs(30);
/// How long recorded mails of test programs are kept.
const TEST_MAIL_LIFE: SignedDuration = SignedDuration::from_hours(30 * 24);

/// What sending needs beside the table.
#[derive(Debug)]
pub struct Post {
    /// Hands mails over.
    pub mailer: Box<dyn Mailer>,
    /// Whom mails come from.
    pub sender: Mailbox,
    origin: Origin,
    tokens: TokenKeys,
    identity: IdentityKey,
}

impl Post {
    /// Reads `KITH_SENDER`, `KITH_CONFIGURATION_SET`, `KITH_PUBLIC_URL` and the keys. `None` is a
    /// fault that [`Variables::finish`] reports.
    pub fn of(variables: &mut Variables<'_>, connection: Option<&Connection>) -> Option<Self> {
        let sender = variables.parsed("KITH_SENDER", str::parse);
        let configuration_set = variables.optional("KITH_CONFIGURATION_SET", |text| {
            Ok::<_, std::convert::Infallible>(text.to_owned())
        });
        let origin = variables.parsed("KITH_PUBLIC_URL", str::parse);
        let tokens = variables.token_keys();
        let identity = variables.identity_key();
        let connection = connection?;
        let mailer = SesMailer::new(SesSettings {
            endpoint_url: connection.sesv2_endpoint(),
            http_client: variables.environment().http_client.clone(),
            configuration_set: configuration_set?,
            ..SesSettings::new(
                connection.region().to_string(),
                SharedCredentialsProvider::new(connection.credentials()),
                connection.tls(),
            )
        });
        Some(Self {
            mailer: Box::new(mailer),
            sender: sender?,
            origin: origin?,
            tokens: tokens?,
            identity: identity?,
        })
    }

    /// Where a person's unsubscription from the program would stand, if an address is known.
    #[must_use]
    pub fn suppression(&self, person: &Participant) -> Option<Key> {
        let email = person.email.as_ref()?;
        let hash = email.hash(&self.identity, &person.program.to_string());
        Some(keys::suppression(person.program, &hash))
    }

    /// The page where a survey is answered.
    #[must_use]
    pub fn survey_url(&self, survey: &Survey) -> String {
        let token = SurveyToken {
            program: survey.program,
            survey: survey.id,
        };
        format!("{}/s/{}", self.origin, token.seal(&self.tokens))
    }

    /// The page where a person stops the program's mail.
    #[must_use]
    pub fn unsubscribe_url(&self, person: &Participant) -> String {
        let token = UnsubscribeToken {
            program: person.program,
            participant: person.id,
        };
        format!("{}/u/{}", self.origin, token.seal(&self.tokens))
    }
}

/// Whether the invocation has time for a sending that begins now.
#[must_use]
pub fn has_time(invocation: &Invocation, real_now: Timestamp) -> bool {
    invocation.deadline.duration_since(real_now) >= SENDING_TIME
}

/// Until when a worker may be alive that begins in this invocation.
#[must_use]
pub fn lease_until(invocation: &Invocation) -> Timestamp {
    let deadline = invocation.deadline;
    deadline.checked_add(LEASE_MARGIN).unwrap_or(deadline)
}

/// A test program's mail, recorded whole instead of being sent.
#[must_use]
pub fn recorded(id: MailId, mail: &Mail, real_now: Timestamp) -> TestMail {
    let from = ("From".to_owned(), mail.from().to_header());
    let others = mail
        .headers()
        .iter()
        .map(|header| (header.name().to_owned(), header.value().to_owned()));
    TestMail {
        id,
        to: mail.to().as_str().to_owned(),
        subject: mail.subject().to_owned(),
        text: mail.text().to_owned(),
        html: mail.html().to_owned(),
        headers: std::iter::once(from).chain(others).collect(),
        expires_at: real_now
            .checked_add(TEST_MAIL_LIFE)
            .unwrap_or(real_now)
            .as_second(),
    }
}
