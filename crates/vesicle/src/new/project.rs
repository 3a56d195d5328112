//! Writes a new project.
//!
//! Invariants: nothing that exists is touched; a project that cannot be
//! written whole is removed again.

use std::fmt;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::name;
use super::templates::Kind;

/// Why a project was not made.
#[derive(Debug)]
pub enum NewError {
    /// The name is none.
    Name(String),
    /// Something of that name is there.
    Exists(PathBuf),
    /// The SDK was not found.
    NoSdk(String),
    /// A file or folder could not be written.
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl fmt::Display for NewError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(message) | Self::NoSdk(message) => f.write_str(message),
            Self::Exists(path) => {
                let path = shown(path);
                write!(f, "{path} exists; choose another name, or move it away")
            }
            Self::File { path, error } => write!(f, "cannot write {}: {error}", shown(path)),
        }
    }
}

impl std::error::Error for NewError {}

/// A project that was made.
#[derive(Debug)]
pub struct Created {
    /// What it is.
    pub kind: Kind,
    /// Its folder.
    pub folder: PathBuf,
}

impl fmt::Display for Created {
    /// What was made, and what to do next.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let folder = shown(&self.folder);
        writeln!(
            f,
            "made the {} {folder}; next:\n\n  cd {folder}",
            self.kind.word()
        )?;
        if self.kind.is_connector() {
            writeln!(f, "  cargo test")?;
            writeln!(f, "  cargo build --release --target wasm32-wasip2")?;
        } else {
            writeln!(f, "  vesicle check pipeline.yaml")?;
        }
        write!(f, "  vesicle run pipeline.yaml")
    }
}

/// A path without the current folder before it.
fn shown(path: &Path) -> std::path::Display<'_> {
    path.strip_prefix(".").unwrap_or(path).display()
}

/// Makes the project `name` in the folder `into`. A connector is built on the
/// SDK whose folder is `sdk`, an absolute path.
///
/// # Errors
///
/// [`NewError`], and then nothing is left behind.
pub fn create(kind: Kind, name: &str, into: &Path, sdk: &Path) -> Result<Created, NewError> {
    name::check(name)?;
    let folder = into.join(name);
    fs::create_dir(&folder).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => NewError::Exists(folder.clone()),
        _ => NewError::File {
            path: folder.clone(),
            error,
        },
    })?;
    match fill(kind, name, &folder, sdk) {
        Ok(()) => Ok(Created { kind, folder }),
        Err(error) => {
            // What could not be written is the error to tell, not this one.
            let _ = fs::remove_dir_all(&folder);
            Err(error)
        }
    }
}

fn fill(kind: Kind, name: &str, folder: &Path, sdk: &Path) -> Result<(), NewError> {
    for (file, template) in kind.files() {
        let text = template
            .replace("{{name}}", name)
            .replace("{{crate}}", &name.replace('-', "_"))
            .replace("{{dependencies}}\n", kind.dependencies())
            .replace("{{dev-dependencies}}\n", kind.dev_dependencies())
            .replace("{{sdk}}", &toml_string(&sdk.to_string_lossy()));
        write(&folder.join(file), text.as_bytes())?;
    }
    // The versions that the SDK is tested with; cargo adds what is missing.
    let lock = sdk.join("Cargo.lock");
    if kind.is_connector() && lock.is_file() {
        let bytes = fs::read(&lock).map_err(|error| NewError::File { path: lock, error })?;
        write(&folder.join("Cargo.lock"), &bytes)?;
    }
    Ok(())
}

fn write(path: &Path, contents: &[u8]) -> Result<(), NewError> {
    let write = || {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, contents)
    };
    write().map_err(|error| NewError::File {
        path: path.to_owned(),
        error,
    })
}

/// A text as a basic string of TOML.
fn toml_string(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            _ if letter.is_control() => quoted += &format!("\\u{:04X}", u32::from(letter)),
            _ => quoted.push(letter),
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [Kind; 4] = [
        Kind::Pipeline,
        Kind::Source,
        Kind::Transform,
        Kind::Destination,
    ];

    fn sdk(folder: &Path) -> PathBuf {
        let sdk = folder.join("sdk \"one\"");
        fs::create_dir(&sdk).unwrap();
        fs::write(sdk.join("Cargo.lock"), "version = 4\n").unwrap();
        sdk
    }

    #[test]
    fn every_file_is_written_and_no_placeholder_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let sdk = sdk(folder.path());
        for kind in KINDS {
            let name = format!("my-{}", kind.word());
            let created = create(kind, &name, folder.path(), &sdk).unwrap();
            for (file, _) in kind.files() {
                let text = fs::read_to_string(created.folder.join(file)).unwrap();
                assert!(!text.contains("{{"), "{name}/{file}: {text}");
            }
            let document = fs::read_to_string(created.folder.join("pipeline.yaml")).unwrap();
            assert!(
                document.contains(&format!("pipeline: {name}\n")),
                "{document}"
            );
            assert_eq!(
                created.folder.join("Cargo.lock").is_file(),
                kind.is_connector()
            );
        }
    }

    #[test]
    fn a_connector_depends_on_the_sdk_by_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let sdk = sdk(folder.path());
        let created = create(Kind::Source, "my-source", folder.path(), &sdk).unwrap();
        let cargo = fs::read_to_string(created.folder.join("Cargo.toml")).unwrap();
        let path = sdk.display().to_string().replace('"', "\\\"");
        let line = format!("vesicle-connector = {{ path = \"{path}\" }}");
        assert!(cargo.contains(&line), "{cargo}");
        let document = fs::read_to_string(created.folder.join("pipeline.yaml")).unwrap();
        assert!(document.contains("/my_source.wasm"), "{document}");
    }

    #[test]
    fn what_exists_is_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        let there = folder.path().join("orders");
        fs::create_dir(&there).unwrap();
        fs::write(there.join("pipeline.yaml"), "mine").unwrap();
        let error = create(Kind::Pipeline, "orders", folder.path(), Path::new("")).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("orders exists; choose another name"),
            "{error}"
        );
        assert_eq!(
            fs::read_to_string(there.join("pipeline.yaml")).unwrap(),
            "mine"
        );
    }

    #[test]
    fn a_name_that_leaves_the_folder_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(create(Kind::Pipeline, "../x", folder.path(), Path::new("")).is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_to_do_next_is_said() {
        let created = Created {
            kind: Kind::Source,
            folder: Path::new(".").join("my-source"),
        };
        let expected = "made the source my-source; next:\n\n  cd my-source\n  cargo test\n  \
                        cargo build --release --target wasm32-wasip2\n  vesicle run pipeline.yaml";
        assert_eq!(created.to_string(), expected);
    }
}
