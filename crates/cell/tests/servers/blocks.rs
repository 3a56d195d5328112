//! Blocks of IPFS that a test makes, and a gateway that has them.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use cid::Cid;
use cid::multihash::Multihash;
use sha2::{Digest as _, Sha256};

use super::http::{Reply, Server};

/// Bytes of a file that make a block of their own.
const CHUNK: usize = 256 << 10;

/// A field of a protobuf message that has a length.
pub fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut field = vec![number << 3 | 2];
    let mut length = bytes.len();
    while length >= 0x80 {
        field.push(length as u8 | 0x80);
        length >>= 7;
    }
    field.push(length as u8);
    field.extend_from_slice(bytes);
    field
}

/// Blocks by their CIDs.
#[derive(Default, Clone)]
pub struct Blocks(pub HashMap<String, Vec<u8>>);

pub const FOLDER: u8 = 1;
pub const FILE: u8 = 2;
pub const SYMLINK: u8 = 4;

impl Blocks {
    pub fn add(&mut self, codec: u64, block: Vec<u8>) -> Cid {
        let hash = Multihash::wrap(0x12, &Sha256::digest(&block)).unwrap();
        let cid = Cid::new_v1(codec, hash);
        self.0.insert(cid.to_string(), block);
        cid
    }

    pub fn raw(&mut self, bytes: &[u8]) -> Cid {
        self.add(0x55, bytes.to_vec())
    }

    pub fn node(&mut self, kind: u8, links: &[(&str, Cid)]) -> Cid {
        self.node_with(&[vec![8, kind]].concat(), links)
    }

    pub fn node_with(&mut self, data: &[u8], links: &[(&str, Cid)]) -> Cid {
        let mut node = Vec::new();
        for (name, cid) in links {
            let link = [field(1, &cid.to_bytes()), field(2, name.as_bytes())].concat();
            node.extend(field(2, &link));
        }
        node.extend(field(1, data));
        self.add(0x70, node)
    }

    /// The root of a file of the host, in chunks, or of a folder with all in it.
    pub fn import(&mut self, from: &Path) -> Cid {
        if from.is_file() {
            let bytes = fs::read(from).unwrap();
            let chunks = bytes.chunks(CHUNK).map(|chunk| ("", self.raw(chunk)));
            let chunks: Vec<_> = chunks.collect();
            return self.node(FILE, &chunks);
        }
        let mut entries = Vec::new();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            entries.push((name, self.import(&entry.path())));
        }
        entries.sort();
        let entries: Vec<_> = entries.iter().map(|(name, cid)| (&**name, *cid)).collect();
        self.node(FOLDER, &entries)
    }

    /// A gateway that has these, and nothing that is added later.
    pub fn gateway(&self) -> Server {
        let blocks = self.0.clone();
        Server::gateway(move |cid| match blocks.get(cid) {
            Some(block) => Reply::Body(block.clone()),
            None => Reply::Missing,
        })
    }
}
