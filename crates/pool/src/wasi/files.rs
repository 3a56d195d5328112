//! The descriptors of `wasi:filesystem@0.2`, with a guard around them: what was
//! granted by name, and nothing beside it.
//!
//! A folder is granted with all that is in it; its paths are confined by
//! wasmtime-wasi. A set of files is granted name by name: the guest sees a folder
//! in which exactly those names can be opened for reading, and the host opens the
//! file that the name stood for when it was granted. A tree is the guest's root,
//! to read. Links cannot be made by guests.
//!
//! Invariant: every operation on a path is decided on and recorded by the
//! instance's [`Guard`].

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

use super::guard::{Granted, Guard, Verdict};
use super::{BLOCK_IN_PLACE, interfaces, view};
use crate::audit::Access;

pub(super) type Folder = Resource<Descriptor>;
type Outcome<T> = wasmtime::Result<(Result<T, ErrorCode>,)>;

pub(super) fn outcome<T>(result: Result<T, FsError>) -> wasmtime::Result<Result<T, ErrorCode>> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(error) => Ok(Err(error.downcast()?)),
    }
}

fn refused(code: &ErrorCode) -> bool {
    use ErrorCode::{Access, NotPermitted, ReadOnly};
    matches!(code, NotPermitted | Access | ReadOnly)
}

/// Decides on one operation on a path, carries it out, and records both.
async fn guarded<T>(
    mut store: StoreContextMut<'_, State>,
    fd: &Folder,
    path: &str,
    access: Access,
    below: impl AsyncFnOnce(&mut State) -> Result<T, FsError>,
    beside: impl AsyncFnOnce(&mut State, Granted) -> Result<T, FsError>,
) -> Outcome<T> {
    let state = store.data_mut();
    let Some(guard) = state.extensions.get::<Guard>() else {
        return Ok((Err(ErrorCode::NotPermitted),));
    };
    let place = guard.place(fd.rep()).cloned();
    let verdict = guard.decide(place.as_ref(), path, access);
    let result = match verdict {
        Verdict::Denied => Err(ErrorCode::NotPermitted),
        Verdict::Below => outcome(below(state).await)?,
        Verdict::ReadOnly => Err(ErrorCode::ReadOnly),
        Verdict::Granted(granted) => outcome(beside(state, granted).await)?,
    };
    if let Some(guard) = state.extensions.get::<Guard>() {
        let denied = result.as_ref().err().is_some_and(refused);
        guard.record(place.as_ref(), path, access, !denied);
    }
    Ok((result,))
}

/// For operations that only a granted folder allows.
async fn only_below<T>(_: &mut State, _: Granted) -> Result<T, FsError> {
    Err(ErrorCode::NotPermitted.into())
}

fn open_granted(state: &mut State, granted: &Granted) -> Result<Folder, FsError> {
    let opened = match granted {
        Granted::File(file) => std::fs::File::open(file).map_err(ErrorCode::from)?,
        Granted::Tree(tree, path) => tree.0.open(path).map_err(|error| view::code(&error))?,
    };
    let file = File::new(opened, FsPerms::ReadOnly, OpenMode::READ, BLOCK_IN_PLACE);
    Ok(state.table.push(Descriptor::File(file))?)
}

/// Takes note of what was opened.
fn remember(state: &mut State, opened: &Folder, note: impl FnOnce(&mut Guard)) {
    let is_folder = matches!(state.table.get(opened), Ok(Descriptor::Dir(_)));
    let Some(guard) = state.extensions.get_mut::<Guard>() else {
        return;
    };
    match is_folder {
        true => note(guard),
        false => guard.forget(opened.rep()),
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
                let mut folders = preopens::Host::get_directories(&mut state.filesystem())?;
                let guard = state.extensions.get::<Guard>();
                if guard.is_some_and(|guard| guard.tree_root().is_some()) {
                    let tree = view::folder(&mut state.table)?;
                    folders.push((tree, "/".to_owned()));
                }
                if let Some(guard) = state.extensions.get_mut::<Guard>() {
                    // Roots are preopened in the order in which the guard has them.
                    for (root, (folder, _)) in folders.iter().enumerate() {
                        guard.enter_root(folder.rep(), root);
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
    view::link(&mut types)?;
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
                let outcome: Outcome<Folder> = guarded(
                    store.as_context_mut(),
                    &fd,
                    &path,
                    access,
                    async |state| {
                        let parent = fd.rep();
                        let fd = Resource::new_borrow(parent);
                        let mut files = state.filesystem();
                        let opened = files.open_at(fd, links, path.clone(), how, flags).await?;
                        let below = opened.rep();
                        remember(state, &opened, |guard| {
                            guard.enter_below(below, parent, &path);
                        });
                        Ok(opened)
                    },
                    async |state, granted| {
                        let folder = view::open_folder(state, &granted, how)?;
                        let opened = match folder {
                            Some(folder) => return Ok(folder),
                            None => open_granted(state, &granted)?,
                        };
                        remember(state, &opened, |_| ());
                        Ok(opened)
                    },
                )
                .await;
                outcome
            })
        },
    )
}

/// Operations that look at what is there.
fn link_looking(types: &mut LinkerInstance<'_, State>) -> wasmtime::Result<()> {
    async fn with_file<T>(
        state: &mut State,
        granted: Granted,
        look: impl AsyncFnOnce(&mut State, Folder) -> Result<T, FsError>,
    ) -> Result<T, FsError> {
        let opened = open_granted(state, &granted)?;
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
                    async |state, granted| {
                        if let Granted::Tree(tree, path) = granted {
                            return Ok(view::stat(&tree, &path)?);
                        }
                        with_file(state, granted, async |state, fd| {
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
                    async |state, granted| {
                        if let Granted::Tree(tree, path) = &granted
                            && let Some(hash) = view::hash(tree, path)?
                        {
                            return Ok(hash);
                        }
                        with_file(state, granted, async |state, fd| {
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
                let borrowed = Resource::new_borrow(fd.rep());
                let entries: Outcome<Resource<DirectoryEntryStream>> = guarded(
                    store.as_context_mut(),
                    &borrowed,
                    "",
                    Access::Read,
                    async |state| state.filesystem().read_directory(fd).await,
                    async |state, granted| match granted {
                        Granted::Tree(tree, path) => view::list(state, &tree, &path),
                        Granted::File(_) => Err(ErrorCode::NotDirectory.into()),
                    },
                )
                .await;
                entries
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
            guard.record(guard.place(fd.rep()), path, Access::Write, false);
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
