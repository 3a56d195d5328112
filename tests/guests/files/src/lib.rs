//! Files in memory, behind handles. One that is dropped is gone, and counted
//! no more.

mod bindings {
    #![allow(missing_docs, reason = "the interfaces document themselves")]
    wit_bindgen::generate!({ path: "../wit", world: "file-keeper" });
}

use std::cell::{Cell, RefCell};

use bindings::exports::vesicle::example::files::{self, FileBorrow, Guest, GuestFile};

thread_local! {
    static OPEN: Cell<u32> = const { Cell::new(0) };
}

struct Files;

/// An open file.
struct File {
    name: String,
    contents: RefCell<Vec<u8>>,
}

impl File {
    fn open(name: String, contents: Vec<u8>) -> Self {
        OPEN.set(OPEN.get() + 1);
        Self {
            name,
            contents: RefCell::new(contents),
        }
    }
}

impl Drop for File {
    fn drop(&mut self) {
        OPEN.set(OPEN.get() - 1);
    }
}

impl Guest for Files {
    type File = File;

    fn open(name: String) -> Result<files::File, String> {
        match name.as_str() {
            "" => Err("a file needs a name".to_owned()),
            _ => Ok(files::File::new(File::open(name, Vec::new()))),
        }
    }

    fn open_count() -> u32 {
        OPEN.get()
    }
}

impl GuestFile for File {
    fn new(name: String) -> Self {
        Self::open(name, Vec::new())
    }

    fn append(&self, bytes: Vec<u8>) -> u64 {
        self.contents.borrow_mut().extend(bytes);
        self.size()
    }

    fn contents(&self) -> Vec<u8> {
        self.contents.borrow().clone()
    }

    fn size(&self) -> u64 {
        self.contents.borrow().len() as u64
    }

    fn merge(a: files::File, b: FileBorrow<'_>) -> files::File {
        let a = a.into_inner::<Self>();
        let both = [a.contents(), b.get::<Self>().contents()].concat();
        files::File::new(Self::open(a.name.clone(), both))
    }
}

bindings::export!(Files with_types_in bindings);
