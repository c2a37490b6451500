//! The catalogue of problems: every reason for which a call is refused, with what it means and what
//! to do. `code` is the contract; titles and texts are for people and may change.

macro_rules! codes {
    ($($name:ident = $status:literal $word:literal, $title:literal, $meaning:literal, $advice:literal $(, $retryable:ident)?;)*) => {
        /// Why a call is refused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $(#[doc = $meaning] $name,)* }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The status of the answer.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// The code as clients read it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// The title, a few words.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }

            /// What it means.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning,)* }
            }

            /// What to do about it.
            #[must_use]
            pub const fn advice(self) -> &'static str {
                match self { $(Self::$name => $advice,)* }
            }

            /// Whether the same call may succeed later.
            #[must_use]
            pub const fn is_retryable(self) -> bool {
                match self { $(Self::$name => codes!(@retryable $($retryable)?),)* }
            }

            /// The code of a word.
            #[must_use]
            pub fn of(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|code| code.as_str() == word)
            }
        }
    };
    (@retryable retryable) => { true };
    (@retryable) => { false };
}

codes! {
    UnreadableBody = 400 "unreadable_body", "The request cannot be read",
        "The request is not what HTTP and JSON say it has to be: malformed, nested too deeply, or with a member twice.",
        "Send one JSON object, encoded in UTF-8, with each member once.";
    Unauthenticated = 401 "unauthenticated", "A valid key is needed",
        "The call carries no key, or none that exists: unknown, revoked, or mistyped.",
        "Send a key as `Authorization: Bearer <key>`. If it was revoked, make another.";
    KeyExpired = 401 "key_expired", "The key has expired",
        "The key is right and its time is over: it was made for a time, or replaced by another.",
        "Use the key that replaced it, or make another.";
    BadSignature = 401 "bad_signature", "The signature is not right",
        "There is no such order source, or the message is not signed with its secret, or not now; all of them are answered alike.",
        "Enter the address exactly as the order source tells it, and give the order source the secret that the shop system shows.";
    MissingScope = 403 "missing_scope", "The key may not do this",
        "The key is valid and lacks the scope that this call needs.",
        "Use a key with the scope that `detail` names, or make one.";
    OperatorKeyNeeded = 403 "operator_key_needed", "The key may not do this",
        "The key belongs to one program, and the call concerns all of them.",
        "Use the operator's key.";
    NotFound = 404 "not_found", "Not found",
        "There is no such thing, or it belongs to another program or the other mode; the two are answered alike.",
        "Check the id, and that the key belongs to the same program and mode.";
    MethodNotAllowed = 405 "method_not_allowed", "The path has no such method",
        "The path exists and has other methods than the one that was used.",
        "Use one of those in the header `Allow`.";
    ConcurrentChange = 409 "concurrent_change", "It changed in between",
        "Others kept changing the same things while the call was being decided. Nothing was done.",
        "Repeat the call, with the same idempotency key.", retryable;
    AlreadyAttributed = 409 "already_attributed", "The conversion has a referrer",
        "The conversion was attributed before. The first attribution binds.",
        "Read the conversion to see who the referrer is.";
    BeneficiarySuspended = 409 "beneficiary_suspended", "The beneficiary is suspended",
        "Whoever is suspended gets no rewards.",
        "Make the participant active first.";
    CodeTaken = 409 "code_taken", "The code is taken",
        "Somebody else has this code. Codes are compared without regard to case.",
        "Choose another code.";
    ConversionDiffers = 409 "conversion_differs", "The conversion was recorded with other content",
        "The event and external id were recorded before, with another amount, referee, country or metadata.",
        "Look at the members named in `errors`. If it is another order, give it an external id of its own; if it was refunded, record a refund.";
    ConversionInReview = 409 "conversion_in_review", "The conversion waits for review",
        "Nothing that a conversion has earned is released before the conversion is reviewed.",
        "Approve or reject the conversion.";
    ConversionState = 409 "conversion_state", "The conversion does not wait for review",
        "Only a conversion that is quarantined is approved or rejected, once.",
        "Read the conversion to see where it is.";
    IdentityConflict = 409 "identity_conflict", "Two people are meant",
        "The external id belongs to one participant and the mail address to another.",
        "Send the one that is right, or merge the two participants.";
    IncentiveDiffers = 409 "incentive_differs", "The incentive's id stands for something else",
        "An incentive's id keeps its kind and its beneficiary for ever, so that numbers stay comparable.",
        "Give the changed incentive a new id.";
    InsufficientBalance = 409 "insufficient_balance", "There is not so much",
        "The participant does not have so many points available.",
        "Read the balance and ask for less.";
    KeyEnded = 409 "key_ended", "The key is good no more",
        "Only a key that still opens something can be replaced by another.",
        "Make a new key.";
    KeyReplaced = 409 "key_replaced", "The key has a successor",
        "A key is replaced once.",
        "Rotate the successor that `replaced_by` names. If its secret was lost, rotating it gives another.";
    LineState = 409 "line_state", "The line cannot become that",
        "A payout line goes from open to paid or failed, and from paid to returned.",
        "Read the line to see where it stands.";
    MergeInReview = 409 "merge_in_review", "Another merge waits for review",
        "A merge of the participant into somebody else was asked for before and waits for a decision.",
        "Approve or reject the merge that `merge_id` names.";
    MergeIntoItself = 409 "merge_into_itself", "The two are one",
        "A participant is merged into another one.",
        "Name the participant who stays in `into`.";
    MergeState = 409 "merge_state", "The merge was decided",
        "A merge in review is approved or rejected once.",
        "Read the merge to see what was decided.";
    MergeUnderWay = 409 "merge_under_way", "A merge is under way",
        "The participant takes in another one, and what the call is about is still on its way.",
        "Repeat the call in a moment.", retryable;
    NoOffer = 409 "no_offer", "There is nothing to offer",
        "No incentive gives something before paying to the friend of this referrer now.",
        "Show the shop's ordinary price.";
    NoVouchers = 409 "no_vouchers", "The incentive gives no vouchers",
        "Only incentives that give a discount or a free product have a list of codes.",
        "Use the id of such an incentive.";
    NotATestProgram = 409 "not_a_test_program", "The program is not for tests",
        "Only test programs have a clock and recorded mails of their own.",
        "Make a program with a test key.";
    NotAVoucher = 409 "not_a_voucher", "The reward is not a voucher",
        "Only discounts and free products are redeemed by hand.",
        "Cash is settled by a payout, points by a redemption.";
    OfferVoucher = 409 "offer_voucher", "The voucher belongs to an offer",
        "What an offer promised is redeemed by the conversion that names the voucher.",
        "Record the conversion with the voucher among its `codes`.";
    ParticipantMerged = 409 "participant_merged", "The participant is somebody else by now",
        "The participant was merged into another one and never changes again.",
        "Use the participant that `merged_into` names.";
    ParticipantSuspended = 409 "participant_suspended", "The participant is suspended",
        "Whoever is suspended does not spend points, and is not merged.",
        "Make the participant active first.";
    PayoutBuilding = 409 "payout_building", "The payout is being built",
        "Its lines are still being listed.",
        "Wait until its state is `open`.", retryable;
    PayoutOpenLines = 409 "payout_open_lines", "Lines are open",
        "A payout is closed when each of its lines is paid, failed or returned.",
        "Settle the lines that are open.";
    PeriodTooLong = 422 "period_too_long", "The period holds too much",
        "There is more in the period than one call counts.",
        "Ask for a shorter period with `from` and `to`.";
    ProgramArchived = 409 "program_archived", "The program is archived",
        "An archived program does nothing any more.",
        "Use another program.";
    ProgramPaused = 409 "program_paused", "The program is paused",
        "A paused program records conversions and moves no rewards.",
        "Make the program active first.";
    RedemptionDiffers = 409 "redemption_differs", "The redemption was made with other content",
        "The external id was used for another amount or unit.",
        "Use an external id of its own for each redemption.";
    RedemptionOpen = 409 "redemption_open", "Points are being spent",
        "A redemption of the participant is being settled, which takes a moment.",
        "Repeat the call in a moment.", retryable;
    ReferralExists = 409 "referral_exists", "The referee has a referrer",
        "The referee was referred by somebody else before. The first bond holds.",
        "Read the referral to see by whom.";
    ReferralLoop = 409 "referral_loop", "The referral would close a loop",
        "Nobody is referred by themselves, directly or through others.",
        "Name another referrer, or none.";
    ReferrerSuspended = 409 "referrer_suspended", "The referrer is suspended",
        "Whoever is suspended does not refer.",
        "Make the participant active first, or name another.";
    ReferrerWithoutCode = 409 "referrer_without_code", "The referrer has no code",
        "Whoever refers has a code.",
        "Add the referrer as a participant first.";
    RefundDiffers = 409 "refund_differs", "The refund was recorded with other content",
        "The external id was used for another refund of this conversion.",
        "Give each refund an external id of its own.";
    RefundExceedsConversion = 409 "refund_exceeds_conversion", "The refunds exceed the conversion",
        "The refunds of a conversion never come to more than its amount.",
        "Refund at most what `left` says.";
    RewardState = 409 "reward_state", "The reward cannot become that",
        "The reward stands where this step does not lead on from.",
        "Read the reward and its history.";
    SelfReferral = 409 "self_referral", "The referrer is the referee",
        "Nobody refers themselves.",
        "Name another referrer.";
    StillHeld = 409 "still_held", "The reward is held",
        "The hold period is not over.",
        "Wait until `release_at`, or approve the reward by hand.";
    TooManyCodes = 409 "too_many_codes", "There are too many codes",
        "A participant has a bounded number of codes, disabled ones included.",
        "Use one of the codes that exist.";
    TooManyMerges = 409 "too_many_merges", "Too many were merged into one",
        "A bounded number of participants can be merged into one.",
        "Merge into another participant, or leave them apart.";
    TooManyRefunds = 409 "too_many_refunds", "There are too many refunds",
        "An order has a bounded number of refunds.",
        "Put several refunds of the same order together.";
    TooManyWebhooks = 409 "too_many_webhooks", "There are too many webhooks",
        "A program has ten endpoints of webhooks at most, disabled ones included.",
        "Delete one that is not needed any more, or let one endpoint hear of more types.";
    VoucherExpired = 409 "voucher_expired", "The voucher has expired",
        "Its time is over.",
        "Give another reward by hand if it is to be honoured all the same.";
    VoucherRedeemed = 409 "voucher_redeemed", "The voucher was used",
        "A voucher is used once.",
        "Read the reward to see when and by which order.";
    VoucherVoid = 409 "voucher_void", "The voucher is void",
        "Its reward was withdrawn.",
        "Read the reward to see why.";
    TooManyOrderSources = 409 "too_many_order_sources", "There are too many order sources",
        "A program has ten order sources at most, disabled ones included.",
        "Delete one that is not needed any more.";
    WebhookDisabled = 409 "webhook_disabled", "The webhook is disabled",
        "An endpoint that is disabled is told nothing: its owner said so, it answered 410, or nothing was delivered for days.",
        "Make the webhook active first.";
    WebhookInUse = 409 "webhook_in_use", "The webhook carries rewards out",
        "An incentive names the webhook in its `fulfilment`.",
        "Take it out of the program's incentives first.";
    VersionConflict = 412 "version_conflict", "It was changed in between",
        "`If-Match` names another version than the present one.",
        "Read the object again, apply the change to what it says now, and send its version.";
    BodyTooLarge = 413 "body_too_large", "The body is too large",
        "A body has at most 256 KiB.",
        "Send less at once.";
    UnsupportedMediaType = 415 "unsupported_media_type", "The body is of another media type",
        "The body is not of the media type that this call takes.",
        "Send it as `detail` says, with the fitting `Content-Type`.";
    InvalidRequest = 422 "invalid_request", "The request is not acceptable",
        "The request was understood and is not acceptable. Every fault stands in `errors`.",
        "Correct what the pointers in `errors` name. Unknown fields and parameters are refused, so that a typo is not silently lost.";
    IdempotencyKeyReused = 422 "idempotency_key_reused", "The idempotency key was used before",
        "The idempotency key belongs to a different request of the last days.",
        "Use a new key for a new request, and the same key only to repeat the same request.";
    TooManyRequests = 429 "too_many_requests", "Too many requests",
        "More calls came than may.",
        "Wait for as many seconds as `Retry-After` says, then repeat the call.", retryable;
    Internal = 500 "internal", "It went wrong here",
        "The fault is ours. It was recorded under `instance`.",
        "Repeat the call later with the same idempotency key; if it keeps failing, report the `instance`.";
    Unavailable = 503 "unavailable", "Not available at the moment",
        "Something that is needed did not answer in time.",
        "Repeat the call after a while, with the same idempotency key if it had one.", retryable;
    NotReached = 503 "not_reached", "Not reached in time",
        "The time of a call with many lines ran out before this one. Nothing was done for it.",
        "Send the line again: alone, with the others that were not reached, or with all of them under the same idempotency key.", retryable;
    StillCounting = 503 "still_counting", "Not counted to the end yet",
        "There is more to count than one call can. What was counted is kept.",
        "Repeat the call.", retryable;
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_code_stands_once_and_reads_back() {
        let words: BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(words.len(), Code::ALL.len());
        for code in Code::ALL {
            assert_eq!(Code::of(code.as_str()), Some(*code));
            let word = code.as_str();
            let good = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
            assert!(word.bytes().all(good), "{word}");
            assert!((400..600).contains(&code.status()), "{word}");
        }
    }
}
