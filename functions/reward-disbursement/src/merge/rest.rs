//! What names the source and is worth nothing by itself: redemptions, bonds below, conversions,
//! surveys.

use kith_domain::conversion::Conversion;
use kith_domain::participant::Referral;
use kith_domain::redemption::Redemption;
use kith_domain::survey::{Survey, SurveyState};
use kith_edge::Undone;
use kith_edge::desk::View;
use kith_store::item::Entity;
use kith_store::items::{Asked, RedemptionName, RedemptionPart};
use kith_store::keys::{self, ListName};
use kith_store::{Commit, ListQuery, Was};

use super::{Move, STEP};

/// Parts of a redemption carried over in one transaction: each takes two actions.
const PARTS: u16 = 15;

/// The next transaction; nothing when nothing is left.
pub(super) async fn next(view: &View, goes: Move) -> Result<Option<Commit>, Undone> {
    if let Some(commit) = redemptions(view, goes).await? {
        return Ok(Some(commit));
    }
    if let Some(commit) = bonds(view, goes).await? {
        return Ok(Some(commit));
    }
    let list = ListName::Conversions;
    let referred = ListQuery::of_party(goes.program, goes.source, list, 50);
    let bought = ListQuery::of_referee(goes.program, goes.source, 50);
    for query in [referred, bought] {
        if let Some(commit) = conversions(view, goes, query).await? {
            return Ok(Some(commit));
        }
    }
    surveys(view, goes).await
}

/// One redemption: first its parts, then itself with its name.
async fn redemptions(view: &View, goes: Move) -> Result<Option<Commit>, Undone> {
    let (program, from, to) = (goes.program, goes.source, goes.target);
    let prefix = keys::redemptions(program, from);
    let found: Vec<Redemption> = view.store.starting_with(&prefix, 1).await?;
    let Some(redemption) = found.first() else {
        return Ok(None);
    };
    let mut commit = view.commit();
    commit.not_merged(to);
    let parts = keys::redemption_parts(program, from, redemption.id);
    let parts = view.store.numbered::<RedemptionPart>(&parts, PARTS).await?;
    for (number, part) in &parts {
        commit.carry_redemption_part(redemption, to, part, *number);
    }
    if parts.is_empty() {
        let key = keys::redemption_by_name(program, to, &redemption.external_id);
        let taken = view.store.get_one::<RedemptionName>(key).await?.is_some();
        commit.carry_redemption(redemption, to, !taken);
    }
    Ok(Some(commit))
}

/// Those of a page that are still where they were.
async fn left<T: Entity>(
    view: &View,
    mut query: ListQuery,
    names: impl Fn(&T) -> bool,
) -> Result<Vec<T>, Undone> {
    loop {
        let page = view.store.list::<T>(&query).await?;
        // The list lags: what it shows may be carried over already.
        let left: Vec<T> = page.items.into_iter().filter(&names).take(STEP).collect();
        if !left.is_empty() {
            return Ok(left);
        }
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok(left),
        }
    }
}

/// The bonds of those whom the source has referred.
async fn bonds(view: &View, goes: Move) -> Result<Option<Commit>, Undone> {
    let query = ListQuery::of_party(goes.program, goes.source, ListName::Referrals, 50);
    let names = |bond: &Referral| bond.referrer_id == goes.source;
    let found = left(view, query, names).await?;
    let mut commit = view.commit();
    for bond in &found {
        let mut next = bond.clone();
        next.referrer_id = goes.target;
        next.version = bond.version.saturating_add(1);
        commit.referral(goes.program, &next, Was::Version(bond.version));
    }
    commit.not_merged(goes.target);
    Ok((!found.is_empty()).then_some(commit))
}

/// Conversions that the source has made, or led to.
async fn conversions(view: &View, goes: Move, query: ListQuery) -> Result<Option<Commit>, Undone> {
    let names = |conversion: &Conversion| {
        let chosen = conversion.attribution.chosen.as_ref();
        conversion.referee_id == goes.source
            || chosen.is_some_and(|chosen| chosen.referrer_id == goes.source)
    };
    let found = left(view, query, names).await?;
    let mut commit = view.commit();
    for conversion in &found {
        let mut next = conversion.clone();
        if next.referee_id == goes.source {
            next.referee_id = goes.target;
        }
        if let Some(chosen) = &mut next.attribution.chosen
            && chosen.referrer_id == goes.source
        {
            chosen.referrer_id = goes.target;
        }
        next.version = conversion.version.saturating_add(1);
        commit.conversion(&next, Was::Version(conversion.version));
    }
    commit.not_merged(goes.target);
    Ok((!found.is_empty()).then_some(commit))
}

/// When the source was asked last, by each rule: of the two the later counts, so that nobody is asked
/// sooner for having been two. Early in the merge, since the target may be asked at any time.
pub(super) async fn asked(view: &View, goes: Move) -> Result<Option<Commit>, Undone> {
    let (program, from, to) = (goes.program, goes.source, goes.target);
    let rules = view.program.surveys.iter().map(|rule| &rule.id);
    let places: Vec<_> = rules
        .map(|rule| {
            (
                rule,
                keys::asked(program, from, rule),
                keys::asked(program, to, rule),
            )
        })
        .collect();
    if places.is_empty() {
        return Ok(None);
    }
    let wanted = places
        .iter()
        .flat_map(|(_, of_source, of_target)| [of_source, of_target]);
    let loaded = view.store.get(wanted.cloned()).await?;
    let mut commit = view.commit();
    let mut found = false;
    for (rule, of_source, of_target) in &places {
        if let Some(asked) = loaded.read::<Asked>(of_source)? {
            let there: Option<Asked> = loaded.read(of_target)?;
            commit.carry_asked(program, (from, to), rule, (&asked, there.as_ref()));
            found = true;
        }
    }
    commit.not_merged(to);
    Ok(found.then_some(commit))
}

/// Surveys that the source was or will be asked. One that is being sent is left to its sender.
async fn surveys(view: &View, goes: Move) -> Result<Option<Commit>, Undone> {
    let query = ListQuery::of_party(goes.program, goes.source, ListName::Surveys, 50);
    let names = |survey: &Survey| {
        survey.participant_id == goes.source && survey.state != SurveyState::Sending
    };
    let found = left(view, query, names).await?;
    let mut commit = view.commit();
    for survey in &found {
        let mut next = survey.clone();
        next.participant_id = goes.target;
        next.version = survey.version.saturating_add(1);
        commit.survey(&next, Was::Version(survey.version));
    }
    commit.not_merged(goes.target);
    Ok((!found.is_empty()).then_some(commit))
}
