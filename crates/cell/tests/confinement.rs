//! What a cell can reach is what it was handed: tried by one that tries everything
//! else, at every depth.

#![allow(clippy::unwrap_used)]

mod common;
mod served;
mod tree;

use std::net::{TcpListener, UdpSocket};

use capnp::capability::{Client, FromClientHook as _};
use common::{cell, cells, finish, guest, image, with_file};
use served::Silent;
use tree::{Ended, Told, With, acts, deeper, echo, graft, grown, lender, start};
use vesicle_cell::Exit;
use vesicle_protocol::cell_capnp::executor;

/// A port where somebody listens, so that a connection would be made if it could.
struct Bait {
    tcp: TcpListener,
    udp: UdpSocket,
    port: String,
}

impl Bait {
    fn lay() -> Self {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        tcp.set_nonblocking(true).unwrap();
        let port = tcp.local_addr().unwrap().port();
        let udp = UdpSocket::bind(("127.0.0.1", port)).unwrap();
        udp.set_nonblocking(true).unwrap();
        Self {
            tcp,
            udp,
            port: port.to_string(),
        }
    }

    fn assert_untouched(&self) {
        assert!(self.tcp.accept().is_err());
        assert!(self.udp.recv(&mut [0; 10]).is_err());
    }
}

/// What a thief prints that was handed a membrane and got nothing else.
fn assert_empty_handed(printed: &str) {
    assert!(!printed.contains("got "), "{printed}");
    let tries = printed.lines().find_map(|line| line.strip_suffix(" tries"));
    assert!(tries.unwrap().parse::<u32>().unwrap() > 100, "{printed}");
}

#[tokio::test]
async fn the_first_cell_reaches_nothing_that_nobody_granted() {
    let bait = Bait::lay();
    let command = cell(acts(), &["thief", "steal", &bait.port]);
    let running = cells().start(command).await.unwrap();
    let (exit, stdout, stderr) = finish(&running).await;
    assert_eq!((exit, &*stderr), (Exit::Code(0), ""));
    assert_empty_handed(&stdout);
    assert!(stdout.contains("grafted\n"), "{stdout}");
    bait.assert_untouched();
}

#[tokio::test]
async fn a_child_reaches_nothing_at_any_depth_also_if_the_first_was_granted_files_and_words() {
    let bait = Bait::lay();
    let port = bait.port.clone();
    let mut command = with_file(
        lender(),
        "/usr/lib/child-echo.wasm",
        image("pid0/usr/lib/child-echo.wasm"),
    );
    command.arguments.push("a secret".to_owned());
    let told = grown(command, async move |session| {
        for depth in 0..3 {
            let (session, _way) = deeper(&session, depth).await?;
            let arguments = ["thief", "steal", &port];
            let thief = start(&session.executor, &acts(), &arguments, With::default()).await?;
            let stdin = thief.stdin().await?;
            stdin.close().await?;
            let printed = thief.printed().await?;
            assert_eq!(thief.wait().await?, Ended::Code(0));
            assert_empty_handed(&printed);
            assert!(printed.contains("grafted\n"), "{printed}");
        }
        Ok(())
    });
    told.await.unwrap();
    bait.assert_untouched();
}

#[tokio::test]
async fn a_child_has_the_words_that_it_was_given_and_no_others() {
    let told = grown(lender(), async |session| {
        let with = With {
            environment: vec![("NAME", "value"), ("EMPTY", "")],
            ..With::default()
        };
        let child = start(&session.executor, &acts(), &["child", "words"], with).await?;
        assert_eq!(
            child.printed().await?,
            "[\"child\", \"words\"]\n[(\"NAME\", \"value\"), (\"EMPTY\", \"\")]\n"
        );
        for (name, value) in [("", "x"), ("a=b", "x"), ("a\0", "x"), ("a", "\0")] {
            let with = With {
                environment: vec![(name, value)],
                ..With::default()
            };
            let started = start(&session.executor, &acts(), &["child", "words"], with).await;
            assert!(
                matches!(started, Err(Told::Invalid(_))),
                "{name:?}={value:?}"
            );
        }
        Ok(())
    });
    told.await.unwrap();
}

#[tokio::test]
async fn a_child_that_was_handed_a_capability_has_it_and_no_membrane() {
    let bait = Bait::lay();
    let port = bait.port.clone();
    let told = grown(lender(), async move |session| {
        for depth in 0..3 {
            let (session, _way) = deeper(&session, depth).await?;
            let silent: executor::Client = capnp_rpc::new_client(Silent);
            // What it may call of it never answers, so it is not asked for that.
            let with = With {
                hand: Some(session.host.client.clone()),
                ..With::default()
            };
            let arguments = ["thief", "steal", &port];
            let thief = start(&session.executor, &acts(), &arguments, with).await?;
            thief.stdin().await?.close().await?;
            let printed = thief.printed().await?;
            assert!(printed.contains("not grafted: "), "{printed}");
            let got: Vec<_> = printed
                .lines()
                .filter(|line| line.starts_with("got "))
                .collect();
            // Only what the parent chose.
            let of_the_host = ["id", "addresses", "peers"];
            let expected = of_the_host.map(|what| format!("got {what} of what it was handed"));
            assert_eq!(got, expected);
            drop(silent);
        }
        Ok(())
    });
    told.await.unwrap();
    bait.assert_untouched();
}

/// Starts what it is asked to through another executor, and hands every child one
/// thing of its own.
struct Wrapper {
    inner: executor::Client,
    handed: Client,
}

impl executor::Server for Wrapper {
    async fn run_bytes(
        self: std::rc::Rc<Self>,
        params: executor::RunBytesParams,
        mut results: executor::RunBytesResults,
    ) -> Result<(), capnp::Error> {
        let params = params.get()?;
        let mut request = self.inner.run_bytes_request();
        let mut passed = request.get();
        passed.set_wasm(params.get_wasm()?);
        let mut passed = passed.init_launch();
        passed.set_arguments(params.get_launch()?.get_arguments()?)?;
        let mut slot = passed.init_bootstrap();
        slot.set_as_capability(self.handed.hook.clone());
        let answer = request.send().promise.await?;
        results.set(answer.get()?)?;
        Ok(())
    }

    async fn echo(
        self: std::rc::Rc<Self>,
        _: executor::EchoParams,
        mut results: executor::EchoResults,
    ) -> Result<(), capnp::Error> {
        results.get().set_ok("of the parent's own")?;
        Ok(())
    }
}

#[tokio::test]
async fn a_grandchild_that_is_started_through_its_grandparents_wrapper_gets_what_that_hands_it() {
    let told = grown(lender(), async |session| {
        let silent: executor::Client = capnp_rpc::new_client(Silent);
        let wrapper: executor::Client = capnp_rpc::new_client(Wrapper {
            inner: session.executor.clone(),
            handed: session.host.client.clone(),
        });
        let with = With {
            hand: Some(wrapper.client),
            ..With::default()
        };
        let wasm = acts();
        let child = start(&session.executor, &wasm, &["child", "lend"], with).await?;
        let lent = child.exported().await?;
        let ungrafted = graft(&lent).await.map(|session| session.epoch);
        assert!(
            matches!(ungrafted, Err(Told::Exception(_))),
            "{ungrafted:?}"
        );
        let executor: executor::Client = lent.cast_to();
        assert_eq!(echo(&executor, "?").await?, "of the parent's own");
        let grandchild = start(&executor, &wasm, &["grandchild", "lend"], With::default()).await?;
        let lent = grandchild.exported().await?;
        assert!(graft(&lent).await.is_err());
        let executor: executor::Client = lent.cast_to();
        assert!(matches!(
            echo(&executor, "?").await,
            Err(Told::Exception(_))
        ));
        drop(silent);
        Ok(())
    });
    told.await.unwrap();
}

#[tokio::test]
async fn a_link_can_be_taken_once() {
    let command = cell(guest("cell-raw"), &["guest", "twice"]);
    let running = cells().start(command).await.unwrap();
    let (exit, stdout, _) = finish(&running).await;
    assert_eq!(exit, Exit::Code(0));
    assert_eq!(
        stdout,
        "a second link: false\na second input: false\na second output: false\n"
    );
}

#[tokio::test]
async fn who_says_what_no_protocol_knows_is_hung_up_on_at_most_and_harms_nobody() {
    let told = grown(lender(), async |session| {
        let wasm = guest("cell-raw");
        for junk in [
            "noise",
            "many-segments",
            "large-segment",
            "half",
            "empty",
            "unknown-import",
            "unknown-answer",
            "odd-return",
            "odd-finish",
            "odd-release",
            "odd-resolve",
            "question-twice",
            "disembargo",
            "third-party",
            "abort",
            "forged",
            "hang-up",
        ] {
            let child = start(&session.executor, &wasm, &["guest", junk], With::default()).await?;
            if junk != "hang-up" {
                child.stdout().await?.until("written").await?;
            }
            // It may be hung up on, or go on and get no further.
            let ended = child.wait_within(200).await;
            assert!(
                matches!(ended, Ok(Ended::Code(0)) | Err(Told::Late(..))),
                "{junk}: {ended:?}"
            );
            assert_eq!(
                echo(&session.executor, junk).await?,
                format!("Echo: {junk}")
            );
            child.kill().await?;
        }
        // And a new one is as good as before.
        let (session, _way) = deeper(&session, 1).await?;
        assert_eq!(echo(&session.executor, "!").await?, "Echo: !");
        Ok(())
    });
    told.await.unwrap();
}
