//! Webhooks: who is told of what, when a delivery is tried again, and when an endpoint is given up.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use crate::fact::{Fact, FactKind};
use crate::id::{DeliveryId, EventId, ProgramId, WebhookId};
use crate::retries::{LEASE, later, next_try, put_off};
use crate::words::words;

/// The most endpoints of a program.
pub const ENDPOINTS_MAX: usize = 10;
/// The longest URL of an endpoint, in bytes.
pub const URL_BYTES_MAX: usize = 2_048;
/// The longest overlap in which a rotated secret signs too, in hours.
pub const OVERLAP_HOURS_MAX: u16 = 168;
/// The overlap unless the call says otherwise, in hours.
pub const OVERLAP_HOURS_DEFAULT: u16 = 24;
/// How many attempts of a delivery are kept, the latest.
pub const ATTEMPTS_KEPT: usize = 12;
/// After how long without a single success an endpoint is disabled that fails again and again.
pub const FAILING_MAX: SignedDuration = SignedDuration::from_hours(5 * 24);
/// So many failures in a row, over all deliveries, and the endpoint is left alone for a while.
const FAILURES_TOLERATED: u32 = 5;
/// How far the clocks of those who make a delivery and try it may be apart.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_secs(2);
const PAUSE_FIRST: SignedDuration = SignedDuration::from_mins(1);
const PAUSE_MAX: SignedDuration = SignedDuration::from_hours(1);
/// The doublings after which a pause is [`PAUSE_MAX`] anyway.
const PAUSE_DOUBLINGS_MAX: u32 = 6;

words! {
    /// Whether an endpoint is told.
    pub enum EndpointState {
        /// It is.
        Active = "active",
        /// It is not, until the owner says so.
        Disabled = "disabled",
    }
}

words! {
    /// Why an endpoint is told nothing.
    pub enum DisabledReason {
        /// The owner said so.
        Owner = "owner",
        /// It answered 410: it is gone.
        Gone = "gone",
        /// Nothing was delivered for days.
        Failing = "failing",
    }
}

words! {
    /// How far a delivery is.
    pub enum DeliveryState {
        /// It will be tried.
        Pending = "pending",
        /// It is being tried.
        Sending = "sending",
        /// The endpoint took it.
        Delivered = "delivered",
        /// It was tried in vain until the last time.
        Failed = "failed",
        /// The endpoint was taken away or disabled before.
        Dropped = "dropped",
    }
}

words! {
    /// How an attempt ended.
    pub enum AttemptEnd {
        /// With an answer, whatever its status.
        Answered = "answered",
        /// The host's name leads nowhere.
        NotResolved = "not_resolved",
        /// The host's name leads to an address that is not public.
        ForbiddenAddress = "forbidden_address",
        /// Nobody listens.
        Refused = "refused",
        /// No secure connection came about.
        Tls = "tls",
        /// It took too long.
        TimedOut = "timed_out",
        /// The connection broke, or the answer is no HTTP.
        Broken = "broken",
    }
}

/// A secret that deliveries are signed with.
#[derive(Clone, PartialEq, Eq)]
pub struct EndpointSecret {
    /// `whsec_` and base64.
    pub text: String,
    /// Until when it signs, once it was rotated.
    pub until: Option<Timestamp>,
}

impl std::fmt::Debug for EndpointSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EndpointSecret")
            .field("until", &self.until)
            .finish_non_exhaustive()
    }
}

/// Somebody who is told of events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Its id.
    pub id: WebhookId,
    /// The program.
    pub program: ProgramId,
    /// Where deliveries go.
    pub url: String,
    /// Of what it is told; nothing named means everything.
    pub types: BTreeSet<FactKind>,
    /// Whether it is told.
    pub state: EndpointState,
    /// Why not.
    pub disabled: Option<DisabledReason>,
    /// Newest first; all that still sign are used.
    pub secrets: Vec<EndpointSecret>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Counts changes, from 1.
    pub version: u64,
}

impl Endpoint {
    /// Whether it is told of a fact. A test is for the endpoint that it names alone.
    #[must_use]
    pub fn hears_of(&self, fact: &Fact) -> bool {
        let is_meant = if fact.kind == FactKind::WebhookTest {
            fact.webhook_id == Some(self.id)
        } else {
            self.types.is_empty() || self.types.contains(&fact.kind)
        };
        self.state == EndpointState::Active && is_meant
    }

    /// The secrets that sign at an instant, newest first.
    pub fn secrets_at(&self, now: Timestamp) -> impl Iterator<Item = &str> {
        self.secrets
            .iter()
            .filter(move |secret| secret.until.is_none_or(|until| until > now))
            .map(|secret| secret.text.as_str())
    }

    /// The host of its URL.
    #[must_use]
    pub fn host(&self) -> &str {
        let rest = self.url.split_once("://").map_or("", |(_, rest)| rest);
        rest.split(['/', '?']).next().unwrap_or_default()
    }

    /// With a new secret first; the one before signs for the overlap, older ones no more.
    #[must_use]
    pub fn rotated(&self, secret: String, overlap_hours: u16, now: Timestamp) -> Self {
        let until = later(now, SignedDuration::from_hours(i64::from(overlap_hours)));
        let before = self.secrets.first().map(|before| EndpointSecret {
            text: before.text.clone(),
            until: Some(until),
        });
        let new = EndpointSecret {
            text: secret,
            until: None,
        };
        Self {
            secrets: std::iter::once(new).chain(before).collect(),
            version: self.version.saturating_add(1),
            ..self.clone()
        }
    }

    /// Told nothing from now on.
    #[must_use]
    pub fn disabled(&self, reason: DisabledReason) -> Self {
        Self {
            state: EndpointState::Disabled,
            disabled: Some(reason),
            version: self.version.saturating_add(1),
            ..self.clone()
        }
    }
}

/// Of what anybody is told: `None` for nothing, an empty set for everything.
#[must_use]
pub fn heard_of<'a>(
    endpoints: impl IntoIterator<Item = &'a Endpoint>,
) -> Option<BTreeSet<FactKind>> {
    let mut active = endpoints
        .into_iter()
        .filter(|endpoint| endpoint.state == EndpointState::Active)
        .peekable();
    active.peek()?;
    let mut kinds = BTreeSet::new();
    for endpoint in active {
        if endpoint.types.is_empty() {
            return Some(BTreeSet::new());
        }
        kinds.extend(endpoint.types.iter().copied());
    }
    Some(kinds)
}

/// One attempt of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// When it began, in real time.
    pub at: Timestamp,
    /// How long it took, in milliseconds.
    pub duration_ms: u32,
    /// How it ended.
    pub end: AttemptEnd,
    /// The answer's status.
    pub status: Option<u16>,
    /// The beginning of the answer's body.
    pub excerpt: Option<String>,
}

impl Attempt {
    /// Whether the endpoint took the delivery.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.status
            .is_some_and(|status| (200..300).contains(&status))
    }

    /// What it says about the endpoint, if it was to take an event.
    #[must_use]
    pub fn fared(&self) -> Fared {
        match self.status {
            Some(200..=299) => Fared::Well,
            Some(410) => Fared::Gone,
            Some(_) | None => Fared::Badly,
        }
    }
}

/// What an attempt says about its endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fared {
    /// It works.
    Well,
    /// It does not, for now.
    Badly,
    /// It is gone for good.
    Gone,
}

/// One event on its way to one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its id: the same however often it is decided that the endpoint is told.
    pub id: DeliveryId,
    /// The program.
    pub program: ProgramId,
    /// The endpoint.
    pub webhook: WebhookId,
    /// The event, as the feed tells it.
    pub event: EventId,
    /// The item in which it lies.
    pub item: EventId,
    /// Over how many shards the day of that item was spread.
    pub shards: u8,
    /// The event's type.
    pub kind: FactKind,
    /// How far it is.
    pub state: DeliveryState,
    /// On the program's clock: when it is tried next, or until when whoever tries it has time.
    pub next_at: Timestamp,
    /// How often it was tried since it was last begun.
    pub tries: u32,
    /// The latest attempts, oldest first, at most [`ATTEMPTS_KEPT`].
    pub attempts: Vec<Attempt>,
    /// When the event happened.
    pub created_at: Timestamp,
    /// Counts changes, from 1.
    pub version: u64,
}

impl Delivery {
    /// The id of the delivery of an event to an endpoint.
    #[must_use]
    pub fn id_of(event: EventId, webhook: WebhookId) -> DeliveryId {
        DeliveryId::derived(event.at(), &[&event.to_bytes(), &webhook.to_bytes()])
    }

    /// Whether it may be tried now. Of a program with a clock of its own nobody looks again soon: what is to be
    /// tried at once does not wait for a clock that is a little slow.
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.next_at <= later(now, CLOCK_SKEW)
    }

    fn next(&self, state: DeliveryState) -> Self {
        Self {
            state,
            version: self.version.saturating_add(1),
            ..self.clone()
        }
    }

    /// Being tried from now on, by somebody who has a minute for it.
    #[must_use]
    pub fn sending(&self, now: Timestamp) -> Self {
        Self {
            next_at: later(now, LEASE),
            ..self.next(DeliveryState::Sending)
        }
    }

    /// As it is, written again.
    #[must_use]
    pub fn untouched(&self) -> Self {
        self.next(self.state)
    }

    /// Never tried again.
    #[must_use]
    pub fn dropped(&self) -> Self {
        self.next(DeliveryState::Dropped)
    }

    /// Not tried before this, and none of its tries used up.
    #[must_use]
    pub fn put_off(&self, until: Timestamp) -> Self {
        Self {
            next_at: put_off(self.id.to_bytes(), self.tries, until),
            ..self.next(DeliveryState::Pending)
        }
    }

    /// From the beginning, now: somebody asked for it again.
    #[must_use]
    pub fn again(&self, now: Timestamp) -> Self {
        Self {
            next_at: now,
            tries: 0,
            ..self.next(DeliveryState::Pending)
        }
    }

    /// After an attempt: delivered, to be tried again, or failed. `retry_after` is how long the endpoint
    /// asks to be left alone.
    #[must_use]
    pub fn after(
        &self,
        attempt: Attempt,
        retry_after: Option<SignedDuration>,
        now: Timestamp,
    ) -> Self {
        let tries = self.tries.saturating_add(1);
        let again = next_try(self.id.to_bytes(), self.tries, retry_after, now);
        let (state, next_at) = match again {
            _ if attempt.is_success() => (DeliveryState::Delivered, now),
            None => (DeliveryState::Failed, now),
            Some(at) => (DeliveryState::Pending, at),
        };
        let mut attempts = self.attempts.clone();
        attempts.push(attempt);
        let over = attempts.len().saturating_sub(ATTEMPTS_KEPT);
        attempts.drain(..over);
        Self {
            next_at,
            tries,
            attempts,
            ..self.next(state)
        }
    }
}

/// How an endpoint fails, from its first failure after a success on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failing {
    /// Since when, on the program's clock.
    pub since: Timestamp,
    /// How often in a row.
    pub failures: u32,
    /// Until when it is left alone.
    pub left_alone_until: Timestamp,
    /// Counts changes, from 1.
    pub version: u64,
}

impl Failing {
    /// After one more failure.
    #[must_use]
    pub fn after(before: Option<&Self>, now: Timestamp) -> Self {
        let failures = before.map_or(0, |before| before.failures).saturating_add(1);
        let doublings = failures.checked_sub(FAILURES_TOLERATED);
        let pause = doublings.map_or(SignedDuration::ZERO, |doublings| {
            let times = 1_i32 << doublings.min(PAUSE_DOUBLINGS_MAX);
            PAUSE_FIRST.saturating_mul(times).min(PAUSE_MAX)
        });
        Self {
            since: before.map_or(now, |before| before.since),
            failures,
            left_alone_until: later(now, pause),
            version: before.map_or(0, |before| before.version).saturating_add(1),
        }
    }

    /// Whether it is left alone now. Fewer failures are tolerated, also for whoever has looked at the clock
    /// before the last of them.
    #[must_use]
    pub fn is_left_alone(&self, now: Timestamp) -> bool {
        self.failures >= FAILURES_TOLERATED && self.left_alone_until > now
    }

    /// Whether it has failed for so long that it is given up. Where little happens the failure before may
    /// have been days ago, and nothing was tried since.
    #[must_use]
    pub fn is_given_up(&self, now: Timestamp) -> bool {
        self.failures >= FAILURES_TOLERATED && now.duration_since(self.since) >= FAILING_MAX
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn now() -> Timestamp {
        "2026-03-01T12:00:00Z".parse().unwrap()
    }

    fn delivery(tail: u8) -> Delivery {
        let event = EventId::new(now(), [tail; 10]);
        let webhook = WebhookId::new(now(), [1; 10]);
        Delivery {
            id: Delivery::id_of(event, webhook),
            program: ProgramId::new(now(), [2; 10]),
            webhook,
            event,
            item: event,
            shards: 1,
            kind: FactKind::RewardIssued,
            state: DeliveryState::Pending,
            next_at: now(),
            tries: 0,
            attempts: Vec::new(),
            created_at: now(),
            version: 1,
        }
    }

    fn answered(status: u16) -> Attempt {
        Attempt {
            at: now(),
            duration_ms: 20,
            end: AttemptEnd::Answered,
            status: Some(status),
            excerpt: None,
        }
    }

    fn endpoint(tail: u8, types: &[FactKind]) -> Endpoint {
        Endpoint {
            id: WebhookId::new(now(), [tail; 10]),
            program: ProgramId::new(now(), [2; 10]),
            url: "https://shop.example/kith".to_owned(),
            types: types.iter().copied().collect(),
            state: EndpointState::Active,
            disabled: None,
            secrets: vec![EndpointSecret {
                text: "whsec_1".to_owned(),
                until: None,
            }],
            created_at: now(),
            version: 1,
        }
    }

    #[test]
    fn an_endpoint_hears_what_it_asked_for() {
        let fact = Fact::new(FactKind::RewardIssued);
        assert!(endpoint(1, &[]).hears_of(&fact));
        assert!(endpoint(1, &[FactKind::RewardIssued]).hears_of(&fact));
        assert!(!endpoint(1, &[FactKind::RewardCreated]).hears_of(&fact));
        assert!(
            !endpoint(1, &[])
                .disabled(DisabledReason::Owner)
                .hears_of(&fact)
        );
        let test = Fact {
            webhook_id: Some(endpoint(1, &[]).id),
            ..Fact::new(FactKind::WebhookTest)
        };
        assert!(endpoint(1, &[FactKind::RewardIssued]).hears_of(&test));
        assert!(!endpoint(2, &[]).hears_of(&test));
    }

    #[test]
    fn its_host_is_no_secret() {
        let at = |url: &str| Endpoint {
            url: url.to_owned(),
            ..endpoint(1, &[])
        };
        assert_eq!(endpoint(1, &[]).host(), "shop.example");
        assert_eq!(
            at("https://shop.example:8443/?token=1").host(),
            "shop.example:8443"
        );
        assert_eq!(at("https://shop.example?token=1").host(), "shop.example");
    }

    #[test]
    fn all_that_anybody_hears_of() {
        use FactKind::{RewardCreated, RewardIssued};
        assert_eq!(heard_of(&[]), None);
        let off = endpoint(1, &[]).disabled(DisabledReason::Gone);
        assert_eq!(heard_of([&off]), None);
        let (one, other) = (endpoint(1, &[RewardIssued]), endpoint(2, &[RewardCreated]));
        let both = BTreeSet::from([RewardIssued, RewardCreated]);
        assert_eq!(heard_of([&one, &other, &off]), Some(both));
        assert_eq!(heard_of([&one, &endpoint(3, &[])]), Some(BTreeSet::new()));
    }

    #[test]
    fn a_rotated_secret_signs_until_the_overlap_ends() {
        let rotated = endpoint(1, &[]).rotated("whsec_2".to_owned(), 2, now());
        let rotated = rotated.rotated("whsec_3".to_owned(), 1, now());
        let at = |minutes| {
            let at = now() + SignedDuration::from_mins(minutes);
            rotated
                .secrets_at(at)
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(at(59), ["whsec_3", "whsec_2"]);
        assert_eq!(at(60), ["whsec_3"]);
        assert!(!format!("{rotated:?}").contains("whsec_"));
    }

    #[test]
    fn a_clock_that_is_a_little_slow_holds_nothing_up() {
        let made = delivery(1);
        let second = SignedDuration::from_secs(1);
        assert!(made.is_due(made.next_at) && made.is_due(made.next_at - second));
        let put_off = made.put_off(made.next_at + SignedDuration::from_mins(1));
        assert!(!put_off.is_due(made.next_at));
    }

    #[test]
    fn it_is_tried_ten_times_over_three_days() {
        let (mut delivery, mut at) = (delivery(1), now());
        let mut tried = 0;
        while delivery.state == DeliveryState::Pending {
            assert!(delivery.next_at >= at);
            at = delivery.next_at;
            delivery = delivery.sending(at).after(answered(500), None, at);
            tried += 1;
        }
        assert_eq!((tried, delivery.state), (10, DeliveryState::Failed));
        let hours = at.duration_since(now()).as_hours();
        assert!((75..=91).contains(&hours), "{hours}");
        assert_eq!(delivery.attempts.len(), 10);
        let again = delivery.again(at);
        assert_eq!((again.state, again.tries), (DeliveryState::Pending, 0));
    }

    #[test]
    fn success_ends_it_and_a_wish_to_wait_is_honoured() {
        let delivered = delivery(1).after(answered(204), None, now());
        assert_eq!(delivered.state, DeliveryState::Delivered);
        let wish = |seconds| {
            let wait = Some(SignedDuration::from_secs(seconds));
            let put_off = delivery(1).after(answered(429), wait, now());
            put_off.next_at.duration_since(now()).as_secs()
        };
        assert_eq!(wish(3_600), 3_600);
        assert!((60..=72).contains(&wish(1)), "{}", wish(1));
        assert_eq!(wish(i64::MAX), 24 * 3_600);
        for status in [199, 300, 301, 400, 404, 500] {
            assert!(!answered(status).is_success());
        }
    }

    #[test]
    fn who_fails_is_left_alone_longer_and_longer_and_then_given_up() {
        let mut failing: Option<Failing> = None;
        let mut pauses = Vec::new();
        for _ in 0..13 {
            let next = Failing::after(failing.as_ref(), now());
            pauses.push(next.left_alone_until.duration_since(now()).as_mins());
            failing = Some(next);
        }
        assert_eq!(pauses, [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60]);
        let failing = failing.unwrap();
        assert!(failing.is_left_alone(now()));
        let first = Failing::after(None, now());
        assert!(!first.is_left_alone(now() - SignedDuration::from_millis(1)));
        assert!(!failing.is_given_up(now() + SignedDuration::from_hours(119)));
        assert!(failing.is_given_up(now() + SignedDuration::from_hours(120)));
    }

    /// A shop to which little happens fails twice, days apart: that is no reason to tell it nothing more.
    #[test]
    fn nobody_is_given_up_for_fewer_failures_than_are_tolerated() {
        let mut failing: Option<Failing> = None;
        let mut at = now();
        for _ in 0..FAILURES_TOLERATED {
            assert!(failing.is_none_or(|failing| !failing.is_given_up(at)));
            at = later(at, SignedDuration::from_hours(100));
            failing = Some(Failing::after(failing.as_ref(), at));
        }
        assert!(failing.is_some_and(|failing| failing.is_given_up(at)));
    }

    proptest! {
        #[test]
        fn what_failed_together_is_not_tried_again_together(tails in proptest::collection::btree_set(any::<u8>(), 30)) {
            let next: BTreeSet<Timestamp> = tails.iter()
                .map(|tail| delivery(*tail).after(answered(500), None, now()).next_at)
                .collect();
            prop_assert!(next.len() > 20, "{}", next.len());
            let latest = next.last().unwrap().duration_since(now());
            prop_assert!(latest <= SignedDuration::from_secs(72));
        }
    }
}
