//! Every key of the table, spelled once.
//!
//! A partition starts with the program and ends with the entity's own id or natural key, so that
//! no program is one hot partition and no read can cross programs. The exceptions stand at the
//! end: what has to be found before its program is known, and what is kept by bucket of time.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use kith_domain::code::{ReferralCode, VoucherCode};
use kith_domain::email::EmailHash;
use kith_domain::id::{
    ApiKeyId, AuditId, ClickId, ConversionId, DeliveryId, EventId, LedgerId, MailId, MergeId,
    OfferId, OrderDeliveryId, OrderSourceId, ParticipantId, PayoutId, ProgramId, RedemptionId,
    RefundId, RewardId, SurveyId, WebhookId,
};
use kith_domain::mode::Mode;
use kith_domain::money::{Currency, Unit};
use kith_domain::text::{EventName, ExternalId, Slug};
use sha2::{Digest, Sha256};

/// Over how many partitions a list is spread.
pub const LIST_SHARDS: u8 = 4;
/// Over how many partitions the due index of live programs is spread.
pub const DUE_SHARDS: u8 = 16;
/// Over how many counters the codes taken from an owner's list are counted.
pub const LIST_COUNTERS: u8 = 8;
/// Between parts of a key. No part but the last one can contain it.
const SEPARATOR: char = '#';

/// The primary key of an item.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Partition key.
    pub pk: String,
    /// Sort key.
    pub sk: String,
}

impl Key {
    fn new(pk: String, sk: &str) -> Self {
        Self {
            pk,
            sk: sk.to_owned(),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.pk, self.sk)
    }
}

/// The key of an item in an index.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IndexKey {
    /// Partition key.
    pub pk: String,
    /// Sort key.
    pub sk: String,
}

/// A program.
#[must_use]
pub fn program(program: ProgramId) -> Key {
    Key::new(format!("PROGRAM#{program}"), "PROGRAM")
}

/// What links need to know of a program.
#[must_use]
pub fn links(program: ProgramId) -> Key {
    Key::new(format!("PROGRAM#{program}"), "LINKS")
}

/// An earlier version of a program's rules.
#[must_use]
pub fn scheme(program: ProgramId, version: u64) -> Key {
    Key {
        pk: format!("PROGRAM#{program}"),
        sk: format!("SCHEME#{version:010}"),
    }
}

/// What an incentive's id stands for, for ever.
#[must_use]
pub fn incentive(program: ProgramId, incentive: &Slug) -> Key {
    Key {
        pk: format!("PROGRAM#{program}"),
        sk: format!("INCENTIVE#{incentive}"),
    }
}

/// The clock of a test program.
#[must_use]
pub fn clock(program: ProgramId) -> Key {
    Key::new(format!("PROGRAM#{program}"), "CLOCK")
}

/// A participant: all that is personal about one person.
#[must_use]
pub fn participant(program: ProgramId, participant: ParticipantId) -> Key {
    Key::new(person(program, participant), "PARTICIPANT")
}

/// The bond of a referee, one at most.
#[must_use]
pub fn referral(program: ProgramId, referee: ParticipantId) -> Key {
    Key::new(person(program, referee), "REFERRAL")
}

/// A participant's counters: conversions by event, qualified referees, uses of limits.
#[must_use]
pub fn counters(program: ProgramId, participant: ParticipantId) -> Key {
    Key::new(person(program, participant), "COUNTERS")
}

/// A participant's balance in one unit.
#[must_use]
pub fn balance(program: ProgramId, participant: ParticipantId, unit: Unit) -> Key {
    Key {
        pk: person(program, participant),
        sk: format!("BALANCE#{unit}"),
    }
}

/// What the keys of a participant's balances begin with.
#[must_use]
pub fn balances(program: ProgramId, participant: ParticipantId) -> Key {
    Key::new(person(program, participant), "BALANCE#")
}

/// What is left of a credit in a participant's liability, oldest first.
#[must_use]
pub fn lot(
    program: ProgramId,
    participant: ParticipantId,
    unit: Unit,
    credited_at: Timestamp,
    name: &str,
) -> Key {
    Key {
        pk: person(program, participant),
        sk: format!("LOT#{unit}#{}#{name}", instant(credited_at)),
    }
}

/// What the keys of a participant's lots of a unit begin with.
#[must_use]
pub fn lots(program: ProgramId, participant: ParticipantId, unit: Unit) -> Key {
    Key {
        pk: person(program, participant),
        sk: format!("LOT#{unit}#"),
    }
}

/// When a participant was last asked by a survey rule.
#[must_use]
pub fn asked(program: ProgramId, participant: ParticipantId, rule: &Slug) -> Key {
    Key {
        pk: person(program, participant),
        sk: format!("ASKED#{rule}"),
    }
}

fn person(program: ProgramId, participant: ParticipantId) -> String {
    format!("PROGRAM#{program}#PARTICIPANT#{participant}")
}

/// Who the shop calls so.
#[must_use]
pub fn external(program: ProgramId, external_id: &ExternalId) -> Key {
    Key::new(
        format!("PROGRAM#{program}#EXTERNAL#{external_id}"),
        "PARTICIPANT",
    )
}

/// Whose mail address it is.
#[must_use]
pub fn email(program: ProgramId, hash: &EmailHash) -> Key {
    Key::new(format!("PROGRAM#{program}#EMAIL#{hash}"), "PARTICIPANT")
}

/// A mail address that gets no more mail from this program.
#[must_use]
pub fn suppression(program: ProgramId, hash: &EmailHash) -> Key {
    Key::new(format!("PROGRAM#{program}#SUPPRESSED#{hash}"), "SUPPRESSED")
}

/// A recorded order; its natural key is its key, so that a repetition meets it. A refund that comes
/// first waits here too.
#[must_use]
pub fn order(program: ProgramId, event: &EventName, external_id: &ExternalId) -> Key {
    Key::new(
        format!("PROGRAM#{program}#ORDER#{event}#{external_id}"),
        "ORDER",
    )
}

/// Which refund the shop calls so, of an order.
#[must_use]
pub fn refund_of_order(
    program: ProgramId,
    event: &EventName,
    external_id: &ExternalId,
    refund: &ExternalId,
) -> Key {
    Key {
        sk: format!("REFUND#{refund}"),
        ..order(program, event, external_id)
    }
}

/// A refund.
#[must_use]
pub fn refund(program: ProgramId, refund: RefundId) -> Key {
    Key::new(format!("PROGRAM#{program}#REFUND#{refund}"), "REFUND")
}

/// What is used of one shard of an incentive's budget in one window.
#[must_use]
pub fn budget(program: ProgramId, incentive: &Slug, window: &str, shard: u8) -> Key {
    Key::new(
        format!("PROGRAM#{program}#BUDGET#{incentive}#{window}#{shard}"),
        "BUDGET",
    )
}

/// That an incentive's budget of a window could not pay for a reward, told once.
#[must_use]
pub fn budget_exhausted(program: ProgramId, incentive: &Slug, window: &str) -> Key {
    Key::new(
        format!("PROGRAM#{program}#BUDGET#{incentive}#{window}"),
        "EXHAUSTED",
    )
}

/// What a friend is offered before paying.
#[must_use]
pub fn offer(program: ProgramId, offer: OfferId) -> Key {
    Key::new(format!("PROGRAM#{program}#OFFER#{offer}"), "OFFER")
}

/// The owner's own voucher codes for an incentive: how many there are.
#[must_use]
pub fn voucher_list(program: ProgramId, incentive: &Slug) -> Key {
    Key::new(format!("PROGRAM#{program}#VOUCHERLIST#{incentive}"), "LIST")
}

/// One of the counters of how many codes were taken from the owner's list.
#[must_use]
pub fn voucher_list_taken(program: ProgramId, incentive: &Slug, counter: u8) -> Key {
    Key {
        sk: format!("TAKEN#{counter}"),
        ..voucher_list(program, incentive)
    }
}

/// One of the owner's own voucher codes, not used yet. They lie in the order of a digest: owners'
/// codes begin alike, and whoever looks for one begins anywhere.
#[must_use]
pub fn listed_voucher(program: ProgramId, incentive: &Slug, code: &VoucherCode) -> Key {
    let digest = Sha256::digest(code.folded().as_bytes());
    Key {
        sk: format!("CODE#{}", hex(digest.get(..16).unwrap_or_default())),
        ..voucher_list(program, incentive)
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What the keys of the owner's unused voucher codes begin with.
#[must_use]
pub fn listed_vouchers(program: ProgramId, incentive: &Slug) -> Key {
    Key {
        sk: "CODE#".to_owned(),
        ..voucher_list(program, incentive)
    }
}

/// A reward that waits for a code of the owner's list.
#[must_use]
pub fn waiting_for_voucher(program: ProgramId, incentive: &Slug, reward: RewardId) -> Key {
    Key {
        sk: format!("WAITING#{reward}"),
        ..voucher_list(program, incentive)
    }
}

/// What the keys of the rewards begin with that wait for a code of the owner's list.
#[must_use]
pub fn waiting_for_vouchers(program: ProgramId, incentive: &Slug) -> Key {
    Key {
        sk: "WAITING#".to_owned(),
        ..voucher_list(program, incentive)
    }
}

/// A payout.
#[must_use]
pub fn payout(program: ProgramId, payout: PayoutId) -> Key {
    Key::new(format!("PROGRAM#{program}#PAYOUT#{payout}"), "PAYOUT")
}

/// What a payout pays one participant.
#[must_use]
pub fn payout_line(program: ProgramId, id: PayoutId, participant: ParticipantId) -> Key {
    Key {
        sk: format!("LINE#{participant}"),
        ..payout(program, id)
    }
}

/// How many lines a payout has, by state.
#[must_use]
pub fn payout_totals(program: ProgramId, id: PayoutId) -> Key {
    Key {
        sk: "TOTALS".to_owned(),
        ..payout(program, id)
    }
}

/// What the keys of a payout's lines begin with.
#[must_use]
pub fn payout_lines(program: ProgramId, id: PayoutId) -> Key {
    Key {
        sk: "LINE#".to_owned(),
        ..payout(program, id)
    }
}

/// The payout in a currency that is not closed.
#[must_use]
pub fn present_payout(program: ProgramId, currency: Currency) -> Key {
    Key {
        pk: format!("PROGRAM#{program}"),
        sk: format!("PAYOUT#{currency}"),
    }
}

/// A spending of points.
#[must_use]
pub fn redemption(program: ProgramId, participant: ParticipantId, id: RedemptionId) -> Key {
    Key {
        pk: person(program, participant),
        sk: format!("REDEMPTION#{id}"),
    }
}

/// What the keys of a participant's redemptions begin with.
#[must_use]
pub fn redemptions(program: ProgramId, participant: ParticipantId) -> Key {
    Key::new(person(program, participant), "REDEMPTION#")
}

/// From which lots a part of a redemption was taken.
#[must_use]
pub fn redemption_part(
    program: ProgramId,
    participant: ParticipantId,
    id: RedemptionId,
    part: u32,
) -> Key {
    Key {
        pk: person(program, participant),
        sk: format!("REDEMPTIONPART#{id}#{part:06}"),
    }
}

/// That lots and rewards have yet to follow a redemption.
#[must_use]
pub fn open_redemption(program: ProgramId, participant: ParticipantId, id: RedemptionId) -> Key {
    Key {
        pk: person(program, participant),
        sk: format!("REDEEMING#{id}"),
    }
}

/// What the keys of a participant's open redemptions begin with.
#[must_use]
pub fn open_redemptions(program: ProgramId, participant: ParticipantId) -> Key {
    Key::new(person(program, participant), "REDEEMING#")
}

/// Two participants becoming one.
#[must_use]
pub fn merge(program: ProgramId, merge: MergeId) -> Key {
    Key::new(format!("PROGRAM#{program}#MERGE#{merge}"), "MERGE")
}

/// The merge of a participant into another, which is under way or done.
#[must_use]
pub fn merge_of(program: ProgramId, source: ParticipantId) -> Key {
    Key::new(person(program, source), "MERGE")
}

/// What the keys of all lots of a participant begin with.
#[must_use]
pub fn all_lots(program: ProgramId, participant: ParticipantId) -> Key {
    Key::new(person(program, participant), "LOT#")
}

/// What the keys of the parts of a redemption begin with.
#[must_use]
pub fn redemption_parts(program: ProgramId, participant: ParticipantId, id: RedemptionId) -> Key {
    Key {
        pk: person(program, participant),
        sk: format!("REDEMPTIONPART#{id}#"),
    }
}

/// Which redemption the shop calls so.
#[must_use]
pub fn redemption_by_name(
    program: ProgramId,
    participant: ParticipantId,
    external_id: &ExternalId,
) -> Key {
    Key {
        pk: person(program, participant),
        sk: format!("REDEEMED#{external_id}"),
    }
}

/// The sums of a day of the ledger that is over.
#[must_use]
pub fn ledger_day(program: ProgramId, day: &str) -> Key {
    Key {
        pk: format!("PROGRAM#{program}"),
        sk: format!("LEDGERDAY#{day}"),
    }
}

/// A conversion.
#[must_use]
pub fn conversion(program: ProgramId, conversion: ConversionId) -> Key {
    Key::new(
        format!("PROGRAM#{program}#CONVERSION#{conversion}"),
        "CONVERSION",
    )
}

/// A reward.
#[must_use]
pub fn reward(program: ProgramId, reward: RewardId) -> Key {
    Key::new(format!("PROGRAM#{program}#REWARD#{reward}"), "REWARD")
}

/// A voucher, by its code.
#[must_use]
pub fn voucher(program: ProgramId, code: &VoucherCode) -> Key {
    Key::new(
        format!("PROGRAM#{program}#VOUCHER#{}", code.folded()),
        "VOUCHER",
    )
}

/// A survey.
#[must_use]
pub fn survey(program: ProgramId, survey: SurveyId) -> Key {
    Key::new(format!("PROGRAM#{program}#SURVEY#{survey}"), "SURVEY")
}

/// An endpoint of webhooks; one partition for a program's.
#[must_use]
pub fn webhook(program: ProgramId, webhook: WebhookId) -> Key {
    Key {
        pk: webhooks(program),
        sk: webhook.to_string(),
    }
}

/// The partition of a program's endpoints.
#[must_use]
pub fn webhooks(program: ProgramId) -> String {
    format!("PROGRAM#{program}#WEBHOOKS")
}

/// An event on its way to an endpoint.
#[must_use]
pub fn delivery(program: ProgramId, webhook: WebhookId, delivery: DeliveryId) -> Key {
    Key {
        pk: deliveries(program, webhook),
        sk: delivery.to_string(),
    }
}

/// The partition of what went to an endpoint, oldest first.
#[must_use]
pub fn deliveries(program: ProgramId, webhook: WebhookId) -> String {
    format!("PROGRAM#{program}#WEBHOOK#{webhook}")
}

/// How an endpoint fails, while it does.
#[must_use]
pub fn webhook_failing(program: ProgramId, webhook: WebhookId) -> Key {
    Key::new(
        format!("PROGRAM#{program}#WEBHOOKFAILING#{webhook}"),
        "FAILING",
    )
}

/// A shop system that tells of orders; one partition for a program's.
#[must_use]
pub fn order_source(program: ProgramId, source: OrderSourceId) -> Key {
    Key {
        pk: order_sources(program),
        sk: source.to_string(),
    }
}

/// The partition of a program's order sources.
#[must_use]
pub fn order_sources(program: ProgramId) -> String {
    format!("PROGRAM#{program}#ORDERSOURCES")
}

/// What became of an event of an order source.
#[must_use]
pub fn order_delivery(program: ProgramId, source: OrderSourceId, delivery: OrderDeliveryId) -> Key {
    Key {
        pk: order_deliveries(program, source),
        sk: delivery.to_string(),
    }
}

/// The partition of what an order source told and was not recorded, oldest first.
#[must_use]
pub fn order_deliveries(program: ProgramId, source: OrderSourceId) -> String {
    format!("PROGRAM#{program}#ORDERSOURCE#{source}")
}

/// What is known of a mail that was, or is being, sent.
#[must_use]
pub fn mail(program: ProgramId, mail: MailId) -> Key {
    Key::new(format!("PROGRAM#{program}#MAIL#{mail}"), "MAIL")
}

/// A recorded mail of a test program; one partition, newest last.
#[must_use]
pub fn test_mail(program: ProgramId, mail: MailId) -> Key {
    Key {
        pk: test_mails(program),
        sk: mail.to_string(),
    }
}

/// The partition of a test program's recorded mails.
#[must_use]
pub fn test_mails(program: ProgramId) -> String {
    format!("PROGRAM#{program}#TESTMAILS")
}

/// The answer to a call with an `Idempotency-Key`. The key is digested: it comes from outside, and
/// any visible character may stand in it.
#[must_use]
pub fn idempotency(scope: IdempotencyScope, key: &str) -> Key {
    let digest = hex(&Sha256::digest(key.as_bytes()));
    let pk = match scope {
        IdempotencyScope::Program(program) => format!("PROGRAM#{program}#IDEMPOTENCY#{digest}"),
        IdempotencyScope::Operator(mode) => format!("OPERATOR#{mode}#IDEMPOTENCY#{digest}"),
    };
    Key::new(pk, "IDEMPOTENCY")
}

/// Within what an `Idempotency-Key` is unique.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdempotencyScope {
    /// A program.
    Program(ProgramId),
    /// What the operator does outside any program, in one mode.
    Operator(Mode),
}

// By bucket of time: a closed bucket is read in one go and never changes.

/// A click, in the bucket of its hour.
#[must_use]
pub fn click(program: ProgramId, click: ClickId, shards: u8) -> Key {
    let hour = click
        .at()
        .to_zoned(TimeZone::UTC)
        .strftime("%Y-%m-%dT%H")
        .to_string();
    let id = click.to_string();
    Key {
        pk: format!("PROGRAM#{program}#CLICKS#{hour}#{}", shard(&id, shards)),
        sk: id,
    }
}

/// Where an event is: its id, which holds its day, and its shard within the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventRef {
    /// The program.
    pub program: ProgramId,
    /// The event item.
    pub event: EventId,
    /// Over how many shards the day was spread when it was written.
    pub shards: u8,
}

/// The facts of one commit, in the bucket of its day.
#[must_use]
pub fn event(event: EventRef) -> Key {
    let id = event.event.to_string();
    let pk = events_of_day(
        event.program,
        &day(event.event.at()),
        shard(&id, event.shards),
    );
    Key { pk, sk: id }
}

/// One shard of a day's events.
#[must_use]
pub fn events_of_day(program: ProgramId, day: &str, shard: u8) -> String {
    format!("PROGRAM#{program}#EVENTS#{day}#{shard}")
}

/// A ledger entry, in the bucket of its day.
#[must_use]
pub fn ledger(program: ProgramId, entry: LedgerId, shards: u8) -> Key {
    let id = entry.to_string();
    Key {
        pk: ledger_of_day(program, &day(entry.at()), shard(&id, shards)),
        sk: id,
    }
}

/// One shard of a day's ledger entries.
#[must_use]
pub fn ledger_of_day(program: ProgramId, day: &str, shard: u8) -> String {
    format!("PROGRAM#{program}#LEDGER#{day}#{shard}")
}

/// Whose audit log it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditLog {
    /// What was done to a program, its keys included.
    Program(ProgramId),
    /// What the operator did outside any program, in one mode.
    Operator(Mode),
}

impl AuditLog {
    fn owner(self) -> String {
        match self {
            Self::Program(program) => format!("PROGRAM#{program}"),
            Self::Operator(mode) => format!("OPERATOR#{mode}"),
        }
    }
}

/// An entry of an audit log, in the bucket of its month.
#[must_use]
pub fn audit(log: AuditLog, entry: AuditId) -> Key {
    Key {
        pk: audit_of_month(log, &month(entry.at())),
        sk: entry.to_string(),
    }
}

/// A month of an audit log.
#[must_use]
pub fn audit_of_month(log: AuditLog, month: &str) -> String {
    format!("{}#AUDIT#{month}", log.owner())
}

/// What an audit log says of one object. The object's id may come from outside: it stands last.
#[must_use]
pub fn audit_of_object(log: AuditLog, object: &str) -> String {
    format!("{}#AUDITOF#{object}", log.owner())
}

/// The month of an instant, UTC.
#[must_use]
pub fn month(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y-%m").to_string()
}

/// The day of an instant, UTC.
#[must_use]
pub fn day(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d").to_string()
}

// Not program first: what has to be found before its program is known.

/// Where a link finds its referrer: the link does not name the program.
#[must_use]
pub fn code(mode: Mode, code: &ReferralCode) -> Key {
    Key::new(format!("CODE#{mode}#{}", code.folded()), "CODE")
}

/// An API key, by the id in it.
#[must_use]
pub fn api_key(key: ApiKeyId) -> Key {
    Key::new(format!("KEY#{key}"), "KEY")
}

/// How much an API key was used, and when.
#[must_use]
pub fn api_key_use(key: ApiKeyId) -> Key {
    Key::new(format!("KEY#{key}"), "USE")
}

/// How much the operator's own key of a mode was used, and when.
#[must_use]
pub fn operator_use(mode: Mode) -> Key {
    Key::new(format!("OPERATOR#{mode}"), "USE")
}

/// How much a code's link was used.
#[must_use]
pub fn code_use(mode: Mode, code: &ReferralCode) -> Key {
    Key::new(format!("CODE#{mode}#{}", code.folded()), "USE")
}

/// The random key of a day's visitor hashes.
#[must_use]
pub fn visitor_key(day: &str) -> Key {
    Key::new(format!("VISITORKEY#{day}"), "VISITORKEY")
}

// Indexes.

/// What is due, and where it waits for its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DueClock {
    /// A time of the program's: release, survey, closing. In a test program it comes when the
    /// program's clock says so.
    Program,
    /// Real time: work that may be stuck, a lease.
    Real,
}

/// The due index: sparse, only unfinished work is in it. Live work is spread over
/// [`DUE_SHARDS`]; a test program has a partition of its own, in which real times sort behind the
/// program's.
#[must_use]
pub fn due(program: ProgramId, mode: Mode, clock: DueClock, at: Timestamp, id: &str) -> IndexKey {
    let time = instant(at);
    match (mode, clock) {
        (Mode::Live, DueClock::Program | DueClock::Real) => IndexKey {
            pk: due_shard(shard(id, DUE_SHARDS)),
            sk: format!("{time}#{id}"),
        },
        (Mode::Test, DueClock::Program) => IndexKey {
            pk: due_test(program),
            sk: format!("{time}#{id}"),
        },
        (Mode::Test, DueClock::Real) => IndexKey {
            pk: due_test(program),
            sk: format!("{REAL_MARK}{time}#{id}"),
        },
    }
}

/// What real times of a test program start with: sorts behind every year.
pub const REAL_MARK: &str = "real#";

/// One partition of the live due index.
#[must_use]
pub fn due_shard(shard: u8) -> String {
    format!("DUE#{shard:02}")
}

/// The due partition of a test program.
#[must_use]
pub fn due_test(program: ProgramId) -> String {
    format!("DUE#{program}")
}

/// Work that was given up on, per mode.
#[must_use]
pub fn parked(mode: Mode) -> String {
    format!("{PARKED_MARK}{mode}")
}

/// What the partitions of parked work start with.
pub(crate) const PARKED_MARK: &str = "PARKED#";

/// An instant as it sorts in keys: to the millisecond.
#[must_use]
pub fn instant(at: Timestamp) -> String {
    format!("{at:.3}")
}

/// A list of the whole program, spread over [`LIST_SHARDS`], in the order of the ids.
#[must_use]
pub fn list(program: ProgramId, list: ListName, id: &str) -> IndexKey {
    IndexKey {
        pk: list_shard(program, list, shard(id, LIST_SHARDS)),
        sk: id.to_owned(),
    }
}

/// One partition of a program's list.
#[must_use]
pub fn list_shard(program: ProgramId, list: ListName, shard: u8) -> String {
    format!("PROGRAM#{program}#{}#{shard}", list.word())
}

/// The list of a mode's programs.
#[must_use]
pub fn programs(mode: Mode) -> String {
    format!("PROGRAMS#{mode}")
}

/// The list of a mode's API keys.
#[must_use]
pub fn api_keys(mode: Mode) -> String {
    format!("KEYS#{mode}")
}

/// A list of what concerns one participant.
#[must_use]
pub fn party(program: ProgramId, participant: ParticipantId, list: ListName) -> String {
    format!("{}#{}", person(program, participant), list.word())
}

/// What a program has lists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListName {
    /// Participants.
    Participants,
    /// Conversions.
    Conversions,
    /// Referrals.
    Referrals,
    /// Rewards.
    Rewards,
    /// Surveys.
    Surveys,
    /// Payouts.
    Payouts,
    /// Merges.
    Merges,
    /// Lines of payouts, each under its payout's id.
    PayoutLines,
    /// Who has a balance in a currency.
    Balances(Currency),
}

impl ListName {
    /// The word in keys.
    #[must_use]
    pub fn word(self) -> Cow<'static, str> {
        match self {
            Self::Participants => "PARTICIPANTS".into(),
            Self::Conversions => "CONVERSIONS".into(),
            Self::Referrals => "REFERRALS".into(),
            Self::Rewards => "REWARDS".into(),
            Self::Surveys => "SURVEYS".into(),
            Self::Payouts => "PAYOUTS".into(),
            Self::Merges => "MERGES".into(),
            Self::PayoutLines => "PAYOUTLINES".into(),
            Self::Balances(currency) => format!("BALANCES#{currency}").into(),
        }
    }
}

/// The shard of an id: its last byte tells, which is random or a digest's in every id.
#[must_use]
pub fn shard(id: &str, shards: u8) -> u8 {
    let tail = id.rsplit(SEPARATOR).next().unwrap_or(id);
    let sum = tail
        .bytes()
        .rev()
        .take(2)
        .fold(0u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte));
    sum.checked_rem(shards.max(1)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// A changed key is lost data: this test changes only together with a migration.
    #[test]
    fn every_format_is_pinned() {
        let prg = ProgramId::new(Timestamp::UNIX_EPOCH, [1; 10]);
        let par = ParticipantId::new(Timestamp::UNIX_EPOCH, [2; 10]);
        let (p, a) = (prg.to_string(), par.to_string());
        let hash: EmailHash = "00112233445566778899aabbccddeeff".parse().unwrap();
        let ext: ExternalId = "order#1".parse().unwrap();
        let evt = EventId::new(at("2026-03-01T12:00:00Z"), [3; 10]);
        let clk = ClickId::new(at("2026-03-01T12:00:00Z"), [3; 10]);
        let led = LedgerId::new(at("2026-03-01T12:00:00Z"), [3; 10]);
        let aud = AuditId::new(at("2026-03-01T12:00:00Z"), [3; 10]);
        let event_name: EventName = "purchase".parse().unwrap();
        let rwd = RewardId::new(Timestamp::UNIX_EPOCH, [4; 10]);
        let key = ApiKeyId::new(Timestamp::UNIX_EPOCH, [5; 10]);
        let pay = PayoutId::new(Timestamp::UNIX_EPOCH, [5; 10]);
        let rfd = RefundId::new(Timestamp::UNIX_EPOCH, [6; 10]);
        let rdm = RedemptionId::new(Timestamp::UNIX_EPOCH, [6; 10]);
        let off = OfferId::new(Timestamp::UNIX_EPOCH, [7; 10]);
        let mrg = MergeId::new(Timestamp::UNIX_EPOCH, [8; 10]);
        let src = OrderSourceId::new(Timestamp::UNIX_EPOCH, [9; 10]);
        let odl = OrderDeliveryId::new(Timestamp::UNIX_EPOCH, [9; 10]);
        let code_text: ReferralCode = "ANN-Bakes".parse().unwrap();
        for (key, expected) in [
            (
                order_source(prg, src),
                format!("PROGRAM#{p}#ORDERSOURCES {src}"),
            ),
            (
                order_delivery(prg, src, odl),
                format!("PROGRAM#{p}#ORDERSOURCE#{src} {odl}"),
            ),
            (program(prg), format!("PROGRAM#{p} PROGRAM")),
            (links(prg), format!("PROGRAM#{p} LINKS")),
            (scheme(prg, 7), format!("PROGRAM#{p} SCHEME#0000000007")),
            (
                incentive(prg, &"thank-you".parse().unwrap()),
                format!("PROGRAM#{p} INCENTIVE#thank-you"),
            ),
            (clock(prg), format!("PROGRAM#{p} CLOCK")),
            (
                participant(prg, par),
                format!("PROGRAM#{p}#PARTICIPANT#{a} PARTICIPANT"),
            ),
            (
                referral(prg, par),
                format!("PROGRAM#{p}#PARTICIPANT#{a} REFERRAL"),
            ),
            (
                counters(prg, par),
                format!("PROGRAM#{p}#PARTICIPANT#{a} COUNTERS"),
            ),
            (
                balance(prg, par, Unit::Points),
                format!("PROGRAM#{p}#PARTICIPANT#{a} BALANCE#points"),
            ),
            (
                external(prg, &ext),
                format!("PROGRAM#{p}#EXTERNAL#order#1 PARTICIPANT"),
            ),
            (
                email(prg, &hash),
                format!("PROGRAM#{p}#EMAIL#{hash} PARTICIPANT"),
            ),
            (
                suppression(prg, &hash),
                format!("PROGRAM#{p}#SUPPRESSED#{hash} SUPPRESSED"),
            ),
            (
                order(prg, &event_name, &ext),
                format!("PROGRAM#{p}#ORDER#purchase#order#1 ORDER"),
            ),
            (
                refund_of_order(prg, &event_name, &ext, &"r-1".parse().unwrap()),
                format!("PROGRAM#{p}#ORDER#purchase#order#1 REFUND#r-1"),
            ),
            (refund(prg, rfd), format!("PROGRAM#{p}#REFUND#{rfd} REFUND")),
            (reward(prg, rwd), format!("PROGRAM#{p}#REWARD#{rwd} REWARD")),
            (
                redemption(prg, par, rdm),
                format!("PROGRAM#{p}#PARTICIPANT#{a} REDEMPTION#{rdm}"),
            ),
            (
                redemption_by_name(prg, par, &ext),
                format!("PROGRAM#{p}#PARTICIPANT#{a} REDEEMED#order#1"),
            ),
            (
                redemption_part(prg, par, rdm, 3),
                format!("PROGRAM#{p}#PARTICIPANT#{a} REDEMPTIONPART#{rdm}#000003"),
            ),
            (
                open_redemption(prg, par, rdm),
                format!("PROGRAM#{p}#PARTICIPANT#{a} REDEEMING#{rdm}"),
            ),
            (
                voucher_list(prg, &"treat".parse().unwrap()),
                format!("PROGRAM#{p}#VOUCHERLIST#treat LIST"),
            ),
            (
                voucher_list_taken(prg, &"treat".parse().unwrap(), 7),
                format!("PROGRAM#{p}#VOUCHERLIST#treat TAKEN#7"),
            ),
            (
                listed_voucher(
                    prg,
                    &"treat".parse().unwrap(),
                    &"spring-26".parse().unwrap(),
                ),
                format!("PROGRAM#{p}#VOUCHERLIST#treat CODE#091b53bfd925de9bc23279ea1075f838"),
            ),
            (
                waiting_for_voucher(prg, &"treat".parse().unwrap(), rwd),
                format!("PROGRAM#{p}#VOUCHERLIST#treat WAITING#{rwd}"),
            ),
            (
                lot(prg, par, Unit::Points, led.at(), &rwd.to_string()),
                format!("PROGRAM#{p}#PARTICIPANT#{a} LOT#points#2026-03-01T12:00:00.000Z#{rwd}"),
            ),
            (
                all_lots(prg, par),
                format!("PROGRAM#{p}#PARTICIPANT#{a} LOT#"),
            ),
            (
                redemption_parts(prg, par, rdm),
                format!("PROGRAM#{p}#PARTICIPANT#{a} REDEMPTIONPART#{rdm}#"),
            ),
            (merge(prg, mrg), format!("PROGRAM#{p}#MERGE#{mrg} MERGE")),
            (
                merge_of(prg, par),
                format!("PROGRAM#{p}#PARTICIPANT#{a} MERGE"),
            ),
            (payout(prg, pay), format!("PROGRAM#{p}#PAYOUT#{pay} PAYOUT")),
            (
                payout_totals(prg, pay),
                format!("PROGRAM#{p}#PAYOUT#{pay} TOTALS"),
            ),
            (
                payout_line(prg, pay, par),
                format!("PROGRAM#{p}#PAYOUT#{pay} LINE#{a}"),
            ),
            (
                present_payout(prg, "EUR".parse().unwrap()),
                format!("PROGRAM#{p} PAYOUT#EUR"),
            ),
            (
                ledger_day(prg, "2026-03-01"),
                format!("PROGRAM#{p} LEDGERDAY#2026-03-01"),
            ),
            (
                budget(prg, &"thank-you".parse().unwrap(), "day#2026-03-01", 3),
                format!("PROGRAM#{p}#BUDGET#thank-you#day#2026-03-01#3 BUDGET"),
            ),
            (
                budget_exhausted(prg, &"thank-you".parse().unwrap(), "ever"),
                format!("PROGRAM#{p}#BUDGET#thank-you#ever EXHAUSTED"),
            ),
            (offer(prg, off), format!("PROGRAM#{p}#OFFER#{off} OFFER")),
            (
                click(prg, clk, 1),
                format!("PROGRAM#{p}#CLICKS#2026-03-01T12#0 {clk}"),
            ),
            (
                event(EventRef {
                    program: prg,
                    event: evt,
                    shards: 1,
                }),
                format!("PROGRAM#{p}#EVENTS#2026-03-01#0 {evt}"),
            ),
            (
                ledger(prg, led, 1),
                format!("PROGRAM#{p}#LEDGER#2026-03-01#0 {led}"),
            ),
            (
                audit(AuditLog::Program(prg), aud),
                format!("PROGRAM#{p}#AUDIT#2026-03 {aud}"),
            ),
            (
                audit(AuditLog::Operator(Mode::Live), aud),
                format!("OPERATOR#live#AUDIT#2026-03 {aud}"),
            ),
            (
                code(Mode::Test, &code_text),
                "CODE#test#ann-bakes CODE".to_owned(),
            ),
            (
                code_use(Mode::Test, &code_text),
                "CODE#test#ann-bakes USE".to_owned(),
            ),
            (api_key(key), format!("KEY#{key} KEY")),
            (api_key_use(key), format!("KEY#{key} USE")),
            (operator_use(Mode::Live), "OPERATOR#live USE".to_owned()),
            (
                visitor_key("2026-03-01"),
                "VISITORKEY#2026-03-01 VISITORKEY".to_owned(),
            ),
        ] {
            assert_eq!(key.to_string(), expected);
        }
        let index = |key: IndexKey| format!("{} {}", key.pk, key.sk);
        let noon = at("2026-03-01T12:00:00Z");
        let id = rwd.to_string();
        assert_eq!(
            index(due(prg, Mode::Live, DueClock::Real, noon, &id)),
            format!(
                "DUE#{:02} 2026-03-01T12:00:00.000Z#{id}",
                shard(&id, DUE_SHARDS)
            )
        );
        assert_eq!(
            index(due(prg, Mode::Test, DueClock::Program, noon, &id)),
            format!("DUE#{p} 2026-03-01T12:00:00.000Z#{id}")
        );
        assert_eq!(
            index(due(prg, Mode::Test, DueClock::Real, noon, &id)),
            format!("DUE#{p} real#2026-03-01T12:00:00.000Z#{id}")
        );
        assert_eq!(
            index(list(prg, ListName::Rewards, &id)),
            format!("PROGRAM#{p}#REWARDS#{} {id}", shard(&id, LIST_SHARDS))
        );
        assert_eq!(
            index(list(prg, ListName::Participants, &a)),
            format!("PROGRAM#{p}#PARTICIPANTS#{} {a}", shard(&a, LIST_SHARDS))
        );
        assert_eq!(
            index(list(prg, ListName::Balances("EUR".parse().unwrap()), &a)),
            format!("PROGRAM#{p}#BALANCES#EUR#{} {a}", shard(&a, LIST_SHARDS))
        );
        assert_eq!(
            index(list(prg, ListName::Payouts, &pay.to_string())),
            format!(
                "PROGRAM#{p}#PAYOUTS#{} {pay}",
                shard(&pay.to_string(), LIST_SHARDS)
            )
        );
        assert_eq!(
            audit_of_object(AuditLog::Program(prg), &id),
            format!("PROGRAM#{p}#AUDITOF#{id}")
        );
        assert_eq!(
            party(prg, par, ListName::Rewards),
            format!("PROGRAM#{p}#PARTICIPANT#{a}#REWARDS")
        );
    }

    #[test]
    fn ids_spread_over_shards() {
        let mut seen = std::collections::BTreeSet::new();
        for tail in 0..=255u8 {
            seen.insert(shard(
                &RewardId::new(Timestamp::UNIX_EPOCH, [tail; 10]).to_string(),
                DUE_SHARDS,
            ));
        }
        assert!(seen.len() >= 12, "{seen:?}");
    }
}
