//! Files and folders as IPFS encodes them: UnixFS in nodes of dag-pb, and raw
//! leaves. The formats are those of <https://specs.ipfs.tech/unixfs/>.

use cid::Cid;
use prost::Message;

/// Numbers of codecs in the table of multicodecs.
const RAW: u64 = 0x55;
const DAG_PB: u64 = 0x70;
/// How many levels a file or a folder of shards may have.
const MAX_LEVELS: u32 = 32;
/// Links of one node.
const MAX_LINKS: usize = 1 << 16;

#[derive(Message)]
struct PbNode {
    #[prost(message, repeated, tag = "2")]
    links: Vec<PbLink>,
    #[prost(bytes = "vec", optional, tag = "1")]
    data: Option<Vec<u8>>,
}

#[derive(Message)]
struct PbLink {
    #[prost(bytes = "vec", optional, tag = "1")]
    hash: Option<Vec<u8>>,
    #[prost(string, optional, tag = "2")]
    name: Option<String>,
}

#[derive(Message)]
struct PbData {
    #[prost(enumeration = "PbKind", required, tag = "1")]
    kind: i32,
    #[prost(bytes = "vec", optional, tag = "2")]
    data: Option<Vec<u8>>,
    #[prost(uint64, optional, tag = "6")]
    fanout: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
enum PbKind {
    Raw = 0,
    Folder = 1,
    File = 2,
    Metadata = 3,
    Symlink = 4,
    Shard = 5,
}

/// A block, understood.
pub(super) struct Node {
    pub kind: Kind,
    /// In the order of the node; chunks have no names.
    pub links: Vec<(String, Cid)>,
}

/// What a node is.
pub(super) enum Kind {
    /// A file, or a part of one: the bytes that come before those of its links.
    File(Vec<u8>),
    Folder,
    /// A part of a folder; how many letters of a name say its place.
    Shard(usize),
}

/// Something in a folder.
pub(super) struct Entry {
    /// Its name; none if it is a further part of the same folder.
    pub name: Option<String>,
    pub cid: Cid,
}

/// The level below one.
pub(super) fn deeper(level: u32) -> Result<u32, String> {
    match level {
        MAX_LEVELS.. => Err(format!("has more than {MAX_LEVELS} levels")),
        _ => Ok(level + 1),
    }
}

impl Node {
    pub fn read(cid: &Cid, block: Vec<u8>) -> Result<Self, String> {
        match cid.codec() {
            RAW => Ok(Self {
                kind: Kind::File(block),
                links: Vec::new(),
            }),
            DAG_PB => Self::decode(cid, &block),
            other => Err(format!(
                "is {cid}, of codec {other:#x}, which is neither a file nor a folder"
            )),
        }
    }

    fn decode(cid: &Cid, block: &[u8]) -> Result<Self, String> {
        let bad = |why: &dyn std::fmt::Display| format!("is no UnixFS in {cid}: {why}");
        let node = PbNode::decode(block).map_err(|error| bad(&error))?;
        if node.links.len() > MAX_LINKS {
            return Err(bad(&format!("it has more than {MAX_LINKS} links")));
        }
        let data = node.data.ok_or_else(|| bad(&"it has no data"))?;
        let data = PbData::decode(data.as_slice()).map_err(|error| bad(&error))?;
        let kind = match PbKind::try_from(data.kind) {
            Ok(PbKind::File | PbKind::Raw) => Kind::File(data.data.unwrap_or_default()),
            Ok(PbKind::Folder) => Kind::Folder,
            Ok(PbKind::Shard) => match data.fanout {
                Some(fanout @ 2..=1024) if fanout.is_power_of_two() => {
                    Kind::Shard(format!("{:X}", fanout - 1).len())
                }
                _ => return Err(bad(&"a shard without a sensible fanout")),
            },
            Ok(PbKind::Symlink) => {
                return Err("is a symbolic link, which is not taken from IPFS".to_owned());
            }
            Ok(PbKind::Metadata) | Err(_) => return Err(bad(&"neither a file nor a folder")),
        };
        let links = node.links.into_iter().map(|link| {
            let hash = link.hash.unwrap_or_default();
            let to = Cid::try_from(hash).map_err(|error| bad(&error))?;
            Ok((link.name.unwrap_or_default(), to))
        });
        Ok(Self {
            kind,
            links: links.collect::<Result<_, String>>()?,
        })
    }

    /// What is in a folder, or in a further part of one.
    pub fn entries(self, is_part: bool) -> Result<Vec<Entry>, String> {
        let place = match self.kind {
            Kind::Folder if !is_part => 0,
            Kind::Shard(place) => place,
            Kind::Folder => return Err("has a part that is another folder".to_owned()),
            Kind::File(_) if is_part => return Err("has a part that is a file".to_owned()),
            Kind::File(_) => return Err("is a file, and no folder".to_owned()),
        };
        let entry = |(name, cid): (String, Cid)| {
            if place == 0 {
                let name = Some(name);
                return Ok(Entry { name, cid });
            }
            let Some((at, name)) = name.split_at_checked(place) else {
                return Err("has a part without a place".to_owned());
            };
            if !at.bytes().all(|letter| letter.is_ascii_hexdigit()) {
                return Err("has a part without a place".to_owned());
            }
            let name = (!name.is_empty()).then(|| name.to_owned());
            Ok(Entry { name, cid })
        };
        self.links.into_iter().map(entry).collect()
    }
}
