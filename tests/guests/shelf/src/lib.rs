//! Keeps handles to files from call to call.

mod bindings {
    #![allow(missing_docs, reason = "the interfaces document themselves")]
    wit_bindgen::generate!({ path: "../wit", world: "shelf-of-files" });
}

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use bindings::exports::vesicle::example::shelf::Guest;
use bindings::vesicle::example::files::{self, File};

thread_local! {
    static KEPT: RefCell<BTreeMap<String, File>> = const { RefCell::new(BTreeMap::new()) };
}

struct Shelf;

impl Guest for Shelf {
    fn put(name: String, bytes: Vec<u8>) -> Result<u64, String> {
        KEPT.with_borrow_mut(|kept| {
            let file = match kept.entry(name) {
                Entry::Occupied(kept) => kept.into_mut(),
                Entry::Vacant(place) => {
                    let file = files::open(place.key())?;
                    place.insert(file)
                }
            };
            Ok(file.append(&bytes))
        })
    }

    fn take(name: String) -> Result<Vec<u8>, String> {
        let file = KEPT.with_borrow_mut(|kept| kept.remove(&name));
        let file = file.ok_or_else(|| format!("there is no file {name}"))?;
        Ok(file.contents())
    }

    fn drop_all() {
        KEPT.take();
    }
}

bindings::export!(Shelf with_types_in bindings);
