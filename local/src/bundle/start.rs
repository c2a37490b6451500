//! From options to a running bundle.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kith_edge::{Environment, Function, StartError};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::{Bundle, Options, Place, no_steps};
use crate::functions::Functions;
use crate::gateway::{self, Front, Routes};
use crate::guard::Guard;
use crate::host::{Gate, Host};
use crate::mail::Mails;
use crate::mapping;
use crate::queues::Queues;
use crate::services::{self, Services};
use crate::state::State;
use crate::table::{Location, Table, TableError};
use crate::template::{Document, EMBEDDED, FunctionSpec, LocalNames, Template, TemplateError};

/// The shortest operator key that is taken.
const KEY_LENGTH_MIN: usize = 32;
/// A killed process holds its port and its lock for a moment longer: how often to look, and how
/// long to wait in between.
const PATIENCE_LOOKS: u32 = 20;
/// See [`PATIENCE_LOOKS`].
const PATIENCE_STEP: Duration = Duration::from_millis(50);

/// Bundles in memory that were made in this process: each has a name of its own, even where the random bytes are
/// the same.
static BUNDLES: AtomicU64 = AtomicU64::new(0);

/// A function and what the template says of it.
type Constructed = (FunctionSpec, Box<dyn Function>);

/// Why a bundle does not start.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The template has faults.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The table cannot be used.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The host's own database cannot be used.
    #[error("the host's database cannot be opened: {0}")]
    State(#[from] rusqlite::Error),
    /// The data folder cannot be used.
    #[error("the data folder {} cannot be used: {source}", .folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// Another process uses the data.
    #[error("the data folder {} is used by another instance; end it, or name another folder with --data", .0.display())]
    InUse(PathBuf),
    /// Another process listens there.
    #[error("port {0} is taken; end what listens there, or choose another with --port")]
    PortTaken(u16),
    /// The port cannot be listened on.
    #[error("cannot listen on port {port}: {source}")]
    Listen {
        /// The port.
        port: u16,
        /// What the operating system says.
        source: io::Error,
    },
    /// An operator key of the wrong form.
    #[error("{name} is to begin with {prefix} and to have at least {KEY_LENGTH_MIN} characters")]
    BadOperatorKey {
        /// The variable.
        name: &'static str,
        /// What it begins with.
        prefix: &'static str,
    },
    /// The template names functions that this program does not hold.
    #[error("no code is known for these functions of the template: {}", .0.join(", "))]
    MissingFunctions(Vec<String>),
    /// A function does not start.
    #[error("{package} cannot start: {source}")]
    Function {
        /// Its package.
        package: String,
        /// What it says.
        source: StartError,
    },
}

impl BundleError {
    pub(super) fn folder(folder: &Path, source: io::Error) -> Self {
        Self::Folder {
            folder: folder.to_owned(),
            source,
        }
    }
}

/// What a bundle is made of, before anything in it moves: for whoever moves it otherwise.
#[derive(Debug)]
pub struct Parts {
    /// What the template says, with this machine's names.
    pub template: Template,
    /// Those names.
    pub names: LocalNames,
    /// Table, queues and mail.
    pub services: Services,
    /// What each function is started with, by package.
    pub environments: BTreeMap<String, Environment>,
    state: State,
}

impl Parts {
    /// The parts of a bundle that answers on a port, its services at an endpoint.
    ///
    /// # Errors
    /// Every reason not to start but those of ports and functions; see [`BundleError`].
    pub fn new(options: &Options, port: u16, services_endpoint: &str) -> Result<Self, BundleError> {
        let (template, names) = read_template(options, services_endpoint)?;
        let state = State::open(options.place.file("host.db").as_deref())?;
        let services = open_services(options, &template, &names, &state)?;
        let environments = environments(options, &template, &services, port, services_endpoint)?;
        Ok(Self {
            template,
            names,
            services,
            environments,
            state,
        })
    }
}

/// See [`Bundle::start`].
pub(super) async fn start(options: Options) -> Result<Bundle, BundleError> {
    let lock = match &options.place {
        Place::Memory => None,
        Place::Folder(folder) => Some(prepare(folder).await?),
    };
    let front_listener = listen(options.port).await?;
    let services_listener = listen(0).await?;
    let port = port_of(&front_listener)?;
    let services_endpoint = format!("http://127.0.0.1:{}", port_of(&services_listener)?);

    let Parts {
        template,
        names,
        services,
        environments,
        state,
    } = Parts::new(&options, port, &services_endpoint)?;
    let functions = Functions::new(
        construct(&options, &template, &environments)?,
        Arc::clone(&options.clock),
        Arc::clone(&options.randomness),
    );

    let stop = watch::Sender::new(false);
    let host = Host {
        functions,
        services: services.clone(),
        state,
        names: Arc::new(names),
        gate: Gate::new(options.paused),
        duplicates: Arc::new(Mutex::new(options.duplicates)),
        clock: Arc::clone(&options.clock),
        randomness: Arc::clone(&options.randomness),
        steps: options.on_step.clone().unwrap_or_else(no_steps),
        stop: stop.subscribe(),
    };

    let mut tasks = JoinSet::new();
    let mut stream_seen = Vec::new();
    let ending = host.clone();
    tasks.spawn(services::serve(services_listener, services, async move {
        // The services go last: until then functions may need them.
        ending.stopped().await;
    }));
    for mapping in &template.stream_mappings {
        let (seen, seen_by_us) = watch::channel(0);
        stream_seen.push(seen_by_us);
        tasks.spawn(mapping::stream::run(host.clone(), mapping.clone(), seen));
    }
    for mapping in &template.queue_mappings {
        tasks.spawn(mapping::queue::run(host.clone(), mapping.clone()));
    }
    if options.schedules {
        for schedule in &template.schedules {
            tasks.spawn(mapping::schedule::run(host.clone(), schedule.clone()));
        }
    }
    tasks.spawn(mapping::schedule::sweep(host.clone()));
    let front = Front {
        host: host.clone(),
        routes: Routes::new(&template.routes),
        port,
    };
    tasks.spawn(gateway::serve(front_listener, front));

    Ok(Bundle {
        host,
        template,
        environments,
        port,
        services_endpoint,
        stop,
        stream_seen,
        tasks,
        _lock: lock,
    })
}

impl Place {
    fn file(&self, name: &str) -> Option<PathBuf> {
        match self {
            Self::Folder(folder) => Some(folder.join(name)),
            Self::Memory => None,
        }
    }
}

/// Makes the folder and takes its lock.
async fn prepare(folder: &Path) -> Result<std::fs::File, BundleError> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder
        .create(folder)
        .map_err(|error| BundleError::folder(folder, error))?;
    let file = std::fs::File::create(folder.join("lock"))
        .map_err(|error| BundleError::folder(folder, error))?;
    for _ in 0..PATIENCE_LOOKS {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(std::fs::TryLockError::WouldBlock) => tokio::time::sleep(PATIENCE_STEP).await,
            Err(std::fs::TryLockError::Error(error)) => {
                return Err(BundleError::folder(folder, error));
            }
        }
    }
    Err(BundleError::InUse(folder.to_owned()))
}

async fn listen(port: u16) -> Result<TcpListener, BundleError> {
    for _ in 0..PATIENCE_LOOKS {
        match TcpListener::bind(("127.0.0.1", port)).await {
            Ok(listener) => return Ok(listener),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                tokio::time::sleep(PATIENCE_STEP).await;
            }
            Err(source) => return Err(BundleError::Listen { port, source }),
        }
    }
    Err(BundleError::PortTaken(port))
}

fn port_of(listener: &TcpListener) -> Result<u16, BundleError> {
    listener
        .local_addr()
        .map(|address| address.port())
        .map_err(|source| BundleError::Listen { port: 0, source })
}

fn read_template(
    options: &Options,
    services_endpoint: &str,
) -> Result<(Template, LocalNames), BundleError> {
    let document = Document::read(options.template.as_deref().unwrap_or(EMBEDDED))?;
    let mut names = LocalNames::new(services_endpoint.to_owned());
    let path = options.place.file("secrets.json");
    let specs = document.secrets();
    names.secrets = crate::secrets::load_or_make(path.as_deref(), &specs, &*options.randomness)
        .map_err(|source| BundleError::Folder {
            folder: path.unwrap_or_default(),
            source,
        })?;
    let mut template = document.resolve(&names)?;
    if let Some(timeout) = options.visibility_timeout {
        for queue in template.queues.values_mut() {
            queue.visibility_timeout = timeout;
        }
    }
    Ok((template, names))
}

fn open_services(
    options: &Options,
    template: &Template,
    names: &LocalNames,
    state: &State,
) -> Result<Services, BundleError> {
    let location = match options.place.file("table.db") {
        Some(path) => Location::File(path),
        None => Location::Memory(format!(
            "bundle-{}",
            BUNDLES.fetch_add(1, Ordering::Relaxed)
        )),
    };
    let clock = || Arc::clone(&options.clock);
    let randomness = || Arc::clone(&options.randomness);
    Ok(Services {
        table: Table::open(&location, &template.table)?,
        queues: Queues::open(
            state.clone(),
            template.queues.clone(),
            clock(),
            randomness(),
        )?,
        mails: Mails::new(state.clone(), clock(), randomness()),
        guard: Guard::new(template, names.clone()),
    })
}

/// The template's variables, with this machine's addresses and keys in their place.
fn environments(
    options: &Options,
    template: &Template,
    services: &Services,
    port: u16,
    services_endpoint: &str,
) -> Result<BTreeMap<String, Environment>, BundleError> {
    let mut own = options.variables.clone();
    own.insert(
        "KITH_PUBLIC_URL".to_owned(),
        format!("http://127.0.0.1:{port}"),
    );
    let keys = [
        ("KITH_OPERATOR_KEY", "kith_live_", &options.operator_key),
        (
            "KITH_TEST_OPERATOR_KEY",
            "kith_test_",
            &options.test_operator_key,
        ),
    ];
    for (name, prefix, key) in keys {
        if let Some(key) = key {
            if !key.starts_with(prefix) || key.chars().count() < KEY_LENGTH_MIN {
                return Err(BundleError::BadOperatorKey { name, prefix });
            }
            own.insert(name.to_owned(), key.clone());
        }
    }
    let for_every = [
        ("AWS_REGION", "local"),
        ("AWS_SECRET_ACCESS_KEY", "local"),
        ("AWS_ENDPOINT_URL_DYNAMODB", services_endpoint),
        ("AWS_ENDPOINT_URL_SQS", services_endpoint),
        ("AWS_ENDPOINT_URL_SESV2", services_endpoint),
    ];
    Ok(template
        .functions
        .values()
        .map(|spec| {
            let mut variables = spec.variables.clone();
            for (name, value) in &mut variables {
                if let Some(own) = own.get(name) {
                    value.clone_from(own);
                }
            }
            for (name, value) in for_every {
                variables.insert(name.to_owned(), value.to_owned());
            }
            // By which the guard knows whose role counts.
            variables.insert("AWS_ACCESS_KEY_ID".to_owned(), spec.package.clone());
            let client = services.client();
            let client = match &options.wrap_client {
                Some(wrap) => wrap(&spec.package, client),
                None => client,
            };
            let environment = Environment {
                variables,
                http_client: Some(client),
                clock: Arc::clone(&options.clock),
                randomness: Arc::clone(&options.randomness),
            };
            (spec.package.clone(), environment)
        })
        .collect())
}

fn construct(
    options: &Options,
    template: &Template,
    environments: &BTreeMap<String, Environment>,
) -> Result<Vec<Constructed>, BundleError> {
    let mut missing = Vec::new();
    let mut functions = Vec::new();
    for (spec, environment) in template.functions.values().zip(environments.values()) {
        match options.registry.constructor(&spec.package) {
            None => missing.push(spec.package.clone()),
            Some(construct) => {
                let function = construct(environment).map_err(|source| BundleError::Function {
                    package: spec.package.clone(),
                    source,
                })?;
                functions.push((spec.clone(), function));
            }
        }
    }
    if missing.is_empty() {
        Ok(functions)
    } else {
        Err(BundleError::MissingFunctions(missing))
    }
}
