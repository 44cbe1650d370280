//! The threads that drive connections, each with a runtime of its own. A connection stays on its
//! thread: neither its bytes nor what wakes it cross from one CPU to another.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tracing::{Dispatch, dispatcher};

/// Threads that end when they are dropped, with whatever they drive.
#[derive(Debug)]
pub(crate) struct Threads(Vec<Thread>);

#[derive(Debug)]
struct Thread {
    runtime: Handle,
    /// Shared with every connection that it drives.
    load: Arc<()>,
    /// Never sent: the thread ends when this is dropped.
    _lives: oneshot::Sender<Infallible>,
}

impl Threads {
    /// As many as `number`, which logs as its caller does.
    ///
    /// # Errors
    /// When the system does not give so many threads or descriptors.
    pub(crate) fn start(number: usize) -> io::Result<Self> {
        (0..number)
            .map(Thread::start)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Has the thread that drives the fewest connections drive this one.
    pub(crate) fn spawn(
        &self,
        connections: &mut JoinSet<()>,
        serve: impl Future<Output = ()> + Send + 'static,
    ) {
        let least = self.0.iter().min_by_key(|it| Arc::strong_count(&it.load));
        let Some(thread) = least else { return };
        let load = Arc::clone(&thread.load);
        let serve = async move {
            serve.await;
            drop(load);
        };
        connections.spawn_on(serve, &thread.runtime);
    }
}

impl Thread {
    fn start(number: usize) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (lives, ended) = oneshot::channel();
        let log = dispatcher::get_default(Dispatch::clone);
        thread::Builder::new()
            .name(format!("sealwire-{number}"))
            .spawn(move || {
                let _log = dispatcher::set_default(&log);
                let _ = runtime.block_on(ended);
                // A name that is being resolved, or a file that cannot be read to its end.
                runtime.shutdown_background();
            })?;
        Ok(Self {
            runtime: handle,
            load: Arc::new(()),
            _lives: lives,
        })
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn connections_are_shared_out_evenly_and_stay_where_they_are() {
        let threads = Threads::start(3).unwrap();
        let mut connections = JoinSet::new();
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let (goes_on, order) = tokio::sync::watch::channel(());
        for _ in 0..9 {
            let (sender, mut order) = (sender.clone(), order.clone());
            threads.spawn(&mut connections, async move {
                sender
                    .send(thread::current().name().map(String::from))
                    .unwrap();
                order.changed().await.unwrap();
                sender
                    .send(thread::current().name().map(String::from))
                    .unwrap();
            });
        }
        let mut names = Vec::new();
        for _ in 0..9 {
            names.push(receiver.recv().await.unwrap().unwrap());
        }
        goes_on.send(()).unwrap();
        while connections.join_next().await.is_some() {}
        for _ in 0..9 {
            names.push(receiver.recv().await.unwrap().unwrap());
        }
        names.sort();
        assert_eq!(
            names
                .chunk_by(|a, b| a == b)
                .map(|same| (same[0].as_str(), same.len()))
                .collect::<Vec<_>>(),
            [("sealwire-0", 6), ("sealwire-1", 6), ("sealwire-2", 6)]
        );
    }

    #[tokio::test]
    async fn a_thread_that_has_less_to_do_gets_the_next() {
        let threads = Threads::start(2).unwrap();
        let mut connections = JoinSet::new();
        threads.spawn(&mut connections, std::future::pending());
        for _ in 0..2 {
            let (sender, receiver) = oneshot::channel();
            threads.spawn(&mut connections, async {
                sender
                    .send(thread::current().name().map(String::from))
                    .unwrap();
            });
            assert_eq!(receiver.await.unwrap().unwrap(), "sealwire-1");
            connections.join_next().await.unwrap().unwrap();
        }
    }

    #[tokio::test]
    async fn what_they_drive_ends_with_them() {
        let threads = Threads::start(1).unwrap();
        let mut connections = JoinSet::new();
        threads.spawn(&mut connections, std::future::pending());
        drop(threads);
        assert!(
            connections
                .join_next()
                .await
                .unwrap()
                .unwrap_err()
                .is_cancelled()
        );
    }
}
