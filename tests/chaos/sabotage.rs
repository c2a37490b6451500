//! Bugs that are put in on purpose, between the functions and their services: each is what a function
//! would ask for if somebody had forgotten something. The histories have to find every one.

use std::fmt;

use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};

use crate::gate::{Waits, body};

/// Declares the bugs and the list of them all, so that none can be missing there.
macro_rules! bugs {
    ($($(#[$what:meta])* $bug:ident,)*) => {
        /// A bug.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Sabotage {
            $($(#[$what])* $bug,)*
        }

        impl Sabotage {
            /// Every one.
            pub(crate) const ALL: &[Self] = &[$(Self::$bug),*];
        }
    };
}

bugs! {
    /// An order is written whether or not it is there.
    OrderUnguarded,
    /// A reward is written over whatever became of it meanwhile.
    RewardUnguarded,
    /// A survey, likewise.
    SurveyUnguarded,
    /// A mail, likewise: two workers may both believe that they are the one that sends it.
    MailUnguarded,
    /// The name of a refund, likewise.
    RefundUnguarded,
    /// What is paid is written over whatever became of it meanwhile.
    LotUnguarded,
    /// A voucher is used whether or not it was used before.
    VoucherUnguarded,
    /// An offer, likewise.
    OfferUnguarded,
    /// Limits are counted, and not looked at.
    LimitsUnguarded,
    /// Budgets, likewise.
    BudgetsUnguarded,
    /// An event has no entry in the due index: who is not woken by it never hears of it.
    EventNotDue,
    /// A reward has no entry in the due index.
    RewardNotDue,
    /// A delivery has no entry in the due index.
    DeliveryNotDue,
    /// A survey has no entry in the due index.
    SurveyNotDue,
    /// A merge has no entry in the due index.
    MergeNotDue,
    /// A balance does not follow.
    BalanceForgotten,
    /// The ledger does not follow.
    LedgerForgotten,
    /// A credit is booked, and there is nothing to pay or spend it from.
    LotForgotten,
    /// What limits and numbers rest on is not counted.
    CountersForgotten,
    /// Facts are not written with what they are about.
    EventForgotten,
    /// Nobody remembers that a call was answered.
    AnswerForgotten,
    /// An event is settled before its deliveries are made.
    DeliveryForgotten,
    /// One transaction in a few is answered, and not written.
    WriteForgotten,
    /// One transaction in a few is written in part.
    WriteTorn,
    /// A mail is sent again when nobody answered.
    MailRepeated,
    /// What the sweep finds is claimed, and nobody is woken.
    SweepForgotten,
}

/// In which part of the transactions those bugs show that do not always show.
const SHOWS_ONCE_IN: u64 = 12;

impl fmt::Display for Sabotage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl Sabotage {
    /// Those that show in most histories, so that there is time for them whenever the tests run.
    pub(crate) const SOON: [Self; 13] = [
        Self::RewardUnguarded,
        Self::RewardNotDue,
        Self::DeliveryNotDue,
        Self::MergeNotDue,
        Self::BalanceForgotten,
        Self::LedgerForgotten,
        Self::LotForgotten,
        Self::CountersForgotten,
        Self::EventForgotten,
        Self::DeliveryForgotten,
        Self::WriteForgotten,
        Self::WriteTorn,
        Self::SweepForgotten,
    ];

    /// Whether a request is answered as if it had been carried out. `number` counts the requests.
    pub(crate) fn forgets(self, package: &str, waits: Waits, number: u64) -> bool {
        match self {
            Self::WriteForgotten => waits == Waits::Write && number.is_multiple_of(SHOWS_ONCE_IN),
            Self::SweepForgotten => waits == Waits::Send && package == "due-work",
            _ => false,
        }
    }

    /// The request as the bug makes it.
    pub(crate) fn of(self, mut request: HttpRequest, number: u64) -> HttpRequest {
        let mut asked = body(&request);
        if asked.get("TransactItems").is_none() {
            return request;
        }
        let actions = asked["TransactItems"].as_array_mut().unwrap();
        let before = actions.clone();
        self.change(actions, number);
        if actions.is_empty() || *actions == before {
            return request;
        }
        *request.body_mut() = SdkBody::from(asked.to_string());
        request
    }

    fn change(self, actions: &mut Vec<Value>, number: u64) {
        match self {
            Self::OrderUnguarded => unguarded(actions, |action| puts(action, "order")),
            Self::RewardUnguarded => unguarded(actions, |action| puts(action, "reward")),
            Self::SurveyUnguarded => unguarded(actions, |action| puts(action, "survey")),
            Self::MailUnguarded => unguarded(actions, |action| puts(action, "mail")),
            Self::RefundUnguarded => {
                unguarded(actions, |action| {
                    puts(action, "refund_of_order") || puts(action, "conversion")
                });
            }
            Self::LotUnguarded => {
                unguarded(actions, |action| {
                    puts(action, "lot")
                        || puts(action, "payout_line")
                        || action.get("Delete").is_some()
                });
            }
            Self::VoucherUnguarded => {
                unguarded(actions, |action| {
                    puts(action, "voucher") || puts(action, "reward") || puts(action, "lot")
                });
            }
            Self::OfferUnguarded => {
                unguarded(actions, |action| {
                    puts(action, "offer") || puts(action, "voucher")
                });
            }
            Self::LimitsUnguarded => unguarded(actions, |action| updates(action, "COUNTERS")),
            Self::BudgetsUnguarded => unguarded(actions, |action| updates(action, "BUDGET")),
            Self::EventNotDue => not_due(actions, "event"),
            Self::RewardNotDue => not_due(actions, "reward"),
            Self::DeliveryNotDue => not_due(actions, "delivery"),
            Self::SurveyNotDue => not_due(actions, "survey"),
            Self::MergeNotDue => not_due(actions, "merge"),
            Self::BalanceForgotten => actions.retain(|action| !updates(action, "BALANCE")),
            Self::LedgerForgotten => actions.retain(|action| !puts(action, "ledger")),
            Self::LotForgotten => actions.retain(|action| !puts(action, "lot")),
            Self::CountersForgotten => actions.retain(|action| !updates(action, "COUNTERS")),
            Self::EventForgotten => actions.retain(|action| !puts(action, "event")),
            Self::AnswerForgotten => actions.retain(|action| !puts(action, "idempotency")),
            Self::DeliveryForgotten => actions.retain(|action| !puts(action, "delivery")),
            Self::WriteTorn if number.is_multiple_of(SHOWS_ONCE_IN) => {
                actions.truncate(actions.len().div_ceil(2));
            }
            Self::WriteTorn | Self::WriteForgotten | Self::MailRepeated | Self::SweepForgotten => {}
        }
    }
}

/// What the service would have answered to a request that is not carried out.
pub(crate) fn as_if_done(request: &HttpRequest) -> String {
    let asked = body(request);
    let entries = asked["Entries"].as_array().cloned().unwrap_or_default();
    let sent = entries
        .iter()
        .map(|entry| json!({"Id": entry["Id"], "MessageId": "forgotten", "MD5OfMessageBody": "0"}));
    json!({"Successful": sent.collect::<Vec<_>>(), "Failed": []}).to_string()
}

fn puts(action: &Value, kind: &str) -> bool {
    action["Put"]["Item"]["kind"]["S"] == kind
}

/// Whether it changes an item whose sort key begins so.
fn updates(action: &Value, sk: &str) -> bool {
    let key = &action["Update"]["Key"]["sk"]["S"];
    key.as_str().is_some_and(|key| key.starts_with(sk))
}

fn unguarded(actions: &mut [Value], which: impl Fn(&Value) -> bool) {
    for action in actions.iter_mut().filter(|action| which(action)) {
        for (_, one) in action.as_object_mut().unwrap() {
            let one = one.as_object_mut().unwrap();
            if one.remove("ConditionExpression").is_none() {
                continue;
            }
            // What no expression names any more would be refused.
            let left = one
                .get("UpdateExpression")
                .map(Value::to_string)
                .unwrap_or_default();
            let named = |name: &String| {
                left.split(|letter: char| !(letter.is_alphanumeric() || "_:#".contains(letter)))
                    .any(|word| word == name)
            };
            for names in ["ExpressionAttributeNames", "ExpressionAttributeValues"] {
                let Some(found) = one.get_mut(names).and_then(Value::as_object_mut) else {
                    continue;
                };
                found.retain(|name, _| named(name));
                if found.is_empty() {
                    one.remove(names);
                }
            }
        }
    }
}

fn not_due(actions: &mut [Value], kind: &str) {
    for action in actions.iter_mut().filter(|action| puts(action, kind)) {
        let item = action["Put"]["Item"].as_object_mut().unwrap();
        item.remove("due_pk");
        item.remove("due_sk");
    }
}
