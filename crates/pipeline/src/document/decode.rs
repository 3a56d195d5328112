//! From the tree of values to the [`Document`].

use super::diagnostic::{Position, Problems, Spanned};
use super::endpoint::Endpoint;
use super::fields::Fields;
use super::keys;
use super::model::{
    Checkpoint, Connector, Destination, Document, Limits, Permissions, Resources, SchemaEvolution,
    Source, StateStore, Transform,
};
use super::scalars::FromEnvironment;
use super::streams::{self, Loading};
use super::value::{Node, Value};
use super::variables::is_variable;
use super::words::{Backend, WriteMode};
use std::collections::HashMap;

/// The version of the format that this code reads.
const VERSION: &str = "1.0";

/// Reads the root of a document. `None` after a problem was noted.
pub(super) fn document(
    (path, text): (&str, &str),
    root: &Value,
    environment: FromEnvironment,
    problems: &Problems<'_>,
) -> Option<Document> {
    if !matches!(root.node(), Node::Map(_)) {
        let message = format!("a pipeline document is a map of keys, not {}", root.kind());
        let help = "it starts with: version: \"1.0\"";
        problems.advise(root.position(), message, Some(help.to_owned()));
        return None;
    }
    let fields = Fields::new(
        &keys::DOCUMENT,
        root,
        String::new(),
        Position::START,
        problems,
    )?;
    let version = version(&fields);
    let pipeline = fields.name("pipeline");
    let destination =
        written_section(&fields, "destination").and_then(|fields| destination(&fields));
    let loading = destination
        .as_ref()
        .map(|(destination, primary_key)| Loading {
            write_mode: &destination.write_mode,
            primary_key,
        });
    let source = written_section(&fields, "source").and_then(|fields| source(&fields, loading));
    let transforms = transforms(&fields);
    let state = fields
        .section("state")
        .and_then(|state| store(&state, pipeline.as_ref()));
    let checkpoint = fields
        .section("checkpoint")
        .and_then(|fields| checkpoint(&fields));
    let resources = fields
        .section("resources")
        .and_then(|fields| resources(&fields));
    version?;
    Some(Document {
        path: path.to_owned(),
        text: text.to_owned(),
        pipeline: pipeline?,
        source: source?,
        transforms,
        destination: destination?.0,
        state: state?,
        checkpoint: checkpoint?,
        resources: resources?,
        environment,
    })
}

/// A required section; that it is missing has been noted.
fn written_section<'v>(fields: &Fields<'v>, name: &str) -> Option<Fields<'v>> {
    fields.has(name).then(|| fields.section(name))?
}

fn version(fields: &Fields<'_>) -> Option<()> {
    let value = fields.value("version")?;
    if value.as_text() == Some(VERSION) {
        return Some(());
    }
    let message = format!("\"version\" must be \"{VERSION}\", not {}", value.shown());
    let help = format!("this build reads version {VERSION} of the format");
    fields
        .problems()
        .advise(value.position(), message, Some(help));
    None
}

fn connector(fields: &Fields<'_>) -> Option<Connector> {
    let uses = fields.text("use");
    let config = fields.config("config");
    let permissions = fields
        .section("permissions")
        .map(|fields| permissions(&fields));
    let limits = fields.section("limits").map(|fields| limits(&fields));
    let uses = uses?;
    let config = match fields.has("config") {
        true => config?,
        false => config?.moved(uses.position),
    };
    Some(Connector {
        uses,
        config,
        permissions: permissions?,
        limits: limits?,
    })
}

fn source(fields: &Fields<'_>, loading: Option<Loading<'_>>) -> Option<Source> {
    let connector = connector(fields);
    let streams = streams::decode(fields, loading);
    Some(Source {
        connector: connector?,
        streams: streams?,
    })
}

/// The destination, and the key for streams that have none of their own.
fn destination(fields: &Fields<'_>) -> Option<(Destination, Vec<Spanned<String>>)> {
    let connector = connector(fields);
    let write_mode = fields.choice::<WriteMode>("write_mode");
    let primary_key = fields.texts("primary_key");
    let on_data_error = fields.choice("on_data_error");
    let evolution = fields.section("schema_evolution").and_then(|fields| {
        let new_column = fields.choice("new_column");
        let removed_column = fields.choice("removed_column");
        let type_change = fields.choice("type_change");
        let nullability = fields.choice("nullability");
        Some(SchemaEvolution {
            new_column: new_column?,
            removed_column: removed_column?,
            type_change: type_change?,
            nullability: nullability?,
        })
    });
    let destination = Destination {
        connector: connector?,
        write_mode: Spanned::new(write_mode?, fields.position_of("write_mode")),
        on_data_error: on_data_error?,
        schema_evolution: evolution?,
    };
    Some((destination, primary_key))
}

fn permissions(fields: &Fields<'_>) -> Permissions {
    let variable = |name: &str| match is_variable(name) {
        true => Ok(name.to_owned()),
        false => Err(
            "a variable's name has letters, digits and _, and does not start with a digit"
                .to_owned(),
        ),
    };
    Permissions {
        connect: fields.parsed("connect", Endpoint::parse),
        read: fields.texts("read"),
        write: fields.texts("write"),
        env: fields.parsed("env", variable),
    }
}

fn limits(fields: &Fields<'_>) -> Limits {
    Limits {
        memory: fields.size("memory"),
        idle_timeout: fields.duration("idle_timeout"),
        fuel: fields.count("fuel"),
    }
}

/// The transforms, each with a name of its own.
fn transforms(fields: &Fields<'_>) -> Vec<Transform> {
    let mut unnamed = Vec::new();
    let mut taken: HashMap<String, Position> = HashMap::new();
    for (path, value) in fields.items("transforms") {
        let item = Fields::new(
            &keys::TRANSFORM,
            value,
            path,
            value.position(),
            fields.problems(),
        );
        let Some(item) = item else { continue };
        let connector = connector(&item);
        let name = item.name("name");
        if let Some(name) = &name
            && let Some(first) = taken.insert(name.value.clone(), name.position)
        {
            let called = value.get("name").map(Value::shown).unwrap_or_default();
            let message = format!("two transforms are called {called}");
            let help = format!("the first is at {first}");
            fields.problems().advise(name.position, message, Some(help));
        }
        unnamed.extend(connector.map(|connector| (name, connector)));
    }
    let mut taken: Vec<String> = taken.into_keys().collect();
    let named = unnamed.into_iter().map(|(name, connector)| {
        let name = name.map_or_else(|| free_name(&connector.uses, &mut taken), |name| name.value);
        Transform { name, connector }
    });
    named.collect()
}

/// A connector's name, numbered if that is taken.
fn free_name(uses: &str, taken: &mut Vec<String>) -> String {
    let file = uses.rsplit(['/', '\\']).next().unwrap_or(uses);
    let base = file.strip_suffix(".wasm").unwrap_or(file);
    let numbered = (2_usize..).map(|number| format!("{base}-{number}"));
    let name = std::iter::once(base.to_owned())
        .chain(numbered)
        .find(|name| !taken.contains(name))
        .unwrap_or_default();
    taken.push(name.clone());
    name
}

fn store(fields: &Fields<'_>, pipeline: Option<&Spanned<String>>) -> Option<StateStore> {
    let backend = fields.choice::<Backend>("backend");
    let connection = fields.text("connection");
    match (backend?, connection) {
        (Backend::Sqlite, Some(path)) => Some(StateStore::Sqlite(path)),
        (Backend::Postgres, Some(url)) => Some(StateStore::Postgres(url)),
        (_, None) if fields.has("connection") => None,
        (Backend::Sqlite, None) => {
            let path = format!(".vesicle/{}.db", pipeline?.value);
            Some(StateStore::Sqlite(Spanned::new(path, fields.position())))
        }
        (Backend::Postgres, None) => {
            let position = fields.position_of("backend");
            let message = "\"backend: postgres\" in state needs \"connection\"";
            let help = "write the URL of the database: postgres://user:${PGPASSWORD}@host/database";
            fields
                .problems()
                .advise(position, message, Some(help.to_owned()));
            None
        }
    }
}

fn checkpoint(fields: &Fields<'_>) -> Option<Checkpoint> {
    let bytes = fields.size("bytes");
    let rows = fields.count("rows");
    let interval = fields.duration("interval");
    Some(Checkpoint {
        bytes: bytes?,
        rows,
        interval: interval?,
    })
}

fn resources(fields: &Fields<'_>) -> Option<Resources> {
    let memory = fields.size("memory");
    let queue = fields.size("queue");
    let parallelism = fields.count("parallelism");
    let compression = fields.choice("compression");
    Some(Resources {
        memory: memory?,
        queue: queue?,
        parallelism: parallelism?.try_into().ok()?,
        compression: compression?,
    })
}
