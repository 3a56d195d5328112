//! `vesicle discover`

use serde_json::json;
use vesicle_pipeline::Exit;
use vesicle_pipeline::connector::SourceCalls;
use vesicle_pipeline::sample::columns;

use crate::cli::{DocumentArgs, Format};
use crate::output::{Failed, answer, print_json, print_text};
use crate::session;

/// Prints the streams of a document's source, with their columns.
pub async fn run(args: DocumentArgs) -> Result<Exit, Failed> {
    answer(args.output.output, carry_out(&args).await)
}

async fn carry_out(args: &DocumentArgs) -> Result<Exit, Failed> {
    let plan = session::plan(session::read(&args.document)?).await?;
    let streams = SourceCalls(&plan.source)
        .discover()
        .await
        .map_err(|failure| {
            let error = vesicle_pipeline::Error::Connector {
                role: plan.source.role,
                component: plan.source.name.clone(),
                stream: None,
                failure,
            };
            Failed::of_plan(&plan, error)
        })?;
    let mut printed = Vec::new();
    for stream in &streams {
        printed.push((stream, columns(&stream.schema)?));
    }
    match args.output.output {
        Format::Json => print_json(
            &printed
                .iter()
                .map(|(stream, columns)| {
                    json!({
                        "name": stream.name,
                        "key": stream.key,
                        "rows": stream.estimate.rows,
                        "bytes": stream.estimate.bytes,
                        "columns": columns.iter().map(|c| json!({
                            "name": c.name, "type": c.data_type, "nullable": c.nullable,
                        })).collect::<Vec<_>>(),
                    })
                })
                .collect(),
        ),
        Format::Text => {
            for (stream, columns) in &printed {
                print_text(&stream.name);
                let width = columns.iter().map(|c| c.name.chars().count()).max();
                for column in columns {
                    let null = if column.nullable { "" } else { " not null" };
                    print_text(&format!(
                        "  {:<width$}  {}{null}",
                        column.name,
                        column.data_type,
                        width = width.unwrap_or_default()
                    ));
                }
            }
        }
    }
    Ok(Exit::Success)
}
