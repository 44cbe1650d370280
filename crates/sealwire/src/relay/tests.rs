//! The relay over transports that do no more than they have to: each keeps one waker, the last that
//! it was asked with, wakes it once, and takes and gives as few bytes as chance wants. The task is
//! polled only when it has been woken.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Wake, Waker};

use futures_util::stream;
use tokio::io::ReadBuf;

use super::*;

/// A CancelRequest, behind which bytes pass as they are.
const CANCEL_REQUEST: [u8; 16] = [0, 0, 0, 16, 4, 210, 22, 46, 0, 0, 0, 1, 0, 0, 0, 2];

/// The peer's end of a transport.
#[derive(Clone, Default)]
struct Peer(Arc<Mutex<Ends>>);

#[derive(Default)]
struct Ends {
    /// What the peer has sent and the relay has not read.
    sent: VecDeque<u8>,
    sent_all: bool,
    /// What the relay has written.
    received: Vec<u8>,
    /// Bytes that the relay may write.
    room: usize,
    /// Bytes have been written and not been flushed.
    dirty: bool,
    shut_down: bool,
    waker: Option<Waker>,
}

impl Peer {
    fn with<R>(&self, act: impl FnOnce(&mut Ends) -> R) -> R {
        act(&mut self.0.lock().unwrap())
    }

    /// Changes something that the relay may wait for.
    fn change(&self, act: impl FnOnce(&mut Ends)) {
        let waker = self.with(|ends| {
            act(ends);
            ends.waker.take()
        });
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl AsyncRead for Peer {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.with(|ends| {
            if ends.sent.is_empty() && !ends.sent_all {
                ends.waker = Some(cx.waker().clone());
                return Poll::Pending;
            }
            let len = fastrand::usize(1..=9).min(ends.sent.len());
            let bytes: Vec<u8> = ends.sent.drain(..len).collect();
            buf.put_slice(&bytes);
            Poll::Ready(Ok(()))
        })
    }
}

impl AsyncWrite for Peer {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.with(|ends| {
            if ends.room == 0 {
                ends.waker = Some(cx.waker().clone());
                return Poll::Pending;
            }
            let len = fastrand::usize(1..=9).min(ends.room).min(bytes.len());
            ends.received.extend_from_slice(&bytes[..len]);
            ends.room -= len;
            ends.dirty = true;
            Poll::Ready(Ok(len))
        })
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|ends| {
            if ends.dirty && ends.room == 0 {
                ends.waker = Some(cx.waker().clone());
                return Poll::Pending;
            }
            ends.dirty = false;
            Poll::Ready(Ok(()))
        })
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|ends| ends.shut_down = true);
        Poll::Ready(Ok(()))
    }
}

#[derive(Default)]
struct Task(AtomicBool);

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

async fn encryption() -> ColumnEncryption {
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("sealwire.key");
    sealwire_keys::create_key_file(&key).unwrap();
    ColumnEncryption::builder()
        .manifest_from_database()
        .master_key(format!("file:{}", key.display()))
        .build()
        .await
        .unwrap()
}

fn some_bytes() -> Vec<u8> {
    let len = fastrand::usize(0..40);
    std::iter::repeat_with(|| fastrand::u8(..))
        .take(len)
        .collect()
}

#[tokio::test]
async fn every_byte_passes_whoever_wakes_the_task_for_what() {
    let encryption = encryption().await;
    for seed in 0..2000 {
        fastrand::seed(seed);
        let (client, server) = (Peer::default(), Peer::default());
        let mut relay = Relay::new(client.clone(), server.clone(), &encryption, &CANCEL_REQUEST);
        let mut run = pin!(relay.run(stream::pending()));
        let mut task = Arc::new(Task(AtomicBool::new(true)));
        let (mut by_client, mut by_server) = (CANCEL_REQUEST.to_vec(), Vec::new());
        let mut ended = None;
        // Whether the server ends when it has been told that the client has, or at any time.
        let waits = fastrand::bool();
        let steps = fastrand::usize(1..60);
        // Afterwards there is room for everything, and both peers have sent all.
        for step in 0..steps + 400 {
            let last = step == steps;
            let goes_on = step < steps;
            match fastrand::u8(0..6) {
                _ if last => {
                    for peer in [&client, &server] {
                        peer.change(|ends| ends.room = usize::MAX);
                    }
                    client.change(|ends| ends.sent_all = true);
                    server.change(|ends| ends.sent_all = !waits);
                }
                // As a server ends when its client has.
                _ if waits && server.with(|ends| ends.shut_down && !ends.sent_all) => {
                    server.change(|ends| ends.sent_all = true);
                }
                0 if goes_on => {
                    let bytes = some_bytes();
                    by_client.extend_from_slice(&bytes);
                    client.change(|ends| ends.sent.extend(bytes));
                }
                1 if goes_on => {
                    let bytes = some_bytes();
                    by_server.extend_from_slice(&bytes);
                    server.change(|ends| ends.sent.extend(bytes));
                }
                2 if goes_on => client.change(|ends| ends.room += 20),
                3 if goes_on => server.change(|ends| ends.room += 20),
                4 if goes_on => {
                    // The task has another waker from now on, and is woken.
                    task = Arc::new(Task(AtomicBool::new(true)));
                }
                _ if task.0.swap(false, Ordering::Relaxed) => {
                    let waker = Waker::from(Arc::clone(&task));
                    if let Poll::Ready(how) = run.as_mut().poll(&mut Context::from_waker(&waker)) {
                        ended = Some(how);
                        break;
                    }
                }
                _ => {}
            }
        }
        assert!(
            matches!(ended, Some(Ended::Closed)),
            "seed {seed}: {ended:?}"
        );
        let (to_client, to_server) = (
            client.with(|ends| std::mem::take(&mut ends.received)),
            server.with(|ends| std::mem::take(&mut ends.received)),
        );
        assert_eq!(to_client, by_server, "seed {seed}");
        let expected = if waits {
            &by_client[..]
        } else {
            &by_client[..to_server.len()]
        };
        assert_eq!(to_server, expected, "seed {seed}");
        assert!(client.with(|ends| ends.shut_down), "seed {seed}");
    }
}
