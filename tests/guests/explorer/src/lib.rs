//! Looks at whatever files it is shown, and tries to change them: by the
//! standard library, and by WASI itself where that says more.

mod bindings {
    #![allow(missing_docs, reason = "the interfaces document themselves")]
    wit_bindgen::generate!({ path: "../wit", world: "explorer-of-files" });
}

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;

use bindings::exports::vesicle::example::explorer::Guest;
use wasip2::filesystem::preopens::get_directories;
use wasip2::filesystem::types::{
    Descriptor, DescriptorFlags, ErrorCode, NewTimestamp, OpenFlags, PathFlags,
};

struct Explorer;

impl Guest for Explorer {
    fn entries(path: String) -> Result<Vec<String>, String> {
        let mut names = Vec::new();
        for entry in fs::read_dir(path).map_err(told)? {
            let entry = entry.map_err(told)?;
            let end = if entry.file_type().map_err(told)?.is_dir() {
                "/"
            } else {
                ""
            };
            names.push(format!("{}{end}", entry.file_name().to_string_lossy()));
        }
        Ok(names)
    }

    fn read(path: String) -> Result<Vec<u8>, String> {
        fs::read(path).map_err(told)
    }

    fn look(path: String) -> Result<String, String> {
        let metadata = fs::metadata(path).map_err(told)?;
        Ok(match metadata.is_file() {
            true => format!("file of {} bytes", metadata.len()),
            false if metadata.is_dir() => "folder".to_owned(),
            false => "something else".to_owned(),
        })
    }

    fn write(path: String, contents: Vec<u8>) -> Result<(), String> {
        fs::write(path, contents).map_err(told)
    }

    fn tamper(folder: String, file: String) -> Vec<String> {
        let there = format!("{folder}/{file}");
        let new = format!("{folder}/new");
        let mut attempts = vec![
            attempt("create", File::create_new(&new)),
            attempt("truncate", File::create(&there)),
            attempt("append", append(&there)),
            attempt("make folder", fs::create_dir(&new)),
            attempt("remove folder", fs::remove_dir(&folder)),
            attempt("remove file", fs::remove_file(&there)),
            attempt("rename", fs::rename(&there, &new)),
            attempt("link", fs::hard_link(&there, &new)),
        ];
        let (root, _) = last_root();
        let (folder, there) = (
            folder.trim_start_matches('/'),
            there.trim_start_matches('/'),
        );
        let folder = if folder.is_empty() { "." } else { folder };
        let now = NewTimestamp::Now;
        let links = PathFlags::SYMLINK_FOLLOW;
        attempts.extend([
            attempt("symbolic link", root.symlink_at("x", "new")),
            attempt("read link", root.readlink_at(there)),
            attempt("times at", root.set_times_at(links, there, now, now)),
            attempt("times of the root", root.set_times(now, now)),
            attempt("size of the root", root.set_size(0)),
            attempt("write the root", root.write(b"x", 0)),
            attempt(
                "open to change",
                open(&root, folder, DescriptorFlags::MUTATE_DIRECTORY),
            ),
            attempt("open to write", open(&root, there, DescriptorFlags::WRITE)),
        ]);
        match open(&root, there, DescriptorFlags::READ) {
            Ok(file) => attempts.extend([
                attempt("write", file.write(b"x", 0)),
                attempt("write by stream", file.write_via_stream(0)),
                attempt("append by stream", file.append_via_stream()),
                attempt("size", file.set_size(0)),
                attempt("times", file.set_times(now, now)),
            ]),
            Err(error) => attempts.push(format!("open: {}", error.name())),
        }
        attempts
    }

    fn open_as_is(path: String) -> Result<(), String> {
        let opened = open(&last_root().0, &path, DescriptorFlags::READ);
        opened.map(drop).map_err(|code| code.name().to_owned())
    }

    fn listings(path: String, most: u32) -> u32 {
        let opened = open(&last_root().0, &path, DescriptorFlags::READ);
        let folder = opened.expect("a folder");
        let mut listings = Vec::new();
        while listings.len() < most as usize
            && let Ok(listing) = folder.read_directory()
        {
            listings.push(listing);
        }
        listings.len() as u32
    }
}

fn last_root() -> (Descriptor, String) {
    get_directories().pop().expect("a folder")
}

fn open(root: &Descriptor, path: &str, flags: DescriptorFlags) -> Result<Descriptor, ErrorCode> {
    root.open_at(PathFlags::SYMLINK_FOLLOW, path, OpenFlags::empty(), flags)
}

fn append(path: &str) -> std::io::Result<()> {
    OpenOptions::new().append(true).open(path)?.write_all(b"x")
}

fn attempt<T, E: Debug>(what: &str, result: Result<T, E>) -> String {
    match result {
        Ok(_) => format!("{what}: done"),
        Err(error) => format!("{what}: {error:?}"),
    }
}

fn told(error: std::io::Error) -> String {
    error.kind().to_string()
}

bindings::export!(Explorer with_types_in bindings);
