//! The transaction that begins a merge: from it on the source is the target.

use std::collections::BTreeSet;

use kith_contract::problems::Code;
use kith_domain::email::IdentityKey;
use kith_domain::fact::{Fact, FactKind};
use kith_domain::id::ParticipantId;
use kith_domain::merge::{self, Below, Bonds, Chains, Kept, Merge};
use kith_domain::participant::{Participant, Referral};
use kith_edge::desk::View;
use kith_edge::http::{Fault, Problem};
use kith_edge::session::Ended;
use kith_store::items::{CodeRecord, Lookup};
use kith_store::keys;
use kith_store::tree::{Above, DEPTH_MAX, Tree};
use kith_store::{Commit, Was};

use super::refused;
use crate::person::email_key;

/// The two, with the bonds above them.
pub(super) struct Pair {
    source: Participant,
    target: Participant,
    source_bond: Option<Referral>,
    target_bond: Option<Referral>,
    above_source: Above,
    above_target: Above,
}

impl Pair {
    /// Reads what the merge of two rests on, and whether it may be. Both and their bonds were read.
    pub(super) async fn read(
        view: &mut View,
        source: ParticipantId,
        target: ParticipantId,
    ) -> Result<Self, Ended> {
        let program = view.program.id;
        let (store, loaded) = (&view.store, &mut view.loaded);
        let source: Option<Participant> = loaded.read(&keys::participant(program, source))?;
        let source = source.ok_or_else(|| Problem::not_found("participant"))?;
        let Some(target) = loaded.read::<Participant>(&keys::participant(program, target))? else {
            let fault = Fault::new("/into", "there is no such participant");
            return Err(Problem::invalid_request(vec![fault]).into());
        };
        merge::check(&source, &target).map_err(refused)?;
        let open = keys::open_redemptions(program, source.id);
        if store.holds_any(&open).await? {
            let detail = "Points of the participant are being spent.";
            return Err(Problem::of(Code::RedemptionOpen, detail).into());
        }
        let mut tree = Tree::of_people(program);
        let above = store
            .above(&mut tree, loaded, source.id, &[], DEPTH_MAX)
            .await?;
        let above_target = store
            .above(&mut tree, loaded, target.id, &[], DEPTH_MAX)
            .await?;
        if !(above.complete && above_target.complete) {
            let detail = format!("More than {DEPTH_MAX} levels stand above them.");
            return Err(Problem::of(Code::ReferralLoop, detail).into());
        }
        Ok(Self {
            source_bond: loaded.read(&keys::referral(program, source.id))?,
            target_bond: loaded.read(&keys::referral(program, target.id))?,
            source,
            target,
            above_source: above,
            above_target,
        })
    }

    /// Which of the two stands below the other.
    pub(super) fn below(&self) -> Option<Below> {
        let chains = Chains {
            source: &self.above_source.ids,
            target: &self.above_target.ids,
        };
        Below::of(self.source.id, self.target.id, chains)
    }

    /// What becomes of their bonds.
    pub(super) fn bonds(&self) -> Bonds<'_> {
        let (source, target) = (self.source_bond.as_ref(), self.target_bond.as_ref());
        Bonds::of(source, target, self.below())
    }

    /// Writes everything but the merge itself.
    pub(super) async fn begin(
        &self,
        commit: &mut Commit,
        view: &mut View,
        identity: &IdentityKey,
        merge: &Merge,
    ) -> Result<(), Ended> {
        let (gone, kept) = merge::merged(&self.source, &self.target);
        let (program, source, target) = (gone.program, gone.id, kept.id);
        commit
            .participant(&gone, Was::Version(self.source.version))
            .participant(&kept, Was::Version(self.target.version))
            .fence(program, source, target);
        self.lead_here(commit, view, identity).await?;
        self.write_bonds(commit);
        self.write_tops(commit, view)?;
        commit.wake_merge(merge).fact(Fact {
            participant_id: Some(source),
            merged_into: Some(target),
            merge_id: Some(merge.id),
            ..Fact::new(FactKind::ParticipantMerged)
        });
        Ok(())
    }

    /// What led to the source leads to the target: external id, mail address, codes.
    async fn lead_here(
        &self,
        commit: &mut Commit,
        view: &mut View,
        identity: &IdentityKey,
    ) -> Result<(), Ended> {
        let (program, mode) = (view.program.id, view.program.mode);
        let (from, to) = (self.source.id, self.target.id);
        let codes = self.source.codes.iter();
        let codes: Vec<_> = codes.map(|own| keys::code(mode, &own.code)).collect();
        let external_id = self.source.external_id.as_ref();
        let by_id = external_id.map(|id| keys::external(program, id));
        let email = self.source.email.as_ref();
        let by_email = email.map(|email| email_key(identity, program, email));
        let wanted = codes.iter().chain(&by_id).chain(&by_email);
        view.load(wanted.cloned().collect::<Vec<_>>()).await?;
        let leads = |key: &keys::Key| -> Result<bool, Ended> {
            let lookup: Option<Lookup> = view.loaded.read(key)?;
            Ok(lookup.is_some_and(|lookup| lookup.participant_id == from))
        };
        if let Some((id, key)) = external_id.zip(by_id)
            && leads(&key)?
        {
            commit.move_external_id(program, id, from, to);
        }
        if let Some((email, key)) = email.zip(by_email)
            && leads(&key)?
        {
            let hash = email.hash(identity, &program.to_string());
            commit.move_email(program, &hash, from, to);
        }
        for key in codes {
            let record: Option<CodeRecord> = view.loaded.read(&key)?;
            if let Some(record) = record.filter(|record| record.participant_id == from) {
                let participant_id = to;
                commit.switch_code(&CodeRecord {
                    participant_id,
                    ..record
                });
            }
        }
        Ok(())
    }

    fn write_bonds(&self, commit: &mut Commit) {
        let (program, target) = (self.target.program, self.target.id);
        let was = self.source_bond.as_ref();
        let pointer = Referral::pointer(&self.source, target, was);
        let was = was.map_or(Was::Absent, |bond| Was::Version(bond.version));
        commit.pointer(program, &pointer, was);
        let Bonds { kept, dissolved } = self.bonds();
        // The target's own bond, unless it stays.
        let replaced = dissolved.filter(|bond| bond.referee_id == target);
        match (kept, replaced) {
            (Some(Kept::Target(_)), _) | (None, None) => {}
            (Some(Kept::Source(bond)), replaced) => {
                let version = replaced.map_or(1, |bond| bond.version.saturating_add(1));
                let was = replaced.map_or(Was::Absent, |bond| Was::Version(bond.version));
                let taken = merge::taken_over(bond, target, version);
                commit.referral(program, &taken, was);
            }
            (None, Some(bond)) => _ = commit.no_referral(program, bond),
        }
    }

    /// A merge moves everybody below the source. So that it closes no loop together with a bond or
    /// another merge of the same instant, whoever stands at the top of either chain has to stand there
    /// still, and is written: who binds them insists on having read them as they are.
    fn write_tops(&self, commit: &mut Commit, view: &View) -> Result<(), Ended> {
        let program = self.target.program;
        let (source, target) = (self.source.id, self.target.id);
        let top = |above: &Above, id| above.ids.last().copied().unwrap_or(id);
        let tops: BTreeSet<_> = [
            top(&self.above_source, source),
            top(&self.above_target, target),
        ]
        .into_iter()
        .collect();
        let taken = matches!(self.bonds().kept, Some(Kept::Source(_)));
        for id in tops {
            if id == target && !taken && self.target_bond.is_none() {
                commit.unbound(program, target);
            }
            if id == source || id == target {
                continue;
            }
            let person: Option<Participant> = view.loaded.read(&keys::participant(program, id))?;
            let Some(person) = person else {
                continue;
            };
            let touched = Participant {
                version: person.version.saturating_add(1),
                ..person.clone()
            };
            commit
                .unbound(program, id)
                .participant(&touched, Was::Version(person.version));
        }
        Ok(())
    }
}
