//! Reads a program: every fault in one pass, each with its pointer.

mod incentive;
mod size;

use jiff::Timestamp;
use kith_contract::answers::{CodeWithoutClick, Tracking};
use kith_domain::destination::{AllowedHost, Destination};
use kith_domain::email::EmailAddress;
use kith_domain::id::ProgramId;
use kith_domain::incentive::{Incentive, shards_for};
use kith_domain::mode::Mode;
use kith_domain::money::Currency;
use kith_domain::program::{
    ALLOWED_HOSTS_MAX, AttributionModel, AttributionPolicy, ConsentPolicy, HOLD_DAYS_DEFAULT,
    HOLD_DAYS_MAX, INCENTIVES_MAX, MailGround, Program, ProgramState, SURVEYS_MAX, WINDOW_DAYS_MAX,
};
use kith_domain::rates::{RATE_MILLIONTHS_MAX, RATES_MAX, Rate, Rates};
use kith_domain::reward::Side;
use kith_domain::survey::{
    CLOSES_AFTER_DAYS_DEFAULT, CLOSES_AFTER_DAYS_MAX, COOLDOWN_DAYS_DEFAULT, COOLDOWN_DAYS_MAX,
    DELAY_HOURS_MAX, SurveyRule, SurveyTrigger,
};
use kith_domain::text::{Name, Slug};
use kith_edge::http::Problem;
use kith_edge::json::{self, Faults, Member, Object, Patch};
use kith_edge::wire;

pub(crate) use self::incentive::{share, some_money};

/// A program as a request describes it.
///
/// # Errors
/// 422 with every fault.
pub fn new_program(
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
        rates: Rates::default(),
        hold_days: HOLD_DAYS_DEFAULT,
        surveys: Vec::new(),
        owner_email: None,
        heard_of: None,
        state: ProgramState::Active,
        version: 1,
        rules_since: now,
        created_at: now,
        shards: 1,
    };
    settings.apply(&mut program);
    for index in 0..program.incentives.len() {
        fix_shards(&mut program, index, 0);
    }
    Ok(program)
}

/// A program after a merge patch. Its version rises when anything changed, and what counts as its
/// rules holds from now on when any of them did.
///
/// # Errors
/// 422 with every fault.
pub fn patched(
    mut object: Object,
    mut faults: Faults,
    present: &Program,
    now: Timestamp,
) -> Result<Program, Problem> {
    let written = wire::program(present);
    let fixed = [
        "id",
        "mode",
        "rates_version",
        "has_owner_email",
        "version",
        "created_at",
    ];
    object.read_only(&fixed, &written, &mut faults);
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
    for incentive in &mut next.incentives {
        let mut before = present.incentives.iter();
        let before = before.find(|before| before.id == incentive.id);
        incentive.budget_shards = before.map_or(0, |before| before.budget_shards);
    }
    if next != *present {
        next.version = present.version.saturating_add(1);
        if rules(&next) != rules(present) {
            next.rules_since = now;
        }
    }
    Ok(next)
}

/// Fixes over how many counters the budgets of an incentive are spread, once it has any: as many as
/// they ever were, by its identity, or as many as they need. Whether they were fixed here.
pub(crate) fn fix_shards(program: &mut Program, index: usize, known: u8) -> bool {
    let rates = &program.rates;
    let Some(incentive) = program.incentives.get_mut(index) else {
        return false;
    };
    incentive.budget_shards = incentive.budget_shards.max(known);
    if incentive.budget_shards > 0 || incentive.limits.budgets().next().is_none() {
        return false;
    }
    incentive.budget_shards = shards_for(incentive, rates);
    true
}

/// Whether conversions can still be recorded and refunded in one transaction each, now that the
/// counters of all budgets are known.
///
/// # Errors
/// 422.
pub fn check_size(program: &Program) -> Result<(), Problem> {
    let mut faults = Faults::default();
    size::check(&program.incentives, &mut faults);
    faults.into_result()
}

/// A list of incentives, each and all together as they have to be in a program.
pub(crate) fn incentives(member: Member, faults: &mut Faults) -> Option<Vec<Incentive>> {
    let pointer = member.pointer.clone();
    let list = json::list(INCENTIVES_MAX, json::nested(incentive::incentive));
    let incentives = list(member, faults)?;
    distinct(&pointer, incentives.iter().map(|one| &one.id), faults);
    size::check(&incentives, faults);
    Some(incentives)
}

/// What a conversion is judged by.
fn rules(program: &Program) -> (AttributionPolicy, u16, &[Incentive], &Rates) {
    (
        program.attribution,
        program.hold_days,
        &program.incentives,
        &program.rates,
    )
}

/// Everything that has a default.
struct Settings {
    allowed_hosts: Patch<Vec<AllowedHost>>,
    attribution: Patch<AttributionPatch>,
    consent: Patch<ConsentPatch>,
    incentives: Patch<Vec<Incentive>>,
    rates: Patch<Vec<Rate>>,
    hold_days: Patch<u16>,
    surveys: Patch<Vec<SurveyRule>>,
    owner_email: Patch<EmailAddress>,
}

impl Settings {
    fn read(object: &mut Object, faults: &mut Faults) -> Self {
        let hosts = json::list(ALLOWED_HOSTS_MAX, json::text::<AllowedHost>);
        let rates = json::list(RATES_MAX, json::nested(rate));
        let surveys = json::list(SURVEYS_MAX, json::nested(survey));
        let settings = Self {
            allowed_hosts: object.patch("allowed_hosts", faults, hosts),
            attribution: object.patch("attribution", faults, json::nested(AttributionPatch::read)),
            consent: object.patch("consent", faults, json::nested(ConsentPatch::read)),
            incentives: object.patch("incentives", faults, incentives),
            rates: object.patch("rates", faults, rates),
            hold_days: object.patch("hold_days", faults, json::integer_in(0..=HOLD_DAYS_MAX)),
            surveys: object.patch("surveys", faults, surveys),
            owner_email: object.patch("owner_email", faults, json::text::<EmailAddress>),
        };
        if let Patch::Set(rates) = &settings.rates {
            for (index, rate) in rates.iter().enumerate() {
                let mut before = rates.iter().take(index);
                if before.any(|before| (before.from, before.to) == (rate.from, rate.to)) {
                    faults.add(format!("/rates/{index}"), "stands there already");
                }
            }
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
        match self.rates {
            Patch::Keep => {}
            Patch::Clear => program.rates = program.rates.replaced(Vec::new()),
            Patch::Set(pairs) => program.rates = program.rates.replaced(pairs),
        }
        program.hold_days = self
            .hold_days
            .apply_or(program.hold_days, HOLD_DAYS_DEFAULT);
        let present = std::mem::take(&mut program.surveys);
        program.surveys = self.surveys.apply_or(present, Vec::new());
        program.owner_email = self.owner_email.apply(program.owner_email.take());
    }
}

struct AttributionPatch {
    model: Patch<AttributionModel>,
    window_days: Patch<u16>,
    code_without_click: Patch<CodeWithoutClick>,
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
            code_without_click: object.patch(
                "code_without_click",
                faults,
                json::text::<CodeWithoutClick>,
            ),
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
            Patch::Set(word) => word == CodeWithoutClick::Accept,
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

fn rate(object: &mut Object, faults: &mut Faults) -> Option<Rate> {
    let from = object.required("from", faults, json::text::<Currency>);
    let to = object.required("to", faults, json::text::<Currency>);
    let millionths = json::integer_in(1..=RATE_MILLIONTHS_MAX);
    let millionths = object.required("rate_millionths", faults, millionths);
    if from.is_some() && from == to {
        faults.add(object.pointer_to("to"), "must be another currency");
    }
    Some(Rate {
        from: from?,
        to: to?,
        millionths: millionths?,
    })
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
