use jiff::Timestamp;
use kith_domain::fulfilment::{Fulfilment, FulfilmentRule, Progress, Question, Terms};
use kith_domain::id::WebhookId;
use kith_domain::text::Name;
use serde::{Deserialize, Serialize};

use super::reward::ValueItem;
use super::webhook::AttemptItem;
use crate::item::{text, text_option};

/// Who carries out the rewards of a rule, as it lies in the table.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct FulfilmentRuleItem {
    #[serde(with = "text")]
    webhook_id: WebhookId,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    validate: bool,
}

impl From<FulfilmentRule> for FulfilmentRuleItem {
    fn from(rule: FulfilmentRule) -> Self {
        Self {
            webhook_id: rule.webhook,
            validate: rule.validate,
        }
    }
}

impl From<FulfilmentRuleItem> for FulfilmentRule {
    fn from(item: FulfilmentRuleItem) -> Self {
        Self {
            webhook: item.webhook_id,
            validate: item.validate,
        }
    }
}

/// How far the shop is with a reward, as it lies in the table with it.
#[derive(Serialize, Deserialize)]
pub(super) struct FulfilmentItem {
    rule: FulfilmentRuleItem,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    validated: bool,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    question: Option<Question>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    terms: Option<TermsItem>,
    #[serde(with = "text")]
    progress: Progress,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    next_at: Option<Timestamp>,
    tries: u32,
    claims: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last: Option<AttemptItem>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text_option")]
    receipt: Option<Name>,
}

#[derive(Serialize, Deserialize)]
struct TermsItem {
    worth: ValueItem,
    #[serde(with = "text")]
    at: Timestamp,
}

impl FulfilmentItem {
    pub(super) fn of(fulfilment: &Fulfilment) -> Self {
        let terms = |terms: Terms| TermsItem {
            worth: terms.value.into(),
            at: terms.at,
        };
        Self {
            rule: fulfilment.rule.into(),
            validated: fulfilment.validated,
            question: fulfilment.question,
            terms: fulfilment.terms.map(terms),
            progress: fulfilment.progress,
            next_at: fulfilment.next_at,
            tries: fulfilment.tries,
            claims: fulfilment.claims,
            last: fulfilment.last.as_ref().map(AttemptItem::of),
            receipt: fulfilment.receipt.clone(),
        }
    }

    pub(super) fn read(self) -> Fulfilment {
        let terms = |item: TermsItem| Terms {
            value: item.worth.into(),
            at: item.at,
        };
        Fulfilment {
            rule: self.rule.into(),
            validated: self.validated,
            question: self.question,
            terms: self.terms.map(terms),
            progress: self.progress,
            next_at: self.next_at,
            tries: self.tries,
            claims: self.claims,
            last: self.last.map(AttemptItem::read),
            receipt: self.receipt,
        }
    }
}
