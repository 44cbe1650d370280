//! Renaming what the manifest lists, and what it will.

#![allow(clippy::unwrap_used, reason = "a failing helper fails its test")]

#[path = "common/check.rs"]
mod check;
#[path = "common/schema.rs"]
mod schema;
#[path = "common/summary.rs"]
mod summary;

use check::check;
use schema::{relations, s1, world};
use sealwire_sql::{Protocol, Verdict, analyse};

#[test]
fn the_manifest_changes_before_the_database_does() {
    check(
        &s1(),
        &[
            (
                "ALTER TABLE users RENAME COLUMN email TO mail",
                "refused: CatalogueMismatch",
            ),
            (
                "ALTER TABLE IF EXISTS ONLY public.users RENAME email TO mail",
                "refused: CatalogueMismatch",
            ),
            (
                "ALTER TABLE users RENAME TO people",
                "refused: CatalogueMismatch",
            ),
            (
                "ALTER TABLE public.users SET SCHEMA archive",
                "refused: CatalogueMismatch",
            ),
            // What the manifest does not list.
            ("ALTER TABLE users RENAME COLUMN name TO nick", "as written"),
            ("ALTER VIEW v_users RENAME COLUMN mail TO m", "as written"),
            ("ALTER VIEW v_users RENAME TO v_people", "as written"),
            ("ALTER VIEW v_users SET SCHEMA audit", "as written"),
            ("ALTER TABLE events_p1 RENAME TO events_old", "as written"),
            ("ALTER TABLE users RENAME CONSTRAINT a TO b", "as written"),
            ("ALTER INDEX users_email RENAME TO i", "untouched"),
            ("ALTER TABLE logs RENAME TO entries", "untouched"),
            // And what it says has these columns, encrypted.
            (
                "ALTER TABLE audit.users SET SCHEMA public",
                "refused: CatalogueMismatch",
            ),
            (
                "ALTER TABLE logs RENAME TO orders",
                "refused: CatalogueMismatch",
            ),
            (
                "ALTER TABLE users DROP COLUMN email, DROP COLUMN ssn",
                "as written",
            ),
        ],
    );
}

#[test]
fn a_rename_that_the_manifest_expects_passes() {
    // The manifest says `email` and `users`, the database does not yet.
    let mut list = relations();
    let users = list.iter_mut().find(|r| r.oid == 100).unwrap();
    users.name = "people".into();
    users.attributes[1].name = "mail".into();
    let mut world = world(schema::policy(true), list);
    world.catalogue.mark_asked(["people".to_owned()]);
    check(
        &world,
        &[
            (
                "ALTER TABLE people RENAME TO users",
                "refused: CatalogueMismatch",
            ),
            (
                "ALTER TABLE people RENAME COLUMN mail TO email",
                "as written",
            ),
        ],
    );
    let mut list = relations();
    let users = list.iter_mut().find(|r| r.oid == 100).unwrap();
    users.attributes[1].name = "mail".into();
    let renamed = schema::world(schema::policy(true), list);
    check(
        &renamed,
        &[
            ("SELECT email FROM users", "refused: CatalogueMismatch"),
            (
                "ALTER TABLE users RENAME COLUMN mail TO email",
                "as written",
            ),
            (
                "ALTER TABLE users RENAME COLUMN name TO email",
                "refused: CatalogueMismatch",
            ),
            (
                "ALTER TABLE users RENAME COLUMN mail TO letters",
                "as written",
            ),
        ],
    );
    let mut list = relations();
    let users = list.iter_mut().find(|r| r.oid == 100).unwrap();
    users.name = "people".into();
    let moved = schema::world(schema::policy(true), list);
    check(
        &moved,
        &[
            ("ALTER TABLE people RENAME TO users", "as written"),
            (
                "ALTER TABLE logs RENAME TO users",
                "refused: CatalogueMismatch",
            ),
        ],
    );
}

#[test]
fn the_refusal_says_what_to_do() {
    let sql = "ALTER TABLE users RENAME COLUMN email TO mail";
    match analyse(sql, Protocol::Simple, &s1().context()) {
        Verdict::Refused(refusal) => assert!(
            refusal
                .hint
                .unwrap()
                .contains("sealwire columns rename public.users.email public.users.mail")
        ),
        other => panic!("{other:?}"),
    }
}
