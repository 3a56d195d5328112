//! Takes and gives handles to files of somebody else's.

mod bindings {
    #![allow(missing_docs, reason = "the interfaces document themselves")]
    wit_bindgen::generate!({ path: "../wit", world: "librarian" });
}

use bindings::exports::vesicle::example::catalog::Guest;
use bindings::vesicle::example::files::{self, File};

struct Librarian;

impl Guest for Librarian {
    fn label(file: &File) -> String {
        format!("{} bytes", file.size())
    }

    fn archive(file: File) -> u64 {
        file.size()
    }

    fn lend(name: String) -> Result<File, String> {
        let file = files::open(&name)?;
        file.append(name.as_bytes());
        Ok(file)
    }
}

bindings::export!(Librarian with_types_in bindings);
