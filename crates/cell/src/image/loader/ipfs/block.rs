//! Blocks of a gateway, each looked at before it is used.

use cid::Cid;
use cid::multihash::Multihash;
use reqwest::{Client, StatusCode, Url};
use sha2::{Digest as _, Sha256};

use super::super::fetch::{Budget, told};

/// Bytes of one block; no IPFS node passes on larger ones.
const MAX_BLOCK: usize = 2 << 20;
/// Numbers of hash functions in the table of multicodecs.
const IDENTITY: u64 = 0x00;
const SHA2_256: u64 = 0x12;

/// Where blocks come from.
pub(super) struct Gateway<'a> {
    url: &'a Url,
    client: &'a Client,
}

impl<'a> Gateway<'a> {
    pub fn new(url: &'a Url, client: &'a Client) -> Self {
        Self { url, client }
    }

    /// The block of a CID. The error ends a sentence about what the block is part of.
    pub async fn block(&self, cid: &Cid, budget: &mut Budget) -> Result<Vec<u8>, String> {
        let hash = cid.hash();
        match hash.code() {
            IDENTITY => return Ok(hash.digest().to_vec()),
            SHA2_256 => {}
            other => {
                return Err(format!(
                    "is {cid}, hashed by function {other:#x}, and only sha2-256 and identity \
                     are taken"
                ));
            }
        }
        let block = self.fetch(cid, budget).await?;
        if !is_hash_of(hash, &block) {
            return Err(format!(
                "cannot be fetched: {} gave other bytes than {cid} names; use another gateway",
                self.url
            ));
        }
        Ok(block)
    }

    async fn fetch(&self, cid: &Cid, budget: &mut Budget) -> Result<Vec<u8>, String> {
        budget.answer()?;
        let url = self.url;
        let failed = |error: reqwest::Error| {
            let why = told(&error.without_url());
            format!("cannot be fetched: {url} does not give {cid}: {why}")
        };
        let address = format!("ipfs/{cid}?format=raw");
        let block = url.join(&address).map_err(|error| error.to_string())?;
        let request = self.client.get(block);
        let request = request.header("Accept", "application/vnd.ipld.raw");
        let mut answer = request.send().await.map_err(failed)?;
        match answer.status() {
            StatusCode::OK => {}
            status if status.is_redirection() => {
                let to = answer.headers().get("location");
                let to = to.map(|to| String::from_utf8_lossy(to.as_bytes()).into_owned());
                let to = to.unwrap_or_default();
                return Err(format!(
                    "cannot be fetched: {url} sends elsewhere for {cid}, to \"{}\"; \
                     use a gateway that answers itself",
                    to.escape_debug()
                ));
            }
            status => return Err(format!("cannot be fetched: {url} has no {cid}: {status}")),
        }
        let mut block = Vec::new();
        while let Some(bytes) = answer.chunk().await.map_err(failed)? {
            budget.fetch(bytes.len() as u64)?;
            block.extend_from_slice(&bytes);
            if block.len() > MAX_BLOCK {
                return Err(format!(
                    "cannot be fetched: {url} gives more than {MAX_BLOCK} bytes for {cid}, \
                     and no block is larger"
                ));
            }
        }
        Ok(block)
    }
}

fn is_hash_of(hash: &Multihash<64>, block: &[u8]) -> bool {
    Sha256::digest(block).as_slice() == hash.digest()
}
