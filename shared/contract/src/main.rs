//! Writes the OpenAPI document and the Postman collection that is made of it, beside this crate.

use std::path::Path;

fn main() -> std::io::Result<()> {
    let crate_root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (name, text) in kith_contract::written() {
        std::fs::write(crate_root.join(name), text)?;
    }
    Ok(())
}
