//! What the session asks the server about itself, in SQL, and how the rows are read.
//!
//! Every name crosses the wire as hexadecimal UTF-8, so that neither `client_encoding` nor a
//! delimiter in a name matters, and everything is qualified, so that the search path does not.
//! Nothing here needs a privilege beyond reading `pg_catalog`, in PostgreSQL 13 and later.

mod held;

use std::collections::HashMap;

pub(crate) use held::{HELD_SQL, held};
use sealwire_core::catalogue::{Attribute, Relation, RelationKind, SessionFacts};
use sealwire_core::value::ByteaOutput;

use crate::effect::Stale;
use crate::message::Malformed;
use crate::message::backend::Row;
use crate::settings::ReadSettings;

/// The newest manifest.
pub(crate) const MANIFEST_SQL: &str =
    "SELECT document FROM sealwire.manifest ORDER BY serial DESC LIMIT 1";

macro_rules! facts_sql {
    ($enums:literal) => {
        concat!(
            "SELECT ",
            $enums,
            "\
, (SELECT pg_catalog.string_agg(
          pg_catalog.encode(pg_catalog.convert_to(s.name::pg_catalog.text, 'UTF8'), 'hex'),
          ',' ORDER BY s.at)
        FROM pg_catalog.unnest(pg_catalog.current_schemas(true)) WITH ORDINALITY AS s (name, at)),
  pg_catalog.encode(pg_catalog.convert_to(current_user::pg_catalog.text, 'UTF8'), 'hex'),
  pg_catalog.current_setting('bytea_output'),
  pg_catalog.current_setting('extra_float_digits'),
  pg_catalog.encode(pg_catalog.convert_to(pg_catalog.current_setting('lc_monetary'), 'UTF8'), 'hex'),
  pg_catalog.current_setting('client_encoding'),
  pg_catalog.current_setting('standard_conforming_strings'),
  pg_catalog.current_setting('DateStyle'),
  pg_catalog.current_setting('IntervalStyle'),
  pg_catalog.encode(pg_catalog.convert_to(pg_catalog.current_setting('TimeZone'), 'UTF8'), 'hex'),
  EXISTS (
    SELECT FROM pg_catalog.pg_operator o
    WHERE o.oprname OPERATOR(pg_catalog.=) ANY ('{=,<>}'::pg_catalog.name[])
      AND o.oprnamespace OPERATOR(pg_catalog.<>) 'pg_catalog'::pg_catalog.regnamespace
      AND EXISTS (
        SELECT FROM pg_catalog.pg_type t
        JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) t.typnamespace
        WHERE (t.oid OPERATOR(pg_catalog.=) o.oprleft OR t.oid OPERATOR(pg_catalog.=) o.oprright)
          AND (t.oid OPERATOR(pg_catalog.=) 'pg_catalog.bytea'::pg_catalog.regtype
            OR n.nspname OPERATOR(pg_catalog.=) 'sealwire')))"
        )
    };
}

/// The session's facts. An operator `=` or `<>` over the cells' types outside `pg_catalog` could
/// be what an unqualified `=` means.
pub(crate) const FACTS_SQL: &str = facts_sql!("NULL::pg_catalog.text");

/// The session's facts with the identifiers of the database's enumerated types, for manifests that
/// name some.
pub(crate) const FACTS_WITH_ENUMS_SQL: &str = facts_sql!(
    "(SELECT pg_catalog.string_agg(pg_catalog.concat_ws(':',
        pg_catalog.encode(pg_catalog.convert_to(n.nspname::pg_catalog.text, 'UTF8'), 'hex'),
        pg_catalog.encode(pg_catalog.convert_to(t.typname::pg_catalog.text, 'UTF8'), 'hex'),
        t.oid, t.typarray), ',')
      FROM pg_catalog.pg_type t
      JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) t.typnamespace
      WHERE t.typtype OPERATOR(pg_catalog.=) 'e')"
);

/// Functions outside of `pg_catalog` whose code has a word in it that may change what names mean, or how
/// texts are read and values written: how far (`n`: which names are protected, `f`: the session's facts
/// only), and the name. Code in C cannot be read; `SET` clauses of a function are undone when it
/// returns. The strings are the same whatever `standard_conforming_strings` is. They are sub-selects,
/// because the planner compiles a constant pattern to guess how often it matches, and each new
/// connection would pay for that though most databases have no function to try it on.
pub(crate) const FUNCTIONS_SQL: &str = r"
SELECT pg_catalog.string_agg(DISTINCT pg_catalog.concat(
    CASE WHEN f.prosrc OPERATOR(pg_catalog.~*) (SELECT E'\\m(create|alter|drop)\\M')
      THEN 'n' ELSE 'f' END,
    pg_catalog.encode(pg_catalog.convert_to(f.proname::pg_catalog.text, 'UTF8'), 'hex')), ',')
FROM pg_catalog.pg_proc f
JOIN pg_catalog.pg_language l ON l.oid OPERATOR(pg_catalog.=) f.prolang
WHERE l.lanname OPERATOR(pg_catalog.<>) ALL ('{internal,c}'::pg_catalog.name[])
  AND f.pronamespace OPERATOR(pg_catalog.<>) 'pg_catalog'::pg_catalog.regnamespace
  AND f.prosrc OPERATOR(pg_catalog.~*) (SELECT
    E'\\m(set_config|search_path|role|authorization|reset|discard|create|alter|drop|execute'
    '|client_encoding|standard_conforming_strings|backslash_quote|datestyle|intervalstyle'
    '|timezone|timezone_abbreviations|lc_monetary|bytea_output|extra_float_digits)\\M'
    '|\\mset\\M[^;]*\\m(names|time)\\M')";

/// The arrays are for the planner, which takes one for ten elements. From an estimate of the rows that
/// the recursion begins with it would make one of the whole that is above `jit_above_cost`, and each
/// new connection would cost the server a compilation that takes ten times as long as the query; from
/// one of the rows that it ends with, it would rather read all of `pg_class` than use the index.
macro_rules! relations_sql {
    ($first:literal, $further:literal) => {
        concat!(
            "\
WITH RECURSIVE cells (oid) AS (
    SELECT t.oid FROM pg_catalog.pg_type t
    JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) t.typnamespace
    WHERE n.nspname OPERATOR(pg_catalog.=) 'sealwire'
      AND t.typname OPERATOR(pg_catalog.=) ANY ('{deterministic,randomized}'::pg_catalog.name[])
  UNION
    SELECT d.objid FROM cells t
    JOIN pg_catalog.pg_depend d ON d.refobjid OPERATOR(pg_catalog.=) t.oid
    WHERE d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_type'::pg_catalog.regclass
      AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_type'::pg_catalog.regclass
), related (oid) AS (
    SELECT first.oid FROM pg_catalog.unnest(ARRAY(
        SELECT c.oid FROM pg_catalog.pg_class c
        WHERE c.relname OPERATOR(pg_catalog.=) ANY (ARRAY(
            SELECT pg_catalog.convert_from(pg_catalog.decode(h.name, 'hex'), 'UTF8')::pg_catalog.name
            FROM pg_catalog.unnest(pg_catalog.string_to_array($1::pg_catalog.text, ',')) AS h (name)))
          AND c.relkind OPERATOR(pg_catalog.=) ANY ('{r,p,v,m,f}'::pg_catalog.\"char\"[])
      UNION ALL ",
            $first,
            ")) AS first (oid)
  UNION
    SELECT further.oid FROM related r, LATERAL (",
            $further,
            ") AS further (oid)
)
SELECT c.oid,
  pg_catalog.encode(pg_catalog.convert_to(n.nspname::pg_catalog.text, 'UTF8'), 'hex'),
  pg_catalog.encode(pg_catalog.convert_to(c.relname::pg_catalog.text, 'UTF8'), 'hex'),
  c.relkind,
  (SELECT pg_catalog.string_agg(i.inhparent::pg_catalog.text, ',')
   FROM pg_catalog.pg_inherits i WHERE i.inhrelid OPERATOR(pg_catalog.=) c.oid),
  (SELECT pg_catalog.string_agg(DISTINCT d.refobjid::pg_catalog.text, ',')
   FROM pg_catalog.pg_rewrite w
   JOIN pg_catalog.pg_depend d ON d.objid OPERATOR(pg_catalog.=) w.oid
   WHERE w.ev_class OPERATOR(pg_catalog.=) c.oid
     AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_rewrite'::pg_catalog.regclass
     AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
     AND d.refobjid OPERATOR(pg_catalog.<>) c.oid
     AND c.relkind OPERATOR(pg_catalog.=) ANY ('{v,m}'::pg_catalog.\"char\"[])),
  CASE WHEN c.relkind OPERATOR(pg_catalog.=) ANY ('{v,m}'::pg_catalog.\"char\"[])
    THEN pg_catalog.encode(
      pg_catalog.convert_to(pg_catalog.pg_get_viewdef(c.oid), 'UTF8'), 'hex')
    WHEN c.relkind OPERATOR(pg_catalog.=) 'p' THEN pg_catalog.encode(
      pg_catalog.convert_to(pg_catalog.pg_get_partkeydef(c.oid), 'UTF8'), 'hex') END,
  (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(':', a.attnum,
      pg_catalog.encode(pg_catalog.convert_to(a.attname::pg_catalog.text, 'UTF8'), 'hex'),
      a.atttypid,
      pg_catalog.encode(pg_catalog.convert_to(COALESCE(
        (WITH RECURSIVE chain (oid, typtype, typbasetype, typelem, suffix) AS (
            SELECT t.oid, t.typtype, t.typbasetype, t.typelem, ''
            WHERE t.oid OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT cells.oid FROM cells))
          UNION ALL
            SELECT u.oid, u.typtype, u.typbasetype, u.typelem,
              CASE WHEN h.typtype OPERATOR(pg_catalog.=) 'd' THEN h.suffix ELSE '[]' END
            FROM chain h
            JOIN pg_catalog.pg_type u ON u.oid OPERATOR(pg_catalog.=)
              CASE WHEN h.typtype OPERATOR(pg_catalog.=) 'd' THEN h.typbasetype
                ELSE h.typelem END
         ) SELECT pg_catalog.concat('sealwire.', y.typname, h.suffix)
         FROM chain h
         JOIN pg_catalog.pg_type y ON y.oid OPERATOR(pg_catalog.=) h.oid
         JOIN pg_catalog.pg_namespace yn ON yn.oid OPERATOR(pg_catalog.=) y.typnamespace
         WHERE yn.nspname OPERATOR(pg_catalog.=) 'sealwire' AND y.typname OPERATOR(pg_catalog.=)
           ANY ('{deterministic,randomized}'::pg_catalog.name[])),
        CASE WHEN t.typtype OPERATOR(pg_catalog.=) 'd'
          THEN pg_catalog.concat(tn.nspname, '.', t.typname) ELSE '' END), 'UTF8'), 'hex'),
      (WITH RECURSIVE base (oid, typtype, typbasetype) AS (
          SELECT t.oid, t.typtype, t.typbasetype
        UNION ALL
          SELECT u.oid, u.typtype, u.typbasetype FROM base b
          JOIN pg_catalog.pg_type u ON u.oid OPERATOR(pg_catalog.=) b.typbasetype
          WHERE b.typtype OPERATOR(pg_catalog.=) 'd'
       ) SELECT b.oid FROM base b WHERE b.typtype OPERATOR(pg_catalog.<>) 'd'),
      CASE WHEN a.atthasdef THEN 't' ELSE 'f' END,
      CASE WHEN a.attgenerated OPERATOR(pg_catalog.<>) ''
             OR a.attidentity OPERATOR(pg_catalog.<>) '' THEN 't' ELSE 'f' END),
      ',' ORDER BY a.attnum)
   FROM pg_catalog.pg_attribute a
   JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) a.atttypid
   JOIN pg_catalog.pg_namespace tn ON tn.oid OPERATOR(pg_catalog.=) t.typnamespace
   WHERE a.attrelid OPERATOR(pg_catalog.=) c.oid
     AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped)
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
WHERE c.relname OPERATOR(pg_catalog.=) ANY (ARRAY(
    SELECT k.relname FROM pg_catalog.pg_class k
    WHERE k.oid OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT r.oid FROM related r))))
  AND c.relkind OPERATOR(pg_catalog.=) ANY ('{r,p,v,m,f}'::pg_catalog.\"char\"[])"
        )
    };
}

/// Relations of the names in `$1` in any schema and relations with a column of a cells' type (found
/// through `pg_depend`, which has an index for it), everything that depends on them (children,
/// partitions, views, transitively), and every relation that shares a name with one of those.
pub(crate) const DEPENDENTS_SQL: &str = relations_sql!(
    "
        SELECT d.objid FROM cells t
        JOIN pg_catalog.pg_depend d ON d.refobjid OPERATOR(pg_catalog.=) t.oid
        WHERE d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_type'::pg_catalog.regclass
          AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
    ",
    "
        SELECT i.inhrelid FROM pg_catalog.pg_inherits i
        WHERE i.inhparent OPERATOR(pg_catalog.=) r.oid
      UNION ALL
        SELECT w.ev_class FROM pg_catalog.pg_depend d
        JOIN pg_catalog.pg_rewrite w ON w.oid OPERATOR(pg_catalog.=) d.objid
        WHERE d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
          AND d.refobjid OPERATOR(pg_catalog.=) r.oid
          AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_rewrite'::pg_catalog.regclass
    "
);

/// Relations of the names in `$1`, everything that they depend on (parents, what views read), and
/// every relation that shares a name with one of those.
pub(crate) const ANCESTORS_SQL: &str = relations_sql!(
    "SELECT NULL::pg_catalog.oid WHERE false",
    "
        SELECT i.inhparent FROM pg_catalog.pg_inherits i
        WHERE i.inhrelid OPERATOR(pg_catalog.=) r.oid
      UNION ALL
        SELECT d.refobjid FROM pg_catalog.pg_rewrite w
        JOIN pg_catalog.pg_depend d ON d.objid OPERATOR(pg_catalog.=) w.oid
        WHERE w.ev_class OPERATOR(pg_catalog.=) r.oid
          AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_rewrite'::pg_catalog.regclass
          AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
    "
);

/// The parameter of [`DEPENDENTS_SQL`] and [`ANCESTORS_SQL`].
pub(crate) fn names_parameter<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut out = String::new();
    for name in names {
        if !out.is_empty() {
            out.push(',');
        }
        push_hex(&mut out, name.as_bytes());
    }
    out
}

/// Appends bytes in hexadecimal.
pub(crate) fn push_hex(out: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.reserve(bytes.len() * 2);
    for byte in bytes {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
}

/// The value of each byte as a hexadecimal digit; more than 15 where it is none. A table, because
/// cells come in hexadecimal wherever a result is text.
const DIGIT_VALUES: [u8; 256] = {
    let mut values = [0xff; 256];
    let mut digit = 0;
    while digit < 16 {
        values[b"0123456789abcdef"[digit as usize] as usize] = digit;
        values[b"0123456789ABCDEF"[digit as usize] as usize] = digit;
        digit += 1;
    }
    values
};

/// Reads hexadecimal.
pub(crate) fn decode_hex(text: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    let (pairs, odd) = text.as_chunks::<2>();
    let mut seen = 0;
    out.extend(pairs.iter().map(|&[high, low]| {
        let (high, low) = (
            DIGIT_VALUES[usize::from(high)],
            DIGIT_VALUES[usize::from(low)],
        );
        seen |= high | low;
        high << 4 | low
    }));
    if odd.is_empty() && seen < 16 {
        Ok(())
    } else {
        Err(Malformed)
    }
}

fn string(field: &[u8]) -> Result<String, Malformed> {
    let mut bytes = Vec::new();
    decode_hex(field, &mut bytes)?;
    String::from_utf8(bytes).map_err(|_| Malformed)
}

fn number<T: std::str::FromStr>(field: &[u8]) -> Result<T, Malformed> {
    let text = str::from_utf8(field).map_err(|_| Malformed)?;
    text.parse().map_err(|_| Malformed)
}

fn flag(field: &[u8]) -> Result<bool, Malformed> {
    match field {
        b"t" => Ok(true),
        b"f" => Ok(false),
        _ => Err(Malformed),
    }
}

/// A comma-separated list, `None` when empty.
fn list<T>(
    field: Option<&[u8]>,
    item: impl Fn(&[u8]) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    field.map_or(Ok(Vec::new()), |field| {
        field.split(|&b| b == b',').map(item).collect()
    })
}

fn attribute(field: &[u8]) -> Result<Attribute, Malformed> {
    let parts: Vec<&[u8]> = field.split(|&b| b == b':').collect();
    let &[
        number_,
        name,
        type_oid,
        domain,
        base,
        has_default,
        generated,
    ] = parts.as_slice()
    else {
        return Err(Malformed);
    };
    Ok(Attribute {
        number: number(number_)?,
        name: string(name)?,
        type_oid: number(type_oid)?,
        domain: string(domain)?,
        base_type_oid: number(base)?,
        has_default: flag(has_default)?,
        generated: flag(generated)?,
    })
}

/// Reads a row of [`DEPENDENTS_SQL`] or [`ANCESTORS_SQL`].
pub(crate) fn relation(body: &[u8]) -> Result<Relation, Malformed> {
    let mut row = Row::read(body)?;
    let oid = number(row.next()?.ok_or(Malformed)?)?;
    let schema = string(row.next()?.ok_or(Malformed)?)?;
    let name = string(row.next()?.ok_or(Malformed)?)?;
    let Some(&[letter]) = row.next()? else {
        return Err(Malformed);
    };
    let parents = list(row.next()?, number)?;
    let reads = list(row.next()?, number)?;
    let kind = RelationKind::from_relkind(letter);
    let definition = row.next()?.map(string).transpose()?;
    // One column of the row, because no relation has both.
    let (definition, partition_key) = match kind {
        RelationKind::Partitioned => (None, definition),
        _ => (definition, None),
    };
    let attributes = list(row.next()?, attribute)?;
    row.end()?;
    Ok(Relation {
        oid,
        schema,
        name,
        kind,
        attributes,
        parents,
        reads,
        definition,
        partition_key,
    })
}

/// Reads the row of [`FUNCTIONS_SQL`].
pub(crate) fn functions(body: &[u8]) -> Result<Vec<(String, Stale)>, Malformed> {
    let mut row = Row::read(body)?;
    let functions = list(row.next()?, |item| match item.split_first() {
        Some((b'f', name)) => Ok((string(name)?, Stale::Facts)),
        Some((b'n', name)) => Ok((string(name)?, Stale::Names)),
        _ => Err(Malformed),
    })?;
    row.end()?;
    Ok(functions)
}

/// A row of [`FACTS_SQL`].
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) session: SessionFacts,
    pub(crate) settings: ReadSettings,
    pub(crate) enum_oids: EnumOids,
}

/// Object identifiers of enumerated types and of their arrays, by schema and name.
pub(crate) type EnumOids = HashMap<(String, String), (u32, u32)>;
type EnumOid = ((String, String), (u32, u32));

fn enum_oids(field: &[u8]) -> Result<EnumOid, Malformed> {
    let parts: Vec<&[u8]> = field.split(|&b| b == b':').collect();
    let &[schema, name, oid, array_oid] = parts.as_slice() else {
        return Err(Malformed);
    };
    let names = (string(schema)?, string(name)?);
    Ok((names, (number(oid)?, number(array_oid)?)))
}

/// Reads a row of [`FACTS_SQL`].
pub(crate) fn facts(body: &[u8]) -> Result<Facts, Malformed> {
    let mut row = Row::read(body)?;
    let enum_oids = list(row.next()?, enum_oids)?.into_iter().collect();
    let search_path = list(row.next()?, string)?;
    let role = string(row.next()?.ok_or(Malformed)?)?;
    let bytea_output = match row.next()? {
        Some(b"hex") => ByteaOutput::Hex,
        Some(b"escape") => ByteaOutput::Escape,
        _ => return Err(Malformed),
    };
    let extra_float_digits = number(row.next()?.ok_or(Malformed)?)?;
    let lc_monetary = string(row.next()?.ok_or(Malformed)?)?;
    let mut text = || {
        let text = str::from_utf8(row.next()?.ok_or(Malformed)?).map_err(|_| Malformed)?;
        Ok(text.to_owned())
    };
    let client_encoding = text()?;
    let standard_conforming_strings = text()? == "on";
    let (date_style, interval_style) = (text()?, text()?);
    let time_zone = string(row.next()?.ok_or(Malformed)?)?;
    let foreign_equality_operator = flag(row.next()?.ok_or(Malformed)?)?;
    row.end()?;
    Ok(Facts {
        session: SessionFacts {
            search_path,
            role,
            foreign_equality_operator,
        },
        settings: ReadSettings {
            bytea_output,
            extra_float_digits,
            lc_monetary,
            client_encoding,
            standard_conforming_strings,
            date_style,
            interval_style,
            time_zone,
        },
        enum_oids,
    })
}

/// Reads a row of [`MANIFEST_SQL`].
pub(crate) fn document(body: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut row = Row::read(body)?;
    let document = row.next()?.ok_or(Malformed)?.to_vec();
    row.end()?;
    Ok(document)
}
