//! The mail catcher: takes what SES would send, keeps it, and shows it. Nothing leaves the machine.

mod page;

use std::sync::{Arc, Mutex, PoisonError};

use kith_edge::{Clock, Randomness};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::state::State;
pub use page::{Document, page};
pub(crate) use page::{list, part};

/// A caught mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mail {
    /// The id that SES would have given it.
    pub id: String,
    /// When it was sent, RFC 3339.
    pub sent_at: String,
    /// Its sender.
    pub from: String,
    /// Its recipients.
    pub to: Vec<String>,
    /// Its subject.
    pub subject: String,
    /// Its text part, or a raw mail as it is.
    pub text: Option<String>,
    /// Its HTML part.
    pub html: Option<String>,
    /// Headers that the sender added, in their order.
    pub headers: Vec<(String, String)>,
    /// Tags that SES's events would carry.
    pub tags: Vec<(String, String)>,
}

impl Mail {
    /// A header's value, by its name without regard to case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(own, _)| own.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// How SES misbehaves, for tests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MailFault {
    /// It does not.
    #[default]
    None,
    /// Too many requests: nothing is sent.
    Throttle,
    /// The mail is refused: nothing is sent.
    Reject,
    /// No answer comes, and nothing is sent.
    TimeOut,
    /// The mail is sent, but no answer comes.
    TimeOutAfterSending,
}

/// What a caller of the catcher gets.
#[derive(Debug, Clone, PartialEq)]
pub enum MailAnswer {
    /// A JSON answer, and the error's name if it is one.
    Answer {
        /// HTTP status.
        status: u16,
        /// JSON body.
        body: Value,
        /// For `x-amzn-errortype`.
        error: Option<&'static str>,
    },
    /// The connection breaks instead.
    Silence,
}

/// Where mails are caught. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Mails {
    state: State,
    fault: Arc<Mutex<MailFault>>,
    clock: Arc<dyn Clock>,
    randomness: Arc<dyn Randomness>,
}

impl Mails {
    /// A catcher that keeps its mails in the host's state.
    #[must_use]
    pub fn new(state: State, clock: Arc<dyn Clock>, randomness: Arc<dyn Randomness>) -> Self {
        Self {
            state,
            fault: Arc::default(),
            clock,
            randomness,
        }
    }

    /// Makes SES misbehave from now on, or behave again.
    pub fn set_fault(&self, fault: MailFault) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }

    /// The newest mails first.
    ///
    /// # Errors
    /// The database failed.
    pub fn list(&self, limit: u32) -> Result<Vec<Mail>, rusqlite::Error> {
        let connection = self.state.connection();
        let mut statement =
            connection.prepare_cached("SELECT mail FROM mails ORDER BY id DESC LIMIT ?1")?;
        let rows = statement.query_map([limit], |row| row.get::<_, String>(0))?;
        let mut mails = Vec::new();
        for row in rows {
            mails.extend(serde_json::from_str::<Mail>(&row?).ok());
        }
        Ok(mails)
    }

    /// `POST /v2/email/outbound-emails`.
    #[must_use]
    pub fn send(&self, body: &[u8]) -> MailAnswer {
        let fault = *self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        match fault {
            MailFault::None | MailFault::TimeOutAfterSending => {}
            MailFault::Throttle => {
                return refusal(
                    429,
                    "TooManyRequestsException",
                    "Maximum sending rate exceeded.",
                );
            }
            MailFault::Reject => {
                return refusal(
                    400,
                    "MessageRejected",
                    "The content of the message is refused.",
                );
            }
            MailFault::TimeOut => return MailAnswer::Silence,
        }
        let Ok(request) = serde_json::from_slice::<Value>(body) else {
            return refusal(400, "BadRequestException", "The request is not JSON.");
        };
        let mail = match self.mail_of(&request) {
            Ok(mail) => mail,
            Err(fault) => return refusal(400, "BadRequestException", fault),
        };
        let stored = serde_json::to_string(&mail).unwrap_or_default();
        let kept = self
            .state
            .connection()
            .prepare_cached("INSERT INTO mails (mail) VALUES (?1)")
            .and_then(|mut statement| statement.execute([stored]));
        match (kept, fault) {
            (Err(_), _) => refusal(
                500,
                "InternalServiceErrorException",
                "The mail was not kept.",
            ),
            (Ok(_), MailFault::TimeOutAfterSending) => MailAnswer::Silence,
            (Ok(_), _) => MailAnswer::Answer {
                status: 200,
                body: json!({ "MessageId": mail.id }),
                error: None,
            },
        }
    }

    fn mail_of(&self, request: &Value) -> Result<Mail, &'static str> {
        let mut mail = Mail {
            id: crate::random::uuid(&*self.randomness),
            sent_at: self.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            from: text_at(request, "/FromEmailAddress").unwrap_or_default(),
            to: ["ToAddresses", "CcAddresses", "BccAddresses"]
                .iter()
                .filter_map(|list| request.pointer(&format!("/Destination/{list}")))
                .filter_map(Value::as_array)
                .flatten()
                .filter_map(|address| address.as_str().map(str::to_owned))
                .collect(),
            subject: String::new(),
            text: None,
            html: None,
            headers: Vec::new(),
            tags: pairs(request.get("EmailTags")),
        };
        if let Some(simple) = request.pointer("/Content/Simple") {
            if mail.from.is_empty() {
                return Err("FromEmailAddress is missing.");
            }
            mail.subject = text_at(simple, "/Subject/Data").ok_or("The subject is missing.")?;
            mail.text = text_at(simple, "/Body/Text/Data");
            mail.html = text_at(simple, "/Body/Html/Data");
            if mail.text.is_none() && mail.html.is_none() {
                return Err("The body is missing.");
            }
            mail.headers = pairs(simple.get("Headers"));
        } else if let Some(raw) = text_at(request, "/Content/Raw/Data") {
            use base64::Engine;
            let raw = base64::engine::general_purpose::STANDARD
                .decode(raw)
                .map_err(|_| "Raw data is not base64.")?;
            read_raw(&String::from_utf8_lossy(&raw), &mut mail);
        } else {
            return Err("Content is neither simple nor raw.");
        }
        if mail.to.is_empty() {
            return Err("There is no recipient.");
        }
        Ok(mail)
    }
}

/// Takes the headers from a raw mail and leaves the rest as it is: enough to look at.
fn read_raw(raw: &str, mail: &mut Mail) {
    let raw = raw.replace("\r\n", "\n");
    let (head, body) = raw.split_once("\n\n").unwrap_or((&raw, ""));
    for line in head.replace("\n ", " ").replace("\n\t", " ").lines() {
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        let value = value.trim().to_owned();
        match name.to_ascii_lowercase().as_str() {
            "subject" => mail.subject = value,
            "from" if mail.from.is_empty() => mail.from = value,
            "to" if mail.to.is_empty() => mail.to = vec![value],
            _ => mail.headers.push((name.to_owned(), value)),
        }
    }
    mail.text = Some(body.to_owned());
}

fn text_at(value: &Value, pointer: &str) -> Option<String> {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .map(str::to_owned)
}

fn pairs(list: Option<&Value>) -> Vec<(String, String)> {
    list.and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|pair| text_at(pair, "/Name").zip(text_at(pair, "/Value")))
        .collect()
}

fn refusal(status: u16, error: &'static str, message: &str) -> MailAnswer {
    MailAnswer::Answer {
        status,
        body: json!({ "message": message }),
        error: Some(error),
    }
}
