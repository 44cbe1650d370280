//! What is asked about types that hold cells, and about the functions that take or return some.

use sealwire_core::catalogue::{CellType, Function, Held};

use super::{list, number, string};
use crate::message::Malformed;
use crate::message::backend::Row;

/// One row: types, relations and functions that have to do with cells beyond the columns of a
/// cells' type itself, found through `pg_depend`, which has an index for it. From a type the way
/// leads to the types and the columns that are made of it, from a relation to its row type and to
/// the views over it. What is reached through a view's query carries the view: the query may leave
/// the cells out. Functions come with every other one of their name.
///
/// The array that it begins with is for the planner, as in [`super::DEPENDENTS_SQL`].
pub(crate) const HELD_SQL: &str = r#"
WITH RECURSIVE held (kind, oid, view) AS (
    SELECT 't'::pg_catalog.text, first.oid, 0::pg_catalog.oid FROM pg_catalog.unnest(ARRAY(
        SELECT t.oid FROM pg_catalog.pg_type t
        JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) t.typnamespace
        WHERE n.nspname OPERATOR(pg_catalog.=) 'sealwire'
          AND t.typname OPERATOR(pg_catalog.=) ANY ('{deterministic,randomized}'::pg_catalog.name[])
    )) AS first (oid)
  UNION
    SELECT further.kind, further.oid, further.view FROM held h, LATERAL (
        SELECT CASE WHEN d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_type'::pg_catalog.regclass
            THEN 't' ELSE 'c' END, d.objid, h.view
        FROM pg_catalog.pg_depend d
        WHERE h.kind OPERATOR(pg_catalog.=) 't'
          AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_type'::pg_catalog.regclass
          AND d.refobjid OPERATOR(pg_catalog.=) h.oid
          AND d.classid OPERATOR(pg_catalog.=)
            ANY ('{pg_catalog.pg_type,pg_catalog.pg_class}'::pg_catalog.regclass[]::pg_catalog.oid[])
      UNION ALL
        SELECT 't', c.reltype, h.view FROM pg_catalog.pg_class c
        WHERE h.kind OPERATOR(pg_catalog.=) 'c' AND c.oid OPERATOR(pg_catalog.=) h.oid
          AND c.reltype OPERATOR(pg_catalog.<>) 0::pg_catalog.oid
      UNION ALL
        SELECT 'c', w.ev_class, w.ev_class FROM pg_catalog.pg_depend d
        JOIN pg_catalog.pg_rewrite w ON w.oid OPERATOR(pg_catalog.=) d.objid
        WHERE h.kind OPERATOR(pg_catalog.=) 'c'
          AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
          AND d.refobjid OPERATOR(pg_catalog.=) h.oid
          AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_rewrite'::pg_catalog.regclass
          AND w.ev_class OPERATOR(pg_catalog.<>) h.oid
    ) AS further (kind, oid, view)
)
SELECT
  (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(':', t.oid, h.view, t.typrelid,
      pg_catalog.encode(pg_catalog.convert_to(n.nspname::pg_catalog.text, 'UTF8'), 'hex'),
      pg_catalog.encode(pg_catalog.convert_to(t.typname::pg_catalog.text, 'UTF8'), 'hex'),
      COALESCE((SELECT pg_catalog.string_agg(pg_catalog.concat_ws('/',
          pg_catalog.encode(pg_catalog.convert_to(a.attname::pg_catalog.text, 'UTF8'), 'hex'),
          a.atttypid), ' ' ORDER BY a.attnum)
        FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) c.oid
        WHERE c.oid OPERATOR(pg_catalog.=) t.typrelid AND c.relkind OPERATOR(pg_catalog.=) 'c'
          AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped), '')), ',')
    FROM held h
    JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) h.oid
    JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) t.typnamespace
    WHERE h.kind OPERATOR(pg_catalog.=) 't'),
  (SELECT pg_catalog.string_agg(DISTINCT pg_catalog.concat_ws(':', c.oid,
      pg_catalog.encode(pg_catalog.convert_to(c.relname::pg_catalog.text, 'UTF8'), 'hex')), ',')
    FROM held h
    JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) h.oid
    WHERE h.kind OPERATOR(pg_catalog.=) 'c'
      AND c.relkind OPERATOR(pg_catalog.=) ANY ('{r,p,v,m,f}'::pg_catalog."char"[])),
  (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(':', f.oid,
      pg_catalog.encode(pg_catalog.convert_to(n.nspname::pg_catalog.text, 'UTF8'), 'hex'),
      pg_catalog.encode(pg_catalog.convert_to(f.proname::pg_catalog.text, 'UTF8'), 'hex'),
      f.prorettype, f.proargtypes::pg_catalog.text,
      CASE WHEN f.provariadic OPERATOR(pg_catalog.<>) 0::pg_catalog.oid THEN 't' ELSE 'f' END,
      COALESCE((SELECT pg_catalog.string_agg(pg_catalog.concat_ws('/',
          pg_catalog.encode(
            pg_catalog.convert_to(COALESCE(o.name, ''), 'UTF8'), 'hex'), o.type),
          ' ' ORDER BY o.at)
        FROM ROWS FROM (pg_catalog.unnest(f.proallargtypes), pg_catalog.unnest(f.proargmodes),
            pg_catalog.unnest(f.proargnames)) WITH ORDINALITY AS o (type, mode, name, at)
        WHERE o.mode OPERATOR(pg_catalog.=) ANY ('{o,b,t}'::pg_catalog."char"[])), '')), ',')
    FROM pg_catalog.pg_proc f
    JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) f.pronamespace
    WHERE f.proname OPERATOR(pg_catalog.=) ANY (ARRAY(
        SELECT g.proname FROM held h
        JOIN pg_catalog.pg_depend d ON d.refobjid OPERATOR(pg_catalog.=) h.oid
        JOIN pg_catalog.pg_proc g ON g.oid OPERATOR(pg_catalog.=) d.objid
        WHERE h.kind OPERATOR(pg_catalog.=) 't'
          AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_type'::pg_catalog.regclass
          AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass)))"#;

/// Reads the row of [`HELD_SQL`].
pub(crate) fn held(body: &[u8]) -> Result<Held, Malformed> {
    let mut row = Row::read(body)?;
    let held = Held {
        types: list(row.next()?, cell_type)?,
        relations: list(row.next()?, relation)?.into_iter().collect(),
        functions: list(row.next()?, function)?,
    };
    row.end()?;
    Ok(held)
}

fn fields<const N: usize>(item: &[u8]) -> Result<[&[u8]; N], Malformed> {
    let fields: Vec<&[u8]> = item.split(|&b| b == b':').collect();
    fields.try_into().map_err(|_| Malformed)
}

fn cell_type(item: &[u8]) -> Result<CellType, Malformed> {
    let [oid, view, row_of, schema, name, columns] = fields(item)?;
    Ok(CellType {
        oid: number(oid)?,
        schema: string(schema)?,
        name: string(name)?,
        view: number(view)?,
        row_of: number(row_of)?,
        columns: spaced(columns, column)?,
    })
}

fn relation(item: &[u8]) -> Result<(u32, String), Malformed> {
    let [oid, name] = fields(item)?;
    Ok((number(oid)?, string(name)?))
}

fn function(item: &[u8]) -> Result<Function, Malformed> {
    let [oid, schema, name, returns, arguments, variadic, columns] = fields(item)?;
    Ok(Function {
        oid: number(oid)?,
        schema: string(schema)?,
        name: string(name)?,
        returns: number(returns)?,
        arguments: spaced(arguments, number)?,
        variadic: super::flag(variadic)?,
        columns: spaced(columns, column)?,
    })
}

fn column(item: &[u8]) -> Result<(String, u32), Malformed> {
    let at = item.iter().position(|&b| b == b'/').ok_or(Malformed)?;
    Ok((string(&item[..at])?, number(&item[at + 1..])?))
}

/// A list with spaces between its items.
fn spaced<T>(
    field: &[u8],
    item: impl Fn(&[u8]) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    let items = field.split(|&b| b == b' ').filter(|it| !it.is_empty());
    items.map(item).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(fields: [Option<&str>; 3]) -> Vec<u8> {
        let mut body = vec![0, 3];
        for field in fields {
            let length = field.map_or(-1, |field| i32::try_from(field.len()).unwrap_or_default());
            body.extend(length.to_be_bytes());
            body.extend(field.unwrap_or_default().as_bytes());
        }
        body
    }

    #[test]
    fn a_row_is_read() {
        let types = "7:0:0:73:64:,8:9:10:73:76:61/25 62/7";
        let functions = "5:73:66:7::f:,6:73:66:2249:23 7:t:/25 65/7";
        let read = held(&row([Some(types), Some("9:76"), Some(functions)])).ok();
        let read = read.unwrap_or_default();
        assert_eq!(read.types.len(), 2);
        assert_eq!(read.types[1].columns, [("a".into(), 25), ("b".into(), 7)]);
        assert_eq!((read.types[1].view, read.types[1].row_of), (9, 10));
        assert_eq!(read.relations[&9], "v");
        assert_eq!((read.functions[0].oid, read.functions[1].oid), (5, 6));
        assert_eq!(read.functions[0].arguments, []);
        assert_eq!(read.functions[1].arguments, [23, 7]);
        assert!(read.functions[1].variadic);
        let columns = [(String::new(), 25), ("e".into(), 7)];
        assert_eq!(read.functions[1].columns, columns);
        assert_eq!(held(&row([None, None, None])).ok(), Some(Held::default()));
    }

    #[test]
    fn anything_else_is_malformed() {
        for fields in [
            [Some("7:0:0:73:64"), None, None],
            [Some("7:0:0:73:64:61"), None, None],
            [None, Some("9"), None],
            [None, None, Some("5:73:66:7::x:")],
        ] {
            assert!(held(&row(fields)).is_err(), "{fields:?}");
        }
    }
}
