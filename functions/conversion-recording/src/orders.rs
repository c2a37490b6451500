//! `POST /in/{program}/{source}`: what a shop system tells by its own webhook.
//!
//! The vendor's signature says who calls. What is told is recorded by the use cases of the API, each in its one
//! transaction, before the vendor is answered: there is no inbox. So a message that fails halfway is sent again by the
//! vendor, and comes to the same, since orders and refunds keep the vendor's ids.

mod steps;

use std::sync::Arc;

use kith_connectors::orders::{self, Message, Passed, Settings, Tells, Told};
use kith_contract::answers::OrderTaken;
use kith_contract::problems::Code;
use kith_contract::routes;
use kith_domain::id::{OrderSourceId, ProgramId};
use kith_domain::order_source::{OrderDelivery, OrderOutcome, OrderSource, SourceState};
use kith_edge::desk::View;
use kith_edge::http::{Handler, Problem, Request, Response};
use kith_edge::session::Ended;
use kith_edge::{BoxFuture, Invocation};
use kith_store::keys;

use self::steps::Recorder;
use crate::Recording;

/// Longest body, in bytes. The largest orders have 500 lines of two to three kilobytes each, taxes and discounts of every
/// line among them; as an event in Base64 this is still half of what a function is given.
const ORDER_BODY_BYTES_MAX: usize = 2 * 1_024 * 1_024;
/// When a vendor may send again what met a fault of ours. They keep to schedules of their own.
const RETRY_AFTER_SECONDS: u32 = 5;

/// What became of a message, or of a part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct End {
    outcome: OrderOutcome,
    reason: String,
    detail: String,
    /// Whether the owner should know.
    is_odd: bool,
}

impl End {
    fn recorded() -> Self {
        Self {
            outcome: OrderOutcome::Recorded,
            reason: String::new(),
            detail: String::new(),
            is_odd: false,
        }
    }

    fn ignored(reason: &str, detail: &str, is_odd: bool) -> Self {
        Self {
            outcome: OrderOutcome::Ignored,
            reason: reason.to_owned(),
            detail: detail.to_owned(),
            is_odd,
        }
    }

    fn refused(reason: &str, detail: String) -> Self {
        Self {
            outcome: OrderOutcome::Refused,
            reason: reason.to_owned(),
            detail,
            is_odd: true,
        }
    }

    /// The more telling of two: what was refused, then what was recorded.
    fn or(self, other: Self) -> Self {
        let rank = |end: &Self| match end.outcome {
            OrderOutcome::Refused => 3,
            OrderOutcome::Recorded => 2,
            OrderOutcome::Ignored if end.is_odd => 1,
            OrderOutcome::Ignored => 0,
        };
        if rank(&other) > rank(&self) {
            other
        } else {
            self
        }
    }
}

/// Takes what a shop system tells.
pub(crate) async fn take_order(
    recording: Arc<Recording>,
    request: Arc<Request>,
    invocation: Invocation,
) -> Result<Response, Ended> {
    if request.body().len() > ORDER_BODY_BYTES_MAX {
        return Err(Problem::body_too_large(ORDER_BODY_BYTES_MAX).into());
    }
    if of_message(&request, orders::is_ping) {
        let end = End::ignored("ping", "The shop system can reach this address.", false);
        return Ok(answer(&end));
    }
    let (view, source) = vouched_for(&recording, &request, &invocation).await?;
    let settings = Settings {
        amount: source.amount,
        mode: view.program.mode,
    };
    let told = of_message(&request, |message| {
        orders::read(source.platform, message, settings)
    });
    let end = match (source.state, &told.tells) {
        (SourceState::Disabled, Tells::Steps(_) | Tells::Unfit { .. }) => {
            let detail = "The order source is disabled.";
            End::ignored("source_disabled", detail, true)
        }
        (SourceState::Active | SourceState::Disabled, Tells::Nothing(passed)) => {
            let Passed {
                reason,
                detail,
                is_odd,
            } = *passed;
            End::ignored(reason, detail, is_odd)
        }
        (SourceState::Active, Tells::Unfit { pointer, detail }) => {
            let place = if pointer.is_empty() {
                "the body"
            } else {
                pointer
            };
            let code = Code::InvalidRequest.as_str();
            End::refused(code, format!("{place}: {detail}"))
        }
        (SourceState::Active, Tells::Steps(steps)) => {
            let gate = &recording.gate;
            let session =
                gate.session_of_source(source.id, &view, &routes::TAKE_ORDER, &invocation);
            let recorder = Recorder {
                recording: &recording,
                session: &session,
                source: &source,
                view: &view,
            };
            recorder.record(steps).await?
        }
    };
    if end.is_odd {
        note(&view, &source, &told, &end).await?;
    }
    Ok(answer(&end))
}

/// The order source that a message is from, by its vendor's signature. Whatever is wrong is answered alike, so that nobody
/// learns which programs and order sources there are.
async fn vouched_for(
    recording: &Recording,
    request: &Request,
    invocation: &Invocation,
) -> Result<(View, OrderSource), Ended> {
    let unknown = |_| unsigned();
    let program: ProgramId = request.path_value("program", "").map_err(unknown)?;
    let id: OrderSourceId = request.path_value("source", "").map_err(unknown)?;
    let key = keys::order_source(program, id);
    let desk = recording.gate.desk();
    let view = desk.view(invocation, program, [key.clone()]).await?;
    let view = view.ok_or_else(unsigned)?;
    let source: OrderSource = view.loaded.read(&key)?.ok_or_else(unsigned)?;
    let is_good = of_message(request, |message| {
        let now = view.real_now;
        orders::verify(source.platform, message, source.secrets_at(now), now)
    });
    if !is_good {
        return Err(unsigned().into());
    }
    tracing::Span::current().record("program.id", tracing::field::display(program));
    Ok((view, source))
}

/// What something says of the message that a request is.
fn of_message<T>(request: &Request, says: impl FnOnce(&Message<'_>) -> T) -> T {
    let header = |name: &str| request.header(name);
    says(&Message::new(&header, request.body()))
}

fn unsigned() -> Problem {
    let detail = "This address takes messages that its shop system has signed with the secret of the order source.";
    Problem::of(Code::BadSignature, detail)
}

/// Keeps for the owner what became of a message. Should that fail, the vendor sends it again.
async fn note(view: &View, source: &OrderSource, told: &Told, end: &End) -> Result<(), Ended> {
    let delivery = OrderDelivery {
        id: kith_domain::id::Id::new(view.real_now, view.random()),
        program: view.program.id,
        source: source.id,
        at: view.real_now,
        topic: told.topic.clone(),
        event_id: told.event_id.clone(),
        order: told.order.clone(),
        outcome: end.outcome,
        reason: end.reason.clone(),
        detail: end.detail.clone(),
    };
    let mut commit = view.commit();
    commit.order_delivery(&delivery);
    view.write(commit).await?;
    Ok(())
}

fn answer(end: &End) -> Response {
    let some = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    let taken = OrderTaken {
        outcome: end.outcome.into(),
        reason: some(&end.reason),
        detail: some(&end.detail),
    };
    Response::json(200, &taken)
}

/// A handler whose caller sends again only what was answered with 503: whatever may succeed later is answered so.
#[derive(Debug)]
pub(crate) struct SentAgain<H>(pub(crate) H);

impl<H: Handler> Handler for SentAgain<H> {
    fn handle(
        &self,
        request: Request,
        invocation: Invocation,
    ) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let answer = self.0.handle(request, invocation).await;
            answer.map_err(|problem| match (problem.is_retryable(), problem.status()) {
                (true, 503) | (false, _) => problem,
                (true, _) => {
                    Problem::unavailable(RETRY_AFTER_SECONDS).caused_by(problem.to_string())
                }
            })
        })
    }
}
