//! Catalogue rows as the analysis wants them.

use std::collections::{BTreeSet, HashMap};

use sealwire_core::catalogue::{Attribute, Catalogue, Relation, RelationKind, SessionFacts};
use sealwire_core::policy::Policy;
use sealwire_keys::TableName;
use tokio_postgres::Client;

use crate::error::Error;

/// Relations of the names in `$1` and everything above and below them: children and parents,
/// views and what they read, transitively.
const RELATED: &str = "\
WITH RECURSIVE related (oid) AS (
    SELECT c.oid FROM pg_catalog.pg_class c WHERE c.relname = ANY ($1)
  UNION
    SELECT further.oid FROM related r, LATERAL (
        SELECT i.inhrelid FROM pg_catalog.pg_inherits i WHERE i.inhparent = r.oid
      UNION ALL
        SELECT i.inhparent FROM pg_catalog.pg_inherits i WHERE i.inhrelid = r.oid
      UNION ALL
        SELECT w.ev_class FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_rewrite w ON w.oid = d.objid
        WHERE d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = r.oid
          AND d.classid = 'pg_catalog.pg_rewrite'::regclass
      UNION ALL
        SELECT d.refobjid FROM pg_catalog.pg_rewrite w JOIN pg_catalog.pg_depend d ON d.objid = w.oid
        WHERE w.ev_class = r.oid AND d.classid = 'pg_catalog.pg_rewrite'::regclass
          AND d.refclassid = 'pg_catalog.pg_class'::regclass
    ) AS further (oid)
)
SELECT DISTINCT c.relname::text FROM related r JOIN pg_catalog.pg_class c ON c.oid = r.oid";

const CELLS: &str = "\
SELECT n.nspname::text, c.relname::text, a.attname::text,
  (WITH RECURSIVE up (oid) AS (
      SELECT c.oid
    UNION
      SELECT i.inhparent FROM up u JOIN pg_catalog.pg_inherits i ON i.inhrelid = u.oid
   ) SELECT pg_catalog.array_agg(v.part ORDER BY u.oid, v.at)
   FROM up u JOIN pg_catalog.pg_class p ON p.oid = u.oid
   JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace,
   LATERAL (VALUES (1, pn.nspname::text), (2, p.relname::text)) AS v (at, part))
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
JOIN pg_catalog.pg_namespace tn ON tn.oid = t.typnamespace
WHERE tn.nspname = 'sealwire' AND t.typname IN ('deterministic', 'randomized')
  AND c.relkind IN ('r', 'p', 'f') AND NOT a.attisdropped
ORDER BY 1, 2, a.attnum";

const RELATIONS: &str = "\
SELECT c.oid, n.nspname::text, c.relname::text, c.relkind,
  ARRAY(SELECT i.inhparent FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid),
  ARRAY(SELECT DISTINCT d.refobjid
        FROM pg_catalog.pg_rewrite w JOIN pg_catalog.pg_depend d ON d.objid = w.oid
        WHERE w.ev_class = c.oid AND d.classid = 'pg_catalog.pg_rewrite'::regclass
          AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid <> c.oid
          AND c.relkind IN ('v', 'm')),
  CASE WHEN c.relkind IN ('v', 'm') THEN pg_catalog.pg_get_viewdef(c.oid) END,
  CASE WHEN c.relkind = 'p' THEN pg_catalog.pg_get_partkeydef(c.oid) END
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname = ANY ($1) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')";

const ATTRIBUTES: &str = "\
SELECT a.attrelid, a.attnum, a.attname::text, a.atttypid,
  CASE WHEN t.typtype = 'd' THEN tn.nspname || '.' || t.typname ELSE '' END,
  (WITH RECURSIVE base (oid, typtype, typbasetype) AS (
      SELECT t.oid, t.typtype, t.typbasetype
    UNION ALL
      SELECT u.oid, u.typtype, u.typbasetype
      FROM base b JOIN pg_catalog.pg_type u ON u.oid = b.typbasetype WHERE b.typtype = 'd'
   ) SELECT b.oid FROM base b WHERE b.typtype <> 'd'),
  a.atthasdef, a.attgenerated <> '' OR a.attidentity <> ''
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
JOIN pg_catalog.pg_namespace tn ON tn.oid = t.typnamespace
WHERE a.attrelid = ANY ($1) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attrelid, a.attnum";

/// The facts of `SessionFacts`.
const FACTS: &str = "\
SELECT pg_catalog.current_schemas(true)::text[], current_user::text,
  EXISTS (
    SELECT FROM pg_catalog.pg_operator o
    WHERE o.oprname IN ('=', '<>') AND o.oprnamespace <> 'pg_catalog'::regnamespace
      AND EXISTS (
        SELECT FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
        WHERE t.oid IN (o.oprleft, o.oprright)
          AND (t.oid = 'pg_catalog.bytea'::regtype OR n.nspname = 'sealwire')))";

const CHECKS: &str = "\
SELECT n.nspname::text, c.relname::text, a.attname::text, k.conname::text
FROM pg_catalog.pg_constraint k
JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (k.conkey)
WHERE k.contype = 'c' AND c.relname = ANY ($1)
ORDER BY 1, 2, 3, 4";

/// Loads catalogue rows by relation name.
pub(crate) struct Loader<'a> {
    client: &'a Client,
    pub(crate) catalogue: Catalogue,
    pub(crate) facts: SessionFacts,
}

impl<'a> Loader<'a> {
    /// Nothing loaded but the session's facts.
    pub(crate) async fn new(client: &'a Client) -> Result<Self, Error> {
        let row = client.query_one(FACTS, &[]).await?;
        Ok(Self {
            client,
            catalogue: Catalogue::default(),
            facts: SessionFacts {
                search_path: row.get(0),
                role: row.get(1),
                foreign_equality_operator: row.get(2),
            },
        })
    }

    /// Loads the relations of these names in every schema, and all that is related to them.
    pub(crate) async fn load(&mut self, names: Vec<String>) -> Result<(), Error> {
        let rows = self.client.query(RELATED, &[&names]).await?;
        let related: BTreeSet<String> = rows.iter().map(|row| row.get(0)).collect();
        let all: Vec<String> = related.into_iter().chain(names).collect();
        for relation in relations(self.client, &all).await? {
            self.catalogue.insert(relation);
        }
        self.catalogue.mark_asked(all);
        Ok(())
    }
}

/// A table of the database.
pub(crate) async fn table(client: &Client, name: &TableName) -> Result<Option<Relation>, Error> {
    let relations = relations(client, &[name.name().to_owned()]).await?;
    Ok(relations
        .into_iter()
        .find(|relation| relation.schema == name.schema()))
}

async fn relations(client: &Client, names: &[String]) -> Result<Vec<Relation>, Error> {
    let rows = client.query(RELATIONS, &[&names]).await?;
    let oids: Vec<u32> = rows.iter().map(|row| row.get(0)).collect();
    let mut attributes: HashMap<u32, Vec<Attribute>> = HashMap::new();
    for row in client.query(ATTRIBUTES, &[&oids]).await? {
        attributes.entry(row.get(0)).or_default().push(Attribute {
            number: row.get(1),
            name: row.get(2),
            type_oid: row.get(3),
            domain: row.get(4),
            base_type_oid: row.get(5),
            has_default: row.get(6),
            generated: row.get(7),
        });
    }
    Ok(rows
        .iter()
        .map(|row| Relation {
            oid: row.get(0),
            schema: row.get(1),
            name: row.get(2),
            kind: RelationKind::from_relkind(row.get::<_, i8>(3).unsigned_abs()),
            parents: row.get(4),
            reads: row.get(5),
            definition: row.get(6),
            partition_key: row.get(7),
            attributes: attributes.remove(&row.get(0)).unwrap_or_default(),
        })
        .collect())
}

/// Columns of tables whose type is one of the cells' domains and that the policy does not list, nor
/// inherits.
pub(crate) async fn unlisted_cells(client: &Client, policy: &Policy) -> Result<Vec<String>, Error> {
    let rows = client.query(CELLS, &[]).await?;
    let listed = |schema: &str, table: &str, column: &str| {
        let table = policy.table(schema, table);
        table.is_some_and(|table| policy.column_of(table, column).is_some())
    };
    Ok(rows
        .iter()
        .filter(|row| {
            let column: &str = row.get(2);
            let names: Vec<&str> = row.get(3);
            // The table itself first, then its ancestors.
            !names
                .chunks_exact(2)
                .any(|name| listed(name[0], name[1], column))
        })
        .map(|row| {
            let (schema, table, column): (&str, &str, &str) = (row.get(0), row.get(1), row.get(2));
            format!("{schema}.{table}.{column}")
        })
        .collect())
}

/// A CHECK constraint over a column.
pub(crate) struct ColumnCheck {
    pub(crate) schema: String,
    pub(crate) table: String,
    pub(crate) column: String,
    pub(crate) constraint: String,
}

/// The CHECK constraints over columns of tables of these names.
pub(crate) async fn column_checks(
    client: &Client,
    tables: &[String],
) -> Result<Vec<ColumnCheck>, Error> {
    let rows = client.query(CHECKS, &[&tables]).await?;
    Ok(rows
        .iter()
        .map(|row| ColumnCheck {
            schema: row.get(0),
            table: row.get(1),
            column: row.get(2),
            constraint: row.get(3),
        })
        .collect())
}

/// The labels of an enumerated type in its sort order; none where there is no such type.
pub(crate) async fn labels(
    client: &Client,
    schema: &str,
    name: &str,
) -> Result<Vec<String>, Error> {
    let rows = client
        .query(
            "SELECT e.enumlabel::text FROM pg_catalog.pg_enum e
             JOIN pg_catalog.pg_type t ON t.oid = e.enumtypid
             JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
             WHERE n.nspname = $1::text AND t.typname = $2::text
             ORDER BY e.enumsortorder",
            &[&schema, &name],
        )
        .await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}
