//! Folders that are named by what is in them, from a gateway that need not be
//! trusted: `/ipfs/CID`, `ipfs://CID/PATH` or a bare CID.
//!
//! Invariant: nothing of a block is used before the block is what its CID says.

mod block;
mod unixfs;

use async_trait::async_trait;
use cid::Cid;
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt as _;

use super::fetch::{self, Budget, Staging};
use super::{Bounds, Cache, LoadError, Loader};
use crate::image::Layer;
use block::Gateway;
use unixfs::{Kind, Node};

/// How many nodes may wait to be fetched, and bytes of their paths together.
const MAX_WAITING: usize = 1 << 18;
const MAX_WAITING_PATHS: usize = 64 << 20;

/// Loads folders of IPFS from a trustless gateway.
pub struct Ipfs {
    gateway: Url,
    client: Client,
    cache: Cache,
    bounds: Bounds,
}

impl Ipfs {
    /// What its references look like.
    pub(super) const FORM: &'static str = "/ipfs/CID";

    /// Whether a reference looks like one of its: a path of IPFS or a CID.
    #[must_use]
    pub fn knows(reference: &str) -> bool {
        named(reference).is_some() || Cid::try_from(reference).is_ok()
    }

    /// Fetches blocks from `gateway`, as `GATEWAY/ipfs/CID?format=raw`.
    ///
    /// # Errors
    ///
    /// Fails if the gateway is no HTTP URL.
    pub fn new(gateway: &str, cache: Cache, bounds: Bounds) -> Result<Self, LoadError> {
        let bad = |why: String| LoadError::failed(gateway, format!("is no gateway: {why}"));
        let mut url: Url = gateway.parse().map_err(|error| bad(format!("{error}")))?;
        if !matches!(url.scheme(), "http" | "https") || url.query().is_some() {
            return Err(bad(
                "one looks like https://trustless-gateway.link".to_owned()
            ));
        }
        if !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        let client = fetch::client(Policy::none()).map_err(|error| bad(fetch::told(&error)))?;
        Ok(Self {
            gateway: url,
            client,
            cache,
            bounds,
        })
    }

    async fn fetch(&self, root: Cid, path: &[&str]) -> Result<Layer, String> {
        let name = name_in_cache(&root, path);
        let failed = |error: std::io::Error| format!("the cache fails: {error}");
        if let Some(layer) = self.cache.find(&name).map_err(failed)? {
            return Ok(layer);
        }
        let staged = self.cache.stage().map_err(failed)?;
        let staging = Staging::new(staged).map_err(failed)?;
        let mut fetching = Fetching {
            gateway: Gateway::new(&self.gateway, &self.client),
            budget: Budget::new(self.bounds),
            staging,
        };
        let all = async {
            let root = fetching.resolve(root, path).await?;
            fetching.folder(root).await
        };
        let limit = self.bounds.time;
        match tokio::time::timeout(limit, all).await {
            Ok(done) => done?,
            Err(_) => return Err(format!("takes more than {} s", limit.as_secs())),
        }
        let Staging { folder, .. } = fetching.staging;
        self.cache.keep(folder, &name).map_err(failed)
    }
}

#[async_trait]
impl Loader for Ipfs {
    fn form(&self) -> &str {
        Self::FORM
    }

    fn claims(&self, reference: &str) -> bool {
        Self::knows(reference)
    }

    async fn load(&self, reference: &str) -> Result<Layer, LoadError> {
        let failed = |reason: String| LoadError::failed(reference, reason);
        let mut parts = named(reference).unwrap_or(reference).split('/');
        let cid = parts.next().unwrap_or_default();
        let cid =
            Cid::try_from(cid).map_err(|error| failed(format!("{cid} is no CID: {error}")))?;
        let path: Vec<_> = parts.filter(|part| !part.is_empty()).collect();
        for part in &path {
            fetch::check_name(part).map_err(failed)?;
        }
        self.fetch(cid, &path).await.map_err(failed)
    }
}

/// What stands behind the beginning of a reference that names IPFS.
fn named(reference: &str) -> Option<&str> {
    let forms = ["ipfs://", "/ipfs/"];
    forms.iter().find_map(|form| reference.strip_prefix(form))
}

fn name_in_cache(root: &Cid, path: &[&str]) -> String {
    let mut hash = Sha256::new();
    hash.update(root.hash().to_bytes());
    hash.update(root.codec().to_be_bytes());
    for part in path {
        hash.update([0]);
        hash.update(part);
    }
    let digest: String = hash.finalize().iter().map(|b| format!("{b:02x}")).collect();
    format!("ipfs-{digest}")
}

fn check_waiting<T>(waiting: &[T]) -> Result<(), String> {
    match waiting.len() > MAX_WAITING {
        true => Err(format!("has more than {MAX_WAITING} links at once")),
        false => Ok(()),
    }
}

/// One layer that is being fetched.
struct Fetching<'a> {
    gateway: Gateway<'a>,
    budget: Budget,
    staging: Staging,
}

/// What is still to be fetched.
struct Waiting {
    path: String,
    cid: Cid,
    /// Whether the node is part of the folder at the path, by how many levels.
    shard: u32,
}

impl Fetching<'_> {
    /// The node of a CID; the error ends a sentence about what it is part of.
    async fn node(&mut self, cid: &Cid) -> Result<Node, String> {
        let block = self.gateway.block(cid, &mut self.budget).await?;
        Node::read(cid, block)
    }

    /// The folder at a path below another.
    async fn resolve(&mut self, mut root: Cid, path: &[&str]) -> Result<Cid, String> {
        for part in path {
            let mut shards = vec![(root, 0)];
            let mut found = None;
            while let (Some((cid, level)), None) = (shards.pop(), found) {
                let node = self.node(&cid).await;
                let node = node.map_err(|why| format!("the folder of \"{part}\" {why}"))?;
                for entry in node.entries(level > 0)? {
                    match entry.name {
                        None => shards.push((entry.cid, unixfs::deeper(level)?)),
                        Some(name) if name == *part => found = Some(entry.cid),
                        Some(_) => {}
                    }
                }
                check_waiting(&shards)?;
            }
            root = found.ok_or_else(|| format!("there is no \"{part}\" in {root}"))?;
        }
        Ok(root)
    }

    /// Fetches a folder with all that is in it.
    async fn folder(&mut self, root: Cid) -> Result<(), String> {
        let mut waiting = vec![Waiting {
            path: String::new(),
            cid: root,
            shard: 0,
        }];
        let mut bytes = 0;
        while let Some(next) = waiting.pop() {
            bytes -= next.path.len();
            let shown = match next.path.as_str() {
                "" => "the root".to_owned(),
                path => path.escape_debug().to_string(),
            };
            let added = self.place(&next).await;
            let added = added.map_err(|why| format!("{shown} {why}"))?;
            bytes += added.iter().map(|more| more.path.len()).sum::<usize>();
            if bytes > MAX_WAITING_PATHS {
                return Err(format!("{shown} has too many long names"));
            }
            waiting.extend(added);
            check_waiting(&waiting).map_err(|why| format!("{shown} {why}"))?;
        }
        Ok(())
    }

    /// Puts one node where it belongs, and returns what is below it.
    async fn place(&mut self, at: &Waiting) -> Result<Vec<Waiting>, String> {
        fetch::check_path(&at.path)?;
        let node = self.node(&at.cid).await?;
        if at.shard == 0 {
            self.budget.enter()?;
        }
        match (&node.kind, at.path.as_str()) {
            (Kind::File(_), "") => return Err("is a file, and no layer".to_owned()),
            (Kind::File(_), path) if at.shard == 0 => {
                self.file(path, node).await?;
                return Ok(Vec::new());
            }
            (Kind::Folder | Kind::Shard(_), "") => {}
            (Kind::Folder | Kind::Shard(_), path) if at.shard == 0 => {
                let made = self.staging.root.create_dir(path);
                made.map_err(|error| format!("cannot be made: {error}"))?;
            }
            _ => {}
        }
        let mut below = Vec::new();
        for entry in node.entries(at.shard > 0)? {
            below.push(match entry.name {
                None => Waiting {
                    path: at.path.clone(),
                    cid: entry.cid,
                    shard: unixfs::deeper(at.shard)?,
                },
                Some(name) => {
                    fetch::check_name(&name)?;
                    Waiting {
                        path: match at.path.as_str() {
                            "" => name,
                            folder => format!("{folder}/{name}"),
                        },
                        cid: entry.cid,
                        shard: 0,
                    }
                }
            });
        }
        Ok(below)
    }

    /// Writes a file, whose chunks hang below its node in their order.
    async fn file(&mut self, path: &str, node: Node) -> Result<(), String> {
        let failed = |error: std::io::Error| format!("cannot be written: {error}");
        let file = self.staging.create(path).map_err(failed)?;
        let mut file = tokio::fs::File::from_std(file.into_std());
        let mut chunks = vec![(node, 0)];
        // Nodes of which some chunks are not fetched yet, the next one last.
        let mut waiting: Vec<(Cid, u32)> = Vec::new();
        loop {
            let Some((node, level)) = chunks.pop() else {
                let Some((cid, level)) = waiting.pop() else {
                    break;
                };
                chunks.push((self.node(&cid).await?, level));
                continue;
            };
            let Kind::File(bytes) = &node.kind else {
                return Err("has a chunk that is no part of a file".to_owned());
            };
            self.budget.write(bytes.len() as u64)?;
            file.write_all(bytes).await.map_err(failed)?;
            if !node.links.is_empty() {
                let below = unixfs::deeper(level)?;
                let links = node.links.iter().rev().map(|(_, cid)| (*cid, below));
                waiting.extend(links);
                check_waiting(&waiting)?;
            }
        }
        file.flush().await.map_err(failed)?;
        file.sync_data().await.map_err(failed)
    }
}
