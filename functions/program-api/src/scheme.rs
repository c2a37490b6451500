//! Reads a program: every fault in one pass, each with its pointer.

use jiff::Timestamp;
use kith_domain::destination::{AllowedHost, Destination};
use kith_domain::id::ProgramId;
use kith_domain::incentive::{Conditions, Incentive, LIMIT_MAX, Limits, POINTS_MAX};
use kith_domain::mode::Mode;
use kith_domain::money::{BASIS_POINTS_WHOLE, Money};
use kith_domain::program::{
    ALLOWED_HOSTS_MAX, AttributionModel, AttributionPolicy, ConsentPolicy, HOLD_DAYS_DEFAULT,
    HOLD_DAYS_MAX, INCENTIVES_MAX, MailGround, Program, ProgramState, SURVEYS_MAX, WINDOW_DAYS_MAX,
};
use kith_domain::reward::{Beneficiary, Discount, RewardValue, Side};
use kith_domain::survey::{
    CLOSES_AFTER_DAYS_DEFAULT, CLOSES_AFTER_DAYS_MAX, COOLDOWN_DAYS_DEFAULT, COOLDOWN_DAYS_MAX,
    DELAY_HOURS_MAX, SurveyRule, SurveyTrigger,
};
use kith_domain::text::{EventName, Name, Slug};
use kith_domain::words::words;
use kith_edge::http::Problem;
use kith_edge::json::{self, Faults, Member, Object, Patch};
use kith_edge::wire;
use serde_json::Value;

/// What a transaction may take in the worst case of a scheme.
const ACTIONS_ALLOWED: usize = 90;
/// A conversion writes itself and its order, bond, both parties with their look-ups and counters,
/// the event and the idempotency record, whatever the scheme; and a reward and a balance for each
/// incentive at most. So no scheme within the bound on incentives has to be refused for its size.
const ACTIONS_WORST: usize = 14 + 2 * INCENTIVES_MAX;
const _: () = assert!(ACTIONS_WORST <= ACTIONS_ALLOWED);

const NOT_YET: &str = "is not supported yet";
const INCENTIVE_NOT_YET: [&str; 5] = [
    "tiers",
    "on_refund",
    "hold_days",
    "expires_after_days",
    "unit_cost",
];
const CONDITIONS_NOT_YET: [&str; 10] = [
    "maximum_amount",
    "conversion_number",
    "referral_number",
    "within_months_of_referral",
    "new_referee_only",
    "channels",
    "countries",
    "metadata",
    "starts_at",
    "ends_at",
];
const LIMITS_NOT_YET: [&str; 3] = ["budget_per_day", "budget_per_month", "budget"];

words! {
    /// Whether a visitor is asked before a click is tied to them.
    pub enum Tracking {
        /// No.
        NotRequired = "not_required",
        /// Yes.
        Required = "required",
    }
}

words! {
    /// What a code is worth that was typed, without a click.
    pub enum TypedCode {
        /// It attributes.
        Accept = "accept",
        /// It does not.
        Refuse = "refuse",
    }
}

/// A program as a request describes it.
///
/// # Errors
/// 422 with every fault.
pub(crate) fn new_program(
    mut object: Object,
    mut faults: Faults,
    (id, mode): (ProgramId, Mode),
    now: Timestamp,
) -> Result<Program, Problem> {
    let name = object.required("name", &mut faults, json::text::<Name>);
    let destination = object.required("destination_url", &mut faults, json::text::<Destination>);
    let settings = Settings::read(&mut object, &mut faults);
    object.finish(&mut faults);
    let (name, destination) = faults.all((name, destination))?;
    let mut program = Program {
        id,
        mode,
        name,
        destination,
        allowed_hosts: Vec::new(),
        attribution: AttributionPolicy::default(),
        consent: ConsentPolicy::default(),
        incentives: Vec::new(),
        hold_days: HOLD_DAYS_DEFAULT,
        surveys: Vec::new(),
        state: ProgramState::Active,
        version: 1,
        rules_since: now,
        created_at: now,
        shards: 1,
    };
    settings.apply(&mut program);
    Ok(program)
}

/// A program after a merge patch. Its version rises when anything changed, and what counts as its
/// rules holds from now on when any of them did.
///
/// # Errors
/// 422 with every fault.
pub(crate) fn patched(
    mut object: Object,
    mut faults: Faults,
    present: &Program,
    now: Timestamp,
) -> Result<Program, Problem> {
    let written = wire::program(present);
    for name in ["id", "mode", "version", "created_at"] {
        let value = written.get(name).unwrap_or(&Value::Null);
        object.read_only(name, value, &mut faults);
    }
    let name = object.replace("name", &mut faults, json::text::<Name>);
    let destination = object.replace("destination_url", &mut faults, json::text::<Destination>);
    let state = object.replace("state", &mut faults, json::text::<ProgramState>);
    let settings = Settings::read(&mut object, &mut faults);
    object.finish(&mut faults);
    faults.into_result()?;
    let mut next = present.clone();
    next.name = name.unwrap_or(next.name);
    next.destination = destination.unwrap_or(next.destination);
    next.state = state.unwrap_or(next.state);
    settings.apply(&mut next);
    if next != *present {
        next.version = present.version.saturating_add(1);
        if rules(&next) != rules(present) {
            next.rules_since = now;
        }
    }
    Ok(next)
}

/// What a conversion is judged by.
fn rules(program: &Program) -> (AttributionPolicy, u16, &[Incentive]) {
    (program.attribution, program.hold_days, &program.incentives)
}

/// Everything that has a default.
struct Settings {
    allowed_hosts: Patch<Vec<AllowedHost>>,
    attribution: Patch<AttributionPatch>,
    consent: Patch<ConsentPatch>,
    incentives: Patch<Vec<Incentive>>,
    hold_days: Patch<u16>,
    surveys: Patch<Vec<SurveyRule>>,
}

impl Settings {
    fn read(object: &mut Object, faults: &mut Faults) -> Self {
        let hosts = json::list(ALLOWED_HOSTS_MAX, json::text::<AllowedHost>);
        let incentives = json::list(INCENTIVES_MAX, json::nested(incentive));
        let surveys = json::list(SURVEYS_MAX, json::nested(survey));
        let settings = Self {
            allowed_hosts: object.patch("allowed_hosts", faults, hosts),
            attribution: object.patch("attribution", faults, json::nested(AttributionPatch::read)),
            consent: object.patch("consent", faults, json::nested(ConsentPatch::read)),
            incentives: object.patch("incentives", faults, incentives),
            hold_days: object.patch("hold_days", faults, json::integer_in(0..=HOLD_DAYS_MAX)),
            surveys: object.patch("surveys", faults, surveys),
        };
        if let Patch::Set(incentives) = &settings.incentives {
            distinct("/incentives", incentives.iter().map(|one| &one.id), faults);
        }
        if let Patch::Set(surveys) = &settings.surveys {
            distinct("/surveys", surveys.iter().map(|one| &one.id), faults);
        }
        settings
    }

    fn apply(self, program: &mut Program) {
        let present = std::mem::take(&mut program.allowed_hosts);
        program.allowed_hosts = self.allowed_hosts.apply_or(present, Vec::new());
        match self.attribution {
            Patch::Keep => {}
            Patch::Clear => program.attribution = AttributionPolicy::default(),
            Patch::Set(patch) => patch.apply(&mut program.attribution),
        }
        match self.consent {
            Patch::Keep => {}
            Patch::Clear => program.consent = ConsentPolicy::default(),
            Patch::Set(patch) => patch.apply(&mut program.consent),
        }
        let present = std::mem::take(&mut program.incentives);
        program.incentives = self.incentives.apply_or(present, Vec::new());
        program.hold_days = self
            .hold_days
            .apply_or(program.hold_days, HOLD_DAYS_DEFAULT);
        let present = std::mem::take(&mut program.surveys);
        program.surveys = self.surveys.apply_or(present, Vec::new());
    }
}

struct AttributionPatch {
    model: Patch<AttributionModel>,
    window_days: Patch<u16>,
    code_without_click: Patch<TypedCode>,
}

impl AttributionPatch {
    #[expect(
        clippy::unnecessary_wraps,
        reason = "it has the form of every parser; its faults are noted"
    )]
    fn read(object: &mut Object, faults: &mut Faults) -> Option<Self> {
        let days = json::integer_in(1..=WINDOW_DAYS_MAX);
        Some(Self {
            model: object.patch("model", faults, json::text::<AttributionModel>),
            window_days: object.patch("window_days", faults, days),
            code_without_click: object.patch("code_without_click", faults, json::text::<TypedCode>),
        })
    }

    fn apply(self, policy: &mut AttributionPolicy) {
        let default = AttributionPolicy::default();
        policy.model = self.model.apply_or(policy.model, default.model);
        policy.window_days = self
            .window_days
            .apply_or(policy.window_days, default.window_days);
        policy.code_without_click = match self.code_without_click {
            Patch::Keep => policy.code_without_click,
            Patch::Clear => default.code_without_click,
            Patch::Set(word) => word == TypedCode::Accept,
        };
    }
}

struct ConsentPatch {
    tracking: Patch<Tracking>,
    mail: Patch<MailGround>,
}

impl ConsentPatch {
    #[expect(
        clippy::unnecessary_wraps,
        reason = "it has the form of every parser; its faults are noted"
    )]
    fn read(object: &mut Object, faults: &mut Faults) -> Option<Self> {
        Some(Self {
            tracking: object.patch("tracking", faults, json::text::<Tracking>),
            mail: object.patch("mail", faults, json::text::<MailGround>),
        })
    }

    fn apply(self, policy: &mut ConsentPolicy) {
        let default = ConsentPolicy::default();
        policy.tracking_required = match self.tracking {
            Patch::Keep => policy.tracking_required,
            Patch::Clear => default.tracking_required,
            Patch::Set(word) => word == Tracking::Required,
        };
        policy.mail = self.mail.apply_or(policy.mail, default.mail);
    }
}

fn incentive(object: &mut Object, faults: &mut Faults) -> Option<Incentive> {
    let id = object.required("id", faults, json::text::<Slug>);
    let on = object.required("on", faults, json::text::<EventName>);
    let beneficiary = object.required("beneficiary", faults, beneficiary);
    let reward = object.required("reward", faults, json::nested(reward));
    let conditions = object.optional("conditions", faults, json::nested(conditions));
    let limits = object.optional("limits", faults, json::nested(limits));
    // When the friend gets it: afterwards is the only way so far, and needs no place of its own.
    let _: Option<()> = object.optional("grant", faults, grant);
    not_yet(object, &INCENTIVE_NOT_YET, faults);
    Some(Incentive {
        id: id?,
        on: on?,
        beneficiary: beneficiary?,
        reward: reward?,
        conditions: conditions.unwrap_or_default(),
        limits: limits.unwrap_or_default(),
    })
}

fn beneficiary(member: Member, faults: &mut Faults) -> Option<Beneficiary> {
    if member.value.get("upline").is_some() {
        member.refuse(faults, NOT_YET);
        return None;
    }
    json::text(member, faults)
}

fn grant(member: Member, faults: &mut Faults) -> Option<()> {
    match member.value.as_str() {
        Some("after") => return Some(()),
        Some("at_checkout") => member.refuse(faults, NOT_YET),
        Some(_) | None => member.refuse(faults, "must be one of after, at_checkout"),
    }
    None
}

fn reward(object: &mut Object, faults: &mut Faults) -> Option<RewardValue> {
    let kind = object.required("kind", faults, json::any)?;
    match kind.value.as_str() {
        Some("cash") => Some(RewardValue::Cash(
            object.required("amount", faults, some_money)?,
        )),
        Some("points") => {
            let points = json::integer_in(1..=POINTS_MAX);
            Some(RewardValue::Points(
                object.required("points", faults, points)?,
            ))
        }
        Some("discount") => discount(object, faults).map(RewardValue::Discount),
        Some("percentage" | "free_product") => {
            kind.refuse(faults, NOT_YET);
            not_yet_known(object);
            None
        }
        Some(_) | None => {
            kind.refuse(faults, "must be one of cash, points, discount");
            not_yet_known(object);
            None
        }
    }
}

/// Of a kind that is not known nothing more can be said than that: its members are let be.
fn not_yet_known(object: &mut Object) {
    *object = Object::new(object.pointer(), serde_json::Map::new());
}

fn discount(object: &mut Object, faults: &mut Faults) -> Option<Discount> {
    let both = object.has("basis_points") && object.has("amount");
    let neither = !object.has("basis_points") && !object.has("amount");
    let share = json::integer_in(1..=BASIS_POINTS_WHOLE);
    let share = object.optional("basis_points", faults, share);
    let amount = object.optional("amount", faults, some_money);
    if both || neither {
        let detail = "must have either basis_points or amount";
        faults.add(object.pointer(), detail);
        return None;
    }
    match (share, amount) {
        (Some(share), _) => Some(Discount::BasisPoints(share)),
        (None, amount) => amount.map(Discount::Amount),
    }
}

/// An amount that is worth something.
fn some_money(member: Member, faults: &mut Faults) -> Option<Money> {
    let pointer = format!("{}/amount", member.pointer);
    let money = json::money(member, faults)?;
    if money.minor == 0 {
        faults.add(pointer, "must be at least 1");
        return None;
    }
    Some(money)
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "it has the form of every parser; its faults are noted"
)]
fn conditions(object: &mut Object, faults: &mut Faults) -> Option<Conditions> {
    let conditions = Conditions {
        minimum_amount: object.optional("minimum_amount", faults, json::money),
        first_conversion_only: object
            .optional("first_conversion_only", faults, json::boolean)
            .unwrap_or_default(),
    };
    not_yet(object, &CONDITIONS_NOT_YET, faults);
    Some(conditions)
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "it has the form of every parser; its faults are noted"
)]
fn limits(object: &mut Object, faults: &mut Faults) -> Option<Limits> {
    let mut limit = |name| object.optional(name, faults, json::integer_in(1..=LIMIT_MAX));
    let limits = Limits {
        per_referrer_per_day: limit("per_referrer_per_day"),
        per_referrer_per_week: limit("per_referrer_per_week"),
        per_referrer_per_month: limit("per_referrer_per_month"),
        per_referrer: limit("per_referrer"),
        per_referee: limit("per_referee"),
    };
    not_yet(object, &LIMITS_NOT_YET, faults);
    Some(limits)
}

fn survey(object: &mut Object, faults: &mut Faults) -> Option<SurveyRule> {
    let id = object.required("id", faults, json::text::<Slug>);
    let on = object.required("on", faults, json::text::<SurveyTrigger>);
    let to = object.required("to", faults, json::text::<Side>);
    let delay = json::integer_in(0..=DELAY_HOURS_MAX);
    let closes = json::integer_in(1..=CLOSES_AFTER_DAYS_MAX);
    let cooldown = json::integer_in(0..=COOLDOWN_DAYS_MAX);
    let delay_hours = object.optional("delay_hours", faults, delay);
    let closes_after_days = object.optional("closes_after_days", faults, closes);
    let cooldown_days = object.optional("cooldown_days", faults, cooldown);
    Some(SurveyRule {
        id: id?,
        on: on?,
        to: to?,
        delay_hours: delay_hours.unwrap_or_default(),
        closes_after_days: closes_after_days.unwrap_or(CLOSES_AFTER_DAYS_DEFAULT),
        cooldown_days: cooldown_days.unwrap_or(COOLDOWN_DAYS_DEFAULT),
    })
}

/// Refuses what the contract knows and this program cannot do yet, by name, so that nobody takes it
/// for a typo.
fn not_yet(object: &mut Object, names: &[&str], faults: &mut Faults) {
    for name in names {
        let _: Option<()> = object.optional(name, faults, |member, faults| {
            member.refuse(faults, NOT_YET);
            None
        });
    }
}

/// Refuses an id that stands for two things.
fn distinct<'a>(list: &str, ids: impl Iterator<Item = &'a Slug>, faults: &mut Faults) {
    let mut seen = std::collections::BTreeSet::new();
    for (index, id) in ids.enumerate() {
        if !seen.insert(id) {
            faults.add(format!("{list}/{index}/id"), "stands there already");
        }
    }
}

#[cfg(test)]
mod tests;
