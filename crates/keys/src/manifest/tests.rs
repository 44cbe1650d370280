mod vectors;

use std::fs;

use async_trait::async_trait;
use data_encoding::{BASE64, HEXLOWER};
use sealwire_core::policy::{Mode, PolicyError};
use zeroize::Zeroizing;

use super::*;
use crate::LocalProvider;

fn email() -> ColumnEntry {
    let table = "public.users".parse().unwrap();
    let mut column = ColumnEntry::new(table, "email", "text".parse().unwrap(), "main");
    column.mode = Mode::Deterministic;
    column
}

fn note() -> ColumnEntry {
    let table = "public.users".parse().unwrap();
    ColumnEntry::new(table, "note", "text".parse().unwrap(), "main")
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

async fn builder(provider: &LocalProvider) -> ManifestBuilder {
    let mut builder = ManifestBuilder::create(provider).await.unwrap();
    builder.add_cek("main", provider).await.unwrap();
    builder
}

async fn sample(provider: &LocalProvider) -> Manifest {
    let mut builder = builder(provider).await;
    builder.add_column(email()).unwrap();
    let table = email().table;
    builder
        .pin_columns(&table, names(&["id", "email"]))
        .unwrap();
    builder.seal().unwrap()
}

#[tokio::test]
async fn an_altered_byte_is_an_error_or_changes_nothing() {
    let provider = LocalProvider::generate().unwrap();
    let manifest = sample(&provider).await;
    let text = manifest.as_toml();
    let body = text.find("version = ").unwrap();
    let (mut malformed, mut unauthentic, mut same) = (0, 0, 0);
    for at in body..text.len() {
        for flip in [0x01, 0x02, 0x04, 0x20] {
            let mut bytes = text.as_bytes().to_vec();
            bytes[at] ^= flip;
            let Ok(altered) = String::from_utf8(bytes) else {
                continue;
            };
            match Manifest::parse(&altered) {
                Err(_) => malformed += 1,
                // White space for other white space, a blank for a sign: the same fields.
                Ok(altered) if altered.document == manifest.document => same += 1,
                Ok(altered) => {
                    let error = altered.authenticate(&provider, 0).await.unwrap_err();
                    assert!(
                        matches!(
                            error,
                            ManifestError::NotAuthentic | ManifestError::ForeignRoot { .. }
                        ),
                        "byte {at} ^ {flip}: {error:?}"
                    );
                    unauthentic += 1;
                }
            }
        }
    }
    assert!(
        malformed > 500 && unauthentic > 500,
        "{malformed} {unauthentic}"
    );
    assert!(same < 20, "{same}");
}

#[tokio::test]
async fn each_sealing_is_one_serial_on_and_survives_the_text() {
    let provider = LocalProvider::generate().unwrap();
    let first = sample(&provider).await;
    assert_eq!(first.serial(), 1);
    let mut builder = first.clone().edit(&provider).await.unwrap();
    builder.add_column(note()).unwrap();
    let second = builder.seal().unwrap();
    assert_eq!(second.serial(), 2);
    assert_eq!(second.root_id(), first.root_id());

    let read = Manifest::parse(second.as_toml()).unwrap();
    assert_eq!(read, second);
    let authentic = read.authenticate(&provider, 2).await.unwrap();
    let policy = authentic.policy();
    let columns: Vec<_> = policy.columns().iter().map(|c| c.path()).collect();
    assert_eq!(columns, ["public.users.email", "public.users.note"]);
    assert_eq!(policy.ceks()[0].live, [1]);
}

#[tokio::test]
async fn a_forgery_cannot_be_edited() {
    let provider = LocalProvider::generate().unwrap();
    let forged = sample(&provider)
        .await
        .as_toml()
        .replace("deterministic", "randomized");
    let forged = Manifest::parse(&forged).unwrap();
    let error = forged.edit(&provider).await.unwrap_err();
    assert_eq!(error, ManifestError::NotAuthentic);
}

#[tokio::test]
async fn a_new_column_drops_the_pin_that_lacks_it() {
    let provider = LocalProvider::generate().unwrap();
    let mut builder = builder(&provider).await;
    builder.add_column(email()).unwrap();
    let table = email().table;
    let error = builder.pin_columns(&table, names(&["id"])).unwrap_err();
    assert!(matches!(
        error,
        ManifestError::Policy(PolicyError::BadPin { .. })
    ));
    builder
        .pin_columns(&table, names(&["id", "email"]))
        .unwrap();
    builder.add_column(note()).unwrap();
    assert!(builder.tables().is_empty());

    let all = names(&["id", "email", "note", "vip"]);
    builder.pin_columns(&table, all).unwrap();
    let mut vip = ColumnEntry::new(table, "vip", "boolean".parse().unwrap(), "main");
    builder.add_column(vip.clone()).unwrap();
    assert_eq!(builder.tables().len(), 1);

    vip.column = "blocked".into();
    vip.class = "public.users.blocked".into();
    vip.mode = Mode::Deterministic;
    let before = builder.columns().to_vec();
    builder.add_column(vip).unwrap_err();
    assert_eq!(builder.columns(), before);
}

#[tokio::test]
async fn what_no_client_could_use_is_refused_with_a_hint() {
    let provider = LocalProvider::generate().unwrap();
    let mut empty = builder(&provider).await;
    let error = empty.add_cek("main", &provider).await.unwrap_err();
    assert_eq!(error.to_string(), "there is a key `main` already");
    assert!(empty.add_cek("no name", &provider).await.is_err());

    let manifest = empty.seal().unwrap();
    let error = manifest.authenticate(&provider, 0).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the manifest protects nothing: it names no encrypted column"
    );
    assert!(error.hint().unwrap().contains("sealwire columns add"));
}

#[tokio::test]
async fn another_master_key_is_told_apart_from_an_altered_manifest() {
    let (ours, theirs) = (
        LocalProvider::generate().unwrap(),
        LocalProvider::generate().unwrap(),
    );
    let manifest = sample(&ours).await;
    let error = manifest.authenticate(&theirs, 0).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "manifest is not authentic: `a key in memory` did not wrap its root secret"
    );
    assert!(error.hint().unwrap().contains("the master key is not"));
}

#[tokio::test]
async fn neither_an_older_manifest_nor_another_root_follows_a_seen_one() {
    let provider = LocalProvider::generate().unwrap();
    let first = sample(&provider).await;
    let second = first.clone().edit(&provider).await.unwrap().seal().unwrap();
    let other = sample(&provider).await.edit(&provider).await.unwrap();
    let other = other.seal().unwrap().edit(&provider).await.unwrap();
    let other = other.seal().unwrap();
    assert_eq!(other.serial(), 3);

    let seen = SeenManifest::new();
    seen.authenticate(&first, &provider).await.unwrap();
    seen.authenticate(&first, &provider).await.unwrap();
    seen.authenticate(&second, &provider).await.unwrap();
    let error = seen.authenticate(&first, &provider).await.unwrap_err();
    assert_eq!(error, ManifestError::Older { found: 1, seen: 2 });
    let error = seen.authenticate(&other, &provider).await.unwrap_err();
    assert_eq!(error, ManifestError::OtherRoot);
    // What was refused was not remembered.
    assert_eq!(seen.serial(), 2);
    seen.authenticate(&second, &provider).await.unwrap();
}

#[tokio::test]
async fn rewrapping_changes_the_wraps_and_no_key() {
    let (old, new) = (
        LocalProvider::generate().unwrap(),
        LocalProvider::generate().unwrap(),
    );
    let before = sample(&old).await;
    let mut builder = before.clone().edit(&old).await.unwrap();
    let error = builder.rewrap(&new, &new).await.unwrap_err();
    assert!(matches!(error, ManifestError::Store { .. }));
    builder.rewrap(&old, &new).await.unwrap();
    let after = builder.seal().unwrap();

    assert!(after.authenticate(&old, 0).await.is_err());
    let id = KeyId {
        cek: CekIndex(0),
        version: 1,
    };
    let mut keys = Vec::new();
    for (manifest, provider) in [(before, old), (after, new)] {
        let authentic = manifest.authenticate(&provider, 0).await.unwrap();
        let ring = crate::KeyRing::new(&authentic, Arc::new(provider), Default::default());
        keys.push(*ring.unwrap().key(id).await.unwrap().cek.expose());
    }
    assert_eq!(keys[0], keys[1]);
}

/// A store that fails, or never answers.
#[derive(Debug)]
struct Down(Option<ProviderError>);

#[async_trait]
impl KeyProvider for Down {
    fn describe(&self) -> String {
        "test:down".into()
    }

    async fn wrap(
        &self,
        _: WrapContext<'_>,
        _: &Zeroizing<[u8; 32]>,
    ) -> Result<Vec<u8>, ProviderError> {
        self.answer().await.map(|_| Vec::new())
    }

    async fn unwrap(
        &self,
        _: WrapContext<'_>,
        _: &[u8],
    ) -> Result<Zeroizing<[u8; 32]>, ProviderError> {
        self.answer().await
    }
}

impl Down {
    async fn answer(&self) -> Result<Zeroizing<[u8; 32]>, ProviderError> {
        match &self.0 {
            Some(error) => Err(error.clone()),
            None => std::future::pending().await,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_down_or_silent_is_named() {
    let manifest = sample(&LocalProvider::generate().unwrap()).await;
    let refused = ProviderError::Unavailable("connection refused".into());
    for (store, message) in [
        (
            Down(Some(refused)),
            "manifest cannot be authenticated with `test:down`: \
             key store did not answer: connection refused",
        ),
        (
            Down(None),
            "manifest cannot be authenticated with `test:down`: \
             key store did not answer: no answer in 10000 ms",
        ),
    ] {
        let error = manifest.authenticate(&store, 0).await.unwrap_err();
        assert_eq!(error.to_string(), message);
    }
    let denied = Down(Some(ProviderError::Denied("read only".into())));
    let error = ManifestBuilder::create(&denied).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "`test:down` cannot wrap a new key: key store refused: read only"
    );
}

#[test]
fn a_syntax_error_says_where() {
    let error = Manifest::parse("version = 1\nserial = 1\n  what = 2\n").unwrap_err();
    let ManifestError::Syntax {
        line,
        column,
        message,
    } = &error
    else {
        panic!("{error:?}");
    };
    assert_eq!((*line, *column), (3, 3));
    assert!(message.contains("unknown field `what`"), "{message}");

    let long = "#".repeat(document::MAX_DOCUMENT_BYTES + 1);
    let error = Manifest::parse(&long).unwrap_err();
    assert_eq!(error.to_string(), "manifest is longer than 4194304 bytes");
}

#[tokio::test]
async fn debug_output_shows_no_key_and_no_wrap() {
    let provider = LocalProvider::generate().unwrap();
    let manifest = sample(&provider).await;
    let secret = *manifest.verify(&provider).await.unwrap().expose();
    let wrapped = manifest.document.root.wrapped.clone();
    let authentic = manifest.authenticate(&provider, 0).await.unwrap();
    let mut shown = format!("{manifest:?} {authentic:?}");
    shown += &format!("{:?}", manifest.edit(&provider).await.unwrap());
    for bytes in [&secret[..], wrapped.as_bytes()] {
        let decimal = format!("{bytes:?}");
        for form in [
            HEXLOWER.encode(bytes),
            BASE64.encode(bytes),
            decimal.trim_matches(['[', ']']).to_owned(),
        ] {
            assert!(!shown.contains(&form));
        }
    }
}

#[tokio::test]
async fn a_manifest_file_is_replaced_in_one_step_or_not_at_all() {
    let provider = LocalProvider::generate().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sealwire.toml");
    let first = sample(&provider).await;
    first.write_new(&path).unwrap();
    assert_eq!(Manifest::read(&path).unwrap(), first);

    let second = first.clone().edit(&provider).await.unwrap().seal().unwrap();
    let error = second.write_new(&path).unwrap_err();
    assert!(matches!(
        error,
        ManifestError::File {
            action: "write",
            ..
        }
    ));
    assert_eq!(Manifest::read(&path).unwrap(), first);
    second.write(&path).unwrap();
    assert_eq!(Manifest::read(&path).unwrap(), second);

    let missing = second.write(&dir.path().join("no/such/dir")).unwrap_err();
    assert!(missing.to_string().starts_with("cannot write manifest `"));
    // No temporary file is left, whether writing succeeded or failed.
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[cfg(unix)]
#[tokio::test]
async fn a_manifest_behind_a_link_is_replaced_where_it_lies() {
    use std::os::unix::fs::{PermissionsExt, symlink};

    let provider = LocalProvider::generate().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (file, link) = (dir.path().join("real.toml"), dir.path().join("link.toml"));
    symlink(&file, &link).unwrap();
    let first = sample(&provider).await;
    first.write(&file).unwrap();
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o600, 0o600);
    let second = first.edit(&provider).await.unwrap().seal().unwrap();
    second.write(&link).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(Manifest::read(&file).unwrap(), second);
}

#[test]
fn a_file_that_is_no_manifest_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sealwire.toml");
    assert!(matches!(
        Manifest::read(&path).unwrap_err(),
        ManifestError::File { action: "read", .. }
    ));
    fs::write(&path, [0xff, 0xfe]).unwrap();
    assert!(matches!(
        Manifest::read(&path).unwrap_err(),
        ManifestError::File { action: "read", .. }
    ));
}

#[tokio::test]
async fn a_renamed_column_keeps_what_its_cells_depend_on() {
    let provider = LocalProvider::generate().unwrap();
    let mut builder = builder(&provider).await;
    builder.add_column(email()).unwrap();
    builder.add_column(note()).unwrap();
    let table = email().table;
    let order = names(&["id", "email", "note"]);
    builder.pin_columns(&table, order).unwrap();

    let unknown = builder.rename_column(&table, "mail", "letters");
    assert!(matches!(unknown, Err(ManifestError::NotListed(_))));
    assert!(
        builder.rename_column(&table, "email", "note").is_err(),
        "a name that is taken"
    );
    builder.rename_column(&table, "email", "mail").unwrap();
    let mut expected = email();
    expected.column = "mail".into();
    assert_eq!(builder.columns(), [expected.clone(), note()]);
    assert_eq!(builder.tables()[0].columns, ["id", "mail", "note"]);

    let people: TableName = "app.people".parse().unwrap();
    let unknown = builder.rename_table(&people, &table);
    assert!(matches!(unknown, Err(ManifestError::NotListed(_))));
    builder.rename_table(&table, &people).unwrap();
    expected.table = people.clone();
    assert_eq!(builder.columns()[0], expected);
    assert_eq!(builder.tables()[0].name, people);
    let manifest = builder.seal().unwrap();
    let policy = manifest.document.policy().unwrap();
    let table = policy.table("app", "people").unwrap();
    let mail = policy.column(policy.column_of(table, "mail").unwrap());
    assert_eq!(mail.class, "public.users.email");
}

#[tokio::test]
async fn labels_are_added_behind_the_others_and_renamed_in_place() {
    let provider = LocalProvider::generate().unwrap();
    let mut builder = builder(&provider).await;
    let mood: ColumnType = "public.mood".parse().unwrap();
    let table = "public.users".parse().unwrap();
    let mut column = ColumnEntry::new(table, "mood", mood.clone(), "main");
    let error = builder.add_column(column.clone()).unwrap_err();
    assert!(error.to_string().contains("must have labels"), "{error}");
    column.labels = names(&["sad", "sad"]);
    assert!(builder.add_column(column.clone()).is_err());
    column.labels = names(&["sad", "ok"]);
    builder.add_column(column).unwrap();

    builder.add_label(&mood, "happy").unwrap();
    builder.rename_label(&mood, "ok", "fine").unwrap();
    assert!(builder.add_label(&mood, "sad").is_err());
    assert!(builder.rename_label(&mood, "ok", "good").is_err());
    assert!(builder.rename_label(&mood, "fine", "sad").is_err());
    let other = "public.other".parse().unwrap();
    assert!(builder.add_label(&other, "sad").is_err());
    assert_eq!(
        builder.columns()[0].labels,
        names(&["sad", "fine", "happy"])
    );

    let manifest = builder.seal().unwrap();
    let text = manifest.as_toml().to_owned();
    let policy = manifest.authenticate(&provider, 0).await.unwrap();
    let column = &policy.policy().columns()[0];
    assert_eq!(column.type_name(), "public.mood");
    assert_eq!(column.target().labels, names(&["sad", "fine", "happy"]));

    // The labels are under the MAC, their order included.
    for altered in [
        text.replace("\"fine\"", "\"good\""),
        text.replace("\"sad\", \"fine\"", "\"fine\", \"sad\""),
    ] {
        assert_ne!(altered, text);
        let altered = Manifest::parse(&altered).unwrap();
        let error = altered.authenticate(&provider, 0).await.unwrap_err();
        assert_eq!(error, ManifestError::NotAuthentic);
    }
}
