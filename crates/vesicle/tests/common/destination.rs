//! What dest-file has of a stream, read from its files as its documentation
//! describes them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::list;

/// A file as a manifest lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its rows.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
}

/// The files of a stream.
#[derive(Clone, Debug)]
pub struct Destination {
    /// What readers see.
    pub visible: PathBuf,
    hidden: PathBuf,
}

impl Destination {
    /// The files of a stream under a configured path.
    pub fn new(path: &Path, stream: &str) -> Self {
        Self {
            visible: path.join(stream),
            hidden: path.join(".vesicle").join(stream),
        }
    }

    /// The record, if there is one.
    pub fn record(&self) -> Option<Value> {
        let text = fs::read(self.hidden.join("load.json")).ok()?;
        Some(serde_json::from_slice(&text).unwrap())
    }

    /// The run whose load is under way.
    pub fn run(&self) -> Option<String> {
        Some(self.record()?["load"]["run"].as_str()?.to_owned())
    }

    /// The run whose load was the last to be finished.
    pub fn finished(&self) -> Option<String> {
        Some(self.record()?["finished"]["run"].as_str()?.to_owned())
    }

    /// The parts of the load under way that are committed, by name.
    pub fn committed(&self) -> BTreeMap<String, Part> {
        let mut parts = BTreeMap::new();
        let Some(run) = self.run() else {
            return parts;
        };
        let folder = self.hidden.join(format!("load-{run}"));
        for name in list(&folder).iter().filter(|name| name.ends_with(".json")) {
            // It may go while it is looked for.
            let Ok(text) = fs::read(folder.join(name)) else {
                continue;
            };
            let manifest: Value = serde_json::from_slice(&text).unwrap();
            for part in manifest["parts"].as_array().unwrap() {
                let figure = |name: &str| part[name].as_u64().unwrap();
                let size = Part {
                    rows: figure("rows"),
                    bytes: figure("bytes"),
                };
                parts.insert(part["name"].as_str().unwrap().to_owned(), size);
            }
        }
        parts
    }

    /// The names of the files that readers see.
    pub fn names(&self) -> Vec<String> {
        list(&self.visible)
    }

    /// The contents of the text files that readers see, one after another,
    /// without the header of each.
    pub fn rows(&self) -> Vec<String> {
        let mut rows = Vec::new();
        for name in self.names() {
            let text = fs::read_to_string(self.visible.join(&name)).unwrap();
            assert!(text.is_empty() || text.ends_with('\n'), "{name} is cut off");
            rows.extend(text.lines().skip(1).map(str::to_owned));
        }
        rows
    }

    /// Makes sure that nothing is left of loads but the record.
    #[track_caller]
    pub fn expect_clean(&self) {
        assert_eq!(list(&self.hidden), ["load.json"], "something is left over");
        assert_eq!(self.run(), None);
    }
}
