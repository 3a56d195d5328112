//! Files with rows of about a mebibyte, and what moving them takes.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use super::child::{Ended, Running};
use super::confined::guests;

/// A mebibyte, in bytes.
pub const MEBIBYTE: u64 = 1 << 20;
/// The `resources.queue` of the document, in bytes.
pub const QUEUE: u64 = 64 * MEBIBYTE;
/// What the process may have in memory, in bytes.
pub const ALLOWED: u64 = 256 * MEBIBYTE;

/// Writes a CSV file of so many rows of an id and a text of a mebibyte.
pub fn write_csv(path: &Path, rows: u64) {
    let letters = letters();
    let mut file = BufWriter::new(File::create(path).unwrap());
    file.write_all(b"id,body\n").unwrap();
    for row in 0..rows {
        // Each row has the same letters, beginning elsewhere.
        let at = (row * 7919 % MEBIBYTE) as usize;
        write!(file, "{row},").unwrap();
        file.write_all(&letters[at..]).unwrap();
        file.write_all(&letters[..at]).unwrap();
        file.write_all(b"\n").unwrap();
    }
    file.flush().unwrap();
}

/// A mebibyte of letters that no codec makes much smaller.
fn letters() -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let letter = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        b'a' + (state >> 33) as u8 % 26
    };
    (0..MEBIBYTE).map(letter).collect()
}

/// A folder with a file of large rows, and a pipeline that moves them.
pub struct Large {
    folder: tempfile::TempDir,
    destination: String,
    queue: u64,
}

impl Large {
    /// So many rows to `dest-file` in a format.
    pub fn to_file(rows: u64, format: &str) -> Self {
        let config = format!("use: dest-file, config: {{ path: out, format: {format} }}");
        Self::new(rows, &config)
    }

    /// So many rows to `slow-destination`.
    pub fn to_slow(rows: u64, config: &str) -> Self {
        Self::new(
            rows,
            &format!("use: slow-destination, config: {{ {config} }}"),
        )
    }

    fn new(rows: u64, destination: &str) -> Self {
        let folder = super::folder();
        write_csv(&folder.path().join("in.csv"), rows);
        Self {
            folder,
            destination: destination.to_owned(),
            queue: QUEUE,
        }
    }

    /// The same with another `resources.queue`.
    pub fn queue(mut self, bytes: u64) -> Self {
        self.queue = bytes;
        self
    }

    /// Adds a `cache` of compiled code of its own, which is empty.
    pub fn run_cold(&self) -> Ended {
        self.run_in(&self.folder.path().join("cache"))
    }

    /// Moves the rows.
    pub fn run(&self) -> Ended {
        self.run_in(&super::target().join("test-cache"))
    }

    fn run_in(&self, cache: &Path) -> Ended {
        let text = format!(
            "version: \"1.0\"\n\
             pipeline: large\n\
             source: {{ use: source-file, config: {{ path: in.csv }}, streams: [in] }}\n\
             destination: {{ {} }}\n\
             state: {{ backend: sqlite, connection: state.db }}\n\
             resources: {{ queue: {} }}\n",
            self.destination, self.queue
        );
        std::fs::write(self.folder.path().join("pipeline.yaml"), text).unwrap();
        let mut command = super::vesicle();
        command
            .args(["run", "pipeline.yaml", "--output", "json"])
            .current_dir(self.folder.path())
            .env("VESICLE_COMPONENTS", guests())
            .env("VESICLE_CACHE", cache);
        Running::start(command).wait().expect_exit(0)
    }
}

/// What moving rows took.
#[derive(Clone, Copy, Debug)]
pub struct Took {
    /// The most that the process had in memory, in bytes.
    pub peak: u64,
    /// What that was before rows were moved.
    pub compiled: u64,
    /// The most that the queues held.
    pub queued: u64,
}

impl Took {
    /// By the report. Prints it beside a name.
    pub fn of(name: &str, ended: &Ended) -> Self {
        let report = ended.report();
        let figure = |name: &str| report[name].as_u64().unwrap();
        let took = Self {
            peak: figure("peak_rss_bytes"),
            compiled: figure("compiled_rss_bytes"),
            queued: ended.figure("queue_peak_bytes"),
        };
        println!(
            "{name}: {} rows, peak {} MiB, {} MiB of it before rows moved (compiling took {} ms), \
             queues {} MiB, {} ms in all",
            ended.figure("rows_written"),
            took.peak / MEBIBYTE,
            took.compiled / MEBIBYTE,
            figure("compiling_ms"),
            took.queued / MEBIBYTE,
            figure("elapsed_ms"),
        );
        took
    }

    /// Makes sure that process and queues kept within their limits.
    #[track_caller]
    pub fn check(self) -> Self {
        assert!(self.peak < ALLOWED, "{self:?}");
        // A frame is a row.
        assert!(self.queued <= QUEUE + MEBIBYTE + 4096, "{self:?}");
        self
    }
}
