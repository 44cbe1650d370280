//! The acceptance corpus: statements that were checked on a real server, allowed and refused.

#![allow(clippy::unwrap_used, reason = "a failing helper fails its test")]

#[path = "common/schema.rs"]
mod schema;

use std::path::Path;

use sealwire_core::policy::Policy;
use sealwire_sql::{
    Outputs, Param, Plan, Protocol, RefusalKind, Replacement, Verdict, analyse, mentions_protected,
};
use serde_json::Value;

/// Allowed statements that are refused for now, with the reason.
const NOT_YET: [(&str, &str); 0] = [];

fn corpus() -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus/s1.jsonl");
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn strings(value: &Value) -> Vec<String> {
    let list = value.as_array().unwrap();
    list.iter()
        .map(|item| item.as_str().unwrap().to_owned())
        .collect()
}

/// Reads the corpus' notation for a type down to what the policy says about cells: columns of one
/// class are interchangeable.
fn class_of(policy: &Policy, notation: &str) -> String {
    let (prefix, path) = match notation.split_once(':') {
        Some(("enc", path)) => ("", path),
        Some(("enc[]", path)) => ("[]", path),
        _ => return notation.to_owned(),
    };
    let column = policy.columns().iter().find(|column| column.path() == path);
    format!("{prefix}{}", column.expect("a column of the schema").class)
}

fn params(policy: &Policy, plan: &Plan) -> Vec<String> {
    plan.params
        .iter()
        .map(|param| match param {
            Param::Plain => "plain".to_owned(),
            Param::Sealed { column, array, .. } => {
                let prefix = if *array { "[]" } else { "" };
                format!("{prefix}{}", policy.column(*column).class)
            }
        })
        .collect()
}

fn columns(policy: &Policy, plan: &Plan) -> Vec<String> {
    let columns: Vec<_> = match plan.statements.as_slice() {
        [Outputs::Columns(outputs)] => outputs.iter().map(|output| output.column).collect(),
        [Outputs::Copy(stream)] => stream.columns.iter().map(|column| column.column).collect(),
        statements => panic!("one statement with typed columns: {statements:?}"),
    };
    let class = |column: Option<_>| match column {
        None => "plain".to_owned(),
        Some(column) => policy.column(column).class.clone(),
    };
    columns.into_iter().map(class).collect()
}

/// Applies the edits as the engine would, with `<cell>` for a sealed literal.
fn rewritten(sql: &str, plan: &Plan) -> String {
    let mut text = String::new();
    let mut from = 0;
    for edit in &plan.edits {
        text.push_str(&sql[from..edit.range.start]);
        match &edit.replacement {
            Replacement::Text(replacement) => text.push_str(replacement),
            Replacement::Literal { .. } => text.push_str("<cell>"),
            _ => panic!("a new kind of replacement"),
        }
        from = edit.range.end;
    }
    text.push_str(&sql[from..]);
    text
}

fn literals(policy: &Policy, plan: &Plan) -> Vec<String> {
    plan.edits
        .iter()
        .filter_map(|edit| match &edit.replacement {
            Replacement::Literal { column, .. } => Some(policy.column(*column).class.clone()),
            _ => None,
        })
        .collect()
}

fn check(row: &Value) -> Result<(), String> {
    let world = schema::s1();
    let policy = &world.policy;
    let sql = row["sql"].as_str().unwrap();
    let verdict = analyse(sql, Protocol::Extended, &world.context());
    let expect_ok = row["outcome"] == "ok";
    let touches = row["touches"] == true;
    let types = |key: &str| -> Vec<String> {
        strings(&row[key])
            .iter()
            .map(|notation| class_of(policy, notation))
            .collect()
    };
    match verdict {
        Verdict::Untouched => {
            let plain = |key: &str| types(key).iter().all(|ty| ty == "plain");
            if !expect_ok || !plain("params") || !plain("columns") || !row["rewritten"].is_null() {
                return Err("passed untouched".into());
            }
            Ok(())
        }
        Verdict::Planned(plan) => {
            if !expect_ok {
                return Err("allowed".into());
            }
            if !touches {
                return Err("planned though it touches nothing".into());
            }
            let checks = [
                ("params", params(policy, &plan)),
                ("columns", columns(policy, &plan)),
                ("literals", literals(policy, &plan)),
            ];
            for (key, got) in checks {
                if got != types(key) {
                    return Err(format!("{key}: {got:?}, should be {:?}", types(key)));
                }
            }
            let expected = row["rewritten"].as_str().unwrap_or(sql);
            let got = rewritten(sql, &plan);
            if got != expected {
                return Err(format!("rewritten to {got:?}, should be {expected:?}"));
            }
            Ok(())
        }
        Verdict::Refused(refusal) if expect_ok => {
            Err(format!("refused: {refusal} ({:?})", refusal.detail))
        }
        Verdict::Refused(refusal) => {
            let invalid = matches!(refusal.kind, RefusalKind::Invalid | RefusalKind::Syntax);
            if invalid {
                // Of attribute notation only the server knows whether it is a call.
                let accepted = row["server15"] == "accepts" && !sql.contains("u.label");
                if accepted {
                    return Err(format!("the server takes it: {refusal}"));
                }
            } else if !refusal.message.starts_with("refusing to ") {
                return Err(format!("voice: {refusal}"));
            }
            Ok(())
        }
        other => Err(format!("{other:?}")),
    }
}

#[test]
fn every_row_has_its_verdict() {
    let rows = corpus();
    assert!(rows.len() > 100, "the corpus has been cut short");
    let mut failures = String::new();
    for row in &rows[1..] {
        let sql = row["sql"].as_str().unwrap();
        let excused = NOT_YET.iter().any(|(statement, _)| *statement == sql);
        match check(row) {
            Ok(()) if excused => failures.push_str(&format!("{sql}\n    no longer excused\n")),
            Err(why) if !excused => failures.push_str(&format!("{sql}\n    {why}\n")),
            _ => {}
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
}

#[test]
fn what_touches_nothing_is_not_even_parsed_or_is_found_harmless() {
    let world = schema::s1();
    for row in &corpus()[1..] {
        let sql = row["sql"].as_str().unwrap();
        if row["touches"] == true {
            assert!(mentions_protected(sql, &world.context()), "{sql}");
        }
    }
}
