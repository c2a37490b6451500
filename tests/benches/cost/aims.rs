//! What is aimed at, beyond the budgets: a miss is told, and fails nothing.

use crate::report::Row;
use crate::throughput::{Load, Request};
use crate::workload::{Kind, Warmth};

/// CPU of a call, as a multiple of its floor's.
const CALL: f64 = 1.2;
/// CPU of init, likewise.
const INIT: f64 = 1.5;
/// Dollars of a million clicks.
const CLICKS: f64 = 2.5;
/// Requests a second of the local bundle, on two cores.
const THROUGHPUT: [(Request, bool, f64); 3] = [
    (Request::Click, false, 4_000.0),
    (Request::Click, true, 900.0),
    (Request::Conversion, false, 400.0),
];

/// An aim, and how near it is.
#[derive(Debug)]
pub(crate) struct Aim {
    pub(crate) what: String,
    pub(crate) reached: String,
    pub(crate) is_met: bool,
}

fn at_most(what: String, most: f64, reached: f64) -> Aim {
    Aim {
        what: format!("{what}: at most {most}"),
        reached: format!("{reached:.2}"),
        is_met: reached <= most,
    }
}

/// The aims that can be told from what was measured.
pub(crate) fn of(rows: &[Row], loads: &[Load]) -> Vec<Aim> {
    let mut aims = Vec::new();
    for row in rows {
        let (name, measured) = (row.operation.name, &row.measured);
        let what = format!("CPU of a {name}, of its requests made plainly");
        aims.push(at_most(what, CALL, measured.of_all_requests));
        if row.operation.kind == Kind::Click(Warmth::Code) {
            aims.push(at_most(
                format!("dollars of a million {name}"),
                CLICKS,
                row.dollars,
            ));
        }
    }
    for (place, row) in rows.iter().enumerate() {
        let package = row.operation.package;
        let is_first = rows[..place]
            .iter()
            .all(|other| other.operation.package != package);
        if is_first {
            let what = format!("CPU of the init of {package}, of its floor's");
            aims.push(at_most(what, INIT, row.measured.of_init));
        }
    }
    for (request, is_durable, least) in THROUGHPUT {
        let of = |load: &&Load| load.request == request && load.is_durable == is_durable;
        let best = loads
            .iter()
            .filter(of)
            .map(|load| load.per_second)
            .max_by(f64::total_cmp);
        if let Some(best) = best {
            let place = if is_durable { "on disk" } else { "in memory" };
            aims.push(Aim {
                what: format!("{request:?}s a second, {place}: at least {least}"),
                reached: format!("{best:.0}"),
                is_met: best >= least,
            });
        }
    }
    aims
}
