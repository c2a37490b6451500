//! Looks every minute for work that is due, or that got stuck, and wakes whoever does it.
//!
//! Every entry is claimed first: put off, with its attempt counted. So a wake that is lost is tried
//! again later, and what fails again and again is parked in the end, for a person to look at.

mod sources;
mod sweep;

use std::sync::Arc;

use kith_edge::aws::Connection;
use kith_edge::config::Variables;
use kith_edge::desk::Desk;
use kith_edge::schedule::ScheduleFunction;
use kith_edge::sender::Queues;
use kith_edge::telemetry::{Metrics, Unit};
use kith_edge::{Environment, Function, Invocation, StartError, WorkError};
use kith_store::Store;

use crate::sweep::Sweep;

/// What looking for due work needs.
#[derive(Debug)]
struct Watch {
    desk: Desk,
    queues: Queues,
    metrics: Metrics,
}

/// The function, in an environment.
///
/// # Errors
/// [`StartError::Configuration`] with every fault.
pub fn function(environment: &Environment) -> Result<Box<dyn Function>, StartError> {
    let mut variables = Variables::of(environment);
    let table = variables.required("KITH_TABLE");
    let connection = Connection::of(&mut variables);
    let queues = Queues::of(&mut variables, connection.as_ref());
    let (table, connection, queues) = variables.finish((table, connection, queues))?;
    let watch = Arc::new(Watch {
        desk: Desk::new(environment, Store::new(connection.dynamodb(), &table)),
        queues,
        metrics: Metrics::of(environment),
    });
    Ok(Box::new(ScheduleFunction::new(move |_, invocation| {
        let watch = Arc::clone(&watch);
        async move { watch.look(&invocation).await }
    })))
}

impl Watch {
    /// Live programs first, then test programs; each as far as the time goes.
    async fn look(&self, invocation: &Invocation) -> Result<(), WorkError> {
        let sweep = Sweep::begin(&self.desk, &self.queues, invocation);
        let live = sweep.run(sources::live()).await;
        let test = match sources::test(&sweep).await {
            Ok(sources) => sweep.run(sources).await,
            Err(error) => Err(error),
        };
        // Silence is alarmed, so the age is not told when it could not be found out.
        let oldest_due = live?;
        let parked = sweep.parked().await?;
        self.metrics.put(&[
            ("OldestDueSeconds", oldest_due, Unit::Seconds),
            ("ParkedWork", parked, Unit::Count),
        ]);
        test.map(|_| ())
    }
}
