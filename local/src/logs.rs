//! Where the functions' own log lines go: to a file beside the data, or to the terminal.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::Mutex;

use tracing_subscriber::filter::LevelFilter;

/// Starts logging: with `level` to standard error for people, else as JSON into the file.
///
/// # Errors
/// The file cannot be opened.
pub fn start(file: Option<&Path>, level: Option<LevelFilter>) -> io::Result<()> {
    if let Some(level) = level {
        let _ = tracing_subscriber::fmt()
            .with_max_level(level)
            .with_writer(io::stderr)
            .with_target(false)
            .try_init();
        return Ok(());
    }
    let Some(path) = file else {
        return Ok(());
    };
    let file: File = OpenOptions::new().create(true).append(true).open(path)?;
    let _ = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_target(false)
        .with_max_level(LevelFilter::INFO)
        .with_writer(Mutex::new(file))
        .try_init();
    Ok(())
}

/// The level that `--verbose` and `RUST_LOG` ask for, if any.
#[must_use]
pub fn level(verbose: bool, rust_log: Option<&str>) -> Option<LevelFilter> {
    match rust_log.and_then(|text| text.parse().ok()) {
        Some(level) => Some(level),
        None => verbose.then_some(LevelFilter::INFO),
    }
}
