//! Cancel requests where the server has several hosts.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use sealwire_proxy::Settings;
use sealwire_testkit::fixture::Fixture;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixListener};
use tokio::task::JoinHandle;

use crate::support::{
    PATIENCE, Running, frame, frames, people, rest, settings_without_password, startup,
};

/// A host that does not answer until it is told to, and then notes what it is sent.
struct FirstHost {
    directory: TempDir,
    port: u16,
    received: Arc<Mutex<Vec<Vec<u8>>>>,
    task: Option<JoinHandle<()>>,
}

impl FirstHost {
    fn new(fixture: &Fixture) -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            port: fixture.sealed().port(),
            received: Arc::default(),
            task: None,
        }
    }

    /// Settings with this host before the fixture's.
    fn settings(&self, fixture: &Fixture) -> Settings {
        let mut settings = settings_without_password(fixture);
        let directory = self.directory.path().display().to_string();
        settings.server.hosts.insert(0, directory);
        settings.server.ports = vec![self.port];
        settings
    }

    fn path(&self) -> PathBuf {
        let name = format!(".s.PGSQL.{}", self.port);
        self.directory.path().join(name)
    }

    fn answer(&mut self) {
        let listener = UnixListener::bind(self.path()).unwrap();
        let received = Arc::clone(&self.received);
        self.task = Some(tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = [0; 16];
                stream.read_exact(&mut request).await.unwrap();
                received.lock().unwrap().push(request.to_vec());
            }
        }));
    }

    fn received(&self) -> Vec<Vec<u8>> {
        self.received.lock().unwrap().clone()
    }
}

impl Drop for FirstHost {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// A session whose statement runs until it is cancelled, and the request that cancels it.
async fn sleeping(proxy: &Running, fixture: &Fixture) -> (TcpStream, Vec<u8>) {
    let mut stream = proxy.stream().await;
    let (user, database) = (fixture.sealed().owner(), fixture.sealed().name());
    let startup = startup(0, &[("user", user), ("database", database)]);
    stream.write_all(&startup).await.unwrap();
    let mut bytes = Vec::new();
    let key = loop {
        stream.read_buf(&mut bytes).await.unwrap();
        let frames = frames(&bytes);
        if frames.last().is_some_and(|(tag, _)| *tag == b'Z') {
            let key = frames.into_iter().find(|(tag, _)| *tag == b'K');
            break key.unwrap().1;
        }
    };
    let sleep = frame(b'Q', b"SELECT pg_sleep(600)\0");
    stream.write_all(&sleep).await.unwrap();
    let pid = i32::from_be_bytes(key[..4].try_into().unwrap());
    fixture.until_it_sleeps(pid).await;
    let request = [&[0, 0, 0, 16, 0x04, 0xd2, 0x16, 0x2e][..], &key].concat();
    (stream, request)
}

/// Sends a request as a client does, up to its end.
async fn cancel(proxy: &Running, request: &[u8]) {
    let mut stream = proxy.stream().await;
    stream.write_all(request).await.unwrap();
    assert!(rest(&mut stream).await.is_empty());
}

/// The statement has ended as one does that is cancelled.
async fn assert_cancelled(stream: &mut TcpStream) {
    let reading = async {
        let mut bytes = Vec::new();
        loop {
            let read = stream.read_buf(&mut bytes).await.unwrap();
            assert_ne!(read, 0, "the session has ended");
            let error = frames(&bytes).into_iter().find(|(tag, _)| *tag == b'E');
            if let Some((_, error)) = error {
                break error;
            }
        }
    };
    let error = tokio::time::timeout(PATIENCE, reading).await;
    let error = error.expect("the statement still runs");
    let mut fields = error.split(|byte| *byte == 0);
    assert!(fields.any(|field| field == b"C57014"), "{error:?}");
}

#[tokio::test]
async fn a_request_goes_to_the_host_of_its_session_and_to_no_other() {
    let fixture = Fixture::new(people()).await;
    let mut first = FirstHost::new(&fixture);
    let proxy = Running::start(first.settings(&fixture)).await;
    let (mut session, request) = sleeping(&proxy, &fixture).await;
    first.answer();
    cancel(&proxy, &request).await;
    assert_cancelled(&mut session).await;
    assert_eq!(first.received(), Vec::<Vec<u8>>::new());

    // Once the session is over nobody knows whose it was.
    drop(session);
    proxy.settle(0.0).await;
    cancel(&proxy, &request).await;
    assert_eq!(first.received(), [request]);
}

/// As behind a load balancer, which knows nothing of keys.
#[tokio::test]
async fn a_request_that_comes_to_another_proxy_finds_its_session() {
    let fixture = Fixture::new(people()).await;
    let mut first = FirstHost::new(&fixture);
    let proxy = Running::start(first.settings(&fixture)).await;
    let other = Running::start(first.settings(&fixture)).await;
    let (mut session, request) = sleeping(&proxy, &fixture).await;
    // One host that cannot be reached does not keep it from the others.
    cancel(&other, &request).await;
    assert_cancelled(&mut session).await;

    let (mut session, request) = sleeping(&proxy, &fixture).await;
    first.answer();
    cancel(&other, &request).await;
    assert_cancelled(&mut session).await;
    assert_eq!(first.received(), [request]);
}
