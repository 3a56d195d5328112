//! Notes, each in a value `note/TITLE`. The folder `tests/foreign` has the same
//! in other languages.

mod bindings {
    #![allow(missing_docs, reason = "the interfaces document themselves")]
    wit_bindgen::generate!({ path: "../wit", world: "notebook" });
}

use bindings::exports::vesicle::example::notes::Guest;
use bindings::vesicle::example::kv;

struct Notebook;

impl Guest for Notebook {
    fn remember(title: String, text: String) -> Result<(), String> {
        kv::set(&key(&title)?, text.as_bytes())
    }

    fn recall(title: String) -> Result<Option<String>, String> {
        let Some(value) = kv::get(&key(&title)?)? else {
            return Ok(None);
        };
        let text = String::from_utf8(value);
        text.map(Some)
            .map_err(|_| format!("what is kept as {title} is no text"))
    }
}

fn key(title: &str) -> Result<String, String> {
    match title {
        "" => Err("a note needs a title".to_owned()),
        _ => Ok(format!("note/{title}")),
    }
}

bindings::export!(Notebook with_types_in bindings);
