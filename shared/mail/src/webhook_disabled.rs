//! "Events reach your shop no more": told to the owner when an endpoint of webhooks was disabled.

use askama::Template;

use crate::compose::Envelope;
use crate::language::{Language, one_line};
use crate::mail::{Mail, MailError, Words};

/// The mail that tells a program's owner of an endpoint that nothing is sent to any more. It needs no
/// unsubscription: the owner takes the address out of the program.
#[derive(Debug, Clone)]
pub struct WebhookDisabled<'a> {
    /// The language to write in.
    pub language: Language,
    /// The program's name, which also stands as the sender's.
    pub program_name: &'a str,
    /// The program's id.
    pub program_id: &'a str,
    /// The endpoint's id.
    pub webhook_id: &'a str,
    /// The host of its URL; the rest may be secret.
    pub host: &'a str,
    /// Whether it said itself that it is gone; otherwise it failed for days.
    pub is_gone: bool,
}

impl WebhookDisabled<'_> {
    /// The folder of the templates, and the tag of the mail.
    pub const KIND: &'static str = "webhook_disabled";

    /// Writes the mail.
    ///
    /// # Errors
    /// `Address` when the recipient's address cannot be written to, `MessageId` for an id that is no tag. Neither
    /// goes away by itself.
    pub fn compose(&self, envelope: &Envelope<'_>) -> Result<Mail, MailError> {
        let program = one_line(self.program_name);
        let facts = Facts {
            lang: self.language.tag(),
            program: &program,
            program_id: self.program_id,
            webhook_id: self.webhook_id,
            host: self.host,
            is_gone: self.is_gone,
        };
        let words = match self.language {
            Language::English => Words {
                subject: SubjectEn { facts: &facts }.render()?,
                text: TextEn { facts: &facts }.render()?,
                html: HtmlEn { facts: &facts }.render()?,
            },
        };
        envelope.mail(Self::KIND, &program, words, None)
    }
}

/// What the templates of every language are filled with.
struct Facts<'a> {
    lang: &'static str,
    program: &'a str,
    program_id: &'a str,
    webhook_id: &'a str,
    host: &'a str,
    is_gone: bool,
}

#[derive(Template)]
#[template(path = "webhook_disabled/en/subject.txt")]
struct SubjectEn<'a> {
    facts: &'a Facts<'a>,
}

#[derive(Template)]
#[template(path = "webhook_disabled/en/text.txt")]
struct TextEn<'a> {
    facts: &'a Facts<'a>,
}

#[derive(Template)]
#[template(path = "webhook_disabled/en/mail.html")]
struct HtmlEn<'a> {
    facts: &'a Facts<'a>,
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;
    use crate::Mailbox;

    fn compose(is_gone: bool) -> Mail {
        let sender: Mailbox = "refer@kith.example".parse().unwrap();
        let mail = WebhookDisabled {
            language: Language::English,
            program_name: "Joe's <Bakery>",
            program_id: "prg_1",
            webhook_id: "whk_1",
            host: "hooks.bakery.example",
            is_gone,
        };
        mail.compose(&Envelope {
            sender: &sender,
            to: "joe@bakery.example",
            message_id: "msg_1",
        })
        .unwrap()
    }

    #[test]
    fn the_owner_reads_what_happened_and_what_to_do() {
        let mail = compose(false);
        assert_eq!(
            mail.subject(),
            "Joe's <Bakery>: events reach hooks.bakery.example no more"
        );
        assert_eq!(
            mail.text(),
            "Hello,

The webhook whk_1 of Joe's <Bakery>, at hooks.bakery.example, was disabled: for five days, nothing that was sent to it was taken. Nothing is sent to it any more, and what was on its way has been dropped.

Once your server takes messages again:

1. Make the webhook active: PATCH /v1/programs/prg_1/webhooks/whk_1 with {\"state\": \"active\"}.
2. Have sent again what was missed: POST /v1/programs/prg_1/webhooks/whk_1/redeliver with \"from\", \"to\" and \"state\", first \"failed\", then \"dropped\". What happened while it was disabled stands in GET /v1/programs/prg_1/events.

--
You get this mail because your address stands in the program Joe's <Bakery>."
        );
        assert!(
            mail.html().contains("Joe&#39;s &#60;Bakery&#62;"),
            "{}",
            mail.html()
        );
        let headers: Vec<&str> = mail.headers().iter().map(|one| one.name()).collect();
        assert_eq!(headers, ["Auto-Submitted"]);
    }

    #[test]
    fn whoever_is_gone_said_so() {
        assert!(
            compose(true)
                .text()
                .contains("it answered that it is gone (410).")
        );
    }
}
