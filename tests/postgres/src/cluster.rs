//! A cluster: its files, and what they say.
//!
//! Invariant: nobody but the user that the server runs as, and root, can read
//! passwords and keys.

use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::certificate;
use crate::programs::Programs;
use crate::server::Server;

/// How the server lets users in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Auth {
    /// By SCRAM-SHA-256, with channel binding where there is TLS.
    #[default]
    ScramSha256,
    /// By MD5, which keeps MD5 of the password too.
    Md5,
    /// By the password as it is.
    Cleartext,
    /// Without asking.
    Trust,
}

impl Auth {
    fn name(self) -> &'static str {
        match self {
            Self::ScramSha256 => "scram-sha-256",
            Self::Md5 => "md5",
            Self::Cleartext => "password",
            Self::Trust => "trust",
        }
    }
}

/// What a server is to be like.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// How it lets users in.
    pub auth: Auth,
    /// The names (or addresses) in its certificate; no TLS where there are
    /// none. Connections without TLS stay allowed.
    pub tls: Vec<String>,
    /// Lines of `postgresql.conf`, after those that every server gets, as
    /// name and value.
    pub settings: Vec<(String, String)>,
}

/// Makes a cluster in the folder `data` within this one.
pub(crate) fn make(programs: &Programs, folder: &Path, options: &Options, password: &str) {
    let password_file = folder.join("password");
    write(&password_file, password);
    own(programs, &password_file);
    run(programs
        .command(programs.path("initdb"), folder)
        .arg("-D")
        .arg(folder.join("data"))
        .args(["-U", Server::SUPERUSER, "-E", "UTF8", "--locale=C", "-N"])
        .arg(format!("--auth={}", options.auth.name()))
        .arg("--pwfile")
        .arg(&password_file));

    let mut settings = String::from(
        "listen_addresses = '127.0.0.1'\n\
         unix_socket_directories = ''\n\
         shared_buffers = 32MB\n\
         fsync = off\n\
         wal_level = logical\n\
         max_wal_senders = 10\n\
         max_replication_slots = 10\n",
    );
    if !options.tls.is_empty() {
        certificate::write(folder, &options.tls);
        for (name, file) in [
            ("ssl_cert_file", certificate::CERTIFICATE),
            ("ssl_key_file", certificate::KEY),
        ] {
            let file = folder.join(file);
            own(programs, &file);
            // Writing to a string does not fail.
            let _ = writeln!(settings, "{name} = '{}'", file.display());
        }
        settings.push_str("ssl = on\n");
    }
    for (name, value) in &options.settings {
        let _ = writeln!(settings, "{name} = '{}'", value.replace('\'', "''"));
    }
    let mut file = std::fs::File::options()
        .append(true)
        .open(folder.join("data/postgresql.conf"))
        .expect("initdb writes it");
    file.write_all(settings.as_bytes())
        .expect("the folder can be written to");
}

/// Gives a file or folder to the user that the server runs as, and to nobody else.
pub(crate) fn own(programs: &Programs, path: &Path) {
    if let Some(user) = programs.user() {
        std::os::unix::fs::chown(path, Some(user.uid), Some(user.gid))
            .expect("root can give files away");
    }
}

/// Writes a file that only its owner can read.
pub(crate) fn write(path: &Path, content: &str) {
    let private = std::fs::Permissions::from_mode(0o600);
    std::fs::write(path, content).expect("the folder can be written to");
    std::fs::set_permissions(path, private).expect("it is our file");
}

fn run(command: &mut Command) {
    let name = format!("{}", command.get_program().display());
    let output = match command.output() {
        Ok(output) => output,
        Err(error) => panic!(
            "{name} does not start: {error}; the folder for temporary files must be one that \
             the user postgres can enter (TMPDIR)"
        ),
    };
    assert!(
        output.status.success(),
        "{name}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
