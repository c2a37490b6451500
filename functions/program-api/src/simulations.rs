//! `POST P/simulations`: what another scheme would have given for what was recorded. It writes
//! nothing.

use jiff::Timestamp;
use kith_domain::conversion::Conversion;
use kith_domain::id::ConversionId;
use kith_domain::incentive::Incentive;
use kith_domain::reward::Reward;
use kith_domain::simulation::{CONVERSIONS_MAX, Difference, Schemes, simulate};
use kith_edge::desk::View;
use kith_edge::http::{Fault, Problem, Response};
use kith_edge::json;
use kith_edge::session::Ended;
use kith_edge::wire;
use kith_store::keys::{self, ListName};
use kith_store::{ListQuery, cursor};

use crate::call::Call;
use crate::scheme;

/// Conversions read at a time.
const PAGE_CONVERSIONS: u16 = 100;
/// Differences in one answer.
const PAGE_DIFFERENCES: usize = 100;

/// What is asked for.
struct Question {
    incentives: Vec<Incentive>,
    from: Timestamp,
    to: Timestamp,
    /// Behind which conversion the differences go on.
    after: Option<ConversionId>,
    /// What a cursor is good for.
    list: String,
}

impl Question {
    fn read(call: &Call) -> Result<Self, Problem> {
        let (mut body, mut faults) = call.body()?;
        let incentives = body.required("incentives", &mut faults, scheme::incentives);
        let from = body.required("from", &mut faults, json::timestamp);
        let to = body.required("to", &mut faults, json::timestamp);
        let list = format!("{}?{from:?}&{to:?}", call.request.path());
        let after = body.optional("cursor", &mut faults, |member, faults| {
            let pointer = member.pointer.clone();
            let text = json::string(member, faults)?;
            match cursor::read(&call.api.tokens, &list, &text) {
                Ok(position) => position.parse().ok(),
                Err(error) => {
                    faults.add(pointer, error.to_string());
                    None
                }
            }
        });
        if let (Some(from), Some(to)) = (from, to)
            && from >= to
        {
            faults.add("/to", "must be later than from");
        }
        body.finish(&mut faults);
        let (incentives, from, to) = faults.all((incentives, from, to))?;
        Ok(Self {
            incentives,
            from,
            to,
            after,
            list,
        })
    }
}

/// Replays what was recorded in a time through the scheme that is asked about.
pub(crate) async fn run(call: Call) -> Result<Response, Ended> {
    let (_, view, question) = call
        .program(Question::read(&call), |_, _, _| Vec::new())
        .await?;
    let recorded = recorded(&view, &question).await?;
    let schemes = Schemes {
        present: &view.program.incentives,
        proposed: &question.incentives,
        rates: &view.program.rates,
    };
    let outcome = simulate(
        schemes,
        recorded
            .iter()
            .map(|(conversion, rewards)| (conversion, rewards.as_slice())),
    );
    let unread = outcome.differences.iter().skip_while(|difference| {
        let after = question.after.as_ref();
        after.is_some_and(|after| difference.conversion_id <= *after)
    });
    let mut page: Vec<&Difference> = unread.take(PAGE_DIFFERENCES.saturating_add(1)).collect();
    let more = page.len() > PAGE_DIFFERENCES;
    page.truncate(PAGE_DIFFERENCES);
    let next = page.last().filter(|_| more).map(|last| {
        let position = last.conversion_id.to_string();
        cursor::write(&call.api.tokens, &question.list, &position)
    });
    let answer = wire::Simulation {
        conversions: recorded.len(),
        before: (&outcome.before).into(),
        after: (&outcome.after).into(),
        differences: wire::list(page.into_iter().map(Into::into).collect(), next),
    };
    Ok(Response::json(200, &answer))
}

/// The conversions of the time with their rewards, in the order of recording.
async fn recorded(
    view: &View,
    question: &Question,
) -> Result<Vec<(Conversion, Vec<Reward>)>, Ended> {
    let program = view.program.id;
    let mut query = ListQuery::of_program(program, ListName::Conversions, PAGE_CONVERSIONS);
    (query.from, query.to) = (Some(question.from), Some(question.to));
    let mut conversions: Vec<Conversion> = Vec::new();
    loop {
        let page = view.store.list(&query).await?;
        conversions.extend(page.items);
        if conversions.len() > CONVERSIONS_MAX {
            let detail = format!(
                "more than {CONVERSIONS_MAX} conversions were recorded in this time; ask about a shorter one"
            );
            return Err(Problem::invalid_request(vec![Fault::new("/from", detail)]).into());
        }
        query.after = page.next;
        if query.after.is_none() {
            break;
        }
    }
    conversions.sort_by_key(|conversion| conversion.id);
    let ids = conversions.iter().flat_map(|one| one.reward_ids.iter());
    let loaded = view
        .store
        .get(ids.map(|id| keys::reward(program, *id)))
        .await?;
    let mut found = Vec::with_capacity(conversions.len());
    for conversion in conversions {
        let mut rewards = Vec::new();
        for id in &conversion.reward_ids {
            rewards.extend(loaded.read::<Reward>(&keys::reward(program, *id))?);
        }
        found.push((conversion, rewards));
    }
    Ok(found)
}
