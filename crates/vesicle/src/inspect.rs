//! `vesicle inspect`

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::json;
use sha2::{Digest as _, Sha256};
use vesicle_pipeline::connector::bindings::types::Spec;
use vesicle_pipeline::document::{OptionKind, OptionSpec};
use vesicle_pipeline::{Exit, workshop};
use vesicle_pool::manifest::Permissions;
use vesicle_pool::{Manifest, Surface};

use crate::cli::{Format, InspectArgs};
use crate::output::{Failed, grouped, print_json, print_text};
use crate::session;

/// Prints what a component could touch and, of a connector, which options it
/// takes: it runs for that, with nothing to reach.
pub async fn run(args: &InspectArgs) -> Result<Exit, Failed> {
    let path = find(&args.component)?;
    let shown = path.display();
    let bytes = std::fs::read(&path)
        .map_err(|e| Failed::new(Exit::Component, format!("cannot read {shown}: {e}")))?;
    let surface =
        Surface::read(&bytes).map_err(|e| Failed::new(Exit::Component, format!("{shown}: {e}")))?;
    let spec = spec(&path, &surface).await;
    match args.output.output {
        Format::Json => print_json(&as_json(&path, &bytes, &surface, spec.as_ref().ok())),
        Format::Text => print_text(&as_text(&path, &bytes, &surface, &spec)),
    }
    Ok(Exit::Success)
}

/// What a connector says it is; why it says nothing.
async fn spec(path: &Path, surface: &Surface) -> Result<Spec, String> {
    let name = surface.manifest.as_ref().map(|manifest| &*manifest.name);
    let workshop = session::workshop().map_err(|failed| failed.message)?;
    let introduced = workshop.introduce(name.unwrap_or("it"), path, false).await;
    Ok(introduced.map_err(|error| error.to_string())?.spec)
}

/// How the value of an option is written, in words.
fn kind(kind: &OptionKind) -> String {
    match kind {
        OptionKind::Text => "text".to_owned(),
        OptionKind::Integer => "integer".to_owned(),
        OptionKind::Number => "number".to_owned(),
        OptionKind::Boolean => "true or false".to_owned(),
        OptionKind::Choice(words) => words.join(" | "),
        OptionKind::Texts => "a text or a list".to_owned(),
        OptionKind::Mapping => "names and words".to_owned(),
        OptionKind::Files => "files".to_owned(),
        OptionKind::Directory => "a folder".to_owned(),
    }
}

/// An option, on one line.
fn option_line(option: &OptionSpec, width: usize) -> String {
    let mut notes = vec![kind(&option.kind)];
    if option.required {
        notes.push("required".into());
    }
    if option.secret {
        notes.push("secret".into());
    }
    if let Some(default) = &option.default {
        notes.push(format!("default {default}"));
    }
    let notes = notes.join(", ");
    format!("  {:<width$}  {} ({notes})", option.name, option.doc)
}

fn find(component: &str) -> Result<PathBuf, Failed> {
    let here = Path::new(component);
    if here.is_file() {
        return Ok(here.to_owned());
    }
    session::catalog()
        .find(component, Path::new("."))
        .map_err(|e| Failed::new(Exit::Component, format!("{}; {}", e.message, e.help)))
}

/// What the interfaces of a package let a component do, in words.
fn capability(interface: &str) -> &'static str {
    let package = interface.split(['/', '@']).next().unwrap_or_default();
    match package {
        "wasi:filesystem" => "files and folders, those that are granted",
        "wasi:sockets" => "connections, to the endpoints that are granted",
        "wasi:clocks" => "the time, and waiting",
        "wasi:random" => "random numbers",
        "wasi:io" => "waiting for what it was granted",
        "wasi:cli" if interface.contains("environment") => "variables, those that are granted",
        "wasi:cli" => "text on its standard output, which goes to the log",
        "vesicle:connector" if interface.contains("/session") => {
            "sessions with servers, those that are granted; the host signs in"
        }
        "vesicle:connector" => "types of the connector's contract",
        _ => "not offered here: the component would be refused",
    }
}

fn capabilities(surface: &Surface) -> BTreeMap<&'static str, Vec<&str>> {
    let mut grouped: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for name in surface.imports.keys() {
        grouped.entry(capability(name)).or_default().push(name);
    }
    grouped
}

fn wants(permissions: &Permissions) -> Vec<String> {
    let Permissions {
        connect,
        read,
        write,
        env,
        session,
    } = permissions;
    let sessions = session.iter().map(|session| {
        format!(
            "have sessions with {} as {}, which the host signs in to",
            session.endpoint, session.user
        )
    });
    let all = [
        ("connect to", connect),
        ("read", read),
        ("write in", write),
        ("see the variable", env),
    ];
    all.into_iter()
        .flat_map(|(verb, list)| list.iter().map(move |what| format!("{verb} {what}")))
        .chain(sessions)
        .collect()
}

/// SHA-256, in hexadecimal.
fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn as_text(path: &Path, bytes: &[u8], surface: &Surface, spec: &Result<Spec, String>) -> String {
    let mut lines = Vec::new();
    match &surface.manifest {
        Some(Manifest {
            name,
            kind,
            version,
            doc,
            permissions,
            limits,
        }) => {
            lines.push(format!("{name} {version} ({kind})"));
            lines.push(format!("  {doc}"));
            lines.push("asks for".into());
            let wants = wants(permissions);
            if wants.is_empty() {
                lines.push("  nothing".into());
            }
            lines.extend(wants.iter().map(|want| format!("  {want}")));
            if let Some(memory) = &limits.memory {
                lines.push(format!("  {memory} of memory"));
            }
        }
        None => {
            lines.push(
                "a component without a manifest: it asks for nothing and gets nothing".into(),
            );
        }
    }
    match spec {
        Ok(spec) => {
            let options = workshop::options(&spec.options);
            lines.push("takes, under config".into());
            let width = options.iter().map(|option| option.name.len()).max();
            let width = width.unwrap_or_default();
            lines.extend(options.iter().map(|option| option_line(option, width)));
        }
        Err(reason) => lines.push(format!("does not say what it takes: {reason}")),
    }
    lines.push("could use, where granted".into());
    for (words, interfaces) in capabilities(surface) {
        lines.push(format!("  {words}"));
        lines.extend(interfaces.iter().map(|name| format!("    {name}")));
    }
    for name in &surface.root_imports {
        lines.push(format!("  not offered here: the function {name}"));
    }
    lines.push("exports".into());
    lines.extend(surface.exports.iter().map(|(name, structure)| {
        let functions: Vec<_> = structure.functions().collect();
        format!("  {name}: {}", functions.join(", "))
    }));
    lines.extend(surface.root_exports.iter().map(|name| format!("  {name}")));
    lines.push(format!("file    {}", path.display()));
    lines.push(format!("size    {} bytes", grouped(bytes.len() as u64)));
    lines.push(format!("sha256  {}", hash(bytes)));
    lines.join("\n")
}

fn as_json(path: &Path, bytes: &[u8], surface: &Surface, spec: Option<&Spec>) -> serde_json::Value {
    let options = spec.map(|spec| {
        let options = workshop::options(&spec.options);
        let options = options.into_iter().map(|option| {
            json!({
                "name": option.name, "kind": kind(&option.kind), "required": option.required,
                "default": option.default, "secret": option.secret, "doc": option.doc,
            })
        });
        options.collect::<Vec<_>>()
    });
    let manifest = surface.manifest.as_ref().map(|manifest| {
        json!({
            "name": manifest.name, "kind": manifest.kind, "version": manifest.version,
            "doc": manifest.doc,
            "permissions": {
                "connect": manifest.permissions.connect, "read": manifest.permissions.read,
                "write": manifest.permissions.write, "env": manifest.permissions.env,
                "session": manifest.permissions.session,
            },
        })
    });
    json!({
        "path": path,
        "size": bytes.len(),
        "sha256": hash(bytes),
        "manifest": manifest,
        "options": options,
        "capabilities": capabilities(surface),
        "imports": surface.imports.keys().chain(&surface.root_imports).collect::<Vec<_>>(),
        "exports": surface.exports.keys().chain(&surface.root_exports).collect::<Vec<_>>(),
    })
}
