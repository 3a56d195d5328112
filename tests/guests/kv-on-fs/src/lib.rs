//! Values, each in a file of its own, named after the key.

mod bindings {
    #![allow(missing_docs, reason = "the interfaces document themselves")]
    wit_bindgen::generate!({ path: "../wit", world: "kv-on-fs" });
}

use bindings::exports::vesicle::example::kv::Guest;
use bindings::vesicle::example::fs;

struct KvOnFs;

impl Guest for KvOnFs {
    fn get(key: String) -> Result<Option<Vec<u8>>, String> {
        fs::read(&path(&key))
    }

    fn set(key: String, value: Vec<u8>) -> Result<(), String> {
        fs::write(&path(&key), &value)
    }

    fn delete(key: String) -> Result<bool, String> {
        fs::remove(&path(&key))
    }
}

/// The file of a key. Of keys that differ it differs too, and it lies in one
/// folder whatever a key says: all but letters and digits stand as `%` and two
/// digits.
fn path(key: &str) -> String {
    let mut path = "kv/".to_owned();
    for byte in key.bytes() {
        if byte.is_ascii_alphanumeric() {
            path.push(byte.into());
        } else {
            path.push_str(&format!("%{byte:02x}"));
        }
    }
    path
}

bindings::export!(KvOnFs with_types_in bindings);
