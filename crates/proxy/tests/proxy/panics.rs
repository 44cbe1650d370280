//! A connection whose task panics: it ends, it is counted, and nobody else notices.

use std::io::Write;
use std::sync::{Arc, Mutex};

use sealwire_testkit::fixture::Fixture;
use tokio::io::AsyncWriteExt;
use tracing::Level;

use crate::support::*;

/// What the panic says is in no log.
const MARKER: &str = "mArKeR-7f";

/// A log that panics once at a line with these words, and so has whoever logs it panic.
#[derive(Clone, Default)]
struct Trap {
    words: Arc<Mutex<Option<&'static str>>>,
    text: Arc<Mutex<Vec<u8>>>,
}

impl Write for Trap {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.text.lock().unwrap().extend_from_slice(bytes);
        let line = String::from_utf8_lossy(bytes);
        let sprung = self
            .words
            .lock()
            .unwrap()
            .take_if(|words| line.contains(*words));
        assert!(sprung.is_none(), "{MARKER}");
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_panic_ends_one_connection_and_is_counted() {
    let fixture = Fixture::new(people()).await;
    let trap = Trap::default();
    let writer = trap.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(move || writer.clone())
        .with_max_level(Level::TRACE)
        .with_ansi(false)
        .finish();
    // It decides for all threads what is wanted while there is no other; the other tests' log has one.
    drop(Log::capture());
    let _log = tracing::subscriber::set_default(subscriber);
    let mut settings = settings_without_password(&fixture);
    // Two are all that there are, so each of those that panic gives its place back.
    settings.limits.connections = 2;
    let proxy = Running::start(settings).await;
    let bystander = proxy.client(&fixture).await;
    // What is logged of it as it begins has been logged.
    proxy.settle(1.0).await;

    // As it begins, as it ends, and as its client breaks the protocol.
    for (number, words) in (1_i64..).zip([" connected", "connection ended", "session ended"]) {
        let at_once = words == " connected";
        let set = || *trap.words.lock().unwrap() = Some(words);
        if at_once {
            set();
        }
        let mut stream = proxy.stream().await;
        let parameters = [
            ("user", fixture.sealed().owner()),
            ("database", fixture.sealed().name()),
            ("application_name", "soon gone"),
        ];
        stream.write_all(&startup(0, &parameters)).await.unwrap();
        if !at_once {
            proxy.counts("sealwire_connections", 2.0).await;
            proxy.settle(2.0).await;
            set();
            let tag = if words == "session ended" { b'!' } else { b'X' };
            stream.write_all(&frame(tag, b"")).await.unwrap();
        }
        rest(&mut stream).await;
        #[expect(clippy::cast_precision_loss, reason = "it is small")]
        proxy.have_ended("panicked", number as f64).await;
        proxy.settle(1.0).await;
        assert_eq!(proxy.metrics().await["sealwire_messages_held_bytes"], 0.0);
        until("the server's session has ended", async || {
            backends(&fixture, "soon gone").await == 0
        })
        .await;
        works(&bystander, number).await;
    }
    works(&proxy.client(&fixture).await, 10).await;
    proxy.settle(1.0).await;
    assert_eq!(proxy.get("/readyz").await.0, 200);
    drop(bystander);
    proxy.handle.drain();
    proxy.finish().await;

    let text = String::from_utf8(trap.text.lock().unwrap().clone()).unwrap();
    let lines: Vec<&str> = text.lines().filter(|it| it.contains("a panic")).collect();
    assert_eq!(lines.len(), 3, "{text}");
    for line in lines {
        assert!(line.contains("ERROR") && line.contains("peer="), "{line}");
    }
    assert!(!text.contains(MARKER), "{text}");
}
