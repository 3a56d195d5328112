//! Builds the tests' components of other languages, those in `tests/foreign`:
//! with componentize-py of PyPI and componentize-js of npm.
//!
//! Invariants: a component is built again when what it is made from or made by
//! has other contents, and not otherwise; one that is not of the present
//! sources is not installed; what cannot be had ends the task.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::arguments::Profile;
use crate::command::{self, heading};
use crate::error::{Error, Result};
use crate::files;
use crate::guests::Components;
use crate::tree::Tree;

/// The interfaces, and the world that the components are made for.
const WIT: &str = "tests/guests/wit";
const WORLD: &str = "notebook";

/// A language.
struct Language {
    /// Its folder in `tests/foreign`.
    name: &'static str,
    /// What is made.
    component: &'static str,
    /// The files of the folder that say which tools are needed.
    tools: &'static [&'static str],
    /// Gets the tools into the folder of a [`Place`].
    get_tools: fn(&Path) -> Result<()>,
    /// The command that makes the component of what is in a place.
    make: fn(&Place, &Path) -> Command,
    /// What to do where the tools cannot be had.
    advice: &'static str,
}

const LANGUAGES: [Language; 2] = [
    Language {
        name: "python",
        component: "notebook-python",
        tools: &["requirements.txt"],
        get_tools: get_componentize_py,
        make: with_componentize_py,
        advice: "it takes Python 3 with its venv (Debian: `apt-get install python3-venv`) and \
                 PyPI, or a mirror in pip's configuration",
    },
    Language {
        name: "javascript",
        component: "notebook-javascript",
        tools: &["package.json", "package-lock.json", ".npmrc"],
        get_tools: npm_ci,
        make: with_componentize_js,
        advice: "it takes Node.js, 20 or later, with npm (Debian: `apt-get install nodejs npm`) \
                 and npm's registry, or a mirror in npm's configuration",
    },
];

/// Makes sure that all components are there, and puts them where tests find
/// them.
pub fn build(tree: &Tree) -> Result<()> {
    for language in &LANGUAGES {
        let place = Place::of(tree, language)?;
        if !place.is_made() {
            heading(&format!("building {}", tree.shown(&place.component())));
            place.make().map_err(|error| {
                let (component, advice) = (language.component, language.advice);
                Error::unmet(format!(
                    "the tests' component {component} cannot be built: {error}; {advice}. \
                     What the tools said is above"
                ))
            })?;
        }
    }
    let installed = tree.binaries(Profile::Dev).join("test-components");
    files::make_folder(&installed)?;
    for (name, component) in made(tree)? {
        files::copy(&component, &installed.join(format!("{name}.wasm")))?;
    }
    Ok(())
}

/// The components that are made, of the present sources.
pub fn made(tree: &Tree) -> Result<Components> {
    let mut made = Components::new();
    for language in &LANGUAGES {
        let place = Place::of(tree, language)?;
        if place.is_made() {
            made.insert(language.component.to_owned(), place.component());
        }
    }
    Ok(made)
}

/// Where a language's component is made, in the target folder.
struct Place {
    language: &'static Language,
    folder: PathBuf,
    /// The sources in the tree.
    sources: PathBuf,
    wit: PathBuf,
    /// All that the component is made from and by.
    inputs: Vec<u8>,
}

impl Place {
    fn of(tree: &Tree, language: &'static Language) -> Result<Self> {
        let sources = tree.root.join("tests/foreign").join(language.name);
        let wit = tree.root.join(WIT);
        let mut inputs = contents(&sources)?;
        inputs.extend(contents(&wit)?);
        Ok(Self {
            language,
            folder: tree.target.join("foreign").join(language.name),
            sources,
            wit,
            inputs,
        })
    }

    fn component(&self) -> PathBuf {
        let name = self.language.component;
        self.folder.join(format!("{name}.wasm"))
    }

    /// What the component was made from.
    fn stamp(&self) -> PathBuf {
        self.folder.join("made-from")
    }

    /// The copy of the sources, so that tools leave nothing in the tree.
    fn copy(&self) -> PathBuf {
        self.folder.join("sources")
    }

    fn is_made(&self) -> bool {
        self.component().is_file() && is_stamped(&self.stamp(), &self.inputs)
    }

    fn make(&self) -> Result<()> {
        files::remove_file(&self.stamp())?;
        files::make_folder(&self.folder)?;
        self.ensure_tools()?;
        files::remove_folder(&self.copy())?;
        files::copy_folder(&self.sources, &self.copy(), &[])?;
        let new = self.component().with_extension("new");
        command::run(&mut (self.language.make)(self, &new))?;
        fs::rename(&new, self.component()).map_err(Error::file(&new))?;
        files::write(&self.stamp(), &self.inputs)
    }

    /// Gets the tools, unless they are those that the sources name.
    fn ensure_tools(&self) -> Result<()> {
        let stamp = self.folder.join("tools");
        let mut wanted = Vec::new();
        for name in self.language.tools {
            add_contents(&self.sources.join(name), &mut wanted)?;
        }
        if is_stamped(&stamp, &wanted) {
            return Ok(());
        }
        files::remove_file(&stamp)?;
        for name in self.language.tools {
            files::copy(&self.sources.join(name), &self.folder.join(name))?;
        }
        (self.language.get_tools)(&self.folder)?;
        files::write(&stamp, wanted)
    }
}

fn get_componentize_py(folder: &Path) -> Result<()> {
    let venv = folder.join("venv");
    let mut make = Command::new("python3");
    command::run(make.args(["-m", "venv", "--clear"]).arg(&venv))?;
    let mut install = Command::new(venv.join("bin/python"));
    install
        .args(["-m", "pip", "--disable-pip-version-check", "install"])
        // A wheel or nothing: it is built with a WASI SDK.
        .args(["--quiet", "--only-binary", ":all:", "-r"])
        .arg(folder.join("requirements.txt"));
    command::run(&mut install)
}

fn with_componentize_py(place: &Place, to: &Path) -> Command {
    let venv = place.folder.join("venv");
    let mut make = Command::new(venv.join("bin/componentize-py"));
    // So that it takes no packages of this machine's Python.
    make.env("VIRTUAL_ENV", &venv);
    make.arg("--quiet").arg("--wit-path").arg(&place.wit);
    make.args(["--world", WORLD, "componentize", "notebook"]);
    make.arg("--output").arg(to).current_dir(place.copy());
    make
}

/// Gets the packages that a folder's lock names.
pub fn npm_ci(folder: &Path) -> Result<()> {
    let mut install = Command::new("npm");
    install
        // No package needs to run anything to be installed.
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .args(["--loglevel", "error"])
        .current_dir(folder);
    command::run(&mut install)
}

fn with_componentize_js(place: &Place, to: &Path) -> Command {
    let mut make = Command::new("node");
    make.args(["build.js", "notebook.js"]).arg(&place.wit);
    // From there, packages are found in the folder above.
    make.arg(WORLD).arg(to).current_dir(place.copy());
    make
}

/// The files of a folder with their names.
pub fn contents(folder: &Path) -> Result<Vec<u8>> {
    let entries = fs::read_dir(folder).map_err(Error::file(folder))?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let mut paths: Vec<_> = paths
        .collect::<Result<_, _>>()
        .map_err(Error::file(folder))?;
    paths.sort();
    let mut all = Vec::new();
    for path in paths.iter().filter(|path| path.is_file()) {
        add_contents(path, &mut all)?;
    }
    Ok(all)
}

fn add_contents(path: &Path, to: &mut Vec<u8>) -> Result<()> {
    let contents = fs::read(path).map_err(Error::file(path))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    to.extend(format!("== {name}: {} bytes\n", contents.len()).bytes());
    to.extend(contents);
    Ok(())
}

/// Whether a stamp says that something was made from these inputs.
pub fn is_stamped(stamp: &Path, inputs: &[u8]) -> bool {
    fs::read(stamp).is_ok_and(|stamped| stamped == inputs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_name_or_content_of_a_file_is_another_input() {
        let folder = std::env::temp_dir().join(format!("xtask-foreign-{}", std::process::id()));
        files::make_folder(&folder).unwrap();
        files::write(&folder.join("a.py"), "x").unwrap();
        let stamp = folder.join("stamp");
        let before = contents(&folder).unwrap();
        files::write(&stamp, &before).unwrap();
        assert!(is_stamped(&stamp, &before));
        files::remove_file(&stamp).unwrap();
        assert!(!is_stamped(&stamp, &before));
        files::write(&folder.join("a.py"), "y").unwrap();
        assert_ne!(contents(&folder).unwrap(), before);
        fs::rename(folder.join("a.py"), folder.join("b.py")).unwrap();
        files::write(&folder.join("b.py"), "x").unwrap();
        assert_ne!(contents(&folder).unwrap(), before);
        files::remove_folder(&folder).unwrap();
    }
}
