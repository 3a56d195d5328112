//! `vesicle ps`

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use serde_json::json;
use vesicle_pipeline::Exit;

use crate::cli::{Format, OutputArgs};
use crate::output::{Failed, plain, print_json, print_text};
use crate::register::{Cell, Register};

/// Prints the cells that run.
pub fn run(args: &OutputArgs) -> Result<Exit, Failed> {
    let cells = cells()?;
    match args.output {
        Format::Json => print_json(&cells.iter().map(as_json).collect()),
        Format::Text if cells.is_empty() => print_text("no cells run"),
        Format::Text => print_text(&table(&cells)),
    }
    Ok(Exit::Success)
}

/// The cells that run; what is no cell is told of.
pub fn cells() -> Result<Vec<Cell>, Failed> {
    let warn = |text: String| eprintln!("warning: {}", plain(&text));
    let cells = Register::of_user().and_then(|register| register.cells(warn));
    cells.map_err(|why| Failed::new(Exit::Unavailable, format!("cannot list cells: {why}")))
}

fn as_json(cell: &Cell) -> serde_json::Value {
    let since = i64::try_from(cell.since).ok();
    let since = since.and_then(|since| Timestamp::from_second(since).ok());
    json!({
        "pid": cell.process.pid,
        "name": cell.name,
        "what": cell.what,
        "since": since.map(|since| since.to_string()),
    })
}

fn table(cells: &[Cell]) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |now| now.as_secs());
    let mut rows = vec![["PID", "NAME", "FOR", "WHAT"].map(str::to_owned)];
    for cell in cells {
        rows.push([
            cell.process.pid.to_string(),
            one_line(&cell.name),
            span(now.saturating_sub(cell.since)),
            one_line(&cell.what.join(" ")),
        ]);
    }
    let width = |column: usize| {
        let widths = rows.iter().map(|row| row[column].chars().count());
        widths.max().unwrap_or(0)
    };
    let (pid, name, span) = (width(0), width(1), width(2));
    let lines = rows
        .iter()
        .map(|[a, b, c, d]| format!("{a:>pid$}  {b:<name$}  {c:>span$}  {d}"));
    lines.collect::<Vec<_>>().join("\n")
}

fn one_line(text: &str) -> String {
    text.replace(['\n', '\t'], " ")
}

/// A time in seconds, in its largest unit.
fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}
