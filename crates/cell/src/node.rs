//! An image at work: its component, its services, and the epochs of its sessions.
//!
//! Services are started before the component, and again when one fails, after a
//! pause that grows; all of them end with the component.
//!
//! Invariants: what an image's processes use together is on one account; a
//! service sees its own image, and is handed what the component is handed.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use vesicle_graft::EpochFile;
use vesicle_membrane::Membrane;
use vesicle_pool::wasi::{Grants, TreeGrant};

use crate::account::{Account, Limits};
use crate::cells::{Cells, Command, Running, Stdio};
use crate::image::Image;
use crate::output::Output;
use crate::{Error, Exit, Result};

/// How long a service that has failed is left alone at first.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// How long at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A service that has run for so long has recovered.
const RECOVERED: Duration = Duration::from_secs(10);

/// How an image is run.
pub struct Config {
    /// What the component is called, for people.
    pub name: String,
    /// The image.
    pub image: Image,
    /// Arguments of the component behind its name.
    pub arguments: Vec<String>,
    /// What the component may reach besides its image. Its services may not.
    pub grants: Grants,
    /// What all its processes may use together.
    pub limits: Limits,
    /// Where the component's standard streams go.
    pub stdio: Stdio,
    /// A file whose content says which epoch it is.
    pub epoch_file: Option<PathBuf>,
    /// The identity and the addresses of a network, if there is to be one. Its boot
    /// peers are those of the image.
    #[cfg(feature = "network")]
    pub network: Option<crate::network::Config>,
    /// Is told what services write, and what becomes of them.
    pub notice: Notice,
}

/// Is told something of a service: its name, and what.
pub type Notice = Arc<dyn Fn(&str, &str) + Send + Sync>;

/// An image at work. Dropping it ends its services.
pub struct Node {
    running: Running,
    membrane: Arc<Membrane>,
    #[cfg(feature = "network")]
    network: Option<crate::network::Network>,
    _epoch_file: Option<EpochFile>,
    stop: CancellationToken,
    services: TaskTracker,
}

impl Node {
    /// Starts an image.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] where its component, or that of a service, cannot be run or
    /// the file of the epoch cannot be watched.
    pub async fn start(cells: &Cells, config: Config) -> Result<Self> {
        let membrane = Arc::new(Membrane::new(&config.name));
        let epoch_file = match &config.epoch_file {
            Some(file) => Some(watch(file, &membrane)?),
            None => None,
        };
        let keeper = Keeper {
            cells: cells.clone(),
            account: Account::new(&config.limits),
            membrane: Arc::clone(&membrane),
            notice: config.notice,
            stop: CancellationToken::new(),
        };
        #[cfg(feature = "network")]
        let network = match config.network {
            Some(network) => Some(connect(network, &config.image).await?),
            None => None,
        };
        let services = TaskTracker::new();
        keeper.serve(&config.image, &config.name, &services).await?;
        let mut grants = config.grants;
        grants.tree = Some(TreeGrant(config.image.tree()));
        let mut arguments = vec![config.name.clone()];
        arguments.extend(config.arguments);
        let started = cells.start(Command {
            arguments,
            grants,
            account: Some(keeper.account.clone()),
            membrane: Arc::clone(&membrane),
            stdio: config.stdio,
            #[cfg(feature = "network")]
            network: network.clone(),
            ..Command::new(&config.name, main(&config.image)?)
        });
        let running = started.await?;
        Ok(Self {
            running,
            membrane,
            #[cfg(feature = "network")]
            network,
            _epoch_file: epoch_file,
            stop: keeper.stop,
            services,
        })
    }

    /// The membrane whose epochs all sessions are of.
    #[must_use]
    pub fn membrane(&self) -> &Arc<Membrane> {
        &self.membrane
    }

    /// Its network, if it has one.
    #[cfg(feature = "network")]
    #[must_use]
    pub fn network(&self) -> Option<&crate::network::Network> {
        self.network.as_ref()
    }

    /// The component.
    #[must_use]
    pub fn running(&mut self) -> &mut Running {
        &mut self.running
    }

    /// Waits for the component, then ends the services.
    pub async fn wait(&mut self) -> Exit {
        let exit = self.running.wait().await;
        self.end().await;
        exit
    }

    /// Ends everything.
    pub async fn kill(&mut self) -> Exit {
        let exit = self.running.kill().await;
        self.end().await;
        exit
    }

    async fn end(&mut self) {
        self.stop.cancel();
        self.services.close();
        self.services.wait().await;
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[cfg(feature = "network")]
async fn connect(
    mut config: crate::network::Config,
    image: &Image,
) -> Result<crate::network::Network> {
    let peers = image.peers().iter();
    config
        .boot
        .extend(peers.map(|peer| (peer.id, peer.addresses.clone())));
    Ok(crate::network::Network::start(config).await?)
}

fn watch(file: &std::path::Path, membrane: &Arc<Membrane>) -> Result<EpochFile> {
    let watched = EpochFile::watch(file, Arc::clone(membrane));
    watched.map_err(|error| Error::Invalid(error.to_string()))
}

fn main(image: &Image) -> Result<Vec<u8>> {
    image
        .main()
        .map_err(|error| Error::Invalid(error.to_string()))
}

/// Keeps services running.
#[derive(Clone)]
struct Keeper {
    cells: Cells,
    account: Account,
    membrane: Arc<Membrane>,
    notice: Notice,
    stop: CancellationToken,
}

impl Keeper {
    /// Starts the services of an image, those of a service before itself.
    fn serve<'a>(
        &'a self,
        image: &'a Image,
        name: &'a str,
        services: &'a TaskTracker,
    ) -> Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>> {
        Box::pin(async move {
            for (service, image) in image.services() {
                let name = format!("{name}/svc/{service}");
                self.serve(image, &name, services).await?;
                let wasm = main(image)?;
                // One that cannot be run at all is told before anything else begins.
                let first = self.start(image, &name, &wasm).await?;
                let (keeper, image) = (self.clone(), image.clone());
                services.spawn(async move { keeper.keep(image, name, wasm, first).await });
            }
            Ok(())
        })
    }

    async fn start(&self, image: &Image, name: &str, wasm: &[u8]) -> Result<Running> {
        let grants = Grants {
            tree: Some(TreeGrant(image.tree())),
            ..Grants::default()
        };
        let started = self.cells.start(Command {
            grants,
            account: Some(self.account.clone()),
            membrane: Arc::clone(&self.membrane),
            ..Command::new(name, wasm.to_vec())
        });
        started.await.map_err(|error| match error {
            Error::Invalid(reason) => Error::Invalid(format!("{name}: {reason}")),
            error => error,
        })
    }

    async fn keep(self, image: Image, name: String, wasm: Vec<u8>, first: Running) {
        let mut pause = FIRST_PAUSE;
        let mut next: Result<Running> = Ok(first);
        loop {
            let began = Instant::now();
            let ended = match next {
                Ok(running) => match self.attend(&name, &running).await {
                    Exit::Code(0) => return,
                    exit => exit.to_string(),
                },
                Err(error) => error.to_string(),
            };
            if self.stop.is_cancelled() {
                return;
            }
            if began.elapsed() >= RECOVERED {
                pause = FIRST_PAUSE;
            }
            let text = format!("{ended}; it is started again in {} ms", pause.as_millis());
            (self.notice)(&name, &text);
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
            next = self.start(&image, &name, &wasm).await;
        }
    }

    /// Passes on what a service writes, until it ends or all do.
    async fn attend(&self, name: &str, running: &Running) -> Exit {
        let tell = async |output: &Output| {
            loop {
                let piece = output.read(usize::MAX).await;
                for line in String::from_utf8_lossy(&piece.bytes).lines() {
                    (self.notice)(name, line);
                }
                if piece.ended {
                    return;
                }
            }
        };
        let ended = async {
            tokio::join!(tell(&running.stdout), tell(&running.stderr));
            running.wait().await
        };
        tokio::select! {
            exit = ended => exit,
            () = self.stop.cancelled() => running.kill().await,
        }
    }
}
