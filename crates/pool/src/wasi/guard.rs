//! What one instance may do with which path.
//!
//! Three kinds of roots are preopened for a guest: a folder, a set of files, and
//! a tree. Files and tree are one name space, in which files come first: a name
//! that was granted is found whichever of the roots it is asked of.
//!
//! Invariant: each descriptor of a folder has a place, so that the full path
//! of every operation is known, decided on and recorded.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Grants, TreeGrant};
use crate::Audit;
use crate::audit::Access;

/// A preopened folder.
pub(super) struct Root {
    guest: String,
    shows: Shows,
}

/// What a root shows.
enum Shows {
    /// A folder of the host, with all that is in it.
    Folder {
        host: PathBuf,
        is_read_only: bool,
    },
    /// Files by the names that can be opened, which all seem to be in a folder.
    Files(PathBuf, BTreeMap<String, PathBuf>),
    Tree,
}

impl Root {
    pub fn is_folder(&self) -> bool {
        matches!(self.shows, Shows::Folder { .. })
    }

    /// Whether something in it may be changed.
    pub fn is_writable(&self) -> bool {
        matches!(
            self.shows,
            Shows::Folder {
                is_read_only: false,
                ..
            }
        )
    }

    /// The folder of the host that the root stands on; a tree stands on none.
    pub fn host(&self) -> Option<&Path> {
        match &self.shows {
            Shows::Folder { host, .. } | Shows::Files(host, _) => Some(host),
            Shows::Tree => None,
        }
    }

    pub fn guest(&self) -> &str {
        &self.guest
    }
}

/// The roots that grants come to: one for each folder that granted files appear
/// in, one for each folder, and one for the tree.
pub(super) fn roots(grants: &Grants) -> Vec<Root> {
    let mut files: BTreeMap<&str, (PathBuf, BTreeMap<String, PathBuf>)> = BTreeMap::new();
    for grant in &grants.files {
        let (folder, name) = match grant.guest.rsplit_once('/') {
            Some(("", name)) => ("/", name),
            Some((folder, name)) => (folder, name),
            None => (".", grant.guest.as_str()),
        };
        let host = grant.host.parent().unwrap_or(Path::new("/"));
        let (_, names) = files
            .entry(folder)
            .or_insert_with(|| (host.to_owned(), BTreeMap::new()));
        names.insert(name.to_owned(), grant.host.clone());
    }
    let files = files.into_iter().map(|(guest, (host, names))| Root {
        guest: guest.to_owned(),
        shows: Shows::Files(host, names),
    });
    let folders = grants.folders.iter().map(|grant| Root {
        guest: grant.guest.clone(),
        shows: Shows::Folder {
            host: grant.host.clone(),
            is_read_only: grant.is_read_only,
        },
    });
    let tree = grants.tree.iter().map(|_| Root {
        guest: "/".to_owned(),
        shows: Shows::Tree,
    });
    files.chain(folders).chain(tree).collect()
}

/// Where a descriptor of a folder stands.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Place {
    root: usize,
    /// Below the root; empty for the root itself.
    path: String,
}

/// Decides on every operation on paths of one instance.
pub(super) struct Guard {
    component: Arc<str>,
    roots: Vec<Root>,
    tree: Option<TreeGrant>,
    places: HashMap<u32, Place>,
    audit: Audit,
}

/// What becomes of an operation on a path.
pub(super) enum Verdict {
    Denied,
    /// It would change what is there only to read.
    ReadOnly,
    /// The path is below a granted folder; the engine confines it.
    Below,
    /// The path is something else that was granted.
    Granted(Granted),
}

/// What a path stands for, where it is not below a granted folder.
pub(super) enum Granted {
    File(PathBuf),
    /// The path in the tree has nothing but names in it.
    Tree(TreeGrant, String),
}

impl Guard {
    pub fn new(component: Arc<str>, grants: &Grants, audit: Audit) -> Self {
        Self {
            component,
            roots: roots(grants),
            tree: grants.tree.clone(),
            places: HashMap::new(),
            audit,
        }
    }

    pub fn roots(&self) -> &[Root] {
        &self.roots
    }

    /// The place of a descriptor, if it is one of a folder.
    pub fn place(&self, descriptor: u32) -> Option<&Place> {
        self.places.get(&descriptor)
    }

    /// The path in the tree of a descriptor, if it is one of a folder there.
    pub fn in_tree(&self, descriptor: u32) -> Option<(&TreeGrant, &str)> {
        let place = self.places.get(&descriptor)?;
        match self.roots.get(place.root)?.shows {
            Shows::Tree => Some((self.tree.as_ref()?, &place.path)),
            _ => None,
        }
    }

    /// Takes note of a root's descriptor.
    pub fn enter_root(&mut self, descriptor: u32, root: usize) {
        let path = String::new();
        self.places.insert(descriptor, Place { root, path });
    }

    /// Takes note of a folder that was opened below another.
    pub fn enter_below(&mut self, descriptor: u32, parent: u32, path: &str) {
        self.places.remove(&descriptor);
        if let Some(parent) = self.places.get(&parent) {
            let below = [parent.path.as_str(), path];
            let below: Vec<_> = below.into_iter().filter(|part| !part.is_empty()).collect();
            let place = Place {
                root: parent.root,
                path: below.join("/"),
            };
            self.places.insert(descriptor, place);
        }
    }

    /// Takes note of a folder of the tree.
    pub fn enter_tree(&mut self, descriptor: u32, path: String) {
        self.places.remove(&descriptor);
        if let Some(root) = self.tree_root() {
            self.places.insert(descriptor, Place { root, path });
        }
    }

    /// The root of the tree, if there is one.
    pub fn tree_root(&self) -> Option<usize> {
        let is_tree = |root: &Root| matches!(root.shows, Shows::Tree);
        self.roots.iter().position(is_tree)
    }

    /// A folder that is granted where the tree is.
    pub fn second_root(&self) -> Option<&str> {
        self.tree.as_ref()?;
        let is_second =
            |root: &&Root| root.is_folder() && plain(&root.guest).as_deref() == Some("");
        self.roots.iter().find(is_second).map(Root::guest)
    }

    /// Takes note of what is no folder.
    pub fn forget(&mut self, descriptor: u32) {
        self.places.remove(&descriptor);
    }

    /// The path as the user would write it.
    fn full_path(&self, place: &Place, path: &str) -> String {
        if path.starts_with('/') {
            return path.to_owned();
        }
        let root = self.roots.get(place.root).map_or("?", Root::guest);
        let top = if root.starts_with('/') { "/" } else { "" };
        let parts = [root.trim_matches('/'), &place.path, path];
        let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        let joined = parts.join("/");
        format!("{top}{}", joined.strip_prefix("./").unwrap_or(&joined))
    }

    pub fn decide(&self, place: Option<&Place>, path: &str, access: Access) -> Verdict {
        let Some((place, root)) =
            place.and_then(|place| Some((place, self.roots.get(place.root)?)))
        else {
            return Verdict::Denied;
        };
        if climbs_out(&place.path, path) {
            return Verdict::Denied;
        }
        match &root.shows {
            Shows::Folder { .. } if access == Access::Write && !root.is_writable() => {
                Verdict::ReadOnly
            }
            Shows::Folder { .. } => Verdict::Below,
            Shows::Files(_, names) => match names.get(path) {
                Some(file) if access == Access::Read => {
                    Verdict::Granted(Granted::File(file.clone()))
                }
                Some(_) => Verdict::Denied,
                None => self.decide_in_tree(&self.full_path(place, path), access),
            },
            Shows::Tree => self.decide_in_tree(&self.full_path(place, path), access),
        }
    }

    fn decide_in_tree(&self, path: &str, access: Access) -> Verdict {
        let (Some(tree), Some(path)) = (&self.tree, plain(path)) else {
            return Verdict::Denied;
        };
        let granted = self.roots.iter().find_map(|root| match &root.shows {
            Shows::Files(_, names) => names.iter().find_map(|(name, file)| {
                let guest = plain(&format!("{}/{name}", root.guest))?;
                (guest == path).then_some(file)
            }),
            _ => None,
        });
        match (granted, access) {
            (Some(file), Access::Read) => Verdict::Granted(Granted::File(file.clone())),
            (Some(_), _) => Verdict::Denied,
            (None, Access::Read) => Verdict::Granted(Granted::Tree(tree.clone(), path)),
            (None, _) => Verdict::ReadOnly,
        }
    }

    pub fn record(&self, place: Option<&Place>, path: &str, access: Access, allowed: bool) {
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
    path.starts_with('/') || plain(&format!("{base}/{path}")).is_none()
}

/// The names that a path comes to, below a root; none if it leads out of it by
/// its own letters.
fn plain(path: &str) -> Option<String> {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
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

    /// A tree that nobody looks at.
    struct Unseen;

    impl crate::wasi::Tree for Unseen {
        fn open(&self, _: &str) -> std::io::Result<std::fs::File> {
            unreachable!()
        }

        fn entries(&self, _: &str) -> std::io::Result<Vec<crate::wasi::TreeEntry>> {
            unreachable!()
        }

        fn look(&self, _: &str) -> std::io::Result<crate::wasi::TreeStat> {
            unreachable!()
        }
    }

    #[test]
    fn files_and_a_tree_are_one_name_space_in_which_files_come_first() {
        let file = |guest: &str| FileGrant {
            host: PathBuf::from("/srv/x"),
            guest: guest.into(),
        };
        let grants = Grants {
            files: vec![file("etc/a"), file("/etc/b"), file("c")],
            folders: vec![FolderGrant {
                host: "/srv/out".into(),
                guest: "out".into(),
                is_read_only: false,
            }],
            tree: Some(TreeGrant(Arc::new(Unseen))),
            ..Grants::default()
        };
        let guard = Guard::new("x".into(), &grants, Audit::default());
        let roots: Vec<_> = guard.roots().iter().map(Root::guest).collect();
        assert_eq!(roots, [".", "/etc", "etc", "out", "/"]);
        let decide = |root, below: &str, path, access| {
            let path_below = below.to_owned();
            let place = Place {
                root,
                path: path_below,
            };
            match guard.decide(Some(&place), path, access) {
                Verdict::Denied => "denied".to_owned(),
                Verdict::ReadOnly => "read-only".to_owned(),
                Verdict::Below => "below".to_owned(),
                Verdict::Granted(Granted::File(_)) => "file".to_owned(),
                Verdict::Granted(Granted::Tree(_, path)) => format!("tree {path}"),
            }
        };
        for (root, below, path) in [
            (4, "", "etc/a"),
            (4, "etc", "a"),
            (4, "usr", "../etc/./b"),
            (4, "", "c"),
            (1, "", "a"),
            (2, "", "b"),
            (0, "", "etc/b"),
        ] {
            assert_eq!(decide(root, below, path, Access::Read), "file", "{path}");
            assert_eq!(decide(root, below, path, Access::Write), "denied", "{path}");
        }
        assert_eq!(decide(4, "etc", "x/../d", Access::Read), "tree etc/d");
        assert_eq!(decide(1, "", "d", Access::Read), "tree etc/d");
        assert_eq!(decide(4, "", "", Access::Read), "tree ");
        assert_eq!(decide(4, "etc", "new", Access::Write), "read-only");
        assert_eq!(decide(4, "etc", "../../c", Access::Read), "denied");
        assert_eq!(decide(4, "etc", "/c", Access::Read), "denied");
        assert_eq!(decide(3, "", "new", Access::Write), "below");
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
                is_read_only: false,
            }],
            ..Grants::default()
        };
        let guard = Guard::new("x".into(), &grants, Audit::default());
        let roots = guard.roots();
        let seen: Vec<_> = roots
            .iter()
            .map(|root| (root.guest(), root.is_folder()))
            .collect();
        assert_eq!(seen, [(".", false), ("data", false), ("out", true)]);

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
