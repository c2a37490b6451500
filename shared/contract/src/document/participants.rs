use serde_json::json;

use super::Tag;
use super::operation::{Operation, op};
use crate::answers::{Balances, List, Merge, OwnCode, Participant, Redemption, Referral, Timeline};
use crate::problems::Code;
use crate::requests::{
    CodeChange, Decision, MergeFilter, NewCode, NewMerge, NewParticipant, NewRedemption, Nothing,
    Page, ParticipantChange, ParticipantFilter, ParticipantSearch, ReferralFilter,
};
use crate::routes;

pub(super) const TAG: Tag = Tag {
    name: "Participants",
    about: "People in a program: referrers, referees, or both. Mail addresses and names are kept and never answered.",
};

pub(super) fn operations() -> Vec<Operation> {
    let mut all = people();
    all.extend(codes());
    all.extend(points());
    all.extend(merges());
    all
}

fn people() -> Vec<Operation> {
    vec![
        op(&routes::JOIN_PARTICIPANT, TAG.name, "Add a participant, or update one")
            .about("`external_id` is who it is: the first call makes the participant with a code, later ones update the profile and keep the code.")
            .body::<NewParticipant>(json!({
                "external_id": "cust-42", "email": "ann@example.com", "first_name": "Ann", "locale": "en-GB",
                "consent": {"surveys": true, "marketing": false, "source": "checkout"},
            }))
            .answers::<Participant>(201, "The participant, who is new.")
            .answers::<Participant>(200, "The participant, who was known.")
            .refuses([
                Code::CodeTaken, Code::IdentityConflict, Code::ReferralLoop, Code::ReferrerSuspended,
                Code::ReferrerWithoutCode, Code::TooManyCodes,
            ])
            .yields("participant", "/id")
            .yields("code", "/code"),
        op(&routes::JOIN_PARTICIPANTS, TAG.name, "Add or update many participants")
            .about("Up to 500 lines, each what the single call takes, answered as the single call answers it. A line that there was no time for is answered 503 `not_reached`; send it again. An `Idempotency-Key` counts for each line.")
            .lines(&json!({"external_id": "cust-43", "locale": "en-GB"}))
            .answers_lines("A line for each: `line`, `status`, `replayed`, and in `body` what the single call answers.")
            .refuses([Code::NotReached]),
        op(&routes::LIST_PARTICIPANTS, TAG.name, "List participants")
            .about("Newest first, without mail addresses and names. As CSV or as lines of JSON for `Accept: text/csv` or `application/x-ndjson`: then `limit` may be 1,000, and the next page stands in the header `Link`.")
            .query::<ParticipantFilter>()
            .answers::<List<Participant>>(200, "A page of participants.")
            .or_text("text/csv")
            .or_text("application/x-ndjson")
            .header("Link")
            .yields("participant", "/data/0/id"),
        op(&routes::READ_TIMELINE, TAG.name, "Read what happened to a participant")
            .about("Bonds, conversions, rewards, surveys, payouts and spendings, newest first, in sentences that can be read out.")
            .query::<Page>()
            .answers::<Timeline>(200, "A page of the timeline."),
        op(&routes::SEARCH_PARTICIPANTS, TAG.name, "Find a participant")
            .about("By exactly one of `external_id`, `email` and `code`. A read, although it is a `POST`: no mail address stands in a URL.")
            .body::<ParticipantSearch>(json!({"external_id": "cust-42"}))
            .answers::<List<Participant>>(200, "Whoever was found: one, or nobody.")
            .yields("participant", "/data/0/id"),
        op(&routes::READ_PARTICIPANT, TAG.name, "Read a participant")
            .answers::<Participant>(200, "The participant."),
        op(&routes::CHANGE_PARTICIPANT, TAG.name, "Change a participant")
            .about("A merge patch of the profile and the state. Whoever is suspended refers nobody, earns nothing and spends nothing.")
            .body::<ParticipantChange>(json!({"locale": "de-DE"}))
            .answers::<Participant>(200, "The participant, changed.")
            .refuses([Code::IdentityConflict, Code::ParticipantMerged]),
        op(&routes::READ_BALANCE, TAG.name, "Read a balance")
            .about("By unit: currencies, `points`, pieces of products.")
            .answers::<Balances>(200, "What the participant holds."),
        op(&routes::LIST_REFERRALS, TAG.name, "List referrals")
            .about("The bonds of referees to referrers, newest first.")
            .query::<ReferralFilter>()
            .answers::<List<Referral>>(200, "A page of referrals."),
    ]
}

fn merges() -> Vec<Operation> {
    vec![
        op(&routes::MERGE_PARTICIPANT, TAG.name, "Merge a participant into another")
            .about("The participant of the path becomes a pointer to the other, who gets everything: rewards, balances, codes, bonds, conversions. What shows a self-referral or a loop waits for review. The same again changes nothing.")
            .body::<NewMerge>(json!({"into": "par_01kmn5v0ng8z3x5r2t7y9w4q6a", "reason": "the same person"}))
            .answers::<Merge>(201, "The merge, which has begun.")
            .answers::<Merge>(200, "The merge, which was asked for before.")
            .answers::<Merge>(202, "The merge, which waits for review.")
            .refuses([
                Code::MergeInReview, Code::MergeIntoItself, Code::ParticipantMerged, Code::ParticipantSuspended,
                Code::RedemptionOpen, Code::ReferralLoop, Code::TooManyCodes, Code::TooManyMerges,
            ])
            .yields("merge", "/id"),
        op(&routes::LIST_MERGES, TAG.name, "List merges")
            .about("Newest first.")
            .query::<MergeFilter>()
            .answers::<List<Merge>>(200, "A page of merges.")
            .yields("merge", "/data/0/id"),
        op(&routes::READ_MERGE, TAG.name, "Read a merge").answers::<Merge>(200, "The merge."),
        op(&routes::APPROVE_MERGE, TAG.name, "Approve a merge")
            .about("One that waits for review is carried out. The bond that led back to the same person is dissolved: what was earned under it and not issued is rejected.")
            .body::<Decision>(json!({"reason": "it is her"}))
            .answers::<Merge>(200, "The merge, which has begun.")
            .refuses([
                Code::MergeState, Code::ParticipantMerged, Code::ParticipantSuspended, Code::RedemptionOpen,
                Code::ReferralLoop, Code::TooManyCodes, Code::TooManyMerges,
            ]),
        op(&routes::REJECT_MERGE, TAG.name, "Reject a merge")
            .about("One that waits for review never happens.")
            .body::<Decision>(json!({"reason": "they are twins"}))
            .answers::<Merge>(200, "The merge, rejected.")
            .refuses([Code::MergeState]),
    ]
}

fn codes() -> Vec<Operation> {
    vec![
        op(&routes::ADD_CODE, TAG.name, "Add a code")
            .about("A code of the participant's choice, or a generated one. Those that exist go on to work.")
            .optional_body::<NewCode>(json!({"code": "ANN-TWO"}))
            .answers::<OwnCode>(201, "The code, which is new.")
            .answers::<OwnCode>(200, "The code, which the participant had.")
            .refuses([Code::CodeTaken, Code::ParticipantMerged, Code::TooManyCodes]),
        op(&routes::SWITCH_CODE, TAG.name, "Disable or enable a code")
            .about("Links with a disabled code lead nowhere. `If-Match` names the participant's version.")
            .body::<CodeChange>(json!({"state": "active"}))
            .answers::<OwnCode>(200, "The code, changed.")
            .refuses([Code::ParticipantMerged]),
    ]
}

fn points() -> Vec<Operation> {
    vec![
        op(&routes::SPEND_POINTS, TAG.name, "Spend points")
            .about("`external_id` is spent once: the same again changes nothing.")
            .body::<NewRedemption>(
                json!({"external_id": "basket-7", "unit": "points", "amount": 100}),
            )
            .answers::<Redemption>(201, "The spending.")
            .answers::<Redemption>(200, "The spending, which was recorded before.")
            .refuses([
                Code::InsufficientBalance,
                Code::MergeUnderWay,
                Code::ParticipantMerged,
                Code::ParticipantSuspended,
                Code::RedemptionDiffers,
            ])
            .yields("redemption", "/id"),
        op(
            &routes::LIST_REDEMPTIONS,
            TAG.name,
            "List spendings of points",
        )
        .about("Oldest first.")
        .query::<Page>()
        .answers::<List<Redemption>>(200, "A page of spendings.")
        .yields("redemption", "/data/0/id"),
        op(
            &routes::REVERSE_REDEMPTION,
            TAG.name,
            "Reverse a spending of points",
        )
        .about("The points were not spent after all. Safe to repeat.")
        .optional_body::<Nothing>(json!({}))
        .answers::<Redemption>(200, "The spending, reversed.")
        .refuses([Code::MergeUnderWay, Code::ParticipantMerged]),
    ]
}
