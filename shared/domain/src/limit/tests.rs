use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn at(microsecond: i64) -> Timestamp {
    Timestamp::from_microsecond(microsecond).unwrap()
}

const START: i64 = 1_772_366_400_000_000;

#[test]
fn a_bucket_gives_its_burst_and_then_what_comes_in() {
    let limit = Limit::new(60, 3);
    let mut level = None;
    for _ in 0..3 {
        level = Some(limit.taking(1, at(START)).of(level).unwrap());
    }
    assert_eq!(limit.taking(1, at(START)).of(level), None);
    assert_eq!(limit.room(level.unwrap(), at(START)), 0);
    assert_eq!(limit.seconds_until(1, level.unwrap(), at(START)), 1);
    assert_eq!(limit.seconds_until(3, level.unwrap(), at(START)), 3);
    let later = at(START + SECOND_US);
    assert_eq!(limit.room(level.unwrap(), later), 1);
    level = limit.taking(1, later).of(level);
    assert_eq!(limit.taking(1, later).of(level), None);
    // However long nobody calls, it never holds more than the burst.
    let much_later = at(START + 1_000 * SECOND_US);
    assert_eq!(limit.room(level.unwrap(), much_later), 3);
    assert!(limit.taking(3, much_later).of(level).is_some());
}

#[test]
fn a_limit_says_what_it_is() {
    let limit = Limit::new(6_000, 1_000);
    assert_eq!((limit.window_seconds(), limit.lease_max()), (10, 50));
    let small = limit.scaled_to(60);
    assert_eq!((small.burst(), small.window_seconds()), (10, 10));
    assert_eq!(limit.scaled_to(1).burst(), 10);
    assert_eq!(limit.scaled_to(12_000).burst(), 2_000);
    assert_eq!(Limit::new(0, 0), Limit::new(1, 1));
    // A rate that does not divide the minute is rounded against the caller.
    assert!(Limit::new(7, 1).interval() * 7 >= MINUTE_US);
}

/// A function of many instances serves a call in each: that must not look like a flood.
#[test]
fn a_first_lease_is_one_and_a_busy_instance_takes_more() {
    let limit = Limit::new(6_000, 1_000);
    let mut share = Share::default();
    let mut level = None;
    let mut asked = Vec::new();
    for call in 0..200 {
        let now = at(START + call);
        if let Step::Ask(calls) = share.serve(limit, now) {
            asked.push(calls);
            level = limit.taking(calls, now).of(level);
            share.granted(calls, level.unwrap(), now);
            assert_eq!(share.serve(limit, now), Step::Admitted);
        }
    }
    assert_eq!(asked, [1, 2, 4, 8, 16, 32, 50, 50, 50]);
    // After a pause it takes as many as it used.
    let now = at(START + LEASE_LIFE_US + 200);
    assert_eq!(share.serve(limit, now), Step::Ask(37));
}

/// Calls over the limit cost the table nothing until a whole lease has come together.
#[test]
fn what_was_refused_is_refused_from_memory() {
    let limit = Limit::new(6_000, 1_000);
    let full = Level(START + limit.worth(1_000));
    let mut share = Share::default();
    assert_eq!(share.serve(limit, at(START)), Step::Ask(1));
    share.refused(full);
    let told = share.standing(limit, at(START));
    assert_eq!((told.remaining, told.seconds), (0, 1));
    for wait in [0, 10_000, 499_999] {
        assert_eq!(share.serve(limit, at(START + wait)), Step::Refused);
    }
    assert_eq!(share.serve(limit, at(START + 500_000)), Step::Ask(1));
}

#[test]
fn a_table_that_cannot_be_asked_lets_calls_pass_for_a_moment() {
    let limit = Limit::new(60, 20);
    let mut share = Share::default();
    share.unreachable(limit, at(START));
    assert_eq!(share.serve(limit, at(START)), Step::Admitted);
    assert_eq!(share.serve(limit, at(START)), Step::Ask(1));
    share.unreachable(limit, at(START));
    assert_eq!(share.serve(limit, at(START + TRUCE_US)), Step::Ask(1));
}

/// A call: in how many microseconds after the one before, and to which instance.
fn history() -> impl Strategy<Value = Vec<(i64, usize)>> {
    vec((0..400_000_i64, 0..4_usize), 1..600)
}

proptest! {
    /// Whatever instances do, and however wrong their clocks are: from any call to any later one
    /// there are never more than the burst, what came in meanwhile and during a lease's life, and
    /// what the clocks are apart. From the first call on, the lease's life does not count.
    #[test]
    fn never_more_than_the_burst_and_what_comes_in(
        calls in history(),
        per_minute in 1_u32..6_000,
        burst in 1_u32..200,
        skews in proptest::array::uniform4(-2_000_000_i64..2_000_000),
    ) {
        let limit = Limit::new(per_minute, burst);
        let mut shares = [Share::default(); 4];
        let mut level = None;
        let mut now = START;
        let mut admitted = Vec::new();
        for (after, who) in calls {
            now += after;
            let clock = at(now + skews[who]);
            let share = &mut shares[who];
            let mut step = share.serve(limit, clock);
            if let Step::Ask(calls) = step {
                match limit.taking(calls, clock).of(level) {
                    Some(taken) => {
                        level = Some(taken);
                        share.granted(calls, taken, clock);
                    }
                    None => share.refused(level.unwrap()),
                }
                step = share.serve(limit, clock);
            }
            if step == Step::Admitted {
                admitted.push(now);
            }
        }
        let apart = skews.iter().max().unwrap() - skews.iter().min().unwrap();
        let most = |time: i64| i64::from(burst) + time / limit.interval() + 1;
        for (from, start) in admitted.iter().enumerate() {
            for (to, end) in admitted.iter().enumerate().skip(from) {
                let count = i64::try_from(to - from + 1).unwrap();
                let life = if from == 0 { 0 } else { LEASE_LIFE_US };
                prop_assert!(count <= most(end - start + life + apart));
            }
        }
    }

    /// What the bucket says of its room is what it gives.
    #[test]
    fn room_is_what_can_be_taken(
        per_minute in 1_u32..PER_MINUTE_MAX,
        burst in 1_u32..BURST_MAX,
        ahead in -10_000_000_i64..700_000_000,
    ) {
        let limit = Limit::new(per_minute, burst);
        let level = Level(START + ahead);
        let room = limit.room(level, at(START));
        prop_assert!(room <= burst);
        if room > 0 {
            prop_assert!(limit.taking(room, at(START)).of(Some(level)).is_some());
        }
        if room < burst {
            prop_assert!(limit.taking(room + 1, at(START)).of(Some(level)).is_none());
        }
    }
}
