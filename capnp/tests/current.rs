//! The generated code is that of the schemas.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

/// The schemas, each with a file of code.
const SCHEMAS: [&str; 3] = ["outcome", "membrane", "cell"];

#[test]
fn the_generated_code_is_that_of_the_schemas() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let kept = folder.join("src/generated");
    let fresh = tempfile::tempdir().unwrap();
    let mut compiler = capnpc::CompilerCommand::new();
    compiler.src_prefix(folder).output_path(fresh.path());
    for schema in SCHEMAS {
        compiler.file(folder.join(schema).with_extension("capnp"));
    }
    let compiled = compiler.run();
    compiled.expect("a schema compiler; Debian: `apt-get install capnproto`");
    for schema in SCHEMAS {
        let name = format!("{schema}_capnp.rs");
        let code = fs::read_to_string(fresh.path().join(&name)).unwrap();
        let file = kept.join(&name);
        if std::env::var_os("BLESS").is_some() {
            fs::write(&file, &code).unwrap();
        }
        let is_current =
            fs::read_to_string(&file).is_ok_and(|kept| without_head(&kept) == without_head(&code));
        assert!(
            is_current,
            "src/generated/{name} is not what the schemas make; \
             `BLESS=1 cargo test --workspace --test current` renews it"
        );
    }
}

/// The code without the lines above it, which name the compiler's version.
fn without_head(code: &str) -> &str {
    code.find("\npub mod").map_or(code, |head| &code[head..])
}
