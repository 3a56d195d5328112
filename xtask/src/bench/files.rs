//! The sandbox tax: the file connectors as components under `vesicle run`,
//! over the same connectors linked into one native program,
//! `benches/native-pipe`.
//!
//! A tiny file shows what starting costs; a long one, what a row costs.
//!
//! Both sides read and write the same files with the same code. The component
//! side also parses a document, keeps state and loads compiled code, all of
//! which counts; compiling does not, it is done in the run that warms up.

use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::child;
use super::duel::{Duel, Side};
use super::figures::Figure;
use crate::arguments::Profile;
use crate::build;
use crate::error::{Error, Result};
use crate::files::{make_folder, remove_file, remove_folder, visible_bytes, write};
use crate::prepare;
use crate::tree::Tree;

/// How far what the two sides write may differ in size: parts may be cut
/// elsewhere, rows may not be missing.
const TOLERANCE: f64 = 0.02;

/// How many times the flights are in the long file.
const TIMES: usize = 8;

/// A conversion: what it is called, what is read, in which format, and the
/// format that is written.
type Case = (&'static str, PathBuf, &'static str, &'static str);

/// Measures all conversions.
pub fn measure(tree: &Tree, runs: usize) -> Result<Vec<Figure>> {
    let bench = Files::prepare(tree)?;
    let csv = prepare::flights(tree)?;
    let parquet = bench.parquet_of(&csv)?;
    let tiny = tree.root.join("examples/penguins/penguins.csv");
    let long = bench.repeated(&csv)?;
    let cases: [Case; 5] = [
        ("penguins csv to parquet", tiny, "csv", "parquet"),
        ("csv to parquet", csv.clone(), "csv", "parquet"),
        ("8 times csv to parquet", long, "csv", "parquet"),
        ("parquet to jsonl", parquet, "parquet", "jsonl"),
        ("csv to csv", csv, "csv", "csv"),
    ];
    let mut figures = Vec::new();
    for case in &cases {
        figures.extend(bench.compare(case, runs)?);
    }
    Ok(figures)
}

/// The two programs, and the folder in which they work.
struct Files {
    vesicle: PathBuf,
    native: PathBuf,
    folder: PathBuf,
    cache: PathBuf,
}

impl Files {
    fn prepare(tree: &Tree) -> Result<Self> {
        build::all(tree, Profile::Release)?;
        let native = super::native::build(tree)?;
        let folder = tree.target.join("bench/files");
        remove_folder(&folder)?;
        make_folder(&folder)?;
        Ok(Self {
            vesicle: tree.binaries(Profile::Release).join("vesicle"),
            native,
            folder,
            cache: tree.target.join("bench/cache"),
        })
    }

    /// Makes a file with the rows of `csv` several times over, without holding
    /// it: what the kernel counts for a child begins with the parent's peak.
    fn repeated(&self, csv: &Path) -> Result<PathBuf> {
        let long = self.folder.join("long.csv");
        let repeat = || -> std::io::Result<()> {
            let mut to = BufWriter::new(File::create(&long)?);
            for round in 0..TIMES {
                let mut from = BufReader::new(File::open(csv)?);
                if round > 0 {
                    from.skip_until(b'\n')?;
                }
                std::io::copy(&mut from, &mut to)?;
            }
            to.into_inner()?.sync_all()
        };
        repeat().map_err(Error::file(&long))?;
        Ok(long)
    }

    /// Makes the Parquet files that a case reads.
    fn parquet_of(&self, csv: &Path) -> Result<PathBuf> {
        let case = ("input", csv.to_owned(), "csv", "parquet");
        let mut run = self.component(&case)?;
        child::measure(&mut run, &self.log())?;
        let folder = self.output(&case, "component").join("flights");
        let entries = std::fs::read_dir(&folder).map_err(Error::file(&folder))?;
        let files = entries.flatten().map(|entry| entry.path());
        let mut files = files.filter(|path| path.extension().is_some_and(|kind| kind == "parquet"));
        match (files.next(), files.next()) {
            (Some(file), None) => Ok(file),
            _ => {
                let message = format!("{} does not hold one Parquet file", folder.display());
                Err(Error::unmet(message))
            }
        }
    }

    fn compare(&self, case: &Case, runs: usize) -> Result<Vec<Figure>> {
        let duel = Duel {
            case: case.0,
            subject: Side {
                name: "component",
                prepare: Box::new(|| self.component(case)),
            },
            baseline: Side {
                name: "native",
                prepare: Box::new(|| self.native(case)),
            },
        };
        let figures = duel.fight(runs, &self.log())?;
        self.check_same_output(case)?;
        Ok(figures)
    }

    /// A run of `vesicle`, from nothing but a warm cache.
    fn component(&self, case: &Case) -> Result<Command> {
        let output = self.emptied_output(case, "component")?;
        let state = self.folder.join("state.db");
        for file in ["state.db", "state.db-wal", "state.db-shm"] {
            remove_file(&self.folder.join(file))?;
        }
        let (name, input, from, to) = case;
        // JSON is YAML.
        let document = json!({
            "version": "1.0",
            "pipeline": "bench",
            "source": {
                "use": "source-file",
                "config": { "path": input, "format": from },
                "streams": "*",
            },
            "destination": {
                "use": "dest-file",
                "config": { "path": output, "format": to },
                "write_mode": "replace",
            },
            "state": { "backend": "sqlite", "connection": state },
        });
        let file = self.write_json(&format!("{name}.yaml"), &document)?;
        let mut run = Command::new(&self.vesicle);
        run.arg("run")
            .arg("--quiet")
            .arg(file)
            .env("VESICLE_CACHE", &self.cache);
        run.env_remove("VESICLE_COMPONENTS");
        Ok(run)
    }

    /// The same by the native program.
    fn native(&self, case: &Case) -> Result<Command> {
        let output = self.emptied_output(case, "native")?;
        let (name, input, from, to) = case;
        let source = json!({ "path": [input], "format": from });
        let destination = json!({ "path": output, "format": to });
        let mut run = Command::new(&self.native);
        run.args(["files", "stream"]);
        run.arg(self.write_json(&format!("{name}-source.json"), &source)?);
        run.arg(self.write_json(&format!("{name}-destination.json"), &destination)?);
        Ok(run)
    }

    fn check_same_output(&self, case: &Case) -> Result<()> {
        let component = visible_bytes(&self.output(case, "component"))?;
        let native = visible_bytes(&self.output(case, "native"))?;
        #[expect(clippy::cast_precision_loss, reason = "a proportion")]
        let differ = component.abs_diff(native) as f64 / native.max(1) as f64;
        if component > 0 && differ <= TOLERANCE {
            return Ok(());
        }
        let name = case.0;
        Err(Error::unmet(format!(
            "{name}: the components wrote {component} bytes and the native program {native}: not \
             the same work"
        )))
    }

    fn output(&self, case: &Case, side: &str) -> PathBuf {
        self.folder
            .join(format!("{} {side}", case.0).replace(' ', "-"))
    }

    fn emptied_output(&self, case: &Case, side: &str) -> Result<PathBuf> {
        let folder = self.output(case, side);
        remove_folder(&folder)?;
        make_folder(&folder)?;
        Ok(folder)
    }

    fn write_json(&self, name: &str, value: &Value) -> Result<PathBuf> {
        let file = self.folder.join(name.replace(' ', "-"));
        write(&file, value.to_string())?;
        Ok(file)
    }

    fn log(&self) -> PathBuf {
        self.folder.join("log")
    }
}
