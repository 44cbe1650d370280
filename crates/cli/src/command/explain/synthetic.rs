//! A catalogue made from the manifest alone.

use sealwire_core::catalogue::{Attribute, Catalogue, Relation, RelationKind, SessionFacts};
use sealwire_core::ddl;
use sealwire_core::policy::{Mode, Policy, TableSpec};
use sealwire_core::types::ScalarType;
use sealwire_sql::Context;

/// Object identifiers that no database gives out before its first user object.
const FIRST_OID: u32 = 16_384;

/// What a database would say whose tables are as the manifest has them. The types of plain
/// columns are unknown to a manifest; the analysis does not look at them.
pub(super) struct Synthetic {
    catalogue: Catalogue,
    facts: SessionFacts,
}

impl Synthetic {
    pub(super) fn new(policy: &Policy, search_path: &[String]) -> Self {
        let mut catalogue = Catalogue::default();
        for (table, oid) in policy.tables().iter().zip(FIRST_OID + 2..) {
            catalogue.insert(relation(policy, table, oid));
        }
        catalogue.mark_asked(policy.tables().iter().map(|table| table.name.clone()));
        let implicit = std::iter::once("pg_catalog".to_owned());
        let facts = SessionFacts {
            search_path: implicit.chain(search_path.iter().cloned()).collect(),
            role: "app".to_owned(),
            foreign_equality_operator: false,
        };
        Self { catalogue, facts }
    }

    pub(super) fn context<'a>(&'a self, policy: &'a Policy) -> Context<'a> {
        Context {
            policy,
            catalogue: &self.catalogue,
            facts: &self.facts,
            names: &sealwire_sql::NoNames,
            idle: true,
        }
    }
}

fn relation(policy: &Policy, table: &TableSpec, oid: u32) -> Relation {
    let encrypted: Vec<String> = table
        .columns
        .iter()
        .map(|&id| policy.column(id).name.clone())
        .collect();
    let names = if table.column_order.is_empty() {
        &encrypted
    } else {
        &table.column_order
    };
    let attributes = names.iter().zip(1i16..).map(|(name, number)| {
        let mode = policy
            .column_of(table, name)
            .map(|id| policy.column(id).mode);
        let type_oid = match mode {
            Some(Mode::Deterministic) => FIRST_OID,
            Some(Mode::Randomized) => FIRST_OID + 1,
            None => ScalarType::Text.oid(),
        };
        let base = if mode.is_some() {
            ScalarType::Bytea
        } else {
            ScalarType::Text
        };
        Attribute {
            number,
            name: name.clone(),
            type_oid,
            domain: mode.map(ddl::domain).unwrap_or_default().to_owned(),
            base_type_oid: base.oid(),
            has_default: false,
            generated: false,
        }
    });
    Relation {
        oid,
        schema: table.schema.clone(),
        name: table.name.clone(),
        kind: RelationKind::Table,
        attributes: attributes.collect(),
        parents: Vec::new(),
        reads: Vec::new(),
        definition: None,
        partition_key: None,
    }
}
