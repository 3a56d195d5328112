//! `vesicle dead-letters`

use serde_json::json;
use vesicle_flow::Stop;
use vesicle_pipeline::Exit;
use vesicle_pipeline::run::{self, Progress};
use vesicle_pipeline::state::{Letter, LetterQuery, State};

use crate::cli::{DiscardArgs, Format, LetterAction, LettersArgs, LettersOf, ReplayArgs, ShowArgs};
use crate::output::{Failed, answer, count, print_json, print_text};
use crate::progress::{bar, notice};
use crate::run::listen;
use crate::session;
use crate::state::{failed, open};

/// How many letters are fetched at once.
const PAGE: u32 = 1000;

/// How much of a row or a reason a line shows.
const SHOWN: usize = 100;

/// Looks at dead letters, sends them again, or removes them.
pub async fn run(args: LettersArgs) -> Result<Exit, Failed> {
    match args.action {
        LetterAction::List(of) => list(&of),
        LetterAction::Show(args) => show(&args),
        LetterAction::Replay(args) => answer(args.document.output.output, replay(&args).await),
        LetterAction::Discard(args) => discard(&args),
    }
}

fn query(of: &LettersOf, pipeline: String) -> LetterQuery {
    LetterQuery {
        pipeline,
        stream: of.stream.clone(),
        run: of.run.clone(),
        limit: PAGE,
        ..LetterQuery::default()
    }
}

/// Calls `each` with all letters that a query means, the oldest first.
fn each(
    state: &dyn State,
    mut query: LetterQuery,
    mut each: impl FnMut(&Letter),
) -> Result<(), Failed> {
    loop {
        let page = state.letters(&query).map_err(failed)?;
        page.iter().for_each(&mut each);
        match page.last() {
            Some(last) => query.after = Some(last.id),
            None => return Ok(()),
        }
    }
}

fn list(of: &LettersOf) -> Result<Exit, Failed> {
    let (state, pipeline) = open(&of.of)?;
    let query = query(of, pipeline);
    match of.of.from.output.output {
        Format::Json => {
            let mut letters = Vec::new();
            each(&*state, query, |letter| letters.push(as_json(letter)))?;
            print_json(&letters.into());
        }
        Format::Text => {
            let mut found = 0;
            each(&*state, query, |letter| {
                found += 1;
                print_text(&format!(
                    "{} {} {}: {}",
                    letter.id,
                    letter.stream,
                    on_a_line(&letter.row),
                    on_a_line(&letter.message)
                ));
            })?;
            print_text(&count(found, "dead letter"));
        }
    }
    Ok(Exit::Success)
}

/// The beginning of a text, on one line.
fn on_a_line(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(SHOWN)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

fn as_json(letter: &Letter) -> serde_json::Value {
    json!({
        "id": letter.id, "pipeline": letter.pipeline, "run": letter.run, "stream": letter.stream,
        "partition": letter.partition, "stage": letter.stage, "row": letter.row,
        "category": letter.category, "code": letter.code, "message": letter.message,
        "at": letter.at.to_string(),
    })
}

fn show(args: &ShowArgs) -> Result<Exit, Failed> {
    let (state, pipeline) = open(&args.of)?;
    let query = LetterQuery {
        pipeline: pipeline.clone(),
        id: Some(args.id),
        ..LetterQuery::default()
    };
    let Some(letter) = state.letters(&query).map_err(failed)?.pop() else {
        let message = format!("pipeline {pipeline} has no dead letter {}", args.id);
        return Err(Failed::new(Exit::Unavailable, message));
    };
    match args.of.from.output.output {
        Format::Json => print_json(&as_json(&letter)),
        Format::Text => print_text(&format!(
            "dead letter {} of stream {}, kept {} by run {}\n  {} could not pass it on [{}]:\n  \
             {}\n  the row:\n  {}",
            letter.id,
            letter.stream,
            letter.at,
            letter.run,
            letter.stage,
            letter.code,
            letter.message.replace('\n', "\n  "),
            letter.row.replace('\n', "\n  "),
        )),
    }
    Ok(Exit::Success)
}

async fn replay(args: &ReplayArgs) -> Result<Exit, Failed> {
    let plan = session::plan(session::read(&args.document.document)?).await?;
    let bar = bar(true);
    let (notices, redactor) = (bar.clone(), plan.redactor.clone());
    let progress = Progress::new(Box::new(move |text| {
        notice(&notices, &redactor.redact(text));
    }));
    let stop = Stop::default();
    listen(stop.clone(), bar);
    let query = LetterQuery {
        pipeline: plan.document.pipeline.value.clone(),
        stream: args.stream.clone(),
        run: args.run.clone(),
        ..LetterQuery::default()
    };
    let replayed = run::replay(&plan, query, &progress, &stop)
        .await
        .map_err(|error| Failed::of_plan(&plan, error))?;
    match args.document.output.output {
        Format::Json => print_json(&json!(replayed)),
        Format::Text => {
            let mut text = format!("sent {} again", count(replayed.replayed, "dead letter"));
            if replayed.failed > 0 {
                text.push_str(&format!(
                    "; {} failed again and stayed, with new reasons",
                    count(replayed.failed, "row")
                ));
            }
            print_text(&text);
        }
    }
    if replayed.unreadable > 0 {
        eprintln!(
            "{} cannot be sent again: the source could not read their rows",
            count(replayed.unreadable, "dead letter")
        );
    }
    Ok(match stop.is_asked() {
        true => Exit::Interrupted,
        false if replayed.failed > 0 => Exit::Data,
        false => Exit::Success,
    })
}

fn discard(args: &DiscardArgs) -> Result<Exit, Failed> {
    if args.id.is_none() && args.of.stream.is_none() && args.of.run.is_none() && !args.all {
        let message = "say which: an id, --stream, --run or --all";
        return Err(Failed::new(Exit::Usage, message));
    }
    let (state, pipeline) = open(&args.of.of)?;
    let query = LetterQuery {
        id: args.id,
        limit: 0,
        ..query(&args.of, pipeline.clone())
    };
    let removed = state.remove_letters(&query).map_err(failed)?;
    let discarded = format!("discarded {} of {pipeline}", count(removed, "dead letter"));
    let left = state.letters(&query).map_err(failed)?.len() as u64;
    if left > 0 {
        let message = format!(
            "{discarded}; {} belong to a replay that was interrupted, and may have arrived: \
             vesicle dead-letters replay ends it",
            count(left, "other")
        );
        return Err(Failed::new(Exit::State, message));
    }
    print_text(&discarded);
    Ok(Exit::Success)
}
