//! What most commands begin with: the document, read; the workshop, open.

use std::path::{Path, PathBuf};

use vesicle_engine::Config;
use vesicle_pipeline::catalog::Catalog;
use vesicle_pipeline::document::Document;
use vesicle_pipeline::plan::Plan;
use vesicle_pipeline::state::StateAt;
use vesicle_pipeline::workshop::Workshop;
use vesicle_pipeline::{Error, Exit};

use crate::output::Failed;

/// A document with its text.
pub struct Read {
    /// The document.
    pub document: Document,
    /// Its text, to show lines of.
    pub source: String,
    /// The folder that its relative paths start from.
    pub base: PathBuf,
}

/// The process's environment.
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Reads a document.
pub fn read(path: &Path) -> Result<Read, Failed> {
    let shown = path.display();
    if path.is_dir() {
        return Err(Failed::new(
            Exit::Document,
            format!("{shown} is a folder; name the document in it"),
        ));
    }
    if path
        .extension()
        .is_some_and(|extension| extension == "wasm")
    {
        return Err(Failed::new(
            Exit::Document,
            format!("{shown} is a component; a document names it under use"),
        ));
    }
    let bytes = std::fs::read(path).map_err(|error| {
        let hint = match error.kind() {
            std::io::ErrorKind::NotFound => instead_of(path),
            _ => String::new(),
        };
        Failed::new(
            Exit::Document,
            format!("cannot read {shown}: {error}{hint}"),
        )
    })?;
    let source = String::from_utf8_lossy(&bytes).into_owned();
    let document = Document::parse(&shown.to_string(), &bytes, &environment)
        .map_err(|wrong| Failed::of(&Error::Document(wrong), Some(&source)))?;
    let base = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    Ok(Read {
        document,
        source,
        base,
    })
}

/// What to do about a document that is not there: the ones beside it, or how to
/// begin one.
fn instead_of(path: &Path) -> String {
    const SHOWN: usize = 3;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut documents: Vec<String> = entries
        .filter(|entry| {
            let extension = entry.path().extension().map(|found| found.to_owned());
            extension.is_some_and(|found| found == "yaml" || found == "yml")
        })
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    documents.sort();
    documents.truncate(SHOWN);
    if documents.is_empty() {
        return "; `vesicle new pipeline NAME` starts one".into();
    }
    format!("; beside it there is {}", documents.join(", "))
}

/// Where the state of a document's pipeline is.
pub fn state_of(read: &Read) -> Result<StateAt, Failed> {
    StateAt::of(&read.document.state, &read.base)
        .map_err(|wrong| Failed::new(Exit::Document, format!("state.connection: {wrong}")))
}

/// Where components are found.
pub fn catalog() -> Catalog {
    let binary = std::env::current_exe()
        .ok()
        .and_then(|binary| binary.canonicalize().ok());
    Catalog::new(
        environment("VESICLE_COMPONENTS").as_deref(),
        binary.as_deref(),
    )
}

/// Opens the workshop.
pub fn workshop() -> Result<Workshop, Failed> {
    Ok(Workshop::new(catalog(), engine())?)
}

/// How the engine is configured.
pub fn engine() -> Config {
    Config {
        cache: cache(),
        perf_map: environment("VESICLE_PERF_MAP").is_some_and(|value| value == "1"),
        ..Config::default()
    }
}

/// The folder of compiled code: `VESICLE_CACHE`, or `vesicle` in the user's
/// cache folder. Without either, nothing is kept.
fn cache() -> Option<PathBuf> {
    if let Some(folder) = environment("VESICLE_CACHE") {
        return Some(PathBuf::from(folder)).filter(|folder| !folder.as_os_str().is_empty());
    }
    let user = environment("XDG_CACHE_HOME")
        .filter(|folder| !folder.is_empty())
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(environment("HOME")?).join(".cache")))?;
    Some(user.join("vesicle"))
}

/// Makes the plan of a document.
pub async fn plan(read: Read) -> Result<Plan, Failed> {
    let workshop = workshop()?;
    let Read {
        document,
        source,
        base,
    } = read;
    let redactor = document.redactor();
    Plan::make(&workshop, document, &base, &environment)
        .await
        .map_err(|error| Failed::of(&error, Some(&source)).redact(&redactor))
}
