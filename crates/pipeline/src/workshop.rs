//! Where connectors are made: found, admitted, asked what they are, granted
//! what the document grants, and wired.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value as Json;
use vesicle_engine::{Budget, Config, Engines};
use vesicle_pool::wasi::Wasi;
use vesicle_pool::{Admission, App, Audit, Manifest, Pool, Provider, Token};

use crate::catalog::Catalog;
use crate::connector::bindings::types::{ConfigOption, OptionKind as WitKind, Spec};
use crate::connector::{Connector, Role, spec_of};
use crate::document::{
    self, Cause, Diagnostic, Diagnostics, Document, OptionKind, OptionSpec, Redactor, check_config,
    hide_secrets,
};
use crate::grants::Granting;
use crate::session::Sessions;
use crate::{Error, Result};

/// For how long a stage may move nothing, unless the document says otherwise.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(300);
/// The fuel that a metered component has to say what it is.
const SPEC_FUEL: u64 = 100_000_000;

/// Makes connectors. One for a process; everything in it is shared.
pub struct Workshop {
    pool: Pool,
    catalog: Catalog,
}

/// An app with what it says about itself.
pub struct Introduced {
    /// The app.
    pub app: App,
    /// What it does.
    pub role: Role,
    /// What it is and takes.
    pub spec: Spec,
    /// Its file.
    pub path: PathBuf,
    /// How long compiling took, or loading from the cache.
    pub compiling: Duration,
}

/// A connector, with what remains to be said about it.
pub struct Made {
    /// The connector.
    pub connector: Arc<Connector>,
    /// What the user should know.
    pub warnings: Vec<String>,
    /// What tells this source or destination from another.
    pub identity: Json,
    /// How long compiling took, or loading from the cache.
    pub compiling: Duration,
}

/// The document and what belongs to it.
#[derive(Clone, Copy)]
pub struct Setting<'a> {
    /// The document.
    pub document: &'a Document,
    /// The folder that relative paths start from.
    pub base: &'a Path,
    /// The environment.
    pub environment: &'a document::Environment<'a>,
    /// Where accesses are recorded.
    pub audit: &'a Audit,
}

impl Workshop {
    /// A workshop whose engines are set up as `config` says.
    ///
    /// # Errors
    ///
    /// [`Error::Component`] where the engine cannot be set up.
    pub fn new(catalog: Catalog, config: Config) -> Result<Self> {
        let setup = |message: String| Error::Component {
            component: "the engine".into(),
            message,
        };
        let engines = Engines::new(config).map_err(|e| setup(e.to_string()))?;
        let pool = Pool::new(engines);
        for interface in Wasi::offered().into_iter().chain([Sessions::offered()]) {
            pool.declare(interface).map_err(|e| setup(e.to_string()))?;
        }
        Ok(Self { pool, catalog })
    }

    /// Where components are found.
    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// The pool.
    #[must_use]
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Admits the component in a file, metered or not, and asks it what it is.
    /// It gets nothing to reach.
    ///
    /// # Errors
    ///
    /// [`Error::Component`] with the reason.
    pub async fn introduce(&self, name: &str, path: &Path, metered: bool) -> Result<Introduced> {
        let refused = |message: String| Error::Component {
            component: name.to_owned(),
            message,
        };
        let bytes = std::fs::read(path)
            .map_err(|e| refused(format!("{} cannot be read: {e}", path.display())))?;
        let before = Instant::now();
        let (pool, owned) = (self.pool.clone(), name.to_owned());
        let admission = Admission {
            metered,
            ..Admission::default()
        };
        let admit = move || pool.admit_as(&owned, &bytes, admission);
        let app = tokio::task::spawn_blocking(admit)
            .await
            .map_err(|e| Error::Defect(e.to_string()))?
            .map_err(|e| refused(e.to_string()))?;
        let compiling = before.elapsed();
        let role = Role::of(&app).ok_or_else(|| {
            refused(format!(
                "not a connector: it exports neither {}, {} nor {}",
                Role::Source.interface(),
                Role::Transform.interface(),
                Role::Destination.interface()
            ))
        })?;
        let wasi = Arc::new(Wasi::deny_all(name));
        let tokens = tokens(wasi, Sessions::deny_all(name));
        let wired = self
            .pool
            .wire(&app, &tokens)
            .map_err(|e| refused(e.to_string()))?;
        let budget = Budget::default().with_fuel(metered.then_some(SPEC_FUEL));
        let spec = spec_of(&wired, role, budget)
            .await
            .map_err(|e| refused(format!("asked what it is, it failed: {e}")))?;
        Ok(Introduced {
            app,
            role,
            spec,
            path: path.to_owned(),
            compiling,
        })
    }

    /// Finds the component that a part of the document names, and introduces
    /// it.
    ///
    /// # Errors
    ///
    /// [`Error::Document`] where it is not found or refused.
    pub async fn fetch(
        &self,
        setting: Setting<'_>,
        part: &document::Connector,
    ) -> Result<Introduced> {
        let name = &part.uses.value;
        let here = |message: String| setting.document.diagnostic(part.uses.position, message);
        let path = self
            .catalog
            .find(name, setting.base)
            .map_err(|e| one(here(e.message).with_help(e.help).because(Cause::Component)))?;
        self.introduce(name, &path, part.limits.fuel.is_some())
            .await
            .map_err(|error| match error {
                Error::Component { .. } => one(here(error.to_string()).because(Cause::Component)),
                other => other,
            })
    }

    /// Makes the connector that a part of the document describes, of what
    /// [`Workshop::fetch`] has found for it; reports call it `called`.
    ///
    /// # Errors
    ///
    /// [`Error::Document`] with everything wrong in that part,
    /// [`Error::Component`] where the component is refused.
    pub fn make(
        &self,
        setting: Setting<'_>,
        part: &document::Connector,
        introduced: Introduced,
        (role, called): (Role, &str),
        redactor: &mut Redactor,
    ) -> Result<Made> {
        let document = setting.document;
        let name = &part.uses.value;
        let here = |message: String| document.diagnostic(part.uses.position, message);
        let fuel = part.limits.fuel;
        if introduced.role != role {
            return Err(one(here(format!(
                "{name} is a {}, and a {role} is needed here",
                introduced.role
            ))));
        }
        let options = options(&introduced.spec.options);
        let config = check_config(&document.path, name, &part.config, &options)?;
        let mut warnings: Vec<String> =
            hide_secrets(&document.path, &part.config, &options, redactor)
                .iter()
                .map(ToString::to_string)
                .collect();
        let identity = Json::Object(document::config_identity(&config, &options));
        let granted = Granting {
            document,
            base: setting.base,
            connector: part,
            manifest: introduced.app.surface().manifest.as_ref(),
            options: &options,
            config,
            environment: setting.environment,
        }
        .grant()
        .map_err(many)?;
        warnings.extend(granted.warnings.iter().cloned());
        let refused = |error: vesicle_pool::Error| Error::Component {
            component: name.clone(),
            message: error.to_string(),
        };
        let wasi = Arc::new(Wasi::new(
            called,
            granted.grants.clone(),
            setting.audit.clone(),
        ));
        let sessions = granted.sessions;
        let provider = Sessions::new(name, sessions.clone(), setting.audit.clone());
        let wired = self
            .pool
            .wire(&introduced.app, &tokens(wasi.clone(), provider))
            .map_err(refused)?;
        let manifest = introduced.app.surface().manifest.as_ref();
        let asked = asked_memory(manifest).map_err(|message| Error::Component {
            component: name.clone(),
            message,
        })?;
        let memory = part
            .limits
            .memory
            .unwrap_or(document.resources.memory)
            .min(asked);
        let connector = Connector {
            role,
            name: called.to_owned(),
            component: name.clone(),
            spec: introduced.spec,
            config: Json::Object(granted.config).to_string(),
            budget: Budget::default().with_memory(memory).with_fuel(fuel),
            idle_timeout: part.limits.idle_timeout.unwrap_or(IDLE_TIMEOUT),
            grants: granted.grants,
            sessions,
            wired: Arc::new(wired),
            wasi,
        };
        Ok(Made {
            connector: Arc::new(connector),
            warnings,
            identity: serde_json::json!({ "use": name, "config": identity }),
            compiling: introduced.compiling,
        })
    }
}

/// What a connector's imports are wired to.
fn tokens(wasi: Arc<Wasi>, sessions: Sessions) -> Vec<Token> {
    let providers: [Arc<dyn Provider>; 2] = [wasi, Arc::new(sessions)];
    providers.iter().flat_map(Token::all).collect()
}

/// The memory that a manifest asks for, in bytes; the default where it is silent.
fn asked_memory(manifest: Option<&Manifest>) -> Result<u64, String> {
    match manifest.and_then(|manifest| manifest.limits.memory.as_deref()) {
        None => Ok(Budget::DEFAULT_MEMORY),
        Some(text) => document::parse_size(text)
            .map_err(|reason| format!("limits.memory in its manifest: {reason}")),
    }
}

fn one(diagnostic: Diagnostic) -> Error {
    Error::Document(diagnostic.into())
}

fn many(diagnostics: Vec<Diagnostic>) -> Error {
    match Diagnostics::new(diagnostics) {
        Some(diagnostics) => Error::Document(diagnostics),
        None => Error::Defect("refused without a reason".into()),
    }
}

/// A connector's options, as the document's checker takes them.
#[must_use]
pub fn options(options: &[ConfigOption]) -> Vec<OptionSpec> {
    options
        .iter()
        .map(|option| OptionSpec {
            name: option.name.clone(),
            kind: match &option.kind {
                WitKind::Text => OptionKind::Text,
                WitKind::Integer => OptionKind::Integer,
                WitKind::Number => OptionKind::Number,
                WitKind::Boolean => OptionKind::Boolean,
                WitKind::Choice(words) => OptionKind::Choice(words.clone()),
                WitKind::Texts => OptionKind::Texts,
                WitKind::Mapping => OptionKind::Mapping,
                WitKind::Files => OptionKind::Files,
                WitKind::Directory => OptionKind::Directory,
            },
            required: option.required,
            default: option
                .default
                .as_deref()
                .and_then(|text| serde_json::from_str(text).ok()),
            secret: option.secret,
            identity: option.identity,
            doc: option.doc.clone(),
        })
        .collect()
}
