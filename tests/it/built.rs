//! The real binaries of the workspace: built once, in the profile and folder of the tests.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Building this test as well, which is built already, asks for the features that its libraries
/// were built with. Without it half of them would be built once more, the AWS clients included.
const BUILD: [&str; 6] = ["build", "--quiet", "--workspace", "--bins", "--test", "it"];

/// The folder of built binaries, after everything in it was built.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        // This test's own binary stands in `<target>/<profile>/deps`.
        let own = std::env::current_exe().unwrap();
        let folder = own.ancestors().nth(2).unwrap().to_owned();
        let mut build = Command::new(env!("CARGO"));
        build
            .args(BUILD)
            .arg("--target-dir")
            .arg(folder.parent().unwrap())
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap());
        // Cargo tells a test of its package in variables that build scripts watch: seeing them
        // change, they would run again, and everything above them would be built again.
        for (name, _) in std::env::vars_os() {
            let is_of_package = name.to_str().is_some_and(|name| {
                name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
            });
            if is_of_package {
                build.env_remove(name);
            }
        }
        assert!(
            build.status().unwrap().success(),
            "the binaries do not build"
        );
        folder
    })
}

/// A binary of the workspace, by its name.
pub(crate) fn binary(name: &str) -> PathBuf {
    folder().join(name)
}
