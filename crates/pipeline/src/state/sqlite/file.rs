//! Makes, opens and recognises a state file.

use super::super::error::StateError;
use super::schema;
use rusqlite::{Connection, OpenFlags};
use std::fs::{DirBuilder, OpenOptions};
use std::path::Path;
use std::time::Duration;

/// How long a transaction waits for those of other processes.
const PATIENCE: Duration = Duration::from_secs(30);

/// Makes the file, empty, and its folder, if they are not there.
pub(super) fn create(path: &Path) -> Result<(), StateError> {
    if path.is_file() {
        return Ok(());
    }
    let io = |source| StateError::from_io(path, source);
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder).map_err(io)?;
    }
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(io)?;
    Ok(())
}

/// Opens the file, and brings it up to date.
pub(super) fn connect(path: &Path) -> Result<Connection, StateError> {
    let sqlite = |source| StateError::from_sqlite(path, source);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(sqlite)?;
    connection.busy_timeout(PATIENCE).map_err(sqlite)?;
    recognise(path, &connection)?;
    configure(&connection).map_err(sqlite)?;
    schema::migrate(&mut connection).map_err(sqlite)?;
    Ok(connection)
}

/// Refuses a file that is not ours, or newer than we are, before anything is
/// written to it.
fn recognise(path: &Path, connection: &Connection) -> Result<(), StateError> {
    let sqlite = |source| StateError::from_sqlite(path, source);
    let pragma = |name| {
        connection
            .pragma_query_value(None, name, |row| row.get::<_, i64>(0))
            .map_err(sqlite)
    };
    let found = pragma("user_version")?;
    let application = pragma("application_id")?;
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(sqlite)?;
    let empty = tables == 0 && application == 0 && found == 0;
    if application != schema::APPLICATION && !empty {
        let reason = "it is a SQLite database of another program".to_owned();
        return Err(StateError::Foreign {
            path: path.to_owned(),
            reason,
        });
    }
    if found > schema::FORMAT {
        return Err(StateError::Newer {
            path: path.to_owned(),
            found,
            known: schema::FORMAT,
        });
    }
    Ok(())
}

/// See the module [`sqlite`](super) for the reasons.
fn configure(connection: &Connection) -> rusqlite::Result<()> {
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    let synchronous = if mode == "wal" { "FULL" } else { "EXTRA" };
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "trusted_schema", false)
}
