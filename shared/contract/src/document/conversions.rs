use serde_json::json;

use super::Tag;
use super::operation::{Operation, op};
use crate::answers::{Conversion, List};
use crate::problems::Code;
use crate::requests::{AttributionByHand, ConversionFilter, Decision, NewConversion};
use crate::routes;

pub(super) const TAG: Tag = Tag {
    name: "Conversions",
    about: "What referees do, to whom it belongs, and what it earns.",
};

pub(super) fn operations() -> Vec<Operation> {
    vec![
        op(&routes::RECORD_CONVERSION, TAG.name, "Record a conversion")
            .about("`event` and `external_id` are recorded once: the same content again answers what is recorded, and a touch that it brings attributes what had none. `considered` tells every touch that was looked at, `skipped` every incentive that gave nothing.")
            .body::<NewConversion>(json!({
                "event": "purchase", "external_id": "order-1001",
                "referee": {"external_id": "cust-77", "email": "bob@example.com", "first_name": "Bob", "new_customer": true},
                "codes": ["ANN-BAKES"], "amount": {"amount": 4500, "currency": "EUR"}, "country": "DE",
                "metadata": {"category": "cakes", "items": 3},
            }))
            .answers::<Conversion>(201, "The conversion.")
            .answers::<Conversion>(200, "The conversion, which was recorded before.")
            .refuses([Code::ConversionDiffers, Code::IdentityConflict])
            .yields("conversion", "/id")
            .yields("reward", "/rewards/0/id"),
        op(&routes::RECORD_CONVERSIONS, TAG.name, "Record many conversions")
            .about("Up to 500 lines, each what the single call takes, answered as the single call answers it. A line that there was no time for is answered 503 `not_reached`; send it again. An `Idempotency-Key` counts for each line.")
            .lines(&json!({"event": "purchase", "external_id": "order-1001", "referee": {"external_id": "cust-77"}, "codes": ["ANN-BAKES"]}))
            .answers_lines("A line for each: `line`, `status`, `replayed`, and in `body` what the single call answers.")
            .refuses([Code::NotReached]),
        op(&routes::LIST_CONVERSIONS, TAG.name, "List conversions")
            .about("Newest first. `event` with `external_id` finds the one of an order. As CSV or as lines of JSON for `Accept: text/csv` or `application/x-ndjson`: then `limit` may be 1,000, and the next page stands in the header `Link`.")
            .query::<ConversionFilter>()
            .answers::<List<Conversion>>(200, "A page of conversions.")
            .or_text("text/csv")
            .or_text("application/x-ndjson")
            .header("Link")
            .yields("conversion", "/data/0/id"),
        op(&routes::READ_CONVERSION, TAG.name, "Read a conversion")
            .about("As it stands now, with its rewards and refunds.")
            .answers::<Conversion>(200, "The conversion."),
        op(&routes::ATTRIBUTE_CONVERSION, TAG.name, "Attribute a conversion by hand")
            .about("The owner knows better: for a conversion that has no referrer.")
            .body::<AttributionByHand>(json!({"code": "ANN-BAKES", "reason": "said so on the phone"}))
            .answers::<Conversion>(200, "The conversion, attributed.")
            .refuses([
                Code::AlreadyAttributed, Code::ParticipantMerged, Code::ReferralExists, Code::ReferralLoop, Code::ReferrerSuspended,
                Code::ReferrerWithoutCode, Code::SelfReferral,
            ]),
        op(&routes::APPROVE_CONVERSION, TAG.name, "Approve a conversion")
            .about("One that is `quarantined` counts: its rewards go on from where they are held. Safe to repeat.")
            .body::<Decision>(json!({"reason": "a known customer"}))
            .answers::<Conversion>(200, "The conversion, approved.")
            .refuses([Code::ConversionState]),
        op(&routes::REJECT_CONVERSION, TAG.name, "Reject a conversion")
            .about("One that is `quarantined` earned nobody anything: its rewards are rejected, and out of limits and budgets. Safe to repeat.")
            .body::<Decision>(json!({"reason": "a stolen card"}))
            .answers::<Conversion>(200, "The conversion, rejected.")
            .refuses([Code::ConversionState]),
    ]
}
