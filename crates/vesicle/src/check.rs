//! `vesicle check`

use vesicle_pipeline::Exit;
use vesicle_pipeline::connector::{DestinationCalls, SourceCalls};

use crate::cli::{DocumentArgs, Format};
use crate::output::{Failed, answer, plain, print_json, print_text};
use crate::session;

/// Prints the plan of a document, and asks the connectors whether it works.
pub async fn run(args: DocumentArgs) -> Result<Exit, Failed> {
    answer(args.output.output, carry_out(&args).await)
}

async fn carry_out(args: &DocumentArgs) -> Result<Exit, Failed> {
    let plan = session::plan(session::read(&args.document)?).await?;
    for warning in &plan.warnings {
        eprintln!("warning: {}", plain(warning));
    }
    let json = args.output.output == Format::Json;
    if !json {
        print_text(&plan.describe());
    }
    let failed = |connector: &vesicle_pipeline::connector::Connector, failure| {
        let error = vesicle_pipeline::Error::Connector {
            role: connector.role,
            component: connector.name.clone(),
            stream: None,
            failure,
        };
        Failed::of_plan(&plan, error)
    };
    SourceCalls(&plan.source)
        .check()
        .await
        .map_err(|failure| failed(&plan.source, failure))?;
    for stream in &plan.streams {
        let shaped = plan.shape(stream).await;
        shaped.map_err(|error| Failed::of_plan(&plan, error))?;
    }
    // A folder that is not there yet is made by the run, not by the check.
    if plan
        .destination
        .grants
        .folders
        .iter()
        .all(|f| f.host.is_dir())
    {
        DestinationCalls(&plan.destination)
            .check()
            .await
            .map_err(|failure| failed(&plan.destination, failure))?;
    }
    if json {
        print_json(&plan.to_json());
    }
    Ok(Exit::Success)
}
