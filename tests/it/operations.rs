//! docs/OPERATIONS.md, held against the template and the code: whoever is woken by an alarm finds it there, and the numbers
//! that it explains are those that are deployed.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use kith_local::template::{Document, EMBEDDED, LocalNames, Template};

const OPERATIONS: &str = include_str!("../../docs/OPERATIONS.md");

fn template() -> Template {
    let document = Document::read(EMBEDDED).unwrap();
    let mut names = LocalNames::new("http://127.0.0.1".to_owned());
    names.secrets = document
        .secrets()
        .into_keys()
        .map(|id| (id, "secret".to_owned()))
        .collect();
    document.resolve(&names).unwrap()
}

/// A section of the document, from its heading to the next of the same or a higher level.
fn section(heading: &str) -> &'static str {
    let level = heading.split(' ').next().unwrap();
    let start = format!("\n{heading}\n");
    let (_, rest) = OPERATIONS
        .split_once(&start)
        .unwrap_or_else(|| panic!("there is no section {heading}"));
    let ends =
        (2..=level.len()).filter_map(|level| rest.find(&format!("\n{} ", "#".repeat(level))));
    &rest[..ends.min().unwrap_or(rest.len())]
}

/// The rows of the first table of a section, without its head.
fn rows(heading: &str) -> Vec<Vec<&'static str>> {
    let lines = section(heading)
        .lines()
        .skip_while(|line| !line.starts_with('|'));
    let cells = |line: &'static str| line.trim_matches('|').split('|').map(str::trim).collect();
    let table = lines.take_while(|line| line.starts_with('|'));
    table.skip(2).map(cells).collect()
}

/// The words in backticks that fit.
fn quoted(text: &str, fits: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let words = text.split('`').skip(1).step_by(2);
    words.filter(|word| fits(word)).map(str::to_owned).collect()
}

/// The logical ids of the template's resources of a type.
fn resources(kind: &str) -> BTreeSet<String> {
    let lines: Vec<&str> = EMBEDDED.lines().collect();
    let pairs = lines
        .windows(2)
        .filter(|pair| pair[1].trim() == format!("Type: {kind}"));
    pairs
        .map(|pair| pair[0].trim().trim_end_matches(':').to_owned())
        .collect()
}

/// An alarm that nobody can look up is noise.
#[test]
fn every_alarm_is_explained() {
    let alarms = resources("AWS::CloudWatch::Alarm");
    assert!(alarms.len() > 10, "{alarms:?}");
    let rows = rows("## Alarms");
    let explained: BTreeSet<String> = rows
        .iter()
        .flat_map(|row| quoted(row[0], |word| word.ends_with("Alarm")))
        .collect();
    assert_eq!(explained, alarms);
    let named = quoted(OPERATIONS, |word| word.ends_with("Alarm"));
    assert_eq!(named.difference(&alarms).collect::<Vec<_>>(), [""; 0]);
}

/// What is paid for alarms is what is counted of them, by the ten.
#[test]
fn the_alarms_that_are_paid_for_are_those_that_there_are() {
    let (_, alarms) = EMBEDDED.split_once("- alarms\n").unwrap();
    let alarms = alarms.split("\nOutputs:").next().unwrap();
    let watched = alarms.matches("MetricName:").count().next_multiple_of(10);
    let expected = format!("| alarms | {watched} metrics watched at most ×");
    assert!(
        section("## Standing still").contains(&expected),
        "{expected}"
    );
}

/// Every metric that a function tells is named with who tells it.
#[test]
fn every_metric_is_explained() {
    let mut told = BTreeSet::new();
    let functions = Path::new(env!("CARGO_MANIFEST_DIR")).join("../functions");
    for function in fs::read_dir(functions).unwrap() {
        let function = function.unwrap();
        let name = function.file_name().into_string().unwrap();
        for file in fs::read_dir(function.path().join("src")).unwrap() {
            let file = file.unwrap().path();
            let Ok(source) = fs::read_to_string(&file) else {
                continue;
            };
            let metrics = ["Unit::Count", "Unit::Seconds", "Unit::Milliseconds"];
            for line in source.lines() {
                let is_metric =
                    metrics.iter().any(|unit| line.contains(unit)) || line.contains("Tally::new(");
                if let Some(metric) = line.split('"').nth(1).filter(|_| is_metric) {
                    told.insert((metric.to_owned(), name.clone()));
                }
            }
        }
    }
    let (_, table) = section("## Alarms")
        .split_once("| metric of `Kith` |")
        .unwrap();
    let explained = table
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| {
            let words: Vec<&str> = line.split('`').collect();
            (words[1].to_owned(), words[3].to_owned())
        });
    assert_eq!(explained.collect::<BTreeSet<_>>(), told);
}

#[test]
fn memory_and_time_of_functions_are_those_of_the_template() {
    let functions = template().functions.into_values();
    let deployed: BTreeSet<Vec<String>> = functions
        .map(|function| {
            let memory = format!("{} MB", function.memory_mb);
            vec![
                format!("`{}`", function.package),
                memory,
                format!("{} s", function.timeout.as_secs()),
            ]
        })
        .collect();
    let explained = rows("### Functions");
    let explained = explained
        .iter()
        .map(|row| row[..3].iter().map(|cell| (*cell).to_owned()).collect());
    assert_eq!(explained.collect::<BTreeSet<Vec<String>>>(), deployed);
}

#[test]
fn queues_are_those_of_the_template_and_wait_six_times_as_long_as_their_worker() {
    let template = template();
    let mut deployed = BTreeSet::new();
    for mapping in &template.queue_mappings {
        let queue = template
            .queues
            .values()
            .find(|queue| queue.name == mapping.queue);
        let queue =
            queue.unwrap_or_else(|| panic!("{} is no queue: {:?}", mapping.queue, template.queues));
        let timeout = template.functions[&mapping.package].timeout;
        assert!(queue.visibility_timeout >= timeout * 6, "{}", mapping.queue);
        assert!(mapping.reports_failures);
        let queue_name = EMBEDDED
            .lines()
            .find_map(|line| {
                let id = line.strip_prefix("  ")?.strip_suffix("Queue:")?;
                let named = mapping.queue.to_lowercase().contains(&id.to_lowercase());
                named.then(|| id.to_lowercase())
            })
            .unwrap();
        deployed.insert(vec![
            format!("`{queue_name}`"),
            format!("`{}`", mapping.package),
            format!("{} s", queue.visibility_timeout.as_secs()),
            queue.redrive.as_ref().unwrap().max_receives.to_string(),
            mapping.batch_size.to_string(),
            mapping.concurrency_max.to_string(),
        ]);
    }
    let explained = rows("### Queues");
    let explained = explained
        .iter()
        .map(|row| row[..6].iter().map(|cell| (*cell).to_owned()).collect());
    assert_eq!(explained.collect::<BTreeSet<Vec<String>>>(), deployed);
}

#[test]
fn the_stream_and_the_schedule_are_those_of_the_template() {
    let template = template();
    let [stream] = template.stream_mappings.as_slice() else {
        panic!("one function reads the stream");
    };
    assert!(stream.bisects && stream.reports_failures);
    let text = section("### The stream and the schedule");
    for expected in [
        format!("| batch | {}, no window |", stream.batch_size),
        format!("| retries | {}, halving the batch |", stream.retries_max),
    ] {
        assert!(text.contains(&expected), "{expected}");
    }
    let [schedule] = template.schedules.as_slice() else {
        panic!("one function is scheduled");
    };
    assert_eq!(
        (schedule.package.as_str(), schedule.every.as_secs()),
        ("due-work", 60)
    );
    // A run is over before the next one begins, and whoever is behind the gateway before it gives up.
    assert!(template.functions["due-work"].timeout < schedule.every);
    for route in &template.routes {
        assert!(
            template.functions[&route.package].timeout.as_secs() < 30,
            "{}",
            route.package
        );
    }
}

/// What an operator types has to be there.
#[test]
fn parameters_and_resources_in_commands_are_those_of_the_template() {
    let (_, parameters) = EMBEDDED.split_once("\nParameters:\n").unwrap();
    let parameters = parameters.split("\nConditions:").next().unwrap();
    let names = |text: &str| -> BTreeSet<String> {
        let lines = text.lines().filter_map(|line| line.strip_prefix("  "));
        let lines = lines.filter(|line| !line.starts_with(' ') && !line.starts_with('#'));
        lines
            .filter_map(|line| Some(line.split_once(':')?.0.to_owned()))
            .collect()
    };
    let parameters = names(parameters);
    let resources = names(EMBEDDED.split_once("\nResources:\n").unwrap().1);
    for used in OPERATIONS.split("$(kith ").skip(1) {
        let id = used.split(')').next().unwrap();
        let of_event = id.strip_suffix("EveryMinute").unwrap_or(id);
        assert!(resources.contains(of_event), "{id} is in no stack");
    }
    let limits = rows("## Limits");
    for row in limits {
        for parameter in quoted(row[0], |_| true) {
            assert!(parameters.contains(&parameter), "{parameter}");
        }
    }
}

/// A key's id is a byte in each token: what the template lets pass has to be one.
#[test]
fn ids_of_signing_keys_are_numbers_of_a_byte() {
    let patterns: Vec<&str> = ["TokenKeyId", "PreviousTokenKeyId"]
        .iter()
        .map(|parameter| {
            let (_, rest) = EMBEDDED.split_once(&format!("\n  {parameter}:\n")).unwrap();
            let (_, rest) = rest.split_once("AllowedPattern: \"").unwrap();
            rest.split('"').next().unwrap()
        })
        .collect();
    let byte = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";
    assert_eq!(patterns, [format!("^{byte}$"), format!("^{byte}?$")]);
    let keys =
        |id: &str| kith_domain::signed::TokenKeys::parse(&format!("{id}:{}", "a".repeat(32)));
    assert!(keys("0").is_ok() && keys("255").is_ok());
    assert!(keys("256").is_err() && keys("a").is_err());
}
