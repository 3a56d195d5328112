//! The server's command line.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;

use clap::Parser;
use isoserver::{Apps, Limits};
use tokio::net::TcpListener;

/// Serves apps that anybody who reaches it uploads
#[derive(Parser)]
struct CommandLine {
    /// Where to listen; nobody is asked who they are, so keep to this machine
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    #[command(flatten)]
    limits: Limits,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let CommandLine { listen, limits } = CommandLine::parse();
    let apps = Arc::new(Apps::new(limits)?);
    let listener = TcpListener::bind(listen).await;
    let listener = listener.map_err(|error| format!("cannot listen on {listen}: {error}"))?;
    println!("listening on http://{}", listener.local_addr()?);
    tokio::select! {
        served = isoserver::serve(listener, apps) => Ok(served?),
        _ = tokio::signal::ctrl_c() => Ok(()),
    }
}
