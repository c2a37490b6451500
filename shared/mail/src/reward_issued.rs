//! "Your reward is here": told to whoever a reward was issued to.

use askama::Template;
use jiff::Timestamp;

use crate::compose::{Envelope, link};
use crate::language::{Language, greeted_name, money, one_line};
use crate::mail::{Mail, MailError, Words};

/// The mail that tells a beneficiary of an issued reward.
#[derive(Debug, Clone)]
pub struct RewardIssued<'a> {
    /// The language to write in.
    pub language: Language,
    /// The program's name, which also stands as the sender's.
    pub program_name: &'a str,
    /// The recipient's first name, if the shop passed one on.
    pub first_name: Option<&'a str>,
    /// Why they get it.
    pub beneficiary: Beneficiary,
    /// What they get.
    pub gift: Gift<'a>,
    /// Where the shop is, for a link to it.
    pub shop_url: Option<&'a str>,
    /// The page where they stop these mails.
    pub unsubscribe_url: &'a str,
    /// The program's postal address, which some countries ask for.
    pub postal_address: Option<&'a str>,
}

/// Who is rewarded, which decides the words of thanks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beneficiary {
    /// The one who recommended, or one above them.
    Referrer,
    /// The one who was recommended to.
    Referee,
}

/// What was issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gift<'a> {
    /// Money credited to the balance.
    Cash {
        /// In the currency's minor unit.
        minor: i64,
        /// Code of ISO 4217.
        currency: &'a str,
    },
    /// Points credited to the balance.
    Points {
        /// How many.
        points: u64,
    },
    /// A share off the next purchase.
    DiscountShare {
        /// In basis points: 1000 is 10 %.
        basis_points: u32,
        /// The voucher to name at the checkout.
        voucher: Voucher<'a>,
    },
    /// An amount off the next purchase.
    DiscountAmount {
        /// In the currency's minor unit.
        minor: i64,
        /// Code of ISO 4217.
        currency: &'a str,
        /// The voucher to name at the checkout.
        voucher: Voucher<'a>,
    },
    /// A product for nothing.
    FreeProduct {
        /// How many pieces.
        quantity: u32,
        /// The voucher to name at the checkout.
        voucher: Voucher<'a>,
    },
}

/// A voucher code and how long it is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Voucher<'a> {
    /// What to type at the checkout.
    pub code: &'a str,
    /// When it ends, if ever.
    pub expires_at: Option<Timestamp>,
}

impl RewardIssued<'_> {
    /// The folder of the templates, and the tag of the mail.
    pub const KIND: &'static str = "reward_issued";

    /// Writes the mail.
    ///
    /// # Errors
    /// `Address` when the recipient's address cannot be written to, `Link` for a link that is none, `Currency` for an
    /// unknown currency, `MessageId` for an id that is no tag. None of these goes away by itself.
    pub fn compose(&self, envelope: &Envelope<'_>) -> Result<Mail, MailError> {
        let unsubscribe_url = link("unsubscribe link", self.unsubscribe_url)?;
        let shop_url = self
            .shop_url
            .map(|url| link("link to the shop", url))
            .transpose()?;
        let program = one_line(self.program_name);
        let postal_address = self.postal_address.map(one_line);
        let facts = Facts {
            lang: self.language.tag(),
            program: &program,
            first_name: greeted_name(self.first_name),
            referrer: match self.beneficiary {
                Beneficiary::Referrer => true,
                Beneficiary::Referee => false,
            },
            gift: self.gift_label()?,
            voucher: self.voucher(),
            shop_url,
            unsubscribe_url: &unsubscribe_url,
            postal_address: postal_address.as_deref(),
        };
        let words = match self.language {
            Language::English => Words {
                subject: SubjectEn { facts: &facts }.render()?,
                text: TextEn { facts: &facts }.render()?,
                html: HtmlEn { facts: &facts }.render()?,
            },
        };
        envelope.mail(Self::KIND, &program, words, Some(&unsubscribe_url))
    }

    /// `5.00 EUR`, `120 points`, `10% off`.
    fn gift_label(&self) -> Result<String, MailError> {
        let language = self.language;
        let amount = |minor, currency| money(minor, currency, language).ok_or(MailError::Currency);
        match (self.gift, language) {
            (Gift::Cash { minor, currency }, Language::English) => amount(minor, currency),
            (Gift::Points { points: 1 }, Language::English) => Ok("1 point".to_owned()),
            (Gift::Points { points }, Language::English) => {
                Ok(format!("{} points", language.grouped(points)))
            }
            (Gift::DiscountShare { basis_points, .. }, Language::English) => {
                Ok(format!("{} off", language.percent(basis_points)))
            }
            (
                Gift::DiscountAmount {
                    minor, currency, ..
                },
                Language::English,
            ) => Ok(format!("{} off", amount(minor, currency)?)),
            (Gift::FreeProduct { quantity: 1, .. }, Language::English) => {
                Ok("a product for free".to_owned())
            }
            (Gift::FreeProduct { quantity, .. }, Language::English) => {
                let quantity = self.language.grouped(quantity.into());
                Ok(format!("{quantity} products for free"))
            }
        }
    }

    fn voucher(&self) -> Option<VoucherFacts> {
        match self.gift {
            Gift::Cash { .. } | Gift::Points { .. } => None,
            Gift::DiscountShare { voucher, .. }
            | Gift::DiscountAmount { voucher, .. }
            | Gift::FreeProduct { voucher, .. } => Some(VoucherFacts {
                code: one_line(voucher.code),
                until: voucher.expires_at.map(|at| self.language.instant(at)),
            }),
        }
    }
}

/// What the templates of every language are filled with.
struct Facts<'a> {
    lang: &'static str,
    program: &'a str,
    first_name: Option<String>,
    referrer: bool,
    gift: String,
    voucher: Option<VoucherFacts>,
    shop_url: Option<String>,
    unsubscribe_url: &'a str,
    postal_address: Option<&'a str>,
}

struct VoucherFacts {
    code: String,
    until: Option<String>,
}

#[derive(Template)]
#[template(path = "reward_issued/en/subject.txt")]
struct SubjectEn<'a> {
    facts: &'a Facts<'a>,
}

#[derive(Template)]
#[template(path = "reward_issued/en/text.txt")]
struct TextEn<'a> {
    facts: &'a Facts<'a>,
}

#[derive(Template)]
#[template(path = "reward_issued/en/mail.html")]
struct HtmlEn<'a> {
    facts: &'a Facts<'a>,
}

#[cfg(test)]
mod tests;
