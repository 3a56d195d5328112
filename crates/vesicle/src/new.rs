//! `vesicle new`: starts a pipeline, or a connector of the user's own.
//!
//! The modules know nothing of the command line: `name` says what a project
//! may be called, `templates` holds the files, `sdk` finds what they build on,
//! `project` writes them.

mod name;
mod project;
mod sdk;
mod templates;

use std::path::Path;

use vesicle_pipeline::Exit;

use crate::cli::{NewArgs, NewKind};
use crate::output::{Failed, print_text};
use project::{NewError, create};
use templates::Kind;

/// Makes a folder in the current one, and says what to do in it.
pub fn run(args: &NewArgs) -> Result<Exit, Failed> {
    let kind = match args.kind {
        NewKind::Pipeline => Kind::Pipeline,
        NewKind::Source => Kind::Source,
        NewKind::Transform => Kind::Transform,
        NewKind::Destination => Kind::Destination,
    };
    let binary = std::env::current_exe().and_then(|binary| binary.canonicalize());
    let created = sdk::for_kind(kind, binary.ok().as_deref())
        .and_then(|sdk| create(kind, &args.name, Path::new("."), &sdk))
        .map_err(|error| Failed::new(exit(&error), error.to_string()))?;
    print_text(&created.to_string());
    Ok(Exit::Success)
}

fn exit(error: &NewError) -> Exit {
    match error {
        NewError::Name(_) | NewError::Exists(_) => Exit::Usage,
        NewError::NoSdk(_) => Exit::Component,
        NewError::File { error, .. } if error.kind() == std::io::ErrorKind::PermissionDenied => {
            Exit::Denied
        }
        NewError::File { .. } => Exit::Unavailable,
    }
}
