//! Apps that come, are wired and called, and go.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Server, guest, patient};
use isoserver::Limits;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn an_uploaded_app_answers_requests() {
    let server = Server::start(patient()).await;
    server.upload("notes", "iso-notes").await;
    let put = server.ask("PUT", "/run/notes/milk", "two litres").await;
    assert_eq!(put.status, 204, "{put:?}");
    let got = server.get("/run/notes/milk").await;
    assert_eq!((got.status.as_u16(), &*got.body), (200, "two litres"));
    assert_eq!(got.header("x-answered"), "2");
    assert!(got.header("x-now").parse::<u64>().unwrap() > 1_700_000_000_000);
    assert!(got.header("x-fuel").parse::<u64>().unwrap() > 1_000);
    assert_eq!(server.get("/run/notes/bread").await.status, 404);
    // With and without the slash it is the app's own root.
    for root in ["/run/notes", "/run/notes/"] {
        assert_eq!(server.get(root).await.body, "milk\n");
    }
    let listed = server.get("/apps").await.json();
    assert_eq!(listed[0]["name"], "notes");
    assert_eq!(listed[0]["exports"], json!(["isoserver:app/handler@0.1.0"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_apps_on_one_store_see_each_others_writes_and_a_third_on_its_own_does_not() {
    let server = Server::start(patient()).await;
    server.upload("one", "iso-notes").await;
    server.upload("two?store-of=one", "iso-notes").await;
    server.upload("three", "iso-notes").await;
    server.ask("PUT", "/run/one/a", "from one").await;
    server.ask("PUT", "/run/two/b", "from two").await;
    assert_eq!(server.get("/run/two/a").await.body, "from one");
    assert_eq!(server.get("/run/one").await.body, "a\nb\n");
    let third = server.get("/run/three/a").await;
    assert_eq!(third.status, 404, "{third:?}");
    // The store outlives the app that it came with.
    let gone = server.ask("DELETE", "/apps/one", "").await;
    assert_eq!(gone.status, 204, "{gone:?}");
    assert_eq!(server.get("/run/two/a").await.body, "from one");
    assert_eq!(server.get("/run/one/a").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_is_torn_down_only_after_those_that_are_wired_to_it() {
    let server = Server::start(patient()).await;
    server.upload("notes", "iso-notes").await;
    server.upload("front?uses=notes", "iso-relay").await;
    server.ask("PUT", "/run/front/a", "through the front").await;
    let got = server.get("/run/notes/a").await;
    assert_eq!(got.body, "through the front");
    assert_eq!(server.get("/run/front/a").await.header("via"), "relay");
    let refused = server.ask("DELETE", "/apps/notes", "").await;
    assert_eq!(refused.status, 409, "{refused:?}");
    assert_eq!(
        refused.json(),
        json!({ "error": "notes cannot be torn down before front", "dependants": ["front"] })
    );
    for name in ["front", "notes"] {
        let gone = server.ask("DELETE", &format!("/apps/{name}"), "").await;
        assert_eq!(gone.status, 204, "{gone:?}");
    }
    assert_eq!(server.get("/apps").await.json(), json!([]));
    assert_eq!(server.get("/run/notes/a").await.status, 404);
    assert_eq!(server.ask("DELETE", "/apps/notes", "").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_version_takes_the_place_of_the_old_one_and_keeps_its_store() {
    let server = Server::start(patient()).await;
    server.upload("notes", "iso-notes").await;
    server.upload("front?uses=notes", "iso-relay").await;
    server.ask("PUT", "/run/notes/a", "kept").await;
    let again = server.ask("PUT", "/apps/notes", guest("iso-notes")).await;
    assert_eq!(again.status, 204, "{again:?}");
    let got = server.get("/run/front/a").await;
    assert_eq!((&*got.body, got.header("x-answered")), ("kept", "1"));
    // What does not export what others are wired to does not take its place.
    let empty = wat::parse_str("(component)").unwrap();
    let refused = server.ask("PUT", "/apps/notes", empty).await;
    assert_eq!(refused.status, 422, "{refused:?}");
    assert!(refused.body.contains("it exports nothing"), "{refused:?}");
    assert_eq!(server.get("/run/front/a").await.body, "kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_pool_does_not_take_is_refused_with_its_reason() {
    let limits = Limits {
        component: 1 << 20,
        apps: 1,
        ..patient()
    };
    let server = Server::start(limits).await;
    let refused = async |path: &str, body: Vec<u8>, status: u16, reason: &str| {
        let answer = server.ask("PUT", &format!("/apps/{path}"), body).await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(answer.body.contains(reason), "{answer:?}");
    };
    let wanting = r#"(component (import "a:b/weapons@1.0.0" (instance (export "fire" (func)))))"#;
    let wanting = wat::parse_str(wanting).unwrap();
    let reason = "app imports what is not offered here: a:b/weapons@1.0.0";
    refused("app", wanting, 422, reason).await;
    let reason = "not a component: it is not WebAssembly";
    refused("app", b"hello".to_vec(), 422, reason).await;
    let reason = "app needs isoserver:app/handler@0.1.0, and was given nothing for it";
    refused("app", guest("iso-relay"), 422, reason).await;
    // The store's functions by other types.
    let other = r#"(component (import "isoserver:app/kv@0.1.0"
        (instance (export "remove" (func (param "key" u32) (result bool))))))"#;
    let other = wat::parse_str(other).unwrap();
    refused(
        "app",
        other,
        422,
        "remove, param key: wants u32, found string",
    )
    .await;
    let spins = "(component (core module $m (func $s (loop br 0)) (start $s))
        (core instance (instantiate $m)))";
    refused("app", wat::parse_str(spins).unwrap(), 422, "out of fuel").await;
    refused("app?uses=nobody", guest("iso-relay"), 404, "no app nobody").await;
    refused("app?store=mine", guest("iso-notes"), 400, "unknown field").await;
    refused("App!", guest("iso-notes"), 400, "no name for an app").await;
    refused(
        "app",
        vec![0; (1 << 20) + 1],
        413,
        "larger than 1048576 bytes",
    )
    .await;
    assert_eq!(server.get("/apps").await.json(), json!([]));
    server.upload("app", "iso-notes").await;
    refused("more", guest("iso-notes"), 507, "1 apps already").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stranger_exports_changes_nothing_for_those_after_it() {
    let server = Server::start(patient()).await;
    let taken = [
        ("wasi:io/poll@0.2.0", 201),
        ("isoserver:app/kv@0.1.0", 422),
        ("a-name-of-its-own", 201),
    ];
    for (number, (name, status)) in taken.into_iter().enumerate() {
        let claims = format!(
            r#"(component
                (core module $m (func (export "f")))
                (core instance $i (instantiate $m))
                (func $f (canon lift (core func $i "f")))
                (instance $x (export "f" (func $f)))
                (export "{name}" (instance $x)))"#
        );
        let claims = wat::parse_str(claims).unwrap();
        let path = format!("/apps/claims-{number}");
        let answer = server.ask("PUT", &path, claims).await;
        assert_eq!(answer.status, status, "{name}: {answer:?}");
    }
    server.upload("notes", "iso-notes").await;
    assert_eq!(server.get("/run/notes").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn apps_that_call_each_other_in_a_circle_are_told_so() {
    let server = Server::start(patient()).await;
    server.upload("notes", "iso-notes").await;
    server.upload("one?uses=notes", "iso-relay").await;
    server.upload("two?uses=one", "iso-relay").await;
    let turned = server.ask("PUT", "/apps/one?uses=two", guest("iso-relay"));
    assert_eq!(turned.await.status, 204);
    let answer = server.get("/run/one").await;
    assert_eq!(answer.status, 508, "{answer:?}");
    assert!(
        answer.body.contains("two calls one calls two"),
        "{answer:?}"
    );
    let turned = server.ask("PUT", "/apps/one?uses=notes", guest("iso-relay"));
    assert_eq!(turned.await.status, 204);
    assert_eq!(server.get("/run/two").await.status, 200);
}
