//! PostgreSQL's programs, and the user they run as.
//!
//! Invariant: nothing of PostgreSQL runs as root, which it refuses.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A user and its group.
#[derive(Debug, Clone, Copy)]
pub(crate) struct User {
    pub uid: u32,
    pub gid: u32,
}

/// Where the programs are and who runs them.
#[derive(Debug)]
pub(crate) struct Programs {
    folder: PathBuf,
    user: Option<User>,
}

impl Programs {
    /// Finds them: in the folder that `POSTGRES_BIN` names, where Debian puts
    /// them (the newest version), or on `PATH`.
    pub fn find() -> Self {
        let folder = folders()
            .into_iter()
            .find(|folder| folder.join("initdb").exists() && folder.join("postgres").exists())
            .expect(
                "this test needs a PostgreSQL server of its own, and there is no `initdb`: \
                 install it (Debian: apt-get install postgresql; macOS: brew install \
                 postgresql) or name the folder of its programs in POSTGRES_BIN",
            );
        let user = rustix::process::getuid().is_root().then(unprivileged);
        Self { folder, user }
    }

    /// The user that the programs run as, where it is not who runs the test.
    pub fn user(&self) -> Option<User> {
        self.user
    }

    /// The path of a program.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A command that runs as that user.
    pub fn command(&self, program: impl AsRef<OsStr>, folder: &Path) -> Command {
        let mut command = Command::new(program);
        // Certificates and passwords in a home are not meant for the server.
        command.current_dir(folder).env("HOME", folder);
        // The settings of whoever runs the test are not those of the server.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("PG") {
                command.env_remove(name);
            }
        }
        if let Some(user) = self.user {
            command.uid(user.uid).gid(user.gid);
        }
        command
    }
}

fn folders() -> Vec<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    versions.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    let named = std::env::var_os("POSTGRES_BIN").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    named
        .into_iter()
        .chain(versions.into_iter().map(|(_, folder)| folder))
        .chain(std::env::split_paths(&path))
        .collect()
}

/// A user to run as instead of root.
fn unprivileged() -> User {
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    ["postgres", "nobody"]
        .iter()
        .find_map(|wanted| {
            users.lines().find_map(|line| {
                let mut fields = line.split(':');
                if fields.next() != Some(wanted) {
                    return None;
                }
                let uid = fields.nth(1)?.parse().ok()?;
                let gid = fields.next()?.parse().ok()?;
                Some(User { uid, gid })
            })
        })
        .expect(
            "PostgreSQL does not run as root, and there is no user `postgres` or `nobody` to \
             run it as: run the test as another user, or add one (useradd --system postgres)",
        )
}
