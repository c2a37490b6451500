//! Click tokens, survey tokens, unsubscribe tokens.
//!
//! A click token carries the first and the latest touch of a visitor, so that a conversion is
//! attributed without reading the click. The payload is written with postcard, whose wire format
//! is stable; fields are only ever appended under a new version byte.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::channel::Channel;
use crate::code::ReferralCode;
use crate::id::{ClickId, MailId, ParticipantId, ProgramId, SurveyId};
use crate::signed::{Purpose, TokenKeys};

/// The most experiment arms that a token carries.
pub const ARMS_MAX: usize = 4;

/// Where the visitor came from, by the class of the `Referer` header. The header itself is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RefererClass {
    /// No header: typed, an app, or withheld.
    #[default]
    None,
    /// A search engine.
    Search,
    /// A social network.
    Social,
    /// A web mailer.
    Mail,
    /// Any other site.
    Site,
}

impl RefererClass {
    fn to_byte(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Search => 1,
            Self::Social => 2,
            Self::Mail => 3,
            Self::Site => 4,
        }
    }

    fn from_byte(byte: u8) -> Self {
        match byte {
            1 => Self::Search,
            2 => Self::Social,
            3 => Self::Mail,
            4 => Self::Site,
            _ => Self::None,
        }
    }

    /// The word in items and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Search => "search",
            Self::Social => "social",
            Self::Mail => "mail",
            Self::Site => "site",
        }
    }
}

/// One visit through a link, as a token remembers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touch {
    /// The click.
    pub click_id: ClickId,
    /// The code in the link. Whose code it is, is looked up when the conversion comes.
    pub code: ReferralCode,
    /// When, to the second.
    pub at: Timestamp,
    /// Through which channel.
    pub channel: Channel,
    /// From what kind of place.
    pub referer: RefererClass,
}

/// Which arm of which experiment the visitor saw, by their short numbers within the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExperimentArm {
    /// The experiment.
    pub experiment: u32,
    /// The arm.
    pub arm: u8,
}

/// Proof of one visitor's clicks in one program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClickToken {
    /// The program; a token of another one proves nothing.
    pub program: ProgramId,
    /// The first touch that the visitor's token remembered.
    pub first: Touch,
    /// The latest touch.
    pub latest: Touch,
    /// The mail that the latest link stood in.
    pub mail: Option<MailId>,
    /// Arms seen, at most [`ARMS_MAX`].
    pub arms: Vec<ExperimentArm>,
}

#[derive(Serialize, Deserialize)]
struct WireTouch<'a> {
    click: [u8; 16],
    #[serde(borrow)]
    code: &'a str,
    at: i64,
    channel: u8,
    referer: u8,
}

#[derive(Serialize, Deserialize)]
struct WireClick<'a> {
    program: [u8; 16],
    #[serde(borrow)]
    latest: WireTouch<'a>,
    // Absent when the latest touch is the only one: most tokens, and a third shorter.
    #[serde(borrow)]
    first: Option<WireTouch<'a>>,
    mail: Option<[u8; 16]>,
    arms: Vec<(u32, u8)>,
}

impl ClickToken {
    /// The token of a new touch: the first touch of the token that the visitor brought stays, if
    /// that token is of the same program.
    #[must_use]
    pub fn of_touch(
        program: ProgramId,
        presented: Option<Self>,
        touch: Touch,
        mail: Option<MailId>,
    ) -> Self {
        let earlier = presented.filter(|token| token.program == program);
        let (first, arms) = match earlier {
            Some(token) => (token.first, token.arms),
            None => (touch.clone(), Vec::new()),
        };
        Self {
            program,
            first,
            latest: touch,
            mail,
            arms,
        }
    }

    /// Signs the token.
    #[must_use]
    pub fn seal(&self, keys: &TokenKeys) -> String {
        let wire = WireClick {
            program: self.program.to_bytes(),
            latest: WireTouch::of(&self.latest),
            first: (self.first != self.latest).then(|| WireTouch::of(&self.first)),
            mail: self.mail.map(MailId::to_bytes),
            arms: self
                .arms
                .iter()
                .take(ARMS_MAX)
                .map(|arm| (arm.experiment, arm.arm))
                .collect(),
        };
        // Writing plain values into memory does not fail.
        keys.seal(
            Purpose::Click,
            &postcard::to_stdvec(&wire).unwrap_or_default(),
        )
    }

    /// Reads a token that one of the keys signed.
    #[must_use]
    pub fn open(keys: &TokenKeys, text: &str) -> Option<Self> {
        let payload = keys.open(Purpose::Click, text)?;
        let wire: WireClick<'_> = postcard::from_bytes(&payload).ok()?;
        let latest = wire.latest.read()?;
        let first = match wire.first {
            Some(first) => first.read()?,
            None => latest.clone(),
        };
        let arms = wire
            .arms
            .into_iter()
            .map(|(experiment, arm)| ExperimentArm { experiment, arm })
            .collect();
        Some(Self {
            program: ProgramId::from_bytes(wire.program),
            first,
            latest,
            mail: wire.mail.map(MailId::from_bytes),
            arms,
        })
    }
}

impl<'a> WireTouch<'a> {
    fn of(touch: &'a Touch) -> Self {
        Self {
            click: touch.click_id.to_bytes(),
            code: touch.code.as_str(),
            at: touch.at.as_second(),
            channel: touch.channel.to_byte(),
            referer: touch.referer.to_byte(),
        }
    }

    fn read(&self) -> Option<Touch> {
        Some(Touch {
            click_id: ClickId::from_bytes(self.click),
            code: self.code.parse().ok()?,
            at: Timestamp::from_second(self.at).ok()?,
            channel: Channel::from_byte(self.channel),
            referer: RefererClass::from_byte(self.referer),
        })
    }
}

/// What a survey's link leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SurveyToken {
    /// The program.
    pub program: ProgramId,
    /// The survey.
    pub survey: SurveyId,
}

impl SurveyToken {
    /// Signs the token. It holds as long as the survey is open.
    #[must_use]
    pub fn seal(self, keys: &TokenKeys) -> String {
        keys.seal(
            Purpose::Survey,
            &[self.program.to_bytes(), self.survey.to_bytes()].concat(),
        )
    }

    /// Reads a token that one of the keys signed.
    #[must_use]
    pub fn open(keys: &TokenKeys, text: &str) -> Option<Self> {
        let [program, survey] = open_pair(keys, Purpose::Survey, text)?;
        Some(Self {
            program: ProgramId::from_bytes(program),
            survey: SurveyId::from_bytes(survey),
        })
    }
}

/// Whom an unsubscribe link speaks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnsubscribeToken {
    /// The program whose mail is to stop.
    pub program: ProgramId,
    /// The person.
    pub participant: ParticipantId,
}

impl UnsubscribeToken {
    /// Signs the token. It does not expire: a wish to be left alone does not either.
    #[must_use]
    pub fn seal(self, keys: &TokenKeys) -> String {
        keys.seal(
            Purpose::Unsubscribe,
            &[self.program.to_bytes(), self.participant.to_bytes()].concat(),
        )
    }

    /// Reads a token that one of the keys signed.
    #[must_use]
    pub fn open(keys: &TokenKeys, text: &str) -> Option<Self> {
        let [program, participant] = open_pair(keys, Purpose::Unsubscribe, text)?;
        Some(Self {
            program: ProgramId::from_bytes(program),
            participant: ParticipantId::from_bytes(participant),
        })
    }
}

/// Signs the id of a mail, for the `m` of the links in it.
#[must_use]
pub fn seal_mail_id(keys: &TokenKeys, mail: MailId) -> String {
    keys.seal(Purpose::Mail, &mail.to_bytes())
}

/// Reads the `m` of a link.
#[must_use]
pub fn open_mail_id(keys: &TokenKeys, text: &str) -> Option<MailId> {
    let bytes: [u8; 16] = keys.open(Purpose::Mail, text)?.try_into().ok()?;
    Some(MailId::from_bytes(bytes))
}

fn open_pair(keys: &TokenKeys, purpose: Purpose, text: &str) -> Option<[[u8; 16]; 2]> {
    let payload = keys.open(purpose, text)?;
    let (first, second) = payload.split_first_chunk::<16>()?;
    Some([*first, second.try_into().ok()?])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> TokenKeys {
        TokenKeys::parse("1:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa").unwrap()
    }

    fn touch(second: i64, code: &str) -> Touch {
        Touch {
            click_id: ClickId::new(Timestamp::from_second(second).unwrap(), [1; 10]),
            code: code.parse().unwrap(),
            at: Timestamp::from_second(second).unwrap(),
            channel: Channel::Email,
            referer: RefererClass::Social,
        }
    }

    fn program(tail: u8) -> ProgramId {
        ProgramId::new(Timestamp::UNIX_EPOCH, [tail; 10])
    }

    #[test]
    fn the_first_touch_stays_and_the_latest_moves() {
        let first = ClickToken::of_touch(program(1), None, touch(1_800_000_000, "ANN-BAKES"), None);
        let second = ClickToken::of_touch(
            program(1),
            Some(first.clone()),
            touch(1_800_000_900, "BOB"),
            Some(MailId::from_bytes([3; 16])),
        );
        assert_eq!(second.first, first.latest);
        assert_eq!(second.latest.code.as_str(), "BOB");
        for token in [first, second] {
            let text = token.seal(&keys());
            assert_eq!(ClickToken::open(&keys(), &text), Some(token));
        }
    }

    #[test]
    fn a_token_of_another_program_is_not_continued() {
        let other = ClickToken::of_touch(program(2), None, touch(1_800_000_000, "ANN"), None);
        let token =
            ClickToken::of_touch(program(1), Some(other), touch(1_800_000_900, "BOB"), None);
        assert_eq!(token.first, token.latest);
    }

    /// It stands in a URL and in a cookie, next to whatever the shop keeps there.
    #[test]
    fn a_token_is_short() {
        let long = "A".repeat(40);
        let first =
            ClickToken::of_touch(program(1), None, touch(1_800_000_000, "ABCDEFGHJKM"), None);
        assert!(
            first.seal(&keys()).len() <= 120,
            "{}",
            first.seal(&keys()).len()
        );
        let mut worst = ClickToken::of_touch(
            program(1),
            None,
            touch(1_800_000_000, &long),
            Some(MailId::from_bytes([3; 16])),
        );
        worst.latest = touch(1_800_000_900, &long);
        worst.arms = vec![
            ExperimentArm {
                experiment: u32::MAX,
                arm: 1
            };
            ARMS_MAX
        ];
        assert!(
            worst.seal(&keys()).len() <= 330,
            "{}",
            worst.seal(&keys()).len()
        );
    }

    #[test]
    fn survey_and_unsubscribe_tokens_read_back_and_are_not_mixed_up() {
        let survey = SurveyToken {
            program: program(1),
            survey: SurveyId::from_bytes([5; 16]),
        };
        let text = survey.seal(&keys());
        assert_eq!(SurveyToken::open(&keys(), &text), Some(survey));
        assert_eq!(UnsubscribeToken::open(&keys(), &text), None);
        let stop = UnsubscribeToken {
            program: program(1),
            participant: ParticipantId::from_bytes([6; 16]),
        };
        assert_eq!(
            UnsubscribeToken::open(&keys(), &stop.seal(&keys())),
            Some(stop)
        );
        let mail = MailId::from_bytes([8; 16]);
        assert_eq!(
            open_mail_id(&keys(), &seal_mail_id(&keys(), mail)),
            Some(mail)
        );
    }
}
