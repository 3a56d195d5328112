//! `vesicle certify`

use serde_json::json;
use vesicle_pipeline::Exit;
use vesicle_pipeline::certify::{Cell, Outcome, Suite};
use vesicle_pipeline::document::WriteMode;

use crate::cli::{CertifyArgs, Format};
use crate::output::{Failed, answer, count, plain, print_json, print_text};
use crate::session;

/// Runs a connector through the suite.
pub fn run(args: &CertifyArgs) -> Result<Exit, Failed> {
    answer(args.output.output, carry_out(args))
}

fn carry_out(args: &CertifyArgs) -> Result<Exit, Failed> {
    let read = session::read(&args.document)?;
    let document = &read.document;
    let used = [
        &document.source.connector.uses.value,
        &document.destination.connector.uses.value,
    ];
    if !used.contains(&&args.component) {
        let message = format!(
            "{} does not use {}; it uses {} and {}",
            args.document.display(),
            args.component,
            used[0],
            used[1]
        );
        return Err(Failed::new(Exit::Usage, message));
    }
    let program = std::env::current_exe()
        .map_err(|error| Failed::new(Exit::Defect, format!("where is this program? {error}")))?;
    let suite = Suite {
        program,
        document: args.document.clone(),
        state: session::state_of(&read)?,
        pipeline: document.pipeline.value.clone(),
        is_replace: document.destination.write_mode.value == WriteMode::Replace,
        reset: args.reset.clone(),
        check: args.check.clone(),
        disturb: args.disturb.clone(),
        kills: args.kills,
        stride: args.stride,
    };
    let text = args.output.output == Format::Text;
    let cells = suite
        .run(|cell| {
            if text {
                print_text(&plain(&cell.to_string()));
            }
        })
        .map_err(|error| Failed::new(Exit::Usage, error.to_string()))?;
    let held = |cell: &&Cell| cell.outcome == Outcome::Held;
    let all = cells.len() as u64;
    let broken = all - cells.iter().filter(held).count() as u64;
    match args.output.output {
        Format::Json => print_json(&json!({
            "component": args.component, "cells": cells, "broken": broken,
        })),
        Format::Text if broken == 0 => {
            print_text(&format!(
                "{}: all of {} held",
                args.component,
                count(all, "cell")
            ));
        }
        Format::Text => print_text(&format!(
            "{}: {broken} of {} broken",
            args.component,
            count(all, "cell")
        )),
    }
    Ok(if broken == 0 {
        Exit::Success
    } else {
        Exit::Data
    })
}
