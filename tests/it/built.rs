//! The real binaries of the workspace: built once, in the profile and folder of the tests.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The folder of built binaries, after everything in it was built.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        // This test's own binary stands in `<target>/<profile>/deps`.
        let own = std::env::current_exe().unwrap();
        let folder = own.ancestors().nth(2).unwrap().to_owned();
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--workspace", "--bins", "--target-dir"])
            .arg(folder.parent().unwrap())
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap())
            .status()
            .unwrap();
        assert!(built.success(), "the binaries do not build");
        folder
    })
}

/// A binary of the workspace, by its name.
pub fn binary(name: &str) -> PathBuf {
    folder().join(name)
}
