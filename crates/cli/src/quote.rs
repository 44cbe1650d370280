//! SQL identifiers.

/// An identifier as it can stand in SQL: bare where it reads back as itself.
pub(crate) fn identifier(name: &str) -> String {
    let start = |c: char| c.is_ascii_lowercase() || c == '_';
    let bare = name.starts_with(start)
        && name.chars().all(|c| start(c) || c.is_ascii_digit())
        && !RESERVED.split_ascii_whitespace().any(|word| word == name);
    if bare {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

/// `pg_get_keywords()` of PostgreSQL 13 to 18 where `catcode` is `R` or `T`: words that are no
/// names of columns or tables.
const RESERVED: &str = "\
all analyse analyze and any array as asc asymmetric authorization binary both case cast \
check collate collation column concurrently constraint create cross current_catalog \
current_date current_role current_schema current_time current_timestamp current_user \
default deferrable desc distinct do else end except false fetch for foreign freeze from \
full grant group having ilike in initially inner intersect into is isnull join lateral \
leading left like limit localtime localtimestamp natural not notnull null offset on \
only or order outer overlaps placing primary references returning right select \
session_user similar some symmetric system_user table tablesample then to trailing true \
union unique user using variadic verbose when where window with";

#[cfg(test)]
mod tests {
    use super::identifier;

    #[test]
    fn what_would_not_read_back_is_quoted() {
        for (name, sql) in [
            ("email", "email"),
            ("_e1", "_e1"),
            ("order", "\"order\""),
            ("user", "\"user\""),
            ("Users", "\"Users\""),
            ("a\"b", "\"a\"\"b\""),
            ("1a", "\"1a\""),
            ("été", "\"été\""),
            ("", "\"\""),
        ] {
            assert_eq!(identifier(name), sql);
        }
    }
}
