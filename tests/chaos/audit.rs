//! What has to be true at the end of every history, and of its bounds at any moment of it.

mod spent;
mod told;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use kith_domain::conversion::{Conversion, ConversionState};
use kith_domain::fact::FactKind;
use kith_domain::id::{ConversionId, ParticipantId, RewardId};
use kith_domain::incentive::{
    Facts as Judged, Incentive, Limit, LimitSubject, Party, SkipReason, Used, evaluate,
};
use kith_domain::ledger::Balance;
use kith_domain::offer::Offer;
use kith_domain::participant::Participant;
use kith_domain::payout::{Payout, PayoutState};
use kith_domain::program::{Program, ProgramState};
use kith_domain::redemption::Redemption;
use kith_domain::refund::{Refund, RefundState};
use kith_domain::reward::{Reward, RewardSource, RewardState};
use kith_domain::survey::{Survey, SurveyState};
use kith_domain::text::Slug;
use kith_store::item::{self, Entity, Item};
use kith_store::items::{
    Event, LedgerEntry, MailRecord, MailState, RecordedFact, StoredOffer, UnitBalance,
};
use serde_json::{Value, json};

use crate::cloud::Cloud;
use crate::people::People;

/// How much there was to look at.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Facts {
    pub(crate) conversions: usize,
    pub(crate) rewards: usize,
    pub(crate) refunds: usize,
    pub(crate) mails: usize,
    pub(crate) ledger: usize,
}

/// Everything in the table, by kind.
struct Books {
    items: BTreeMap<String, Vec<Item>>,
}

/// A write, as the stream tells it.
struct Write {
    key: (String, String),
    /// What is there since; nothing if it was taken away.
    image: Item,
}

/// The wire's form of a value, as the SDK has it.
fn value_of(value: &Value) -> AttributeValue {
    let (kind, inner) = value.as_object().unwrap().iter().next().unwrap();
    let text = || inner.as_str().unwrap().to_owned();
    let texts = || {
        let texts = inner.as_array().unwrap().iter();
        texts
            .map(|text| text.as_str().unwrap().to_owned())
            .collect()
    };
    match kind.as_str() {
        "S" => AttributeValue::S(text()),
        "N" => AttributeValue::N(text()),
        "BOOL" => AttributeValue::Bool(inner.as_bool().unwrap()),
        "NULL" => AttributeValue::Null(true),
        "L" => AttributeValue::L(inner.as_array().unwrap().iter().map(value_of).collect()),
        "M" => AttributeValue::M(item_of(inner)),
        "SS" => AttributeValue::Ss(texts()),
        "NS" => AttributeValue::Ns(texts()),
        // Nothing that is looked at has bytes.
        _ => AttributeValue::Null(true),
    }
}

fn item_of(members: &Value) -> Item {
    let members = members.as_object().unwrap().iter();
    members
        .map(|(name, value)| (name.clone(), value_of(value)))
        .collect()
}

fn text_of<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

impl Books {
    fn open(cloud: &Cloud) -> Self {
        let table = &cloud.parts().services.table;
        let mut items: BTreeMap<String, Vec<Item>> = BTreeMap::new();
        let mut start = Value::Null;
        loop {
            let mut request = json!({"TableName": table.name()});
            if !start.is_null() {
                request["ExclusiveStartKey"] = start;
            }
            let answer = table.call("Scan", request.to_string().as_bytes());
            let page: Value = serde_json::from_str(&answer.body).unwrap();
            for found in page["Items"].as_array().unwrap() {
                let item = item_of(found);
                let kind = text_of(&item, "kind").unwrap_or_default().to_owned();
                items.entry(kind).or_default().push(item);
            }
            start = page["LastEvaluatedKey"].clone();
            if start.is_null() {
                return Self { items };
            }
        }
    }

    fn of(&self, kind: &str) -> &[Item] {
        self.items.get(kind).map_or(&[], Vec::as_slice)
    }

    fn all<T: Entity>(&self) -> Vec<T> {
        let items = self.of(T::KIND).iter();
        items
            .map(|item| item::read(item.clone()).unwrap())
            .collect()
    }

    fn everything(&self) -> impl Iterator<Item = &Item> {
        self.items.values().flatten()
    }
}

/// Every write, in the order of the commits.
fn writes(cloud: &Cloud) -> Vec<Write> {
    let text = |record: &Value, name: &str| {
        let key = &record["dynamodb"]["Keys"][name]["S"];
        key.as_str().unwrap().to_owned()
    };
    let told = cloud.take_told();
    let writes = told.iter().map(|record| Write {
        key: (text(record, "pk"), text(record, "sk")),
        image: match &record["dynamodb"]["NewImage"] {
            Value::Object(_) => item_of(&record["dynamodb"]["NewImage"]),
            _ => Item::new(),
        },
    });
    writes.collect()
}

/// Attributes that a claim changes: it moves an entry of the due index, and nothing else.
const OF_A_CLAIM: [&str; 3] = ["due_pk", "due_sk", "attempts"];

/// Whether two images of an item differ by a claim at most.
fn same_but_for_a_claim(before: &Item, after: &Item) -> bool {
    let rest = |item: &Item| {
        let mut rest = item.clone();
        rest.retain(|name, _| !OF_A_CLAIM.contains(&name.as_str()));
        rest
    };
    rest(before) == rest(after)
}

struct Auditor<'a> {
    cloud: &'a Cloud,
    people: &'a People,
    books: Books,
    /// Every write, in the order of the commits.
    writes: Vec<Write>,
    /// What happened, in the same order.
    facts: Vec<RecordedFact>,
    findings: Vec<String>,
    /// The program's rules by their version, and as they are.
    rules: BTreeMap<u64, Program>,
    conversions: Vec<Conversion>,
    rewards: BTreeMap<RewardId, Reward>,
    /// Conversions as they were decided: what becomes of them later is somebody else's.
    decided: Vec<Conversion>,
    /// Rewards as they were made.
    made: Vec<Reward>,
    people_of: BTreeMap<ParticipantId, Participant>,
    offers: Vec<Offer>,
}

/// Looks at everything.
pub(crate) fn audit(cloud: &Cloud, people: &People) -> (Vec<String>, Facts) {
    let books = Books::open(cloud);
    let rules = books.all::<Program>().into_iter();
    let rewards = books.all::<Reward>().into_iter();
    let members = books.all::<Participant>().into_iter();
    let offers = books.all::<StoredOffer>().into_iter();
    let writes = writes(cloud);
    let mut auditor = Auditor {
        cloud,
        people,
        facts: facts_of(&writes),
        decided: first_of(&writes),
        made: first_of(&writes),
        writes,
        findings: Vec::new(),
        rules: rules.map(|program| (program.version, program)).collect(),
        conversions: books.all(),
        rewards: rewards.map(|reward| (reward.id, reward)).collect(),
        people_of: members.map(|one| (one.id, one)).collect(),
        offers: offers.map(|stored| stored.offer).collect(),
        books,
    };
    auditor.versions();
    auditor.acknowledged();
    auditor.gifts();
    auditor.names();
    auditor.judged();
    auditor.promises();
    auditor.bounds();
    auditor.ledger();
    auditor.refunds();
    auditor.lots();
    auditor.vouchers();
    auditor.merged();
    auditor.unfinished();
    auditor.mails();
    auditor.surveys();
    auditor.webhooks();
    let facts = Facts {
        conversions: auditor.conversions.len(),
        rewards: auditor.rewards.len(),
        refunds: auditor.books.of(Refund::KIND).len(),
        mails: auditor.books.of(MailRecord::KIND).len(),
        ledger: auditor.books.of(LedgerEntry::KIND).len(),
    };
    (auditor.findings, facts)
}

/// Everything of a kind as it was first written.
fn first_of<T: Entity>(writes: &[Write]) -> Vec<T> {
    let mut seen = BTreeSet::new();
    let of_kind = writes
        .iter()
        .filter(|write| text_of(&write.image, "kind") == Some(T::KIND) && seen.insert(&write.key));
    let of_kind = of_kind.map(|write| item::read(write.image.clone()).unwrap());
    of_kind.collect()
}

/// What happened, in the order of the commits: a later write of an event settles it, and tells nothing new.
fn facts_of(writes: &[Write]) -> Vec<RecordedFact> {
    let events = first_of::<Event>(writes).into_iter();
    events.flat_map(|event| event.facts).collect()
}

/// What was counted, as far as the outcome of an evaluation rests on it: everything that it was refused
/// for is used up, and nothing else.
struct AsRefused<'a> {
    conversion: &'a Conversion,
    incentives: &'a [Incentive],
    at: Timestamp,
}

impl AsRefused<'_> {
    fn refused(&self, incentive: &Slug) -> Option<Limit> {
        let skipped = self.conversion.skipped.iter();
        skipped
            .filter(|skipped| skipped.incentive_id == *incentive)
            .find_map(|skipped| match skipped.reason {
                SkipReason::Limit(limit) => Some(limit),
                _ => None,
            })
    }
}

impl Used for AsRefused<'_> {
    fn counter(&self, _: LimitSubject, name: &str) -> u64 {
        let uses = self.incentives.iter().flat_map(|incentive| {
            let uses = incentive.limit_uses(self.at).into_iter();
            uses.map(|limit| (&incentive.id, limit))
        });
        let mut refused = uses.filter(|(incentive, limit)| {
            limit.counter == name && self.refused(incentive) == Some(limit.limit)
        });
        refused.next().map_or(0, |(_, limit)| u64::from(limit.cap))
    }

    fn budget(&self, incentive: &Slug, window: &str, _: u8) -> i64 {
        let incentives = self.incentives.iter().filter(|one| one.id == *incentive);
        let mut windows = incentives.flat_map(|one| one.budgets(self.at));
        let refused = windows.find(|budget| {
            budget.window == window && self.refused(incentive) == Some(budget.limit)
        });
        refused.map_or(0, |budget| budget.cap.minor)
    }
}

/// Whether a reward counts towards what bounds it.
fn counts(reward: &Reward) -> bool {
    !matches!(
        reward.state,
        RewardState::Rejected | RewardState::Cancelled | RewardState::ClawedBack
    )
}

impl Auditor<'_> {
    fn find(&mut self, finding: impl Into<String>) {
        self.findings.push(finding.into());
    }

    fn same<T: PartialEq + Debug>(&mut self, what: &str, found: &T, expected: &T) {
        if found != expected {
            self.find(format!("{what}: {found:?}, expected {expected:?}"));
        }
    }

    /// Nobody writes over what they have not read: each write of something that counts its versions is the
    /// one after the write before.
    fn versions(&mut self) {
        let mut before: BTreeMap<&(String, String), &Item> = BTreeMap::new();
        let mut findings = Vec::new();
        for write in &self.writes {
            let version = |item: &Item| item.get("version")?.as_n().ok()?.parse::<u64>().ok();
            let kind = text_of(&write.image, "kind").unwrap_or_default();
            let earlier = before.insert(&write.key, &write.image);
            // Rules are kept under the version of the program that they are of.
            let Some(found) = version(&write.image).filter(|_| !write.key.1.starts_with("SCHEME#"))
            else {
                continue;
            };
            let expected = earlier.and_then(version).map_or(1, |version| version + 1);
            let is_claim =
                earlier.is_some_and(|earlier| same_but_for_a_claim(earlier, &write.image));
            // Of whoever was merged, at the place of whom they are now.
            let is_carried_over = kind == Redemption::KIND && earlier.is_none();
            if found != expected && !is_claim && !is_carried_over {
                findings.push(format!(
                    "{kind} is written over: version {found} after {}",
                    expected - 1
                ));
            }
        }
        self.findings.extend(findings);
    }

    /// Each gift was asked for once, under a key of its own, however often the call came.
    fn gifts(&mut self) {
        let mut gifts: BTreeMap<String, usize> = BTreeMap::new();
        for reward in self.rewards.values() {
            if reward.source != RewardSource::Rule {
                *gifts.entry(format!("{:?}", reward.original)).or_default() += 1;
            }
        }
        for (gift, times) in gifts {
            if times > 1 {
                self.find(format!("the gift of {gift} was given {times} times"));
            }
        }
    }

    /// Everything that a client was told has happened is there, once under each name.
    fn acknowledged(&mut self) {
        let mut ids: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        let kinds = [
            "conversion",
            "refund",
            "reward",
            "participant",
            "payout",
            "merge",
            "redemption",
            "offer",
        ];
        for kind in kinds {
            let found = self.books.of(kind).iter();
            let found = found.filter_map(|item| {
                // Redemptions are among what a participant has.
                let key = if kind == "redemption" { "sk" } else { "pk" };
                text_of(item, key)?.rsplit('#').next().map(str::to_owned)
            });
            ids.insert(kind, found.collect());
        }
        let orders = self.conversions.iter();
        let orders = orders.map(|conversion| conversion.content.external_id.to_string());
        ids.insert("order", orders.collect());
        let acknowledged = self.people.book().acknowledged.clone();
        let mut named: BTreeMap<(&str, String), String> = BTreeMap::new();
        for one in acknowledged {
            if !ids[one.kind].contains(&one.id) {
                self.find(format!(
                    "{} {:?} was acknowledged and is not there",
                    one.kind, one.name
                ));
            }
            if let Some(name) = one.name {
                let present = self.present(&one.id);
                let id = named
                    .entry((one.kind, name.clone()))
                    .or_insert_with(|| present.clone());
                if *id != present {
                    self.findings
                        .push(format!("{} {name} is there twice", one.kind));
                }
            }
        }
    }

    /// Who somebody is by now, if it is somebody.
    fn present(&self, id: &str) -> String {
        let mut present = id.to_owned();
        while let Some(into) = present
            .parse()
            .ok()
            .and_then(|id: ParticipantId| self.people_of.get(&id)?.merged_into)
        {
            present = into.to_string();
        }
        present
    }

    /// The shop's names and the program's numbers stand for one thing each.
    fn names(&mut self) {
        let mut orders = BTreeSet::new();
        let mut numbers = BTreeSet::new();
        let mut referrals = BTreeSet::new();
        for conversion in self.decided.clone() {
            let content = &conversion.content;
            if !orders.insert((content.event.clone(), content.external_id.clone())) {
                self.find(format!("{} is recorded twice", content.external_id));
            }
            // Numbers are guarded as far as a rule rests on them.
            let rules = self.rules.get(&conversion.scheme_version);
            let of_event = rules.into_iter().flat_map(|rules| {
                let of_event = |rule: &&Incentive| rule.on == content.event;
                rules.incentives.iter().filter(of_event)
            });
            let (first, every) = of_event.fold((false, false), |(first, every), rule| {
                let conditions = &rule.conditions;
                (
                    first || conditions.first_conversion_only,
                    every || conditions.referral_number.is_some(),
                )
            });
            if let Some(number) = conversion.number
                && first
                && number == 1
                && !numbers.insert((conversion.referee_id, content.event.clone(), number))
            {
                self.find(format!(
                    "{number} is the number of two conversions of a referee"
                ));
            }
            if let (Some(number), Some(chosen)) =
                (conversion.referral_number, &conversion.attribution.chosen)
                && every
                && !referrals.insert((chosen.referrer_id, number))
            {
                self.find(format!(
                    "{number} is the number of two referees of a referrer"
                ));
            }
        }
    }

    /// Each conversion has one set of rewards: what the rules say of its facts.
    fn judged(&mut self) {
        let mut of_conversion: BTreeMap<ConversionId, Vec<Reward>> = BTreeMap::new();
        for reward in &self.made {
            if let (RewardSource::Rule, Some(conversion)) = (reward.source, reward.conversion_id) {
                of_conversion
                    .entry(conversion)
                    .or_default()
                    .push(reward.clone());
            }
        }
        for conversion in self.decided.clone() {
            let name = conversion.content.external_id.to_string();
            let rewards = of_conversion.remove(&conversion.id).unwrap_or_default();
            let ids: BTreeSet<RewardId> = rewards.iter().map(|reward| reward.id).collect();
            let told: BTreeSet<RewardId> = conversion.reward_ids.iter().copied().collect();
            self.same(&format!("rewards of {name}"), &ids, &told);
            let mut made: Vec<String> = rewards
                .iter()
                .map(|reward| {
                    let incentive = reward.incentive_id.as_ref().map(Slug::to_string);
                    format!(
                        "{incentive:?} {} {:?}",
                        reward.beneficiary_id, reward.original
                    )
                })
                .collect();
            made.sort();
            let mut expected = self.evaluation(&conversion);
            expected.sort();
            self.same(&format!("what {name} earned"), &made, &expected);
        }
        for conversion in of_conversion.keys() {
            self.findings.push(format!(
                "there are rewards of {conversion}, which is not there"
            ));
        }
    }

    fn evaluation(&mut self, conversion: &Conversion) -> Vec<String> {
        let Some(chosen) = &conversion.attribution.chosen else {
            return Vec::new();
        };
        if conversion.state == ConversionState::Unattributed {
            return Vec::new();
        }
        let rules = &self.rules[&conversion.scheme_version];
        let offer = self.offer_used_by(conversion.id);
        let party = |id: ParticipantId| Party { id, active: true };
        let upline: Vec<Party> = conversion.upline.iter().copied().map(party).collect();
        let facts = Judged {
            event: &conversion.content.event,
            amount: conversion.content.amount,
            occurred_at: conversion.occurred_at,
            recorded_at: conversion.recorded_at,
            country: conversion.content.country,
            channel: chosen.channel,
            metadata: &conversion.content.metadata,
            new_customer: conversion.new_customer,
            conversion_number: conversion.number.unwrap_or(0),
            referral_number: conversion.referral_number,
            referees: conversion.referees.unwrap_or(0),
            bound_at: conversion.bound_at.unwrap_or(conversion.occurred_at),
            referrer: party(chosen.referrer_id),
            referee: party(conversion.referee_id),
            upline: &upline,
            offer: offer.map(|offer| &offer.incentive_id),
            gives_rewards: rules.state != ProgramState::Archived,
            rates: &rules.rates,
            spread: 0,
        };
        let used = AsRefused {
            conversion,
            incentives: &rules.incentives,
            at: conversion.recorded_at,
        };
        let evaluation = evaluate(&rules.incentives, &facts, &used);
        let told = |earned: &kith_domain::incentive::Earned| {
            let incentive = Some(earned.incentive_id.to_string());
            // What was promised, whatever the rule says by now.
            let promised = offer.filter(|_| earned.redeemed).map(|offer| offer.reward);
            let value = promised.unwrap_or(earned.value);
            format!("{incentive:?} {} {value:?}", earned.beneficiary_id)
        };
        evaluation.earned.iter().map(told).collect()
    }

    /// No limit and no budget was exceeded at any moment: the stream tells every state of every reward
    /// in the order in which they were committed.
    fn bounds(&mut self) {
        let parties: BTreeMap<ConversionId, (Option<ParticipantId>, ParticipantId)> = self
            .decided
            .iter()
            .map(|conversion| {
                let chosen = conversion.attribution.chosen.as_ref();
                let referrer = chosen.map(|chosen| chosen.referrer_id);
                (conversion.id, (referrer, conversion.referee_id))
            })
            .collect();
        let mut rewards: BTreeMap<RewardId, Reward> = BTreeMap::new();
        let writes = std::mem::take(&mut self.writes);
        for write in &writes {
            if text_of(&write.image, "kind") != Some(Reward::KIND) {
                continue;
            }
            let reward: Reward = item::read(write.image.clone()).unwrap();
            rewards.insert(reward.id, reward.clone());
            self.within_bounds(&reward, &rewards, &parties);
        }
        self.writes = writes;
        let missing = self.rewards.keys().any(|id| !rewards.contains_key(id));
        if missing {
            self.find("the stream does not tell of every reward");
        }
    }

    fn within_bounds(
        &mut self,
        reward: &Reward,
        rewards: &BTreeMap<RewardId, Reward>,
        parties: &BTreeMap<ConversionId, (Option<ParticipantId>, ParticipantId)>,
    ) {
        let (Some(incentive), Some(conversion)) = (&reward.incentive_id, reward.conversion_id)
        else {
            return;
        };
        let Some(rules) = self.rules.get(&reward.scheme_version) else {
            return self.find("a reward rests on rules that are not there");
        };
        let Some(rule) = rules.incentives.iter().find(|rule| rule.id == *incentive) else {
            return self.find("a reward rests on a rule that is not there");
        };
        let others: Vec<&Reward> = rewards
            .values()
            .filter(|other| counts(other) && other.incentive_id == reward.incentive_id)
            .collect();
        let mut exceeded = Vec::new();
        for limit in rule.limit_uses(reward.created_at) {
            let subject = |conversion: ConversionId| {
                let (referrer, referee) = parties.get(&conversion)?;
                match limit.subject {
                    LimitSubject::Referrer => *referrer,
                    LimitSubject::Referee => Some(*referee),
                }
            };
            let same = others.iter().filter(|other| {
                other.conversion_id.and_then(subject) == subject(conversion)
                    && rule
                        .limit_uses(other.created_at)
                        .iter()
                        .any(|one| one.counter == limit.counter)
            });
            if same.count() > usize::try_from(limit.cap).unwrap() {
                exceeded.push(format!("{} is exceeded", limit.counter));
            }
        }
        for budget in rule.budgets(reward.created_at) {
            let spent: i64 = others
                .iter()
                .filter(|other| {
                    let windows = rule.budgets(other.created_at);
                    windows.iter().any(|one| one.window == budget.window)
                })
                .filter_map(|other| rule.cost_of(other.value))
                .map(|cost| cost.minor)
                .sum();
            if spent > budget.cap.minor {
                exceeded.push(format!(
                    "{incentive} spends {spent} of {}",
                    budget.cap.minor
                ));
            }
        }
        self.findings.extend(exceeded);
    }

    /// Every entry sums to zero, and every balance is the sum of its lines.
    fn ledger(&mut self) {
        let mut balances: BTreeMap<(ParticipantId, String), Balance> = BTreeMap::new();
        for entry in self.books.all::<LedgerEntry>() {
            let mut sums: BTreeMap<String, i64> = BTreeMap::new();
            for posting in &entry.postings {
                let unit = posting.line.unit.to_string();
                *sums.entry(unit.clone()).or_default() += posting.line.amount;
                if let Some(who) = posting.line.account.participant() {
                    let balance = balances.entry((who, unit)).or_default();
                    *balance = balance.plus(Balance::of_line(&posting.line));
                }
            }
            if sums.values().any(|sum| *sum != 0) {
                self.find(format!("a ledger entry sums to {sums:?}"));
            }
        }
        for reward in self
            .rewards
            .values()
            .filter(|reward| reward.state.is_held())
        {
            if let Some((unit, amount)) = reward.value.credit() {
                let balance = balances
                    .entry((reward.beneficiary_id, unit.to_string()))
                    .or_default();
                *balance = balance.plus(Balance::pending(amount));
            }
        }
        let mut kept: BTreeMap<(ParticipantId, String), Balance> = BTreeMap::new();
        for found in self.books.of(UnitBalance::KIND) {
            let who = text_of(found, "pk").unwrap().rsplit('#').next().unwrap();
            let read: UnitBalance = item::read(found.clone()).unwrap();
            kept.insert((who.parse().unwrap(), read.unit), read.balance);
        }
        balances.retain(|_, balance| *balance != Balance::default());
        kept.retain(|_, balance| *balance != Balance::default());
        self.same("balances", &kept, &balances);
    }

    /// What is refunded is what the refunds say, and never more than there was.
    fn refunds(&mut self) {
        let refunds: Vec<Refund> = self.books.all();
        for conversion in self.conversions.clone() {
            let applied = refunds.iter().filter(|refund| {
                refund.conversion_id == Some(conversion.id) && refund.state == RefundState::Applied
            });
            let sum: i64 = applied
                .filter_map(|refund| refund.amount)
                .map(|money| money.minor)
                .sum();
            let name = &conversion.content.external_id;
            self.same(&format!("refunded of {name}"), &conversion.refunded, &sum);
            let amount = conversion.content.amount.map_or(0, |amount| amount.minor);
            if conversion.refunded > amount {
                self.find(format!("more of {name} is refunded than there was"));
            }
        }
    }

    /// Nothing is left to do but what waits for its time or for a person.
    fn unfinished(&mut self) {
        for event in self.books.all::<Event>() {
            if !event.awaiting.is_empty() {
                self.find(format!("{:?} have not dealt with an event", event.awaiting));
            }
        }
        let now = self.cloud.now();
        let left: Vec<String> = self
            .books
            .everything()
            .filter_map(|item| {
                let (pk, sk) = (text_of(item, "due_pk")?, text_of(item, "due_sk")?);
                let kind = text_of(item, "kind")?;
                let at: Option<Timestamp> = sk.split('#').next().and_then(|at| at.parse().ok());
                let waits = at.is_some_and(|at| at > now) && pk.starts_with("DUE#");
                (!waits).then(|| {
                    format!(
                        "{kind} is left in {} at {sk}",
                        pk.split('#').next().unwrap()
                    )
                })
            })
            .collect();
        self.findings.extend(left);
        for reward in self.rewards.values().cloned().collect::<Vec<_>>() {
            if matches!(reward.state, RewardState::Pending | RewardState::Approved)
                && reward.release_at <= now
                && !reward.in_review
            {
                self.find(format!("a reward is {} after its hold", reward.state));
            }
        }
        for payout in self.books.all::<Payout>() {
            if payout.state == PayoutState::Building {
                self.find("a payout is still being built");
            }
        }
        if self.cloud.gate().tally().total() == 0 && !self.cloud.dead().is_empty() {
            self.find("there are dead letters although nothing failed");
        }
    }

    /// No mail was accepted twice; what is not known to be sent met a fault; whoever was given a reward
    /// was told.
    fn mails(&mut self) {
        let mails = self.cloud.parts().services.mails.list(1_000).unwrap();
        let mut accepted = BTreeSet::new();
        for mail in &mails {
            let id = mail.tags.iter().find(|(name, _)| name == "message_id");
            let id = id.map(|(_, value)| value.clone());
            if !accepted.insert(id.clone()) {
                self.find(format!("mail {id:?} was accepted twice"));
            }
        }
        let mail_explained = self.cloud.gate().met_a_fault("message-dispatch");
        let mut told = BTreeSet::new();
        for mail in self.books.all::<MailRecord>() {
            match mail.state {
                MailState::Unknown if mail_explained => {}
                MailState::Unknown | MailState::Waiting | MailState::Sending => {
                    self.find(format!("a mail is left {}", mail.state));
                }
                MailState::Sent | MailState::Recorded | MailState::Skipped | MailState::Failed => {}
            }
            let may_be_there = matches!(mail.state, MailState::Sent | MailState::Unknown);
            if !may_be_there && accepted.contains(&Some(mail.id.to_string())) {
                self.find(format!(
                    "the provider has a mail that counts as {}",
                    mail.state
                ));
            }
            if mail.state == MailState::Sent && !accepted.contains(&Some(mail.id.to_string())) {
                self.find("a mail counts as sent that the provider never had");
            }
            if let kith_store::items::MailAbout::Reward { reward_id, .. } = mail.about {
                told.insert(reward_id);
            }
        }
        for reward in self.rewards.values().cloned().collect::<Vec<_>>() {
            if reward.state == RewardState::Issued && !told.contains(&reward.id) {
                self.find("nobody was told of an issued reward");
            }
        }
    }

    /// A survey was sent once, its latest answer is the one that stands, and it comes to an end.
    fn surveys(&mut self) {
        let explained = self.cloud.gate().met_a_fault("survey-dispatch");
        for survey in self.books.all::<Survey>() {
            if survey.state == SurveyState::Sending
                || (survey.state == SurveyState::Unknown && !explained)
            {
                self.find(format!("a survey is left {}", survey.state));
            }
            let of_it = self.facts.iter().map(|fact| &fact.fact);
            let of_it = of_it.filter(|fact| fact.survey_id == Some(survey.id));
            let of_kind = |kind| of_it.clone().filter(move |fact| fact.kind == kind);
            let sent = of_kind(FactKind::SurveySent).count();
            let told = of_kind(FactKind::SurveyAnswered).next_back();
            let told = told.and_then(|fact| fact.score);
            let answer = survey.answer.as_ref().map(|answer| answer.score.get());
            if sent > 1 {
                self.find(format!("a survey was sent {sent} times"));
            }
            self.same("the answer to a survey", &answer, &told);
        }
    }
}
