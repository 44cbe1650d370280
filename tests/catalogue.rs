//! What a name means changes: by the search path, by temporary tables, by DDL of this session and
//! of others. A statement is planned again or refused; it is never sealed for the wrong column, and
//! nothing goes out in the clear.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "support/connections.rs"]
mod support;

use sealwire_testkit::RecordingProxy;
use sealwire_testkit::fixture::Fixture;
use support::{code, everything, people};
use tokio_postgres::{Client, Error, SimpleQueryMessage};

/// A session through Sealwire whose every byte is recorded, and the owner's, without Sealwire.
struct World {
    fixture: Fixture,
    proxy: RecordingProxy,
    client: Client,
    owner: Client,
}

impl World {
    async fn new() -> Self {
        let fixture = Fixture::new(people()).await;
        let proxy = RecordingProxy::start(fixture.sealed()).await;
        let client = support::connect(&fixture.url_through(proxy.port())).await;
        let owner = fixture.sealed().connect().await;
        Self {
            fixture,
            proxy,
            client,
            owner,
        }
    }

    async fn another(&self) -> Client {
        support::connect(&self.fixture.url_through(self.proxy.port())).await
    }

    async fn fill(&self) {
        self.client
            .batch_execute(
                "INSERT INTO people (id, email, phone, note, name) VALUES \
                 (1, 'zqxmarker-1', '555-1', 'zqxmarker-n', 'ann'), \
                 (2, 'zqxmarker-2', '555-2', NULL, 'bob')",
            )
            .await
            .unwrap();
    }

    fn assert_secret(&self) {
        self.proxy.assert_absent(&["zqxmarker"]);
    }
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, Error>, sqlstate: &str) -> String {
    let error = result.expect_err("refused");
    assert_eq!(code(&error), sqlstate, "{}", everything(&error));
    assert!(!everything(&error).contains("zqxmarker"), "{error:?}");
    error.as_db_error().unwrap().message().to_owned()
}

/// The values of the first column.
async fn column(client: &Client, sql: &str) -> Vec<String> {
    let messages = client.simple_query(sql).await;
    let messages = messages.unwrap_or_else(|error| panic!("{sql}: {}", everything(&error)));
    let row = |message: &SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or("NULL").to_owned()),
        _ => None,
    };
    messages.iter().filter_map(row).collect()
}

/// Cells that the manifest does not list: a copy by `LIKE`, a domain over the cells' domain, an
/// array, a view over them, another schema. The session finds them at its start.
#[tokio::test]
async fn no_value_is_sent_to_cells_that_the_manifest_does_not_list() {
    let world = World::new().await;
    world.fill().await;
    world
        .owner
        .batch_execute(
            "CREATE TABLE archive (LIKE people); \
             INSERT INTO archive SELECT * FROM people; \
             CREATE SCHEMA other; \
             CREATE DOMAIN other.mail AS sealwire.deterministic; \
             CREATE TABLE other.vault (id int, secret other.mail, more sealwire.randomized[]); \
             CREATE VIEW v_archive AS SELECT id, email AS mail FROM archive",
        )
        .await
        .unwrap();
    let client = world.another().await;
    for sql in [
        "SELECT id FROM archive WHERE email = 'zqxmarker-1'",
        "UPDATE archive SET note = 'zqxmarker-1'",
        "INSERT INTO other.vault (id, secret) VALUES (1, 'zqxmarker-1')",
        "INSERT INTO other.vault (id, more) VALUES (1, ARRAY['zqxmarker-1'])",
        "SELECT 1 FROM v_archive WHERE mail = 'zqxmarker-1'",
        "SELECT 1 FROM archive WHERE convert_from(email, 'UTF8') LIKE 'zqxmarker%'",
    ] {
        let message = refused(client.simple_query(sql).await, "42P17");
        assert!(message.contains("refusing to"), "{message}");
    }
    let message = refused(
        client
            .query("SELECT id FROM archive WHERE email = $1", &[&"zqxmarker-1"])
            .await,
        "42P17",
    );
    assert!(message.contains("`public.archive.email`"), "{message}");
    // As they are, and to and fro within the table.
    assert_eq!(
        column(&client, "SELECT email FROM archive ORDER BY id").await,
        column(&world.owner, "SELECT email FROM archive ORDER BY id").await,
    );
    client
        .batch_execute(
            "UPDATE archive SET email = email, name = 'x'; \
             INSERT INTO archive (id, email) VALUES (3, NULL)",
        )
        .await
        .unwrap();
    assert_eq!(
        column(&client, "SELECT count(email) FROM archive").await,
        ["2"]
    );
    world.assert_secret();
}

const INSERT: &str = "INSERT INTO people (id, email, name) VALUES ($1, $2, $3)";
const BY_EMAIL: &str = "SELECT id FROM people WHERE email = $1";

/// Every way to lead the name to a plain table of another schema: refused until it leads back,
/// prepared before or after.
#[tokio::test]
async fn a_search_path_does_not_lead_a_value_into_the_clear() {
    let world = World::new().await;
    world.fill().await;
    world
        .owner
        .batch_execute(
            "CREATE SCHEMA plain; \
             CREATE TABLE plain.people (id int8, email text, name text); \
             CREATE FUNCTION go_plain() RETURNS void LANGUAGE plpgsql AS \
               'BEGIN SET search_path = plain; END'; \
             CREATE FUNCTION go_plain_by_name(name text) RETURNS text LANGUAGE sql AS \
               'SELECT set_config(''search_path'', $1, false)'; \
             CREATE PROCEDURE go_plain_too() LANGUAGE plpgsql AS \
               'BEGIN PERFORM set_config(''search_path'', ''plain'', false); END'; \
             CREATE FUNCTION quiet() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        )
        .await
        .unwrap();
    let client = world.another().await;
    let insert = client.prepare(INSERT).await.unwrap();
    let select = client.prepare(BY_EMAIL).await.unwrap();
    for change in [
        "SET search_path = plain",
        "SET SESSION search_path TO plain, public",
        "SET SCHEMA 'plain'",
        "SELECT set_config('search_path', 'plain', false)",
        "WITH c AS (SELECT pg_catalog.set_config('search_path', 'plain', false)) SELECT * FROM c",
        "PREPARE p AS SELECT set_config('search_path', 'plain', false); EXECUTE p; DEALLOCATE p",
        "SELECT public.go_plain()",
        "SELECT public.go_plain_by_name('plain')",
        "CALL public.go_plain_too()",
        "DO $$ BEGIN EXECUTE 'SET search_path = plain'; END $$",
        "BEGIN; SET LOCAL search_path = plain",
        "BEGIN; SELECT set_config('search_path', 'plain', true)",
        "BEGIN; SAVEPOINT s; SET search_path = plain",
    ] {
        client.batch_execute(change).await.unwrap();
        let in_transaction = change.starts_with("BEGIN");
        let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
            [&9_i64, &"zqxmarker-9", &"x"];
        if !in_transaction {
            refused(client.execute(&insert, &parameters).await, "42703");
            refused(client.query(&select, &[&"zqxmarker-1"]).await, "42703");
            refused(client.execute(INSERT, &parameters).await, "42703");
        }
        let literal = "SELECT id FROM people WHERE email = 'zqxmarker-1'";
        refused(client.simple_query(literal).await, "42703");
        // With the schema named, the name cannot be led anywhere.
        if !in_transaction {
            let qualified = "SELECT id FROM public.people WHERE email = 'zqxmarker-1'";
            assert_eq!(column(&client, qualified).await, ["1"], "{change}");
        }
        let back = match change {
            _ if change.contains("SAVEPOINT") => "ROLLBACK TO s; COMMIT",
            _ if in_transaction => "ROLLBACK",
            "SET search_path = plain" => "RESET search_path",
            "SET SCHEMA 'plain'" => "RESET ALL",
            "SELECT public.go_plain()" => "SET search_path TO DEFAULT",
            _ => "SET search_path = public",
        };
        client.batch_execute(back).await.unwrap();
        assert_eq!(
            client.query(&select, &[&"zqxmarker-1"]).await.unwrap()[0].get::<_, i64>(0),
            1,
            "{change}"
        );
        let deleted = "DELETE FROM people WHERE id = 9";
        client.execute(&insert, &parameters).await.unwrap();
        client.batch_execute(deleted).await.unwrap();
    }
    // SET LOCAL ends with its transaction, either way.
    for end in ["COMMIT", "END", "ROLLBACK"] {
        let script = format!("BEGIN; SET LOCAL search_path = plain; {end}");
        client.batch_execute(&script).await.unwrap();
        assert_eq!(
            column(&client, "SELECT id FROM people WHERE email = 'zqxmarker-1'").await,
            ["1"]
        );
    }
    client
        .batch_execute("SET search_path = plain")
        .await
        .unwrap();
    client.batch_execute("DISCARD ALL").await.unwrap();
    assert_eq!(
        column(&client, "SELECT id FROM people WHERE email = 'zqxmarker-1'").await,
        ["1"]
    );
    assert_eq!(
        column(&world.owner, "SELECT count(*) FROM plain.people").await,
        ["0"]
    );
    world.assert_secret();
}

/// `"$user"` in the path follows the role.
#[tokio::test]
async fn a_role_does_not_lead_a_value_into_the_clear() {
    let world = World::new().await;
    world.fill().await;
    let owner = column(&world.owner, "SELECT current_user").await.remove(0);
    let role = format!("{owner}_other");
    let superuser = world.fixture.sealed().connect_superuser().await;
    superuser
        .batch_execute(&format!(
            "CREATE ROLE {role}; GRANT {role} TO {owner}; CREATE SCHEMA {role} AUTHORIZATION {role}; \
             CREATE TABLE {role}.people (id int8, email text, name text); \
             GRANT ALL ON ALL TABLES IN SCHEMA {role}, public TO {role}; \
             GRANT USAGE ON SCHEMA public, sealwire TO {role}; \
             ALTER ROLE {role} SET search_path = {role}; \
             GRANT ALL ON {role}.people TO {owner}"
        ))
        .await
        .unwrap();
    let insert = world.client.prepare(INSERT).await.unwrap();
    for change in [
        format!("SET ROLE {role}"),
        format!("SELECT set_config('role', '{role}', false)"),
        format!("BEGIN; SET LOCAL ROLE {role}; SELECT 1"),
    ] {
        world.client.batch_execute(&change).await.unwrap();
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
            [&9_i64, &"zqxmarker-9", &"x"];
        refused(world.client.execute(&insert, &values).await, "42703");
        world
            .client
            .batch_execute("ROLLBACK; RESET ROLE")
            .await
            .unwrap();
        let found = world.client.query(BY_EMAIL, &[&"zqxmarker-1"]).await;
        assert_eq!(found.unwrap().len(), 1);
    }
    // A default of the role or the database counts from the next login on.
    let database = column(&world.owner, "SELECT current_database()").await;
    for setting in [
        format!("ALTER ROLE {owner} SET search_path = {role}, public"),
        format!(
            "ALTER ROLE {owner} RESET search_path; ALTER DATABASE {} SET search_path = {role}",
            database[0]
        ),
    ] {
        superuser.batch_execute(&setting).await.unwrap();
        let found = world.client.query(BY_EMAIL, &[&"zqxmarker-1"]).await;
        assert_eq!(found.unwrap().len(), 1);
        let next = world.another().await;
        refused(
            next.simple_query("SELECT id FROM people WHERE email = 'zqxmarker-1'")
                .await,
            "42703",
        );
    }
    superuser
        .batch_execute(&format!(
            "REASSIGN OWNED BY {role} TO {owner}; DROP OWNED BY {role}; DROP ROLE {role}"
        ))
        .await
        .unwrap();
    world.assert_secret();
}

/// A temporary relation of the name, however it comes about, is not taken for the table, nor the
/// table for it.
#[tokio::test]
async fn a_temporary_relation_does_not_take_the_place_of_the_table() {
    let world = World::new().await;
    world.fill().await;
    world
        .owner
        .batch_execute(
            "CREATE FUNCTION hide() RETURNS void LANGUAGE plpgsql AS \
               'BEGIN CREATE TEMP TABLE people (id int8, email text, name text); END'; \
             CREATE FUNCTION hide_by_execute() RETURNS void LANGUAGE plpgsql AS \
               'BEGIN EXECUTE ''CREATE TEMP TABLE people (id int8, email text, name text)''; END'",
        )
        .await
        .unwrap();
    let client = world.another().await;
    let insert = client.prepare(INSERT).await.unwrap();
    for make in [
        "CREATE TEMP VIEW people AS SELECT 1::int8 AS id, 'x'::text AS email",
        "SELECT hide()",
        "SELECT hide_by_execute()",
        "DO $$ BEGIN CREATE TEMP TABLE people (id int8, email text, name text); END $$",
    ] {
        let made = client.batch_execute(make).await;
        if made.is_err() {
            // What names the protected table in code is refused.
            refused(made, "0A000");
            continue;
        }
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
            [&9_i64, &"zqxmarker-9", &"x"];
        refused(client.execute(&insert, &values).await, "42703");
        refused(
            client
                .simple_query("SELECT id FROM people WHERE email = 'zqxmarker-1'")
                .await,
            "42703",
        );
        let qualified = "SELECT id FROM public.people WHERE email = 'zqxmarker-1'";
        assert_eq!(column(&client, qualified).await, ["1"], "{make}");
        client.batch_execute("DISCARD TEMP").await.unwrap();
        let found = client.query(BY_EMAIL, &[&"zqxmarker-1"]).await;
        assert_eq!(found.unwrap().len(), 1, "{make}");
    }
    for make in [
        "CREATE TEMP TABLE people (id int8, email text)",
        "CREATE TEMP TABLE people AS SELECT 1 AS id, 'x' AS email",
        "SELECT 1 AS id, 'x' AS email INTO TEMP people",
    ] {
        let error = client.batch_execute(make).await.expect_err(make);
        assert!(matches!(code(&error), "42P17" | "0A000"), "{make}: {error}");
    }
    world.assert_secret();
}

/// What another session does to the table under prepared statements, and what takes it back.
const CHANGES: &[(&str, &str, &str)] = &[
    (
        "a column dropped and added again",
        "ALTER TABLE people DROP COLUMN phone; ALTER TABLE people ADD COLUMN phone sealwire.deterministic",
        "",
    ),
    (
        "a plain column dropped and added again",
        "ALTER TABLE people DROP COLUMN name; ALTER TABLE people ADD COLUMN name text",
        "",
    ),
    (
        "a plain column of another type",
        "ALTER TABLE people ALTER COLUMN name TYPE varchar(100)",
        "ALTER TABLE people ALTER COLUMN name TYPE text",
    ),
    (
        "a column more",
        "ALTER TABLE people ADD COLUMN nick text DEFAULT 'n'",
        "ALTER TABLE people DROP COLUMN nick",
    ),
    (
        "a table in its place",
        "CREATE TABLE people_new (LIKE people INCLUDING ALL); INSERT INTO people_new SELECT * FROM people; \
         ALTER TABLE people RENAME TO people_old; ALTER TABLE people_new RENAME TO people",
        "DROP TABLE people; ALTER TABLE people_old RENAME TO people",
    ),
    (
        "a child",
        "CREATE TABLE kids (extra text) INHERITS (people)",
        "DROP TABLE kids",
    ),
    (
        "a rule and a trigger",
        "CREATE RULE also AS ON UPDATE TO people DO ALSO INSERT INTO log VALUES (1, NEW.email::text); \
         CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS \
           'BEGIN INSERT INTO log VALUES (2, NEW.email::text) ON CONFLICT DO NOTHING; RETURN NEW; END'; \
         CREATE TRIGGER noted BEFORE INSERT ON people FOR EACH ROW EXECUTE FUNCTION noted()",
        "DROP RULE also ON people; DROP TRIGGER noted ON people; DROP FUNCTION noted; TRUNCATE log",
    ),
];

#[tokio::test]
async fn ddl_under_prepared_statements_of_this_session_and_of_another() {
    for own in [false, true] {
        let world = World::new().await;
        world.fill().await;
        let client = world.another().await;
        for (what, change, undo) in CHANGES {
            // A rename by the session itself is refused.
            if own && (change.contains("RENAME") || what.contains("rule")) {
                continue;
            }
            let texts = [
                INSERT,
                "SELECT id, email, name FROM people WHERE email = $1",
                "SELECT * FROM people WHERE email = $1",
                "UPDATE people SET phone = $1, name = $2 WHERE email = $3 RETURNING *",
            ];
            let mut prepared = Vec::new();
            for text in texts {
                // What was undone may be noticed only now.
                prepared.push(match client.prepare(text).await {
                    Ok(statement) => statement,
                    Err(error) => {
                        assert_eq!(code(&error), "42P17", "{what}: {}", everything(&error));
                        client.prepare(text).await.unwrap()
                    }
                });
            }
            let changing = if own { &client } else { &world.owner };
            changing.batch_execute(change).await.unwrap();
            let values: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
                [&7_i64, &"zqxmarker-7", &"gus"];
            // As a client of PostgreSQL would: what fails is prepared again, once.
            let parameters: [&[&(dyn tokio_postgres::types::ToSql + Sync)]; 4] = [
                &values,
                &[&"zqxmarker-7"],
                &[&"zqxmarker-7"],
                &[&"555-7", &"gus", &"zqxmarker-7"],
            ];
            for ((statement, text), parameters) in prepared.iter().zip(texts).zip(parameters) {
                let rows = match client.query(statement, parameters).await {
                    Ok(rows) => rows,
                    Err(error) => {
                        assert!(
                            matches!(code(&error), "0A000" | "42P17" | "42P01"),
                            "{what}: {}",
                            everything(&error)
                        );
                        client
                            .query(text, parameters)
                            .await
                            .unwrap_or_else(|error| {
                                panic!("{what}, own {own}: {text}: {}", everything(&error))
                            })
                    }
                };
                for row in rows {
                    assert_eq!(row.get::<_, i64>("id"), 7, "{what}");
                    assert_eq!(row.get::<_, &str>("email"), "zqxmarker-7", "{what}");
                    assert_eq!(row.get::<_, &str>("name"), "gus", "{what}");
                    if text.starts_with("UPDATE") {
                        assert_eq!(row.get::<_, &str>("phone"), "555-7", "{what}");
                    }
                }
            }
            // Every cell opens as what it is: nothing was sealed for another column.
            for reader in [&client, &world.another().await] {
                let row = reader
                    .query_one("SELECT email, phone, name FROM people WHERE id = 7", &[])
                    .await
                    .unwrap();
                assert_eq!(row.get::<_, &str>(0), "zqxmarker-7", "{what}");
                assert_eq!(row.get::<_, &str>(1), "555-7", "{what}");
                assert_eq!(row.get::<_, &str>(2), "gus", "{what}");
            }
            client
                .batch_execute("DELETE FROM people WHERE id = 7")
                .await
                .unwrap();
            if !undo.is_empty() {
                world.owner.batch_execute(undo).await.unwrap();
            }
        }
        world.assert_secret();
    }
}

/// Two columns that change their names: the value goes to the column that has the name, or nowhere.
#[tokio::test]
async fn columns_that_change_their_names_get_no_value_of_another() {
    let swap = |one: &str, other: &str| {
        format!(
            "ALTER TABLE people RENAME COLUMN {one} TO swap; \
             ALTER TABLE people RENAME COLUMN {other} TO {one}; \
             ALTER TABLE people RENAME COLUMN swap TO {other}"
        )
    };
    for (one, other) in [
        ("email", "phone"),
        ("note", "email"),
        ("name", "email"),
        ("name", "note"),
    ] {
        let world = World::new().await;
        world.fill().await;
        let client = world.another().await;
        let texts = [
            "SELECT id, email, phone FROM people WHERE email = $1",
            "SELECT note, name FROM people WHERE name = $1",
            "UPDATE people SET note = $1",
            "UPDATE people SET name = $1 WHERE id = 2",
        ];
        let mut prepared = Vec::new();
        for text in texts {
            prepared.push(client.prepare(text).await.unwrap());
            // Seen before: not described to the session on its own account again.
            client.query(text, &[&"nobody"]).await.unwrap();
        }
        client
            .batch_execute("UPDATE people SET note = 'zqxmarker-n', name = 'bob' WHERE id = 2")
            .await
            .unwrap();
        world.owner.batch_execute(&swap(one, other)).await.unwrap();
        for (statement, text) in prepared.iter().zip(texts) {
            // A name in the clear is what the application sends to a plain column.
            let value = match text.contains("name = $1") {
                true => "a name",
                false => "zqxmarker-2",
            };
            for result in [
                client.query(statement, &[&value]).await,
                client.query(text, &[&value]).await,
            ] {
                match result {
                    Ok(rows) => {
                        for row in rows {
                            if row.columns()[0].name() == "id" {
                                assert_ne!(row.get::<_, Option<&str>>(2), Some("zqxmarker-2"));
                            }
                        }
                    }
                    Err(error) => assert!(
                        matches!(
                            code(&error),
                            "42P17" | "42883" | "42804" | "0A000" | "XX001" | "23514"
                        ),
                        "{one} and {other}, {text}: {}",
                        everything(&error)
                    ),
                }
            }
        }
        // Back, and everything is as it was, on the same connection.
        world.owner.batch_execute(&swap(other, one)).await.unwrap();
        client
            .batch_execute("UPDATE people SET note = 'zqxmarker-n', name = 'ann' WHERE id = 1")
            .await
            .unwrap();
        let text = "SELECT email, phone, note, name FROM people WHERE email = $1";
        let row = match client.query_one(text, &[&"zqxmarker-1"]).await {
            Ok(row) => row,
            // The session has read the catalogue while the names were swapped.
            Err(error) => {
                assert_eq!(code(&error), "42P17", "{}", everything(&error));
                let again = client.query_one(text, &[&"zqxmarker-1"]).await;
                again.unwrap()
            }
        };
        let values: Vec<&str> = (0..4).map(|at| row.get(at)).collect();
        assert_eq!(values, ["zqxmarker-1", "555-1", "zqxmarker-n", "ann"]);
        world.assert_secret();
    }
}

/// A child that another session has made after this one has read the catalogue: its description
/// gives it away before a value is sent.
#[tokio::test]
async fn a_new_child_is_noticed_by_its_description() {
    let world = World::new().await;
    world
        .owner
        .batch_execute("CREATE TABLE kids (extra text) INHERITS (people)")
        .await
        .unwrap();
    let text = "INSERT INTO kids (id, email, extra) VALUES ($1, $2, $3)";
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 3] = [&3_i64, &"zqxmarker-3", &"x"];
    let message = refused(world.client.execute(text, &values).await, "42P17");
    assert!(message.contains("parameter $2"), "{message}");
    world.client.execute(text, &values).await.unwrap();
    let row = world
        .client
        .query_one("SELECT email FROM people WHERE id = 3", &[])
        .await
        .unwrap();
    assert_eq!(row.get::<_, &str>(0), "zqxmarker-3");
    // Detached it is a table of cells that nobody lists.
    world
        .owner
        .batch_execute("ALTER TABLE kids NO INHERIT people")
        .await
        .unwrap();
    let next = world.another().await;
    refused(next.execute(text, &values).await, "42P17");
    world.assert_secret();
}

/// The definition of a view that shows this column.
fn shown(column: &str) -> String {
    format!("CREATE OR REPLACE VIEW shown AS SELECT id, {column} AS value FROM people")
}

/// A view under one name over one column, then over another. Where another session replaces it, the
/// next use may still seal for the column that it showed (docs/threat-model.md, "Race"): never in the
/// clear, and never read as a value of the other column.
#[tokio::test]
async fn a_replaced_view_is_noticed_and_never_shows_the_clear() {
    for own in [true, false] {
        let world = World::new().await;
        world.fill().await;
        world.owner.batch_execute(&shown("email")).await.unwrap();
        let client = world.another().await;
        let select = client
            .prepare("SELECT id FROM shown WHERE value = $1")
            .await
            .unwrap();
        let all = "SELECT value FROM shown WHERE id = $1";
        let read = client.prepare(all).await.unwrap();
        let update = client
            .prepare("UPDATE shown SET value = $1 WHERE id = 1")
            .await
            .unwrap();
        let found = client.query(&select, &[&"zqxmarker-1"]).await.unwrap();
        assert_eq!(found.len(), 1);
        let changing = if own { &client } else { &world.owner };
        changing.batch_execute(&shown("phone")).await.unwrap();
        let update_again = client.execute(&update, &[&"555-9"]).await;
        match own {
            true => drop(refused(update_again, "0A000")),
            // What is left of the race is shown below.
            false => assert_eq!(update_again.unwrap(), 1),
        }
        for result in [
            client.query(&select, &[&"555-2"]).await.map(drop),
            client.query(&read, &[&2_i64]).await.map(drop),
        ] {
            match result {
                Ok(()) => assert!(!own),
                Err(error) => assert!(
                    matches!(code(&error), "0A000" | "XX001" | "42P17"),
                    "{}",
                    everything(&error)
                ),
            }
        }
        // Prepared again it is the other column.
        let row = client.query_one(all, &[&2_i64]).await.unwrap();
        assert_eq!(row.get::<_, &str>(0), "555-2");
        client
            .execute("UPDATE shown SET value = $1 WHERE id = 1", &[&"555-8"])
            .await
            .unwrap();
        let row = client
            .query_one("SELECT email, phone FROM people WHERE id = 1", &[])
            .await
            .unwrap();
        assert_eq!(row.get::<_, &str>(0), "zqxmarker-1");
        assert_eq!(row.get::<_, &str>(1), "555-8");
        world.assert_secret();
    }
}

/// What is left of that race, exactly: a look-up finds nothing, a write puts a cell of the column that
/// the view showed before into the one that it shows now. The cell opens in neither as a value of the
/// other, the rest of the row and every other row is what it was, and the next refusal mends the plan.
#[tokio::test]
async fn a_write_through_a_view_that_another_session_has_just_replaced_is_an_error_to_read() {
    let world = World::new().await;
    world.fill().await;
    world.owner.batch_execute(&shown("email")).await.unwrap();
    let client = world.another().await;
    let find = "SELECT id FROM shown WHERE value = $1";
    let find = client.prepare(find).await.unwrap();
    let write = "UPDATE shown SET value = $1 WHERE id = 1";
    let write = client.prepare(write).await.unwrap();
    world.owner.batch_execute(&shown("phone")).await.unwrap();

    assert!(client.query(&find, &[&"555-2"]).await.unwrap().is_empty());
    assert_eq!(client.execute(&write, &[&"zqxmarker-9"]).await.unwrap(), 1);
    support::assert_only_cells(&world.fixture).await;
    for reader in [&client, &world.client] {
        let phone = "SELECT phone FROM people WHERE id = 1";
        refused(reader.query_one(phone, &[]).await, "XX001");
        assert_eq!(
            column(reader, "SELECT email FROM people ORDER BY id").await,
            ["zqxmarker-1", "zqxmarker-2"]
        );
        assert_eq!(
            column(reader, "SELECT phone FROM people WHERE id = 2").await,
            ["555-2"]
        );
    }
    // The cell that did not open has the catalogue read again: from now on it is the other column.
    refused(client.execute(&write, &[&"zqxmarker-9"]).await, "0A000");
    let written = "UPDATE shown SET value = $1 WHERE id = 1";
    assert_eq!(client.execute(written, &[&"555-1"]).await.unwrap(), 1);
    assert_eq!(
        column(&client, "SELECT phone FROM people ORDER BY id").await,
        ["555-1", "555-2"]
    );
    world.assert_secret();
}
