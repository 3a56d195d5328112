//! `vesicle components`

use serde_json::json;
use vesicle_pipeline::Exit;
use vesicle_pipeline::catalog::Found;
use vesicle_pool::Surface;

use crate::cli::{Format, OutputArgs};
use crate::output::{Failed, print_json, print_text};
use crate::session;

/// Prints what is found where.
pub fn run(args: &OutputArgs) -> Result<Exit, Failed> {
    let catalog = session::catalog();
    let found: Vec<_> = catalog
        .list()
        .into_iter()
        .map(|found| (about(&found), found))
        .collect();
    if args.output == Format::Json {
        print_json(
            &found
                .iter()
                .map(|((kind, version, doc), found)| {
                    json!({
                        "name": found.name, "kind": kind, "version": version, "doc": doc,
                        "path": found.path, "hidden": found.hidden,
                    })
                })
                .collect(),
        );
        return Ok(Exit::Success);
    }
    let folders: Vec<_> = catalog
        .folders()
        .iter()
        .map(|folder| folder.display().to_string())
        .collect();
    if found.is_empty() {
        print_text(&format!(
            "no components in {}; set VESICLE_COMPONENTS to the folder that has them",
            folders.join(", ")
        ));
        return Ok(Exit::Success);
    }
    let width = found.iter().map(|(_, f)| f.name.len()).max().unwrap_or(0);
    for ((kind, version, doc), found) in &found {
        let hidden = if found.hidden {
            " (hidden by one of that name before it)"
        } else {
            ""
        };
        print_text(&format!(
            "{:<width$}  {kind:<11}  {version:<7}  {doc}\n{:<width$}  {}{hidden}",
            found.name,
            "",
            found.path.display()
        ));
    }
    Ok(Exit::Success)
}

/// Kind, version and sentence, as the manifest has them.
fn about(found: &Found) -> (String, String, String) {
    let surface = match std::fs::read(&found.path).map(|bytes| Surface::read(&bytes)) {
        Ok(Ok(surface)) => surface,
        Ok(Err(error)) => return ("unusable".into(), "-".into(), error.to_string()),
        Err(error) => return ("unreadable".into(), "-".into(), error.to_string()),
    };
    match surface.manifest {
        Some(manifest) => (manifest.kind, manifest.version, manifest.doc),
        None => ("component".into(), "-".into(), "without a manifest".into()),
    }
}
