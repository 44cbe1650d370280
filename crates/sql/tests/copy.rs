//! COPY: what the plan says of the stream.

#![allow(clippy::unwrap_used, reason = "a failing helper fails its test")]

#[path = "common/schema.rs"]
mod schema;

use std::sync::Arc;

use schema::{World, policy, relations, s1, world};
use sealwire_sql::{
    CopyDirection, CopyFormat, CopyHeader, CopyStream, CopyText, Outputs, Protocol, RefusalKind,
    Verdict, analyse,
};

/// What is planned of the last statement.
#[track_caller]
fn outputs(world: &World, sql: &str) -> Outputs {
    match analyse(sql, Protocol::Simple, &world.context()) {
        Verdict::Planned(plan) => plan.statements.last().unwrap().clone(),
        other => panic!("{sql}: {other:?}"),
    }
}

#[track_caller]
fn stream(sql: &str) -> Arc<CopyStream> {
    match outputs(&s1(), sql) {
        Outputs::Copy(stream) => stream,
        other => panic!("{sql}: {other:?}"),
    }
}

#[track_caller]
fn refused(world: &World, sql: &str) -> RefusalKind {
    match analyse(sql, Protocol::Simple, &world.context()) {
        Verdict::Refused(refusal) => refusal.kind,
        other => panic!("{sql}: {other:?}"),
    }
}

fn text() -> CopyText {
    CopyText {
        delimiter: b'\t',
        null: "\\N".into(),
        default: None,
        header: CopyHeader::No,
        says_utf8: false,
    }
}

fn csv(text: CopyText, quote: u8, escape: u8) -> CopyFormat {
    CopyFormat::Csv {
        text,
        quote,
        escape,
    }
}

#[test]
fn options_mean_the_same_in_both_spellings() {
    let commas = CopyText {
        delimiter: b',',
        null: String::new(),
        ..text()
    };
    let semicolons = CopyText {
        delimiter: b';',
        null: "n".into(),
        header: CopyHeader::Yes,
        says_utf8: true,
        ..text()
    };
    for (sql, format) in [
        ("COPY users FROM STDIN", CopyFormat::Text(text())),
        ("COPY users FROM STDOUT", CopyFormat::Text(text())),
        (
            "COPY users FROM STDIN USING DELIMITERS '\t'",
            CopyFormat::Text(text()),
        ),
        (
            "COPY users FROM STDIN (FORMAT text, HEADER false)",
            CopyFormat::Text(text()),
        ),
        ("COPY users FROM STDIN BINARY", CopyFormat::Binary),
        ("COPY BINARY users FROM STDIN", CopyFormat::Binary),
        (
            "COPY users FROM STDIN (format 'binary', header off)",
            CopyFormat::Binary,
        ),
        ("COPY users FROM STDIN CSV", csv(commas.clone(), b'"', b'"')),
        (
            "COPY users FROM STDIN WITH (FORMAT csv, ESCAPE '\\', FREEZE)",
            csv(commas.clone(), b'"', b'\\'),
        ),
        (
            "COPY users FROM STDIN WITH CSV QUOTE AS '''' FREEZE",
            csv(commas, b'\'', b'\''),
        ),
        (
            "COPY users FROM STDIN DELIMITER AS ';' CSV NULL 'n' HEADER ENCODING 'utf-8'",
            csv(semicolons.clone(), b'"', b'"'),
        ),
        (
            "COPY users FROM STDIN (header 1, null 'n', format csv, delimiter ';', encoding Unicode)",
            csv(semicolons, b'"', b'"'),
        ),
    ] {
        let stream = stream(sql);
        assert_eq!(stream.format, format, "{sql}");
        assert_eq!(stream.direction, CopyDirection::In, "{sql}");
        assert_eq!(stream.relation, "users");
    }
}

#[test]
fn forced_columns_are_marked() {
    let marks = |sql: &str| {
        let stream = stream(sql);
        let columns = stream
            .columns
            .iter()
            .filter(|column| column.force_quote || column.force_null || column.force_not_null);
        columns
            .map(|column| column.name.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        marks("COPY users (id, email, ssn) TO STDOUT CSV FORCE QUOTE email, id"),
        ["id", "email"]
    );
    assert_eq!(
        marks("COPY users (id, \"Phone No\") TO STDOUT (FORMAT csv, FORCE_QUOTE *)"),
        ["id", "Phone No"]
    );
    assert_eq!(
        marks("COPY users (id, email) FROM STDIN (FORMAT csv, FORCE_NULL (email))"),
        ["email"]
    );
    assert_eq!(
        marks("COPY users (id, email) FROM STDIN CSV FORCE NOT NULL email"),
        ["email"]
    );
    // The server knows the columns of its output by name as well.
    assert_eq!(
        marks(
            "COPY (SELECT id, email AS mail FROM users) TO STDOUT (FORMAT csv, FORCE_QUOTE (mail))"
        ),
        ["mail"]
    );
}

/// Options that no server takes are the server's to reject: no stream is planned for them.
#[test]
fn impossible_options_have_no_stream() {
    for options in [
        "(DELIMITER 'ab')",
        "(DELIMITER 'a')",
        "(DELIMITER E'\\n')",
        "(DELIMITER 'ä')",
        "(NULL E'a\\nb')",
        "(NULL E'a\\tb')",
        "(QUOTE '''')",
        "(FORMAT csv, QUOTE ',')",
        "(FORMAT csv, QUOTE '')",
        "(FORMAT csv, ESCAPE 'ab')",
        "(FORMAT csv, NULL '\"')",
        "(FORMAT csv, FORCE_QUOTE (email))",
        "(FORCE_NULL (email))",
        "(FORMAT binary, DELIMITER ';')",
        "(FORMAT binary, HEADER)",
        "(FORMAT csv, FORMAT csv)",
        "(DEFAULT '\\N')",
    ] {
        let sql = format!("COPY users (id, email) FROM STDIN {options}");
        assert_eq!(outputs(&s1(), &sql), Outputs::Columns(vec![]), "{sql}");
    }
    for options in [
        "(HEADER match)",
        "(DEFAULT 'x')",
        "(FORMAT csv, FORCE_NULL (email))",
    ] {
        let sql = format!("COPY users (id, email) TO STDOUT {options}");
        assert_eq!(outputs(&s1(), &sql), Outputs::Columns(vec![]), "{sql}");
    }
}

#[test]
fn options_that_are_not_known_or_not_certain_are_refused() {
    for options in [
        "(FORMAT json)",
        "(FORMAT 'CSV')",
        "(HEADER 2)",
        "(HEADER maybe)",
        "(NOSUCH)",
        "(ENCODING latin1)",
        "(ON_ERROR ignore)",
        "(ON_ERROR set_null)",
        "(FORMAT csv, QUOTE '\\')",
        "(FORMAT csv, QUOTE E'\\n')",
        "(FORMAT csv, ESCAPE E'\\r')",
        "(FORMAT csv, NULL 'secret', FORCE_NOT_NULL (email))",
    ] {
        let sql = format!("COPY users (id, email) FROM STDIN {options}");
        assert_eq!(
            refused(&s1(), &sql),
            RefusalKind::UnsupportedConstruct,
            "{sql}"
        );
        // Without an encrypted column they are nobody's concern here.
        let sql = sql.replace("email", "name");
        assert!(matches!(outputs(&s1(), &sql), Outputs::Copy(_)), "{sql}");
    }
    let sql = "COPY users (id, email) TO STDOUT (NULL '\\')";
    assert_eq!(refused(&s1(), sql), RefusalKind::UnsupportedConstruct);
    assert_eq!(
        stream("COPY users FROM STDIN (ON_ERROR stop)")
            .columns
            .len(),
        8
    );
}

#[test]
fn rows_that_come_need_an_order_that_is_pinned() {
    let unpinned = world(policy(false), relations());
    let sql = "COPY users FROM STDIN";
    assert_eq!(refused(&unpinned, sql), RefusalKind::UnsupportedConstruct);
    for sql in [
        "COPY users (email, id) FROM STDIN",
        "COPY users TO STDOUT",
        "COPY (SELECT * FROM users) TO STDOUT",
    ] {
        assert!(matches!(outputs(&unpinned, sql), Outputs::Copy(_)), "{sql}");
    }
    let mut moved = relations();
    moved[0].attributes.swap(0, 1);
    let moved = world(policy(true), moved);
    assert_eq!(refused(&moved, sql), RefusalKind::CatalogueMismatch);
}

#[test]
fn generated_columns_are_not_in_the_list_and_identity_columns_are() {
    let mut changed = relations();
    for (name, generated, has_default) in [("name", true, true), ("id", true, false)] {
        let attribute = changed[0].attributes.iter_mut().find(|a| a.name == name);
        let attribute = attribute.unwrap();
        attribute.generated = generated;
        attribute.has_default = has_default;
    }
    let changed = world(policy(true), changed);
    let Outputs::Copy(stream) = outputs(&changed, "COPY users FROM STDIN") else {
        panic!("no stream");
    };
    let names: Vec<&str> = stream.columns.iter().map(|c| c.name.as_str()).collect();
    assert!(
        names.contains(&"id") && !names.contains(&"name"),
        "{names:?}"
    );
}

#[test]
fn a_default_of_an_encrypted_column_is_not_stored() {
    let mut changed = relations();
    changed[0].attributes[1].has_default = true;
    let changed = world(policy(true), changed);
    for (sql, allowed) in [
        ("COPY users (id, name) FROM STDIN", false),
        ("COPY users (id, email) FROM STDIN (DEFAULT '\\D')", false),
        ("COPY users (id, name) TO STDOUT", true),
    ] {
        match analyse(sql, Protocol::Simple, &changed.context()) {
            Verdict::Refused(refusal) => {
                assert!(
                    !allowed && refusal.kind == RefusalKind::MixedPlain,
                    "{sql}: {refusal}"
                );
            }
            other => assert!(allowed, "{sql}: {other:?}"),
        }
    }
}

/// Words of options are options, whatever columns are called; names in options are columns.
#[test]
fn the_words_of_options_are_accounted_for() {
    let mut columns = policy(true).columns().to_vec();
    columns[2].name = "header".into();
    let mut list = relations();
    list[0].attributes[4].name = "header".into();
    let policy = sealwire_core::policy::Policy::new(1, vec![schema::cek()], columns, vec![]);
    let renamed = world(policy.unwrap(), list);
    for sql in [
        "COPY users (id, email) FROM STDIN (FORMAT csv, HEADER)",
        "COPY users (id, header) FROM STDIN CSV HEADER",
        "COPY users (id, header) TO STDOUT (FORMAT csv, HEADER, FORCE_QUOTE (header))",
    ] {
        assert!(matches!(outputs(&renamed, sql), Outputs::Copy(_)), "{sql}");
    }
}
