//! The lock that makes a pipeline run in one process at a time.
//!
//! With a state file the lock is the operating system's on an open file, so it goes with the
//! process, however that ends. The file itself stays: removing it would let two
//! processes hold locks on two files of the same name.

use super::error::StateError;
use std::any::Any;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use tokio::sync::watch;

/// Holds a pipeline for the process; dropping it lets go.
pub struct RunLock {
    loss: Option<watch::Receiver<Option<String>>>,
    _held: Box<dyn Any + Send + Sync>,
}

impl RunLock {
    /// A lock that lasts as long as `held` does.
    pub fn new(held: impl Any + Send + Sync) -> Self {
        RunLock {
            loss: None,
            _held: Box::new(held),
        }
    }

    /// A lock that lasts as long as `held` does, unless it is lost before:
    /// `loss` then says why.
    pub fn with_loss(held: impl Any + Send + Sync, loss: watch::Receiver<Option<String>>) -> Self {
        RunLock {
            loss: Some(loss),
            _held: Box::new(held),
        }
    }

    /// Why the lock was lost, if it was.
    pub fn is_lost(&self) -> Option<String> {
        self.loss.as_ref().and_then(|loss| loss.borrow().clone())
    }

    /// Waits until the lock is lost, and says why. Another process may hold it
    /// from then on.
    pub async fn lost(&self) -> String {
        let mut loss = match &self.loss {
            Some(loss) => loss.clone(),
            None => return std::future::pending().await,
        };
        let lost = loss.wait_for(Option::is_some).await;
        let reason = lost.ok().and_then(|reason| reason.clone());
        reason.unwrap_or_else(|| "it has ended".to_owned())
    }
}

impl std::fmt::Debug for RunLock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RunLock")
    }
}

/// The lock file of a pipeline: `<state file>.<pipeline>.lock`.
pub(super) fn path(state: &Path, pipeline: &str) -> PathBuf {
    let mut path = state.as_os_str().to_owned();
    path.push(format!(".{pipeline}.lock"));
    path.into()
}

/// Takes the lock of a pipeline, or says who has it.
pub(super) fn acquire(state: &Path, pipeline: &str) -> Result<RunLock, StateError> {
    let path = path(state, pipeline);
    let io = |source| StateError::from_io(&path, source);
    let mut file = open(&path).map_err(io)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(StateError::Busy {
                pipeline: pipeline.to_owned(),
                holder: holder(&mut file),
            });
        }
        Err(TryLockError::Error(source)) => return Err(io(source)),
    }
    let since = super::model::now();
    file.set_len(0).map_err(io)?;
    file.write_all(format!("process {}, since {since}\n", std::process::id()).as_bytes())
        .map_err(io)?;
    Ok(RunLock::new(file))
}

fn open(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// What the holder wrote about itself.
fn holder(file: &mut File) -> Option<String> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(200).read_to_string(&mut text).ok()?;
    let text = text.trim();
    (!text.is_empty() && !text.contains(char::is_control)).then(|| text.to_owned())
}
