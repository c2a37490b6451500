//! JSON bodies: read strictly, refused with places that are there or missing there, and never repeated at length.

use std::collections::BTreeMap;

use conversion_recording::report::Report;
use jiff::Timestamp;
use kith_domain::mode::Mode;
use kith_domain::program::Program;
use kith_edge::http::Problem;
use kith_edge::json::{self, BODY_BYTES_MAX, DEPTH_MAX, FAULTS_MAX, Faults, POINTER_BYTES_MAX};
use program_api::scheme;
use serde_json::Value;

use crate::queries::{DETAIL_BYTES_MAX, REFUSAL_BYTES_MAX, request};
use crate::{both_keys, identity, program};

/// Reads the bytes as any body, as a conversion that a shop reports, and as a program.
pub fn bodies(data: &[u8]) {
    let kind = BTreeMap::from([("content-type", "application/json")]);
    let request = request("POST", "", &kind, data);
    let read = json::body(&request);
    let plain: Option<Value> = serde_json::from_slice(data).ok();
    match &read {
        Ok(_) => {
            assert!(data.len() <= BODY_BYTES_MAX);
            // Whatever is read here is JSON, and not deeper than is said.
            let plain = plain.as_ref().unwrap();
            assert!(plain.is_object() && depth(plain) <= DEPTH_MAX);
        }
        Err(problem) => {
            assert!(matches!(problem.status(), 400 | 413), "{problem}");
            assert!(problem.errors().is_empty() && problem.detail().len() <= 300);
        }
    }
    let report = Report::read(&request, program(), &both_keys(), &identity());
    assert!(read.is_ok() || report.is_err());
    if let Err(problem) = report {
        refusal_has_places(&problem, plain.as_ref());
    }
    if let Ok(body) = read
        && let Err(problem) = scheme::new_program(body, Faults::default(), of(), now())
    {
        refusal_has_places(&problem, plain.as_ref());
    }
}

pub(crate) fn of() -> (kith_domain::id::ProgramId, Mode) {
    (program(), Mode::Live)
}

pub(crate) fn now() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

/// A program of a body, as creating one reads it.
pub(crate) fn program_of(body: &Value) -> Result<Program, Problem> {
    let Value::Object(members) = body else {
        return Err(Problem::unreadable_body("no object"));
    };
    let body = json::Object::new("", members.clone());
    let program = scheme::new_program(body, Faults::default(), of(), now())?;
    scheme::check_size(&program)?;
    Ok(program)
}

fn depth(value: &Value) -> usize {
    let inner = match value {
        Value::Array(values) => values.iter().map(depth).max(),
        Value::Object(members) => members.values().map(depth).max(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return 0,
    };
    inner.unwrap_or_default() + 1
}

/// Each fault points at something that is there, or at a member that is missing where it says.
fn refusal_has_places(problem: &Problem, body: Option<&Value>) {
    assert!(matches!(problem.status(), 400 | 413 | 422), "{problem}");
    assert!(problem.errors().len() <= FAULTS_MAX);
    assert_eq!(problem.status() == 422, !problem.errors().is_empty());
    let mut bytes = problem.detail().len();
    for fault in problem.errors() {
        let pointer = fault.pointer.as_str();
        let body = body.unwrap();
        let is_there = body.pointer(pointer).is_some();
        let is_missing = pointer.rsplit_once('/').is_some_and(|(parent, name)| {
            let name = name.replace("~1", "/").replace("~0", "~");
            let parent = body.pointer(parent).and_then(Value::as_object);
            parent.is_some_and(|parent| !parent.contains_key(&name))
        });
        assert!(is_there || is_missing, "nothing is at {pointer}");
        assert!(pointer.len() <= POINTER_BYTES_MAX, "{}", pointer.len());
        assert!(
            fault.detail.len() <= DETAIL_BYTES_MAX,
            "{}",
            fault.detail.len()
        );
        bytes += pointer.len() + fault.detail.len();
    }
    assert!(bytes <= REFUSAL_BYTES_MAX, "{bytes}");
}
