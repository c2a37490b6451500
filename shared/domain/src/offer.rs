//! Offers: what a friend gets before paying, and the voucher that proves it afterwards.

use jiff::{SignedDuration, Timestamp};

use crate::audit::Actor;
use crate::channel::Channel;
use crate::click::VisitorHash;
use crate::code::{ReferralCode, VoucherCode};
use crate::id::{ClickId, ConversionId, OfferId, ParticipantId, ProgramId};
use crate::incentive::{Grant, Incentive, LimitSubject, Used, compute, take_from_budget};
use crate::rates::Rates;
use crate::reward::RewardValue;
use crate::text::Slug;

/// How many offers are made in a day for the codes of one referrer: whoever leaks a code, or finds
/// one, does not fill the table with vouchers.
pub const OFFERS_PER_DAY_MAX: u64 = 500;

/// Clocks of the shop and of the bundle differ a little: an order may seem to be this much older than
/// the offer that it used.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_mins(5);

/// What one visitor is offered for coming through one referrer. Nothing in it tells who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Its id, derived from the visit: a repetition meets it.
    pub id: OfferId,
    /// The program.
    pub program: ProgramId,
    /// The rule that offers it.
    pub incentive_id: Slug,
    /// What is offered.
    pub reward: RewardValue,
    /// Who shared.
    pub referrer_id: ParticipantId,
    /// The code that they came with.
    pub code: ReferralCode,
    /// The click that they came by.
    pub click_id: Option<ClickId>,
    /// The channel of that click.
    pub channel: Option<Channel>,
    /// When that click was; when the offer was made, without one.
    pub touch_at: Timestamp,
    /// When it was made, on the program's clock.
    pub made_at: Timestamp,
    /// Who asked for it; `None` where that was not kept yet.
    pub recorded_by: Option<Actor>,
    /// Until when an order may use it, on the program's clock.
    pub expires_at: Timestamp,
    /// The voucher that proves it.
    pub voucher_code: VoucherCode,
    /// The conversion that used it.
    pub used_by: Option<ConversionId>,
    /// Counts writes; guards every change.
    pub version: u64,
}

impl Offer {
    /// Whether an order of that instant may use it.
    #[must_use]
    pub fn holds(&self, occurred_at: Timestamp) -> bool {
        let early = self.made_at.duration_since(occurred_at) > CLOCK_SKEW;
        self.used_by.is_none() && !early && occurred_at < self.expires_at
    }
}

/// What is known of a visit when an offer is made: much less than of a conversion.
#[derive(Debug, Clone, Copy)]
pub struct Visit<'a> {
    /// Now, on the program's clock.
    pub now: Timestamp,
    /// The channel of the click, if there was one.
    pub channel: Option<Channel>,
    /// How many referees of the referrer would stand qualified with this one.
    pub referees: u64,
    /// How amounts of different currencies are compared.
    pub rates: &'a Rates,
}

/// The first incentive that may be given before paying, and what it gives. It is judged as far as can
/// be: whether it is in force, its channels, and the limits and budgets that are reached already. The
/// rest is judged when the conversion comes.
#[must_use]
pub fn choose<'a>(
    incentives: &'a [Incentive],
    visit: &Visit<'_>,
    used: &impl Used,
) -> Option<(&'a Incentive, RewardValue)> {
    let offered = incentives
        .iter()
        .filter(|incentive| incentive.grant == Grant::AtCheckout);
    offered
        .filter(|incentive| in_force(incentive, visit))
        .find_map(|incentive| {
            let given = compute(incentive, None, visit.referees, visit.rates).ok()?;
            let room = has_room(incentive, given.value, visit, used);
            room.then_some((incentive, given.value))
        })
}

fn in_force(incentive: &Incentive, visit: &Visit<'_>) -> bool {
    let asked = &incentive.conditions;
    let channel = visit.channel;
    asked.starts_at.is_none_or(|at| at <= visit.now)
        && asked.ends_at.is_none_or(|at| visit.now < at)
        && (asked.channels.is_empty() || channel.is_some_and(|one| asked.channels.contains(&one)))
}

fn has_room(
    incentive: &Incentive,
    value: RewardValue,
    visit: &Visit<'_>,
    used: &impl Used,
) -> bool {
    let limits = incentive.limit_uses(visit.now);
    let mut of_referrer = limits
        .iter()
        .filter(|limit| limit.subject == LimitSubject::Referrer);
    if of_referrer.any(|one| used.counter(one.subject, &one.counter) >= u64::from(one.cap)) {
        return false;
    }
    incentive.budgets(visit.now).iter().all(|window| {
        let cost = incentive.cost_of(value);
        let cost = cost.and_then(|cost| visit.rates.convert(cost, window.cap.currency));
        let stands: Vec<i64> = (0..window.shards)
            .map(|shard| used.budget(&incentive.id, &window.window, shard))
            .collect();
        cost.is_some_and(|cost| take_from_budget(window, &stands, cost.minor, 0).is_some())
    })
}

/// The id of the offer to whoever came by a click: a click has one.
#[must_use]
pub fn offer_of_click(program: ProgramId, click: ClickId) -> OfferId {
    OfferId::derived(
        click.at(),
        &[b"click", &program.to_bytes(), &click.to_bytes()],
    )
}

/// The id of the offer to a visitor who brings a code: one a day. `midnight` begins that day.
#[must_use]
pub fn offer_of_visitor(
    program: ProgramId,
    code: &ReferralCode,
    visitor: VisitorHash,
    midnight: Timestamp,
) -> OfferId {
    OfferId::derived(
        midnight,
        &[
            b"visitor",
            &program.to_bytes(),
            code.folded().as_bytes(),
            visitor.as_bytes(),
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incentive::{RewardRule, testing};
    use crate::money::Money;
    use crate::reward::Discount;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn offer() -> Offer {
        Offer {
            id: OfferId::floor_of(Timestamp::UNIX_EPOCH),
            program: ProgramId::floor_of(Timestamp::UNIX_EPOCH),
            incentive_id: "friend-10".parse().unwrap(),
            reward: RewardValue::Discount(Discount::BasisPoints(1_000)),
            referrer_id: ParticipantId::floor_of(Timestamp::UNIX_EPOCH),
            code: "ANN".parse().unwrap(),
            click_id: None,
            channel: None,
            touch_at: at("2026-03-01T12:00:00Z"),
            made_at: at("2026-03-01T12:00:00Z"),
            recorded_by: None,
            expires_at: at("2026-03-02T12:00:00Z"),
            voucher_code: VoucherCode::generate([7; 16]),
            used_by: None,
            version: 1,
        }
    }

    /// The order's own time counts, so that a report that comes late loses nobody's discount.
    #[test]
    fn an_offer_holds_once_from_its_making_to_its_end() {
        for (order, holds) in [
            ("2026-03-01T11:54:59Z", false),
            ("2026-03-01T11:55:00Z", true),
            ("2026-03-02T11:59:59.999Z", true),
            ("2026-03-02T12:00:00Z", false),
        ] {
            assert_eq!(offer().holds(at(order)), holds, "{order}");
        }
        let used = Offer {
            used_by: Some(ConversionId::floor_of(Timestamp::UNIX_EPOCH)),
            ..offer()
        };
        assert!(!used.holds(at("2026-03-01T12:00:00Z")));
    }

    /// How high every counter and every budget stands.
    struct Stand(u64, i64);

    impl Used for Stand {
        fn counter(&self, subject: LimitSubject, _: &str) -> u64 {
            match subject {
                LimitSubject::Referrer => self.0,
                LimitSubject::Referee => u64::MAX,
            }
        }

        fn budget(&self, _: &Slug, _: &str, _: u8) -> i64 {
            self.1
        }
    }

    /// What cannot be given is not promised, as far as that is known.
    #[test]
    fn the_first_rule_in_force_with_room_is_offered() {
        let eur = |minor| Money::new(minor, "EUR".parse().unwrap());
        let now = at("2026-03-01T12:00:00Z");
        let rule = |id: &str, change: &dyn Fn(&mut Incentive)| {
            let mut rule = Incentive {
                id: id.parse().unwrap(),
                grant: Grant::AtCheckout,
                reward: RewardRule::Discount(Discount::BasisPoints(1_000)),
                ..testing::incentive()
            };
            change(&mut rule);
            rule
        };
        let rules = [
            rule("afterwards", &|rule| rule.grant = Grant::After),
            rule("ended", &|rule| rule.conditions.ends_at = Some(now)),
            rule("tomorrow", &|rule| {
                rule.conditions.starts_at = Some(at("2026-03-02T00:00:00Z"));
            }),
            rule("mail-only", &|rule| {
                rule.conditions.channels = vec![Channel::Email];
            }),
            rule("limited", &|rule| {
                rule.limits.per_referrer = Some(3);
                rule.limits.per_referee = Some(1);
            }),
            rule("budgeted", &|rule| {
                rule.unit_cost = Some(eur(10));
                rule.limits.budget = Some(eur(100));
            }),
        ];
        let rates = Rates::default();
        let chosen = |channel, stand| {
            let visit = Visit {
                now,
                channel,
                referees: 1,
                rates: &rates,
            };
            choose(&rules, &visit, &stand).map(|(rule, _)| rule.id.as_str())
        };
        assert_eq!(
            chosen(Some(Channel::Email), Stand(9, 99)),
            Some("mail-only")
        );
        assert_eq!(chosen(Some(Channel::Qr), Stand(2, 99)), Some("limited"));
        assert_eq!(chosen(None, Stand(2, 99)), Some("limited"));
        assert_eq!(chosen(None, Stand(3, 90)), Some("budgeted"));
        assert_eq!(chosen(None, Stand(3, 91)), None);
    }

    /// Who comes back meets their offer; nobody else does.
    #[test]
    fn a_visit_has_one_offer() {
        let program = ProgramId::new(Timestamp::UNIX_EPOCH, [1; 10]);
        let other = ProgramId::new(Timestamp::UNIX_EPOCH, [2; 10]);
        let midnight = at("2026-03-01T00:00:00Z");
        let (ann, bob) = ("ANN".parse().unwrap(), "BOB".parse().unwrap());
        let visitor = |agent| VisitorHash::of(b"key", "203.0.113.9", agent);
        let id = offer_of_visitor(program, &ann, visitor("Firefox"), midnight);
        let lower = "ann".parse().unwrap();
        assert_eq!(
            id,
            offer_of_visitor(program, &lower, visitor("Firefox"), midnight)
        );
        for another in [
            offer_of_visitor(other, &ann, visitor("Firefox"), midnight),
            offer_of_visitor(program, &bob, visitor("Firefox"), midnight),
            offer_of_visitor(program, &ann, visitor("Safari"), midnight),
            offer_of_visitor(
                program,
                &ann,
                visitor("Firefox"),
                at("2026-03-02T00:00:00Z"),
            ),
        ] {
            assert_ne!(id, another);
        }
        let click = ClickId::new(midnight, [3; 10]);
        assert_eq!(
            offer_of_click(program, click),
            offer_of_click(program, click)
        );
        assert_ne!(offer_of_click(program, click), offer_of_click(other, click));
    }
}
