use std::collections::BTreeSet;

use kith_domain::fact::Fact;
use kith_domain::id::EventId;
use kith_mail::NotSentReason;

use super::*;

fn event(kinds: &[FactKind]) -> Event {
    let created_at: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
    let fact = |(number, kind): (u8, &FactKind)| RecordedFact {
        id: EventId::new(created_at, [number; 10]),
        fact: Fact {
            reward_id: Some(RewardId::new(created_at, [number; 10])),
            beneficiary_id: Some(ParticipantId::new(created_at, [number; 10])),
            webhook_id: Some(WebhookId::new(created_at, [number; 10])),
            ..Fact::new(*kind)
        },
    };
    Event {
        id: EventId::new(created_at, [0; 10]),
        program: ProgramId::new(created_at, [9; 10]),
        mode: Mode::Live,
        created_at,
        facts: (0..).zip(kinds).map(fact).collect(),
        wakes: Vec::new(),
        awaiting: std::iter::once("messages".to_owned()).collect(),
    }
}

/// A redelivered event must meet the mails that it made before.
#[test]
fn an_event_always_calls_for_the_same_mails() {
    let kinds = [
        FactKind::RewardApproved,
        FactKind::RewardIssued,
        FactKind::RewardIssued,
        FactKind::ConversionRecorded,
        FactKind::WebhookDisabled,
    ];
    let notices = notices_of(&event(&kinds));
    let mails: BTreeSet<MailId> = notices.iter().map(|notice| notice.mail_id).collect();
    assert_eq!((notices.len(), mails.len()), (3, 3));
    assert!(matches!(notices[2].about, MailAbout::Webhook { .. }));
    assert_eq!(notices, notices_of(&event(&kinds)));
}

/// Only a mail that surely did not leave may be tried again.
#[test]
fn a_sending_ends_in_the_state_that_its_outcome_says() {
    let notice = notices_of(&event(&[FactKind::RewardIssued]))[0];
    let sending = MailRecord {
        state: MailState::Sending,
        lease_until: Some(Timestamp::MAX),
        version: 4,
        ..new_record(ProgramId::floor_of(Timestamp::UNIX_EPOCH), notice)
    };
    let fault = || SendFault {
        code: Some("TooManyRequestsException".to_owned()),
        status: Some(429),
        detail: "slow down".to_owned(),
    };
    let not_sent = |reason| SendOutcome::NotSent {
        reason,
        fault: fault(),
    };
    let sent = SendOutcome::Sent {
        provider_id: "0100".to_owned(),
    };
    for (outcome, state) in [
        (sent, MailState::Sent),
        (not_sent(NotSentReason::Throttled), MailState::Waiting),
        (not_sent(NotSentReason::Unreachable), MailState::Waiting),
        (not_sent(NotSentReason::Configuration), MailState::Waiting),
        (SendOutcome::Refused { fault: fault() }, MailState::Failed),
        (SendOutcome::Unknown { fault: fault() }, MailState::Unknown),
    ] {
        let record = ended(&sending, outcome);
        assert_eq!((record.state, record.version), (state, 5));
        assert_eq!(record.lease_until, None);
        assert_eq!(record.reason.is_none(), state == MailState::Sent);
    }
}

#[test]
fn a_lease_holds_until_its_instant() {
    let notice = notices_of(&event(&[FactKind::RewardIssued]))[0];
    let at = |second| Timestamp::from_second(second).unwrap();
    let leased = MailRecord {
        state: MailState::Sending,
        lease_until: Some(at(60)),
        ..new_record(ProgramId::floor_of(at(0)), notice)
    };
    assert!(is_leased(&leased, at(59)));
    assert!(!is_leased(&leased, at(60)));
    assert!(!is_leased(&after(&leased, MailState::Waiting), at(0)));
}
