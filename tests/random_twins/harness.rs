//! The harness itself: two plain databases do not differ, so a difference means something; and
//! whatever is wrong with one of two, it is found.

use std::sync::Arc;

use sealwire_core::types::{Family, ScalarType};
use sealwire_testkit::fixture::Fixture;
use sealwire_testkit::fixture::random::pool::Pool;
use sealwire_testkit::fixture::random::run::{Runner, Summary};
use sealwire_testkit::fixture::random::world::{Kind, Nature, World};
use sealwire_testkit::fixture::run::Pair;
use sealwire_testkit::fixture::schema::{Column, quoted};

/// Statements in each of two plain databases.
const STATEMENTS: usize = 250;

/// Worlds for two plain databases. A parameter that is an array in binary has the number that one
/// database gives to an enumerated type, and the other's is another one.
fn worlds(version: u32) -> impl Iterator<Item = (u64, World)> {
    (1..)
        .map(move |seed| (seed, World::new(seed, version)))
        .filter(|(_, world)| {
            let types = world.secret_types();
            types.iter().all(|ty| ty.scalar() != ScalarType::Enum)
        })
}

/// The plain twin of a world.
async fn plain(world: &World) -> Fixture {
    let fixture = Fixture::new(world.tables.clone()).await;
    for sql in &world.setup {
        fixture.prepare(sql).await;
    }
    fixture
}

/// Runs a world's statements in its own plain twin and in that of another world.
async fn run(seed: u64, world: World, other: &World) -> Result<Summary, String> {
    let fixtures = [plain(other).await, plain(&world).await];
    let world = Arc::new(world);
    let pair = Pair {
        sealed: fixtures[0].plain_wire().await,
        plain: fixtures[1].plain_wire().await,
    };
    let mut runner = Runner::new(pair, Arc::clone(&world));
    let pool = Arc::new(Pool::load(&world, &mut runner.pair.plain).await);
    let summary = runner.run(seed, pool, STATEMENTS).await;
    summary.map_err(|failure| failure.difference)
}

#[tokio::test]
async fn two_plain_databases_do_not_differ() {
    let version = super::version().await;
    let mut all = Summary::default();
    for (seed, world) in worlds(version).take(6) {
        let same = world.clone();
        let summary = run(seed, world, &same).await;
        all.add(&summary.unwrap_or_else(|difference| panic!("seed {seed}: {difference}")));
    }
    eprintln!("{}", all.table());
    assert!(all.rows > all.statements, "hardly any row was compared");
    for code in super::ERRORS {
        assert!(all.errors.contains_key(*code), "no error {code} was met");
    }
}

/// Changes the first encrypted column that fits, if one does.
fn change(world: &mut World, fits: fn(&Column) -> bool, change: fn(&mut Column)) -> bool {
    let columns = world.tables.iter_mut().flat_map(|table| &mut table.columns);
    let mut found = columns.filter(|column| column.encryption.is_some() && fits(column));
    match found.next() {
        Some(column) => {
            change(column);
            true
        }
        None => false,
    }
}

/// Adds a trigger to a table with an encrypted text. `{text}` and `{key}` are columns of the new row.
fn trigger(world: &mut World, body: &str) -> bool {
    let is_text = |kind: Kind| {
        matches!(kind, Kind::Secret { ty, .. }
            if ty.family() == Family::Text && ty.scalar() != ScalarType::Bpchar)
    };
    let found = world.relations.iter().find_map(|relation| {
        let key = &relation.fields[relation.key?].name;
        let text = relation.fields.iter().find(|field| is_text(field.kind))?;
        let names = (relation.qualified(), quoted(key), quoted(&text.name));
        (relation.nature == Nature::Table).then_some(names)
    });
    let Some((table, key, text)) = found else {
        return false;
    };
    let body = body
        .replace("{text}", &format!("NEW.{text}"))
        .replace("{key}", &format!("NEW.{key}"));
    world.setup.push(format!(
        "CREATE FUNCTION public.sabotage() RETURNS trigger LANGUAGE plpgsql AS \
         $f$ BEGIN {body}; RETURN NEW; END $f$; \
         CREATE TRIGGER sabotage BEFORE INSERT OR UPDATE ON {table} \
         FOR EACH ROW EXECUTE FUNCTION public.sabotage()"
    ));
    true
}

fn rename_keys(world: &mut World) -> bool {
    world.setup.push(
        "DO $do$ DECLARE r record; BEGIN \
         FOR r IN SELECT oid, conrelid::regclass AS of, conname FROM pg_constraint \
         WHERE contype = 'p' AND conparentid = 0 AND connamespace <> 'pg_catalog'::regnamespace LOOP \
         EXECUTE format('ALTER TABLE %s RENAME CONSTRAINT %I TO %I', r.of, r.conname, 'key_' || r.oid); \
         END LOOP; END $do$"
            .into(),
    );
    true
}

/// What goes wrong in one of two databases; false where a world has nothing for it.
type Sabotage = fn(&mut World) -> bool;

const SABOTAGES: &[(&str, Sabotage)] = &[
    ("a constraint is missing", |world| {
        let mut constraints = world.tables.iter().flat_map(|table| &table.constraints);
        // What is referenced has to be unique.
        let is_referenced = constraints.any(|constraint| constraint.starts_with("FOREIGN KEY"));
        let remove =
            |column: &mut Column| column.constraint = column.constraint.replace("UNIQUE", "");
        !is_referenced && change(world, |column| column.constraint.contains("UNIQUE"), remove)
    }),
    ("a column may be NULL", |world| {
        let remove =
            |column: &mut Column| column.constraint = column.constraint.replace("NOT NULL", "");
        change(
            world,
            |column| column.constraint.contains("NOT NULL"),
            remove,
        )
    }),
    ("a limit is another one", |world| {
        let has_limit = |column: &Column| column.ty == "character varying(14)";
        change(world, has_limit, |column| {
            column.ty = "character varying(15)".into()
        })
    }),
    ("a type is another one", |world| {
        let is_small = |column: &Column| matches!(column.ty.as_str(), "smallint" | "integer");
        change(world, is_small, |column| column.ty = "bigint".into())
    }),
    ("constraints have other names", rename_keys),
    ("a value is longer", |world| {
        trigger(world, "{text} := {text} || ' '")
    }),
    ("a value is in capitals", |world| {
        trigger(world, "{text} := upper({text})")
    }),
    ("some rows are left out", |world| {
        trigger(world, "IF {key} % 5 = 2 THEN RETURN NULL; END IF")
    }),
    ("some rows are an error", |world| {
        trigger(
            world,
            "IF {key} % 5 = 2 THEN RAISE SQLSTATE '22003'; END IF",
        )
    }),
];

#[tokio::test]
async fn a_sabotaged_database_differs() {
    let version = super::version().await;
    for (what, sabotage) in SABOTAGES {
        let mut found = None;
        for (seed, world) in worlds(version).take(40) {
            let mut other = world.clone();
            if sabotage(&mut other)
                && let Err(difference) = run(seed, world, &other).await
            {
                found = Some(difference);
                break;
            }
        }
        let difference = found.unwrap_or_else(|| panic!("not found: {what}"));
        eprintln!("{what}: {difference:.300}\n");
    }
}
