//! What a matcher keeps of the definitions of views, and when it must not.

#![allow(clippy::unwrap_used, reason = "a failing helper fails its test")]

#[path = "common/schema.rs"]
mod schema;

use schema::{World, cek, column, relation, relations, s1, world};
use sealwire_core::catalogue::RelationKind::{Table, View};
use sealwire_core::policy::{Mode, Policy};
use sealwire_sql::{Context, Matcher, Outputs, Param, Protocol, Verdict, analyse, analyse_with};

const LOOK_UP: &str = "SELECT mail FROM v_users WHERE mail = $1";

/// The column that the one parameter of a text is sealed for and the one output shows.
fn meant(matcher: &Matcher, text: &str, context: &Context<'_>) -> String {
    let verdict = analyse_with(matcher, text, Protocol::Extended, context);
    let Verdict::Planned(plan) = &verdict else {
        panic!("{text}: {verdict:?}");
    };
    let ([Param::Sealed { column, .. }], [Outputs::Columns(outputs)]) =
        (plan.params.as_slice(), plan.statements.as_slice())
    else {
        panic!("{text}: {verdict:?}");
    };
    assert_eq!(outputs[0].column, Some(*column), "{text}");
    context.policy.column(*column).path()
}

fn matcher(world: &World) -> Matcher {
    Matcher::new(&world.policy, &world.catalogue)
}

/// The view of the schema with another column under its name.
fn replace_view(world: &mut World, definition: &str) {
    let mut views = relations().into_iter();
    let mut view = views.find(|view| view.name == "v_users").unwrap();
    view.definition = Some(definition.to_owned());
    world.catalogue.insert(view);
}

#[test]
fn every_statement_of_the_corpus_has_the_verdict_of_a_fresh_matcher() {
    let world = s1();
    let matcher = matcher(&world);
    let text = include_str!("../../../tests/corpus/s1.jsonl");
    let mut over_views = 0;
    for line in text.lines().skip(1) {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        let sql = row["sql"].as_str().unwrap();
        for protocol in [Protocol::Extended, Protocol::Simple] {
            let fresh = format!("{:?}", analyse(sql, protocol, &world.context()));
            let kept = analyse_with(&matcher, sql, protocol, &world.context());
            assert_eq!(format!("{kept:?}"), fresh, "{sql}");
        }
        over_views += usize::from(sql.contains("v_users") || sql.contains("v_join"));
    }
    assert!(over_views > 1, "{over_views}");
}

#[test]
fn one_view_is_not_taken_for_another() {
    let world = s1();
    let matcher = matcher(&world);
    let other = "SELECT email FROM v_join WHERE email = $1";
    for text in [LOOK_UP, other, LOOK_UP] {
        let path = meant(&matcher, text, &world.context());
        assert_eq!(path, "public.users.email", "{text}");
    }
}

#[test]
fn a_view_that_was_replaced_shows_its_new_column_even_to_an_old_matcher() {
    let mut world = s1();
    let old = matcher(&world);
    assert_eq!(meant(&old, LOOK_UP, &world.context()), "public.users.email");
    let definition = "SELECT users.id, users.\"Phone No\" AS mail, users.name FROM users";
    replace_view(&mut world, definition);
    let phone = "public.users.Phone No";
    assert_eq!(meant(&old, LOOK_UP, &world.context()), phone);
    assert_eq!(meant(&matcher(&world), LOOK_UP, &world.context()), phone);
}

#[test]
fn a_table_below_a_view_that_was_replaced_counts_as_it_is_now() {
    let mut world = s1();
    let old = matcher(&world);
    assert_eq!(meant(&old, LOOK_UP, &world.context()), "public.users.email");
    // Another relation has the place of the one that the view reads.
    world.catalogue.insert(relation(
        100,
        "public",
        "accounts",
        Table,
        &[("id", "int8"), ("email", "text"), ("name", "text")],
    ));
    world.catalogue.mark_asked(["accounts".to_owned()]);
    let verdict = analyse_with(&old, LOOK_UP, Protocol::Extended, &world.context());
    assert!(matches!(verdict, Verdict::Refused(_)), "{verdict:?}");
}

#[test]
fn names_in_a_definition_are_those_of_the_session_s_search_path() {
    let columns = ["north", "south"].map(|schema| {
        let class = if schema == "north" { "n" } else { "s" };
        column((schema, "t", "email", Mode::Deterministic, class, "text"))
    });
    let policy = Policy::new(1, vec![cek()], columns.into(), vec![]).unwrap();
    let email = [("email", "det")];
    let mut view = relation(202, "public", "shown", View, &email);
    // The server does not say what it reads.
    view.definition = Some("SELECT t.email FROM t".to_owned());
    let tables = [
        relation(200, "north", "t", Table, &email),
        relation(201, "south", "t", Table, &email),
    ];
    let mut world = world(policy, tables.into_iter().chain([view]).collect());
    let matcher = matcher(&world);
    for schema in ["north", "south", "north"] {
        world.facts.search_path = vec![schema.to_owned(), "public".to_owned()];
        let text = "SELECT email FROM shown WHERE email = $1";
        let path = format!("{schema}.t.email");
        assert_eq!(meant(&matcher, text, &world.context()), path);
    }
}

#[test]
fn what_could_not_be_read_is_read_again() {
    let mut world = s1();
    let definition = "SELECT u.id, u.email AS mail, u.name FROM users u JOIN later l USING (id)";
    replace_view(&mut world, definition);
    let matcher = matcher(&world);
    for _ in 0..2 {
        let verdict = analyse_with(&matcher, LOOK_UP, Protocol::Extended, &world.context());
        assert!(
            matches!(&verdict, Verdict::NeedsRelations(names) if names == &["later"]),
            "{verdict:?}"
        );
    }
    let later = relation(300, "public", "later", Table, &[("id", "int8")]);
    world.catalogue.insert(later);
    world.catalogue.mark_asked(["later".to_owned()]);
    assert_eq!(
        meant(&matcher, LOOK_UP, &world.context()),
        "public.users.email"
    );
}
