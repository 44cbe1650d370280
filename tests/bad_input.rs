//! Bad input gets a clear error and loses nothing: the connection is refused with words that say
//! what to do, or one statement fails and everything else goes on.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "support/connections.rs"]
mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use async_trait::async_trait;
use sealwire::{ColumnEncryption, Error};
use sealwire_keys::{KeyProvider, LocalProvider, ProviderError, WrapContext, WrapPurpose};
use sealwire_testkit::fixture::Fixture;
use sealwire_testkit::fixture::schema::{Column, Table};
use sealwire_testkit::fixture::wire::{Batch, Format, Param, Reply};
use support::{code, everything, people};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, NoTls};
use zeroize::Zeroizing;

async fn refused(url: &str) -> Error {
    match sealwire::connect(url, NoTls).await {
        Ok(_) => panic!("connected with {url}"),
        Err(error) => error,
    }
}

#[track_caller]
fn assert_says(error: &Error, words: &[&str]) {
    let said = format!("{error:?}");
    for word in words {
        assert!(said.contains(word), "`{word}` is missing: {said}");
    }
}

#[tokio::test]
async fn a_manifest_that_is_not_there_is_asked_for() {
    let fixture = Fixture::new(people()).await;
    fs::rename(
        fixture.manifest_path(),
        fixture.directory().join("elsewhere.toml"),
    )
    .unwrap();
    let error = refused(&fixture.url()).await;
    assert!(error.is_manifest(), "{error:?}");
    assert_says(&error, &["cannot read manifest", "sealwire.toml"]);

    // The same for a manifest that should be in the database.
    let url = format!(
        "{}?column_encryption=enabled&column_master_key=file:{}",
        fixture.sealed().url(),
        fixture.key_path().display()
    );
    assert_says(
        &refused(&url).await,
        &["no manifest", "sealwire.manifest", "publish"],
    );
    let owner = fixture.sealed().connect().await;
    owner
        .batch_execute(sealwire_core::ddl::manifest_table_ddl())
        .await
        .unwrap();
    assert_says(&refused(&url).await, &["no manifest", "empty", "publish"]);

    // Published, it is found, and the newest counts.
    let document = fs::read_to_string(fixture.directory().join("elsewhere.toml")).unwrap();
    let publish = "INSERT INTO sealwire.manifest (serial, document) VALUES ($1, $2)";
    owner.execute(publish, &[&1_i64, &document]).await.unwrap();
    let client = support::connect(&url).await;
    client
        .execute("INSERT INTO people (id, note) VALUES (1, 'x')", &[])
        .await
        .unwrap();
    owner
        .execute(publish, &[&2_i64, &"not a manifest"])
        .await
        .unwrap();
    assert_says(&refused(&url).await, &["manifest is malformed"]);
}

#[tokio::test]
async fn a_wrong_or_open_or_unreadable_key_file_is_refused() {
    let fixture = Fixture::new(people()).await;
    let key = fixture.key_path();
    let right = fs::read(&key).unwrap();

    fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
    let error = refused(&fixture.url()).await;
    assert_says(&error, &["0640", "chmod 600", "master.key"]);
    let told = fixture
        .url()
        .replace("master.key", "master.key%3Fallow_insecure_permissions=yes");
    support::connect(&told).await;
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();

    fs::remove_file(&key).unwrap();
    assert_says(
        &refused(&fixture.url()).await,
        &["master.key", "No such file"],
    );
    sealwire_keys::create_key_file(&key).unwrap();
    let error = refused(&fixture.url()).await;
    assert!(error.is_manifest(), "{error:?}");
    assert_says(&error, &["not authentic", "master key is not the one"]);
    let wrong = fs::read_to_string(&key).unwrap();
    assert!(
        !format!("{error:?}").contains(wrong.trim()),
        "the key is in the error"
    );

    for garbage in [&b""[..], b"short", &[0xff; 64], b"zz".repeat(32).as_slice()] {
        fs::write(&key, garbage).unwrap();
        assert_says(&refused(&fixture.url()).await, &["master.key"]);
    }
    fs::write(&key, right).unwrap();
    support::connect(&fixture.url()).await;

    let unknown = fixture
        .url()
        .replace("column_master_key=file:", "column_master_key=vault:");
    assert_says(&refused(&unknown).await, &["vault:", "`env:` and `file:`"]);
}

#[tokio::test]
async fn a_manifest_altered_by_one_byte_is_refused_whichever_byte_it_is() {
    let fixture = Fixture::new(people()).await;
    let manifest = fs::read_to_string(fixture.manifest_path()).unwrap();
    let altered = fixture.directory().join("altered.toml");
    let mut tried = 0;
    let mut at = 0;
    for line in manifest.split_inclusive('\n') {
        let start = at;
        at += line.len();
        if line.trim_start().starts_with('#') {
            continue;
        }
        for (offset, byte) in line
            .bytes()
            .enumerate()
            .filter(|(_, byte)| byte.is_ascii_alphanumeric())
        {
            let mut bytes = manifest.clone().into_bytes();
            // Another digit or letter, so that the text stays a manifest as often as it can.
            bytes[start + offset] = match byte {
                b'9' | b'f' | b'z' | b'F' | b'Z' => byte - 1,
                _ => byte + 1,
            };
            fs::write(&altered, &bytes).unwrap();
            let built = ColumnEncryption::builder()
                .manifest_file(&altered)
                .provider(Arc::new(fixture.provider()))
                .build()
                .await;
            let error = built
                .err()
                .unwrap_or_else(|| panic!("byte {}: accepted", start + offset));
            assert!(
                error.is_manifest() || error.is_key(),
                "byte {}: {error:?}",
                start + offset
            );
            tried += 1;
        }
    }
    assert!(tried > 500, "only {tried} bytes of the manifest were tried");

    fs::write(&altered, &manifest).unwrap();
    ColumnEncryption::builder()
        .manifest_file(&altered)
        .provider(Arc::new(fixture.provider()))
        .build()
        .await
        .unwrap();
}

fn two_keys() -> Vec<Table> {
    vec![Table::new(
        "public",
        "two",
        [
            Column::plain("id", "int4"),
            Column::deterministic("a", "text").key("first"),
            Column::deterministic("b", "text").key("second"),
        ],
    )]
}

/// Two wraps change places, as a server that stores the manifest could do it.
#[tokio::test]
async fn two_wrapped_keys_that_changed_places_are_noticed() {
    let fixture = Fixture::new(two_keys()).await;
    let manifest = fs::read_to_string(fixture.manifest_path()).unwrap();
    let wrapped: Vec<&str> = manifest
        .lines()
        .filter(|line| line.trim_start().starts_with("wrapped"))
        .collect();
    let [.., first, second] = wrapped[..] else {
        panic!("two wrapped keys at the end of {wrapped:?}");
    };
    assert_ne!(first, second);
    let swapped = manifest
        .replace(first, "@")
        .replace(second, first)
        .replace('@', second);
    assert_ne!(swapped, manifest);
    fs::write(fixture.manifest_path(), swapped).unwrap();
    let error = refused(&fixture.url()).await;
    assert!(error.is_manifest());
    assert_says(&error, &["not authentic"]);
}

/// A key store that gives a wrong key: what a store of another tenant, or a broken one, would do.
#[derive(Debug)]
struct Swapping(LocalProvider);

#[async_trait]
impl KeyProvider for Swapping {
    fn describe(&self) -> String {
        "swapping".into()
    }

    async fn wrap(
        &self,
        context: WrapContext<'_>,
        key: &Zeroizing<[u8; 32]>,
    ) -> Result<Vec<u8>, ProviderError> {
        self.0.wrap(context, key).await
    }

    async fn unwrap(
        &self,
        context: WrapContext<'_>,
        wrapped: &[u8],
    ) -> Result<Zeroizing<[u8; 32]>, ProviderError> {
        match context.purpose {
            WrapPurpose::Cek => Ok(Zeroizing::new([7; 32])),
            _ => self.0.unwrap(context, wrapped).await,
        }
    }
}

#[tokio::test]
async fn a_key_store_that_gives_another_key_is_caught_by_the_check_value() {
    let fixture = Fixture::new(two_keys()).await;
    let provider = Arc::new(Swapping(LocalProvider::generate().unwrap()));
    let manifest = fixture
        .manifest_builder(&*provider, |_| {})
        .await
        .seal()
        .unwrap();
    let path = fixture.directory().join("swapping.toml");
    manifest.write_new(&path).unwrap();
    let encryption = ColumnEncryption::builder()
        .manifest_file(&path)
        .provider(provider)
        .build()
        .await
        .unwrap();
    let config = fixture.sealed().config();
    let (client, connection) = encryption.connect(&config, NoTls).await.unwrap();
    tokio::spawn(connection);
    for _ in 0..2 {
        let error = client
            .execute("INSERT INTO two (id, a) VALUES (1, $1)", &[&"zqxmarker"])
            .await
            .unwrap_err();
        assert_eq!(code(&error), "58030");
        let said = everything(&error);
        assert!(
            said.contains("`swapping` gave another key than `first`"),
            "{said}"
        );
        assert!(!said.contains("zqxmarker"), "{said}");
    }
    assert_eq!(
        client.query("SELECT id FROM two", &[]).await.unwrap().len(),
        0
    );
}

#[tokio::test]
async fn a_column_that_is_not_as_the_manifest_says_is_named_at_connect() {
    let fixture = Fixture::new(people()).await;
    let owner = fixture.sealed().connect().await;
    for (harm, repair, words) in [
        (
            "ALTER TABLE people RENAME COLUMN note TO remark",
            "ALTER TABLE people RENAME COLUMN remark TO note",
            ["people.note", "does not exist"],
        ),
        (
            "ALTER TABLE people ALTER COLUMN note TYPE bytea",
            "ALTER TABLE people ALTER COLUMN note TYPE sealwire.randomized",
            ["people.note", "sealwire.randomized"],
        ),
        (
            "ALTER TABLE people ALTER COLUMN email TYPE sealwire.randomized",
            "ALTER TABLE people ALTER COLUMN email TYPE sealwire.deterministic",
            ["people.email", "sealwire.deterministic"],
        ),
        (
            "ALTER TABLE people ALTER COLUMN note SET DEFAULT '\\x1201'::bytea || decode(repeat('00', 40), 'hex')",
            "ALTER TABLE people ALTER COLUMN note DROP DEFAULT",
            ["people.note", "default"],
        ),
    ] {
        owner.batch_execute(harm).await.unwrap();
        let error = refused(&fixture.url()).await;
        assert_says(&error, &words);
        assert_says(&error, &["hint"]);
        owner.batch_execute(repair).await.unwrap();
        support::connect(&fixture.url()).await;
    }
    // A table that is not there yet is no reason to keep a migration out that will create it.
    owner
        .batch_execute("ALTER TABLE people RENAME TO persons")
        .await
        .unwrap();
    let client = support::connect(&fixture.url()).await;
    let error = client
        .query("SELECT email FROM people", &[])
        .await
        .unwrap_err();
    assert_eq!(code(&error), "42P01");
}

const INSERT: &str = "INSERT INTO people (id, email, phone, age, note) VALUES ($1, $2, $3, $4, $5)";

async fn seed(client: &Client) {
    client
        .execute(INSERT, &[&1_i64, &"first@example.com", &"1", &1, &"kept"])
        .await
        .unwrap();
}

/// The failed statement stored nothing, and the connection goes on.
async fn assert_intact(client: &Client) {
    let rows = client
        .query("SELECT email, note FROM people", &[])
        .await
        .unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].get::<_, &str>(0), "first@example.com");
    assert_eq!(rows[0].get::<_, &str>(1), "kept");
}

#[tokio::test]
async fn values_that_do_not_fit_are_refused_as_postgresql_does() {
    let fixture = Fixture::new(people()).await;
    let client = support::connect(&fixture.url()).await;
    seed(&client).await;

    let long: &(dyn ToSql + Sync) = &"zqxmarker-13c";
    let error = client
        .execute(INSERT, &[&2_i64, &"b", long, &2, &"n"])
        .await
        .unwrap_err();
    assert_eq!(code(&error), "22001");
    let db = error.as_db_error().unwrap();
    assert_eq!(
        db.message(),
        "value too long for type character varying(12)"
    );
    assert!(
        db.detail()
            .is_some_and(|detail| detail.contains("people.phone")),
        "{db:?}"
    );
    assert!(!everything(&error).contains("zqxmarker"), "{error:?}");
    assert_intact(&client).await;

    for (sql, expected) in [
        (
            "INSERT INTO people (id, age) VALUES (2, 2147483648)",
            "22003",
        ),
        (
            "INSERT INTO people (id, age) VALUES (2, '2147483648')",
            "22003",
        ),
        (
            "INSERT INTO people (id, age) VALUES (2, 'zqxmarker')",
            "22P02",
        ),
        (
            "UPDATE people SET phone = 'zqxmarker-13c' WHERE id = 1",
            "22001",
        ),
        ("UPDATE people SET born = '2023-02-29'", "22008"),
        ("UPDATE people SET born = 'zqxmarker'", "22007"),
        ("SELECT id FROM people WHERE age = 'zqxmarker'", "22P02"),
    ] {
        for protocol in ["simple", "extended"] {
            let error = match protocol {
                "simple" => client.batch_execute(sql).await.unwrap_err(),
                _ => client.query(sql, &[]).await.unwrap_err(),
            };
            assert_eq!(
                code(&error),
                expected,
                "{sql} ({protocol}): {}",
                everything(&error)
            );
            assert!(!everything(&error).contains("zqxmarker"), "{error:?}");
        }
        assert_intact(&client).await;
    }
}

#[tokio::test]
async fn invalid_utf8_and_broken_binary_are_refused_as_postgresql_does() {
    let fixture = Fixture::new(people()).await;
    let mut sealed = support::wire(&fixture.url()).await;
    let mut plain = fixture.plain_wire().await;
    for (column, param) in [
        ("email", Param::text(*b"zqxmarker \xff")),
        ("email", Param::binary(*b"zqxmarker \xc3")),
        ("note", Param::text(*b"zqxmarker \xed\xa0\x80")),
        ("note", Param::text(*b"zqx\0marker")),
        ("age", Param::binary([0, 0, 1])),
        ("age", Param::binary([0, 0, 0, 0, 1])),
        ("age", Param::text("99999999999")),
        ("born", Param::binary([0, 0, 0, 0, 0, 0, 0, 0])),
        ("phone", Param::text("zqxmarker-13c")),
    ] {
        let mut batch = Batch::new();
        let sql = format!("INSERT INTO people (id, {column}) VALUES (1, $1)");
        batch
            .parse("", &sql, &[])
            .bind("", "", &[param], Format::Text)
            .execute("", 0)
            .sync();
        let codes = [sealed.exchange(&batch).await, plain.exchange(&batch).await].map(|replies| {
            replies.iter().find_map(|reply| match reply {
                Reply::Error(fields) => Some(fields.code().to_owned()),
                _ => None,
            })
        });
        assert!(codes[0].is_some(), "{column}: accepted");
        assert_eq!(codes[0], codes[1], "{column}");
        let replies = sealed.query("SELECT * FROM people").await;
        assert!(
            !replies.iter().any(|reply| matches!(reply, Reply::Row(_))),
            "{column}: stored"
        );
    }
}

#[tokio::test]
async fn null_the_empty_string_and_a_mebibyte_are_values() {
    let fixture = Fixture::new(people()).await;
    let client = support::connect(&fixture.url()).await;
    let mebibyte = "x".repeat(1 << 20);
    client
        .execute(INSERT, &[&1_i64, &"", &"", &0, &mebibyte])
        .await
        .unwrap();
    client
        .execute(
            INSERT,
            &[&2_i64, &None::<&str>, &None::<&str>, &None::<i32>, &""],
        )
        .await
        .unwrap();
    let rows = client
        .query(
            "SELECT email, phone, age, note FROM people ORDER BY id",
            &[],
        )
        .await
        .unwrap();
    assert_eq!(rows[0].get::<_, Option<&str>>(0), Some(""));
    assert_eq!(rows[0].get::<_, Option<&str>>(1), Some(""));
    assert_eq!(rows[0].get::<_, &str>(3), mebibyte);
    assert_eq!(rows[1].get::<_, Option<&str>>(0), None);
    assert_eq!(rows[1].get::<_, Option<i32>>(2), None);
    assert_eq!(rows[1].get::<_, Option<&str>>(3), Some(""));
    let found = client
        .query("SELECT id FROM people WHERE email = $1", &[&""])
        .await
        .unwrap();
    assert_eq!(found.len(), 1, "an empty string is no NULL");
    let cells = support::cells(&fixture, "people", "email").await;
    assert_eq!(cells[0].as_ref().map(Vec::len), Some(18));
    assert_eq!(cells[1], None);

    // A deterministic value may be as long as the specification says, and no longer.
    let error = client
        .execute(INSERT, &[&3_i64, &mebibyte, &"", &0, &""])
        .await
        .unwrap_err();
    assert_eq!(code(&error), "54000");
    assert!(
        error
            .as_db_error()
            .unwrap()
            .hint()
            .unwrap()
            .contains("randomized"),
        "{error:?}"
    );
    // And a btree takes less than that: the server's own error, without the value.
    let long = format!(
        "zqxmarker{}",
        (0..1000).map(|n| n.to_string()).collect::<String>()
    );
    let error = client
        .execute(INSERT, &[&3_i64, &long, &"", &0, &""])
        .await
        .unwrap_err();
    assert_eq!(code(&error), "54000");
    assert!(
        error
            .as_db_error()
            .unwrap()
            .message()
            .contains("people_email_key"),
        "{error:?}"
    );
    assert!(!everything(&error).contains("zqxmarker"));
    assert_eq!(
        client
            .query("SELECT id FROM people", &[])
            .await
            .unwrap()
            .len(),
        2
    );
}

#[tokio::test]
async fn statements_that_cannot_be_read_or_mix_classes_are_refused_with_a_reason() {
    let fixture = Fixture::new(people()).await;
    let client = support::connect(&fixture.url()).await;
    seed(&client).await;
    for (sql, expected, words) in [
        ("SELEC email FROM people", "42601", &["SELEC"][..]),
        (
            "SELECT email FROM people WHERE email = 'zqxmarker' ???",
            "42601",
            &[],
        ),
        (
            "SELECT id FROM people WHERE email = 'zqxmarker",
            "42601",
            &[],
        ),
        (
            "SELECT id FROM people WHERE email = phone",
            "0A000",
            &["people.email", "people.phone"],
        ),
        (
            "SELECT id FROM people WHERE email = name",
            "0A000",
            &["people.email"],
        ),
        (
            "SELECT id FROM people WHERE note = 'zqxmarker'",
            "0A000",
            &["people.note", "randomized"],
        ),
        (
            "SELECT id FROM people WHERE email < 'zqxmarker'",
            "0A000",
            &["people.email", "`<`"],
        ),
        (
            "SELECT id FROM people WHERE email LIKE 'zqxmarker%'",
            "0A000",
            &["people.email"],
        ),
        (
            "SELECT lower(email) FROM people",
            "0A000",
            &["people.email"],
        ),
        (
            "SELECT email FROM people ORDER BY email",
            "0A000",
            &["people.email"],
        ),
        ("SELECT max(email) FROM people", "0A000", &["people.email"]),
        (
            "SELECT DISTINCT note FROM people",
            "0A000",
            &["people.note"],
        ),
        ("SELECT people FROM people", "0A000", &["people"]),
        (
            "UPDATE people SET note = email",
            "0A000",
            &["people.note", "people.email"],
        ),
        ("UPDATE people SET name = email", "0A000", &["people.email"]),
        ("UPDATE people SET email = name", "0A000", &["people.email"]),
        (
            "UPDATE people SET email = lower('zqxmarker')",
            "0A000",
            &["people.email"],
        ),
        (
            "INSERT INTO people (id, email) SELECT 2, entry FROM log",
            "0A000",
            &["people.email"],
        ),
        (
            "CREATE TABLE copy AS SELECT email FROM people",
            "0A000",
            &["people"],
        ),
        ("COPY people TO '/tmp/people'", "0A000", &["people"]),
        (
            "COPY people (id, email) FROM STDIN (ON_ERROR ignore)",
            "0A000",
            &["people"],
        ),
        (
            "DO $$ BEGIN UPDATE people SET email = 'zqxmarker'; END $$",
            "0A000",
            &["people"],
        ),
        (
            "ALTER TABLE people ALTER COLUMN email SET DEFAULT 'zqxmarker'",
            "0A000",
            &["people"],
        ),
        (
            "PREPARE p AS INSERT INTO people (id, email) VALUES (9, upper('zqxmarker'))",
            "0A000",
            &["people"],
        ),
    ] {
        let error = client.batch_execute(sql).await.expect_err(sql);
        assert_eq!(code(&error), expected, "{sql}: {}", everything(&error));
        let db = error.as_db_error().unwrap();
        let said = format!("{} {}", db.message(), db.detail().unwrap_or_default());
        for word in words {
            assert!(said.contains(word), "{sql}: `{word}` is missing: {db:?}");
        }
        if expected == "0A000" {
            assert!(
                db.hint().is_some_and(|hint| !hint.is_empty()),
                "{sql}: no hint: {db:?}"
            );
        }
        assert!(!everything(&error).contains("zqxmarker"), "{sql}: {db:?}");
        assert_intact(&client).await;
    }
    // One parameter in two roles.
    let error = client
        .query(
            "SELECT id FROM people WHERE email = $1 OR name = $1",
            &[&"zqxmarker"],
        )
        .await
        .unwrap_err();
    assert_eq!(code(&error), "0A000");
    assert!(
        error.as_db_error().unwrap().message().contains("$1"),
        "{error:?}"
    );
    assert_intact(&client).await;
}
