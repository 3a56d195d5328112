//! `vesicle run`

use std::path::Path;
use std::sync::Arc;

use serde_json::json;
use vesicle_flow::Stop;
use vesicle_pipeline::document::OnDataError;
use vesicle_pipeline::plan::Plan;
use vesicle_pipeline::run::{self, Options, Progress, Report, Status};
use vesicle_pipeline::{Exit, sample};

use crate::cli::{Format, PipelineArgs};
use crate::output::{Failed, answer, count, plain, print_json, print_text};
use crate::progress::{Display, bar, notice};
use crate::session;

/// Runs a pipeline, or shows what it would read.
pub async fn run(document: &Path, args: PipelineArgs) -> Result<Exit, Failed> {
    answer(args.output.output, carry_out(document, args).await)
}

async fn carry_out(document: &Path, args: PipelineArgs) -> Result<Exit, Failed> {
    let plan = session::plan(session::read(document)?).await?;
    for warning in &plan.warnings {
        eprintln!("warning: {}", plain(warning));
    }
    if args.dry_run {
        return dry_run(&plan, &args).await;
    }
    let bar = bar(args.quiet);
    let notices = bar.clone();
    let redactor = plan.redactor.clone();
    let progress = Progress::new(Box::new(move |text| {
        notice(&notices, &redactor.redact(text));
    }));
    let stop = Stop::default();
    listen(stop.clone(), bar.clone());
    let display = Display::start(bar, Arc::clone(&progress), args.quiet);
    let options = Options { fresh: args.fresh };
    let (report, done) = run::run(&plan, options, &progress, &stop).await;
    drop(display);
    if let Some(report) = &report {
        print_audit(report, args.audit);
    }
    let exit = match &done {
        Ok(()) => Exit::Success,
        Err(error) => error.exit(),
    };
    if args.output.output == Format::Json
        && let Some(report) = &report
    {
        let mut value =
            serde_json::to_value(report).map_err(|e| Failed::new(Exit::Defect, e.to_string()))?;
        let interrupted = report.status == Status::Interrupted;
        value["exit"] = json!(if interrupted { Exit::Interrupted } else { exit } as u8);
        print_json(&value);
        if let Err(error) = done {
            Failed::of_plan(&plan, error).print();
            if exit != Exit::Interrupted {
                return Ok(exit);
            }
        }
    } else if let Err(error) = done {
        let failed = Failed::of_plan(&plan, error);
        if exit != Exit::Interrupted {
            return Err(failed);
        }
        failed.print();
    }
    let Some(report) = report else {
        return Ok(exit);
    };
    if report.status == Status::Interrupted {
        let rows: u64 = report.streams.iter().map(|s| s.rows_written).sum();
        let is_begun = report.resumed || report.streams.iter().any(|stream| stream.complete);
        match rows {
            // One that ended at once may have committed what it did not learn of.
            0 if !is_begun && report.error.is_none() => eprintln!(
                "interrupted before anything was committed; run the same command to begin again"
            ),
            _ => eprintln!(
                "interrupted after {} of this run were committed; run the same command to go on",
                count(rows, "row")
            ),
        }
        print_rejected(&plan, &report);
        return Ok(Exit::Interrupted);
    }
    if args.output.output == Format::Text {
        print_summary(&report);
    }
    print_rejected(&plan, &report);
    Ok(Exit::Success)
}

/// Says how many rows were left out, and what became of them.
fn print_rejected(plan: &Plan, report: &Report) {
    match plan.document.destination.on_data_error {
        OnDataError::Fail => {}
        OnDataError::Skip => {
            let rows: u64 = report.streams.iter().map(|s| s.rows_rejected).sum();
            if rows > 0 {
                eprintln!(
                    "left out {} with data errors (on_data_error: skip)",
                    count(rows, "row")
                );
            }
        }
        OnDataError::Dlq => {
            if report.dead_letters > 0 {
                eprintln!(
                    "kept {}; vesicle dead-letters list shows why",
                    count(report.dead_letters, "dead letter")
                );
            }
        }
    }
}

/// Ctrl-C, or a request to terminate, ends the run at the next commit; once
/// more ends it at once.
pub fn listen(stop: Stop, bar: indicatif::ProgressBar) {
    tokio::spawn(async move {
        use tokio::signal::unix::{SignalKind, signal};
        let (Ok(mut interrupt), Ok(mut terminate)) = (
            signal(SignalKind::interrupt()),
            signal(SignalKind::terminate()),
        ) else {
            return;
        };
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if stop.is_asked() {
                stop.force();
            } else {
                notice(
                    &bar,
                    "finishing the commit under way; Ctrl-C again ends at once",
                );
                stop.ask();
            }
        }
    });
}

fn print_audit(report: &Report, all: bool) {
    for entry in report.audit.iter().filter(|entry| all || !entry.allowed) {
        eprintln!("audit: {entry}");
    }
    if report.audit_dropped > 0 {
        eprintln!(
            "audit: {} more accesses had no room in the audit",
            report.audit_dropped
        );
    }
}

fn print_summary(report: &Report) {
    for stream in &report.streams {
        let line = match stream.rows_total {
            Some(rows) => {
                #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
                let seconds = report.elapsed_ms as f64 / 1000.0;
                format!(
                    "{}: {} in {} ({seconds:.1} s)",
                    stream.name,
                    count(rows, "row"),
                    stream.places.join(", ")
                )
            }
            None => format!("{}: was complete already", stream.name),
        };
        print_text(&line);
    }
}

async fn dry_run(plan: &Plan, args: &PipelineArgs) -> Result<Exit, Failed> {
    let mut printed = Vec::new();
    for stream in &plan.streams {
        let rows = sample::sample(plan, stream, args.limit)
            .await
            .map_err(|error| Failed::of_plan(plan, error))?;
        printed.push((&stream.request.name, rows));
    }
    match args.output.output {
        Format::Text => {
            for (name, rows) in &printed {
                print_text(name);
                print_text(&sample::table(rows)?);
            }
        }
        Format::Json => {
            let mut streams = Vec::new();
            for (name, rows) in &printed {
                streams.push(json!({ "stream": name, "rows": sample::rows(rows)? }));
            }
            print_json(&json!({ "streams": streams }));
        }
    }
    eprintln!("nothing was written");
    Ok(Exit::Success)
}
