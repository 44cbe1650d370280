//! Columns whose type says that they hold cells, while the manifest does not list them: renamed
//! behind the manifest's back, copied by `LIKE`, or another application's.

#![allow(clippy::unwrap_used, reason = "a failing helper fails its test")]

#[path = "common/check.rs"]
mod check;
#[path = "common/schema.rs"]
mod schema;
#[path = "common/summary.rs"]
mod summary;

use schema::{World, relation, relations, world};
use sealwire_core::catalogue::RelationKind::{Table, View};
use sealwire_sql::{Protocol, Verdict, analyse, mentions_protected};

/// The corpus' schema with `archive`, a copy of `users` by `LIKE`, `vault` with one more such
/// column and an array, a view over each of them, and `users.email` renamed to `mail`.
fn with_unlisted() -> World {
    let mut list = relations();
    let archive = [
        ("id", "int8"),
        ("email", "det"),
        ("backup", "det"),
        ("ssn", "rnd"),
        ("name", "text"),
        ("avatar", "bytea"),
    ];
    list.push(relation(300, "public", "archive", Table, &archive));
    let vault = [("id", "int8"), ("secret", "det"), ("secrets", "bytea")];
    let mut vault = relation(301, "other", "vault", Table, &vault);
    vault.attributes[2].domain = "sealwire.randomized[]".into();
    list.push(vault);
    let shown = [("id", "int8"), ("mail", "det")];
    let mut view = relation(302, "public", "v_archive", View, &shown);
    view.reads = vec![300];
    view.definition = Some("SELECT archive.id, archive.email AS mail FROM archive;".into());
    list.push(view);
    let users = list.iter_mut().find(|r| r.oid == 100).unwrap();
    users.attributes[1].name = "mail".into();
    world(schema::policy(false), list)
}

fn check(table: &[(&str, &str)]) {
    let world = with_unlisted();
    check::check(&world, table);
}

#[test]
fn their_relations_are_mentioned() {
    let world = with_unlisted();
    for name in ["archive", "other.vault", "v_archive"] {
        let sql = format!("SELECT 1 FROM {name}");
        assert!(mentions_protected(&sql, &world.context()), "{name}");
    }
    assert!(!mentions_protected("SELECT 1 FROM logs", &world.context()));
}

#[test]
fn no_value_of_the_client_meets_them() {
    for sql in [
        "SELECT id FROM archive WHERE email = $1",
        "SELECT id FROM archive WHERE email = 'a'",
        "SELECT id FROM archive WHERE email <> ALL ($1)",
        "SELECT id FROM archive WHERE email IN ('a', 'b')",
        "SELECT id FROM archive WHERE email = $1::text",
        "SELECT id FROM archive WHERE email = 'a'::bytea",
        "SELECT id FROM archive WHERE convert_from(email, 'UTF8') = $1",
        "SELECT id FROM archive WHERE email::text LIKE 'a%'",
        "SELECT id FROM archive WHERE email > $1",
        "SELECT id FROM archive WHERE coalesce(email, backup) = $1",
        "SELECT id FROM archive WHERE (id, email) = ($1, $2)",
        "SELECT coalesce(email, $1) FROM archive",
        "SELECT id FROM (SELECT id, email AS x FROM archive) s WHERE x = 'a'",
        "SELECT mail FROM v_archive WHERE mail = $1",
        "INSERT INTO archive (id, email) VALUES ($1, $2)",
        "INSERT INTO archive VALUES (1, 'a')",
        "INSERT INTO archive (id, email) SELECT 1, $1",
        "INSERT INTO v_archive (id, mail) VALUES (1, 'a')",
        "UPDATE archive SET email = 'a'",
        "UPDATE archive SET (name, email) = ('n', 'a')",
        "MERGE INTO archive a USING (SELECT 1 AS id, 'x' AS e) s ON a.id = s.id WHEN MATCHED THEN UPDATE SET email = s.e",
        "SELECT id FROM other.vault WHERE secrets = $1",
        "SELECT id FROM other.vault WHERE $1 = ANY (secrets)",
        "SELECT id FROM users WHERE mail = 'a'",
        "UPDATE users SET mail = $1",
        "ALTER TABLE archive ALTER COLUMN email SET DEFAULT 'a'",
        "ALTER TABLE users ADD COLUMN more sealwire.deterministic DEFAULT 'a'",
    ] {
        check(&[(sql, "refused: CatalogueMismatch")]);
    }
}

#[test]
fn they_mix_with_nothing_but_themselves() {
    check(&[
        (
            "INSERT INTO archive (id, email) SELECT id, email FROM orders",
            "refused: CatalogueMismatch",
        ),
        (
            "INSERT INTO orders (id, email) SELECT id, email FROM archive",
            "refused: CatalogueMismatch",
        ),
        (
            "SELECT a.id FROM archive a JOIN orders o ON o.email = a.email",
            "refused: CatalogueMismatch",
        ),
        (
            "SELECT a.id FROM archive a JOIN other.vault v ON v.secret = a.email",
            "refused: CatalogueMismatch",
        ),
        (
            "UPDATE archive SET name = email",
            "refused: CatalogueMismatch",
        ),
        (
            "UPDATE archive SET email = avatar",
            "refused: CatalogueMismatch",
        ),
        ("SELECT row_to_json(a) FROM archive a", "refused: WholeRow"),
    ]);
}

#[test]
fn what_shows_nothing_passes() {
    for sql in [
        "SELECT * FROM archive",
        "SELECT email, ssn FROM archive ORDER BY email, id",
        "SELECT a.id FROM archive a JOIN archive b ON a.email = b.backup WHERE a.name = $1",
        "SELECT count(email), count(DISTINCT email) FROM archive WHERE ssn IS NULL",
        "SELECT email FROM archive UNION ALL SELECT backup FROM archive",
        "SELECT email, count(*) FROM archive GROUP BY email",
        "SELECT mail FROM v_archive",
        "INSERT INTO archive (id, name, email) VALUES ($1, 'n', NULL)",
        "INSERT INTO archive SELECT * FROM archive",
        "UPDATE archive SET backup = email, name = $1 WHERE id = $2",
        "DELETE FROM archive WHERE id = $1 RETURNING *",
        "SELECT id, mail FROM users WHERE name = $1",
        "CREATE INDEX ON archive (email)",
        "ALTER TABLE archive DROP COLUMN email",
        "TRUNCATE archive",
    ] {
        check(&[(sql, "as written")]);
    }
    check(&[
        ("SELECT id, email FROM logs WHERE email = $1", "untouched"),
        ("DROP TABLE archive", "untouched"),
    ]);
}

#[test]
fn the_refusal_names_the_column_and_not_the_value() {
    let world = with_unlisted();
    let sql = "SELECT id FROM users WHERE mail = 'zqxmarker'";
    match analyse(sql, Protocol::Simple, &world.context()) {
        Verdict::Refused(refusal) => {
            assert_eq!(
                refusal.message,
                "refusing to send a value to `public.users.mail`: its type says that it holds \
                 cells, and the manifest does not list it"
            );
            assert!(!format!("{refusal:?}").contains("zqxmarker"));
        }
        other => panic!("{other:?}"),
    }
}
