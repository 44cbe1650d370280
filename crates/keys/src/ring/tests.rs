use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use futures_util::future::join_all;
use sealwire_core::policy::CekIndex;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use super::*;
use crate::{ColumnEntry, LocalProvider, ManifestBuilder, WrapContext};

/// What the scripted store does with one unwrap.
enum Script {
    /// Unwraps.
    Give,
    /// Waits that long, then unwraps.
    GiveAfter(Duration),
    /// Waits for a permit of the gate, then unwraps.
    GiveAtGate,
    /// Waits a second, then fails.
    Fail(ProviderError),
    /// Gives 32 bytes that are no key of the manifest.
    Garbage,
    /// Never answers.
    Hang,
}

/// Unwraps as scripted, then as [`Script::Give`], and counts.
#[derive(Debug)]
struct Scripted {
    local: LocalProvider,
    script: Mutex<VecDeque<Script>>,
    gate: Semaphore,
    asked: AtomicUsize,
    given: AtomicUsize,
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Script")
    }
}

impl Scripted {
    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn given(&self) -> usize {
        self.given.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl KeyProvider for Scripted {
    fn describe(&self) -> String {
        "test:store".into()
    }

    async fn wrap(
        &self,
        context: WrapContext<'_>,
        key: &Zeroizing<[u8; 32]>,
    ) -> Result<Vec<u8>, ProviderError> {
        self.local.wrap(context, key).await
    }

    async fn unwrap(
        &self,
        context: WrapContext<'_>,
        wrapped: &[u8],
    ) -> Result<Zeroizing<[u8; 32]>, ProviderError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let next = self.script.lock().unwrap().pop_front();
        match next.unwrap_or(Script::Give) {
            Script::Give => {}
            Script::GiveAfter(time) => tokio::time::sleep(time).await,
            Script::GiveAtGate => self.gate.acquire().await.unwrap().forget(),
            Script::Fail(error) => {
                tokio::time::sleep(Duration::from_secs(1)).await;
                return Err(error);
            }
            Script::Garbage => return Ok(Zeroizing::new([0x5a; 32])),
            Script::Hang => std::future::pending().await,
        }
        let key = self.local.unwrap(context, wrapped).await;
        self.given.fetch_add(1, Ordering::SeqCst);
        key
    }
}

/// A ring over a manifest with the keys `main` and `other`; the script begins with the first
/// `key` call.
async fn ring(script: Vec<Script>, options: KeyRingOptions) -> (KeyRing, Arc<Scripted>) {
    let local = LocalProvider::generate().unwrap();
    let mut builder = ManifestBuilder::create(&local).await.unwrap();
    builder.add_cek("main", &local).await.unwrap();
    builder.add_cek("other", &local).await.unwrap();
    let table = "public.users".parse().unwrap();
    let column = ColumnEntry::new(table, "email", "text".parse().unwrap(), "main");
    builder.add_column(column).unwrap();
    let manifest = builder.seal().unwrap();
    let authentic = manifest.authenticate(&local, 0).await.unwrap();
    let provider = Arc::new(Scripted {
        local,
        script: Mutex::new(script.into()),
        gate: Semaphore::new(0),
        asked: AtomicUsize::new(0),
        given: AtomicUsize::new(0),
    });
    let ring = KeyRing::new(&authentic, Arc::<Scripted>::clone(&provider), options).unwrap();
    (ring, provider)
}

const MAIN: KeyId = KeyId {
    cek: CekIndex(0),
    version: 1,
};
const OTHER: KeyId = KeyId {
    cek: CekIndex(1),
    version: 1,
};

fn options() -> KeyRingOptions {
    KeyRingOptions::default()
}

/// Lets every other task run until all of them wait.
async fn settle() {
    for _ in 0..32 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_is_fetched_once_and_kept_for_its_time() {
    let (ring, store) = ring(vec![], options()).await;
    let first = ring.key(MAIN).await.unwrap();
    assert_eq!(first.expires_at, Instant::now() + options().ttl);

    tokio::time::advance(options().ttl - Duration::from_nanos(1)).await;
    let again = ring.key(MAIN).await.unwrap();
    assert!(Arc::ptr_eq(&first.cek, &again.cek));
    assert_eq!(store.asked(), 1);

    tokio::time::advance(Duration::from_nanos(1)).await;
    let anew = ring.key(MAIN).await.unwrap();
    assert!(!Arc::ptr_eq(&first.cek, &anew.cek));
    assert_eq!(first.cek.expose(), anew.cek.expose());
    assert_eq!(store.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn two_keys_under_one_master_key_are_two_keys() {
    let (ring, store) = ring(vec![], options()).await;
    let main = ring.key(MAIN).await.unwrap();
    let other = ring.key(OTHER).await.unwrap();
    assert_ne!(main.cek.expose(), other.cek.expose());
    assert!(Arc::ptr_eq(&main.cek, &ring.key(MAIN).await.unwrap().cek));
    assert_eq!(store.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn many_first_uses_are_one_fetch() {
    let slow = Script::GiveAfter(Duration::from_secs(1));
    let (ring, store) = ring(vec![slow], options()).await;
    let leases = join_all((0..100).map(|_| ring.key(MAIN))).await;
    let first = leases[0].as_ref().unwrap();
    for lease in &leases {
        assert!(Arc::ptr_eq(&first.cek, &lease.as_ref().unwrap().cek));
    }
    assert_eq!(store.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_told_to_all_who_wait_and_not_kept() {
    let denied = ProviderError::Denied("policy `app` lacks `decrypt`".into());
    let (ring, store) = ring(vec![Script::Fail(denied.clone())], options()).await;
    let expected = KeyError::Unavailable {
        key: "main".into(),
        version: 1,
        store: "test:store".into(),
        failure: denied,
    };
    for result in join_all((0..3).map(|_| ring.key(MAIN))).await {
        assert_eq!(result.unwrap_err(), expected);
    }
    assert_eq!(store.asked(), 1);
    assert_eq!(
        expected.to_string(),
        "key `main` version 1 is not available from `test:store`: \
         key store refused: policy `app` lacks `decrypt`"
    );

    ring.key(MAIN).await.unwrap();
    assert_eq!(store.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_waiter_that_gives_up_does_not_end_the_fetch_of_the_others() {
    let (ring, store) = ring(vec![Script::GiveAtGate], options()).await;
    // The first one starts the fetch, so it is its task that the store's answer would wake.
    let first = tokio::spawn({
        let ring = ring.clone();
        async move { ring.key(MAIN).await.map(drop) }
    });
    settle().await;
    let second = tokio::spawn({
        let ring = ring.clone();
        async move { ring.key(MAIN).await.map(drop) }
    });
    settle().await;
    assert_eq!(store.asked(), 1);

    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    store.gate.add_permits(1);
    second.await.unwrap().unwrap();
    assert_eq!((store.asked(), store.given()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_fetch_ends_with_its_last_waiter() {
    let (ring, store) = ring(vec![Script::Hang], options()).await;
    let only = tokio::spawn({
        let ring = ring.clone();
        async move { ring.key(MAIN).await.map(drop) }
    });
    settle().await;
    only.abort();
    assert!(only.await.unwrap_err().is_cancelled());
    // Had the abandoned fetch been kept, its timeout would strike the next one.
    tokio::time::advance(options().fetch_timeout * 2).await;
    ring.key(MAIN).await.unwrap();
    assert_eq!((store.asked(), store.given()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_answer_is_given_up_after_the_timeout() {
    let (ring, store) = ring(vec![Script::Hang], options()).await;
    let before = Instant::now();
    let error = ring.key(MAIN).await.unwrap_err();
    assert_eq!(before.elapsed(), options().fetch_timeout);
    assert_eq!(
        error.to_string(),
        "key `main` version 1 is not available from `test:store`: \
         key store did not answer: no answer in 10000 ms"
    );
    ring.key(MAIN).await.unwrap();
    assert_eq!(store.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn garbage_from_the_store_is_named_and_not_shown() {
    let (ring, _) = ring(vec![Script::Garbage], options()).await;
    let error = ring.key(MAIN).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "`test:store` gave another key than `main` version 1: its key check value differs"
    );
    let shown = format!("{error:?} {error} {ring:?}");
    assert!(
        !shown.contains("5a5a") && !shown.contains("90, 90"),
        "{shown}"
    );
    ring.key(MAIN).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_least_recently_used_key_goes_first_and_is_dropped() {
    let mut small = options();
    small.max_keys = 1;
    let (ring, store) = ring(vec![], small).await;
    let main = Arc::downgrade(&ring.key(MAIN).await.unwrap().cek);
    assert!(main.upgrade().is_some());
    ring.key(OTHER).await.unwrap();
    // The ring held the only reference: the key's memory has been wiped.
    assert!(main.upgrade().is_none());
    ring.key(MAIN).await.unwrap();
    assert_eq!(store.asked(), 3);
}

#[tokio::test(start_paused = true)]
async fn use_is_what_keeps_a_key() {
    let mut two = options();
    two.max_keys = 2;
    let (ring, store) = ring(vec![], two).await;
    ring.key(MAIN).await.unwrap();
    ring.key(OTHER).await.unwrap();
    ring.key(MAIN).await.unwrap();
    let mut state = ring.shared.lock();
    let lease = state.kept[&MAIN].lease.clone();
    let third = KeyId {
        cek: CekIndex(2),
        version: 1,
    };
    state.keep(third, lease, 2);
    let mut left: Vec<KeyId> = state.kept.keys().copied().collect();
    left.sort();
    assert_eq!(left, [MAIN, third]);
    assert_eq!(store.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_expired_key_is_wiped_by_a_purge_without_being_asked_for() {
    let (ring, _) = ring(vec![], options()).await;
    let main = Arc::downgrade(&ring.key(MAIN).await.unwrap().cek);
    ring.purge_expired();
    assert!(main.upgrade().is_some());
    tokio::time::advance(options().ttl).await;
    ring.purge_expired();
    assert!(main.upgrade().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_version_that_the_manifest_lacks_asks_nobody() {
    let (ring, store) = ring(vec![], options()).await;
    let unknown = KeyId { version: 2, ..MAIN };
    let error = ring.key(unknown).await.unwrap_err();
    assert_eq!(error, KeyError::NotInManifest { version: 2 });
    assert_eq!(store.asked(), 0);
}

#[tokio::test]
async fn options_that_keep_nothing_are_refused() {
    let (ring, store) = ring(vec![], options()).await;
    let nothing: [fn(&mut KeyRingOptions); 3] = [
        |o| o.ttl = Duration::ZERO,
        |o| o.max_keys = 0,
        |o| o.fetch_timeout = Duration::ZERO,
    ];
    let local = &store.local;
    let mut builder = ManifestBuilder::create(local).await.unwrap();
    builder.add_cek("main", local).await.unwrap();
    let table = "public.users".parse().unwrap();
    let column = ColumnEntry::new(table, "email", "text".parse().unwrap(), "main");
    builder.add_column(column).unwrap();
    let manifest = builder
        .seal()
        .unwrap()
        .authenticate(local, 0)
        .await
        .unwrap();
    for change in nothing {
        let mut options = options();
        change(&mut options);
        let provider = Arc::<Scripted>::clone(&store);
        let error = KeyRing::new(&manifest, provider, options).unwrap_err();
        assert_eq!(error, KeyError::Options);
    }
    drop(ring);
}

#[test]
fn a_ring_can_be_shared_between_threads() {
    fn check<T: Send + Sync>() {}
    check::<KeyRing>();
    check::<Lease>();
    check::<KeyError>();
}
