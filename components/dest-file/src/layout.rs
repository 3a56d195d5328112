//! Where the files of a stream are.
//!
//! ```text
//! PATH/flights/part-….parquet                    what readers see
//! PATH/.vesicle/flights/load.json                the record
//! PATH/.vesicle/flights/load-RUN/parts/          parts that are not published
//! PATH/.vesicle/flights/load-RUN/parts-all.json  how far the partition `all` is
//! PATH/.vesicle/flights/old-RUN/                 a folder that RUN replaces
//! ```

use std::path::{Path, PathBuf};

use crate::names::encode;

/// The folder that holds everything readers should not see.
const HIDDEN: &str = ".vesicle";

/// Where the files of a stream are.
#[derive(Clone, Debug)]
pub struct StreamFolders {
    /// The configured folder.
    pub root: PathBuf,
    /// What readers see.
    pub visible: PathBuf,
    /// Records and what is not yet, or no longer, to be seen.
    pub hidden: PathBuf,
}

impl StreamFolders {
    /// The folders of a stream.
    pub fn new(root: &Path, stream: &str) -> Self {
        let name = encode(stream);
        Self {
            root: root.to_owned(),
            visible: root.join(&name),
            hidden: root.join(HIDDEN).join(name),
        }
    }

    /// The record.
    pub fn record(&self) -> PathBuf {
        self.hidden.join("load.json")
    }

    /// What belongs to a load.
    pub fn load(&self, run: &str) -> PathBuf {
        self.hidden.join(format!("load-{}", encode(run)))
    }

    /// The parts of a load that are not published.
    pub fn staging(&self, run: &str) -> PathBuf {
        self.load(run).join("parts")
    }

    /// The manifest of a partition of a load.
    pub fn manifest(&self, run: &str, partition: &str) -> PathBuf {
        self.load(run)
            .join(format!("parts-{}.json", encode(partition)))
    }

    /// The manifest of the file that stands for a load without rows. No
    /// partition's name is written so.
    pub fn manifest_of_none(&self, run: &str) -> PathBuf {
        self.load(run).join("parts-%none.json")
    }

    /// Whether a file in a load's folder is a manifest.
    pub fn is_manifest(name: &str) -> bool {
        name.starts_with("parts-") && name.ends_with(".json")
    }

    /// Where a folder goes that a load replaces.
    pub fn old(&self, run: &str) -> PathBuf {
        self.hidden.join(format!("old-{}", encode(run)))
    }
}
