//! The schema `s1` of the corpus as a policy and a catalogue.

#![allow(dead_code, reason = "every test binary uses its own part")]

use std::collections::HashMap;

use sealwire_core::catalogue::{
    Attribute, Catalogue, CellType, Function, Held, Relation, RelationKind, SessionFacts,
};
use sealwire_core::policy::{CekIndex, CekSpec, ColumnSpec, Mode, Policy};
use sealwire_sql::Context;

/// A policy, a catalogue and a session.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) policy: Policy,
    pub(crate) catalogue: Catalogue,
    pub(crate) facts: SessionFacts,
}

impl World {
    pub(crate) fn context(&self) -> Context<'_> {
        Context {
            policy: &self.policy,
            catalogue: &self.catalogue,
            facts: &self.facts,
            names: &sealwire_sql::NoNames,
            idle: true,
        }
    }
}

/// `schema.table.column`, mode, class, type.
const ENCRYPTED: [(&str, &str, &str, Mode, &str, &str); 7] = [
    (
        "public",
        "users",
        "email",
        Mode::Deterministic,
        "email",
        "text",
    ),
    (
        "public",
        "users",
        "ssn",
        Mode::Randomized,
        "users.ssn",
        "text",
    ),
    (
        "public",
        "users",
        "Phone No",
        Mode::Deterministic,
        "phone",
        "text",
    ),
    (
        "public",
        "orders",
        "email",
        Mode::Deterministic,
        "email",
        "text",
    ),
    (
        "public",
        "orders",
        "card",
        Mode::Randomized,
        "orders.card",
        "text",
    ),
    (
        "public",
        "orders",
        "qty",
        Mode::Deterministic,
        "qty",
        "int4",
    ),
    (
        "public",
        "events",
        "payload",
        Mode::Randomized,
        "events.payload",
        "text",
    ),
];

pub(crate) const USERS: [&str; 8] = [
    "id",
    "email",
    "ssn",
    "name",
    "Phone No",
    "avatar",
    "org_id",
    "created_at",
];
pub(crate) const ORDERS: [&str; 8] = [
    "id", "user_id", "email", "card", "qty", "total", "status", "items",
];

pub(crate) fn column(
    (schema, table, name, mode, class, ty): (&str, &str, &str, Mode, &str, &str),
) -> ColumnSpec {
    ColumnSpec {
        schema: schema.into(),
        table: table.into(),
        name: name.into(),
        ty: ty.parse().unwrap(),
        mode,
        cek: CekIndex(0),
        class: class.into(),
        padding: None,
        accept_frequency_leak: false,
        enumeration: None,
    }
}

pub(crate) fn cek() -> CekSpec {
    CekSpec {
        name: "main".into(),
        active: 1,
        live: vec![1],
    }
}

pub(crate) fn policy(pinned: bool) -> Policy {
    let names = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    let mut orders = vec![];
    if pinned {
        orders = vec![
            ("public".into(), "users".into(), names(&USERS)),
            ("public".into(), "orders".into(), names(&ORDERS)),
            (
                "public".into(),
                "events".into(),
                names(&["id", "payload", "kind"]),
            ),
        ];
    }
    let columns = ENCRYPTED.into_iter().map(column).collect();
    Policy::new(1, vec![cek()], columns, orders).unwrap()
}

/// A relation whose columns are given as `name type`, where `det` and `rnd` are the domains.
pub(crate) fn relation(
    oid: u32,
    schema: &str,
    name: &str,
    kind: RelationKind,
    columns: &[(&str, &str)],
) -> Relation {
    let attributes = columns.iter().zip(1..).map(|((name, ty), number)| {
        let (domain, base) = match *ty {
            "det" => ("sealwire.deterministic", 17),
            "rnd" => ("sealwire.randomized", 17),
            "int8" => ("", 20),
            "contact" => ("", 90_200),
            "bytea" => ("", 17),
            _ => ("", 25),
        };
        Attribute {
            number,
            name: (*name).into(),
            type_oid: if domain.is_empty() { base } else { 90_000 },
            domain: domain.into(),
            base_type_oid: base,
            has_default: *name == "created_at",
            generated: false,
        }
    });
    Relation {
        oid,
        schema: schema.into(),
        name: name.into(),
        kind,
        attributes: attributes.collect(),
        parents: vec![],
        reads: vec![],
        definition: None,
        partition_key: None,
    }
}

pub(crate) fn relations() -> Vec<Relation> {
    use RelationKind::{Partitioned, Table, View};
    let users = [
        ("id", "int8"),
        ("email", "det"),
        ("ssn", "rnd"),
        ("name", "text"),
        ("Phone No", "det"),
        ("avatar", "bytea"),
        ("org_id", "int8"),
        ("created_at", "timestamptz"),
    ];
    let orders = [
        ("id", "int8"),
        ("user_id", "int8"),
        ("email", "det"),
        ("card", "rnd"),
        ("qty", "det"),
        ("total", "numeric"),
        ("status", "text"),
        ("items", "jsonb"),
    ];
    let plain_users = [("id", "int8"), ("email", "text"), ("name", "text")];
    let logs = [
        ("id", "int8"),
        ("email", "text"),
        ("body", "bytea"),
        ("at", "timestamptz"),
    ];
    let cards = [("id", "int8"), ("holder", "contact")];
    let cards = relation(109, "public", "cards", Table, &cards);
    let events = [("id", "int8"), ("payload", "rnd"), ("kind", "text")];
    let mut partition = relation(105, "public", "events_p1", Table, &events);
    partition.parents = vec![104];
    let mail = [("id", "int8"), ("mail", "det"), ("name", "text")];
    let mut v_users = relation(106, "public", "v_users", View, &mail);
    v_users.reads = vec![100];
    v_users.definition =
        Some(" SELECT users.id,\n    users.email AS mail,\n    users.name\n   FROM users;".into());
    let joined = [("id", "int8"), ("card", "rnd"), ("email", "det")];
    let mut v_join = relation(107, "public", "v_join", View, &joined);
    v_join.reads = vec![100, 101];
    v_join.definition = Some(
        " SELECT o.id,\n    o.card,\n    u.email\n   FROM orders o\n     JOIN users u ON u.id = o.user_id;"
            .into(),
    );
    vec![
        relation(100, "public", "users", Table, &users),
        relation(101, "public", "orders", Table, &orders),
        relation(102, "audit", "users", Table, &plain_users),
        relation(103, "public", "logs", Table, &logs),
        cards,
        relation(104, "public", "events", Partitioned, &events),
        partition,
        v_users,
        v_join,
    ]
}

/// Row types of `users` and `v_users`, a composite type with a cell in it and a table of these, and
/// functions of them.
pub(crate) fn held() -> Held {
    let ty = |oid, name: &str, view, row_of, columns: &[(&str, u32)]| CellType {
        oid,
        schema: "public".into(),
        name: name.into(),
        view,
        row_of,
        columns: columns.iter().map(|&(n, ty)| (n.into(), ty)).collect(),
    };
    let function = |name: &str, returns, arguments: &[u32], columns: &[(&str, u32)]| Function {
        oid: 0,
        schema: "public".into(),
        name: name.into(),
        returns,
        arguments: arguments.into(),
        variadic: false,
        columns: columns.iter().map(|&(n, ty)| (n.into(), ty)).collect(),
    };
    Held {
        types: vec![
            ty(90_000, "deterministic", 0, 0, &[]),
            ty(90_100, "users", 0, 100, &[]),
            ty(90_106, "v_users", 106, 106, &[]),
            ty(
                90_200,
                "contact",
                0,
                200,
                &[("label", 25), ("mail", 90_000)],
            ),
        ],
        relations: HashMap::from([(100, "users".into()), (109, "cards".into())]),
        functions: vec![
            function("all_users", 90_100, &[], &[]),
            function("found_users", 90_106, &[25], &[]),
            function("mails", 2249, &[], &[("id", 20), ("addr", 90_000)]),
            function("mail_of", 90_000, &[20], &[]),
            function("contacts", 90_200, &[], &[]),
            function("is_known", 16, &[90_000], &[]),
            function("either", 90_100, &[20], &[]),
            function("either", 90_106, &[25], &[]),
            function("either", 25, &[20, 20], &[]),
        ],
    }
}

/// The corpus' schema with the column orders pinned.
pub(crate) fn s1() -> World {
    world(policy(true), relations())
}

pub(crate) fn world(policy: Policy, relations: Vec<Relation>) -> World {
    let mut catalogue = Catalogue::default();
    catalogue.mark_asked(relations.iter().map(|relation| relation.name.clone()));
    // Names that a session has asked for in vain.
    catalogue.mark_asked(
        [
            "t2",
            "nosuch",
            "pg_class",
            "archive",
            "notes",
            "events_p2",
            "copy",
            "m",
            "v",
            "t",
        ]
        .map(String::from),
    );
    for relation in relations {
        catalogue.insert(relation);
    }
    catalogue.hold(held());
    World {
        policy,
        catalogue,
        facts: SessionFacts {
            search_path: vec!["pg_catalog".into(), "public".into()],
            role: "app".into(),
            foreign_equality_operator: false,
        },
    }
}
