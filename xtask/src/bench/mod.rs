//! Benches: a subject and a baseline do the same work in turns, A B A B, so
//! that what the machine does meanwhile falls on both. Medians are compared;
//! a ratio is the subject's cost over the baseline's, so that less is better.
//!
//! Invariants: a run that fails ends the bench; nothing is printed that was
//! not measured; the first run of each side warms caches and is not counted.

mod cells;
mod child;
mod duel;
mod figures;
mod files;
mod native;
mod peers;
mod pool;
mod postgres;
mod server;
mod table;

use serde_json::Value;

use crate::command::heading;
use crate::error::{Error, Result};
use crate::files::{make_folder, write};
use crate::tree::Tree;
use figures::Figure;

/// A bench: its name, what it compares, and what measures it.
struct Bench {
    name: &'static str,
    about: &'static str,
    measure: fn(&Tree, usize) -> Result<Vec<Figure>>,
}

/// All there are.
const BENCHES: &[Bench] = &[
    Bench {
        name: "files",
        about: "the file connectors as components, over the same ones native",
        measure: files::measure,
    },
    Bench {
        name: "postgres",
        about: "a table from PostgreSQL to PostgreSQL, over psql's COPY piped into another's",
        measure: postgres::measure,
    },
    Bench {
        name: "peers",
        about: "others, and Vesicle, from PostgreSQL to PostgreSQL, over the same pipe of COPYs",
        measure: peers::measure,
    },
    Bench {
        name: "pool",
        about: "calls and instances of the pool, over the engine alone doing the same by hand",
        measure: pool::measure,
    },
    Bench {
        name: "cells",
        about: "cells, over native sides and bare instances doing the same",
        measure: cells::measure,
    },
];

/// Measures one bench or all; prints a table and writes the figures as JSON.
pub fn run(tree: &Tree, name: Option<&str>, runs: usize) -> Result<()> {
    let chosen: Vec<_> = BENCHES
        .iter()
        .filter(|bench| name.is_none_or(|name| name == bench.name))
        .collect();
    if chosen.is_empty() {
        let known: Vec<_> = BENCHES.iter().map(|bench| bench.name).collect();
        let message = format!("there is no bench {name:?}, only {}", known.join(", "));
        return Err(Error::Usage(message));
    }
    for bench in chosen {
        heading(&format!("bench {}: {}", bench.name, bench.about));
        let figures = (bench.measure)(tree, runs)?;
        let folder = tree.target.join("bench");
        make_folder(&folder)?;
        let file = folder.join(format!("{}.json", bench.name));
        let json = Value::Array(figures.iter().map(Figure::to_json).collect());
        write(&file, format!("{json:#}\n"))?;
        println!("\n{}\n\n{}", bench.about, table::render(&figures));
        println!(
            "medians of {runs} runs, lowest and highest in brackets; {}",
            tree.shown(&file)
        );
    }
    Ok(())
}
