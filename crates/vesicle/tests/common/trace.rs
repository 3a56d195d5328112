//! What a run does to the disk, as strace sees it: system calls with the time,
//! in lines of the trace, at which they began and had ended.

use std::fs;
use std::process::Command;

use super::child::Running;
use super::document::Pipeline;

/// The calls that are looked at.
const CALLS: &str =
    "fsync,fdatasync,rename,renameat,renameat2,write,pwrite64,pwritev,mkdir,mkdirat";

/// A system call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// What it does: `sync`, `rename`, `write` or `make` a folder.
    pub does: &'static str,
    /// The file or folder; where it is renamed, its name before.
    pub path: String,
    /// The name after, where it is renamed.
    pub to: String,
    /// The line at which it began.
    pub began: usize,
    /// The line at which it had ended.
    pub ended: usize,
}

impl Call {
    /// Whether it syncs a file or folder.
    pub fn syncs(&self, path: &str) -> bool {
        self.does == "sync" && self.path == path
    }
}

/// Runs a pipeline under strace; the trace's text.
pub fn trace_of(pipeline: &Pipeline) -> String {
    Running::start(strace(pipeline, &["-y", "-e", &format!("trace={CALLS}")]))
        .wait()
        .expect_exit(0);
    fs::read_to_string(pipeline.path("trace.txt")).unwrap()
}

/// A run in which every sync takes so many milliseconds longer, about to be
/// started.
pub fn slow_syncs(pipeline: &Pipeline, milliseconds: u32) -> Command {
    let delay = format!("inject=fsync,fdatasync:delay_enter={}", milliseconds * 1000);
    strace(pipeline, &["-e", "trace=fsync,fdatasync", "-e", &delay])
}

fn strace(pipeline: &Pipeline, arguments: &[&str]) -> Command {
    assert!(
        Command::new("strace").arg("--version").output().is_ok(),
        "this test needs strace; install it: apt-get install strace"
    );
    let mut strace = Command::new("strace");
    strace
        .args(["-f", "--seccomp-bpf", "-o", "trace.txt"])
        .args(arguments);
    wrap(strace, &pipeline.command())
}

/// A program that starts another one, with that one's folder and environment.
pub fn wrap(mut wrapper: Command, wrapped: &Command) -> Command {
    wrapper.arg(wrapped.get_program()).args(wrapped.get_args());
    wrapper.current_dir(wrapped.get_current_dir().unwrap());
    for (name, value) in wrapped.get_envs() {
        match value {
            Some(value) => wrapper.env(name, value),
            None => wrapper.env_remove(name),
        };
    }
    wrapper
}

/// The calls that a trace tells of, in the order in which they began. Those that
/// failed are left out.
pub fn parse(trace: &str) -> Vec<Call> {
    let mut calls: Vec<Option<Call>> = Vec::new();
    // What a thread had begun when another one did something.
    let mut open: Vec<(&str, usize)> = Vec::new();
    for (line, text) in trace.lines().enumerate() {
        let Some((thread, text)) = text.split_once(' ') else {
            continue;
        };
        let text = text.trim_start();
        let place = if text.starts_with("<...") {
            let place = open.iter().position(|(other, _)| *other == thread);
            open.swap_remove(place.expect("it was begun")).1
        } else {
            let begun = text.strip_suffix("<unfinished ...>");
            calls.push(parse_call(begun.unwrap_or(text), line));
            if begun.is_some() {
                open.push((thread, calls.len() - 1));
                continue;
            }
            calls.len() - 1
        };
        if text.contains(" = -1 ") {
            calls[place] = None;
        } else if let Some(call) = &mut calls[place] {
            call.ended = line;
        }
    }
    calls.into_iter().flatten().collect()
}

/// The call that a line begins with, if it is about files.
fn parse_call(text: &str, line: usize) -> Option<Call> {
    let (name, arguments) = text.split_once('(')?;
    let does = match name {
        "fsync" | "fdatasync" => "sync",
        "rename" | "renameat" | "renameat2" => "rename",
        "write" | "pwrite64" | "pwritev" => "write",
        "mkdir" | "mkdirat" => "make",
        _ => return None,
    };
    let mut names = arguments.split('"').skip(1).step_by(2);
    let mut folders = arguments
        .split('<')
        .skip(1)
        .map(|rest| rest.split('>').next());
    // A path alone is one from the working folder.
    let mut next = || {
        let folder = folders.next().flatten().unwrap_or(".");
        names
            .next()
            .map(|name| format!("{folder}/{}", name.trim_start_matches("./")))
    };
    let (path, to) = match does {
        "rename" => (next()?, next()?),
        "make" => (next()?, String::new()),
        _ => (folders.next().flatten()?.to_owned(), String::new()),
    };
    Some(Call {
        does,
        path,
        to,
        began: line,
        ended: line,
    })
}

/// Makes sure of the order of every commit to dest-file: the part's contents,
/// its name, the manifest's contents, the manifest's name; and only then is the
/// commit acknowledged, by syncing the state. The number of commits, or what is
/// not in order.
pub fn check_commits(calls: &[Call]) -> Result<usize, String> {
    let is_manifest = |path: &str| path.ends_with("/parts-all.json");
    let acknowledged: Vec<_> = {
        let first = calls
            .iter()
            .position(|call| call.path.contains("/parts/part-"));
        let after = &calls[first.ok_or("there is no part")?..];
        after
            .iter()
            .filter(|call| call.does == "sync" && call.path.ends_with(".db-wal"))
            .collect()
    };
    let manifests = calls
        .iter()
        .filter(|call| call.does == "rename" && is_manifest(&call.to));
    let mut before = 0;
    let mut commits = 0;
    for renamed in manifests {
        let since = |from: usize| calls.iter().filter(move |call| call.began >= from);
        let (load, _) = renamed
            .to
            .rsplit_once('/')
            .ok_or("a manifest in no folder")?;
        let parts = format!("{load}/parts");
        let here = format!("commit {}", commits + 1);
        let mut durable = before;
        let written = since(before)
            .take_while(|call| call.began < renamed.began)
            .filter(|call| call.does == "write" && call.path.starts_with(&format!("{parts}/")));
        if let Some(last) = written.last() {
            let synced = since(last.ended)
                .find(|call| call.syncs(&last.path))
                .ok_or(format!("{here}: the part is not synced"))?;
            let named = since(synced.ended)
                .find(|call| call.syncs(&parts))
                .ok_or(format!("{here}: the part's folder is not synced"))?;
            durable = named.ended;
        }
        let written = since(durable)
            .find(|call| call.does == "write" && call.path == renamed.path)
            .ok_or(format!(
                "{here}: the manifest is written before the part is durable"
            ))?;
        let synced = since(written.ended)
            .find(|call| call.syncs(&renamed.path))
            .ok_or(format!("{here}: the manifest is not synced"))?;
        if synced.ended >= renamed.began {
            return Err(format!(
                "{here}: the manifest is renamed before it is synced"
            ));
        }
        let committed = since(renamed.ended)
            .find(|call| call.syncs(load))
            .ok_or(format!("{here}: the manifest's folder is not synced"))?;
        let acknowledged = acknowledged
            .get(commits)
            .ok_or(format!("{here}: it is not acknowledged"))?;
        if committed.ended >= acknowledged.began {
            return Err(format!("{here}: it is acknowledged before it is durable"));
        }
        before = renamed.ended;
        commits += 1;
    }
    Ok(commits)
}
