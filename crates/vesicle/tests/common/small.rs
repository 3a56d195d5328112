//! A small stream that is committed often: four files of three rows, each of
//! which becomes a commit.

use super::child::Ended;
use super::document::{Document, Pipeline};

/// How many files there are.
const FILES: u32 = 4;

/// Old rows, which are there before the run that a test disturbs.
const OLD: [&str; 2] = ["-1,old", "-2,old"];

/// A pipeline whose old rows are loaded, and whose new ones are to be.
pub struct Small {
    /// The pipeline.
    pub pipeline: Pipeline,
    old: Vec<String>,
    new: Vec<String>,
}

/// The rows of a file.
fn rows_of(file: u32) -> Vec<String> {
    (0..3)
        .map(|row| format!("{},file {file}", file * 10 + row))
        .collect()
}

fn sorted(mut rows: Vec<String>) -> Vec<String> {
    rows.sort();
    rows
}

impl Small {
    /// The old rows are loaded.
    pub fn new(mode: &str) -> Self {
        let mut small = Self::without_old(mode);
        let pipeline = &small.pipeline;
        pipeline.write("in/1.csv", &format!("number,text\n{}\n", OLD.join("\n")));
        for file in 2..=FILES {
            std::fs::remove_file(pipeline.path(&format!("in/{file}.csv"))).unwrap();
        }
        pipeline.complete();
        small.write_new();
        small.old = sorted(OLD.map(str::to_owned).to_vec());
        assert_eq!(small.seen(), small.old);
        small
    }

    /// Nothing was ever loaded.
    pub fn without_old(mode: &str) -> Self {
        let mut document = Document::new("csv", mode).commit_after(1);
        document.path = "in/*.csv".into();
        let pipeline = Pipeline::new(document);
        std::fs::create_dir(pipeline.path("in")).unwrap();
        let new = (1..=FILES).flat_map(rows_of).collect();
        let small = Self {
            pipeline,
            old: Vec::new(),
            new,
        };
        small.write_new();
        small
    }

    fn write_new(&self) {
        for file in 1..=FILES {
            let rows = rows_of(file).join("\n");
            self.pipeline
                .write(&format!("in/{file}.csv"), &format!("number,text\n{rows}\n"));
        }
    }

    /// Writes other rows to one of the files.
    pub fn change_source(&mut self) {
        self.pipeline
            .write("in/3.csv", "number,text\n300,changed\n");
        self.new.retain(|row| !row.ends_with("file 3"));
        self.new.push("300,changed".into());
    }

    /// Removes one of the files.
    pub fn remove_file_of_source(&mut self) {
        std::fs::remove_file(self.pipeline.path("in/4.csv")).unwrap();
        self.new.retain(|row| !row.ends_with("file 4"));
    }

    /// The same again, in another folder.
    pub fn copy(&self) -> Self {
        let folder = self.pipeline.folder.path();
        let pipeline = Pipeline::copy_of(folder, self.pipeline.document.clone());
        Self {
            pipeline,
            old: self.old.clone(),
            new: self.new.clone(),
        }
    }

    /// The old rows, sorted.
    pub fn old(&self) -> Vec<String> {
        self.old.clone()
    }

    /// All rows that have to be there in the end, sorted.
    pub fn all(&self) -> Vec<String> {
        match self.pipeline.document.mode.as_str() {
            "append" => sorted([self.old.clone(), self.new.clone()].concat()),
            _ => sorted(self.new.clone()),
        }
    }

    /// The rows that readers see, sorted.
    pub fn seen(&self) -> Vec<String> {
        sorted(self.pipeline.destination().rows())
    }

    /// Makes sure that readers see what they may after a crash: the old rows,
    /// and those of whole commits where rows are appended. While a folder takes
    /// the place of another there is none.
    #[track_caller]
    pub fn check_crashed(&self) {
        let seen = self.seen();
        if self.pipeline.document.mode == "append" {
            let mut whole = self.old();
            let mut possible = vec![whole.clone()];
            for file in 1..=FILES {
                whole.extend(rows_of(file));
                possible.push(sorted(whole.clone()));
            }
            assert!(possible.contains(&seen), "{seen:?}");
            return;
        }
        let destination = self.pipeline.destination();
        if destination.visible.exists() || self.old.is_empty() {
            assert!(seen == self.old || seen == self.all(), "{seen:?}");
        } else {
            let record = destination.record().unwrap();
            assert_eq!(record["load"]["status"], "publishing", "{record}");
        }
    }

    /// Runs again, and makes sure that every row is there once.
    #[track_caller]
    pub fn go_on(&self, what: &str) -> Ended {
        let ended = self.pipeline.complete();
        assert_eq!(self.seen(), self.all(), "{what}: {ended:#?}");
        self.pipeline.destination().expect_clean();
        ended
    }
}
