//! An image as its component sees it: a root to read, and nothing to change.

#![allow(clippy::unwrap_used)]

mod folders;
#[path = "../../pool/tests/guests/mod.rs"]
mod guests;

use folders::Folder;
use vesicle_cell::image::{Image, MAX_ENTRIES};
use vesicle_pool::wasi::{FileGrant, FolderGrant, Grants, TreeGrant, Wasi};
use vesicle_pool::{Account, Audit, Grant, Pool, Resident, Value};

const WIT: &str = include_str!("../../../tests/guests/wit/example.wit");

/// A component that looks around.
struct Explorer {
    pool: Pool,
    kept: Resident,
    audit: Audit,
}

impl Explorer {
    async fn with(grants: Grants) -> Self {
        let pool = guests::pool(WIT);
        let audit = Audit::default();
        let app = pool.admit("explorer", &guests::component("explorer"));
        let app = app.unwrap();
        let wasi = Wasi::new("explorer", grants, audit.clone());
        let tokens = guests::with_wasi(wasi, Vec::new());
        let kept = pool.keep("explorer", &app, &tokens, Account::default());
        let kept = kept.await.unwrap();
        Self { pool, kept, audit }
    }

    async fn of(image: &Image) -> Self {
        Self::with(shown(image)).await
    }

    async fn call(&self, function: &str, arguments: &[Value]) -> Value {
        let token = &self.kept.tokens()[0];
        let answer = self.pool.call(token, function, arguments, Grant::default());
        answer.await.unwrap().pop().unwrap()
    }

    async fn ask(&self, function: &str, path: &str) -> Result<String, String> {
        text(self.call(function, &[path.into()]).await)
    }

    fn line_of_audit(&self, line: &str) -> bool {
        let entries = self.audit.entries();
        entries
            .iter()
            .any(|entry| entry.to_string().starts_with(line))
    }
}

fn shown(image: &Image) -> Grants {
    Grants {
        tree: Some(TreeGrant(image.tree())),
        ..Grants::default()
    }
}

/// What a result carries, as text; the parts of a list have a blank between.
fn text(value: Value) -> Result<String, String> {
    let carried = |value: Option<Box<Value>>| match value.as_deref() {
        None => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Bytes(bytes)) => String::from_utf8(bytes.clone()).unwrap(),
        Some(Value::List(parts)) => parts.iter().map(string).collect::<Vec<_>>().join(" "),
        other => panic!("{other:?}"),
    };
    match value {
        Value::Result(result) => result.map(carried).map_err(carried),
        other => panic!("{other:?}"),
    }
}

fn string(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => panic!("{other:?}"),
    }
}

/// Whether what was tried to change has stayed as it was, and the component was
/// told so.
fn is_refused(attempt: &str) -> bool {
    let refusals = [
        "ReadOnlyFilesystem",
        "PermissionDenied",
        "not-permitted",
        "read-only",
    ];
    // No folder is a file to change.
    refusals.iter().any(|code| attempt.contains(code))
        || attempt.contains("the root: ErrorCode") && attempt.contains("bad-descriptor")
}

fn ok(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

#[tokio::test]
async fn a_component_lists_and_reads_its_image_as_one_tree() {
    let base = Folder::of_image()
        .with("etc/name", "base")
        .with("etc/motd", "hello")
        .linked("lib", "usr/lib")
        .with("usr/lib/x", "x");
    let site = Folder::new()
        .with("etc/name", "site")
        .with("usr/lib/y/z", "z");
    let image = Image::open(vec![base.layer(), site.layer()]).unwrap();
    let explorer = Explorer::of(&image).await;
    assert_eq!(
        explorer.ask("entries", "/").await,
        ok("bin/ etc/ lib/ usr/")
    );
    assert_eq!(explorer.ask("entries", "/usr/lib").await, ok("x y/"));
    assert_eq!(
        explorer.ask("entries", "/usr/../etc/").await,
        ok("motd name")
    );
    assert_eq!(explorer.ask("read", "/etc/name").await, ok("site"));
    assert_eq!(explorer.ask("read", "etc/motd").await, ok("hello"));
    assert_eq!(explorer.ask("read", "/lib/x").await, ok("x"));
    assert_eq!(
        explorer.ask("look", "/etc/motd").await,
        ok("file of 5 bytes")
    );
    assert_eq!(explorer.ask("look", "/usr/lib/y").await, ok("folder"));
    assert_eq!(explorer.ask("look", "/").await, ok("folder"));
    for (function, path, error) in [
        ("read", "/etc/none", "entity not found"),
        ("read", "/etc", "is a directory"),
        ("entries", "/etc/name", "not a directory"),
        ("entries", "/none", "entity not found"),
        ("look", "/etc/name/x", "not a directory"),
    ] {
        assert_eq!(
            explorer.ask(function, path).await,
            Err(error.to_owned()),
            "{path}"
        );
    }
    assert!(explorer.line_of_audit("allowed explorer read /etc/name"));
    assert!(explorer.line_of_audit("allowed explorer read /usr/lib"));
}

#[tokio::test]
async fn nothing_that_a_component_does_changes_its_image() {
    let layer = Folder::of_image()
        .with("etc/name", "base")
        .with("name", "x");
    let before = std::fs::metadata(layer.at("etc/name")).unwrap();
    let explorer = Explorer::of(&layer.image().unwrap()).await;
    for folder in ["/etc", ""] {
        let attempts = explorer
            .call("tamper", &[folder.into(), "name".into()])
            .await;
        let Value::List(attempts) = attempts else {
            panic!("{attempts:?}");
        };
        assert_eq!(attempts.len(), 21);
        for attempt in attempts.iter().map(string) {
            assert!(is_refused(&attempt), "{attempt}");
        }
    }
    let after = std::fs::metadata(layer.at("etc/name")).unwrap();
    assert_eq!(after.modified().unwrap(), before.modified().unwrap());
    assert_eq!(std::fs::read_dir(layer.at("etc")).unwrap().count(), 1);
    assert!(explorer.line_of_audit("denied explorer write /etc/new"));
    assert!(explorer.line_of_audit("denied explorer write /etc/name"));
}

#[tokio::test]
async fn no_path_of_a_component_leads_out_of_its_image() {
    let outside = Folder::new().with("secret", "s");
    let layer = Folder::of_image()
        .linked("out", outside.at("secret"))
        .linked("folder", outside.path());
    let explorer = Explorer::of(&layer.image().unwrap()).await;
    for path in [
        "out",
        "folder/secret",
        "folder",
        "../etc/passwd",
        "/etc/passwd",
        "bin/../../x",
    ] {
        let error = explorer.ask("open-as-is", path).await.unwrap_err();
        assert_eq!(error, "not-permitted", "{path}");
    }
    assert_eq!(
        explorer.ask("open-as-is", "bin/../bin/./main.wasm").await,
        ok("")
    );
    assert_eq!(explorer.ask("look", "/out").await, ok("something else"));
    assert_eq!(explorer.ask("entries", "/").await, ok("bin/ folder out"));
    assert!(explorer.line_of_audit("denied explorer read /../etc/passwd"));
    assert!(explorer.line_of_audit("denied explorer read /folder/secret"));
}

#[tokio::test]
async fn an_image_lives_together_with_files_and_folders() {
    let place = Folder::new()
        .with("key", "key")
        .with("out/old", "old")
        .with("c", "c");
    let layer = Folder::of_image()
        .with("etc/name", "name")
        .with("etc/key", "of the image")
        .with("out/hidden", "");
    let file = |host: &str, guest: &str| FileGrant {
        host: place.at(host),
        guest: guest.to_owned(),
    };
    let explorer = Explorer::with(Grants {
        files: vec![file("key", "/etc/key"), file("c", "c.csv")],
        folders: vec![FolderGrant {
            host: place.at("out"),
            guest: "/out".to_owned(),
            is_read_only: false,
        }],
        ..shown(&layer.image().unwrap())
    })
    .await;
    assert_eq!(explorer.ask("read", "/etc/key").await, ok("key"));
    assert_eq!(explorer.ask("read", "/etc/name").await, ok("name"));
    assert_eq!(explorer.ask("entries", "/etc").await, ok("key name"));
    assert_eq!(explorer.ask("read", "c.csv").await, ok("c"));
    assert_eq!(explorer.ask("entries", "/out").await, ok("old"));
    let write = ["/out/new".into(), Value::Bytes(b"new".to_vec())];
    assert_eq!(text(explorer.call("write", &write).await), ok(""));
    assert_eq!(explorer.ask("read", "/out/new").await, ok("new"));
    for path in ["/etc/key", "/etc/new", "/c.csv"] {
        let write = [path.into(), Value::Bytes(Vec::new())];
        assert!(
            text(explorer.call("write", &write).await).is_err(),
            "{path}"
        );
    }
    assert_eq!(std::fs::read(place.at("key")).unwrap(), b"key");
}

#[tokio::test]
async fn a_folder_that_is_granted_to_read_shows_all_that_is_in_it_and_nothing_is_changed() {
    let place = Folder::new()
        .with("in/deep/file", "file")
        .with("out/file", "file");
    let folder = |host: &str, guest: &str, is_read_only| FolderGrant {
        host: place.at(host),
        guest: guest.to_owned(),
        is_read_only,
    };
    let explorer = Explorer::with(Grants {
        folders: vec![folder("out", "/out", false), folder("in", "/", true)],
        ..Grants::default()
    })
    .await;
    assert_eq!(explorer.ask("entries", "/").await, ok("deep/"));
    assert_eq!(explorer.ask("entries", "/deep").await, ok("file"));
    assert_eq!(explorer.ask("read", "/deep/file").await, ok("file"));
    let arguments = ["/deep".into(), "file".into()];
    let Value::List(attempts) = explorer.call("tamper", &arguments).await else {
        panic!("no list");
    };
    assert_eq!(attempts.len(), 21);
    for attempt in attempts.iter().map(string) {
        // Links may be read here, and a file is none.
        let is_no_link = attempt.starts_with("read link") && attempt.contains("\"invalid\"");
        assert!(is_refused(&attempt) || is_no_link, "{attempt}");
    }
    for path in ["/deep/file", "/deep/new", "/new"] {
        let write = [path.into(), Value::Bytes(b"new".to_vec())];
        let refused = text(explorer.call("write", &write).await);
        assert_eq!(
            refused.unwrap_err(),
            "read-only filesystem or storage medium"
        );
        assert!(explorer.line_of_audit(&format!("denied explorer write {path}")));
    }
    let write = ["/out/file".into(), Value::Bytes(b"new".to_vec())];
    assert_eq!(text(explorer.call("write", &write).await), ok(""));
    assert_eq!(std::fs::read_dir(place.at("in/deep")).unwrap().count(), 1);
    assert_eq!(std::fs::read(place.at("in/deep/file")).unwrap(), b"file");
    assert_eq!(std::fs::read(place.at("out/file")).unwrap(), b"new");
}

#[tokio::test]
async fn a_folder_cannot_be_granted_where_the_image_is() {
    let layer = Folder::of_image();
    let pool = guests::pool(WIT);
    let app = pool
        .admit("explorer", &guests::component("explorer"))
        .unwrap();
    for guest in [".", "/", "a/.."] {
        let grants = Grants {
            folders: vec![FolderGrant {
                host: layer.path().to_owned(),
                guest: guest.to_owned(),
                is_read_only: false,
            }],
            ..shown(&layer.image().unwrap())
        };
        let wasi = Wasi::new("explorer", grants, Audit::default());
        let tokens = guests::with_wasi(wasi, Vec::new());
        let kept = pool
            .keep("explorer", &app, &tokens, Account::default())
            .await;
        let error = kept.err().unwrap().to_string();
        assert!(error.contains("cannot both be the guest's root"), "{error}");
    }
}

#[tokio::test]
async fn a_huge_folder_is_an_error_to_the_component_and_listings_are_bounded() {
    let layer = Folder::of_image().with("small/x", "");
    for n in 0..=MAX_ENTRIES {
        layer.write(&format!("huge/{n}"), "");
    }
    let explorer = Explorer::of(&layer.image().unwrap()).await;
    assert!(explorer.ask("entries", "/huge").await.is_err());
    assert_eq!(explorer.ask("read", "/huge/7").await, ok(""));
    for (most, granted) in [(1000, 64), (10, 10)] {
        // What one call has listed is given back when it is over.
        let arguments = ["small".into(), Value::U32(most)];
        let listings = explorer.call("listings", &arguments).await;
        assert_eq!(listings, Value::U32(granted));
    }
}
