//! Finds the referrer of a conversion, where the referee may be bound, and who stands above.

use std::collections::BTreeSet;

use jiff::Timestamp;
use kith_domain::attribution::{self, Attribution, Bond, Evidence, PresentedOffer};
use kith_domain::id::ParticipantId;
use kith_domain::incentive::Party;
use kith_domain::offer::Offer;
use kith_domain::participant::{Participant, Referral};
use kith_domain::program::Program;
use kith_domain::reward::Beneficiary;
use kith_domain::text::EventName;
use kith_edge::desk::View;
use kith_edge::session::Ended;
use kith_store::items::{Counters, StoredOffer};
use kith_store::tree::{Place, Tree};
use kith_store::{Commit, Was, keys};

use crate::Recording;
use crate::budgets;
use crate::parties::{Referee, Referrers};
use crate::report::Report;
use crate::vouchers::Named;

/// The referrer of a conversion, with what the decision needs to know about them.
#[derive(Debug)]
pub(crate) struct Found {
    /// Who, and their counters.
    pub(crate) referrer: (Participant, Counters),
    /// Where the referee is bound, if they are not yet.
    pub(crate) place: Place,
    /// Who stood above the referrer, for a new bond to remember.
    pub(crate) path: Vec<ParticipantId>,
    /// Who stands above the referrer now, nearest first, as far as the rules ask.
    pub(crate) upline: Vec<Party>,
}

/// What is looked for.
#[derive(Clone, Copy)]
pub(crate) struct Search<'a> {
    /// What happened.
    pub(crate) event: &'a EventName,
    /// When.
    pub(crate) occurred_at: Timestamp,
    /// The rules that were in force then.
    pub(crate) rules: &'a Program,
    /// The referee.
    pub(crate) referee: &'a Referee,
    /// The vouchers that are named.
    pub(crate) named: &'a Named,
}

impl Search<'_> {
    /// How many levels above the referrer earn.
    fn levels(&self) -> u8 {
        let rules = self.rules.incentives.iter();
        let of_event = rules.filter(|incentive| &incentive.on == self.event);
        let levels = of_event.map(|incentive| match incentive.beneficiary {
            Beneficiary::Upline(level) => level,
            Beneficiary::Referrer | Beneficiary::Referee => 0,
        });
        levels.max().unwrap_or(0)
    }

    /// A tree of which as much is read as the rules need.
    fn tree(&self, view: &View) -> Tree {
        if self.levels() == 0 {
            Tree::of_bonds(view.program.id)
        } else {
            Tree::of_people(view.program.id)
        }
    }

    /// Loads whoever may be the referrer, with everything that the decision rests on, in one request.
    async fn load(
        &self,
        view: &mut View,
        tree: &mut Tree,
        candidates: BTreeSet<ParticipantId>,
    ) -> Result<Referrers, Ended> {
        let mut wanted = budgets::keys(self.rules, self.event, view);
        wanted.extend(self.named.lots());
        match &self.referee.bond {
            None => wanted.extend(tree.keys(candidates.iter().copied())),
            Some(bond) if self.levels() > 0 => {
                let path = bond.path.iter().copied().take(self.levels().into());
                wanted.extend(tree.keys(std::iter::once(bond.referrer_id).chain(path)));
            }
            Some(_) => {}
        }
        Referrers::load(view, candidates, wanted).await
    }

    /// Attributes by the evidence of a report.
    pub(crate) async fn by_evidence(
        &self,
        recording: &Recording,
        view: &mut View,
        report: &Report,
    ) -> Result<(Attribution, Option<Found>), Ended> {
        let bond = self.referee.bond.as_ref().map(|bond| Bond {
            referrer_id: bond.referrer_id,
            channel: bond.channel,
        });
        let offers = self.named.offers(self.occurred_at);
        let bound = bond.iter().map(|bond| bond.referrer_id);
        let mut candidates: BTreeSet<ParticipantId> = bound.collect();
        candidates.extend(offers.iter().map(|offer| offer.referrer_id));
        candidates.extend(recording.owners.of(view, &report.touched_codes())?);
        let mut tree = self.tree(view);
        let referrers = self.load(view, &mut tree, candidates).await?;
        let merged = referrers.merged();
        if !merged.is_empty() {
            return Err(self.mend(view, &merged).await?);
        }
        let codes = report.referral_codes(self.named);
        // Each turn finds one of them below the referee, so there are no more turns than candidates.
        let mut below = BTreeSet::new();
        loop {
            let known = |id| referrers.as_referrer(id, self.referee, &recording.identity, &below);
            let offers: Vec<PresentedOffer<'_>> = offers
                .iter()
                .map(|offer| PresentedOffer {
                    offer,
                    referrer: known(offer.referrer_id),
                })
                .collect();
            let evidence = Evidence {
                bond,
                offers: &offers,
                tokens: &report.tokens,
                codes: &codes,
                occurred_at: self.occurred_at,
            };
            let attribution = attribution::attribute(self.rules.attribution, &evidence, |code| {
                Referrers::owner(view, code, known)
            });
            let chosen = attribution.chosen.as_ref().map(|chosen| chosen.referrer_id);
            let referrer = chosen.and_then(|id| referrers.get(id));
            let Some(referrer) = referrer else {
                return Ok((attribution, None));
            };
            match self.found(view, &mut tree, referrer).await? {
                Some(found) => return Ok((attribution, Some(found))),
                None => below.insert(referrer.0.id),
            };
        }
    }

    /// What names somebody who was merged names from now on who they are, and all is decided again. It is
    /// carried over anyway, a moment later.
    async fn mend(
        &self,
        view: &mut View,
        merged: &BTreeSet<ParticipantId>,
    ) -> Result<Ended, Ended> {
        let mut commit = view.commit();
        let bond = self.referee.bond.as_ref();
        if let Some(bond) = bond.filter(|bond| merged.contains(&bond.referrer_id)) {
            mend_bond(view, &mut commit, bond).await?;
        }
        for stored in self.named.offers_of(merged) {
            let (store, loaded) = (&view.store, &mut view.loaded);
            let referrer = stored.offer.referrer_id;
            let referrer_id = store.present(view.program.id, loaded, referrer).await?;
            let offer = Offer {
                referrer_id,
                version: stored.offer.version.saturating_add(1),
                ..stored.offer.clone()
            };
            let forget_at = stored.forget_at;
            let was = Was::Version(stored.offer.version);
            commit.offer(&StoredOffer { offer, forget_at }, was);
        }
        view.write(commit).await?;
        Ok(Ended::Outdated)
    }

    /// The referrer that the owner named; `None` if the referee stands above them.
    pub(crate) async fn by_hand(
        &self,
        view: &mut View,
        referrer: ParticipantId,
    ) -> Result<ByHand, Ended> {
        let mut tree = self.tree(view);
        let referrers = self
            .load(view, &mut tree, BTreeSet::from([referrer]))
            .await?;
        let Some(referrer) = referrers.get(referrer) else {
            return Ok(ByHand::Nobody);
        };
        let found = self.found(view, &mut tree, referrer).await?;
        let person = || Box::new(referrer.0.clone());
        Ok(match found {
            Some(found) => ByHand::Found(Box::new(found)),
            None => ByHand::Loop(person()),
        })
    }

    async fn found(
        &self,
        view: &mut View,
        tree: &mut Tree,
        referrer: &(Participant, Counters),
    ) -> Result<Option<Found>, Ended> {
        let id = referrer.0.id;
        let program = view.program.id;
        let (store, loaded) = (&view.store, &mut view.loaded);
        let place = match &self.referee.bond {
            Some(_) => Some(Place::Free),
            None => {
                let referee = self.referee.before();
                store.place(tree, loaded, referee, id).await?
            }
        };
        let Some(place) = place else { return Ok(None) };
        let mut upline = Vec::new();
        let mut path = Vec::new();
        if self.levels() > 0 {
            let hint = self.referee.bond.iter().flat_map(|bond| &bond.path);
            let hint: Vec<ParticipantId> = hint.copied().collect();
            let levels = self.levels().into();
            let above = store.above(tree, loaded, id, &hint, levels).await?;
            for above in above.ids {
                let person: Option<Participant> =
                    loaded.read(&keys::participant(program, above))?;
                upline.push(Party {
                    id: above,
                    active: person.is_some_and(|person| person.is_active()),
                });
            }
        }
        if self.referee.bond.is_none() {
            let above: Option<Referral> = loaded.read(&keys::referral(program, id))?;
            path = Referral::path_below(above.as_ref());
        }
        Ok(Some(Found {
            referrer: referrer.clone(),
            place,
            path,
            upline,
        }))
    }
}

/// A bond whose referrer was merged names whom they are now.
async fn mend_bond(
    view: &mut View,
    commit: &mut Commit,
    bond: &Referral,
) -> Result<ParticipantId, Ended> {
    let (store, loaded) = (&view.store, &mut view.loaded);
    let program = view.program.id;
    let referrer_id = store.present(program, loaded, bond.referrer_id).await?;
    let mended = Referral {
        referrer_id,
        version: bond.version.saturating_add(1),
        ..bond.clone()
    };
    commit
        .referral(program, &mended, Was::Version(bond.version))
        .not_merged(referrer_id);
    Ok(referrer_id)
}

/// Has the referee's bond name who its referrer is now, before anybody is compared with them.
///
/// # Errors
/// [`Ended::Outdated`], when it was mended.
pub(crate) async fn bond_names_present(view: &mut View, referee: &Referee) -> Result<(), Ended> {
    let Some(bond) = &referee.bond else {
        return Ok(());
    };
    let mut commit = view.commit();
    if mend_bond(view, &mut commit, bond).await? == bond.referrer_id {
        return Ok(());
    }
    view.write(commit).await?;
    Err(Ended::Outdated)
}

/// What comes of a referrer named by hand.
#[derive(Debug)]
pub(crate) enum ByHand {
    /// There is no such participant.
    Nobody,
    /// The referee stands above them.
    Loop(Box<Participant>),
    /// They can be the referrer.
    Found(Box<Found>),
}
