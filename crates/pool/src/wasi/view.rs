//! How a guest sees a [`Tree`](super::Tree) through `wasi:filesystem@0.2`.
//!
//! A folder of a tree is a descriptor that stands on no folder of the host: its
//! file is `/dev/null`, below which there is nothing, so that an operation that
//! is not carried out here fails. A file of a tree is a file to read.
//!
//! Invariant: an instance holds no more than [`MAX_LISTINGS`] listings of a tree.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use vesicle_engine::State;
use wasmtime::StoreContextMut;
use wasmtime::component::{LinkerInstance, Resource, ResourceTable, ResourceType};
use wasmtime_wasi::filesystem::{Descriptor, Dir, WasiFilesystemView as _};
use wasmtime_wasi::p2::FsError;
use wasmtime_wasi::p2::bindings::clocks::wall_clock::Datetime;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    DescriptorStat, DescriptorType, DirectoryEntry, DirectoryEntryStream, ErrorCode,
    HostDescriptor, HostDirectoryEntryStream, MetadataHashValue, OpenFlags,
};
use wasmtime_wasi::{FsPerms, OpenMode};

use super::files::{Folder, outcome};
use super::guard::{Granted, Guard};
use super::{BLOCK_IN_PLACE, TreeEntry, TreeGrant, TreeKind};

/// Listings of a tree that an instance may have at once.
const MAX_LISTINGS: usize = 64;

/// What a guest has not read yet of a folder. It takes the place of the engine's
/// own listing behind the same kind of handle.
struct Listing {
    entries: std::vec::IntoIter<TreeEntry>,
    _counted: Arc<()>,
}

/// How many listings an instance has.
#[derive(Default)]
struct Listings(Arc<()>);

/// What an error of a tree is to a guest.
pub(super) fn code(error: &io::Error) -> ErrorCode {
    match error.kind() {
        io::ErrorKind::NotADirectory => ErrorCode::NotDirectory,
        io::ErrorKind::IsADirectory => ErrorCode::IsDirectory,
        io::ErrorKind::InvalidFilename => ErrorCode::NameTooLong,
        io::ErrorKind::FileTooLarge => ErrorCode::Overflow,
        _ => ErrorCode::from(error),
    }
}

/// A descriptor of a folder; whoever makes it takes note of its place.
pub(super) fn folder(table: &mut ResourceTable) -> wasmtime::Result<Folder> {
    let nothing = std::fs::File::open("/dev/null")?;
    let folder = Dir::new(nothing, FsPerms::ReadOnly, OpenMode::READ, BLOCK_IN_PLACE);
    Ok(table.push(Descriptor::Dir(folder))?)
}

/// Opens what was granted, if it is a folder of a tree.
pub(super) fn open_folder(
    state: &mut State,
    granted: &Granted,
    how: OpenFlags,
) -> Result<Option<Folder>, FsError> {
    if let Granted::Tree(tree, path) = granted
        && look(tree, path)? == TreeKind::Folder
    {
        let folder = folder(&mut state.table).map_err(FsError::trap)?;
        if let Some(guard) = state.extensions.get_mut::<Guard>() {
            guard.enter_tree(folder.rep(), path.clone());
        }
        return Ok(Some(folder));
    }
    if how.contains(OpenFlags::DIRECTORY) {
        return Err(ErrorCode::NotDirectory.into());
    }
    Ok(None)
}

fn look(tree: &TreeGrant, path: &str) -> Result<TreeKind, ErrorCode> {
    let stat = tree.0.look(path).map_err(|error| code(&error))?;
    Ok(stat.kind)
}

fn kind(kind: TreeKind) -> DescriptorType {
    match kind {
        TreeKind::File => DescriptorType::RegularFile,
        TreeKind::Folder => DescriptorType::Directory,
        TreeKind::Other => DescriptorType::Unknown,
    }
}

/// What a tree says of a path.
pub(super) fn stat(tree: &TreeGrant, path: &str) -> Result<DescriptorStat, ErrorCode> {
    let seen = tree.0.look(path).map_err(|error| code(&error))?;
    let since = seen
        .changed
        .and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let changed = since.map(|since| Datetime {
        seconds: since.as_secs(),
        nanoseconds: since.subsec_nanos(),
    });
    Ok(DescriptorStat {
        type_: kind(seen.kind),
        link_count: 1,
        size: seen.bytes,
        data_access_timestamp: None,
        data_modification_timestamp: changed,
        status_change_timestamp: None,
    })
}

/// What tells one thing in a tree from others; files have what their host has.
pub(super) fn hash(tree: &TreeGrant, path: &str) -> Result<Option<MetadataHashValue>, ErrorCode> {
    if look(tree, path)? == TreeKind::File {
        return Ok(None);
    }
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    let lower = hasher.finish();
    0_u8.hash(&mut hasher);
    let upper = hasher.finish();
    Ok(Some(MetadataHashValue { lower, upper }))
}

/// Begins to list a folder.
pub(super) fn list(
    state: &mut State,
    tree: &TreeGrant,
    path: &str,
) -> Result<Resource<DirectoryEntryStream>, FsError> {
    if state.extensions.get::<Listings>().is_none() {
        state.extensions.insert(Listings::default());
    }
    let counter = state.extensions.get::<Listings>();
    let counted = counter.map_or_else(Arc::default, |listings| Arc::clone(&listings.0));
    if Arc::strong_count(&counted) > MAX_LISTINGS + 1 {
        return Err(ErrorCode::InsufficientMemory.into());
    }
    let entries = tree.0.entries(path).map_err(|error| code(&error))?;
    let listing = state.table.push(Listing {
        entries: entries.into_iter(),
        _counted: counted,
    })?;
    Ok(Resource::new_own(listing.rep()))
}

/// Links what does something else with a folder or a listing of a tree than with
/// those of the host.
pub(super) fn link(types: &mut LinkerInstance<'_, State>) -> wasmtime::Result<()> {
    link_listings(types)?;
    types.func_wrap_async(
        "[method]descriptor.stat",
        |mut store: StoreContextMut<'_, State>, (fd,): (Folder,)| {
            Box::new(async move {
                let state = store.data_mut();
                if let Some((tree, path)) = place(state, &fd) {
                    return Ok((stat(&tree, &path),));
                }
                Ok((outcome(state.filesystem().stat(fd).await)?,))
            })
        },
    )?;
    types.func_wrap_async(
        "[method]descriptor.metadata-hash",
        |mut store: StoreContextMut<'_, State>, (fd,): (Folder,)| {
            Box::new(async move {
                let state = store.data_mut();
                if let Some((tree, path)) = place(state, &fd) {
                    let hash = hash(&tree, &path);
                    return Ok((hash.and_then(|hash| hash.ok_or(ErrorCode::NotDirectory)),));
                }
                Ok((outcome(state.filesystem().metadata_hash(fd).await)?,))
            })
        },
    )?;
    types.func_wrap_async(
        "[method]descriptor.is-same-object",
        |mut store: StoreContextMut<'_, State>, (a, b): (Folder, Folder)| {
            Box::new(async move {
                let state = store.data_mut();
                if place(state, &a).is_some() || place(state, &b).is_some() {
                    let guard = state.extensions.get::<Guard>();
                    let same = guard.map(|guard| guard.place(a.rep()) == guard.place(b.rep()));
                    return Ok((same == Some(true),));
                }
                Ok((state.filesystem().is_same_object(a, b).await?,))
            })
        },
    )?;
    macro_rules! sync {
        ($name:literal, $method:ident) => {
            types.func_wrap_async(
                concat!("[method]descriptor.", $name),
                |mut store: StoreContextMut<'_, State>, (fd,): (Folder,)| {
                    Box::new(async move {
                        let state = store.data_mut();
                        // There is nothing to write.
                        if place(state, &fd).is_some() {
                            return Ok((Ok(()),));
                        }
                        Ok((outcome(state.filesystem().$method(fd).await)?,))
                    })
                },
            )?;
        };
    }
    sync!("sync", sync);
    sync!("sync-data", sync_data);
    Ok(())
}

/// Where in a tree a descriptor stands, if it is one of a folder there.
fn place(state: &State, fd: &Folder) -> Option<(TreeGrant, String)> {
    let guard = state.extensions.get::<Guard>()?;
    let (tree, path) = guard.in_tree(fd.rep())?;
    Some((tree.clone(), path.to_owned()))
}

fn link_listings(types: &mut LinkerInstance<'_, State>) -> wasmtime::Result<()> {
    types.func_wrap_async(
        "[method]directory-entry-stream.read-directory-entry",
        |mut store: StoreContextMut<'_, State>, (stream,): (Resource<DirectoryEntryStream>,)| {
            Box::new(async move {
                let state = store.data_mut();
                let listing = Resource::<Listing>::new_borrow(stream.rep());
                if let Ok(listing) = state.table.get_mut(&listing) {
                    let entry = listing.entries.next().map(|entry| DirectoryEntry {
                        type_: kind(entry.kind),
                        name: entry.name,
                    });
                    return Ok((Ok(entry),));
                }
                let entry = state.filesystem().read_directory_entry(stream).await;
                Ok((outcome(entry)?,))
            })
        },
    )?;
    let kind = ResourceType::host::<DirectoryEntryStream>();
    types.resource("directory-entry-stream", kind, |mut store, rep| {
        let table = &mut store.data_mut().table;
        if table.get(&Resource::<Listing>::new_borrow(rep)).is_ok() {
            table.delete(Resource::<Listing>::new_own(rep))?;
        } else {
            table.delete(Resource::<DirectoryEntryStream>::new_own(rep))?;
        }
        Ok(())
    })
}
