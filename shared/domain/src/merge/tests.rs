use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::audit::Actor;
use crate::participant::{OwnCode, ReferralState};

fn id(number: u8) -> ParticipantId {
    ParticipantId::new(Timestamp::UNIX_EPOCH, [number; 10])
}

fn person(number: u8) -> Participant {
    let program = ProgramId::new(Timestamp::UNIX_EPOCH, [0; 10]);
    Participant {
        version: 1,
        ..Participant::unknown(id(number), program, Timestamp::UNIX_EPOCH, Actor::Operator)
    }
}

fn own(code: &str, kind: CodeKind, active: bool) -> OwnCode {
    OwnCode {
        code: code.parse().unwrap(),
        kind,
        active,
    }
}

fn bond(referee: u8, referrer: u8) -> Referral {
    Referral {
        id: ReferralId::new(Timestamp::UNIX_EPOCH, [referee; 10]),
        referrer_id: id(referrer),
        referee_id: id(referee),
        path: Vec::new(),
        created_at: Timestamp::UNIX_EPOCH,
        channel: None,
        touch_at: None,
        lead_at: None,
        first_qualified_at: None,
        referrer_joined_at: Timestamp::UNIX_EPOCH,
        state: ReferralState::Bound,
        merged: false,
        version: 3,
    }
}

#[test]
fn whoever_is_merged_or_suspended_or_the_same_is_refused() {
    let (ann, bea) = (person(1), person(2));
    assert_eq!(check(&ann, &bea), Ok(()));
    assert_eq!(check(&ann, &ann), Err(MergeError::Itself));
    let (gone, kept) = merged(&ann, &bea);
    let is = MergeError::Merged {
        participant: ann.id,
        into: bea.id,
    };
    assert_eq!(check(&gone, &kept), Err(is));
    assert_eq!(check(&kept, &gone), Err(is));
    let mut held = ann.clone();
    held.state = ParticipantState::Suspended;
    assert_eq!(check(&held, &bea), Err(MergeError::Suspended(ann.id)));
    assert_eq!(check(&bea, &held), Err(MergeError::Suspended(ann.id)));
}

#[test]
fn together_they_are_bounded() {
    let (mut ann, mut bea) = (person(1), person(2));
    let code = |number| own(&format!("code-{number:02}"), CodeKind::Generated, true);
    ann.codes = (0..30).map(code).collect();
    bea.codes = (30..50).map(code).collect();
    assert_eq!(check(&ann, &bea), Ok(()));
    bea.codes.push(code(50));
    assert_eq!(check(&ann, &bea), Err(MergeError::TooManyCodes));
    bea.codes.clear();
    ann.merged_from = (10..20).map(id).collect();
    bea.merged_from = (20..29).map(id).collect();
    assert_eq!(check(&ann, &bea), Ok(()));
    bea.merged_from.push(id(30));
    assert_eq!(check(&ann, &bea), Err(MergeError::TooMany));
}

/// All codes work on, and the one to share stays the target's.
#[test]
fn the_target_takes_in_what_it_lacks_and_keeps_its_own() {
    let (mut ann, mut bea) = (person(1), person(2));
    ann.codes = vec![
        own("ann-gen", CodeKind::Generated, true),
        own("ANN", CodeKind::Vanity, true),
    ];
    bea.codes = vec![own("bea-gen", CodeKind::Generated, true)];
    ann.external_id = Some("ann".parse().unwrap());
    bea.external_id = Some("bea".parse().unwrap());
    ann.email = Some("ann@example.com".parse().unwrap());
    ann.merged_from = vec![id(7)];
    let (gone, kept) = merged(&ann, &bea);
    assert_eq!(
        (gone.state, gone.merged_into),
        (ParticipantState::Merged, Some(bea.id))
    );
    assert_eq!((gone.codes.len(), kept.codes.len()), (0, 3));
    assert_eq!(kept.external_id, bea.external_id);
    assert_eq!(kept.email, ann.email);
    assert_eq!(kept.merged_from, [ann.id, id(7)]);
    assert_eq!((gone.version, kept.version), (2, 2));
    bea.codes.push(own("BEA", CodeKind::Vanity, true));
    assert_eq!(merged(&ann, &bea).1.code(), bea.code());
    bea.codes.pop();
    ann.codes.pop();
    assert_eq!(merged(&ann, &bea).1.code(), bea.code());
}

#[test]
fn the_one_below_is_found_with_what_it_shows() {
    let (ann, bea, mid) = (id(1), id(2), id(3));
    let of = |source: &[ParticipantId], target: &[ParticipantId]| {
        Below::of(ann, bea, Chains { source, target })
    };
    assert_eq!(of(&[mid], &[mid]), None);
    assert_eq!(of(&[bea], &[]), Some(Below::Source(1)));
    assert_eq!(of(&[mid, bea], &[]), Some(Below::Source(2)));
    assert_eq!(of(&[], &[mid, ann]), Some(Below::Target(2)));
    assert_eq!(Below::Source(1).finding(), Finding::SelfReferral);
    assert_eq!(Below::Target(1).finding(), Finding::SelfReferral);
    assert_eq!(Below::Target(2).finding(), Finding::Loop);
}

/// A forest: who stands directly above whom, always somebody with a lower number.
fn forest() -> impl Strategy<Value = Vec<Option<u8>>> {
    let parents: Vec<_> = (0u8..12)
        .map(|number| {
            if number == 0 {
                Just(None).boxed()
            } else {
                prop::option::weighted(0.8, 0..number).boxed()
            }
        })
        .collect();
    parents
}

fn chain(above: &[Option<u8>], of: u8) -> Vec<ParticipantId> {
    let (mut ids, mut at) = (Vec::new(), of);
    while let Some(next) = above[usize::from(at)] {
        ids.push(id(next));
        at = next;
        assert!(ids.len() <= above.len(), "a loop");
    }
    ids
}

proptest! {
    /// Whatever two of a forest become one: with the bonds that are kept it is a forest still, the two
    /// have one bond at most, and nobody else's bond changes.
    #[test]
    fn a_merge_leaves_a_forest(above in forest(), source in 0u8..12, target in 0u8..12) {
        prop_assume!(source != target);
        let own = |of: u8| above[usize::from(of)].map(|to| bond(of, to));
        let (chain_source, chain_target) = (chain(&above, source), chain(&above, target));
        let chains = Chains { source: &chain_source, target: &chain_target };
        let below = Below::of(id(source), id(target), chains);
        let (mine, theirs) = (own(source), own(target));
        let bonds = Bonds::of(mine.as_ref(), theirs.as_ref(), below);
        prop_assert_eq!(bonds.dissolved.is_some(), below.is_some());
        let mut after = above.clone();
        after[usize::from(source)] = None;
        after[usize::from(target)] = match bonds.kept {
            None => None,
            Some(Kept::Target(_)) => above[usize::from(target)],
            Some(Kept::Source(bond)) => {
                let taken = taken_over(bond, id(target), 1);
                prop_assert_eq!(taken.referee_id, id(target));
                above[usize::from(source)]
            }
        };
        for to in after.iter_mut().flatten() {
            if *to == source {
                *to = target;
            }
        }
        for of in 0..12 {
            let above_them = chain(&after, of);
            prop_assert!(!above_them.contains(&id(of)));
        }
        let kept = usize::from(bonds.kept.is_some()) + usize::from(bonds.dissolved.is_some());
        let had = usize::from(mine.is_some()) + usize::from(theirs.is_some());
        // Of two that stay apart the source's is the one that is not carried over.
        prop_assert!(kept == had || (kept == 1 && had == 2 && below.is_none()));
    }
}
