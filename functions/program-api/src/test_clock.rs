//! `POST P/test-clock/advance`: time passes in a test program.
//!
//! The clock does not jump to the end: it steps through the instants at which something is due, in
//! their order, and at each of them the work that is due goes through the ordinary queues and
//! workers, so that what follows from it is due at its own time too.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kith_contract::requests::ADVANCE_SECONDS_MAX;
use kith_contract::scalar::At;
use kith_domain::audit::ObjectKind;
use kith_edge::audit::Change;
use kith_edge::desk::View;
use kith_edge::http::{Fault, Problem, Response};
use kith_edge::json;
use kith_edge::session::Ended;
use kith_edge::wire;
use kith_store::items::ProgramClock;
use kith_store::{CommitError, DueEntry, keys};
use tokio::time::{Instant, sleep};

use crate::call::{Body, Call, test_only};

/// The longest that a call lasts.
const PATIENCE: Duration = Duration::from_secs(20);
/// What is kept of the invocation's time for the answer.
const RESERVE: SignedDuration = SignedDuration::from_secs(4);
/// How long to let workers work before looking again.
const PAUSE: Duration = Duration::from_millis(20);
/// How long to wait before the second look at nothing.
const SECOND_LOOK: Duration = Duration::from_millis(50);
/// The clock ticks on between two calls, so a call that is repeated with its `until` may find it
/// passed; further back it is taken for a mistake.
const PASSED_MAX: SignedDuration = SignedDuration::from_mins(10);
/// Entries looked at together.
const ENTRIES_MAX: u16 = 100;

enum Advance {
    Seconds(i64),
    Until(Timestamp),
}

impl Advance {
    fn read((mut body, mut faults): Body) -> Result<Self, Problem> {
        let seconds = json::integer_in(1..=ADVANCE_SECONDS_MAX);
        let seconds = body.optional("seconds", &mut faults, seconds);
        let until = body.optional("until", &mut faults, json::timestamp);
        body.finish(&mut faults);
        faults.into_result()?;
        match (seconds, until) {
            (Some(seconds), None) => Ok(Self::Seconds(seconds)),
            (None, Some(until)) => Ok(Self::Until(until)),
            (Some(_), Some(_)) | (None, None) => Err(Problem::invalid_request(vec![Fault::new(
                "",
                "must have either seconds or until",
            )])),
        }
    }

    /// The instant to come to, on the program's clock.
    fn target(&self, now: Timestamp) -> Result<Timestamp, Problem> {
        let at = |seconds| now.checked_add(SignedDuration::from_secs(seconds));
        let fault = |detail| Problem::invalid_request(vec![Fault::new("/until", detail)]);
        match *self {
            Self::Seconds(seconds) => at(seconds).map_err(|_| fault("is after the end of time")),
            Self::Until(until) if now.duration_since(until) > PASSED_MAX => Err(fault(
                "has passed on the program's clock, which never goes back",
            )),
            Self::Until(until) if at(ADVANCE_SECONDS_MAX).is_ok_and(|end| until > end) => {
                Err(fault("is more than ten years ahead"))
            }
            Self::Until(until) => Ok(until),
        }
    }
}

/// `POST P/test-clock/advance`.
pub(crate) async fn advance(call: Call) -> Result<Response, Ended> {
    let parsed = call.body().and_then(Advance::read);
    let (session, view, advance) = call.program(parsed, |_, _, _| Vec::new()).await?;
    test_only(&view)?;
    let mut until = advance.target(view.now)?;
    if matches!(advance, Advance::Seconds(_)) {
        let said = session.counting_from(until.to_string()).await?;
        until = said.parse().map_err(Problem::internal)?;
    }
    let clock = keys::clock(view.program.id);
    let clock = view
        .loaded
        .read::<ProgramClock>(&clock)?
        .unwrap_or_default();
    let mut walk = Walk {
        call: &call,
        view: &view,
        clock,
    };
    let settled = walk.to(until).await?;
    let answer = wire::ClockAdvanced {
        now: walk.now().into(),
        until: until.into(),
        settled,
    };
    // Each step is a transaction of its own, and a call that ends in between is repeated.
    let change = Change::of(ObjectKind::TestClock, view.program.id)
        .from(&BTreeMap::from([("now", At(view.now))]))
        .to(&answer)
        .written_before();
    session
        .finish(session.commit(), change, Response::json(200, &answer))
        .await
}

struct Walk<'a> {
    call: &'a Call,
    view: &'a View,
    clock: ProgramClock,
}

impl Walk<'_> {
    /// Steps until nothing is due at or before `until` and nothing is at work, then sets the clock
    /// to it. `false` when time ran out before.
    async fn to(&mut self, until: Timestamp) -> Result<bool, Ended> {
        let (store, program) = (&self.view.store, self.view.program.id);
        let give_up = self.give_up();
        let mut looked_once = false;
        while Instant::now() < give_up {
            // Work that a worker is at, or is about to be at, holds a lease in the due index:
            // released rewards, mails being sent, facts that somebody has to act on. It is written
            // in the transaction of whatever caused the work, so there is no instant between a step
            // and the next one at which neither shows.
            let leases = store.leases_of_test(program, None, 1).await?;
            if !leases.entries.is_empty() {
                looked_once = false;
                sleep(PAUSE).await;
                continue;
            }
            let due = store.due_test(program, until, ENTRIES_MAX).await?;
            if let Some(at) = due.entries.first().and_then(DueEntry::at) {
                looked_once = false;
                self.set(at).await?;
                if !self.wake(&due.entries).await? {
                    sleep(PAUSE).await;
                }
                continue;
            }
            // The index follows the table after a moment: nothing is believed at the second look.
            if looked_once {
                self.set(until).await?;
                return Ok(true);
            }
            looked_once = true;
            sleep(SECOND_LOOK).await;
        }
        Ok(false)
    }

    fn give_up(&self) -> Instant {
        let left = self
            .call
            .invocation
            .deadline
            .duration_since(self.real_now());
        let usable = left.saturating_sub(RESERVE);
        let usable = Duration::try_from(usable).unwrap_or_default().min(PATIENCE);
        let now = Instant::now();
        now.checked_add(usable).unwrap_or(now)
    }

    fn real_now(&self) -> Timestamp {
        self.call.api.gate.desk().real_now()
    }

    fn now(&self) -> Timestamp {
        self.clock.at(self.real_now())
    }

    /// Sets the clock to an instant, unless it has come there by itself.
    async fn set(&mut self, at: Timestamp) -> Result<(), Ended> {
        let ahead = at.duration_since(self.real_now()).as_millis();
        let ahead_ms = i64::try_from(ahead).unwrap_or(i64::MAX);
        if ahead_ms <= self.clock.ahead_ms {
            return Ok(());
        }
        let clock = ProgramClock { ahead_ms };
        let mut commit = self.view.commit();
        commit.clock(self.view.program.id, clock);
        match self.view.write(commit).await {
            Ok(_) => self.clock = clock,
            // Another call has set it further: it stays there.
            Err(CommitError::Refused(_)) => {
                let key = keys::clock(self.view.program.id);
                let present = self.view.store.get_one::<ProgramClock>(key).await?;
                self.clock = present.unwrap_or(clock);
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Claims what the clock has come to, which makes leases of the entries, and wakes the workers.
    /// `false` when nothing of it was left to claim.
    async fn wake(&self, entries: &[DueEntry]) -> Result<bool, Ended> {
        let now = self.now();
        let is_due = |entry: &&DueEntry| entry.at().is_some_and(|at| at <= now);
        let mut claimed = false;
        let mut wakes = Vec::new();
        for entry in entries.iter().take_while(is_due) {
            let work = self.view.store.claim(entry, self.real_now()).await?;
            claimed |= work.is_some();
            wakes.extend(work.into_iter().flat_map(|work| work.wakes));
        }
        let lost = self.call.api.queues.send(&wakes).await;
        if lost.is_empty() {
            Ok(claimed)
        } else {
            Err(Problem::unavailable(1).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_never_goes_back() {
        let now: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        let target = |advance: Advance| advance.target(now).map(|at| at.to_string());
        let until = |text: &str| target(Advance::Until(text.parse().unwrap()));
        assert_eq!(
            target(Advance::Seconds(60)).unwrap(),
            "2026-03-01T12:01:00Z"
        );
        assert!(until("2026-03-02T00:00:00Z").is_ok());
        assert!(until("2026-03-01T11:55:00Z").is_ok());
        for bad in ["2026-03-01T11:49:59Z", "2036-03-01T12:00:00Z"] {
            let problem = until(bad).unwrap_err();
            assert_eq!(
                (problem.status(), problem.errors().len()),
                (422, 1),
                "{bad}"
            );
        }
    }
}
