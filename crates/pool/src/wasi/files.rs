//! Files and folders: what was granted by name, and nothing beside it.
//!
//! Two kinds of roots are preopened for a guest. A folder is granted with all
//! that is in it; its paths are confined by wasmtime-wasi. A set of files is
//! granted name by name: the guest sees a folder in which exactly those names
//! can be opened for reading, and the host opens the file that the name stood
//! for when it was granted. Links cannot be made by guests.
//!
//! Invariant: each descriptor of a folder has a place, so that the full path
//! of every operation is known, decided on and recorded.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use vesicle_engine::State;
use wasmtime::component::{Linker, LinkerInstance, Resource};
use wasmtime::{AsContextMut as _, StoreContextMut};
use wasmtime_wasi::filesystem::{Descriptor, File, WasiFilesystem, WasiFilesystemView as _};
use wasmtime_wasi::p2::FsError;
use wasmtime_wasi::p2::bindings::filesystem::preopens;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    DescriptorFlags, DescriptorStat, DirectoryEntryStream, ErrorCode, HostDescriptor,
    MetadataHashValue, NewTimestamp, OpenFlags, PathFlags,
};
use wasmtime_wasi::{FsPerms, OpenMode};

use super::{BLOCK_IN_PLACE, Grants, interfaces};
use crate::Audit;
use crate::audit::Access;

/// A preopened folder.
pub(super) struct Root {
    guest: String,
    host: PathBuf,
    /// The names that can be opened, and the files they stand for; `None`
    /// where the whole folder is granted.
    names: Option<BTreeMap<String, PathBuf>>,
}

impl Root {
    pub fn is_folder(&self) -> bool {
        self.names.is_none()
    }

    pub fn host(&self) -> &Path {
        &self.host
    }

    pub fn guest(&self) -> &str {
        &self.guest
    }
}

/// The roots that grants come to: one for each folder, and one for each
/// folder that granted files appear in.
pub(super) fn roots(grants: &Grants) -> Vec<Root> {
    let mut files: BTreeMap<String, Root> = BTreeMap::new();
    for grant in &grants.files {
        let (folder, name) = match grant.guest.rsplit_once('/') {
            Some(("", name)) => ("/", name),
            Some((folder, name)) => (folder, name),
            None => (".", grant.guest.as_str()),
        };
        files
            .entry(folder.to_owned())
            .or_insert_with(|| Root {
                guest: folder.to_owned(),
                host: grant
                    .host
                    .parent()
                    .map_or_else(|| PathBuf::from("/"), Path::to_owned),
                names: Some(BTreeMap::new()),
            })
            .names
            .get_or_insert_default()
            .insert(name.to_owned(), grant.host.clone());
    }
    let folders = grants.folders.iter().map(|grant| Root {
        guest: grant.guest.clone(),
        host: grant.host.clone(),
        names: None,
    });
    files.into_values().chain(folders).collect()
}

/// Where a descriptor of a folder stands.
#[derive(Clone)]
struct Place {
    root: usize,
    /// Below the root; empty for the root itself.
    path: String,
}

/// Decides on every operation on paths of one instance.
pub(super) struct Guard {
    component: Arc<str>,
    roots: Vec<Root>,
    places: HashMap<u32, Place>,
    audit: Audit,
}

/// What becomes of an operation on a path.
enum Verdict {
    Denied,
    /// The path is below a granted folder; the engine confines it.
    Below,
    /// The path is a granted file.
    File(PathBuf),
}

impl Guard {
    pub fn new(component: Arc<str>, audit: Audit) -> Self {
        Self {
            component,
            roots: Vec::new(),
            places: HashMap::new(),
            audit,
        }
    }

    pub fn add(&mut self, root: Root) {
        self.roots.push(root);
    }

    /// The path as the user would write it.
    fn full_path(&self, place: &Place, path: &str) -> String {
        if path.starts_with('/') {
            return path.to_owned();
        }
        let root = self.roots.get(place.root).map_or("?", Root::guest);
        let parts = [root, &place.path, path];
        let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        let joined = parts.join("/");
        joined.strip_prefix("./").unwrap_or(&joined).to_owned()
    }

    fn decide(&self, place: Option<&Place>, path: &str, access: Access) -> Verdict {
        let Some((place, root)) =
            place.and_then(|place| Some((place, self.roots.get(place.root)?)))
        else {
            return Verdict::Denied;
        };
        if climbs_out(&place.path, path) {
            return Verdict::Denied;
        }
        match &root.names {
            None => Verdict::Below,
            Some(names) => match names.get(path) {
                Some(file) if access == Access::Read => Verdict::File(file.clone()),
                _ => Verdict::Denied,
            },
        }
    }

    fn record(&self, place: Option<&Place>, path: &str, access: Access, allowed: bool) {
        let target = match place {
            Some(place) => self.full_path(place, path),
            None => path.to_owned(),
        };
        self.audit.record(&self.component, access, &target, allowed);
    }
}

/// Whether `path`, seen from `base` below a root, leaves the root by its own
/// letters. Links are the engine's to follow, and it does not follow them out.
fn climbs_out(base: &str, path: &str) -> bool {
    let mut depth = base.split('/').filter(|part| !part.is_empty()).count();
    if path.starts_with('/') {
        return true;
    }
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => match depth.checked_sub(1) {
                Some(less) => depth = less,
                None => return true,
            },
            _ => depth += 1,
        }
    }
    false
}

type Folder = Resource<Descriptor>;
type Outcome<T> = wasmtime::Result<(Result<T, ErrorCode>,)>;

fn outcome<T>(result: Result<T, FsError>) -> wasmtime::Result<Result<T, ErrorCode>> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(error) => Ok(Err(error.downcast()?)),
    }
}

fn refused(code: &ErrorCode) -> bool {
    matches!(code, ErrorCode::NotPermitted | ErrorCode::Access)
}

/// Decides on one operation on a path, carries it out, and records both.
async fn guarded<T>(
    mut store: StoreContextMut<'_, State>,
    fd: &Folder,
    path: &str,
    access: Access,
    below: impl AsyncFnOnce(&mut State) -> Result<T, FsError>,
    file: impl AsyncFnOnce(&mut State, PathBuf) -> Result<T, FsError>,
) -> Outcome<T> {
    let state = store.data_mut();
    let Some(guard) = state.extensions.get::<Guard>() else {
        return Ok((Err(ErrorCode::NotPermitted),));
    };
    let place = guard.places.get(&fd.rep()).cloned();
    let verdict = guard.decide(place.as_ref(), path, access);
    let result = match verdict {
        Verdict::Denied => Err(ErrorCode::NotPermitted),
        Verdict::Below => outcome(below(state).await)?,
        Verdict::File(granted) => outcome(file(state, granted).await)?,
    };
    if let Some(guard) = state.extensions.get::<Guard>() {
        let denied = result.as_ref().err().is_some_and(refused);
        guard.record(place.as_ref(), path, access, !denied);
    }
    Ok((result,))
}

/// For operations that a set of files never allows.
async fn only_below<T>(_: &mut State, _: PathBuf) -> Result<T, FsError> {
    Err(ErrorCode::NotPermitted.into())
}

fn open_granted(state: &mut State, file: &Path) -> Result<Folder, FsError> {
    let opened = std::fs::File::open(file).map_err(ErrorCode::from)?;
    let file = File::new(opened, FsPerms::ReadOnly, OpenMode::READ, BLOCK_IN_PLACE);
    Ok(state.table.push(Descriptor::File(file))?)
}

fn remember(state: &mut State, parent: &Folder, path: &str, opened: &Folder) {
    let is_folder = matches!(state.table.get(opened), Ok(Descriptor::Dir(_)));
    let Some(guard) = state.extensions.get_mut::<Guard>() else {
        return;
    };
    guard.places.remove(&opened.rep());
    if let (true, Some(place)) = (is_folder, guard.places.get(&parent.rep()).cloned()) {
        let below = [place.path.as_str(), path];
        let below: Vec<_> = below.into_iter().filter(|part| !part.is_empty()).collect();
        guard.places.insert(
            opened.rep(),
            Place {
                root: place.root,
                path: below.join("/"),
            },
        );
    }
}

pub(super) fn link_preopens(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    preopens::add_to_linker::<_, WasiFilesystem>(linker, State::filesystem)?;
    linker
        .instance("wasi:filesystem/preopens@0.2.12")?
        .func_wrap(
            "get-directories",
            |mut store: StoreContextMut<'_, State>, (): ()| {
                let state = store.data_mut();
                let folders = preopens::Host::get_directories(&mut state.filesystem())?;
                if let Some(guard) = state.extensions.get_mut::<Guard>() {
                    // Roots are preopened in the order in which the guard has them.
                    for (root, (folder, _)) in folders.iter().enumerate() {
                        let path = String::new();
                        guard.places.insert(folder.rep(), Place { root, path });
                    }
                }
                Ok((folders,))
            },
        )
}

pub(super) fn link_types(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    interfaces::plain_file_types(linker)?;
    let mut types = linker.instance("wasi:filesystem/types@0.2.12")?;
    link_opening(&mut types)?;
    link_looking(&mut types)?;
    link_changing(&mut types)?;
    link_links(&mut types)
}

/// `open-at`.
fn link_opening(types: &mut LinkerInstance<'_, State>) -> wasmtime::Result<()> {
    type Params = (Folder, PathFlags, String, OpenFlags, DescriptorFlags);
    types.func_wrap_async(
        "[method]descriptor.open-at",
        |mut store: StoreContextMut<'_, State>, (fd, links, path, how, flags): Params| {
            Box::new(async move {
                let writes = flags
                    .intersects(DescriptorFlags::WRITE | DescriptorFlags::MUTATE_DIRECTORY)
                    || how
                        .intersects(OpenFlags::CREATE | OpenFlags::TRUNCATE | OpenFlags::EXCLUSIVE);
                let access = if writes { Access::Write } else { Access::Read };
                let opened = guarded(
                    store.as_context_mut(),
                    &fd,
                    &path,
                    access,
                    async |state| {
                        let fd = Resource::new_borrow(fd.rep());
                        state
                            .filesystem()
                            .open_at(fd, links, path.clone(), how, flags)
                            .await
                    },
                    async |state, file| open_granted(state, &file),
                )
                .await?;
                if let (Ok(opened),) = &opened {
                    remember(store.data_mut(), &fd, &path, opened);
                }
                Ok(opened)
            })
        },
    )
}

/// Operations that look at what is there.
fn link_looking(types: &mut LinkerInstance<'_, State>) -> wasmtime::Result<()> {
    async fn with_file<T>(
        state: &mut State,
        file: PathBuf,
        look: impl AsyncFnOnce(&mut State, Folder) -> Result<T, FsError>,
    ) -> Result<T, FsError> {
        let opened = open_granted(state, &file)?;
        let rep = opened.rep();
        let seen = look(state, opened).await;
        state.table.delete(Resource::<Descriptor>::new_own(rep))?;
        seen
    }

    types.func_wrap_async(
        "[method]descriptor.stat-at",
        |store: StoreContextMut<'_, State>, (fd, links, path): (Folder, PathFlags, String)| {
            Box::new(async move {
                let outcome: Outcome<DescriptorStat> = guarded(
                    store,
                    &fd,
                    &path,
                    Access::Read,
                    async |state| {
                        let fd = Resource::new_borrow(fd.rep());
                        state.filesystem().stat_at(fd, links, path.clone()).await
                    },
                    async |state, file| {
                        with_file(state, file, async |state, fd| {
                            state.filesystem().stat(fd).await
                        })
                        .await
                    },
                )
                .await;
                outcome
            })
        },
    )?;
    types.func_wrap_async(
        "[method]descriptor.metadata-hash-at",
        |store: StoreContextMut<'_, State>, (fd, links, path): (Folder, PathFlags, String)| {
            Box::new(async move {
                let outcome: Outcome<MetadataHashValue> = guarded(
                    store,
                    &fd,
                    &path,
                    Access::Read,
                    async |state| {
                        let fd = Resource::new_borrow(fd.rep());
                        state
                            .filesystem()
                            .metadata_hash_at(fd, links, path.clone())
                            .await
                    },
                    async |state, file| {
                        with_file(state, file, async |state, fd| {
                            state.filesystem().metadata_hash(fd).await
                        })
                        .await
                    },
                )
                .await;
                outcome
            })
        },
    )?;
    types.func_wrap_async(
        "[method]descriptor.readlink-at",
        |store: StoreContextMut<'_, State>, (fd, path): (Folder, String)| {
            Box::new(async move {
                let outcome: Outcome<String> = guarded(
                    store,
                    &fd,
                    &path,
                    Access::Read,
                    async |state| {
                        let fd = Resource::new_borrow(fd.rep());
                        state.filesystem().readlink_at(fd, path.clone()).await
                    },
                    only_below,
                )
                .await;
                outcome
            })
        },
    )?;
    types.func_wrap_async(
        "[method]descriptor.read-directory",
        |mut store: StoreContextMut<'_, State>, (fd,): (Folder,)| {
            Box::new(async move {
                let state = store.data_mut();
                let whole = state.extensions.get::<Guard>().is_some_and(|guard| {
                    let place = guard.places.get(&fd.rep());
                    let whole = place
                        .and_then(|place| guard.roots.get(place.root))
                        .is_some_and(Root::is_folder);
                    guard.record(place, "", Access::Read, whole);
                    whole
                });
                let entries: Result<Resource<DirectoryEntryStream>, ErrorCode> = if whole {
                    outcome(state.filesystem().read_directory(fd).await)?
                } else {
                    Err(ErrorCode::NotPermitted)
                };
                Ok((entries,))
            })
        },
    )
}

/// Operations that change what is there.
fn link_changing(types: &mut LinkerInstance<'_, State>) -> wasmtime::Result<()> {
    macro_rules! change {
        ($name:literal, $method:ident) => {
            types.func_wrap_async(
                concat!("[method]descriptor.", $name),
                |store: StoreContextMut<'_, State>, (fd, path): (Folder, String)| {
                    Box::new(async move {
                        let outcome: Outcome<()> = guarded(
                            store,
                            &fd,
                            &path,
                            Access::Write,
                            async |state| {
                                let fd = Resource::new_borrow(fd.rep());
                                state.filesystem().$method(fd, path.clone()).await
                            },
                            only_below,
                        )
                        .await;
                        outcome
                    })
                },
            )?;
        };
    }
    change!("create-directory-at", create_directory_at);
    change!("remove-directory-at", remove_directory_at);
    change!("unlink-file-at", unlink_file_at);

    type Times = (Folder, PathFlags, String, NewTimestamp, NewTimestamp);
    types.func_wrap_async(
        "[method]descriptor.set-times-at",
        |store: StoreContextMut<'_, State>, (fd, links, path, read, changed): Times| {
            Box::new(async move {
                let outcome: Outcome<()> = guarded(
                    store,
                    &fd,
                    &path,
                    Access::Write,
                    async |state| {
                        let fd = Resource::new_borrow(fd.rep());
                        state
                            .filesystem()
                            .set_times_at(fd, links, path.clone(), read, changed)
                            .await
                    },
                    only_below,
                )
                .await;
                outcome
            })
        },
    )?;
    types.func_wrap_async(
        "[method]descriptor.rename-at",
        |mut store: StoreContextMut<'_, State>,
         (fd, from, folder, to): (Folder, String, Folder, String)| {
            Box::new(async move {
                // The new name is decided on first; nothing is done there yet.
                let target: Outcome<()> = guarded(
                    store.as_context_mut(),
                    &folder,
                    &to,
                    Access::Write,
                    async |_| Ok(()),
                    only_below,
                )
                .await;
                if let (Err(code),) = target? {
                    return Ok((Err(code),));
                }
                let outcome: Outcome<()> = guarded(
                    store,
                    &fd,
                    &from,
                    Access::Write,
                    async |state| {
                        let fd = Resource::new_borrow(fd.rep());
                        let folder = Resource::new_borrow(folder.rep());
                        state
                            .filesystem()
                            .rename_at(fd, from.clone(), folder, to.clone())
                            .await
                    },
                    only_below,
                )
                .await;
                outcome
            })
        },
    )
}

/// Guests make no links: a link made inside a folder would lead others out.
fn link_links(types: &mut LinkerInstance<'_, State>) -> wasmtime::Result<()> {
    fn refuse(mut store: StoreContextMut<'_, State>, fd: &Folder, path: &str) -> Outcome<()> {
        if let Some(guard) = store.data_mut().extensions.get::<Guard>() {
            guard.record(guard.places.get(&fd.rep()), path, Access::Write, false);
        }
        Ok((Err(ErrorCode::NotPermitted),))
    }
    types.func_wrap_async(
        "[method]descriptor.link-at",
        |store: StoreContextMut<'_, State>,
         (_, _, _, fd, path): (Folder, PathFlags, String, Folder, String)| {
            Box::new(async move { refuse(store, &fd, &path) })
        },
    )?;
    types.func_wrap_async(
        "[method]descriptor.symlink-at",
        |store: StoreContextMut<'_, State>, (fd, _, path): (Folder, String, String)| {
            Box::new(async move { refuse(store, &fd, &path) })
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wasi::{FileGrant, FolderGrant};

    #[test]
    fn a_path_that_climbs_out_is_seen_by_its_letters() {
        for (base, path) in [
            ("", ".."),
            ("", "a/../.."),
            ("a", "../.."),
            ("", "/etc"),
            ("a", "b/../../../c"),
        ] {
            assert!(climbs_out(base, path), "{base:?} {path:?}");
        }
        for (base, path) in [
            ("", "a"),
            ("", "a/.."),
            ("a", ".."),
            ("a/b", "../../c"),
            ("", "./a//b"),
        ] {
            assert!(!climbs_out(base, path), "{base:?} {path:?}");
        }
    }

    #[test]
    fn files_of_one_folder_share_a_root_and_grant_only_themselves() {
        let file = |guest: &str| FileGrant {
            host: PathBuf::from("/srv").join(guest),
            guest: guest.into(),
        };
        let grants = Grants {
            files: vec![file("data/a.csv"), file("data/b.csv"), file("c.csv")],
            folders: vec![FolderGrant {
                host: "/srv/out".into(),
                guest: "out".into(),
            }],
            ..Grants::default()
        };
        let roots = roots(&grants);
        let seen: Vec<_> = roots
            .iter()
            .map(|root| (root.guest(), root.is_folder()))
            .collect();
        assert_eq!(seen, [(".", false), ("data", false), ("out", true)]);

        let mut guard = Guard::new("x".into(), Audit::default());
        for root in roots {
            guard.add(root);
        }
        let at = |root| Place {
            root,
            path: String::new(),
        };
        let may = |root, path, access| {
            !matches!(guard.decide(Some(&at(root)), path, access), Verdict::Denied)
        };
        assert!(may(1, "a.csv", Access::Read));
        assert!(!may(1, "a.csv", Access::Write));
        assert!(!may(1, "secret.csv", Access::Read));
        assert!(!may(1, "../c.csv", Access::Read));
        assert!(may(2, "deep/er", Access::Write));
        assert!(!may(2, "../data/a.csv", Access::Read));
    }
}
