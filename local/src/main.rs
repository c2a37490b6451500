//! The whole bundle on one machine: `cargo run`.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use kith_local::command::{Command, HELP};
use kith_local::{Bundle, Options, Place, console, demo, logs};
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    let command = match Command::read(std::env::args_os().skip(1)) {
        Ok(command) => command,
        Err(fault) => return fail(&fault),
    };
    if command.help {
        console::line(HELP);
        return ExitCode::SUCCESS;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => runtime
            .block_on(run(&command))
            .map_or_else(|fault| fail(&fault), |()| ExitCode::SUCCESS),
        Err(error) => fail(&format!("the runtime cannot be made: {error}")),
    }
}

async fn run(command: &Command) -> Result<(), String> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let data = command.data.as_deref();
    let options = Options {
        registry: kith_local::registry(),
        port: command.port,
        place: data.map_or(Place::Memory, |folder| Place::Folder(folder.to_owned())),
        operator_key: variable("KITH_OPERATOR_KEY"),
        test_operator_key: variable("KITH_TEST_OPERATOR_KEY"),
        on_step: Some(Arc::new(console::step)),
        ..Options::default()
    };
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| error.to_string())?;
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
    let bundle = Bundle::start(options)
        .await
        .map_err(|error| error.to_string())?;
    start_logs(command, data, variable("RUST_LOG").as_deref())?;
    console::ready(&bundle, data);

    let stopped = async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    let walk = async {
        if command.demo {
            demo::run(&bundle)
                .await
                .map_err(|error| error.to_string())?;
        }
        std::future::pending::<Result<(), String>>().await
    };
    let outcome = tokio::select! {
        () = stopped => Ok(()),
        outcome = walk => outcome,
    };
    console::line("finishing what has begun; a second Ctrl-C does not wait");
    tokio::select! {
        () = bundle.shutdown() => {}
        _ = interrupt.recv() => {}
    }
    outcome
}

fn start_logs(
    command: &Command,
    data: Option<&Path>,
    rust_log: Option<&str>,
) -> Result<(), String> {
    let file = data.map(|folder| folder.join(console::LOG_FILE));
    logs::start(file.as_deref(), logs::level(command.verbose, rust_log))
        .map_err(|error| format!("the log cannot be written: {error}"))
}

fn fail(fault: &str) -> ExitCode {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "kith: {fault}");
    ExitCode::FAILURE
}
