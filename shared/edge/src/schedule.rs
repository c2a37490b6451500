//! Functions that run by the clock: EventBridge's scheduled event in, nothing out.

use std::future::Future;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::Error;
use serde_json::value::RawValue;
use tracing::Instrument;

use crate::causes::last_words;
use crate::function::{BoxFuture, Function, FunctionError, Invocation};
use crate::json::timestamp_of;
use crate::work::WorkError;

/// One stroke of the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tick {
    /// When the schedule meant it to happen.
    pub time: Timestamp,
}

type Handler =
    Box<dyn Fn(Tick, Invocation) -> BoxFuture<'static, Result<(), WorkError>> + Send + Sync>;

/// A function behind a schedule.
pub struct ScheduleFunction {
    handler: Handler,
}

impl ScheduleFunction {
    /// A function that runs this handler.
    #[must_use]
    pub fn new<A>(handler: impl Fn(Tick, Invocation) -> A + Send + Sync + 'static) -> Self
    where
        A: Future<Output = Result<(), WorkError>> + Send + 'static,
    {
        Self {
            handler: Box::new(move |tick, invocation| Box::pin(handler(tick, invocation))),
        }
    }

    async fn answer(
        &self,
        event: Box<RawValue>,
        invocation: Invocation,
    ) -> Result<Box<RawValue>, FunctionError> {
        let tick = read(&event).map_err(FunctionError::UnreadableEvent)?;
        let span = tracing::info_span!("tick", request.id = %invocation.request_id);
        let work = AssertUnwindSafe(async { (self.handler)(tick, invocation).await });
        match work.catch_unwind().instrument(span).await {
            Ok(Ok(())) => {
                serde_json::value::to_raw_value(&()).map_err(FunctionError::UnwritableAnswer)
            }
            // The runtime's loop logs it.
            Ok(Err(error)) => Err(FunctionError::NotDone(error.to_string())),
            Err(panic) => {
                let words = last_words(&*panic);
                Err(FunctionError::NotDone(format!(
                    "the handler panicked: {words}"
                )))
            }
        }
    }
}

impl Function for ScheduleFunction {
    fn invoke(
        &self,
        event: Box<RawValue>,
        invocation: Invocation,
    ) -> BoxFuture<'_, Result<Box<RawValue>, FunctionError>> {
        Box::pin(self.answer(event, invocation))
    }
}

fn read(event: &RawValue) -> Result<Tick, serde_json::Error> {
    let event: Event = serde_json::from_str(event.get())?;
    if event.detail_type != "Scheduled Event" {
        return Err(serde_json::Error::custom("it is not a scheduled event"));
    }
    let time = timestamp_of(&event.time)
        .ok_or_else(|| serde_json::Error::custom("its time is not an instant"))?;
    Ok(Tick { time })
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "detail-type")]
    detail_type: String,
    time: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    async fn answer(event: Value) -> Result<Box<RawValue>, FunctionError> {
        let function = ScheduleFunction::new(|tick: Tick, _| async move {
            match tick.time.as_second() {
                0 => Err(WorkError::new("no table")),
                1 => panic!("bug"),
                _ => Ok(()),
            }
        });
        let event = serde_json::value::to_raw_value(&event).unwrap();
        let invocation = Invocation {
            request_id: "req-1".to_owned(),
            deadline: jiff::Timestamp::MAX,
        };
        function.invoke(event, invocation).await
    }

    fn event(time: &str) -> Value {
        json!({
            "version": "0", "id": "53dc4d37", "detail-type": "Scheduled Event", "source": "aws.events",
            "account": "123456789012", "time": time, "region": "eu-west-1", "resources": ["arn"], "detail": {}
        })
    }

    #[tokio::test]
    async fn a_tick_ends_well_or_comes_again() {
        assert_eq!(
            answer(event("2026-03-01T12:00:00Z")).await.unwrap().get(),
            "null"
        );
        for time in ["1970-01-01T00:00:00Z", "1970-01-01T00:00:01Z"] {
            let error = answer(event(time)).await.unwrap_err();
            assert!(matches!(error, FunctionError::NotDone(_)), "{error}");
        }
    }

    #[tokio::test]
    async fn only_a_schedule_calls_it() {
        for other in [
            json!({}),
            json!({"Records": []}),
            json!({"detail-type": "Email Sent", "time": "2026-03-01T12:00:00Z"}),
        ] {
            let error = answer(other).await.unwrap_err();
            assert!(
                matches!(error, FunctionError::UnreadableEvent(_)),
                "{error}"
            );
        }
    }
}
