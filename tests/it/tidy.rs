//! What a reviewer would have to watch otherwise: the rooms and their arrows, the template and the
//! code that it names.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use kith_contract::routes;
use kith_local::template::{Document, EMBEDDED, LocalNames, Template};
use serde_json::Value;

/// What each room may use of the others. Whatever is not here may not be.
const MAY_USE: &[(Room, &[Room])] = {
    use Room::{
        Connectors, Contract, Domain, Edge, Floor, Function, Local, Mail, Pages, Post, Store, Tests,
    };
    &[
        (Domain, &[]),
        (Contract, &[Domain]),
        (Pages, &[]),
        (Store, &[Domain]),
        (Mail, &[Domain]),
        (Connectors, &[Domain]),
        (Edge, &[Domain, Contract, Store]),
        (Post, &[Domain, Store, Edge, Mail]),
        (
            Function,
            &[Domain, Contract, Store, Edge, Mail, Connectors, Pages, Post],
        ),
        (
            Local,
            &[
                Domain, Contract, Store, Edge, Mail, Connectors, Pages, Post, Function,
            ],
        ),
        (
            Tests,
            &[
                Domain, Contract, Store, Edge, Mail, Connectors, Pages, Post, Function, Local,
                Tests,
            ],
        ),
        // What others are measured against must not share their code.
        (Floor, &[]),
    ]
};

/// What rules of the business know nothing of: async, AWS, the environment, randomness, logs.
const NOT_IN_DOMAIN: [&str; 12] = [
    "async",
    "aws",
    "axum",
    "futures",
    "getrandom",
    "hyper",
    "lambda",
    "log",
    "rand",
    "reqwest",
    "tokio",
    "tracing",
];

/// Calls by which a function reads variables, and which.
const READERS: &[(&str, &[&str])] = &[
    (".token_keys()", &["KITH_TOKEN_KEYS"]),
    (".identity_key()", &["KITH_IDENTITY_KEY"]),
    (".public_origin()", &["KITH_PUBLIC_URL"]),
    (".proxy_hops()", &["KITH_PROXY_HOPS"]),
    (
        ".limits()",
        &[
            "KITH_REQUESTS_PER_MINUTE",
            "KITH_REQUEST_BURST",
            "KITH_FAILURES_PER_MINUTE",
        ],
    ),
    (
        ".operator_keys()",
        &["KITH_OPERATOR_KEY", "KITH_TEST_OPERATOR_KEY"],
    ),
    (
        "Post::of(",
        &[
            "KITH_SENDER",
            "KITH_CONFIGURATION_SET",
            "KITH_PUBLIC_URL",
            "KITH_TOKEN_KEYS",
            "KITH_IDENTITY_KEY",
        ],
    ),
    (
        "Queues::of(",
        &[
            "KITH_REWARDS_QUEUE_URL",
            "KITH_SURVEYS_QUEUE_URL",
            "KITH_MESSAGES_QUEUE_URL",
            "KITH_DELIVERIES_QUEUE_URL",
        ],
    ),
];

/// CloudWatch's own bound for what an expression of an alarm may add up.
const METRICS_MAX: usize = 10;
/// Wiring is short.
const MAIN_LINES_MAX: usize = 40;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Room {
    Domain,
    Contract,
    Store,
    Edge,
    Mail,
    Connectors,
    Pages,
    Post,
    Function,
    Local,
    Tests,
    Floor,
}

impl Room {
    /// The room of a folder, relative to the root.
    fn of(folder: &Path) -> Option<Self> {
        let parts: Vec<&str> = folder.iter().filter_map(|part| part.to_str()).collect();
        match parts.as_slice() {
            ["shared", "domain"] => Some(Self::Domain),
            ["shared", "contract"] => Some(Self::Contract),
            ["shared", "store"] => Some(Self::Store),
            ["shared", "edge"] => Some(Self::Edge),
            ["shared", "mail"] => Some(Self::Mail),
            ["shared", "connectors"] => Some(Self::Connectors),
            ["shared", "pages"] => Some(Self::Pages),
            ["shared", "post"] => Some(Self::Post),
            ["functions", _] => Some(Self::Function),
            ["local"] => Some(Self::Local),
            ["tests"] | ["tests", "hostile"] => Some(Self::Tests),
            ["tests", "floor"] => Some(Self::Floor),
            _ => None,
        }
    }
}

/// A package of the workspace and what it asks for.
struct Package {
    name: String,
    folder: PathBuf,
    dependencies: Vec<Dependency>,
}

struct Dependency {
    name: String,
    /// `dev`, `build`, or empty for what the package itself uses.
    kind: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .canonicalize()
        .unwrap()
}

fn packages() -> Vec<Package> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let package = |package: &Value| Package {
        name: text(&package["name"]),
        folder: Path::new(package["manifest_path"].as_str().unwrap())
            .parent()
            .unwrap()
            .strip_prefix(root())
            .unwrap()
            .to_owned(),
        dependencies: package["dependencies"]
            .as_array()
            .unwrap()
            .iter()
            .map(|dependency| Dependency {
                name: text(&dependency["name"]),
                kind: text(&dependency["kind"]),
            })
            .collect(),
    };
    metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(package)
        .collect()
}

/// Every arrow that points the wrong way.
fn forbidden_arrows(packages: &[Package]) -> Vec<String> {
    let rooms: BTreeMap<&str, Option<Room>> = packages
        .iter()
        .map(|package| (package.name.as_str(), Room::of(&package.folder)))
        .collect();
    let mut faults = Vec::new();
    for package in packages {
        let Some(Some(from)) = rooms.get(package.name.as_str()) else {
            faults.push(format!("{} stands in no room", package.name));
            continue;
        };
        let (_, may_use) = MAY_USE.iter().find(|(room, _)| room == from).unwrap();
        for dependency in &package.dependencies {
            if let Some(Some(to)) = rooms.get(dependency.name.as_str())
                && !may_use.contains(to)
            {
                faults.push(format!("{} must not use {}", package.name, dependency.name));
            }
            let is_own = dependency.kind.is_empty();
            if *from == Room::Domain
                && is_own
                && NOT_IN_DOMAIN
                    .iter()
                    .any(|name| dependency.name.starts_with(name))
            {
                faults.push(format!("the domain knows nothing of {}", dependency.name));
            }
        }
    }
    faults
}

/// Arrows point inwards; what is easy to test and to change depends on it.
#[test]
fn no_arrow_points_the_wrong_way() {
    assert_eq!(forbidden_arrows(&packages()), [""; 0]);
}

/// The rules see what they are there for.
#[test]
fn wrong_arrows_are_seen() {
    let package = |name: &str, folder: &str, uses: &[&str]| Package {
        name: name.to_owned(),
        folder: folder.into(),
        dependencies: uses
            .iter()
            .map(|name| Dependency {
                name: (*name).to_owned(),
                kind: String::new(),
            })
            .collect(),
    };
    let packages = [
        package(
            "domain",
            "shared/domain",
            &["store", "tokio", "aws-sdk-sqs", "serde"],
        ),
        package("store", "shared/store", &["domain", "edge"]),
        package("edge", "shared/edge", &["domain", "store"]),
        package("one", "functions/one", &["edge", "two", "local"]),
        package("two", "functions/two", &["edge"]),
        package("local", "local", &["one", "tests"]),
        package("tests", "tests", &["local", "one"]),
        package("stray", "shared/helpers", &[]),
    ];
    assert_eq!(
        forbidden_arrows(&packages),
        [
            "domain must not use store",
            "the domain knows nothing of tokio",
            "the domain knows nothing of aws-sdk-sqs",
            "store must not use edge",
            "one must not use two",
            "one must not use local",
            "local must not use tests",
            "stray stands in no room",
        ]
    );
}

/// The lints of the workspace hold where they are asked for only.
#[test]
fn every_package_takes_the_lints_of_the_workspace() {
    for package in packages() {
        let manifest = fs::read_to_string(root().join(&package.folder).join("Cargo.toml")).unwrap();
        assert!(
            manifest.contains("[lints]\nworkspace = true"),
            "{} has lints of its own",
            package.name
        );
    }
}

fn template() -> Template {
    let document = Document::read(EMBEDDED).unwrap();
    document.resolve(&names(&document)).unwrap()
}

fn names(document: &Document) -> LocalNames {
    let mut names = LocalNames::new("http://127.0.0.1".to_owned());
    names.secrets = document
        .secrets()
        .into_keys()
        .map(|id| (id, "secret".to_owned()))
        .collect();
    names
}

/// The properties of every resource of a kind.
fn resources(kind: &str) -> BTreeMap<String, Value> {
    let document = Document::read(EMBEDDED).unwrap();
    let resources = document.resources(&names(&document)).unwrap();
    let own = resources.into_iter();
    own.filter(|(_, resource)| resource.kind == kind)
        .map(|(id, resource)| (id, resource.properties))
        .collect()
}

fn folders(of: &str) -> BTreeSet<String> {
    fs::read_dir(root().join(of))
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect()
}

/// What is not in the template is not deployed; what is not in the folder cannot be.
#[test]
fn functions_packages_and_samples_are_the_same() {
    let functions = folders("functions");
    let in_template: BTreeSet<String> = template().functions.into_keys().collect();
    assert_eq!(in_template, functions);
    let in_workspace: BTreeSet<String> = packages()
        .into_iter()
        .filter(|package| Room::of(&package.folder) == Some(Room::Function))
        .map(|package| {
            assert_eq!(
                Path::new("functions").join(&package.name),
                package.folder,
                "a package is named as its folder"
            );
            package.name
        })
        .collect();
    assert_eq!(in_workspace, functions);
    assert_eq!(folders("events"), functions);
    for function in functions {
        let samples = fs::read_dir(root().join("events").join(&function))
            .unwrap()
            .count();
        assert!(
            samples >= 2,
            "{function} has no sample but the malformed one"
        );
        assert!(
            root()
                .join("events")
                .join(&function)
                .join("malformed.json")
                .is_file(),
            "{function}"
        );
    }
}

/// What the gateway sends to a function is what the contract says that it answers; everything else
/// goes to the function behind `$default`, which knows of all routes.
#[test]
fn the_template_routes_as_the_contract_says() {
    let template = template();
    let (default, named): (Vec<_>, Vec<_>) = template
        .routes
        .iter()
        .partition(|route| route.path == "$default");
    let default: Vec<&str> = default.iter().map(|route| route.package.as_str()).collect();
    assert_eq!(default, ["program-api"]);
    let named: BTreeSet<String> = named
        .iter()
        .map(|route| format!("{} {} {}", route.package, route.method, route.path))
        .collect();
    let promised: BTreeSet<String> = routes::ROUTES
        .iter()
        .filter(|route| route.function != "program-api")
        .map(|route| {
            format!(
                "{} {} {}",
                route.function,
                route.method.as_str(),
                route.path
            )
        })
        .collect();
    assert_eq!(named, promised);
}

/// Whoever reads events counts on it that a commit is in the table a minute after it was decided.
#[test]
fn no_function_runs_longer_than_a_commit_may_take() {
    let longest = template()
        .functions
        .values()
        .map(|function| function.timeout)
        .max();
    let bound = u64::try_from(kith_store::COMMIT_SECONDS_MAX).unwrap();
    assert!(
        longest.unwrap() < std::time::Duration::from_secs(bound),
        "{longest:?}"
    );
}

/// What an alarm watches: metrics by name, each of whatever its dimension names.
fn watched(metric: &str) -> BTreeMap<String, Vec<String>> {
    let mut watched: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (id, resource) in resources("AWS::CloudWatch::Alarm") {
        let metrics = resource["Metrics"].as_array();
        assert!(metrics.map_or(1, Vec::len) <= METRICS_MAX + 1, "{id}");
        let parts = metrics
            .into_iter()
            .flatten()
            .map(|part| &part["MetricStat"]["Metric"]);
        for part in parts.chain([&resource]) {
            if part["MetricName"] == metric {
                let of = part["Dimensions"][0]["Value"].as_str().unwrap();
                watched.entry(of.to_owned()).or_default().push(id.clone());
            }
        }
    }
    watched
}

/// A metric that two alarms have rings twice, and one that none has never does.
#[test]
fn every_function_is_watched_by_one_alarm_of_each_kind() {
    let functions: BTreeSet<String> = resources("AWS::Serverless::Function")
        .into_keys()
        .map(|id| format!("kith-{id}"))
        .collect();
    for metric in ["Errors", "Throttles"] {
        let watched = watched(metric);
        let names: BTreeSet<String> = watched.keys().cloned().collect();
        assert_eq!(names, functions, "{metric}");
        for (function, alarms) in watched {
            assert_eq!(alarms.len(), 1, "{metric} of {function}: {alarms:?}");
        }
    }
}

/// Whatever ends in a queue that no function reads is seen by a person, or by nobody.
#[test]
fn every_queue_of_dead_letters_has_its_alarm() {
    let template = template();
    let mut dead: BTreeSet<String> = template.queues.keys().cloned().collect();
    for mapping in &template.queue_mappings {
        dead.remove(&mapping.queue);
    }
    assert_eq!(dead.len(), template.queue_mappings.len() + 1, "{dead:?}");
    let watched = watched("ApproximateNumberOfMessagesVisible");
    assert_eq!(watched.keys().cloned().collect::<BTreeSet<_>>(), dead);
    // And whatever a worker cannot take ends in such a queue, with its own alarm.
    for mapping in &template.queue_mappings {
        let redrive = template.queues[&mapping.queue].redrive.as_ref();
        assert!(
            redrive.is_some_and(|redrive| dead.remove(&redrive.to)),
            "{}",
            mapping.queue
        );
    }
}

/// A `main.rs` that grows hides a use case.
#[test]
fn wiring_is_short() {
    for function in folders("functions") {
        let main = fs::read_to_string(root().join("functions").join(&function).join("src/main.rs"))
            .unwrap();
        let lines = main.lines().count();
        assert!(
            lines <= MAIN_LINES_MAX,
            "the main.rs of {function} has {lines} lines"
        );
    }
}

/// The Rust files under a folder.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The text of a room's sources without their tests, which stand behind the code.
fn code_of(folder: &str) -> String {
    let mut found = Vec::new();
    sources(&root().join(folder).join("src"), &mut found);
    found
        .iter()
        .filter(|path| !path.ends_with("tests.rs") && !path.iter().any(|part| part == "tests"))
        .map(|path| {
            let text = fs::read_to_string(path).unwrap();
            let code = text
                .split("#[cfg(test)]\nmod tests {")
                .next()
                .unwrap_or_default();
            // What a comment speaks of is not read.
            let lines = code
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"));
            lines.flat_map(|line| [line, "\n"]).collect::<String>()
        })
        .collect()
}

/// The variables that a text names.
fn variables_in(text: &str) -> BTreeSet<String> {
    text.split("\"KITH_")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .map(|name| format!("KITH_{name}"))
        .collect()
}

/// Whitespace out, so that a call is found however it was broken into lines.
fn squeezed(text: &str) -> String {
    text.chars()
        .filter(|letter| !letter.is_whitespace())
        .collect()
}

/// What a function reads is what the template gives it: no more, since it may be a secret, and no less.
#[test]
fn the_template_gives_each_function_what_it_reads() {
    let mut faults = Vec::new();
    for (package, function) in template().functions {
        let code = squeezed(&code_of(&format!("functions/{package}")));
        let mut read = variables_in(&code);
        for (call, names) in READERS {
            if code.contains(call) {
                read.extend(names.iter().map(|name| (*name).to_owned()));
            }
        }
        let given: BTreeSet<String> = function
            .variables
            .into_keys()
            .filter(|name| name.starts_with("KITH_"))
            .collect();
        faults.extend(
            read.difference(&given)
                .map(|name| format!("{package} reads {name}, which it is not given")),
        );
        faults.extend(
            given
                .difference(&read)
                .map(|name| format!("{package} is given {name}, which it does not read")),
        );
    }
    assert_eq!(faults, [""; 0]);
}

/// A way to read a variable that the list above does not know would blind the test.
#[test]
fn every_reader_of_variables_is_listed() {
    let shared: String = folders("shared")
        .iter()
        .map(|name| code_of(&format!("shared/{name}")))
        .collect();
    let listed: BTreeSet<String> = READERS
        .iter()
        .flat_map(|(_, names)| *names)
        .map(|name| (*name).to_owned())
        .collect();
    assert_eq!(variables_in(&shared), listed);
}

/// On AWS standard output is the log, one JSON object a line.
#[test]
fn nothing_prints_but_the_local_bundle_and_tests() {
    let mut found = Vec::new();
    sources(&root().join("functions"), &mut found);
    sources(&root().join("shared"), &mut found);
    for path in found {
        let text = squeezed(&fs::read_to_string(&path).unwrap());
        for print in ["println!(", "print!(", "dbg!("] {
            assert!(!text.contains(print), "{} prints", path.display());
        }
    }
}
